package teller

import (
	"bytes"
	"context"
	"fmt"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/dkg"
)

// Advance takes the ceremony as far as it can go now. It returns what it
// waits for, and "" once the ceremony is done and its result is in the key
// file. It may be called again after any interruption.
func (t *Teller) Advance(ctx context.Context) (waiting string, err error) {
	if t.done() {
		return "", nil
	}
	st, err := t.current(ctx)
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
	signatures := ceremony.Joined(st.Signatures)
	if _, err := dkg.VerifyCertificate(result.Transcript, signatures); err != nil {
		return "", fmt.Errorf("checking the ceremony: %w", err)
	}
	certificate := dkg.CertificateHash(result.Transcript, signatures)
	return "", t.keep(func(k *key) {
		k.Certificate = certificate[:]
		k.State, k.Share = nil, result.Share.Bytes()
		k.Key, k.KeyShare = result.Key.Bytes(), result.Shares[k.Number-1].Bytes()
	})
}

func (t *Teller) done() bool { return len(t.k.Share) > 0 }

// begin notes a new session. What an earlier one left is of no use any more.
func (t *Teller) begin(session uint32) error {
	if session == t.k.Session {
		return nil
	}
	return t.keep(func(k *key) { k.Session, k.State, k.Signed = session, nil, false })
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
	defer wipe(s)
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
		return nil, fmt.Errorf("%s has changed the ceremony under way; ask the committee to start it again", t.coordinator)
	}
	return state, t.hand(ctx, st, ceremony.RoundMessage, st.Messages[t.k.Number-1], state.Message())
}

// round2 checks everybody's messages and signs the transcript. It is
// deterministic, so that nothing has to be kept of it but that it was done.
func (t *Teller) round2(ctx context.Context, st *ceremony.State, state *dkg.State) (*dkg.Result, error) {
	msgs := make([][]byte, len(st.Messages))
	for i, m := range st.Messages {
		msgs[i] = m
	}
	result, err := state.Finish(msgs)
	if err != nil {
		return nil, fmt.Errorf("checking the other tellers' messages: %w", err)
	}
	if !t.k.Signed {
		err = t.keep(func(k *key) { k.Signed = true })
	}
	if err == nil {
		err = t.hand(ctx, st, ceremony.RoundSignature, st.Signatures[t.k.Number-1], result.Signature[:])
	}
	if err != nil {
		result.Wipe()
		return nil, err
	}
	return result, nil
}
