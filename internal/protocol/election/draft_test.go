package election_test

import (
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

// TestValidateDraft takes from a manifest what is filled in at sealing, and finds
// it good; every other rule still holds.
func TestValidateDraft(t *testing.T) {
	t.Parallel()
	draft := func() *election.Manifest {
		m, _ := electiontest.Manifest(t)
		for i := range m.Groups {
			g := &m.Groups[i]
			g.RollSize, g.RollRoot, g.BatchMin, g.Issuer = 0, suite.Hash{}, 0, nil
		}
		m.Tellers = election.Tellers{N: m.Tellers.N, T: m.Tellers.T, Names: m.Tellers.Names}
		m.Ledger, m.Ballots = election.Log{}, election.Log{}
		m.TokenKey, m.PromiseKey = election.Key32{}, election.Key32{}
		return m
	}
	if err := draft().ValidateDraft(); err != nil {
		t.Errorf("a good draft: %v", err)
	}
	if draft().Validate() == nil {
		t.Error("a draft passes for a manifest")
	}
	for path, spoil := range map[string]func(*election.Manifest){
		"title":           func(m *election.Manifest) { m.Title = nil },
		"groups[0].name":  func(m *election.Manifest) { m.Groups[0].Name = "" },
		"groups[0].units": func(m *election.Manifest) { m.Groups[0].Units = nil },
		"tellers.t":       func(m *election.Manifest) { m.Tellers.T = 0 },
		"tellers.names":   func(m *election.Manifest) { m.Tellers.Names = nil },
		"committee":       func(m *election.Manifest) { m.Committee.Members = nil },
		"schedule":        func(m *election.Manifest) { m.Schedule.Close = m.Schedule.Open },
		"witnesses":       func(m *election.Manifest) { m.Witnesses.Threshold = 0 },
		"origins":         func(m *election.Manifest) { m.Origins.Box = m.Origins.Booth },
		"rule":            func(m *election.Manifest) { m.Rule.Denominator = 0 },
	} {
		m := draft()
		spoil(m)
		if err := m.ValidateDraft(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}
