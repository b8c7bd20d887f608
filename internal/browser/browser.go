// Package browser holds tests that use the product as people do: in Chromium, on a
// phone's screen, through the pages that a whole election serves.
//
// It must never be part of a program. Every such test has a short form, a part of
// make test, and a long one, a part of make browser: the same code with more rounds,
// languages and looks. The package also measures what a page weighs and how long the
// sealing of a ballot takes on a slow phone, and makes a picture of every page.
package browser

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
)

// LongEnv names the environment variable that asks for the long form.
const LongEnv = "BROWSER_LONG"

// tableEnv names the file that gets what the tests measured.
const tableEnv = "BROWSER_TABLE"

// picturesEnv names the folder that gets a picture of every page.
const picturesEnv = "BROWSER_PICTURES"

// Long reports whether the long form is wanted.
func Long() bool { return os.Getenv(LongEnv) != "" }

// Pick returns short, or long in the long form.
func Pick[T any](short, long T) T {
	if Long() {
		return long
	}
	return short
}

// Pictures returns the folder for pictures of every page, or nothing where none are
// wanted.
func Pictures() string { return os.Getenv(picturesEnv) }

var table sync.Mutex // guards the file of the table

// Report logs what a test measured, and adds it to the table of make browser.
func Report(t testing.TB, lines ...string) {
	t.Helper()
	text := t.Name() + "\n  " + strings.Join(lines, "\n  ") + "\n"
	t.Log(text)
	name := os.Getenv(tableEnv)
	if name == "" {
		return
	}
	table.Lock()
	defer table.Unlock()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Errorf("writing the table: %v", err)
	}
}
