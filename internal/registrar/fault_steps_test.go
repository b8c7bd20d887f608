package registrar_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
	"strikevote/internal/voter"
)

// crowd has a roll for many faults.
func crowd(p *electiontest.Plan) { p.Rolls = []uint32{200, 30} }

// take goes on to a member of group 1 with whom nothing was done.
func (f *faulty) take() {
	f.t.Helper()
	f.at, f.next = f.next, f.next+1
	f.link, f.z, f.first = f.show(1, f.at), request(f.t), [credential.Size]byte{}
}

func (f *faulty) mustIssue(n int) {
	f.t.Helper()
	for range n {
		f.take()
		if err := f.issueAgain(); err != nil {
			f.t.Fatal(err)
		}
	}
}

var steps = []step{
	{
		name:   "issue",
		before: (*faulty).take,
		do:     (*faulty).issueAgain,
		again:  (*faulty).mustBeIssued,
	},
	{
		name:   "issue again",
		before: func(f *faulty) { f.mustIssue(1) },
		do:     (*faulty).issueAgain,
		again:  (*faulty).mustBeIssued,
	},
	{
		name:   "issue with the extra question",
		opts:   []func(*electiontest.Plan){withFactor},
		before: (*faulty).take,
		do:     (*faulty).issueAgain,
		again:  (*faulty).mustBeIssued,
	},
	{
		name:   "status",
		before: (*faulty).take,
		do:     func(f *faulty) error { _, err := f.r.Status(context.Background(), f.link, ""); return err },
		again: func(f *faulty) {
			if s, err := f.r.Status(context.Background(), f.link, ""); err != nil || s.Issued || s.Index != f.at {
				f.t.Errorf("got %+v, %v", s, err)
			}
		},
	},
	{
		name: "deposit",
		before: func(f *faulty) {
			f.take()
			f.body = append([]byte{1}, f.z...)
		},
		do: func(f *faulty) error {
			_, err := f.r.Deposit(context.Background(), f.link, "", f.body)
			return err
		},
		again: func(f *faulty) {
			if id, err := f.r.Deposit(context.Background(), f.link, "", f.body); err != nil || id != ballotID(f.body) {
				f.t.Errorf("the same envelope again: %v", err)
			}
			if n := f.count(`SELECT count(*) FROM registrar.envelope WHERE group_id = 1 AND roll_index = $1`, f.at); n != 1 {
				f.t.Errorf("the member has %d envelopes", n)
			}
		},
	},
	actStep("an act that moves the close", func(f *faulty) (act.Kind, interface{ Bytes() []byte }) {
		return act.KindExtend, act.Extend{Close: electiontest.Close + 60*int64(f.applied+1)}
	}, func(f *faulty) {
		if s, err := f.r.Phase(context.Background()); err != nil || s.Close != electiontest.Close+60*int64(f.applied) {
			f.t.Errorf("after %d extensions: %+v, %v", f.applied, s, err)
		}
	}),
	actStep("an act that strikes", func(f *faulty) (act.Kind, interface{ Bytes() []byte }) {
		f.take()
		g, leaf, err := f.r.Strikable(context.Background(), electiontest.MemberNo(1, f.at))
		if err != nil {
			f.t.Fatal(err)
		}
		return act.KindAmend, act.Amend{Op: act.OpStrike, Group: g, Hash: leaf}
	}, func(f *faulty) {
		if n := f.count(`SELECT count(*) FROM registrar.used WHERE kind = 'strike'`); n != int(f.applied) {
			f.t.Errorf("%d members are struck by %d acts", n, f.applied)
		}
	}),
	actStep("an act that adds", func(f *faulty) (act.Kind, interface{ Bytes() []byte }) {
		g, leaf, err := f.r.Stage(context.Background(), registrar.Member{Number: fmt.Sprint("N-", f.applied), Name: "CANARY",
			Email: fmt.Sprint("n", f.applied, "@mail.example"), Unit: "Unit 1"})
		if err != nil {
			f.t.Fatal(err)
		}
		return act.KindAmend, act.Amend{Op: act.OpAdd, Group: g, Hash: leaf}
	}, func(f *faulty) {
		added, invited := f.count(`SELECT count(*) FROM registrar.member WHERE added`),
			f.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'invitation'`)
		if added != int(f.applied) || invited != added {
			f.t.Errorf("%d members are added and %d invited by %d acts", added, invited, f.applied)
		}
	}),
	tickStep("opening", election.PhaseOpen, electiontest.Open, func(*faulty) {}),
	tickStep("closing", election.PhaseClosed, electiontest.Close, func(f *faulty) {
		if f.phase() == election.PhaseSealed {
			f.world.at(electiontest.Open)
			f.mustIssue(3)
		}
	}),
	{
		name: "batch",
		opts: []func(*electiontest.Plan){crowd},
		before: func(f *faulty) {
			f.mustIssue(2*int(f.m.Group(1).BatchMin) - f.count(`SELECT count(*) FROM registrar.queue`))
		},
		do: func(f *faulty) error { return f.r.Tick(context.Background()) },
		again: func(f *faulty) {
			// The session that was cut may hold the lock on batches for a moment, and
			// whoever finds it taken leaves the work to the next call.
			left := int(f.m.Group(1).BatchMin)
			for n := 0; n < 1000 && f.count(`SELECT count(*) FROM registrar.queue`) > left; n++ {
				f.world.at(f.now.Load())
			}
			if n := f.count(`SELECT count(*) FROM registrar.queue`); n != left {
				f.t.Errorf("%d entries wait, want %d", n, left)
			}
		},
		spent: func(f *faulty) bool { return f.next+20 > 200 },
	},
	{
		name:   "lock",
		sealed: true,
		before: func(f *faulty) {
			if f.phase() == election.PhaseSealed {
				f.world.at(electiontest.Open)
				f.mustIssue(12)
				f.world.at(electiontest.Close + f.m.Schedule.Grace)
			}
		},
		do: func(f *faulty) error { return f.r.Lock(context.Background()) },
		again: func(f *faulty) {
			finals := len(f.entries(0xff))
			if locked := f.phase() == election.PhaseLocked; locked != (finals == 1) || finals > 1 {
				f.t.Errorf("%d final entries, locked %v", finals, locked)
			} else if !locked {
				return // the next round trip is broken in the same world
			}
			if err := f.r.Lock(context.Background()); err != nil {
				f.t.Error(err)
			}
			if n := len(f.entries(1)); n != 12 {
				f.t.Errorf("%d issuances in a ledger that ended, want 12", n)
			}
		},
		spent: func(f *faulty) bool { return f.phase() == election.PhaseLocked },
	},
	{
		name:   "queue a link for one",
		before: (*faulty).take,
		do:     func(f *faulty) error { return f.r.Resend(context.Background(), electiontest.MemberNo(1, f.at)) },
		again: func(f *faulty) {
			if err := f.r.Resend(context.Background(), electiontest.MemberNo(1, f.at)); err != nil {
				f.t.Error(err)
			}
			if n := f.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'resend' AND roll_index = $1`, f.at); n != 1 {
				f.t.Errorf("%d links are on their way", n)
			}
		},
	},
	{
		name: "queue for everybody",
		before: func(f *faulty) {
			if _, err := f.db.Owner.Exec(context.Background(), `DELETE FROM registrar.outbox`); err != nil {
				f.t.Fatal(err)
			}
		},
		do: (*faulty).invite,
		again: func(f *faulty) {
			if err := f.invite(); err != nil {
				f.t.Error(err)
			}
			if n := f.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'invitation'`); n != 70 {
				f.t.Errorf("%d invitations, want 70", n)
			}
		},
	},
	{
		name: "send",
		opts: []func(*electiontest.Plan){crowd},
		before: func(f *faulty) {
			for range 3 {
				f.take()
				if err := f.r.Resend(context.Background(), electiontest.MemberNo(1, f.at)); err != nil {
					f.t.Fatal(err)
				}
			}
		},
		do: func(f *faulty) error { _, err := f.mailer.Drain(context.Background()); return err },
		again: func(f *faulty) {
			f.now.Add(3600) // until no lease lasts of those who are gone
			// A mailer passes over rows that are locked, and drains again later: the server
			// may need a moment to see that whoever locked them is gone.
			for end := time.Now().Add(20 * time.Second); ; {
				if _, err := f.mailer.Drain(context.Background()); err != nil {
					f.t.Fatal(err)
				}
				n := f.count(`SELECT count(*) FROM registrar.outbox WHERE state <> 'sent'`)
				if n == 0 {
					break
				}
				if time.Now().After(end) {
					f.t.Fatalf("%d mails are not sent", n)
				}
			}
			for _, err := range f.unsent() {
				f.t.Error(err)
			}
		},
	},
}

// actStep sends the committee's next act, again and again. What it says and what
// it has to come to differs.
func actStep(name string, next func(*faulty) (act.Kind, interface{ Bytes() []byte }), check func(*faulty)) step {
	return step{
		name: name,
		opts: []func(*electiontest.Plan){crowd},
		before: func(f *faulty) {
			kind, payload := next(f)
			f.body = f.k.Act(f.mid, kind, f.applied+1, payload.Bytes()).Bytes()
		},
		do: func(f *faulty) error { _, err := f.r.ApplyAct(context.Background(), f.body); return err },
		again: func(f *faulty) {
			// Whoever sent it may never come back; it is kept or not, and if it is,
			// it is signed. mustAgree looks at that again.
			if kept := f.count(`SELECT count(*) FROM registrar.act`); kept > int(f.applied) {
				f.mustAgree()
			}
			n, err := f.r.ApplyAct(context.Background(), f.body)
			if err != nil || n != f.applied+1 {
				f.t.Fatalf("act %d again: %d, %v", f.applied+1, n, err)
			}
			f.applied++
			entries := f.entries(5)
			if len(entries) != int(f.applied) || !bytes.HasSuffix(entries[len(entries)-1], f.body) {
				f.t.Errorf("%d acts in the ledger, want %d, in order", len(entries), f.applied)
			}
			check(f)
		},
	}
}

// tickStep lets the clock change the phase, in a world for each time it does.
func tickStep(name string, want election.Phase, when int64, before func(*faulty)) step {
	return step{
		name:   name,
		sealed: true,
		before: func(f *faulty) {
			before(f)
			f.now.Store(when)
		},
		do: func(f *faulty) error { return f.r.Tick(context.Background()) },
		again: func(f *faulty) {
			if f.phase() != want {
				f.now.Store(when - 1) // the next round trip is broken in the same world
				return
			}
			f.world.at(f.now.Load())
			if got := f.phase(); got != want {
				f.t.Errorf("the phase is %s, want %s", got, want)
			}
		},
		spent: func(f *faulty) bool { return f.phase() == want },
	}
}

func (f *faulty) phase() (p election.Phase) {
	f.t.Helper()
	if err := f.db.Owner.QueryRow(context.Background(), `SELECT phase FROM registrar.election`).Scan(&p); err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *faulty) invite() error {
	_, err := f.r.Enqueue(context.Background(), mailer.Invitation, time.Unix(electiontest.Open, 0), time.Hour)
	return err
}

// unsent compares what the outbox calls sent with the folder of mails: everybody
// has theirs, and all of one member's carry one link.
func (f *faulty) unsent() (wrong []error) {
	f.t.Helper()
	links := readLinks(f.t, f.mail)
	for i := range f.next {
		if n := f.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'resend' AND state = 'sent' AND roll_index = $1`, i); n == 0 {
			continue
		}
		token, _ := f.world.link(1, i, true)
		to := "canary-" + strings.ToLower(electiontest.MemberNo(1, i)) + "@mail.example"
		if got := links[to]; len(got) != 1 || !got[token.Base64()] {
			wrong = append(wrong, fmt.Errorf("member %d: the outbox says sent, and the mails hold %d links", i, len(got)))
		}
	}
	return wrong
}

// readLinks returns the tokens in the mails of a folder, by address.
func readLinks(t testing.TB, dir string) map[string]map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	links := make(map[string]map[string]bool)
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		to, link, err := voter.ReadMail(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		_, token, _ := strings.Cut(link, "#t=")
		token, _, _ = strings.Cut(token, "&")
		if links[to] == nil {
			links[to] = make(map[string]bool)
		}
		links[to][token] = true
	}
	return links
}
