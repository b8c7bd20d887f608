// Package share is a teller's part in opening a sum: the partial decryption of
// one question of one set, and the drill by which a teller shows before the
// voting that its key works. Both are published with a proof that they were
// made with the teller's share of the key, so that anybody can check them.
//
// It must never be given a ciphertext that is not a sum which the caller
// computed itself from the verified record: a teller that decrypts what it is
// handed is an oracle for single ballots. It does not know what a set is; the
// caller refuses sets that overlap or are too small. The bytes are those of
// SPEC.md, sections 13 and 14.
//
// # Security considerations
//
// The nonce of a proof is derived from the share of the key, the statement and
// 32 fresh random bytes. If the random source repeats, the same statement
// gives the same proof and different statements give different nonces; if it
// is known to an attacker, the nonce is still secret. Arithmetic on the share
// is constant time, checking is not.
package share

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"errors"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/proof"
	"strikevote/internal/protocol/suite"
)

// A Statement is what a partial decryption is about. All of it enters the
// challenge: the ciphertext that is opened above all, without which a proof
// for one sum would pass for another.
type Statement struct {
	MID       suite.MID
	Set       suite.GroupID
	Question  uint8
	Teller    uint8          // from 1
	TellerKey *group.Element // Y_i
	CloseRoot suite.Hash
	CloseSize uint64
	Count     uint64             // ballots in the set
	Sum       elgamal.Ciphertext // of those ballots; either part may be the identity
}

// A Share is a partial decryption with its proof, or an answer to the drill.
type Share struct {
	D    *group.Element // x_i times the point in question
	A, B *group.Element
	S    *group.Scalar
}

// ErrProof is returned for a share whose proof does not hold.
var ErrProof = errors.New("the share was not made with the teller's key")

const (
	labelShare = "decrypt-share"
	labelDrill = "drill-share"
)

// A claim is that log_G(key) = log_base(D): both kinds of share prove one.
type claim struct {
	label string
	parts [][]byte // what is hashed before D
	key   *group.Element
	base  *group.Element
}

func (st *Statement) claim() *claim {
	return &claim{
		label: labelShare,
		parts: [][]byte{
			st.MID[:], suite.U16(uint16(st.Set)), suite.U8(st.Question), suite.U8(st.Teller),
			st.TellerKey.Bytes(), st.CloseRoot[:], suite.U64(st.CloseSize), suite.U64(st.Count),
			st.Sum.R.Bytes(), st.Sum.C.Bytes(),
		},
		key:  st.TellerKey,
		base: st.Sum.R,
	}
}

// Decrypt makes the partial decryption of a sum with the teller's share x of
// the key.
func Decrypt(x *group.Scalar, st *Statement) *Share {
	return st.claim().prove(x, fresh())
}

// Verify checks a partial decryption. The error is [ErrProof].
func Verify(st *Statement, sh *Share) error { return st.claim().verify(sh) }

func fresh() (salt [32]byte) {
	_, _ = rand.Read(salt[:]) // never fails: the program ends instead
	return salt
}

// prove is the deterministic part of making a share.
func (c *claim) prove(x *group.Scalar, salt [32]byte) *Share {
	d := c.base.Mul(x)
	transcript := append(c.parts[:len(c.parts):len(c.parts)], d.Bytes())
	w := c.nonce(x, salt, transcript)
	a, b := proof.CommitSameLog(w, c.base)
	p := proof.AnswerSameLog(a, b, x, w, c.challenge(transcript, a, b))
	*w = group.Scalar{} // w and S together reveal x
	return &Share{D: d, A: p.A, B: p.B, S: p.S}
}

// nonce derives w. The whole statement is in it, so that no two challenges are
// ever answered with the same w.
func (c *claim) nonce(x *group.Scalar, salt [32]byte, transcript [][]byte) *group.Scalar {
	key := x.Bytes()
	defer clear(key)
	okm, err := hkdf.Key(sha512.New, key, salt[:], string(suite.Message(c.label, transcript...)), 64)
	if err != nil {
		panic("share: " + err.Error()) // 64 bytes are always to be had
	}
	defer clear(okm)
	return group.ScalarFromWide([64]byte(okm))
}

func (c *claim) challenge(transcript [][]byte, a, b *group.Element) *group.Scalar {
	all := append(transcript[:len(transcript):len(transcript)], a.Bytes(), b.Bytes())
	return group.ScalarFromWide(suite.H512(c.label, all...))
}

// verify checks s·G = A + c·Y_i and s·base = B + c·D. A point is the identity
// only where the base may be.
func (c *claim) verify(sh *Share) error {
	if sh == nil || sh.D == nil || sh.A == nil || sh.B == nil || sh.S == nil {
		return ErrProof
	}
	if c.key == nil || c.key.IsIdentity() || sh.A.IsIdentity() {
		return ErrProof
	}
	transcript := append(c.parts[:len(c.parts):len(c.parts)], sh.D.Bytes())
	p := &proof.SameLog{A: sh.A, B: sh.B, S: sh.S}
	if err := p.Check(c.challenge(transcript, sh.A, sh.B), c.key, c.base, sh.D); err != nil {
		return ErrProof
	}
	return nil
}

// Drill answers the only challenge a teller answers before the voting is
// locked. The point is derived from the election and its key by hashing to a
// scalar that everybody knows, so that the answer opens nothing.
func Drill(x *group.Scalar, eid suite.ElectionID, i uint8, y, yi *group.Element) *Share {
	return drillClaim(eid, i, y, yi).prove(x, fresh())
}

// VerifyDrill checks an answer to the drill. The error is [ErrProof].
func VerifyDrill(eid suite.ElectionID, i uint8, y, yi *group.Element, sh *Share) error {
	return drillClaim(eid, i, y, yi).verify(sh)
}

func drillClaim(eid suite.ElectionID, i uint8, y, yi *group.Element) *claim {
	r := group.BaseMul(group.ScalarFromWide(suite.H512("drill", eid[:], y.Bytes())))
	return &claim{
		label: labelDrill,
		parts: [][]byte{eid[:], suite.U8(i), yi.Bytes(), r.Bytes()},
		key:   yi,
		base:  r,
	}
}
