package registrar_test

import (
	"errors"
	"strings"
	"testing"

	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
)

// TestResendKnown: whoever has the roll is told why no link would leave, before and when it
// is asked for, and nothing is queued then. The negative control is the public way, which
// says the same of everybody.
func TestResendKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *electiontest.Plan) { p.Real = true })
	ctx := t.Context()
	end := w.m.Schedule.LockFrom(electiontest.Close)
	rows := func() int { return w.count(`SELECT count(*) FROM registrar.outbox`) }
	ask := func(at int64, who string, want error) {
		t.Helper()
		w.at(at)
		before := rows()
		list, finish, err := w.r.CheckResend(ctx, who)
		if !errors.Is(err, want) || err == nil && len(list) != 1 || rows() != before {
			t.Errorf("%s is asked about: %d found, %v, want %v", who, len(list), err, want)
		}
		if (finish == end) != (err == nil && at >= electiontest.Close) || finish != 0 && finish != end {
			t.Errorf("%s is asked about at %d: the link finishes a ballot until %d", who, at, finish)
		}
		if err := w.r.ResendKnown(ctx, who); !errors.Is(err, want) || (rows() != before) != (want == nil) {
			t.Errorf("%s: %v, want %v; %d rows more", who, err, want, rows()-before)
		}
	}
	ask(electiontest.Open-3600, "M-1-3", registrar.ErrEarly)
	ask(electiontest.Open, "M-1-3", nil)
	ask(electiontest.Open, "CANARY-m-1-3@mail.example", registrar.ErrJustSent)
	w.tried()
	ask(electiontest.Open+599, "M-1-3", registrar.ErrJustSent)
	ask(electiontest.Open+601, "M-1-3", nil)
	ask(electiontest.Open, "nobody", registrar.ErrNoMember)
	ask(electiontest.Open, "nobody@mail.example", registrar.ErrNobody)
	ask(electiontest.Open, " \t", registrar.ErrWho)
	w.admit(1)
	w.tried()
	ask(electiontest.Open+601, "off@mail.example", nil)
	for _, sql := range []string{
		`INSERT INTO registrar.used (group_id, roll_index, kind) SELECT group_id, roll_index, 'strike' FROM registrar.member WHERE member_no = 'M-1-5'`,
		`ALTER TABLE registrar.member DISABLE TRIGGER USER`, // it keeps a sealed roll as it is
		`UPDATE registrar.member SET email = NULL WHERE member_no = 'M-1-6'`,
	} {
		if _, err := w.db.Owner.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	ask(electiontest.Open, "M-1-5", registrar.ErrStruck)
	ask(electiontest.Open, "M-1-6", registrar.ErrNoAddress)
	w.tried()
	ask(electiontest.Close-1, "off@mail.example", nil)
	w.tried()
	ask(electiontest.Close+1, "off@mail.example", registrar.ErrOverEnvelope)
	ask(electiontest.Close, "M-1-9", nil)
	ask(end-1, "M-1-7", nil) // it still finishes a ballot that was under way
	ask(end, "M-1-8", registrar.ErrOver)
	ask(end, "nobody", registrar.ErrOver)
	for _, who := range []string{"M-1-5", "nobody", "M-1-8"} {
		if err := w.r.Resend(ctx, who); err != nil {
			t.Errorf("somebody asks for %s: %v", who, err)
		}
	}
}

// TestChecks: what is only looked at says what doing it would, and nothing of it stays.
func TestChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.at(electiontest.Open)
	late := registrar.Member{Number: "L-1", Name: "CANARY", Unit: w.m.Groups[0].Units[0]}
	applicant := registrar.Applicant{Name: "CANARY", Email: "off@mail.example", Group: 1}
	look := func(what string, address, add, admit error) {
		t.Helper()
		rows := `SELECT (SELECT count(*) FROM registrar.addition) + (SELECT count(*) FROM registrar.applicant) + (SELECT count(*) FROM registrar.outbox) + (SELECT count(*) FROM registrar.token)`
		before := w.count(rows)
		m, err := w.r.CheckNewLink(ctx, "M-1-3")
		if !errors.Is(err, address) || err == nil && (m.Number != "M-1-3" || !strings.EqualFold(m.Email, "canary-m-1-3@mail.example") || m.Name == "" || m.Unit == "") {
			t.Errorf("%s: another address: %v, want %v", what, err, address)
		}
		if err := w.r.CheckAdmit(ctx, applicant); !errors.Is(err, admit) {
			t.Errorf("%s: admitting: %v, want %v", what, err, admit)
		}
		if _, _, err := w.r.CheckStage(ctx, late, nil); !errors.Is(err, add) {
			t.Errorf("%s: adding: %v, want %v", what, err, add)
		}
		if n := w.count(rows); n != before {
			t.Errorf("%s: %d rows stay", what, n-before)
		}
	}
	look("while voting is open", nil, nil, nil)
	g, leaf, err := w.r.CheckStage(ctx, late, nil)
	if g2, leaf2, err2 := w.r.Stage(ctx, late); g2 != g || leaf2 != leaf || errors.Join(err, err2) != nil {
		t.Errorf("it looked at another leaf, %v, %v", err, err2)
	}
	late.Number = "M-1-4"
	applicant.Email = "CANARY-m-1-4@mail.example"
	if _, err := w.db.Owner.Exec(ctx, `INSERT INTO registrar.used (group_id, roll_index, kind) SELECT group_id, roll_index, 'strike' FROM registrar.member WHERE member_no = 'M-1-3'`); err != nil {
		t.Fatal(err)
	}
	look("used and taken", registrar.ErrAlreadyIssued, registrar.ErrOnRoll, registrar.ErrAddressTaken)
	if _, err := w.db.Owner.Exec(ctx, `UPDATE registrar.election SET phase = 'closed'`); err != nil {
		t.Fatal(err)
	}
	if _, err := w.r.CheckNewLink(ctx, "M-1-5"); !errors.Is(err, registrar.ErrClosed) {
		t.Errorf("after the close: %v", err)
	}
	if err := w.r.CheckAdmit(ctx, applicant); !errors.Is(err, registrar.ErrClosed) {
		t.Errorf("after the close: %v", err)
	}
	if m, err := w.r.Known(ctx, "M-1-5"); err != nil || m.Number != "M-1-5" {
		t.Errorf("after the close a member is not known: %v", err)
	}
	if _, err := w.r.Known(ctx, "nobody"); !errors.Is(err, registrar.ErrNoMember) {
		t.Errorf("nobody: %v", err)
	}
}
