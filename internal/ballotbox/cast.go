package ballotbox

import (
	"context"
	"errors"
	"fmt"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
)

// A cast is one sealed ballot on its way into the box.
type cast struct {
	id     suite.BallotID
	group  suite.GroupID
	sealed []byte // body || sig
	body   []byte
	sig    []byte
}

// Cast takes a sealed ballot, body || sig. It returns the promise and where the
// ballot is; the same body gets the same promise for ever, whatever became of
// the first answer, and of two valid signatures on one body the first is kept.
//
// When Cast returns nil the ballot is durable. It returns [ErrMalformed],
// [ErrNotOpen], [ErrClosed], [ErrLocked], [ErrBadCredential], [ErrBusy] or an
// [*InvalidError]; after any other error the ballot may or may not be kept, and
// the voter sends it again.
func (b *Box) Cast(ctx context.Context, sealed []byte) (receipt.Promise, State, error) {
	c, err := b.parse(sealed)
	if err != nil {
		return receipt.Promise{}, "", err
	}
	// Before anything is checked: a voter whose answer was lost gets it in
	// every phase, also after the lock, and at the price of a look-up.
	at, err := b.lookups.call(ctx, c.id)
	if err != nil {
		return receipt.Promise{}, "", err
	}
	if at.state == Unknown {
		at.state, err = b.accept(ctx, at, c)
	} else {
		err = b.confirm(ctx)
	}
	if err != nil {
		return receipt.Promise{}, "", err
	}
	return b.promise(c.id), at.state, nil
}

// accept checks a ballot that the box does not have and keeps it.
func (b *Box) accept(ctx context.Context, at place, c *cast) (State, error) {
	if err := b.admits(ctx, at, c); err != nil {
		return "", err
	}
	invalid, err := b.checks.call(ctx, c)
	if err := errors.Join(err, invalid); err != nil {
		return "", err
	}
	o, err := b.inserts.call(ctx, c)
	if err != nil {
		return "", err
	}
	return o.state, o.err
}

// parse looks at length, election and group: what can be told without reading
// anything else. Its answer to a stranger's bytes costs two hashes.
func (b *Box) parse(sealed []byte) (*cast, error) {
	body, sig, err := ballot.ParseCast(sealed, b.options)
	if err != nil {
		return nil, ErrMalformed
	}
	c, err := b.parseBody(body)
	if err != nil {
		return nil, err
	}
	c.sealed, c.sig = sealed, sig
	return c, nil
}

// parseBody is parse for a body of the right length without a credential.
func (b *Box) parseBody(body []byte) (*cast, error) {
	r := suite.NewReader(body)
	version, mid, g := r.U8(), suite.MID(r.Take(32)), suite.GroupID(r.U16())
	if version != ballot.Version || mid != b.c.MID || b.groups[g] == nil {
		return nil, ErrMalformed
	}
	return &cast{id: suite.BallotID(suite.H("ballot-id", body)), group: g, body: body}, nil
}

// Check says which ballot of which group a body without credential is: an
// envelope that somebody wants to deposit. Nothing is kept and no database is
// asked. It returns [ErrMalformed], [ErrBusy] or an [*InvalidError].
//
// Nothing but its place in a queue of its own keeps a stranger from having
// proofs computed here, so that queue is short and has one worker: a flood of
// bodies slows envelopes down, and never casting by more than one processor.
func (b *Box) Check(ctx context.Context, body []byte) (suite.BallotID, suite.GroupID, error) {
	if len(body) != ballot.BodySize(b.options) {
		return suite.BallotID{}, 0, ErrMalformed
	}
	c, err := b.parseBody(body)
	if err != nil {
		return suite.BallotID{}, 0, err
	}
	invalid, err := b.bodies.call(ctx, c)
	if err := errors.Join(err, invalid); err != nil {
		return suite.BallotID{}, 0, err
	}
	return c.id, c.group, nil
}

// verify checks ballots: each one's credential first, so that without one
// nobody makes the box compute proofs, then the proofs of all together. It
// accepts what [ballot.Check] accepts.
func (b *Box) verify(_ context.Context, casts []*cast) ([]error, error) {
	return b.prove(casts, b.read)
}

// verifyBodies checks bodies without credentials.
func (b *Box) verifyBodies(_ context.Context, casts []*cast) ([]error, error) {
	return b.prove(casts, decode)
}

// prove checks the proofs of all ballots that can be read, together.
func (b *Box) prove(casts []*cast, read func(*cast) (*ballot.Ballot, error)) ([]error, error) {
	out := make([]error, len(casts))
	batch := ballot.NewBatch()
	var in []int // of casts, in the order of the batch
	for i, c := range casts {
		parsed, err := read(c)
		if err != nil {
			out[i] = err
			continue
		}
		in = append(in, i)
		_ = batch.Add(b.groups[c.group].context, parsed) // Verify names it too
	}
	err := batch.Verify()
	if err == nil {
		return out, nil
	}
	var bad *ballot.BatchError
	if !errors.As(err, &bad) {
		return nil, err
	}
	for _, k := range bad.Bad {
		out[in[k]] = &InvalidError{Err: ballot.ErrBatch}
	}
	return out, nil
}

// read verifies the credential and decodes the ballot.
func (b *Box) read(c *cast) (*ballot.Ballot, error) {
	msg := credential.Message(b.c.MID, c.group, c.id)
	if err := credential.Verify(b.groups[c.group].issuer, msg, c.sig); err != nil {
		return nil, ErrBadCredential
	}
	return decode(c)
}

func decode(c *cast) (*ballot.Ballot, error) {
	parsed, err := ballot.Parse(c.body)
	if err != nil {
		return nil, &InvalidError{Err: err}
	}
	// What is checked is what was hashed: one id, one meaning.
	if parsed.ID() != c.id {
		return nil, &InvalidError{Err: errors.New("another id")}
	}
	return parsed, nil
}

// A Found ballot is what [Box.Find] knows of it.
type Found struct {
	State   State
	Promise *receipt.Promise // nil if unknown
	Proof   []byte           // a tlog-proof; nil until a cosigned checkpoint holds the ballot
}

// Find says where a ballot is, to whoever knows its id: the voter. For a ballot
// that is not unknown it is as good an answer as the first.
func (b *Box) Find(ctx context.Context, id suite.BallotID) (Found, error) {
	at, err := b.lookups.call(ctx, id)
	if err != nil {
		return Found{}, err
	}
	if at.state == Unknown {
		return Found{State: Unknown}, nil
	}
	if err := b.confirm(ctx); err != nil {
		return Found{}, err
	}
	promise := b.promise(id)
	f := Found{State: at.state, Promise: &promise}
	if at.state == InTheLog {
		f.Proof, err = b.proof(ctx, id, at)
		if err != nil {
			return Found{}, fmt.Errorf("finding ballot: %w", err)
		}
	}
	return f, nil
}
