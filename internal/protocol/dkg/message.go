package dkg

import (
	"encoding/binary"
	"errors"
	"fmt"

	"strikevote/internal/protocol/group"
)

// A public is the part of a participant's round 1 that the transcript holds.
type public struct {
	commitment []*group.Element // exactly t
	pop        [64]byte
	ephemeral  *group.Element
}

// A message is round 1 of one participant:
//
//	C_0 || … || C_{t-1} || PoP || E || n × (u64 length || ciphertext)
type message struct {
	public
	ciphertexts [][]byte // one for each participant, its sender included
}

// popMessage is what a proof of possession signs. Without that proof a
// participant could choose its commitment after seeing the others' and cancel
// them out of the key.
func (p *public) popMessage(context []byte) []byte {
	b := append([]byte(nil), context...)
	for _, c := range p.commitment {
		b = append(b, c.Bytes()...)
	}
	return append(b, p.ephemeral.Bytes()...)
}

func (p *public) checkPoP(context []byte) error {
	if err := Verify(p.commitment[0], p.popMessage(context), p.pop[:]); err != nil {
		return fmt.Errorf("checking proof of possession: %w", err)
	}
	return nil
}

func (m *message) bytes() []byte {
	var b []byte
	for _, c := range m.commitment {
		b = append(b, c.Bytes()...)
	}
	b = append(b, m.pop[:]...)
	b = append(b, m.ephemeral.Bytes()...)
	for _, c := range m.ciphertexts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(c)))
		b = append(b, c...)
	}
	return b
}

// parseMessage reads a message for t of n whose ciphertexts are all of one
// size. The length is checked before anything is decoded, so there is no
// length prefix whose value is believed.
func parseMessage(b []byte, t, n, size int) (*message, error) {
	want := t*group.Size + SignatureSize + group.Size + n*(8+size)
	if len(b) != want {
		return nil, fmt.Errorf("reading message: %d bytes, want %d", len(b), want)
	}
	m := new(message)
	for range t {
		c, err := group.DecodeElement(b[:group.Size])
		if err != nil {
			return nil, fmt.Errorf("reading commitment: %w", err)
		}
		m.commitment = append(m.commitment, c)
		b = b[group.Size:]
	}
	b = b[copy(m.pop[:], b):]
	e, err := group.DecodeElement(b[:group.Size])
	if err != nil {
		return nil, fmt.Errorf("reading ephemeral key: %w", err)
	}
	m.ephemeral, b = e, b[group.Size:]
	for range n {
		if binary.BigEndian.Uint64(b) != uint64(size) {
			return nil, errors.New("reading message: length of a ciphertext")
		}
		m.ciphertexts = append(m.ciphertexts, append([]byte(nil), b[8:8+size]...))
		b = b[8+size:]
	}
	return m, nil
}

// CheckMessage checks what can be checked of participant i's first message
// without a secret: its length, its points and its proof of possession. The
// coordinator calls it before it passes the message on. If the message is to
// blame the error is a [*Blame].
//
// What it cannot see is whether the shares are right; each recipient finds
// that in [State.Finish].
func CheckMessage(s *Setup, i int, msg []byte) error {
	if err := s.check(); err != nil {
		return err
	}
	if i < 1 || i > len(s.Static) {
		return fmt.Errorf("checking message: no participant %d", i)
	}
	_, err := s.checkedMessage(i, msg, ciphertextSize)
	return err
}

// checkedMessage parses participant j's message and checks its proof.
func (s *Setup) checkedMessage(j int, msg []byte, size int) (*message, error) {
	m, err := parseMessage(msg, s.T, len(s.Static), size)
	if err != nil {
		return nil, &Blame{Participant: j, Err: err}
	}
	if err := m.checkPoP(s.Context); err != nil {
		return nil, &Blame{Participant: j, Err: err}
	}
	return m, nil
}
