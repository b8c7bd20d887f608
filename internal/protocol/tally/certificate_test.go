package tally

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

func TestCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	result := w.assemble(t, w.shares(t, 1, 2))
	f := w.final(result)
	c, err := f.Certificate(0, 1_900_000_000)
	if err != nil {
		t.Fatal(err)
	}
	// 12 issued and 1 accepted, 11 cast; and one undecided. Three more no
	// against six yes and three no leave no majority.
	if c.NotCast != 2 || !c.Material || c.Result != sha256.Sum256(result) {
		t.Errorf("got %+v", c)
	}
	b := encode(t, c)
	if _, err := f.Verify(b); err != nil {
		t.Fatal(err)
	}
	for at := range b {
		bad := bytes.Clone(b)
		bad[at] ^= 1
		if got, err := f.Verify(bad); err == nil && got.Disputed == c.Disputed && got.CertifiedAt == c.CertifiedAt {
			t.Errorf("accepted with byte %d changed", at)
		}
	}
	f.Groups[3].Undecided, f.Groups[3].Rejected = 0, 1
	if c, err := f.Certificate(0, 0); err != nil || c.Material {
		t.Errorf("two open ballots: got %+v, %v", c, err)
	}
	if c, err := f.Certificate(1, 0); err != nil || !c.Material {
		t.Errorf("two open ballots and a dispute: got %+v, %v", c, err)
	}
}

func TestCertificateRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	result := w.assemble(t, w.shares(t, 1, 2))
	tests := []struct {
		name   string
		change func(*Final)
	}{
		{"another election", func(f *Final) { f.Close.MID[0] ^= 1 }},
		{"another close root", func(f *Final) { f.Close.Root[0] ^= 1 }},
		{"another close size", func(f *Final) { f.Close.Size++ }},
		{"no result", func(f *Final) { f.Result = nil }},
		{"a group less", func(f *Final) { f.Groups = f.Groups[1:] }},
		{"groups swapped", func(f *Final) { f.Groups[0], f.Groups[1] = f.Groups[1], f.Groups[0] }},
		{"entitled", func(f *Final) { f.Groups[0].Entitled++ }},
		{"a ballot less in a group", func(f *Final) { f.Groups[0].Cast-- }},
		{"more cast than issued", func(f *Final) { f.Groups[0].Issued -= 3 }},
		{"a unit less", func(f *Final) {
			f.Result = bytes.Replace(f.Result, []byte(`"groups":[1,2,7,9],"entitled":23`), []byte(`"groups":[1,2,7],"entitled":19`), 1)
		}},
		{"a group of nobody", func(f *Final) {
			f.Result = bytes.Replace(f.Result, []byte(`"groups":[1,2,7,9]`), []byte(`"groups":[1,2,7,8]`), 1)
		}},
	}
	for _, tt := range tests {
		f := w.final(result)
		tt.change(f)
		if _, err := f.Certificate(0, 0); err == nil {
			t.Errorf("%s: certified", tt.name)
		}
	}
}

func TestCertification(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mid, certificate := w.o.Close.MID, []byte("{}\n")
	sign := func(members ...int) []byte {
		var list []election.MemberSignature
		for _, i := range members {
			list = append(list, election.MemberSignature{Member: uint8(i), Signature: SignCertificate(w.keys[i], mid, certificate)})
		}
		b, err := election.EncodeSignatures(list)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	c := &w.m.Committee
	for _, members := range [][]int{{0, 1}, {1, 2}, {0, 1, 2}} {
		if err := VerifyCertification(c, mid, certificate, sign(members...)); err != nil {
			t.Errorf("members %v: %v", members, err)
		}
	}
	if VerifyCertification(c, mid, certificate, sign(1)) == nil {
		t.Error("one member certified")
	}
	if VerifyCertification(c, suite.MID{9}, certificate, sign(0, 1)) == nil {
		t.Error("certified another election")
	}
	if VerifyCertification(c, mid, []byte("{ }\n"), sign(0, 1)) == nil {
		t.Error("certified another certificate")
	}
	c.Members[0].Keys = c.Members[2].Keys
	if VerifyCertification(c, mid, certificate, sign(0, 1)) == nil {
		t.Error("a replaced key certified")
	}
}

func FuzzParseCertificate(f *testing.F) {
	w := newWorld(f)
	c, err := w.final(w.assemble(f, w.shares(f, 1, 2))).Certificate(0, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encode(f, c))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCertificate(b); err == nil && !bytes.Equal(encode(t, c), b) {
			t.Errorf("%q is written in another way", b)
		}
	})
}
