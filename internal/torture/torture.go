// Package torture says how long a test goes on that attacks the service, and
// keeps a table of what such tests measured.
//
// Every such test has a short form, a part of make test, and a long one, a part of
// make torture: the same code with more rounds. What is short must still be able
// to fail, so each has a negative control in both forms.
//
// The tests beside this file attack a whole service: the real program, in several
// processes, on databases that wait for the disk; make test may keep them in memory.
package torture

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// MinutesEnv names the environment variable that asks for the long form, and for
// how many minutes in all it may take.
const MinutesEnv = "TORTURE_MINUTES"

// tableEnv names the file that gets the table.
const tableEnv = "TORTURE_TABLE"

// Long reports whether the long form is wanted.
func Long() bool { return minutes() > 0 }

func minutes() float64 {
	m, err := strconv.ParseFloat(os.Getenv(MinutesEnv), 64)
	if err != nil {
		return 0
	}
	return m
}

// Pick returns short, or long in the long form.
func Pick[T any](short, long T) T {
	if Long() {
		return long
	}
	return short
}

// Rounds yields 0, 1, 2 and so on, short of them. In the long form it yields up to
// long of them, as long as the test has used no more than its share of all the time,
// of which there is at least one round. Tests of one package run side by side, so that
// all shares together may make somewhat more than 1.
func Rounds(short, long int, share float64) iter.Seq[int] {
	return func(yield func(int) bool) {
		end := time.Now().Add(time.Duration(share * minutes() * float64(time.Minute)))
		for i := range Pick(short, long) {
			if Long() && i > 0 && time.Now().After(end) || !yield(i) {
				return
			}
		}
	}
}

// A Row of the table says what a test showed.
type Row struct {
	What     string // what was attacked, and how
	Target   string
	Measured string
	Control  string // what the same test made of a weakened service
}

var table sync.Mutex // guards the file of the table within one program

// Report logs a row, and adds it to the table of make torture. It is called at the
// end of a test; one that failed says so in its row.
func Report(t testing.TB, r Row) {
	t.Helper()
	verdict := "holds"
	if t.Failed() {
		verdict = "FAILED"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n  %-9s %s\n  %-9s %s\n  %-9s %s\n  %-9s %s\n", t.Name(), verdict,
		"attack", r.What, "target", r.Target, "measured", r.Measured, "control", r.Control)
	t.Log(b.String())
	name := os.Getenv(tableEnv)
	if name == "" {
		return
	}
	table.Lock()
	defer table.Unlock()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(b.String())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Errorf("writing the table: %v", err)
	}
}

// Flat judges what some work cost in a small and in a large election, in blocks that
// the database touched, beside a look-up that reads all: the control. It fails the test
// where the work grew by more than half, and reports the row.
func Flat(t testing.TB, what string, size []int, cost, scan [2]int64) {
	t.Helper()
	if cost[0] < 100 || float64(cost[1]) > 1.5*float64(cost[0]) {
		t.Errorf("%s: %d blocks with %d rows, and %d with %d", what, cost[0], size[0], cost[1], size[1])
	}
	if scan[1] < 10*scan[0] {
		t.Errorf("reading all rows touched %d and %d blocks: the count is blind", scan[0], scan[1])
	}
	Report(t, Row{
		What:     fmt.Sprintf("%s, with %d and with %d rows there", what, size[0], size[1]),
		Target:   "at most 1.5 times the blocks",
		Measured: fmt.Sprintf("%d and %d blocks", cost[0], cost[1]),
		Control:  fmt.Sprintf("a look-up without an index: %d and %d blocks", scan[0], scan[1]),
	})
}
