package ballot_test

import (
	"bytes"
	"slices"
	"testing"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/group"
)

// reencode writes a ballot from its fields, through computations, so that no
// bytes kept at parsing are used.
func reencode(b *ballot.Ballot) []byte {
	fresh := func(e *group.Element) []byte { return e.Add(group.Identity()).Bytes() }
	out := append([]byte{ballot.Version}, b.MID[:]...)
	out = append(out, byte(b.Group>>8), byte(b.Group), byte(len(b.Questions)))
	out = append(out, b.Bytes()[36:68]...) // the nonce is no field
	for _, q := range b.Questions {
		out = append(out, byte(len(q.Proof.A)))
		out = append(out, fresh(q.Ciphertext.R)...)
		out = append(out, fresh(q.Ciphertext.C)...)
		for m := range q.Proof.A {
			out = append(out, fresh(q.Proof.A[m])...)
			out = append(out, fresh(q.Proof.B[m])...)
		}
		for _, s := range slices.Concat(q.Proof.C, q.Proof.S) {
			out = append(out, s.Bytes()...)
		}
	}
	return out
}

func FuzzParse(f *testing.F) {
	c, _ := newContext(3)
	f.Add(sealed(f, c, 1))
	other, _ := newContext(2, 4)
	f.Add(sealed(f, other, 1, 3))
	f.Add(sealed(f, c, 1)[:100])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := ballot.Parse(body)
		if err != nil {
			return
		}
		if !bytes.Equal(b.Bytes(), body) || !bytes.Equal(reencode(b), body) {
			t.Errorf("%x encodes as %x", body, reencode(b))
		}
		_ = judge(t, c, body) // must not panic, and alone and in a batch agree
	})
}

// FuzzParseCast splits at one place only.
func FuzzParseCast(f *testing.F) {
	c, _ := newContext(3)
	whole := append(sealed(f, c, 1), make([]byte, ballot.SignatureSize)...)
	f.Add(whole, 3, 0)
	f.Add(whole[:len(whole)-1], 3, 0)
	f.Add(append(bytes.Clone(whole), 0), 3, 0)
	f.Add([]byte{}, 2, 4)
	f.Fuzz(func(t *testing.T, b []byte, one, two int) {
		options := []int{2 + one&3%3}
		if two != 0 {
			options = append(options, 2+two&3%3)
		}
		body, sig, err := ballot.ParseCast(b, options)
		if err != nil {
			return
		}
		if len(body) != ballot.BodySize(options) || !bytes.Equal(slices.Concat(body, sig), b) {
			t.Errorf("%d bytes are split into %d and %d", len(b), len(body), len(sig))
		}
	})
}

// FuzzParseRecoveryCode reads what a person types, and what is read is written in one
// way.
func FuzzParseRecoveryCode(f *testing.F) {
	code := ballot.Secret{1, 2, 3}.RecoveryCode()
	f.Add(code)
	f.Add(" o" + code[1:] + "\n")
	f.Add(code[:len(code)-1])
	f.Add(code + code)
	f.Add("OOOO-IIII-LLLL-0000-1111-\u00d8")
	f.Fuzz(func(t *testing.T, typed string) {
		s, err := ballot.ParseRecoveryCode(typed)
		if err != nil {
			return
		}
		if again, err := ballot.ParseRecoveryCode(s.RecoveryCode()); err != nil || again != s {
			t.Errorf("%q is not read again: %v", typed, err)
		}
	})
}
