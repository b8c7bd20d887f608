package registrar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// maxDeposits bounds how many deposits are under way at once. They wait for
// another machine, and must not hold the places of those who are issued ballots.
const maxDeposits = 32

// Deposit keeps a disputed person's sealed ballot until the committee decides
// (SPEC 12), and returns its id. It uses up the person's issuance: nobody has
// both. The same ballot again is answered again, in every phase.
//
// The body is opaque here, but for its hash: whether it is a ballot says the
// function of [Config]. Errors are those of errors.go; any other means that the
// same ballot should be sent again.
func (r *Registrar) Deposit(ctx context.Context, c Credential, factor string, body []byte) (suite.BallotID, error) {
	id := suite.BallotID(suite.H("ballot-id", body))
	if r.c.CheckEnvelope == nil {
		return id, ErrRequest
	}
	select {
	case r.deposits <- struct{}{}:
		defer func() { <-r.deposits }()
	default:
		return id, ErrBusy
	}
	again, err := r.beforeDeposit(ctx, c, factor, id, body)
	if err != nil {
		return id, fmt.Errorf("depositing: %w", scrub(err))
	}
	checked := !again
	err = postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		s, err := lookShared(ctx, tx, c)
		if err != nil {
			return err
		}
		switch again, err := r.decideDeposit(&s, id); {
		case err != nil:
			return err
		case again:
			return touch(ctx, tx)
		case !checked:
			return errors.New("a deposit is gone")
		}
		return r.keepEnvelope(ctx, tx, &s, id, body)
	})
	if err != nil {
		return id, fmt.Errorf("depositing: %w", scrub(err))
	}
	return id, nil
}

// decideDeposit says whether a ballot is to be kept now (false, nil), and
// whether it was before.
func (r *Registrar) decideDeposit(s *standing, id suite.BallotID) (again bool, err error) {
	if err := s.valid(); err != nil {
		return false, err
	}
	switch {
	case bytes.Equal(s.deposited, id[:]):
		return true, nil
	case s.deposited != nil:
		return false, ErrDeposited
	case s.used != "":
		return false, ErrAlreadyIssued
	}
	return false, s.open(r.c.Now().Unix())
}

// beforeDeposit does what the transaction cannot do: it counts wrong answers,
// and asks the box. The box is asked last, so that only somebody who may deposit
// makes it work.
func (r *Registrar) beforeDeposit(ctx context.Context, c Credential, factor string, id suite.BallotID, body []byte) (again bool, err error) {
	s, err := r.look(ctx, c)
	if err != nil {
		return false, err
	}
	if again, err = r.decideDeposit(&s, id); again || err != nil {
		return again, err
	}
	if r.manifest.Factor != nil && s.onRoll {
		if err := r.checkFactor(ctx, &s, factor); err != nil {
			return false, err
		}
	}
	checked, group, err := r.c.CheckEnvelope(ctx, body)
	switch {
	case errors.Is(err, ErrNotBallot) || err == nil && group != s.group:
		return false, ErrNotBallot
	case err == nil && checked != id:
		err = errors.New("it checked another ballot")
		fallthrough
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrBoxAway, err)
	}
	return false, nil
}

func (r *Registrar) keepEnvelope(ctx context.Context, tx pgx.Tx, s *standing, id suite.BallotID, body []byte) error {
	reference := ledger.Applicant(random32(), id)
	if s.onRoll {
		reference = ledger.Blinded(suite.Hash(s.leaf))
		// The primary key decides between this and an issuance.
		tag, err := tx.Exec(ctx, `INSERT INTO registrar.used (group_id, roll_index, kind, request_hash) VALUES ($1, $2, 'deposit', $3)
			ON CONFLICT DO NOTHING`, s.group, s.index, id[:])
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return r.lostDeposit(ctx, tx, s, id)
		}
	}
	tag, err := tx.Exec(ctx, `INSERT INTO registrar.envelope (ballot_id, on_roll, group_id, roll_index, reference, body)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, id[:], s.onRoll, s.group, s.index, reference[:], body)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return r.lostDeposit(ctx, tx, s, id)
	}
	entry := ledger.Deposit{MID: r.mid, Group: s.group, OnRoll: s.onRoll, Ref: reference}.Bytes()
	if _, err := tx.Exec(ctx, `INSERT INTO registrar.queue (entry, group_id) VALUES ($1, $2)`, entry, s.group); err != nil {
		return err
	}
	if !s.mail {
		return nil
	}
	return r.mail(ctx, tx, mailer.Deposited, s.onRoll, Place{s.group, s.index}, r.noticeTime())
}

// lostDeposit says what somebody hears who lost a race. It was waited for the
// winner's commit, so that a new statement sees what that one did.
func (r *Registrar) lostDeposit(ctx context.Context, tx pgx.Tx, s *standing, id suite.BallotID) error {
	var used string
	var kept []byte
	err := tx.QueryRow(ctx, `
		SELECT COALESCE((SELECT kind FROM registrar.used WHERE $1 AND group_id = $2 AND roll_index = $3), ''),
			(SELECT ballot_id FROM registrar.envelope WHERE on_roll = $1 AND group_id = $2 AND roll_index = $3)`,
		s.onRoll, s.group, s.index).Scan(&used, &kept)
	switch {
	case err != nil:
		return err
	case bytes.Equal(kept, id[:]):
		return touch(ctx, tx)
	case kept != nil:
		return ErrDeposited
	case used == usedIssue:
		return ErrAlreadyIssued
	}
	// The ballot is in somebody else's envelope: no honest device makes one for
	// two people.
	return ErrRequest
}

// decideEnvelopes checks a decision against the envelopes there are.
func (r *Registrar) decideEnvelopes(ctx context.Context, tx pgx.Tx, p act.Decide, before *act.State) error {
	rows, err := tx.Query(ctx, `SELECT ballot_id, on_roll FROM registrar.envelope WHERE group_id = $1`, p.Group)
	if err != nil {
		return err
	}
	onRoll := map[suite.BallotID]bool{}
	var id []byte
	var on bool
	var left [2]int64 // undecided: off, on
	_, err = pgx.ForEachRow(rows, []any{&id, &on}, func() error {
		onRoll[suite.BallotID(id)] = on
		left[index(on)]++
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range append(before.Decisions[:len(before.Decisions):len(before.Decisions)], p) {
		if d.Group == p.Group {
			left[1] -= int64(d.AcceptedOn) + int64(d.RejectedOn)
			left[0] -= int64(d.AcceptedOff) + int64(d.RejectedOff)
		}
	}
	if left[0] < 0 || left[1] < 0 {
		return refuse("more envelopes are decided than are left")
	}
	var accepted [2]uint32
	for _, id := range p.Accepted {
		on, ok := onRoll[id]
		if !ok {
			return refuse("a ballot that is accepted is in no envelope of group %d", p.Group)
		}
		accepted[index(on)]++
	}
	if accepted[1] != p.AcceptedOn || accepted[0] != p.AcceptedOff {
		return refuse("the accepted ballots are not as many on and off the roll as the act says")
	}
	return nil
}

func index(on bool) int {
	if on {
		return 1
	}
	return 0
}

// depositsFirst moves a group's deposits that wait for their batch into the
// ledger: there, no decision stands before the deposits that it is about (SPEC
// 10). Issuances go on waiting.
func (r *Registrar) depositsFirst(ctx context.Context, tx pgx.Tx, g suite.GroupID) error {
	// Under the lock, so that a batch that is being made has ended.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(batchLock)); err != nil {
		return fmt.Errorf("locking batches: %w", err)
	}
	rows, err := tx.Query(ctx, `DELETE FROM registrar.queue WHERE group_id = $1 AND get_byte(entry, 0) = 3 RETURNING entry`, g)
	if err != nil {
		return fmt.Errorf("taking deposits: %w", err)
	}
	entries, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return fmt.Errorf("taking deposits: %w", err)
	}
	slices.SortFunc(entries, bytes.Compare)
	return r.c.Ledger.AppendTx(ctx, tx, entries)
}

// An Envelope is a deposited ballot.
type Envelope struct {
	Group    suite.GroupID
	BallotID suite.BallotID
	OnRoll   bool
	Body     []byte
	Sig      credential.Signature // of an accepted one
}

// Accepted returns the envelopes that the committee has accepted, signed, for the
// box's next batch, without those that the box has, as known says. known may be
// nil. It needs the issuer keys, unless the box has all of them: after a crash
// between their destruction and the statement of it, nothing is left to sign.
func (r *Registrar) Accepted(ctx context.Context, known func(suite.BallotID) (bool, error)) ([]Envelope, error) {
	all, err := r.accepted(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading accepted envelopes: %w", err)
	}
	var out []Envelope
	for _, e := range all {
		if known != nil {
			has, err := known(e.BallotID)
			if err != nil {
				return nil, err
			}
			if has {
				continue
			}
		}
		e.Sig, err = r.signer.signMessage(e.Group, credential.Message(r.mid, e.Group, e.BallotID))
		if err != nil {
			return nil, fmt.Errorf("signing an accepted envelope: %w", err)
		}
		out = append(out, e)
	}
	return out, nil
}

// accepted reads the accepted envelopes, in the order of the acts.
func (r *Registrar) accepted(ctx context.Context) ([]Envelope, error) {
	var out []Envelope
	err := postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		acts, err := readActs(ctx, tx)
		if err != nil {
			return err
		}
		s, err := r.state(acts)
		if err != nil {
			return err
		}
		out = nil
		for _, d := range s.Decisions {
			for _, id := range d.Accepted {
				e := Envelope{Group: d.Group, BallotID: id}
				if err := tx.QueryRow(ctx, `SELECT body, on_roll FROM registrar.envelope WHERE ballot_id = $1`, id[:]).Scan(&e.Body, &e.OnRoll); err != nil {
					return err
				}
				out = append(out, e)
			}
		}
		return nil
	})
	return out, err
}

// Envelopes returns all envelopes, with their ids and without their bodies, for
// the committee's decision. Whose they are it has in its own list.
func (r *Registrar) Envelopes(ctx context.Context) ([]Envelope, error) {
	rows, err := r.c.Pool.Query(ctx, `SELECT group_id, ballot_id, on_roll FROM registrar.envelope ORDER BY ballot_id`)
	if err != nil {
		return nil, fmt.Errorf("reading envelopes: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Envelope, err error) {
		var id []byte
		err = row.Scan(&e.Group, &id, &e.OnRoll)
		copy(e.BallotID[:], id)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading envelopes: %w", err)
	}
	return out, nil
}
