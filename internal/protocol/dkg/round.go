package dkg

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"strikevote/internal/protocol/group"
)

// ErrAltered is returned by [State.Finish] if the coordinator passed on
// another first message than the participant's own. It is the coordinator who
// is to blame, or a second copy of the program that also started.
var ErrAltered = errors.New("own message is not the one that was sent")

// A State is what a participant holds between rounds 1 and 2. It is not safe
// for concurrent use.
type State struct {
	setup *Setup
	index int
	key   *group.Scalar // the static key; a copy, so that Wipe may overwrite it
	msg   []byte        // own first message
}

// Start is round 1 of participant i, whose static key is key. It draws a
// polynomial and an ephemeral key and returns the message to all participants.
//
// The caller must store [State.Bytes] before it sends the message: a
// participant that starts twice has two first messages in the world and cannot
// finish with the wrong one.
func Start(s *Setup, i int, key *group.Scalar) (*State, []byte, error) {
	if err := s.check(); err != nil {
		return nil, nil, err
	}
	coefficients := make([]*group.Scalar, s.T)
	for k := range coefficients {
		coefficients[k] = group.RandomScalar()
	}
	e := group.RandomScalar()
	defer wipe(append(coefficients, e)...)
	return startWith(s, i, key, coefficients, e, nil)
}

// startWith is [Start] with given secrets, and with a payload for every
// recipient, which only the official vectors have.
func startWith(s *Setup, i int, key *group.Scalar, coefficients []*group.Scalar, e *group.Scalar, payload []byte) (*State, []byte, error) {
	if err := s.check(); err != nil {
		return nil, nil, err
	}
	if err := s.checkParticipant(i, key); err != nil {
		return nil, nil, err
	}
	m := new(message)
	for _, a := range coefficients {
		m.commitment = append(m.commitment, group.BaseMul(a))
	}
	m.ephemeral = group.BaseMul(e)
	pop, err := sign(coefficients[0], m.popMessage(s.Context))
	if err != nil {
		return nil, nil, err
	}
	m.pop = pop
	for j := 1; j <= len(s.Static); j++ {
		share := evaluate(coefficients, j)
		plaintext := append(share.Bytes(), payload...)
		m.ciphertexts = append(m.ciphertexts, s.sealShare(i, j, key, e, &m.public, plaintext))
		clear(plaintext)
		wipe(share)
	}
	own := *key
	st := &State{setup: s.clone(), index: i, key: &own, msg: m.bytes()}
	return st, bytes.Clone(st.msg), nil
}

// A Result is what a participant has after round 2. Share is secret, the rest
// is public and the same for all. It redacts itself.
type Result struct {
	Share      *group.Scalar    // x_i
	Key        *group.Element   // Y
	Shares     []*group.Element // Y_1 … Y_n
	Transcript []byte
	Signature  [64]byte // this participant's, over Transcript
}

// Finish is round 2: it checks the first messages of all n participants, in
// order, the own one included, opens the shares addressed to this participant
// and signs the transcript. If a participant is to blame the error is a
// [*Blame]; it is [ErrAltered] if the own message came back changed.
//
// The result must not be used before [VerifyCertificate] accepts its
// transcript with the signatures of all n.
func (st *State) Finish(msgs [][]byte) (*Result, error) {
	r, _, err := st.finish(msgs, ciphertextSize)
	return r, err
}

// finish is [State.Finish] for ciphertexts of a given size; it also returns
// the payloads.
func (st *State) finish(msgs [][]byte, size int) (*Result, [][]byte, error) {
	s, n := st.setup, len(st.setup.Static)
	if st.key == nil {
		return nil, nil, errors.New("finishing ceremony: the state was wiped")
	}
	if len(msgs) != n {
		return nil, nil, fmt.Errorf("finishing ceremony: %d messages, want %d", len(msgs), n)
	}
	if !bytes.Equal(msgs[st.index-1], st.msg) {
		return nil, nil, fmt.Errorf("finishing ceremony: %w", ErrAltered)
	}
	all := make([]*public, n)
	sealed := make([][]byte, n)
	for j := 1; j <= n; j++ {
		m, err := s.checkedMessage(j, msgs[j-1], size)
		if err != nil {
			return nil, nil, err
		}
		all[j-1], sealed[j-1] = &m.public, m.ciphertexts[st.index-1]
	}
	x, payloads, err := s.openShares(st.index, st.key, all, sealed)
	if err != nil {
		return nil, nil, err
	}
	r, err := st.result(x, transcriptOf(s, all))
	return r, payloads, err
}

// openShares adds up the shares that all participants sent to i.
func (s *Setup) openShares(i int, key *group.Scalar, all []*public, sealed [][]byte) (*group.Scalar, [][]byte, error) {
	x := new(group.Scalar)
	var payloads [][]byte
	for j := 1; j <= len(all); j++ {
		share, payload, err := s.openShare(i, j, key, all[j-1], sealed[j-1])
		if err != nil {
			wipe(x)
			return nil, nil, &Blame{Participant: j, Err: err}
		}
		sum := x.Add(share)
		wipe(x, share)
		x = sum
		payloads = append(payloads, payload)
	}
	return x, payloads, nil
}

func (st *State) result(x *group.Scalar, t *Transcript) (*Result, error) {
	if err := t.checkKeys(); err != nil {
		return nil, err
	}
	r := &Result{Share: x, Key: t.Key(), Shares: t.Shares(), Transcript: t.Bytes()}
	// Follows from the checks of every share; an error in this program would
	// otherwise be found only when the votes cannot be opened.
	if !group.BaseMul(x).Equal(r.Shares[st.index-1]) {
		return nil, errors.New("finishing ceremony: the share does not fit the public shares")
	}
	var err error
	r.Signature, err = sign(st.key, r.Transcript)
	return r, err
}

// Wipe overwrites the copy of the static key and makes the state unusable.
// See the package comment for what that does not reach.
func (st *State) Wipe() {
	wipe(st.key)
	st.key = nil
}

// Wipe overwrites the share.
func (r *Result) Wipe() {
	wipe(r.Share)
	r.Share = nil
}

func wipe(secrets ...*group.Scalar) {
	for _, s := range secrets {
		if s != nil {
			*s = group.Scalar{}
		}
	}
}

// errSecret is what an encoder gets instead of a structure with a secret in it.
var errSecret = errors.New("a teller's secret is not written this way")

// Format keeps the key out of logs.
func (st State) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[state of a ceremony]") }

// MarshalText refuses: see [State.Bytes].
func (st State) MarshalText() ([]byte, error) { return nil, errSecret }

// Format keeps the share out of logs.
func (r Result) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[result of a ceremony]") }

// MarshalText refuses: the share goes into the teller's sealed key file only.
func (r Result) MarshalText() ([]byte, error) { return nil, errSecret }
