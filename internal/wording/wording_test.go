package wording_test

import (
	"strings"
	"testing"

	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/wording"
)

func three() *election.Manifest {
	return &election.Manifest{Groups: []election.Group{{ID: 1, Name: "HX"}, {ID: 2, Name: "RX"}, {ID: 3, Name: "TX"}}}
}

func TestList(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code, want string
		names      []string
	}{
		{"en", "", nil}, {"en", "HX", []string{"HX"}}, {"en", "HX and RX", []string{"HX", "RX"}}, {"en", "HX, RX and TX", []string{"HX", "RX", "TX"}},
		{"es", "HX, RX y TX", []string{"HX", "RX", "TX"}}, {"zh-Hans", "HX、RX和TX", []string{"HX", "RX", "TX"}}, {"ko", "{next}, b 및 c", []string{"{next}", "b", "c"}},
	} {
		if got := wording.List(language.Of(tt.code), tt.names); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.code, got, tt.want)
		}
	}
}

// TestOutcome: in English it is what the committee signs, and in every language another
// sentence for each of the outcomes. Nothing was called wherever somebody authorizes.
func TestOutcome(t *testing.T) {
	t.Parallel()
	m := three()
	name := func(id suite.GroupID) string { return m.Group(id).Name }
	for _, l := range language.Tags() {
		w, seen := language.Of(l.Code), map[string]bool{}
		for n := range 8 {
			var units []outcome.Judged
			for i := range 3 {
				units = append(units, outcome.Judged{Unit: outcome.Unit{Groups: []suite.GroupID{suite.GroupID(3 - i)}},
					Judgement: outcome.Judgement{Authorized: n>>i&1 == 1}})
			}
			sentence, notCalled := wording.Outcome(w, m, units)
			if l.Code == "en" && sentence != outcome.Sentence(name, units) {
				t.Errorf("%d: %q is not what is signed", n, sentence)
			}
			if (notCalled != "") != (n > 0) || seen[sentence] {
				t.Errorf("%s, %d: %q, %q", l.Code, n, sentence, notCalled)
			}
			seen[sentence] = true
		}
	}
}

func TestRule(t *testing.T) {
	t.Parallel()
	for preset, want := range map[string]string{
		"simple":       "There must be more yes than no. All bargaining units are counted together.",
		"two-thirds":   "Yes must be at least two thirds of the yes and no votes. All bargaining units are counted together.",
		"australia":    "Yes must be more than half of all votes cast. At least half of the members entitled to vote must cast a ballot. All bargaining units are counted together.",
		"uk-important": "There must be more yes than no. At least half of the members entitled to vote must cast a ballot. At least two fifths of the members entitled to vote must choose yes. All bargaining units are counted together.",
	} {
		m := three()
		var err error
		if m.Rule, err = election.Preset(preset); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(wording.Rule(language.Of("en"), m), " "); got != want {
			t.Errorf("%s: got %q", preset, got)
		}
		m.Groups = m.Groups[:1]
		if got := strings.Join(wording.Rule(language.Of("en"), m), " "); strings.Contains(got, "bargaining units") {
			t.Errorf("%s, one group: got %q", preset, got)
		}
	}
}

// TestYes: each share says of what it is one.
func TestYes(t *testing.T) {
	t.Parallel()
	u := outcome.Unit{Entitled: 100, Cast: 50, Yes: 20, No: 20}
	for basis, want := range map[string]string{
		election.BasisDecided: "Yes 20 of 40 yes and no votes: 50.0%.", election.BasisCast: "Yes 20 of 50 ballots in the box: 40.0%.",
		election.BasisEntitled: "Yes 20 of 100 entitled members: 20.0%.",
	} {
		if got := wording.Yes(language.Of("en"), election.Rule{Basis: basis}, u); got != want {
			t.Errorf("%s: got %q", basis, got)
		}
	}
}
