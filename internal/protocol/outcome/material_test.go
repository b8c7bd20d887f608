package outcome_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/outcome"
)

// model tries every choice of ballots added and removed, and every number of
// strangers there can be among those added.
func model(r election.Rule, u outcome.Unit, add, remove, strangers uint64) bool {
	now := authorized(r, u)
	for addYes := range add + 1 {
		for addNo := range add - addYes + 1 {
			for addOther := range add - addYes - addNo + 1 {
				added := addYes + addNo + addOther
				for s := range min(strangers, added) + 1 {
					if added-s > add-strangers {
						continue // so many more from people on the roll there are not
					}
					v := u
					v.Entitled += s
					v.Yes += addYes
					v.No += addNo
					v.Cast += added
					if turned(r, u, v, remove, now) {
						return true
					}
				}
			}
		}
	}
	return false
}

// turned takes every choice of ballots of u away from v.
func turned(r election.Rule, u, v outcome.Unit, remove uint64, now bool) bool {
	neither := u.Cast - u.Yes - u.No
	for yes := range min(remove, u.Yes) + 1 {
		for no := range min(remove-yes, u.No) + 1 {
			for other := range min(remove-yes-no, neither) + 1 {
				w := v
				w.Yes -= yes
				w.No -= no
				w.Cast -= yes + no + other
				if authorized(r, w) != now {
					return true
				}
			}
		}
	}
	return false
}

// authorized is the rule written down again, for numbers whose products fit.
func authorized(r election.Rule, u outcome.Unit) bool {
	base := map[string]uint64{"decided": u.Yes + u.No, "cast": u.Cast, "entitled": u.Entitled}[r.Basis]
	have, want := u.Yes*uint64(r.Denominator), base*uint64(r.Numerator)
	return base > 0 && u.Yes > 0 && (have > want || have == want && !r.Strict) &&
		u.Cast*uint64(r.QuorumDenominator) >= u.Entitled*uint64(r.QuorumNumerator) &&
		u.Yes*uint64(r.SupportDenominator) >= u.Entitled*uint64(r.SupportNumerator)
}

// TestMaterialSmall compares with the model on all small elections.
func TestMaterialSmall(t *testing.T) {
	t.Parallel()
	for _, r := range rules(t) {
		for n := range uint64(6 * 5 * 3 * 4 * 4 * 4 * 3) {
			draw := func(below uint64) uint64 {
				v := n % below
				n /= below
				return v
			}
			u := outcome.Unit{Yes: draw(6), No: draw(5)}
			u.Cast = u.Yes + u.No + draw(3)
			u.Entitled = u.Cast + draw(4)
			add, strangers, remove := draw(4), draw(4), draw(3)
			if strangers > add {
				continue
			}
			if got, want := outcome.Material(r, u, add, remove, strangers), model(r, u, add, remove, strangers); got != want {
				t.Fatalf("%+v, %+v, add %d, remove %d, strangers %d: got %v, want %v", r, u, add, remove, strangers, got, want)
			}
		}
	}
}

// TestMaterial compares with the model on random small elections.
func TestMaterial(t *testing.T) {
	t.Parallel()
	seen := make(map[[3]bool]int)
	presets := rules(t)
	check := func(t *rapid.T) {
		r := drawRule(t, presets)
		draw := func(name string, most uint64) uint64 { return rapid.Uint64Range(0, most).Draw(t, name) }
		u := outcome.Unit{Yes: draw("yes", 7), No: draw("no", 6)}
		u.Cast = u.Yes + u.No + draw("neither", 5)
		u.Entitled = u.Cast + draw("absent", 9)
		add, remove := draw("add", 4), draw("remove", 4)
		strangers := draw("strangers", add)
		want := model(r, u, add, remove, strangers)
		if got := outcome.Material(r, u, add, remove, strangers); got != want {
			t.Fatalf("%+v, %+v, add %d, remove %d, strangers %d: got %v, want %v", r, u, add, remove, strangers, got, want)
		}
		// Out of nobody entitled nothing is approved, so there a stranger helps.
		matters := u.Entitled > 0 && want != model(r, u, add, remove, 0)
		seen[[3]bool{outcome.Judge(r, u).Authorized, want, matters}]++
	}
	// How often chance draws the rare cases differs from run to run: it goes on until
	// there are enough, or it is plain that they do not come up.
	enough := func() bool {
		return seen[[3]bool{false, false, true}] >= 20 && seen[[3]bool{true, true, true}] >= 20
	}
	for round := 0; round < 100 || round < 1000 && !enough(); round++ {
		rapid.Check(t, check)
	}
	for _, now := range []bool{false, true} {
		for _, material := range []bool{false, true} {
			if n := seen[[3]bool{now, material, false}]; n < 100 {
				t.Errorf("authorized %v, material %v came up %d times only", now, material, n)
			}
		}
		// Strangers only ever make it easier to lose and harder to win.
		if n := seen[[3]bool{now, now, true}]; n < 20 {
			t.Errorf("authorized %v, and it hung on strangers, came up %d times only", now, n)
		}
		if n := seen[[3]bool{now, !now, true}]; n > 0 {
			t.Errorf("authorized %v, strangers made it the other way round %d times", now, n)
		}
	}
}

func drawRule(t *rapid.T, presets []election.Rule) election.Rule {
	if rapid.Bool().Draw(t, "preset") {
		return rapid.SampledFrom(presets).Draw(t, "rule")
	}
	fraction := func(name string) (uint32, uint32) {
		d := rapid.Uint32Range(1, 7).Draw(t, name+" denominator")
		return rapid.Uint32Range(0, d).Draw(t, name+" numerator"), d
	}
	r := election.Rule{Strict: rapid.Bool().Draw(t, "strict"), Merged: election.MergedTogether}
	r.Basis = rapid.SampledFrom([]string{"decided", "cast", "entitled"}).Draw(t, "basis")
	r.Numerator, r.Denominator = fraction("approval")
	r.QuorumNumerator, r.QuorumDenominator = fraction("quorum")
	r.SupportNumerator, r.SupportDenominator = fraction("support")
	if rapid.Bool().Draw(t, "approval only") {
		r.QuorumNumerator, r.SupportNumerator = 0, 0
	}
	return r
}

// TestMaterialStrangers shows what a stranger's ballot turns that another one
// does not, and the other way round, in large elections too.
func TestMaterialStrangers(t *testing.T) {
	t.Parallel()
	half := rule(t, "simple")
	half.Basis, half.Strict = election.BasisEntitled, false
	for _, tt := range []struct {
		name                   string
		rule                   election.Rule
		unit                   outcome.Unit
		add, remove, strangers uint64
		want                   bool
	}{
		{"support kept without", rule(t, "uk-important"), outcome.Unit{Entitled: 1e6, Cast: 6e5, Yes: 4e5, No: 1e5}, 1e3, 0, 0, false},
		{"support lost", rule(t, "uk-important"), outcome.Unit{Entitled: 1e6, Cast: 6e5, Yes: 4e5, No: 1e5}, 1e3, 0, 1, true},
		{"support kept by two", rule(t, "uk-important"), outcome.Unit{Entitled: 1e6, Cast: 6e5, Yes: 4e5 + 2, No: 1e5}, 5, 0, 5, false},
		{"support lost by two and one more", rule(t, "uk-important"), outcome.Unit{Entitled: 1e6, Cast: 6e5, Yes: 4e5 + 2, No: 1e5}, 6, 0, 6, true},
		{"basis entitled kept without", half, outcome.Unit{Entitled: 1e6, Cast: 6e5, Yes: 5e5, No: 1e5}, 4e5, 0, 0, false},
		{"basis entitled lost", half, outcome.Unit{Entitled: 1e6, Cast: 6e5, Yes: 5e5, No: 1e5}, 4e5, 0, 1, true},
		{"quorum met", rule(t, "uk"), outcome.Unit{Entitled: 1e6, Cast: 5e5 - 1, Yes: 5e5 - 1}, 1, 0, 0, true},
		{"quorum missed by a stranger", rule(t, "uk"), outcome.Unit{Entitled: 1e6, Cast: 5e5 - 1, Yes: 5e5 - 1}, 1, 0, 1, false},
		{"quorum met by two", rule(t, "uk"), outcome.Unit{Entitled: 1e6, Cast: 5e5 - 1, Yes: 5e5 - 1}, 2, 0, 2, true},
		{"quorum never lost by adding", rule(t, "uk"), outcome.Unit{Entitled: 1e6, Cast: 5e5, Yes: 5e5}, 4e5, 0, 4e5, false},
		{"no room for removing", rule(t, "uk"), outcome.Unit{Entitled: 1e6, Cast: 5e5, Yes: 25e4 - 1, No: 25e4 + 1}, 1, 1, 1, false},
		{"room for removing", rule(t, "uk"), outcome.Unit{Entitled: 1e6, Cast: 5e5, Yes: 25e4 - 1, No: 25e4 + 1}, 2, 1, 2, true},
		{"more strangers than ballots", rule(t, "uk"), outcome.Unit{Entitled: 1e6, Cast: 5e5 - 1, Yes: 5e5 - 1}, 2, 0, math.MaxUint64, true},
	} {
		if got := outcome.Material(tt.rule, tt.unit, tt.add, tt.remove, tt.strangers); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

// TestMaterialHuge: numbers near the end of 64 bits neither overflow nor panic.
func TestMaterialHuge(t *testing.T) {
	t.Parallel()
	const most = math.MaxUint64
	for _, r := range rules(t) {
		yes := outcome.Unit{Entitled: most, Cast: most, Yes: most}
		if outcome.Material(r, yes, 0, 0, 0) {
			t.Errorf("%v: nothing open is material", r)
		}
		for _, strangers := range []uint64{0, 1, most} {
			if !outcome.Material(r, yes, 0, most, strangers) || !outcome.Material(r, outcome.Unit{Entitled: most}, most, 0, strangers) {
				t.Errorf("%v: everything open is not material", r)
			}
			if outcome.Material(r, outcome.Unit{Entitled: most, Cast: most, No: most}, 1, 1, strangers) {
				t.Errorf("%v: one ballot turns all", r)
			}
		}
	}
}
