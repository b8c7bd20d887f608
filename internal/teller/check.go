package teller

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// A Sealed election is one whose manifest this teller has looked at.
type Sealed struct {
	Manifest *election.Manifest
	MID      suite.MID
}

// Check looks, once the election is sealed and before voting opens, whether its
// manifest names the key of the ceremony that this teller was in. Without it
// somebody could run a second ceremony with tellers of his own, have that sealed,
// and read every ballot; the real tellers would find out when they are asked to
// open. mid is the one the teller expects and may be nil; then the six words
// have to be compared.
func (t *Teller) Check(ctx context.Context, mid *suite.MID) (*Sealed, error) {
	st, err := t.sealed(ctx)
	if err != nil {
		return nil, err
	}
	b, err := t.coordinator.file(ctx, st, layout.Manifest)
	if err != nil {
		return nil, fmt.Errorf("fetching the manifest: %w", err)
	}
	m, err := election.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	s := &Sealed{Manifest: m, MID: election.MID(b)}
	if mid != nil && *mid != s.MID {
		return nil, fmt.Errorf("%s shows another election than the one you mean; call the committee", t.coordinator)
	}
	if err := t.named(m); err != nil {
		if st.Session > t.k.Session {
			// Not instead of the alarm: whoever runs a second ceremony would
			// say so too.
			err = fmt.Errorf("%w; if the ceremony was started again and you took part in it, use the key file of that one", err)
		}
		return nil, err
	}
	if err := t.witnessed(ctx, st, s); err != nil {
		return nil, err
	}
	return s, nil
}

var (
	errNotSealed    = errors.New("the election is not sealed yet; run this again when it is")
	errNotWitnessed = errors.New("the witnesses have not confirmed this election yet; run this again in a minute")
)

// sealed asks for the state of an election that is sealed, with a key that has
// been through its ceremony.
func (t *Teller) sealed(ctx context.Context) (*ceremony.State, error) {
	if !t.done() {
		return nil, errNotDone
	}
	st, err := t.coordinator.state(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.notOlder(st); err != nil {
		return nil, err
	}
	if st.Record == "" {
		return nil, errNotSealed
	}
	return st, nil
}

// named checks that a manifest is of this teller's election and names this
// teller's own keys and the key of this teller's ceremony.
func (t *Teller) named(m *election.Manifest) error {
	static, err := t.static()
	if err != nil {
		return err
	}
	tellers, i := &m.Tellers, int(t.k.Number)-1
	switch {
	case m.ElectionID != t.k.Election:
		return errors.New("the manifest is of another election")
	case i >= int(tellers.N) || !bytes.Equal(tellers.StaticKeys[i][:], group.BaseMul(static).Bytes()) ||
		!bytes.Equal(tellers.Key[:], t.k.Key) || !bytes.Equal(tellers.Shares[i][:], t.k.KeyShare):
		return errors.New("the sealed election names another key in this teller's place: nobody may vote in it, and nothing of it is opened; " +
			"call the committee and the other tellers now")
	}
	return nil
}

// witnessed checks that the witnesses have seen this very manifest, so that the
// teller is not shown another one than the voters.
func (t *Teller) witnessed(ctx context.Context, st *ceremony.State, s *Sealed) error {
	note, err := t.coordinator.file(ctx, st, layout.FirstCheckpoint(layout.Ledger))
	if err != nil {
		return fmt.Errorf("fetching the witnesses' signatures: %w", err)
	}
	policy, err := s.Manifest.LedgerPolicy()
	if err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	opened, err := policy.Open(note)
	if errors.Is(err, tlog.ErrThreshold) {
		return errNotWitnessed
	}
	if err != nil {
		return fmt.Errorf("the witnesses have not confirmed this election: %w", err)
	}
	if opened.Checkpoint.Size != 1 || opened.Checkpoint.Root != tlog.LeafHash(ledger.ManifestEntry(s.MID)) {
		return errors.New("the witnesses confirmed another election than this one; call the committee")
	}
	return nil
}
