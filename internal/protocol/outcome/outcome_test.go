package outcome_test

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
)

var update = flag.Bool("update", false, "write testdata anew; say why in the commit message")

func rule(t testing.TB, name string) election.Rule {
	t.Helper()
	r, err := election.Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                    string
		rule                    string
		entitled, cast, yes, no uint64
		want                    string // of "aqsA": approved, quorum, support, authorized
	}{
		{"tie", "simple", 100, 10, 5, 5, "qs"},
		{"one more", "simple", 100, 11, 6, 5, "aqsA"},
		{"neutral does not weigh", "simple", 100, 90, 6, 5, "aqsA"},
		{"nobody", "simple", 100, 0, 0, 0, "qs"},
		{"neutral alone", "simple", 100, 9, 0, 0, "qs"},
		{"one yes", "simple", 100, 1, 1, 0, "aqsA"},
		{"exactly two thirds", "two-thirds", 100, 9, 6, 3, "aqsA"},
		{"below two thirds", "two-thirds", 100, 10, 6, 4, "qs"},
		{"exactly three fifths", "three-fifths", 100, 10, 6, 4, "aqsA"},
		{"below three fifths", "three-fifths", 1e6, 99999, 59999, 40000, "qs"},
		{"australia", "australia", 100, 50, 26, 24, "aqsA"},
		{"australia, 49 of 100 voted", "australia", 100, 49, 49, 0, "as"},
		{"australia, neutral weighs", "australia", 100, 50, 25, 20, "qs"},
		{"australia, odd roll", "australia", 101, 50, 50, 0, "as"},
		{"uk", "uk", 100, 50, 20, 19, "aqsA"},
		{"uk, 49 of 100 voted", "uk", 100, 49, 49, 0, "as"},
		{"uk-important", "uk-important", 100, 50, 40, 10, "aqsA"},
		{"uk-important, 39 of 100", "uk-important", 100, 50, 39, 11, "aq"},
		{"huge", "simple", math.MaxUint64, math.MaxUint64, 1<<63 + 1, 1<<63 - 2, "aqsA"},
		{"huge tie", "simple", math.MaxUint64, math.MaxUint64, 1<<63 - 1, 1<<63 - 1, "qs"},
		{"beyond 64 bits", "two-thirds", math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64, "qs"},
		{"huge quorum missed by one", "uk", math.MaxUint64, 1<<63 - 1, 1<<63 - 1, 0, "as"},
		{"huge quorum met", "uk", math.MaxUint64, 1 << 63, 1 << 63, 0, "aqsA"},
	} {
		u := outcome.Unit{Entitled: tt.entitled, Cast: tt.cast, Yes: tt.yes, No: tt.no}
		if got := letters(outcome.Judge(rule(t, tt.rule), u)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func letters(j outcome.Judgement) string {
	s := ""
	for _, one := range []struct {
		is     bool
		letter string
	}{{j.Approved, "a"}, {j.Quorum, "q"}, {j.Support, "s"}, {j.Authorized, "A"}} {
		if one.is {
			s += one.letter
		}
	}
	return s
}

// TestBases shows what each basis is a fraction of, strictly or not.
func TestBases(t *testing.T) {
	t.Parallel()
	u := outcome.Unit{Entitled: 20, Cast: 12, Yes: 6, No: 4}
	for _, tt := range []struct {
		basis                  string
		numerator, denominator uint32
		approved, strictly     bool
	}{
		{"decided", 6, 10, true, false},
		{"decided", 599, 1000, true, true},
		{"decided", 601, 1000, false, false},
		{"cast", 1, 2, true, false},
		{"cast", 499, 1000, true, true},
		{"cast", 501, 1000, false, false},
		{"entitled", 3, 10, true, false},
		{"entitled", 299, 1000, true, true},
		{"entitled", 301, 1000, false, false},
		{"decided", 0, 1, true, true},
		{"decided", 1, 1, false, false},
	} {
		r := rule(t, "simple")
		r.Basis, r.Numerator, r.Denominator = tt.basis, tt.numerator, tt.denominator
		for _, r.Strict = range []bool{false, true} {
			want := tt.approved
			if r.Strict {
				want = tt.strictly
			}
			if got := outcome.Judge(r, u).Approved; got != want {
				t.Errorf("%v: got %v", r, got)
			}
		}
		r.Strict = false
		if outcome.Judge(r, outcome.Unit{Entitled: 20, Cast: 5, No: 2}).Approved {
			t.Errorf("%v: approved without a yes", r)
		}
	}
}

func TestVotes(t *testing.T) {
	t.Parallel()
	q := election.Question{Options: []election.Option{{Role: "yes"}, {Role: "no"}, {Role: "neutral"}, {Role: "yes"}}}
	if yes, no := outcome.Votes(q, []uint64{1, 2, 4, 8}); yes != 9 || no != 2 {
		t.Errorf("got %d, %d", yes, no)
	}
}

func names(g suite.GroupID) string { return string(rune('A' + g - 1)) }

func judged(authorized bool, groups ...suite.GroupID) outcome.Judged {
	return outcome.Judged{Unit: outcome.Unit{Groups: groups}, Judgement: outcome.Judgement{Authorized: authorized}}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	type list []outcome.Judged
	for _, tt := range []struct {
		in   list
		want string
	}{
		{list{}, outcome.None},
		{list{judged(true, 1, 2)}, outcome.All},
		{list{judged(false, 1)}, outcome.None},
		{list{judged(true, 1), judged(true, 2)}, outcome.All},
		{list{judged(false, 1), judged(false, 2)}, outcome.None},
		{list{judged(true, 1), judged(true, 2), judged(false, 3)}, "A and B authorize the leadership to call a strike, C does not."},
		{list{judged(false, 1), judged(true, 2)}, "B authorizes the leadership to call a strike, A does not."},
		{list{judged(false, 3), judged(false, 1), judged(true, 2)}, "B authorizes the leadership to call a strike, A and C do not."},
		{list{judged(true, 4, 1), judged(false, 2), judged(true, 3)}, "A, C and D authorize the leadership to call a strike, B does not."},
		{list{judged(true, 5), judged(false, 2, 1), judged(false, 3)}, "E authorizes the leadership to call a strike, A, B and C do not."},
	} {
		if got := outcome.Sentence(names, tt.in); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		if s := outcome.Sentence(names, tt.in); strings.Contains(s, "strike") && !strings.Contains(s, "leadership to call a strike") {
			t.Errorf("%q says that there is a strike", s)
		}
	}
}

// TestSentenceKeeps checks that the units are not put in another order.
func TestSentenceKeeps(t *testing.T) {
	t.Parallel()
	units := []outcome.Judged{judged(true, 4, 1), judged(false, 3, 2)}
	outcome.Sentence(names, units)
	if units[0].Groups[0] != 4 || units[1].Groups[0] != 3 {
		t.Error("the argument was changed")
	}
}

type vector struct {
	Rule      election.Rule     `json:"rule"`
	Entitled  uint64            `json:"entitled"`
	Cast      uint64            `json:"cast"`
	Yes       uint64            `json:"yes"`
	No        uint64            `json:"no"`
	Judgement outcome.Judgement `json:"judgement"`
	Add       uint64            `json:"add"`
	Remove    uint64            `json:"remove"`
	Strangers uint64            `json:"strangers"`
	Material  bool              `json:"material"`
}

func vectors(t testing.TB) []vector {
	var all []vector
	for _, r := range rules(t) {
		for _, n := range [][7]uint64{
			{100, 60, 30, 30, 0, 0, 0}, {100, 60, 31, 29, 1, 0, 0}, {100, 60, 31, 29, 2, 0, 0}, {100, 60, 40, 20, 0, 5, 0},
			{100, 49, 49, 0, 1, 0, 0}, {100, 50, 50, 0, 0, 1, 0}, {100, 60, 41, 10, 3, 1, 0}, {100, 60, 36, 24, 1, 1, 0},
			{22000, 15000, 10000, 5000, 0, 1, 0}, {22000, 15000, 10000, 5000, 0, 0, 0}, {22000, 10999, 10998, 1, 1, 0, 0}, {30, 0, 0, 0, 30, 0, 0},
			// With strangers, next to the same without them.
			{100, 49, 49, 0, 1, 0, 1}, {100, 49, 49, 0, 2, 0, 1}, {100, 49, 49, 0, 2, 0, 2},
			{100, 60, 40, 5, 1, 0, 0}, {100, 60, 40, 5, 1, 0, 1}, {100, 60, 41, 5, 2, 0, 2}, {100, 60, 41, 5, 3, 0, 3},
			{100, 60, 39, 5, 1, 0, 0}, {100, 60, 39, 5, 1, 0, 1}, {100, 60, 39, 5, 2, 0, 1}, {100, 60, 39, 5, 2, 0, 2},
			{100, 51, 26, 25, 3, 2, 3}, {100, 60, 50, 10, 1, 0, 0}, {100, 60, 50, 10, 1, 0, 1}, {100, 60, 51, 9, 1, 1, 0}, {100, 60, 51, 9, 2, 0, 2},
		} {
			u := outcome.Unit{Entitled: n[0], Cast: n[1], Yes: n[2], No: n[3]}
			all = append(all, vector{r, n[0], n[1], n[2], n[3], outcome.Judge(r, u), n[4], n[5], n[6], outcome.Material(r, u, n[4], n[5], n[6])})
		}
	}
	return all
}

// rules returns every preset, and what no preset has: an approval out of the
// entitled, strict and not.
func rules(t testing.TB) []election.Rule {
	t.Helper()
	var all []election.Rule
	for _, name := range election.Presets() {
		all = append(all, rule(t, name))
	}
	for _, strict := range []bool{true, false} {
		r := rule(t, "simple")
		r.Basis, r.Strict = election.BasisEntitled, strict
		all = append(all, r)
	}
	return all
}

// TestVectors pins outcomes for other implementations. The file changes only if
// a rule does.
func TestVectors(t *testing.T) {
	t.Parallel()
	const file = "testdata/outcomes.json"
	if *update {
		all := vectors(t)
		b, err := json.MarshalIndent(all, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(b, &all); err != nil || len(all) == 0 {
		t.Fatalf("%d vectors: %v", len(all), err)
	}
	for _, v := range all {
		u := outcome.Unit{Entitled: v.Entitled, Cast: v.Cast, Yes: v.Yes, No: v.No}
		if got := outcome.Judge(v.Rule, u); got != v.Judgement {
			t.Errorf("%v: got %v", v, got)
		}
		if got := outcome.Material(v.Rule, u, v.Add, v.Remove, v.Strangers); got != v.Material || got != model(v.Rule, u, v.Add, v.Remove, v.Strangers) {
			t.Errorf("%v: Material is %v", v, got)
		}
	}
}
