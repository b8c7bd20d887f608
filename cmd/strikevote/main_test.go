package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"strikevote/internal/platform/postgres/pgtest"
)

// TestMain lets scripts call the program by its name: in a process of its own,
// from the test binary.
func TestMain(m *testing.M) {
	testscript.Main(pgtest.Tests{M: m}, map[string]func(){"strikevote": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"status": status, "flip": flip,
	}})
}

// status runs the program and compares its exit code: status 3 verify record.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE args...")
	}
	err := ts.Exec("strikevote", args[1:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// flip flips one bit in the middle of a file.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(path, b, 0o644))
}

// TestHelp shows that every command explains itself, with its flags.
func TestHelp(t *testing.T) {
	t.Parallel()
	var all []command
	var add func(before string, list []command)
	add = func(before string, list []command) {
		for _, c := range list {
			c.name = before + c.name
			all = append(all, c)
			add(c.name+" ", c.subs)
		}
	}
	add("", commands())
	for _, c := range all {
		var out, err bytes.Buffer
		e := &env{in: strings.NewReader(""), out: &out, err: &err, getenv: func(string) string { return "" }}
		if code := run(context.Background(), e, append(strings.Fields(c.name), "-h")); code != exitOK || err.Len() > 0 {
			t.Errorf("%s -h: exit %d, %s", c.name, code, &err)
		}
		if !strings.HasPrefix(out.String(), "usage: strikevote "+c.name) || len(c.long) < 40 {
			t.Errorf("%s -h explains nothing: %s", c.name, &out)
		}
	}
}
