package main

import (
	"bytes"
	"strings"
	"testing"

	"strikevote/internal/registrar"
)

// TestTellDecided says what became of a report.
func TestTellDecided(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]string{
		registrar.DisputeOpen: "It is not decided", registrar.DisputeUpheld: "report 2 is upheld", registrar.DisputeRejected: "report 2 is rejected",
	} {
		var out bytes.Buffer
		tellDecided(testEnv(&out, &out, nil), &registrar.Dispute{Number: 2, State: state}, "Fay", "uphold")
		if got := out.String(); !strings.Contains(got, "Recorded: Fay would uphold report 2") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q", state, got)
		}
	}
}
