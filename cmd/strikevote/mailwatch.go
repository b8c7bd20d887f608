package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/suite"
)

// mostStuck is for how many seconds nothing may leave before a watch ends.
const mostStuck = 60

func waitWords(n int) string {
	if n == 1 {
		return "1 mail waits"
	}
	return fmt.Sprintf("%d mails wait", n)
}

// watchMail shows how many mails of a kind, or of all, have left, until none waits. Of
// those that are not neutral it waits for the first attempt, and no longer: how long the
// others take would tell whether somebody has not voted.
func watchMail(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID, kind string, shown bool) error {
	const pace = time.Second
	bar := newProgress(e)
	defer bar.done()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	stuck := 0
	for {
		st, err := d.MailStatus(ctx, id)
		if err != nil {
			return err
		}
		waiting, all := 0, 0
		for _, t := range st.Tallies {
			if kind == "" || t.Kind == kind {
				waiting, all = waiting+t.Waiting, all+t.Waiting+t.Left+t.Failed
			}
		}
		if waiting > 0 && d.RunsDatabases() {
			// Nothing will leave; and a service that is started meanwhile would stand on
			// this command's databases, and fall with it.
			return fmt.Errorf("%s, and the service does not run, so that none leaves: strikevote serve; then watch again", waitWords(waiting))
		}
		if waiting > 0 && st.Paused {
			return fmt.Errorf("%s, and mails are held back: strikevote mail resume", waitWords(waiting))
		}
		if live, err := d.MailService(ctx); err == nil && waiting > 0 && live.Stuck() {
			// What is over in a moment, like a server that is busy, is waited for.
			stuck++
			for name, reason := range live.Held {
				if reason == mailer.ReasonSettings || stuck > mostStuck {
					return fmt.Errorf("%s, and %s is not asked at the moment: %s", waitWords(waiting), name, mailReason(reason))
				}
			}
		} else {
			stuck = 0
		}
		if shown {
			bar.step(strings.TrimSpace("mails "+kind), all-waiting, all)
		}
		if waiting == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// waited says what is so once a watch of a kind has ended.
func waited(kind string) string {
	if mailer.Neutral(kind) {
		return "None waits any more."
	}
	return "All have had their turn. Whether one is tried again is not shown: it would tell that somebody has not voted."
}
