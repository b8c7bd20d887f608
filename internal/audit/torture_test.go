package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/record/layout"
	"strikevote/internal/torture"
)

// inTurn lets a test run beside others in the short form. In the long one each has
// all processors for its share of the time.
func inTurn(t *testing.T) {
	if !torture.Long() {
		t.Parallel()
	}
}

// spread does the work of every round, on all processors at a time.
func spread(rounds iter.Seq[int], work func(i int)) {
	var group sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range rounds {
		free <- struct{}{}
		group.Go(func() {
			defer func() { <-free }()
			work(i)
		})
	}
	group.Wait()
}

// hundred is an election of 101 ballots with one teller.
var hundred = audittest.Options{Ballots: 98, Single: true, Tellers: 1}

// everyWhole is how many mutations are judged by the first fault to one that is
// judged by the whole report.
const everyWhole = 16

// notice verifies a record until the first fault and returns it, or "". All checks
// after it would only take time.
func notice(t *testing.T, files audittest.Files) string {
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	var first string
	checks, err := audit.VerifySparing(ctx, files, audit.Options{Workers: 1}, func(check, reason string) bool {
		if first == "" {
			first = check + ": " + reason
		}
		enough()
		return false
	})
	switch {
	case first != "":
		return first
	case err != nil: // not a manifest
		return err.Error()
	}
	return faults(&audit.Report{Checks: checks})
}

// whole verifies a record to the end, and returns what was found.
func whole(t *testing.T, files audittest.Files, what string) string {
	r, err := audit.Verify(t.Context(), files, audit.Options{Workers: 1})
	if err != nil {
		return err.Error()
	}
	for _, c := range r.Checks {
		if !c.OK && (c.Name == "" || c.Detail == "") {
			t.Errorf("%s: found, and no rule is named", what)
		}
	}
	if r.Verified != (faults(r) == "") || !r.Verified && (r.Outcome != "" || len(r.Sets) > 0) {
		t.Errorf("%s: a record that does not hold has a result", what)
	}
	return faults(r)
}

// judge demands that a mutation is noticed. Only a manifest that is none may keep
// a record from being checked.
func judge(t *testing.T, i int, files audittest.Files, name, what string) bool {
	var found string
	if i%everyWhole == 0 {
		found = whole(t, files, what)
	} else {
		found = notice(t, files)
	}
	if found == "" {
		t.Errorf("%s: %s: not noticed", name, what)
		return false
	}
	if !strings.Contains(found, ": ") || strings.HasPrefix(found, "reading record: ") && name != layout.Manifest {
		t.Errorf("%s: %s: no rule is named: %s", name, what, found)
	}
	return true
}

// A spot is a byte of a record.
type spot struct {
	path string
	at   int
}

// spots are all bytes of a record in a random order, but first one of every file,
// so that some of them meet all files.
func spots(files audittest.Files) []spot {
	var list []spot
	for _, path := range paths(files) {
		for i := range files[path].Data {
			list = append(list, spot{path, i})
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	met := make(map[string]bool)
	var first, rest []spot
	for _, s := range list {
		if met[s.path] {
			rest = append(rest, s)
		} else {
			first = append(first, s)
		}
		met[s.path] = true
	}
	return append(first, rest...)
}

// flip returns a record with one bit of one byte changed.
func flip(files audittest.Files, s spot, bit int) audittest.Files {
	bad := bytes.Clone(files[s.path].Data)
	bad[s.at] ^= 1 << bit
	return with(files, s.path, bad)
}

// TestTortureFlips changes one bit of every byte of every file of a record of 101
// ballots, one at a time; the short form takes some of them, in every file. The
// control is an auditor who leaves out the check that a file is for: what is
// changed in that file then passes.
func TestTortureFlips(t *testing.T) {
	inTurn(t)
	_, files := audittest.Record(t, hundred)
	list := spots(files)
	begun := time.Now()
	var done, noticed atomic.Int64
	met := make(map[string]bool)
	var mu sync.Mutex
	spread(torture.Rounds(1000, len(list), 0.13), func(i int) {
		s := list[i]
		bit := rand.New(rand.NewPCG(5, uint64(i))).IntN(8)
		done.Add(1)
		if judge(t, i, flip(files, s, bit), s.path, fmt.Sprintf("bit %d of byte %d of %d", bit, s.at, len(files[s.path].Data))) {
			noticed.Add(1)
		}
		mu.Lock()
		defer mu.Unlock()
		met[s.path] = true
	})
	took := time.Since(begun)
	passed := flipsPass(t, files)
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("one bit of every byte of a record of 101 ballots, %d files", len(files)),
		Target:   "every change is found, and a rule named",
		Measured: fmt.Sprintf("%d of %d bytes, in %d files; %d found; %s", done.Load(), len(list), len(met), noticed.Load(), pace(took, done.Load())),
		Control:  fmt.Sprintf("without the check of a file, %d of %d changes to it pass", passed, passed),
	})
}

func pace(took time.Duration, n int64) string {
	return fmt.Sprintf("%.1f s for 1,000", took.Seconds()/float64(n)*1000)
}

// flipsPass leaves out the check that a file is for and returns how many changes
// of it were not noticed then: all.
func flipsPass(t *testing.T, files audittest.Files) (passed int) {
	for check, path := range map[string]string{
		"sealing": layout.Sealing, "ledger": layout.FirstCheckpoint(layout.Ledger), "ballot log": layout.FirstCheckpoint(layout.Ballots),
		"acts": layout.Act(1), "ceremony": layout.CeremonySignatures, "drill": layout.Drill(1), "statements": layout.StatementBox,
		"shares": layout.Shares(1), "certification": layout.Certification,
	} {
		size := len(files[path].Data)
		for _, at := range []int{0, size / 2, size - 1} {
			left := verifySparing(t, flip(files, spot{path, at}, 3), audit.Options{Workers: 1}, func(c, reason string) bool {
				return c == check || unchecked(reason)
			})
			if left != "" {
				t.Errorf("byte %d of %s is noticed without the check %q: %s", at, path, check, left)
				continue
			}
			passed++
		}
	}
	return passed
}
