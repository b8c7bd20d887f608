package ballot

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha512"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/proof"
	"strikevote/internal/protocol/suite"
)

// ErrAgain is returned by [Seal] when S gives a value that must not be
// published. The caller takes another S; the probability is about 2^-250.
var ErrAgain = errors.New("this secret cannot be used")

// ErrMismatch is returned by [Open] when no choices seal to the body: S, E or
// the ballot is another one, or the device that sealed it did not do as it said.
var ErrMismatch = errors.New("no choice seals to this ballot")

// A Sealed ballot is not cast yet. It redacts itself as a [Secret] does.
type Sealed struct {
	Body []byte
	ID   suite.BallotID

	keys keys
}

// OKM derives n bytes from S, E and the choices under a label of SPEC.md
// section 6; package credential blinds with it.
func (s *Sealed) OKM(label string, n int) []byte { return s.keys.okm(label, n) }

// Seal makes the ballot that follows from a secret, the text that the voter
// typed (often empty) and the choices. The error is [ErrAgain], or says what of
// the arguments is not allowed without repeating it.
func Seal(c *Context, s Secret, typed string, ch Choices) (*Sealed, error) {
	if err := checkArguments(c, typed, ch); err != nil {
		return nil, fmt.Errorf("sealing ballot: %w", err)
	}
	k := extract(c, s, typed, ch)
	body, err := sealWith(c, k, ch)
	if err != nil {
		return nil, fmt.Errorf("sealing ballot: %w", err)
	}
	return &Sealed{Body: body, ID: ID(body), keys: k}, nil
}

func checkArguments(c *Context, typed string, ch Choices) error {
	if err := c.check(); err != nil {
		return err
	}
	if len(typed) > MaxTyped || !utf8.ValidString(typed) {
		return errors.New("the typed text is too long or not UTF-8")
	}
	if len(ch) != len(c.Options) {
		return errors.New("not one choice for each question")
	}
	for i, j := range ch {
		if int(j) >= c.Options[i] {
			return errors.New("a choice that is not an option of its question")
		}
	}
	return nil
}

// Keys derive everything random in a ballot.
type keys struct {
	prk []byte
}

func extract(c *Context, s Secret, typed string, ch Choices) keys {
	// The choices are in the salt: the same S with another choice must not
	// repeat any randomness, for two ciphertexts of one r show their difference.
	salt := suite.Frame(c.MID[:], suite.U16(uint16(c.Group)), ch, []byte(typed))
	prk, err := hkdf.Extract(sha512.New, s[:], salt)
	if err != nil {
		panic("ballot: extracting: " + err.Error())
	}
	return keys{prk: prk}
}

func (k keys) okm(label string, n int) []byte {
	out, err := hkdf.Expand(sha512.New, k.prk, suite.Prefix+label, n)
	if err != nil {
		panic("ballot: more bytes than HKDF gives")
	}
	return out
}

func (k keys) nonce() []byte { return k.okm("nonce", 32) }

// scalar derives a scalar under a label with its indexes, as in "c/0/2".
func (k keys) scalar(label string, indexes ...int) *group.Scalar {
	for _, i := range indexes {
		label += "/" + strconv.Itoa(i)
	}
	return group.ScalarFromWide([64]byte(k.okm(label, 64)))
}

// proofNonce derives w and all c and s of a question. SPEC.md derives none for
// the true option; these are never used, and deriving them keeps the time the
// same for every choice.
func (k keys) proofNonce(question, options int) proof.Nonce {
	n := proof.Nonce{W: k.scalar("w", question)}
	for m := range options {
		n.C = append(n.C, k.scalar("c", question, m))
		n.S = append(n.S, k.scalar("s", question, m))
	}
	return n
}

// sealWith computes a body from derived keys.
func sealWith(c *Context, k keys, ch Choices) ([]byte, error) {
	h := header{mid: c.MID, group: c.Group, nonce: k.nonce(), key: c.Key.Bytes()}
	questions := make([]draft, len(ch))
	for i := range questions {
		d := &questions[i]
		if err := d.encrypt(c.Key, k.scalar("r", i), int(ch[i])); err != nil {
			return nil, err
		}
		h.add(c.Options[i], d.encR, d.encC)
	}
	head := h.hash()
	body := make([]byte, 0, BodySize(c.Options))
	body = append(body, Version)
	body = append(body, c.MID[:]...)
	body = append(body, suite.U16(uint16(c.Group))...)
	body = append(body, uint8(len(ch)))
	body = append(body, h.nonce...)
	for i := range questions {
		d := &questions[i]
		if err := d.prove(c.Key, head, i, int(ch[i]), k.proofNonce(i, c.Options[i])); err != nil {
			return nil, err
		}
		body = d.append(body)
	}
	return body, nil
}

// A draft is a question while it is being sealed.
type draft struct {
	r           *group.Scalar
	ciphertext  elgamal.Ciphertext
	encR, encC  []byte
	commitments [][]byte
	proof       *proof.OneOf
}

func (d *draft) encrypt(key *group.Element, r *group.Scalar, choice int) error {
	d.r = r
	d.ciphertext = elgamal.Encrypt(key, r, choice)
	d.encR, d.encC = d.ciphertext.R.Bytes(), d.ciphertext.C.Bytes()
	if r.IsZero() || d.ciphertext.R.IsIdentity() || d.ciphertext.C.IsIdentity() {
		return ErrAgain
	}
	return nil
}

func (d *draft) prove(key *group.Element, head [64]byte, question, choice int, n proof.Nonce) error {
	if n.W.IsZero() {
		return ErrAgain
	}
	var err error
	st := proof.Statement{Key: key, Ciphertext: d.ciphertext}
	d.proof, err = proof.Prove(st, d.r, choice, n, func(commitments [][]byte) *group.Scalar {
		d.commitments = commitments
		return challenge(head, question, commitments)
	})
	if errors.Is(err, proof.ErrDegenerate) {
		return ErrAgain
	}
	return err
}

func (d *draft) append(body []byte) []byte {
	body = append(body, uint8(len(d.proof.C)))
	body = append(append(body, d.encR...), d.encC...)
	for _, e := range d.commitments {
		body = append(body, e...)
	}
	for _, list := range [][]*group.Scalar{d.proof.C, d.proof.S} {
		for _, s := range list {
			body = append(body, s.Bytes()...)
		}
	}
	return body
}

// Open tests the device that sealed a body: it returns the choices that S and E
// seal to exactly these bytes. The error is [ErrMismatch] if there are none.
// The S is known to whoever tests, so the ballot must not be cast afterwards.
func Open(c *Context, s Secret, typed string, body []byte) (Choices, error) {
	ch := make(Choices, len(c.Options))
	if err := checkArguments(c, typed, ch); err != nil {
		return nil, fmt.Errorf("opening ballot: %w", err)
	}
	if len(body) != BodySize(c.Options) {
		return nil, fmt.Errorf("opening ballot: %w", ErrMismatch)
	}
	nonce := body[headSize-32 : headSize]
	for {
		// The nonce depends on the choices and is cheap: at most 4^8 of them.
		// Only all bytes decide, though: the device may lie in any of them.
		k := extract(c, s, typed, ch)
		if bytes.Equal(k.nonce(), nonce) {
			again, err := sealWith(c, k, ch)
			if err == nil && bytes.Equal(again, body) {
				return ch, nil
			}
			return nil, fmt.Errorf("opening ballot: %w", ErrMismatch)
		}
		if !next(ch, c.Options) {
			return nil, fmt.Errorf("opening ballot: %w", ErrMismatch)
		}
	}
}

// next counts through all choices and returns false after the last.
func next(ch Choices, options []int) bool {
	for i := range ch {
		if ch[i]++; int(ch[i]) < options[i] {
			return true
		}
		ch[i] = 0
	}
	return false
}
