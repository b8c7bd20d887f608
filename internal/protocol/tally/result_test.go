package tally

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
)

func TestSums(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got, want := w.o.Sums.Cast(), (map[suite.GroupID]uint64{1: 5, 2: 2, 7: 4}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v ballots, want %v", got, want)
	}
	// Split between three and merged in another order it is the same.
	parts := []*Sums{new(Sums), new(Sums), new(Sums)}
	for i, body := range w.bodies {
		parts[i%3].Add(parsed(t, body))
	}
	merged := new(Sums)
	for _, p := range slices.Backward(parts) {
		merged.Merge(p)
	}
	merged.Merge(new(Sums))
	y := seeded("y")
	for _, set := range w.o.Sets() {
		for q, k := range w.m.Options() {
			sum := merged.Sum(set, q)
			if want := w.o.Sums.Sum(set, q); !sum.R.Equal(want.R) || !sum.C.Equal(want.C) {
				t.Errorf("set %d, question %d: merged sums differ", set.ID, q)
			}
			votes := make([]uint64, k)
			for _, g := range set.Groups {
				for _, ch := range choices[g] {
					votes[ch[q]]++
				}
			}
			if err := CheckVotes(sum.C.Sub(sum.R.Mul(y)), set.Count, votes); err != nil {
				t.Errorf("set %d, question %d: %v", set.ID, q, err)
			}
		}
	}
	if got := merged.Cast(); !reflect.DeepEqual(got, w.o.Sums.Cast()) {
		t.Errorf("merged: got %v ballots", got)
	}
	if none := merged.Sum(Set{Groups: []suite.GroupID{9}}, 0); !none.R.IsIdentity() || !none.C.IsIdentity() {
		t.Error("the sum of no ballots is not the identity")
	}
	if none := merged.Sum(Set{Groups: []suite.GroupID{1}}, 2); !none.R.IsIdentity() {
		t.Error("the sum of no question is not the identity")
	}
}

func TestResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.assemble(t, w.shares(t, 1, 2))
	want := []SetResult{
		{ID: 1, Groups: []suite.GroupID{1, 2}, Count: 7, Votes: [][]uint64{{5, 1, 1}, {3, 4}}},
		{ID: 7, Groups: []suite.GroupID{7}, Count: 4, Votes: [][]uint64{{1, 2, 1}, {3, 1}}},
	}
	r, err := ParseResult(first)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r.Sets, want) {
		t.Errorf("got %v, want %v", r.Sets, want)
	}
	wantUnits := []UnitResult{{
		Groups: []suite.GroupID{1, 2, 7, 9}, Entitled: 23, Cast: 11, Yes: 6, No: 3,
		Approved: true, Quorum: true, Support: true, Authorized: true,
	}}
	if !reflect.DeepEqual(r.Units, wantUnits) {
		t.Errorf("got %v, want %v", r.Units, wantUnits)
	}
	if r.Sentence != "The members authorize the leadership to call a strike." {
		t.Errorf("got %q", r.Sentence)
	}
	// Any two or more tellers give the same counts, whatever order they come in.
	for _, tellers := range [][]uint8{{2, 1}, {3, 4}, {4, 1, 3}, {1, 2, 3, 4}} {
		files := w.shares(t, tellers...)
		b := w.assemble(t, files)
		got, err := w.o.Verify(b, files, w.entitled)
		if err != nil {
			t.Fatalf("tellers %v: %v", tellers, err)
		}
		if !reflect.DeepEqual(got.Sets, want) || !slices.IsSorted(got.Tellers) || len(got.Tellers) != len(tellers) {
			t.Errorf("tellers %v: got %v", tellers, got)
		}
	}
}

func TestResultPerGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.m.Rule.PerGroup = true
	r, err := ParseResult(w.assemble(t, w.shares(t, 1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	want := []UnitResult{
		{Groups: []suite.GroupID{1, 2}, Entitled: 13, Cast: 7, Yes: 5, No: 1, Approved: true, Quorum: true, Support: true, Authorized: true},
		{Groups: []suite.GroupID{7}, Entitled: 6, Cast: 4, Yes: 1, No: 2, Quorum: true, Support: true},
		{Groups: []suite.GroupID{9}, Entitled: 4, Quorum: true, Support: true},
	}
	if !reflect.DeepEqual(r.Units, want) {
		t.Errorf("got %v, want %v", r.Units, want)
	}
	const sentence = "Depot and Office authorize the leadership to call a strike, Garage and Yard do not."
	if r.Sentence != sentence {
		t.Errorf("got %q, want %q", r.Sentence, sentence)
	}
}

// TestNobodyVoted has nothing to open, and still a result.
func TestNobodyVoted(t *testing.T) {
	t.Parallel()
	for _, perGroup := range []bool{false, true} {
		w := newWorld(t)
		w.m.Rule.PerGroup = perGroup
		w.o.Sums = new(Sums)
		files := w.shares(t, 1, 2)
		b := w.assemble(t, files)
		r, err := w.o.Verify(b, files, w.entitled)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Sets) != 0 || r.Sentence != "The members do not authorize the leadership to call a strike." {
			t.Errorf("got %s", b)
		}
	}
}

func TestSharesRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := func() *share.File { return w.shares(t, 1)[0] }
	tests := []struct {
		name   string
		change func(*share.File)
	}{
		{"another election", func(f *share.File) { f.MID[0] ^= 1 }},
		{"another close root", func(f *share.File) { f.CloseRoot[0] ^= 1 }},
		{"another close size", func(f *share.File) { f.CloseSize++ }},
		{"another teller", func(f *share.File) { f.Teller = 2 }},
		{"teller 0", func(f *share.File) { f.Teller = 0 }},
		{"no teller", func(f *share.File) { f.Teller = 5 }},
		{"one share less", func(f *share.File) { f.Shares = f.Shares[1:] }},
		{"one share twice", func(f *share.File) { f.Shares = append(f.Shares, f.Shares[3]) }},
		{"a group alone", func(f *share.File) { f.Shares[0].Set = 2 }},
		{"another question", func(f *share.File) { f.Shares[1].Question = 2 }},
		{"two shares swapped", func(f *share.File) { f.Shares[0].Share, f.Shares[1].Share = f.Shares[1].Share, f.Shares[0].Share }},
		{"another D", func(f *share.File) { f.Shares[3].D = f.Shares[3].D.Add(group.Generator()) }},
	}
	for _, tt := range tests {
		f := good()
		tt.change(f)
		if err := w.o.VerifyShares(f); err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
		if _, err := w.o.Assemble([]*share.File{f, w.shares(t, 3)[0]}, w.entitled, nil); err == nil {
			t.Errorf("%s: assembled", tt.name)
		}
	}
	if err := w.o.VerifyShares(good()); err != nil {
		t.Error(err)
	}
	if _, err := w.o.Shares(1, w.x[1]); err == nil {
		t.Error("a teller opened with another's share of the key")
	}
	if _, err := w.o.Shares(5, w.x[1]); err == nil {
		t.Error("a teller opened that does not exist")
	}
	if _, err := w.o.Assemble(w.shares(t, 1), w.entitled, nil); err == nil {
		t.Error("one teller of two opened the sums")
	}
	if _, err := w.o.Assemble(w.shares(t, 1, 1), w.entitled, nil); err == nil {
		t.Error("one teller twice opened the sums")
	}
	delete(w.entitled, 9)
	if _, err := w.o.Assemble(w.shares(t, 1, 2), w.entitled, nil); err == nil {
		t.Error("judged without the entitled of a group")
	}
	// Shares of these sums are none of the sums with one ballot more.
	f := good()
	w.o.Sums.Add(parsed(t, w.bodies[0]))
	if err := w.o.VerifyShares(f); err == nil {
		t.Error("shares of other sums were accepted")
	}
}

// TestResultChanged changes every byte of a result.
func TestResultChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	files := w.shares(t, 1, 2)
	result := w.assemble(t, files)
	if _, err := w.o.Verify(result, files, w.entitled); err != nil {
		t.Fatal(err)
	}
	for at := range result {
		bad := bytes.Clone(result)
		bad[at] ^= 1
		if _, err := ParseResult(bad); err != nil {
			continue // the rest is slow, and refuses it as well
		}
		if _, err := w.o.Verify(bad, files, w.entitled); err == nil {
			t.Errorf("accepted with byte %d changed", at)
		}
	}
	for name, r := range map[string][2]string{
		"votes moved":      {"[5,1,1]", "[4,2,1]"},
		"votes swapped":    {"[5,1,1]", "[1,5,1]"},
		"question missing": {",[3,4]", ""},
		"option missing":   {"[5,1,1]", "[6,1]"},
		"set missing":      {`,{"id":7,"groups":[7],"count":4,"votes":[[1,2,1],[3,1]]}`, ""},
		"group moved":      {`"groups":[1,2]`, `"groups":[1,9]`},
		"outcome":          {`"authorized":true`, `"authorized":false`},
		"sentence":         {"members authorize", "members do not authorize"},
		"tellers":          {`"tellers":[1,2]`, `"tellers":[1,3]`},
	} {
		bad := []byte(strings.Replace(string(result), r[0], r[1], 1))
		if bytes.Equal(bad, result) {
			t.Fatalf("%s: nothing was changed in %s", name, result)
		}
		if _, err := w.o.Verify(bad, files, w.entitled); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	w.entitled[9]++
	if _, err := w.o.Verify(result, files, w.entitled); err == nil {
		t.Error("accepted with another number of entitled")
	}
}

func TestResultRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	result := string(w.assemble(t, w.shares(t, 1, 2)))
	for name, r := range map[string][2]string{
		"tellers descending":  {"[1,2]", "[2,1]"},
		"no tellers":          {`"tellers":[1,2]`, `"tellers":[]`},
		"teller 0":            {`"tellers":[1,2]`, `"tellers":[0,2]`},
		"teller 33":           {`"tellers":[1,2]`, `"tellers":[1,33]`},
		"sets descending":     {`"id":1,`, `"id":8,`},
		"no ballots":          {`"count":7`, `"count":0`},
		"too many ballots":    {`"count":7`, `"count":1048576`},
		"no groups in a set":  {`"groups":[1,2],"count"`, `"groups":[],"count"`},
		"no groups in a unit": {`"groups":[1,2,7,9]`, `"groups":[]`},
		"negative":            {`"yes":6`, `"yes":-6`},
		"null":                {`"sets":[`, `"sets":null,"x":[`},
		"no sentence":         {`"The members authorize the leadership to call a strike."`, `""`},
		"space":               {`,"sets"`, `, "sets"`},
	} {
		bad := strings.Replace(result, r[0], r[1], 1)
		if bad == result {
			t.Fatalf("%s: nothing was changed in %s", name, result)
		}
		if _, err := ParseResult([]byte(bad)); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

func FuzzParseResult(f *testing.F) {
	w := newWorld(f)
	f.Add(w.assemble(f, w.shares(f, 1, 2)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseResult(b); err == nil && !bytes.Equal(encode(t, r), b) {
			t.Errorf("%q is written in another way", b)
		}
	})
}

func BenchmarkSumsAdd(b *testing.B) {
	w := newWorld(b)
	one := parsed(b, w.bodies[0])
	s := new(Sums)
	for b.Loop() {
		s.Add(one)
	}
}

func BenchmarkCombine(b *testing.B) {
	d := make(map[uint8]*group.Element)
	for i := range uint8(3) {
		d[i+1] = group.BaseMul(group.RandomScalar())
	}
	for b.Loop() {
		Combine(d, elgamal.Zero())
	}
}
