package agenda_test

import (
	"bytes"
	"strings"
	"testing"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

func declaration() *agenda.Declaration {
	return &agenda.Declaration{
		ElectionID: suite.ElectionID{1},
		Groups: []agenda.DeclaredGroup{
			{ID: 1, Name: "HX", Size: 30, Root: suite.Hash{2}}, {ID: 2, Name: "RX", Size: 40, Root: suite.Hash{3}},
		},
		Second:      agenda.SecondList{Name: "Dues of March", SHA256: suite.Hash{4}, Rows: 71},
		Compared:    agenda.Compared{Group: true, Campus: true, Worksite: true},
		Differences: agenda.Differences{OnlySecond: 1},
		Explanation: "One member has retired.", DeclaredAt: 1_900_000_000,
	}
}

// TestDeclaration reads what was written and refuses everything else.
func TestDeclaration(t *testing.T) {
	t.Parallel()
	good, err := declaration().Encode()
	if err != nil {
		t.Fatal(err)
	}
	d, err := agenda.ParseDeclaration(good)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.Encode(); err != nil || !bytes.Equal(again, good) {
		t.Errorf("got %s, %v", again, err)
	}
	if _, err := agenda.ParseDeclaration(good[:len(good)-1]); err == nil {
		t.Error("a byte less was read")
	}
	// Of each field: it is signed, so that no change of it has the same message.
	for name, change := range map[string]func(*agenda.Declaration){
		"election":    func(d *agenda.Declaration) { d.ElectionID[0]++ },
		"id":          func(d *agenda.Declaration) { d.Groups[1].ID++ },
		"name":        func(d *agenda.Declaration) { d.Groups[0].Name = "TX" },
		"size":        func(d *agenda.Declaration) { d.Groups[0].Size++ },
		"root":        func(d *agenda.Declaration) { d.Groups[0].Root[31]++ },
		"one less":    func(d *agenda.Declaration) { d.Groups = d.Groups[:1] },
		"second name": func(d *agenda.Declaration) { d.Second.Name = "Dues" },
		"sha256":      func(d *agenda.Declaration) { d.Second.SHA256[0]++ },
		"rows":        func(d *agenda.Declaration) { d.Second.Rows++ },
		"no groups":   func(d *agenda.Declaration) { d.Compared.Group = false },
		"no campuses": func(d *agenda.Declaration) { d.Compared.Campus = false },
		"no sites":    func(d *agenda.Declaration) { d.Compared.Worksite = false },
		"only roll":   func(d *agenda.Declaration) { d.Differences.OnlyRoll++ },
		"only second": func(d *agenda.Declaration) { d.Differences.OnlySecond++ },
		"group":       func(d *agenda.Declaration) { d.Differences.Group++ },
		"campus":      func(d *agenda.Declaration) { d.Differences.Campus++ },
		"worksite":    func(d *agenda.Declaration) { d.Differences.Worksite++ },
		"explanation": func(d *agenda.Declaration) { d.Explanation = "None." },
		"moment":      func(d *agenda.Declaration) { d.DeclaredAt++ },
	} {
		d := declaration()
		change(d)
		b, err := d.Encode()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if bytes.Equal(agenda.DeclarationMessage(b), agenda.DeclarationMessage(good)) {
			t.Errorf("%s: the same is signed", name)
		}
	}
	for name, change := range map[string]func(*agenda.Declaration){
		"no group":                         func(d *agenda.Declaration) { d.Groups = nil },
		"twice":                            func(d *agenda.Declaration) { d.Groups[1].ID = 1 },
		"group 0":                          func(d *agenda.Declaration) { d.Groups[0].ID = 0 },
		"no name":                          func(d *agenda.Declaration) { d.Groups[0].Name = "" },
		"empty group":                      func(d *agenda.Declaration) { d.Groups[0].Size = 0 },
		"no second name":                   func(d *agenda.Declaration) { d.Second.Name = "" },
		"no rows":                          func(d *agenda.Declaration) { d.Second.Rows = 0 },
		"groups that were not compared":    func(d *agenda.Declaration) { d.Compared.Group, d.Differences.Group = false, 1 },
		"campuses that were not compared":  func(d *agenda.Declaration) { d.Compared.Campus, d.Differences.Campus = false, 1 },
		"worksites that were not compared": func(d *agenda.Declaration) { d.Compared.Worksite, d.Differences.Worksite = false, 1 },
		"unexplained":                      func(d *agenda.Declaration) { d.Explanation = "" },
		"a line end":                       func(d *agenda.Declaration) { d.Explanation = "a\nb" },
		"long":                             func(d *agenda.Declaration) { d.Explanation = strings.Repeat("x", 4001) },
		"no moment":                        func(d *agenda.Declaration) { d.DeclaredAt = 0 },
	} {
		d := declaration()
		change(d)
		if _, err := d.Encode(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	same := declaration()
	same.Differences, same.Explanation = agenda.Differences{}, ""
	if _, err := same.Encode(); err != nil {
		t.Errorf("no differences and no explanation: %v", err)
	}
}

func TestDeclarationFits(t *testing.T) {
	t.Parallel()
	groups := func() []election.Group {
		return []election.Group{
			{ID: 1, Name: "HX", RollSize: 30, RollRoot: suite.Hash{2}}, {ID: 2, Name: "RX", RollSize: 40, RollRoot: suite.Hash{3}},
		}
	}
	if err := declaration().Fits(groups()); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func([]election.Group) []election.Group{
		"one less": func(g []election.Group) []election.Group { return g[:1] },
		"id":       func(g []election.Group) []election.Group { g[1].ID++; return g },
		"name":     func(g []election.Group) []election.Group { g[1].Name = "TX"; return g },
		"size":     func(g []election.Group) []election.Group { g[1].RollSize++; return g },
		"root":     func(g []election.Group) []election.Group { g[0].RollRoot[0]++; return g },
	} {
		if err := declaration().Fits(change(groups())); err == nil {
			t.Errorf("%s: fits", name)
		}
	}
}

func slips() *agenda.Slips {
	return &agenda.Slips{MID: suite.MID{1}, Number: 1, Count: 2, Places: agenda.Places([]agenda.Place{{Group: 1, Index: 3}, {Group: 2, Index: 1}}), Reason: "No address.", ProposedAt: 5}
}

// TestSlips does the same for permissions to print.
func TestSlips(t *testing.T) {
	t.Parallel()
	good, err := slips().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if s, err := agenda.ParseSlips(good); err != nil || *s != *slips() {
		t.Errorf("got %v, %v", s, err)
	}
	for name, change := range map[string]func(*agenda.Slips){
		"mid":    func(s *agenda.Slips) { s.MID[0]++ },
		"number": func(s *agenda.Slips) { s.Number++ },
		"count":  func(s *agenda.Slips) { s.Count++ },
		"places": func(s *agenda.Slips) {
			s.Places = agenda.Places([]agenda.Place{{Group: 2, Index: 1}, {Group: 1, Index: 3}})
		},
		"reason": func(s *agenda.Slips) { s.Reason = "A desk." },
		"moment": func(s *agenda.Slips) { s.ProposedAt++ },
	} {
		s := slips()
		change(s)
		b, err := s.Encode()
		if err != nil || bytes.Equal(agenda.SlipsMessage(suite.MID{1}, b), agenda.SlipsMessage(suite.MID{1}, good)) {
			t.Errorf("%s: the same is signed, or %v", name, err)
		}
	}
	if bytes.Equal(agenda.SlipsMessage(suite.MID{1}, good), agenda.SlipsMessage(suite.MID{2}, good)) {
		t.Error("the same is signed for another election")
	}
	for name, change := range map[string]func(*agenda.Slips){
		"number": func(s *agenda.Slips) { s.Number = 0 },
		"count":  func(s *agenda.Slips) { s.Count = 0 },
		"many":   func(s *agenda.Slips) { s.Count = 1<<20 + 1 },
		"reason": func(s *agenda.Slips) { s.Reason = "" },
		"moment": func(s *agenda.Slips) { s.ProposedAt = 0 },
	} {
		s := slips()
		change(s)
		if _, err := s.Encode(); err == nil {
			t.Errorf("no %s was accepted", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range []interface{ Encode() ([]byte, error) }{declaration(), slips()} {
		b, err := v.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := agenda.ParseDeclaration(b); err == nil {
			if again, err := d.Encode(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%q comes back as %q, %v", b, again, err)
			}
		}
		if s, err := agenda.ParseSlips(b); err == nil {
			if again, err := s.Encode(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%q comes back as %q, %v", b, again, err)
			}
		}
	})
}
