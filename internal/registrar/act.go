package registrar

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// ApplyAct checks an act of the committee, makes it take effect and appends it
// to the ledger, in one transaction beside which nothing is issued. It returns
// the act's sequence, also for an act that was applied before; for one that is
// refused, an [*ActError].
func (r *Registrar) ApplyAct(ctx context.Context, body []byte) (uint32, error) {
	a, err := act.Parse(body)
	if err != nil {
		return 0, &ActError{err}
	}
	done, err := r.checkAct(ctx, a, body)
	if err == nil && !done {
		err = r.applyAct(ctx, a, body)
	}
	if err != nil {
		return 0, fmt.Errorf("applying an act: %w", err)
	}
	if _, err := r.c.Ledger.Sign(ctx); err != nil {
		return 0, fmt.Errorf("applying an act: %w", err)
	}
	return a.Sequence, nil
}

// checkAct answers an act that is known, and refuses one that is not valid
// after the acts before it, without the phase lock: while that is taken alone
// nothing is issued, and everybody can send acts. What it lets pass is checked
// again under the lock. done reports that the act is kept.
func (r *Registrar) checkAct(ctx context.Context, a *act.Act, body []byte) (done bool, err error) {
	var kept []byte
	err = r.c.Pool.QueryRow(ctx, `SELECT body FROM registrar.act WHERE sequence = $1`, int64(a.Sequence)).Scan(&kept)
	switch {
	case err == nil && bytes.Equal(kept, body):
		return true, postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error { return touch(ctx, tx) })
	case err == nil:
		return false, refuse("another act has this number")
	case !errors.Is(err, pgx.ErrNoRows):
		return false, fmt.Errorf("reading an act: %w", err)
	}
	s, err := r.current(ctx)
	if err != nil {
		return false, err
	}
	if a.Sequence < s.Next {
		return false, nil // came here meanwhile
	}
	if err := s.Clone().Apply(a); err != nil {
		return false, &ActError{err}
	}
	return false, nil
}

// current returns what the election is after the acts so far; nobody may change
// it. Acts only grow, so what was verified before is good while there is no
// further one.
func (r *Registrar) current(ctx context.Context) (*act.State, error) {
	var acts [][]byte
	var last uint32
	known := r.known.Load()
	if known != nil {
		err := r.c.Pool.QueryRow(ctx, `SELECT COALESCE(max(sequence), 0) FROM registrar.act`).Scan(&last)
		if err != nil || last == known.Next-1 {
			return known, err
		}
	}
	err := postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) (err error) {
		acts, err = readActs(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	s, err := r.state(acts)
	if err != nil {
		return nil, err
	}
	r.known.Store(s)
	return s, nil
}

func (r *Registrar) applyAct(ctx context.Context, a *act.Act, body []byte) error {
	return alone(ctx, r.c.Pool, func(tx pgx.Tx) error {
		acts, err := readActs(ctx, tx)
		if err != nil {
			return err
		}
		if n := int(a.Sequence); n <= len(acts) && bytes.Equal(acts[n-1], body) {
			return nil
		}
		before, err := r.state(acts)
		if err != nil {
			return err
		}
		after := before.Clone()
		if err := after.Apply(a); err != nil {
			return &ActError{err}
		}
		e, err := readRow(ctx, tx)
		if err != nil {
			return err
		}
		if err := r.takeEffect(ctx, tx, a, e, before); err != nil {
			return err
		}
		return r.keepAct(ctx, tx, body, e, after)
	})
}

// Acts returns the acts that were applied, in their order.
func (r *Registrar) Acts(ctx context.Context) (acts [][]byte, err error) {
	err = postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		acts, err = readActs(ctx, tx)
		return err
	})
	return acts, err
}

func readActs(ctx context.Context, tx pgx.Tx) ([][]byte, error) {
	rows, err := tx.Query(ctx, `SELECT body FROM registrar.act ORDER BY sequence`)
	if err != nil {
		return nil, fmt.Errorf("reading the acts: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[[]byte])
}

// wasMoved returns [ErrNotMoved] for the word that the close was moved, if no act has moved
// it. Where it stands now does not tell: it may have been moved away and back, and members
// hold mails with a close at which they would come too late.
func wasMoved(ctx context.Context, tx pgx.Tx, kind string) error {
	if kind != mailer.Moved {
		return nil
	}
	acts, err := readActs(ctx, tx)
	if err != nil {
		return err
	}
	for _, b := range acts {
		switch a, err := act.Parse(b); {
		case err != nil:
			return err
		case a.Kind == act.KindExtend || a.Kind == act.KindCloseEarly:
			return nil
		}
	}
	return ErrNotMoved
}

// state is what the election has become by its acts so far. They are verified
// again each time: there are few, and the table is then no authority.
func (r *Registrar) state(acts [][]byte) (*act.State, error) {
	s := act.NewState(r.manifest, r.mid)
	for _, b := range acts {
		a, err := act.Parse(b)
		if err != nil {
			return nil, err
		}
		if err := s.Apply(a); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (r *Registrar) keepAct(ctx context.Context, tx pgx.Tx, body []byte, e row, s *act.State) error {
	phase := e.phase
	if s.Cancelled {
		phase = election.PhaseCancelled
	}
	if _, err := tx.Exec(ctx, `INSERT INTO registrar.act (sequence, body) VALUES ($1, $2)`, s.Next-1, body); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE registrar.election SET phase = $1, close_at = $2, next_act = $3`, phase, s.Close, s.Next); err != nil {
		return err
	}
	return r.c.Ledger.AppendTx(ctx, tx, [][]byte{ledger.ActEntry(body)})
}

// takeEffect checks what an act's signatures cannot show (its time, the roll,
// the envelopes) and writes what follows from it.
func (r *Registrar) takeEffect(ctx context.Context, tx pgx.Tx, a *act.Act, e row, before *act.State) error {
	payload, err := a.Decode()
	if err != nil {
		return &ActError{err}
	}
	switch e.phase {
	case election.PhaseSealed, election.PhaseOpen, election.PhaseClosed:
	default:
		return refuse("the election is %s: nothing can be changed", e.phase)
	}
	voting := e.phase != election.PhaseClosed && r.c.Now().Unix() < e.close
	switch p := payload.(type) {
	case act.Extend, act.Amend:
		if !voting {
			return refuse("voting has closed: it is too late")
		}
	case act.CloseEarly:
		if !voting {
			return refuse("voting has closed: it is too late")
		}
		// Ballots that were issued after a close could not be told from the others.
		if p.Close <= r.c.Now().Unix() {
			return refuse("the new close is in the past")
		}
	}
	if a.Kind == act.KindExtend || a.Kind == act.KindCloseEarly {
		if r.c.Now().Unix() > e.close-act.Margin(r.manifest.Demo) {
			return refuse("another close takes effect only if the witnesses sign for it before the one in force: send it at least %s before", act.MarginWords(r.manifest.Demo))
		}
	}
	switch p := payload.(type) {
	case act.Extend, act.CloseEarly:
		return tellAgain(ctx, tx, r.c.Now())
	case act.Amend:
		if p.Op == act.OpStrike {
			return r.strike(ctx, tx, p)
		}
		return r.add(ctx, tx, p, len(before.Added[p.Group]))
	case act.Decide:
		if err := r.decideEnvelopes(ctx, tx, p, before); err != nil {
			return err
		}
		return r.depositsFirst(ctx, tx, p.Group)
	}
	return nil
}

func refuse(format string, args ...any) error { return &ActError{fmt.Errorf(format, args...)} }

// strike uses a member up for nothing. It holds the phase lock alone, so no
// issuance is under way.
func (r *Registrar) strike(ctx context.Context, tx pgx.Tx, p act.Amend) error {
	rows, err := tx.Query(ctx, `SELECT roll_index, leaf FROM registrar.member WHERE group_id = $1`, p.Group)
	if err != nil {
		return err
	}
	found := false
	var at uint32
	var index uint32
	var leaf []byte
	_, err = pgx.ForEachRow(rows, []any{&index, &leaf}, func() error {
		if len(leaf) == len(suite.Hash{}) && ledger.Blinded(suite.Hash(leaf)) == p.Hash {
			at, found = index, true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !found {
		return refuse("nobody on the roll of group %d has this leaf", p.Group)
	}
	tag, err := tx.Exec(ctx, `INSERT INTO registrar.used (group_id, roll_index, kind) VALUES ($1, $2, 'strike') ON CONFLICT DO NOTHING`, p.Group, at)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return refuse("a ballot was issued to this member, or the member was struck before")
	}
	return nil
}
