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
	at, err := b.locate(ctx, c.id)
	if err != nil {
		return receipt.Promise{}, "", err
	}
	if at.state == Unknown {
		if err := b.admits(ctx, at.phase, c); err != nil {
			return receipt.Promise{}, "", err
		}
		if err := b.check(ctx, c); err != nil {
			return receipt.Promise{}, "", err
		}
		at.state, err = b.writer.keep(ctx, c)
	} else {
		err = b.confirm(ctx)
	}
	if err != nil {
		return receipt.Promise{}, "", err
	}
	return b.promise(c.id), at.state, nil
}

// parse looks at length, election and group: what can be told without reading
// anything else. Its answer to a stranger's bytes costs two hashes.
func (b *Box) parse(sealed []byte) (*cast, error) {
	body, sig, err := ballot.ParseCast(sealed, b.options)
	if err != nil {
		return nil, ErrMalformed
	}
	r := suite.NewReader(body)
	version, mid, g := r.U8(), suite.MID(r.Take(32)), suite.GroupID(r.U16())
	if version != ballot.Version || mid != b.c.MID || b.groups[g] == nil {
		return nil, ErrMalformed
	}
	return &cast{
		id:     suite.BallotID(suite.H("ballot-id", body)),
		group:  g,
		sealed: sealed,
		body:   body,
		sig:    sig,
	}, nil
}

// check verifies the credential and then the ballot, cheapest first, so that
// without a credential nobody makes the box compute proofs.
func (b *Box) check(ctx context.Context, c *cast) error {
	if err := b.gate.enter(ctx); err != nil {
		return err
	}
	defer b.gate.leave()
	g := b.groups[c.group]
	if err := credential.Verify(g.issuer, credential.Message(b.c.MID, c.group, c.id), c.sig); err != nil {
		return ErrBadCredential
	}
	parsed, err := ballot.Parse(c.body)
	if err != nil {
		return &InvalidError{Err: err}
	}
	if err := ballot.Check(g.context, parsed); err != nil {
		return &InvalidError{Err: err}
	}
	// What was checked is what was hashed: one id, one meaning.
	if parsed.ID() != c.id {
		return &InvalidError{Err: errors.New("another id")}
	}
	return nil
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
	at, err := b.locate(ctx, id)
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
		f.Proof, err = b.proof(ctx, at.index)
		if err != nil {
			return Found{}, fmt.Errorf("finding ballot: %w", err)
		}
	}
	return f, nil
}
