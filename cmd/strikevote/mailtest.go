package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
)

// testTime bounds what a test mail may take.
const testTime = time.Minute

func runMailTest(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	l := settings(e, fs, "DATA")
	only := fs.String("sender", "", "only this sender")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usageError("name one address")
	}
	var to mailAddress
	if err := to.UnmarshalText([]byte(fs.Arg(0))); err != nil {
		return usageError("%v", err)
	}
	c, err := l.loadToSend()
	if err != nil {
		return err
	}
	became, err := c.sendTest(ctx, e, string(to), *only)
	if err != nil {
		return err
	}
	if became != deployment.StateOK {
		return errFalse
	}
	if !c.MailSenders.carried() || bool(c.SendGridSandbox) && c.MailSenders.has(senderSendGrid) {
		return nil
	}
	fmt.Fprintln(e.out, "Now look whether it arrives, and not among spam; its source should say spf=pass, dkim=pass, dmarc=pass.")
	return nil
}

// sendTest sends one mail by each sender and says what it answered. It returns the worst
// of the answers: a warning for one that takes the mail later.
func (c *Config) sendTest(ctx context.Context, e *env, to, only string) (worst deployment.State, err error) {
	list, err := c.carriers(slog.New(slog.DiscardHandler), true)
	if err != nil {
		return worst, err
	}
	defer closeSenders(list)
	from := string(c.MailFromAddress)
	if len(list) == 0 {
		if c.Data == "" && c.MailDir == "" {
			return worst, errNoData
		}
		list = []mailer.Sender{&mailer.Directory{Path: c.mailDir()}}
		if from == "" {
			from = "ballot@union.example"
		}
	}
	if only != "" {
		list = slices.DeleteFunc(list, func(s mailer.Sender) bool { return s.Name() != only })
		if len(list) == 0 {
			return worst, usageError("%sMAIL_SENDERS does not name %s", prefix, only)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	worst = deployment.StateOK
	for _, s := range list {
		m := testMail(mailer.Address{Name: c.MailFromName, Address: from}, to)
		answers := patiently(e, s.Name(), func() []mailer.Answer { return s.Send(ctx, []mailer.Mail{m}) })
		if len(answers) != 1 {
			return worst, errors.New("the sender did not answer")
		}
		a := answers[0]
		fmt.Fprintf(e.out, "%s: %s%s\n", s.Name(), answerWords(a), c.afterwards(s.Name(), a))
		switch {
		case later(a) && worst == deployment.StateOK:
			worst = deployment.StateWarn
		case a.Verdict != mailer.Accepted && !later(a):
			worst = deployment.StateFail
		}
	}
	return worst, nil
}

// patiently says that an answer takes its time, so that nobody gives up too soon.
func patiently(e *env, name string, send func() []mailer.Answer) []mailer.Answer {
	const soon = 3 * time.Second
	done := make(chan []mailer.Answer, 1)
	go func() { done <- send() }()
	t := time.NewTimer(soon)
	defer t.Stop()
	select {
	case answers := <-done:
		return answers
	case <-t.C:
	}
	fmt.Fprintf(e.err, "%s has not answered yet; it has up to %.0f seconds\n", name, testTime.Seconds())
	return <-done
}

// testMail is a mail that is no ballot.
func testMail(from mailer.Address, to string) mailer.Mail {
	const text = "This is a test of the union's ballot mail. It is no ballot, and there is nothing to do."
	m := mailer.Mail{
		From: from, ReplyTo: from.Address, To: to, Subject: "Test of the union's ballot mail", Text: text + "\n",
		HTML: "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Test</title></head><body><p>" + text + "</p></body></html>\n",
		Date: time.Now(), Language: "en",
	}
	_, _ = rand.Read(m.ID[:]) // never fails
	return m
}

// later reports whether whoever was asked takes the same mail some minutes later. A
// system that does not know a sender yet often says so first.
func later(a mailer.Answer) bool {
	if a.Verdict != mailer.NotTaken || a.Pause > 0 || a.Said == "" {
		return false
	}
	switch a.Reason {
	case mailer.ReasonPolicy, mailer.ReasonFull, mailer.ReasonDown, mailer.ReasonAddress:
		return true
	}
	return false
}

// barred reports whether a mail was not shown to whoever should take it, for its address.
func barred(a mailer.Answer) bool {
	return a.Verdict == mailer.Refused && a.Reason == mailer.ReasonAddress && a.Said == ""
}

// answerWords says what a sender answered to a test, and in whose words.
func answerWords(a mailer.Answer) string {
	why, words := "", ""
	if a.Reason != mailer.ReasonNone {
		// Without what to do about it: that is for mails to members.
		what, _, _ := strings.Cut(mailReason(a.Reason), ":")
		why = ": " + what
	}
	if a.Said != "" {
		words = fmt.Sprintf("; the answer was %q", a.Said)
	}
	switch {
	case a.Verdict == mailer.Accepted:
		return "it took the mail"
	case a.Verdict == mailer.Unknown && a.Said != "":
		return "it did not say whether it takes the mail, which may arrive" + words
	case a.Verdict == mailer.Unknown:
		return "its answer was lost; the mail may arrive"
	case a.Fault != "":
		return "it was not asked to take the mail: " + a.Fault
	case barred(a):
		return "it was not asked to take the mail: it cannot mail an address like this one"
	case a.Verdict == mailer.Refused:
		return "it refused the mail for good" + why + words
	case later(a):
		return "it takes the mail later; try again in ten minutes" + words
	}
	return "it did not take the mail" + why + words
}

// afterwards says what happens with a test that was taken and does not arrive, what a
// refusal of the recipient shows, or where to look.
func (c *Config) afterwards(sender string, a mailer.Answer) string {
	switch {
	case a.Verdict == mailer.Refused && a.Reason == mailer.ReasonAddress && !barred(a):
		return ". It takes mails of this sender; try an address that exists"
	case sender == senderOutbox && a.Verdict == mailer.NotTaken:
		return "; see whether its folder is there and may be written to: " + c.mailDir()
	case a.Verdict != mailer.Accepted:
		return ""
	case sender == senderOutbox:
		return ": it is a file in " + c.mailDir() + ", and nobody sends it from there"
	case sender == senderSendGrid && bool(c.SendGridSandbox):
		return " and checked it, and no mail arrives: " + prefix + "SENDGRID_SANDBOX is yes"
	}
	return ""
}
