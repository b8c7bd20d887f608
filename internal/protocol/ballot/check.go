package ballot

import (
	"bytes"
	"errors"
	"fmt"

	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/proof"
	"strikevote/internal/protocol/suite"
)

// Check returns nil iff b is a valid ballot for c: the one predicate that the
// voter's device, the ballot box and every verifier share.
func Check(c *Context, b *Ballot) error {
	if err := precheck(c, b); err != nil {
		return fmt.Errorf("checking ballot: %w", err)
	}
	var q proof.Equations
	b.addTo(&q, c)
	if err := q.Check(); err != nil {
		return fmt.Errorf("checking ballot: %w", err)
	}
	return nil
}

// precheck is all of Check but the equations, which are most of the work.
func precheck(c *Context, b *Ballot) error {
	if err := c.check(); err != nil {
		return err
	}
	if err := b.checkShape(c); err != nil {
		return err
	}
	head := b.head(c)
	for i := range b.Questions {
		q := &b.Questions[i]
		if err := q.Proof.CheckSum(challenge(head, i, q.commitments)); err != nil {
			return fmt.Errorf("question %d: %w", i, err)
		}
	}
	return nil
}

// checkShape compares the bytes with the manifest.
func (b *Ballot) checkShape(c *Context) error {
	r := suite.NewReader(b.body)
	r.Take(1)
	switch {
	case len(b.body) == 0:
		return errors.New("not parsed")
	case !bytes.Equal(r.Take(32), c.MID[:]):
		return errors.New("of another election")
	case r.U16() != uint16(c.Group):
		return errors.New("of another group")
	case len(b.Questions) != len(c.Options):
		return errors.New("another number of questions")
	}
	for i, k := range c.Options {
		if len(b.Questions[i].Proof.C) != k {
			return fmt.Errorf("question %d: another number of options", i)
		}
	}
	return nil
}

// addTo adds the equations of every question.
func (b *Ballot) addTo(q *proof.Equations, c *Context) {
	for i := range b.Questions {
		x := &b.Questions[i]
		q.Add(proof.Statement{Key: c.Key, Ciphertext: x.Ciphertext}, &x.Proof)
	}
}

// head hashes what every proof of the ballot binds, out of the bytes parsed.
func (b *Ballot) head(c *Context) [64]byte {
	h := header{mid: c.MID, group: c.Group, nonce: b.body[headSize-32 : headSize], key: c.Key.Bytes()}
	at := headSize
	for _, k := range c.Options {
		r := at + 1
		h.add(k, b.body[r:r+group.Size], b.body[r+group.Size:r+2*group.Size])
		at += questionSize(k)
	}
	return h.hash()
}

// A header gathers the statement that the proofs of one ballot are about.
type header struct {
	mid       suite.MID
	group     suite.GroupID
	nonce     []byte
	key       []byte
	questions [][]byte // k, R, C of every question
}

func (h *header) add(k int, r, c []byte) {
	h.questions = append(h.questions, suite.U8(uint8(k)), r, c)
}

func (h *header) hash() [64]byte {
	parts := [][]byte{h.mid[:], suite.U16(uint16(h.group)), h.nonce, h.key, suite.U8(uint8(len(h.questions) / 3))}
	return suite.H512("ballot-head", append(parts, h.questions...)...)
}

// challenge hashes the head, which question it is, and all its commitments.
func challenge(head [64]byte, question int, commitments [][]byte) *group.Scalar {
	parts := append([][]byte{head[:], suite.U8(uint8(question))}, commitments...)
	return group.ScalarFromWide(suite.H512("ballot-proof", parts...))
}
