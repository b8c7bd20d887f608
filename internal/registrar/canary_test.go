package registrar_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
)

// TestCanary runs everything that touches a member, right and wrong, and then
// looks for names, addresses, numbers, tokens and codes in every error, answer
// and log line, and for tokens and codes in every column of the database.
func TestCanary(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withFactor)
	ctx := t.Context()
	w.at(electiontest.Open)
	link, typed := w.link(1, 0, true)
	var said strings.Builder
	note := func(err error) { fmt.Fprintf(&said, "%v %+v\n", err, err) }
	answered := func(path string, body any) { said.WriteString(w.post(path, body).Body.String()) }

	z := b64(request(t))
	answered("/status", fields{"token": link.Base64()})
	answered("/status", fields{"token": link.Base64(), "factor": "canary-wrong"})
	answered("/issue", fields{"token": link.Base64(), "factor": "answer M-1-0", "z": z})
	answered("/issue", fields{"token": link.Base64(), "factor": "answer M-1-0", "z": b64(request(t))})
	answered("/status", "{"+link.Base64())
	answered("/status", fields{"token": link.Base64() + "A"})
	answered("/status", fields{"code": typed.Reveal()[:10]})
	answered("/deposit", fields{"token": link.Base64(), "factor": "answer M-1-0", "ballot": z})
	answered("/deposit", fields{"code": typed.Reveal(), "ballot": z})
	answered("/resend", fields{"to": "canary-m-1-0@mail.example"})
	answered("/resend", fields{"to": "canary\x00"})
	note(w.draft.Import(ctx, members(w.m)))
	note(w.r.NewLink(ctx, "M-1-0", "canary-new@mail.example", "Ann", "x"))
	note(w.r.NewLink(ctx, "M-1-2", "canary-new@mail.example", "Ann", "x"))
	note(w.r.ResetFactor(ctx, "CANARY", "Ann"))
	_, _, err := w.r.Stage(ctx, registrar.Member{Number: "M-1-1", Name: "CANARY", Email: "canary@x.example", Unit: "Unit 1"})
	note(err)
	_, _, err = w.r.Stage(ctx, registrar.Member{Number: "CANARY", Name: "CANARY\x00", Unit: "Unit 1"})
	note(err)
	_, err = w.r.Admit(ctx, registrar.Applicant{Name: "CANARY\x00", Email: "canary@x.example", Group: 1})
	note(err)
	note(w.r.Resend(ctx, "canary\x00@mail.example"))
	for _, v := range []any{members(w.m)[0], members(w.m), registrar.Applicant{Name: "CANARY"}, w.config.Keys} {
		fmt.Fprintf(&said, "%v %+v %#v %s %x\n", v, v, v, v, v)
	}

	// Mails, with a sender that quotes what it refuses.
	dir := t.TempDir()
	if n, err := w.r.Enqueue(ctx, mailer.Invitation, w.clock(), 0); n != 70 || err != nil {
		t.Fatalf("%d queued, %v", n, err)
	}
	post, err := mailer.New(mailer.Config{Pool: w.db.Service, Manifest: w.m, MID: w.mid, Minter: w.minter, Zone: time.UTC, Now: w.clock,
		Log: w.config.Log, From: mailer.Address{Name: "Union", Address: "ballot@union.example"}, Senders: []mailer.Sender{&mailer.Directory{Path: dir, Unsynced: true}}})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := post.Drain(ctx)
	if err != nil || sent != 74 { // all, a notice of issuance, a corrected link and a word to the old address, one sent again
		t.Errorf("%d mails, %v", sent, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != sent {
		t.Errorf("%d files, %v", len(files), err)
	}
	checkMail(t, w, dir, link.Base64())

	said.WriteString(w.out.String())
	low := strings.ToLower(said.String())
	for _, canary := range []string{"canary", "m-1-", "m-2-", "mail.example", strings.ToLower(link.Base64()[:20]), strings.ToLower(typed.Reveal()), hex.EncodeToString(link[:16]),
		hex.EncodeToString(w.k.RollKey[:]), strings.ToLower(z[:20])} {
		if i := strings.Index(low, canary); i >= 0 {
			t.Errorf("%q was said: …%s…", canary, low[max(0, i-80):min(len(low), i+80)])
		}
	}
	dump := w.db.Text(func(schema, _ string) bool { return schema == "registrar" || schema == "board" })
	for _, secret := range []string{hex.EncodeToString(link[:]), hex.EncodeToString(link[47:]), link.Base64(), typed.Reveal(), strings.ReplaceAll(typed.Reveal(), "-", "")[:20],
		hex.EncodeToString([]byte(strings.ReplaceAll(typed.Reveal(), "-", "")[:20])), "answer"} {
		if strings.Contains(dump, secret) {
			t.Errorf("the database holds %q", secret)
		}
	}
	if !strings.Contains(dump, "CANARY-name M-1-0") {
		t.Error("the search of the database is blind")
	}
}

// checkMail demands that the member's link is in the mails, so that the search
// for it elsewhere is a search for the right thing.
func checkMail(t *testing.T, w *world, dir, link string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		// Soft line ends of quoted-printable stand inside the link.
		found = found || strings.Contains(strings.ReplaceAll(string(b), "=\r\n", ""), link)
	}
	if !found {
		t.Error("no mail has the member's link")
	}
}

// TestAnswersSayWhatToDo: every code that a member can meet has one sentence.
func TestAnswersSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, err := range []error{registrar.ErrUnknownLink, registrar.ErrReplaced, registrar.ErrExpired, registrar.ErrStruck, registrar.ErrNotOpen,
		registrar.ErrClosed, registrar.ErrCancelled, registrar.ErrAlreadyIssued, registrar.ErrEnvelopeOnly, registrar.ErrFactorNeeded,
		registrar.ErrRequest, registrar.ErrBusy, registrar.ErrDeposited, registrar.ErrNotBallot, registrar.ErrBoxAway, registrar.ErrTooOften,
		registrar.ErrTooManyCodes, registrar.ErrWho, errors.New("the database is away"), &registrar.FactorError{Left: 1}, &registrar.LockedError{For: time.Hour}} {
		status, code, message := registrar.Answer(fmt.Errorf("wrapped: %w", err))
		if status < 400 || code == "" || !strings.HasSuffix(message, ".") || strings.Count(message, ".") > 2 {
			t.Errorf("%v: %d %s %q", err, status, code, message)
		}
		for _, word := range []string{"token", "invalid", "failed", "error", "please", "sorry", "!"} {
			if strings.Contains(strings.ToLower(message), word) {
				t.Errorf("%q has %q in it", message, word)
			}
		}
	}
	if _, _, m := registrar.Answer(&registrar.LockedError{For: time.Hour}); !strings.Contains(m, "60 minutes") {
		t.Errorf("got %q", m)
	}
	if _, code, _ := registrar.Answer(registrar.ErrCancelled); code != "cancelled" {
		t.Errorf("a cancelled vote is answered as %q", code)
	}
	if status, _, m := registrar.Answer(errors.New("dial tcp 10.1.2.3")); status != 503 || strings.Contains(m, "10.1") {
		t.Errorf("an unknown error is answered %d %q", status, m)
	}
}
