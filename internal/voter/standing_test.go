package voter_test

import (
	"net/http"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/voter"
)

// TestStanding reads what a booth says of an election, and takes no close that the
// manifest rules out.
func TestStanding(t *testing.T) {
	t.Parallel()
	m := &election.Manifest{Schedule: election.Schedule{Open: 100, Close: 200, LatestClose: electiontest.Close}}
	for said, want := range map[string]voter.Standing{
		`{"phase":"open","close":150}`:         {Phase: election.PhaseOpen, Close: 150},
		`{"phase":"open","close":100}`:         {},
		`{"phase":"open","close":99999999999}`: {},
		`{"phase":"open"}`:                     {},
		`{"phase":"open","close":150.5}`:       {},
		`"open"`:                               {},
		"":                                     {},
		`{"phase":"certified","close":200,"x":[]}`: {Phase: election.PhaseCertified, Close: 200},
	} {
		if got := voter.ReadStanding(m, http.Header{"Strikevote-Phase": {said}}); got != want {
			t.Errorf("%s: got %+v", said, got)
		}
	}
}
