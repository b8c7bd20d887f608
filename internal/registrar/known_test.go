package registrar_test

import (
	"errors"
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
		list, err := w.r.CheckResend(ctx, who)
		if !errors.Is(err, want) || err == nil && len(list) != 1 || rows() != before {
			t.Errorf("%s is asked about: %d found, %v, want %v", who, len(list), err, want)
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
	ask(end-1, "M-1-7", nil) // it still finishes a ballot that was under way
	ask(end, "M-1-8", registrar.ErrOver)
	ask(end, "nobody", registrar.ErrOver)
	for _, who := range []string{"M-1-5", "nobody", "M-1-8"} {
		if err := w.r.Resend(ctx, who); err != nil {
			t.Errorf("somebody asks for %s: %v", who, err)
		}
	}
}
