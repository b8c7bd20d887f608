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
	"io"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
)

// ErrOtherClose is returned when a teller is asked to open a second, different
// close of an election whose first one its key has already answered for.
var ErrOtherClose = errors.New("this key has already opened another count of this election; it never opens a second one")

// A Teller is one teller's program with its key file open. It redacts itself. It
// is not safe for concurrent use, and two programs must not use one key file at
// a time.
type Teller struct {
	coordinator coordinator
	file        keyFile
	k           key
}

// Format redacts the teller under every verb: fmt does not ask the fields of a
// struct that are not exported.
func (t Teller) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[teller's program]") }

// MarshalText refuses.
func (t Teller) MarshalText() ([]byte, error) { return t.k.MarshalText() }

// Enroll makes a new key file at path and sends the public key to the
// coordinator. An existing file is never replaced. After an interruption, or
// where the ceremony was started again, the same call with the same passphrase
// goes on with the file that is there.
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
	if err := t.enroll(ctx); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Teller) enroll(ctx context.Context) error {
	st, err := t.coordinator.state(ctx)
	if err != nil {
		return err
	}
	// The share of a key that may be sealed by now is not given up because the
	// service says so.
	if t.done() && st.Session != t.k.Session {
		return errors.New("this key has been through the ceremony, and the service says that another one has begun; " +
			"ask the committee, and if it is so, go through it with a new key file")
	}
	return t.sendKey(ctx, st)
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

// hand sends this teller's part of a round, unless the service shows it already.
func (t *Teller) hand(ctx context.Context, st *ceremony.State, round ceremony.Round, shown, part []byte) error {
	if bytes.Equal(shown, part) {
		return nil
	}
	return t.coordinator.post(ctx, st.Session, round, part)
}

// sendKey sends the static public key.
func (t *Teller) sendKey(ctx context.Context, st *ceremony.State) error {
	s, err := t.static()
	if err != nil {
		return err
	}
	own, shown := group.BaseMul(s).Bytes(), st.Keys[t.k.Number-1]
	if len(shown) > 0 && !bytes.Equal(shown, own) {
		return errors.New("the service shows another key in this teller's place; call the committee")
	}
	return t.hand(ctx, st, ceremony.RoundKey, shown, own)
}

// keep changes the key, in the file first: what is not there must not be acted
// upon, because after a crash it would be forgotten.
func (t *Teller) keep(change func(k *key)) error {
	k := t.k
	change(&k)
	if err := t.file.save(k); err != nil {
		return err
	}
	t.k = k
	return nil
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
	if err := t.begin(st.Session); err != nil {
		return "", err
	}
	if err := t.sendKey(ctx, st); err != nil {
		return "", err
	}
	if !ceremony.Complete(st.Keys) {
		return "the other tellers' keys", nil
	}
	state, err := t.round1(ctx, st)
	if err != nil {
		return "", err
	}
	defer state.Wipe()
	if !ceremony.Complete(st.Messages) {
		return "the other tellers' messages", nil
	}
	result, err := t.round2(ctx, st, state)
	if err != nil {
		return "", err
	}
	defer result.Wipe()
	if !ceremony.Complete(st.Signatures) {
		return "the other tellers' signatures", nil
	}
	// Only the signatures of all n show that nobody was given another ceremony.
	if _, err := dkg.VerifyCertificate(result.Transcript, ceremony.Joined(st.Signatures)); err != nil {
		return "", fmt.Errorf("checking the ceremony: %w", err)
	}
	return "", t.keep(func(k *key) {
		k.State, k.Share = nil, result.Share.Bytes()
		k.Key, k.KeyShare = result.Key.Bytes(), result.Shares[k.Number-1].Bytes()
	})
}

func (t *Teller) done() bool { return len(t.k.Share) > 0 }

// begin notes a new session. What an earlier one left is of no use any more,
// and an earlier one does not come back.
func (t *Teller) begin(session uint32) error {
	switch {
	case session == t.k.Session:
		return nil
	case session < t.k.Session:
		return errors.New("the service has gone back to an earlier ceremony; ask the committee to start it again")
	}
	return t.keep(func(k *key) { k.Session, k.State = session, nil })
}

// round1 sends the first message. It is in the key file before it is sent:
// after an interruption the same one is sent again, never a second one.
func (t *Teller) round1(ctx context.Context, st *ceremony.State) (*dkg.State, error) {
	setup, err := st.Setup()
	if err != nil {
		return nil, err
	}
	s, err := t.static()
	if err != nil {
		return nil, err
	}
	if len(t.k.State) == 0 {
		state, _, err := dkg.Start(setup, int(t.k.Number), s)
		if err != nil {
			return nil, fmt.Errorf("starting the ceremony: %w", err)
		}
		defer state.Wipe()
		if err := t.keep(func(k *key) { k.State = state.Bytes() }); err != nil {
			return nil, err
		}
	}
	state, err := dkg.ParseState(t.k.State, s)
	if err != nil {
		return nil, err
	}
	// The context is a hash of everything that was agreed.
	if !bytes.Equal(state.Setup().Context, setup.Context) {
		return nil, errors.New("the service has changed the ceremony under way; ask the committee to start it again")
	}
	return state, t.hand(ctx, st, ceremony.RoundMessage, st.Messages[t.k.Number-1], state.Message())
}

// round2 checks everybody's messages and signs the transcript. It is
// deterministic, so that nothing has to be kept of it.
func (t *Teller) round2(ctx context.Context, st *ceremony.State, state *dkg.State) (*dkg.Result, error) {
	msgs := make([][]byte, len(st.Messages))
	for i, m := range st.Messages {
		msgs[i] = m
	}
	result, err := state.Finish(msgs)
	if err != nil {
		return nil, fmt.Errorf("checking the other tellers' messages: %w", err)
	}
	return result, t.hand(ctx, st, ceremony.RoundSignature, st.Signatures[t.k.Number-1], result.Signature[:])
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
	a, err := first.drill()
	if err != nil {
		return err
	}
	b, err := second.drill()
	if err != nil {
		return fmt.Errorf("drilling the second copy: %w", err)
	}
	if first.k.Election != second.k.Election || first.k.Number != second.k.Number || !bytes.Equal(first.k.Share, second.k.Share) {
		return errors.New("the second file is not a copy of the first")
	}
	// A file that was copied in another way does not know that it is one.
	if first.k.Copy == second.k.Copy {
		return errors.New("a drill needs the key file and the second copy that this program made of it")
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
