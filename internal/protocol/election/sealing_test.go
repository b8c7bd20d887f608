package election_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

func TestSealing(t *testing.T) {
	t.Parallel()
	m, k := electiontest.Manifest(t, func(p *electiontest.Plan) { p.Members = 4 })
	_, mid := electiontest.Encode(t, m)
	all := k.Sign(4, election.SealMessage(mid))
	if !bytes.Equal(election.SignSeal(k.Committee[1], mid), all[1].Signature) {
		t.Error("SignSeal signs something else")
	}
	change := func(f func(list []election.MemberSignature)) []election.MemberSignature {
		list := slices.Clone(all)
		f(list)
		return list
	}
	for _, tt := range []struct {
		name string
		list []election.MemberSignature
		want error // nil: accepted; errAny: refused
	}{
		{"all", all, nil},
		{"quorum", all[:2], nil},
		{"other members", all[2:], nil},
		{"one", all[:1], election.ErrQuorum},
		{"none", []election.MemberSignature{}, errAny},
		{"descending", []election.MemberSignature{all[1], all[0]}, errAny},
		{"one twice", []election.MemberSignature{all[0], all[0]}, errAny},
		{"by another's hand", change(func(l []election.MemberSignature) { l[1].Signature = l[0].Signature }), election.ErrSignature},
		{"one too many, wrong", change(func(l []election.MemberSignature) { l[3].Signature = make(suite.Bytes, 64) }), election.ErrSignature},
		{"empty signature", change(func(l []election.MemberSignature) { l[3].Signature = suite.Bytes{} }), election.ErrSignature},
		{"long signature", change(func(l []election.MemberSignature) { l[3].Signature = append(bytes.Clone(l[3].Signature), 0) }), election.ErrSignature},
		{"no such member", change(func(l []election.MemberSignature) { l[3].Member = 4 }), errAny},
		{"no such key", change(func(l []election.MemberSignature) { l[3].Key = 1 }), errAny},
		{"over another election", k.Sign(2, election.SealMessage(suite.MID{})), election.ErrSignature},
		{"over something else", k.Sign(2, suite.Message("certificate", mid[:])), election.ErrSignature},
	} {
		b, err := election.EncodeSignatures(tt.list)
		if err == nil {
			err = m.VerifySealing(mid, b)
		}
		if (err == nil) != (tt.want == nil) || tt.want != nil && tt.want != errAny && !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		// What the file refuses, the committee refuses too.
		if err := m.Committee.Verify(election.SealMessage(mid), tt.list); (err == nil) != (tt.want == nil) {
			t.Errorf("%s: Verify: got %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := election.EncodeSignatures(make([]election.MemberSignature, 16)); err == nil {
		t.Error("16 signatures were written")
	}
}

var errAny = errors.New("any error")

func TestSealingEveryByte(t *testing.T) {
	t.Parallel()
	m, k := electiontest.Manifest(t)
	_, mid := electiontest.Encode(t, m)
	good := electiontest.Sealing(t, m, k, mid)
	for i := range good {
		for _, bit := range []byte{1, 0x20} {
			bad := bytes.Clone(good)
			bad[i] ^= bit
			if m.VerifySealing(mid, bad) == nil {
				t.Fatalf("byte %d changed by %#x, and it still verifies", i, bit)
			}
		}
	}
	for i := range good {
		if m.VerifySealing(mid, good[:i]) == nil {
			t.Fatalf("cut to %d bytes, and it still verifies", i)
		}
	}
}

func FuzzParseSignatures(f *testing.F) {
	m, k := electiontest.Manifest(f)
	f.Add(electiontest.Sealing(f, m, k, suite.MID{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := election.ParseSignatures(b)
		if err != nil {
			return
		}
		if again, err := election.EncodeSignatures(s.Signatures); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q does not come back: %v", b, err)
		}
	})
}

// withPasskey makes member 0 sign with a passkey.
func withPasskey(t testing.TB) (*election.Manifest, electiontest.Keys, *electiontest.Passkey) {
	t.Helper()
	p := electiontest.NewPasskey(t, "union.example")
	m, k := electiontest.Manifest(t)
	m.Committee.RPID = "union.example"
	m.Committee.Members[0].Keys[0] = p.Key(t)
	return m, k, p
}

func TestPasskeySealing(t *testing.T) {
	t.Parallel()
	m, k, p := withPasskey(t)
	_, mid := electiontest.Encode(t, m)
	list := k.Sign(2, election.SealMessage(mid))
	list[0].Signature = p.Sign(t, election.SealMessage(mid))
	b, err := election.EncodeSignatures(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.VerifySealing(mid, b); err != nil {
		t.Error(err)
	}
	m.Committee.RPID = ""
	if err := m.Validate(); err == nil {
		t.Error("a passkey without a relying party was accepted")
	}
	if err := m.VerifySealing(mid, b); err == nil {
		t.Error("a signature for no relying party was accepted")
	}
}
