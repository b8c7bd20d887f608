package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// verify audits a record and logs nothing unless the test fails.
func verify(t testing.TB, fsys fs.FS, o audit.Options) *audit.Report {
	t.Helper()
	r, err := audit.Verify(t.Context(), fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// faults lists what does not hold.
func faults(r *audit.Report) string {
	var b strings.Builder
	for _, c := range r.Checks {
		if !c.OK {
			b.WriteString(c.Name + ": " + c.Detail + "\n")
		}
	}
	return b.String()
}

func TestHonest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		o       audittest.Options
		stage   layout.Stage
		ballots uint64
		outcome string
	}{
		{"locked", audittest.Options{Stage: layout.Locked}, layout.Locked, 59, ""},
		{"opened", audittest.Options{Stage: layout.Opened}, layout.Opened, 59, "The members authorize the leadership to call a strike."},
		{"certified", audittest.Options{}, layout.Certified, 59, "The members authorize the leadership to call a strike."},
		{"cancelled", audittest.Options{Cancelled: true}, layout.Cancelled, 59, ""},
		{"demo", audittest.Options{Demo: true}, layout.Certified, 59, "The members authorize the leadership to call a strike."},
		{"by group", audittest.Options{PerGroup: true}, layout.Certified, 59, "The members authorize the leadership to call a strike."},
		{"two tiles", audittest.Options{Ballots: 300}, layout.Certified, 303, "The members authorize the leadership to call a strike."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, files := audittest.Record(t, tt.o)
			r := verify(t, files, audit.Options{Stage: tt.stage, MID: &e.MID})
			if !r.Verified {
				t.Fatalf("it does not hold:\n%s", faults(r))
			}
			if r.Stage != tt.stage || r.Ballots != tt.ballots || r.Outcome != tt.outcome {
				t.Errorf("got %s, %d ballots, %q", r.Stage, r.Ballots, r.Outcome)
			}
			if r.Sums == nil || r.CloseSize != tt.ballots+2 {
				t.Errorf("close size %d, sums %v", r.CloseSize, r.Sums)
			}
		})
	}
}

var _ = []any{bytes.Equal, context.Background, json.Marshal, errors.Is, io.EOF, suite.Hash{}}
