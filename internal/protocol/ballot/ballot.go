// Package ballot seals choices into a ballot, on the voter's device, and decides
// whether a sealed ballot is valid, everywhere else.
//
// It must never know a person: nothing here names, numbers or dates a voter.
// Whoever checks a ballot learns no choice. A sealed ballot is a function of
// the secret S, the text E and the choices alone, so that a second device can
// recompute every byte of it and show that the first one was honest. SPEC.md,
// section 6.
//
// # Security considerations
//
// [Seal] computes with the choices, the secret and all randomness in constant
// time: HKDF and the group do not branch on them, and the choice is made by
// arithmetic. What is not: the length of E and of the recovery code, their
// base32, and the checks that choices and text are in range. [Open] takes
// variable time; its S is revealed by that very use and must not be cast.
package ballot

import (
	"errors"
	"fmt"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/proof"
	"strikevote/internal/protocol/suite"
)

const (
	// Version is the first byte of every body.
	Version = 1
	// MaxQuestions is the most questions a ballot can have.
	MaxQuestions = 8
	// MinOptions is the least options of a question.
	MinOptions = 2
	// MaxOptions is the most options of a question.
	MaxOptions = elgamal.MaxOptions
	// MaxTyped is the most bytes of the text E.
	MaxTyped = 1000
	// SignatureSize is the length of the issuer's signature after a body.
	SignatureSize = 384

	headSize = 1 + 32 + 2 + 1 + 32 // version, mid, group, q, nonce
)

// A Context is what a ballot is sealed for: the manifest's part of it. All
// fields are public and required; they must not change while in use.
type Context struct {
	MID     suite.MID
	Group   suite.GroupID
	Key     *group.Element // Y, the tellers' key
	Options []int          // number of options of every question
}

// Prepare saves encoding the key anew for every ballot, if it was computed and
// not decoded. It must be called before c is shared, and need not be called.
func (c *Context) Prepare() {
	if c.Key == nil {
		return
	}
	// An element that was decoded keeps its encoding. The identity stays what
	// it is, for check to refuse.
	if key, err := group.DecodeElement(c.Key.Bytes()); err == nil {
		c.Key = key
	}
}

func (c *Context) check() error {
	if c.Key == nil || c.Key.IsIdentity() {
		return errors.New("the election has no key")
	}
	if len(c.Options) < 1 || len(c.Options) > MaxQuestions {
		return fmt.Errorf("%d questions", len(c.Options))
	}
	for _, k := range c.Options {
		if k < MinOptions || k > MaxOptions {
			return fmt.Errorf("a question with %d options", k)
		}
	}
	return nil
}

// BodySize returns the length of a body with questions of that many options.
func BodySize(options []int) int {
	n := headSize
	for _, k := range options {
		n += questionSize(k)
	}
	return n
}

func questionSize(k int) int { return 1 + 2*group.Size + 4*k*group.Size }

// ParseCast splits a sealed ballot into body and signature, which alias it. It
// looks at the length only.
func ParseCast(sealed []byte, options []int) (body, sig []byte, err error) {
	n := BodySize(options)
	if len(sealed) != n+SignatureSize {
		return nil, nil, fmt.Errorf("a sealed ballot of %d bytes instead of %d", len(sealed), n+SignatureSize)
	}
	return sealed[:n:n], sealed[n:], nil
}

// A Question is one ciphertext of a ballot with its proof.
type Question struct {
	Ciphertext elgamal.Ciphertext
	Proof      proof.OneOf

	commitments [][]byte // A_0, B_0, … as they stand in the body
}

// A Ballot is a parsed body. Only [Parse] makes one. Its fields are for
// reading: [Check] judges the bytes that were parsed.
type Ballot struct {
	MID       suite.MID
	Group     suite.GroupID
	Questions []Question

	body []byte
}

// Parse reads a body, whatever election it is for. It accepts exactly canonical
// bodies, SPEC.md section 6, and does not check the proofs: that is [Check].
func Parse(body []byte) (*Ballot, error) {
	if len(body) > headSize+MaxQuestions*questionSize(MaxOptions) {
		return nil, errors.New("parsing ballot: too long")
	}
	// A copy, so that what is hashed stays what was parsed.
	b := &Ballot{body: append([]byte(nil), body...)}
	r := suite.NewReader(b.body)
	if v := r.U8(); v != Version {
		return nil, fmt.Errorf("parsing ballot: version %d", v)
	}
	b.MID = suite.MID(r.Take(32))
	b.Group = suite.GroupID(r.U16())
	q := int(r.U8())
	if q < 1 || q > MaxQuestions {
		return nil, fmt.Errorf("parsing ballot: %d questions", q)
	}
	r.Take(32) // the nonce is only ever hashed
	b.Questions = make([]Question, q)
	for i := range b.Questions {
		if err := b.Questions[i].parse(r); err != nil {
			return nil, fmt.Errorf("parsing question %d: %w", i, err)
		}
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("parsing ballot: %w", err)
	}
	return b, nil
}

func (q *Question) parse(r *suite.Reader) error {
	k := int(r.U8())
	if k < MinOptions || k > MaxOptions {
		return fmt.Errorf("%d options", k)
	}
	if r.Rest() < questionSize(k)-1 {
		return suite.ErrTruncated
	}
	p := &q.Proof
	p.A, p.B = make([]*group.Element, k), make([]*group.Element, k)
	p.C, p.S = make([]*group.Scalar, k), make([]*group.Scalar, k)
	q.commitments = make([][]byte, 0, 2*k)
	d := decoder{r: r}
	q.Ciphertext.R, _ = d.element()
	q.Ciphertext.C, _ = d.element()
	for m := range k {
		for _, e := range []**group.Element{&p.A[m], &p.B[m]} {
			var raw []byte
			*e, raw = d.element()
			q.commitments = append(q.commitments, raw)
		}
	}
	for _, list := range [][]*group.Scalar{p.C, p.S} {
		for m := range list {
			list[m] = d.scalar()
		}
	}
	return d.err
}

// A decoder reads points and scalars and keeps the first error.
type decoder struct {
	r   *suite.Reader
	err error
}

func (d *decoder) element() (e *group.Element, raw []byte) {
	raw = d.r.Take(group.Size)
	if d.err == nil {
		e, d.err = group.DecodeElement(raw)
	}
	return e, raw
}

func (d *decoder) scalar() (s *group.Scalar) {
	raw := d.r.Take(group.Size)
	if d.err == nil {
		s, d.err = group.DecodeScalar(raw)
	}
	return s
}

// Bytes returns the body.
func (b *Ballot) Bytes() []byte { return append([]byte(nil), b.body...) }

// ID returns the hash of the body, the only key of a ballot's uniqueness.
func (b *Ballot) ID() suite.BallotID { return ID(b.body) }

// ID returns the id of a ballot by its bytes, valid or not.
func ID(body []byte) suite.BallotID { return suite.BallotID(suite.H("ballot-id", body)) }

// Ciphertexts returns the ciphertexts, one for each question.
func (b *Ballot) Ciphertexts() []elgamal.Ciphertext {
	out := make([]elgamal.Ciphertext, len(b.Questions))
	for i := range b.Questions {
		out[i] = b.Questions[i].Ciphertext
	}
	return out
}
