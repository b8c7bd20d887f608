// Package teller is the program of a teller: it makes and keeps one share of the
// key that opens the totals, on the teller's own computer.
//
// It speaks HTTP to the service and trusts nothing that the service says: it
// checks every message of the ceremony itself, and before it opens anything it
// downloads the whole public record, verifies all of it and computes the sums
// itself. It must never open a ciphertext that was handed to it, nor two
// different closes of one election (SPEC.md sections 13 and 14).
package teller

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
)

// ErrOtherClose is returned when a teller is asked to open a second, different
// close of an election whose first one its key has already answered for.
var ErrOtherClose = errors.New("this key has already opened another count of this election; it never opens a second one")

// A Teller is one teller's program with its key file open. It is not safe for
// concurrent use, and two programs must not use one key file at a time.
type Teller struct {
	coordinator coordinator
	file        keyFile
	k           key
}

// Enroll makes a new key file at path and sends the public key to the
// coordinator. An existing file is never replaced. After an interruption the
// same call with the same passphrase goes on with the file that is there.
func Enroll(ctx context.Context, inv ceremony.Invitation, path string, passphrase []byte) (*Teller, error) {
	t, err := Open(path, passphrase)
	switch {
	case errors.Is(err, ErrNoKeyFile):
		k := key{
			Election: inv.Election, Number: inv.Number, Console: inv.Console, Enrollment: inv.Enrollment,
			Copy: 1, Static: group.RandomScalar().Bytes(),
		}
		if t, err = create(path, passphrase, k); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case t.k.Election != inv.Election || t.k.Number != inv.Number:
		return nil, fmt.Errorf("%s holds the key of another election or teller; choose another file", path)
	}
	return t, t.sendKey(ctx)
}

// Open opens a key file.
func Open(path string, passphrase []byte) (*Teller, error) {
	f, k, err := openKeyFile(path, passphrase)
	if err != nil {
		return nil, err
	}
	return &Teller{coordinator: newCoordinator(k), file: f, k: k}, nil
}

func create(path string, passphrase []byte, k key) (*Teller, error) {
	f, err := newKeyFile(path, passphrase)
	if err != nil {
		return nil, err
	}
	if err := f.create(k); err != nil {
		return nil, err
	}
	return &Teller{coordinator: newCoordinator(k), file: f, k: k}, nil
}

// Number returns which teller this is, from 1.
func (t *Teller) Number() int { return int(t.k.Number) }

// Election returns the election that the key is for.
func (t *Teller) Election() suite.ElectionID { return t.k.Election }

// Close forgets the key in memory, as far as Go allows: copies that the
// runtime or the arithmetic made may stay until the process ends.
func (t *Teller) Close() { t.k.wipe() }

func (t *Teller) static() (*group.Scalar, error) {
	s, err := group.DecodeScalar(t.k.Static)
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	return s, nil
}

func (t *Teller) sendKey(ctx context.Context) error {
	st, err := t.coordinator.state(ctx)
	if err != nil {
		return err
	}
	s, err := t.static()
	if err != nil {
		return err
	}
	return t.coordinator.post(ctx, st.Session, ceremony.RoundKey, group.BaseMul(s).Bytes())
}

// Advance takes the ceremony as far as it can go now. It returns what it
// waits for, and "" once the ceremony is done and its result is in the key
// file. It may be called again after any interruption.
func (t *Teller) Advance(ctx context.Context) (waiting string, err error) {
	if t.done() {
		return "", nil
	}
	st, err := t.coordinator.state(ctx)
	if err != nil {
		return "", err
	}
	if t.k.Session != st.Session {
		if err := t.begin(st.Session); err != nil {
			return "", err
		}
	}
	if !ceremony.Complete(st.Keys) {
		return "the other tellers' keys", nil
	}
	if err := t.round1(ctx, st); err != nil {
		return "", err
	}
	if !ceremony.Complete(st.Messages) {
		return "the other tellers' messages", nil
	}
	result, err := t.round2(ctx, st)
	if err != nil {
		return "", err
	}
	if !ceremony.Complete(st.Signatures) {
		return "the other tellers' signatures", nil
	}
	// Only the signatures of all n show that nobody was given another ceremony.
	if _, err := dkg.VerifyCertificate(result.Transcript, ceremony.Joined(st.Signatures)); err != nil {
		return "", fmt.Errorf("checking the ceremony: %w", err)
	}
	t.k.State, t.k.Share = nil, result.Share.Bytes()
	t.k.Key, t.k.KeyShare = result.Key.Bytes(), result.Shares[t.k.Number-1].Bytes()
	return "", t.file.save(t.k)
}

func (t *Teller) done() bool { return len(t.k.Share) > 0 }

// begin notes a new session. What an earlier one left is of no use any more.
func (t *Teller) begin(session uint32) error {
	t.k.Session, t.k.State = session, nil
	return t.file.save(t.k)
}

// round1 sends the first message. It is in the key file before it is sent:
// after an interruption the same one is sent again, never a second one.
func (t *Teller) round1(ctx context.Context, st *ceremony.State) error {
	if len(t.k.State) == 0 {
		setup, err := st.Setup()
		if err != nil {
			return err
		}
		s, err := t.static()
		if err != nil {
			return err
		}
		if !bytes.Equal(st.Keys[t.k.Number-1], group.BaseMul(s).Bytes()) {
			return errors.New("the coordinator shows another key in this teller's place; call the committee")
		}
		state, _, err := dkg.Start(setup, int(t.k.Number), s)
		if err != nil {
			return fmt.Errorf("starting the ceremony: %w", err)
		}
		t.k.State = state.Bytes()
		if err := t.file.save(t.k); err != nil {
			return err
		}
	}
	state, err := t.state()
	if err != nil {
		return err
	}
	return t.coordinator.post(ctx, st.Session, ceremony.RoundMessage, state.Message())
}

func (t *Teller) state() (*dkg.State, error) {
	s, err := t.static()
	if err != nil {
		return nil, err
	}
	return dkg.ParseState(t.k.State, s)
}

// round2 checks everybody's messages and signs the transcript. It is
// deterministic, so that nothing has to be kept of it.
func (t *Teller) round2(ctx context.Context, st *ceremony.State) (*dkg.Result, error) {
	state, err := t.state()
	if err != nil {
		return nil, err
	}
	msgs := make([][]byte, len(st.Messages))
	for i, m := range st.Messages {
		msgs[i] = m
	}
	result, err := state.Finish(msgs)
	if err != nil {
		return nil, fmt.Errorf("checking the other tellers' messages: %w", err)
	}
	return result, t.coordinator.post(ctx, st.Session, ceremony.RoundSignature, result.Signature[:])
}

// Copy writes a second copy of the key file for another medium, sealed under a
// passphrase of its own, which may be the same. The copy remembers that it is one.
func (t *Teller) Copy(path string, passphrase []byte) (*Teller, error) {
	if !t.done() {
		return nil, errors.New("the ceremony is not done yet; copy the key afterwards")
	}
	k := t.k
	k.Copy++
	// The two must not share memory: closing one would wipe the other.
	k.Static, k.Share = bytes.Clone(k.Static), bytes.Clone(k.Share)
	return create(path, passphrase, k)
}

// Drill proves that both copies of the key can open, and sends the proof. It
// opens nothing: the drill's challenge is made from public values alone.
func Drill(ctx context.Context, first, second *Teller) error {
	if first.file.path == second.file.path {
		return errors.New("a drill needs both copies of the key, from two files")
	}
	a, err := first.drill()
	if err != nil {
		return err
	}
	b, err := second.drill()
	if err != nil {
		return fmt.Errorf("drilling the second copy: %w", err)
	}
	if first.k.Number != second.k.Number || !bytes.Equal(first.k.Share, second.k.Share) {
		return errors.New("the second file is not a copy of the first")
	}
	body, err := (&share.DrillFile{Teller: first.k.Number, Copies: [2]share.Share{*a, *b}}).Encode()
	if err != nil {
		return fmt.Errorf("encoding drill: %w", err)
	}
	return first.coordinator.post(ctx, first.k.Session, ceremony.RoundDrill, body)
}

func (t *Teller) drill() (*share.Share, error) {
	if !t.done() {
		return nil, errors.New("the ceremony is not done yet; drill afterwards")
	}
	x, err := group.DecodeScalar(t.k.Share)
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	y, err := group.DecodeElement(t.k.Key)
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	yi, err := group.DecodeElement(t.k.KeyShare)
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	if !group.BaseMul(x).Equal(yi) {
		return nil, errors.New("this key file is damaged: its share does not fit the key; use the other copy")
	}
	return share.Drill(x, t.k.Election, t.k.Number, y, yi), nil
}

// Discard destroys the key file without a statement: that of the other copy
// speaks for both.
func (t *Teller) Discard() error { return t.file.destroy() }
