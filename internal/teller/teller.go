// Package teller is the program of a teller: it makes and keeps one share of the
// key that opens the totals, on the teller's own computer.
//
// It speaks HTTP to the service, or reads and writes files that people carry
// ([Files]), and trusts nothing that it is told either way: it checks every
// message of the ceremony itself, and before it opens anything it verifies the
// whole public record and computes the sums itself. It must never open a
// ciphertext that was handed to it, nor two different closes of one election
// (SPEC.md sections 13 and 14).
//
// # Security considerations
//
// While a key file is open its secrets are in this process's memory, and
// [Teller.Close] overwrites what this package holds of them. It does not reach
// what the arithmetic and the runtime copied to stack and heap, the key that
// Argon2id derived, nor the memory of a terminal. Nothing keeps memory from
// being swapped out or written down with a sleeping computer: locking it in
// place fails under the limits that most systems set, and a Go program cannot
// do without the rest. So the computer is trusted until it is switched off, and
// its disk should be encrypted. On disk the key is only ever sealed.
package teller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"strikevote/internal/ceremony"
	"strikevote/internal/keyfile"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// ErrOtherClose is returned when a teller is asked to open a second, different
// close of an election whose first one its key has already answered for.
var ErrOtherClose = errors.New("this key has already opened another count of this election; it never opens a second one")

// A Teller is one teller's program with its key file open. It redacts itself. It
// is not safe for concurrent use. While it is open, no other program can open its
// key file: two could answer for two different closes. Close it.
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
	return enroll(ctx, inv, path, passphrase, kind.Cost, func(*Teller) {})
}

// EnrollDemo is [Enroll] for a teller of a demo, whose passphrase everybody knows: its key
// file, and copies of it, are opened at once and keep nobody out.
func EnrollDemo(ctx context.Context, inv ceremony.Invitation, path string, passphrase []byte) (*Teller, error) {
	return enroll(ctx, inv, path, passphrase, demoCost, func(*Teller) {})
}

// enroll enrolls by the coordinator that use sets, or over the network.
func enroll(ctx context.Context, inv ceremony.Invitation, path string, passphrase []byte, cost keyfile.Cost, use func(*Teller)) (*Teller, error) {
	t, err := Open(path, passphrase)
	switch {
	case errors.Is(err, ErrNoKeyFile):
		k := key{
			Election: inv.Election, Number: inv.Number, Console: inv.Console, Enrollment: inv.Enrollment,
			Copy: 1, Static: group.RandomScalar().Bytes(),
		}
		if t, err = create(path, passphrase, k, cost); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case t.k.Election != inv.Election || t.k.Number != inv.Number:
		t.Close()
		return nil, fmt.Errorf("%s holds the key of another election or teller; choose another file", path)
	}
	use(t)
	if err := t.enroll(ctx); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Teller) enroll(ctx context.Context) error {
	st, err := t.current(ctx)
	if err != nil {
		return err
	}
	return t.sendKey(ctx, st)
}

// ErrRestarted is returned for a key that has been through the ceremony, where
// another one has begun since.
var ErrRestarted = errors.New("this key has been through the ceremony, and another one has begun since; " +
	"ask the committee, and if it is so, go through it with a new key file")

// current returns the state of the ceremony. The share of a key that may be
// sealed by now is not given up because the service says so: it stays, and takes
// no part in another ceremony.
func (t *Teller) current(ctx context.Context) (*ceremony.State, error) {
	st, err := t.coordinator.state(ctx)
	if err == nil {
		err = t.notOlder(st)
	}
	if err != nil {
		return nil, err
	}
	if t.done() && st.Session != t.k.Session {
		return nil, ErrRestarted
	}
	return st, nil
}

// notOlder refuses what this key has seen the end of. A file of yesterday would
// only let everybody wait for one another, and a service that forgot what it
// showed is one that somebody set back.
func (t *Teller) notOlder(st *ceremony.State) error {
	switch {
	case st.Session > t.k.Session:
		return nil
	case st.Session < t.k.Session:
		return fmt.Errorf("%s has gone back to an earlier ceremony than this key has seen; "+
			"get the newest, or ask the committee to start again", t.coordinator)
	case len(t.k.State) > 0 && !ceremony.Complete(st.Keys), t.k.Signed && !ceremony.Complete(st.Messages):
		return fmt.Errorf("%s is older than what this key has seen; get the newest", t.coordinator)
	}
	return nil
}

// Open opens a key file, and keeps other programs from it. A wrong passphrase is
// [ErrPassphrase] and may be tried again without end; nothing is changed by it.
func Open(path string, passphrase []byte) (*Teller, error) {
	unlock, err := lockKey(path)
	if err != nil {
		return nil, err
	}
	t, err := open(path, passphrase)
	if err != nil {
		unlock()
		return nil, err
	}
	t.file.unlock = unlock
	return t, nil
}

func open(path string, passphrase []byte) (*Teller, error) {
	f, k, err := openKeyFile(path, passphrase)
	if err != nil {
		return nil, err
	}
	return &Teller{coordinator: overNetwork(&k), file: f, k: k}, nil
}

func create(path string, passphrase []byte, k key, cost keyfile.Cost) (*Teller, error) {
	unlock, err := lockKey(path)
	if errors.Is(err, ErrNoKeyFile) {
		// True, and no help to somebody who is making one.
		return nil, fmt.Errorf("there is no folder %s; make it first, or put the medium in", filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	f := newKeyFile(path, passphrase, cost)
	f.unlock = unlock
	if err := f.create(k); err != nil {
		unlock()
		return nil, err
	}
	return &Teller{coordinator: overNetwork(&k), file: f, k: k}, nil
}

// Number returns which teller this is, from 1.
func (t *Teller) Number() int { return int(t.k.Number) }

// Session returns the session of the ceremony that the key is at; 0 before it
// has seen one.
func (t *Teller) Session() uint32 { return t.k.Session }

// Election returns the election that the key is for.
func (t *Teller) Election() suite.ElectionID { return t.k.Election }

// Words returns six words for the ceremony that made the key, or "" before its
// end. Tellers compare them by phone before sealing: a coordinator who ran a
// ceremony of his own with each of them has other words for each.
func (t *Teller) Words() string {
	if len(t.k.Certificate) != len(suite.Hash{}) {
		return ""
	}
	return election.SixWords(suite.MID(t.k.Certificate))
}

// Close forgets the key in memory, as far as Go allows, and lets other programs
// open its file. It may be called again.
func (t *Teller) Close() {
	t.k.wipe()
	t.coordinator.close()
	t.file.release()
}

func (t *Teller) static() (*group.Scalar, error) {
	s, err := group.DecodeScalar(t.k.Static)
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	return s, nil
}

func (t *Teller) share() (*group.Scalar, error) {
	x, err := group.DecodeScalar(t.k.Share)
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	return x, nil
}

// wipe overwrites a secret that is needed no more.
func wipe(s *group.Scalar) { *s = group.Scalar{} }

// hand sends this teller's part of a round, unless the service shows it already.
func (t *Teller) hand(ctx context.Context, st *ceremony.State, round ceremony.Round, shown, part []byte) error {
	switch {
	case bytes.Equal(shown, part):
		return nil
	case len(shown) > 0:
		return fmt.Errorf("%s shows another %s in this teller's place than its own %s; call the committee", t.coordinator, round, round)
	}
	return t.coordinator.post(ctx, st.Session, round, part)
}

// sendKey sends the static public key.
func (t *Teller) sendKey(ctx context.Context, st *ceremony.State) error {
	s, err := t.static()
	if err != nil {
		return err
	}
	defer wipe(s)
	shown, own := st.Keys[t.k.Number-1], group.BaseMul(s).Bytes()
	if len(shown) > 0 && !bytes.Equal(shown, own) {
		return fmt.Errorf("%s shows another key in this teller's place than the one in this key file. An invitation makes one key: "+
			"if you used it before, go on with the key file that you made then. If that is lost, or you never used it, "+
			"call the committee: the ceremony has to start again, with a new invitation", t.coordinator)
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
