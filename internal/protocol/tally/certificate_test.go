package tally

import (
	"bytes"
	"crypto/sha256"
	"math"
	"reflect"
	"strings"
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
	// 11 issued and 2 accepted, 11 cast; and one undecided. Three more no
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
	for _, tt := range []struct {
		name, words string
		change      func(*Final)
	}{
		{"another election", "another election or", func(f *Final) { f.Close.MID[0] ^= 1 }},
		{"another close root", "another close", func(f *Final) { f.Close.Root[0] ^= 1 }},
		{"another close size", "another close", func(f *Final) { f.Close.Size++ }},
		{"no result", "reading result", func(f *Final) { f.Result = nil }},
		{"a group less", "manifest's groups", func(f *Final) { f.Groups = f.Groups[1:] }},
		{"groups swapped", "manifest's groups", func(f *Final) { f.Groups[0], f.Groups[1] = f.Groups[1], f.Groups[0] }},
		{"another roll", "manifest's groups", func(f *Final) { f.Groups[0].RollSize++; f.Groups[0].Entitled++ }},
		{"one more entitled", "the entitled", func(f *Final) { f.Groups[0].Entitled++ }},
		{"one more added", "the entitled", func(f *Final) { f.Groups[0].Added++ }},
		{"one less struck", "the entitled", func(f *Final) { f.Groups[1].Struck-- }},
		{"one less accepted off the roll", "the entitled", func(f *Final) { f.Groups[2].AcceptedOff-- }},
		{"more struck than there were", "the entitled", func(f *Final) { f.Groups[3].Struck, f.Groups[3].Entitled = 5, math.MaxUint64 }},
		{"none left, and none said", "the entitled", func(f *Final) { f.Groups[3].Struck, f.Groups[3].Entitled = 5, 0 }},
		{"more accepted off the roll than accepted", "envelopes", func(f *Final) { f.Groups[2].AcceptedOff++; f.Groups[2].Entitled++ }},
		{"more undecided off the roll than undecided", "envelopes", func(f *Final) { f.Groups[3].UndecidedOff = 2 }},
		{"an envelope more", "envelopes", func(f *Final) { f.Groups[0].Deposited++ }},
		{"more entitled than the result says", "result's counts", func(f *Final) { f.Groups[0].Added++; f.Groups[0].Entitled++ }},
		{"a ballot less in a group", "result's counts", func(f *Final) { f.Groups[0].Cast-- }},
		{"more cast than issued", "more ballots than", func(f *Final) { f.Groups[0].Issued -= 3 }},
		{"a unit less", "leaves out", func(f *Final) {
			f.Result = bytes.Replace(f.Result, []byte(`"groups":[1,2,7,9],"entitled":23`), []byte(`"groups":[1,2,7],"entitled":19`), 1)
		}},
		{"a group of nobody", "result's groups", func(f *Final) {
			f.Result = bytes.Replace(f.Result, []byte(`"groups":[1,2,7,9]`), []byte(`"groups":[1,2,7,8]`), 1)
		}},
	} {
		f := w.final(result)
		tt.change(f)
		if _, err := f.Certificate(0, 0); err == nil || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

// TestCertificateStrangers: an envelope of somebody off the roll would raise
// the number entitled, and can be material where one of a member is not.
func TestCertificateStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// 6 yes of 23 entitled are exactly enough.
	w.m.Rule.Numerator, w.m.Rule.Strict = 0, false
	w.m.Rule.SupportNumerator, w.m.Rule.SupportDenominator = 6, 23
	f := w.final(w.assemble(t, w.shares(t, 1, 2)))
	for _, off := range []uint64{0, 1} {
		f.Groups[3].UndecidedOff = off
		c, err := f.Certificate(0, 1_900_000_000)
		if err != nil {
			t.Fatal(err)
		}
		if c.Material != (off == 1) {
			t.Errorf("%d undecided off the roll: material is %v", off, c.Material)
		}
		if _, err := f.Verify(encode(t, c)); err != nil {
			t.Error(err)
		}
	}
}

// TestCertificateKeys pins the order of the counts of a group.
func TestCertificateKeys(t *testing.T) {
	t.Parallel()
	c := &Certificate{Groups: []GroupCounts{{
		ID: 1, RollSize: 2, Added: 3, Struck: 4, Entitled: 5, Issued: 6, Cast: 7,
		Deposited: 8, Accepted: 9, AcceptedOff: 10, Rejected: 11, Undecided: 12, UndecidedOff: 13,
	}}}
	want := `"groups":[{"id":1,"roll_size":2,"added":3,"struck":4,"entitled":5,"issued":6,"cast":7,` +
		`"deposited":8,"accepted":9,"accepted_off":10,"rejected":11,"undecided":12,"undecided_off":13}],"not_cast":`
	if b := encode(t, c); !bytes.Contains(b, []byte(want)) {
		t.Errorf("got %s", b)
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

// TestSum leaves out no count.
func TestSum(t *testing.T) {
	t.Parallel()
	g := GroupCounts{ID: 7}
	v := reflect.ValueOf(&g).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Uint64 {
			f.SetUint(uint64(1) << i)
		}
	}
	all := Sum([]GroupCounts{g, g})
	for i, got := 0, reflect.ValueOf(all); i < v.NumField(); i++ {
		if f := v.Field(i); f.Kind() == reflect.Uint64 && got.Field(i).Uint() != 2*f.Uint() {
			t.Errorf("%s: got %d, want %d", v.Type().Field(i).Name, got.Field(i).Uint(), 2*f.Uint())
		}
	}
	if all.ID != 0 {
		t.Errorf("a sum of groups is called group %d", all.ID)
	}
}
