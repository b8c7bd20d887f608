package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A screen is what a command prints, to be read while it runs.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newScreen() *screen { return &screen{more: make(chan struct{}, 1)} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// await waits until the screen shows something. It returns false if the
// command ended before.
func (s *screen) await(t *testing.T, want string, ended <-chan int) bool {
	t.Helper()
	for {
		s.mu.Lock()
		seen := strings.Contains(s.text.String(), want)
		s.mu.Unlock()
		if seen {
			return true
		}
		select {
		case <-s.more:
		case code := <-ended:
			t.Fatalf("the command ended with %d:\n%s", code, s.text.String())
			return false
		}
	}
}

// command runs a command to its end, with what a person types.
func (p *person) command(want int, typed string, args ...string) string {
	p.t.Helper()
	var out, errs bytes.Buffer
	e := &env{in: strings.NewReader(typed), out: &out, err: &errs, getenv: func(string) string { return "" }}
	if code := run(p.t.Context(), e, args); code != want {
		p.t.Fatalf("%v: exit %d, want %d\n%s%s", args, code, want, &out, &errs)
	}
	return out.String() + errs.String()
}

type person struct{ t *testing.T }

// links reads the links from all mails of a folder.
func links(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range files {
		if link, err := linkOf(f); err == nil { // not every mail has one
			list = append(list, link)
		}
	}
	return list
}

// TestVote opens a demo for voting and votes in it by hand, as somebody does
// who has the program and a mail.
func TestVote(t *testing.T) {
	t.Parallel()
	data, err := os.MkdirTemp("", "strikevote-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	keyboard, enter := io.Pipe()
	demo := newScreen()
	ended := make(chan int, 1)
	out := filepath.Join(t.TempDir(), "record")
	go func() {
		e := &env{in: keyboard, out: demo, err: io.Discard, getenv: func(string) string { return "" }}
		ended <- run(context.Background(), e, []string{"demo", "-members", "40", "-turnout", "0.05", "-serve", "-data", data, "-out", out})
	}()
	demo.await(t, "These members have not voted", ended)
	castByHand(t, links(t, filepath.Join(data, "mail")))
	if _, err := enter.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	// The demo stays with the result until Enter is pressed again, or the input ends.
	if err := enter.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-ended; code != exitOK || !strings.HasSuffix(demo.text.String(), "record verified\n") {
		t.Fatalf("the demo ended with %d:\n%s", code, demo.text.String())
	}
	// Two by turnout, and one by hand.
	if !strings.Contains(demo.text.String(), "3 of 40 entitled cast a ballot") {
		t.Errorf("the ballot by hand is not counted:\n%s", demo.text.String())
	}
}

// castByHand finds a link that was not used, tests the device with it, votes,
// and looks where the ballot is.
func castByHand(t *testing.T, all []string) {
	t.Helper()
	p := &person{t}
	state := t.TempDir()
	for _, link := range all {
		if strings.Contains(p.try(state, link), "already issued") {
			continue
		}
		test := p.command(exitOK, "", "vote", "-state", state, "-choose", "2", "-test", link)
		file := filepath.Join(state, "test.json")
		if err := os.WriteFile(file, []byte(test[strings.Index(test, "{"):]), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := p.command(exitOK, "", "vote", "-state", state, "-check", file, link); !strings.Contains(got, "The test holds") || !strings.Contains(got, "the tracker that was written down before the device opened the test?") || !strings.Contains(got, "→  No") {
			t.Errorf("checking the test: %s", got)
		}
		p.checkPageFile(state, link)
		if got := p.command(exitFailed, "1\nno\n", "vote", "-state", state, link); !strings.Contains(got, "nothing was cast") {
			t.Errorf("not confirming: %s", got)
		}
		if got := p.command(exitFailed, "9\n", "vote", "-state", state, link); !strings.Contains(got, "Type a number from 1 to 3") {
			t.Errorf("choosing what is not there: %s", got)
		}
		if got := p.command(exitOK, "1\nyes\n", "vote", "-state", state, link); !strings.Contains(got, "Your ballot is received") {
			t.Errorf("voting: %s", got)
		}
		if got := p.command(exitOK, "", "vote", "-state", state, link); !strings.Contains(got, "is received") {
			t.Errorf("voting again: %s", got)
		}
		if got := p.command(exitFailed, "", "vote", "-state", t.TempDir(), "-choose", "1", "-yes", link); !strings.Contains(got, "already issued") || !strings.Contains(got, "or call the committee") {
			t.Errorf("on another device: %s", got)
		}
		p.command(exitFailed, "", "vote", "-state", state, link[:len(link)-4]+"AAAA")
		p.command(exitFailed, "", "vote", "-state", state, strings.Replace(link, "#t=A", "#t=B", 1))
		return
	}
	t.Fatal("every link was used")
}

// checkPageFile tests the device as the voter's page does, and has the command check the
// file that the page gives: it holds, and no more once a letter of it is another.
func (p *person) checkPageFile(state, link string) {
	p.t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		p.t.Fatal("node is missing; install it by: deploy/dependencies.sh test")
	}
	given, err := json.Marshal(map[string]any{"link": link, "choices": []int{1}, "typed": `my "own" <words> & ñ 票`})
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), node, "tester.mjs")
	cmd.Dir = filepath.FromSlash("../../templates/assets/test")
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(append(given, '\n')), &errs
	made, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("testing as the page does: %v\n%s", err, &errs)
	}
	file := filepath.Join(state, "page.json")
	check := func(b []byte, code int, want string) {
		p.t.Helper()
		if err := os.WriteFile(file, b, 0o600); err != nil {
			p.t.Fatal(err)
		}
		if got := p.command(code, "", "vote", "-state", state, "-check", file, link); !strings.Contains(got, want) {
			p.t.Errorf("checking the page's file: %s", got)
		}
	}
	check(made, exitOK, "→  No")
	check(bytes.Replace(made, []byte("<words>"), []byte("<worms>"), 1), exitFalse, "The test does not hold")
}

// try looks whether a link was used, without casting anything.
func (p *person) try(state, link string) string {
	var out bytes.Buffer
	e := &env{in: strings.NewReader(""), out: &out, err: &out, getenv: func(string) string { return "" }}
	_ = run(p.t.Context(), e, []string{"vote", "-state", state, "-choose", "1", link})
	return out.String()
}

// TestNoLink gives the program a link that was cut and files that are no mail: it says
// what to do, and shows nothing of either.
func TestNoLink(t *testing.T) {
	t.Parallel()
	p, dir := &person{t}, t.TempDir()
	file := filepath.Join(dir, "election.json")
	if err := os.WriteFile(file, []byte("// An election of ours\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]string{
		"https://vote.example/v1/#t=AQIDBAUG":                      "put it in quotes",
		"https://vote.example/v1/0123456789abcdef0123456789abcdef": "put it in quotes",
		file: "it is not a mail as it was sent. Give the link from your mail, in quotes",
		dir:  "it is not a mail as it was sent",
	} {
		got := p.command(exitFailed, "", "vote", "-state", dir, arg)
		if !strings.Contains(got, want) || strings.Contains(got, "ours") || strings.Contains(got, "AQIDBAUG") {
			t.Errorf("%s: it says\n%s", arg, got)
		}
	}
}
