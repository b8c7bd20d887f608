package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"strikevote/internal/platform/host"
	"strikevote/internal/voter"
)

// TestStory is the story of README: everybody's programs, one after another,
// against a service on databases of its own. It is told twice. Once the service is
// one process; once it is three, with folders and keys of their own, and at every
// step one of them is killed and started again.
func TestStory(t *testing.T) {
	t.Parallel()
	for name, apart := range map[string]bool{"together": false, "apart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tell(t, "story", apart)
		})
	}
}

// TestRehearsal goes through what a story of success leaves out.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	tell(t, "rehearsal", false)
}

func tell(t *testing.T, name string, apart bool) {
	s := &services{apart: apart, running: make(map[string]*instance)}
	testscript.Run(t, testscript.Params{
		Files: []string{"testdata/story/" + name + ".txtar"},
		Setup: func(env *testscript.Env) error {
			env.Defer(s.killAll)
			// The databases' account has to pass through.
			return os.Chmod(env.WorkDir, 0o711)
		},
		Condition: func(cond string) (bool, error) {
			if cond != "apart" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return apart, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status, "until": until, "capture": capture, "find": find, "edit": edit, "moment": momentIn,
			"roster": roster, "ports": ports, "fetch": fetch, "mail": mailTo, "provider": provider, "bounced": bounced, "start": s.start, "step": s.step,
		},
	})
}

// services are the processes of the service that a story runs.
type services struct {
	apart   bool
	mu      sync.Mutex // guards what is below, against the end of the test
	running map[string]*instance
	order   []string
	steps   int
}

type instance struct {
	args   []string
	dir    string
	master string // file of the master key; may be empty
	cmd    *exec.Cmd
	wait   func() error // of the process
}

// start runs the program in the background until it says that it is ready:
// start NAME serve -data DIR.
func (s *services) start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME args...")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &instance{args: args[1:], dir: ts.MkAbs("."), master: ts.Getenv("STRIKEVOTE_MASTER_KEY_FILE")}
	ts.Check(x.run(ts.MkAbs(args[0] + ".log")))
	s.running[args[0]] = x
	s.order = append(s.order, args[0])
}

func (x *instance) run(log string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// testscript.Main runs the command whose name the program is called by.
	x.cmd = exec.Command(self, x.args...)
	x.cmd.Args[0] = "strikevote"
	x.cmd.Dir = x.dir
	x.cmd.Env = append(os.Environ(), "STRIKEVOTE_MASTER_KEY_FILE="+x.master)
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	x.cmd.Stderr = f
	out, err := x.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if x.wait, err = host.StartChild(x.cmd, syscall.SIGKILL); err != nil {
		return err
	}
	for in := bufio.NewScanner(out); in.Scan(); {
		if in.Text() == "ready" {
			return nil
		}
	}
	b, _ := os.ReadFile(log)
	return fmt.Errorf("the service ended before it was ready: %v\n%s", x.wait(), b)
}

// step kills one process of a service that runs apart, as a crash would, and
// starts it again: another one at each step.
func (s *services) step(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: step")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.apart {
		return
	}
	name := s.order[s.steps%len(s.order)]
	s.steps++
	x := s.running[name]
	ts.Check(x.cmd.Process.Kill())
	_ = x.wait()
	ts.Check(x.run(ts.MkAbs(name + ".log")))
	ts.Logf("killed and started again: %s", name)
}

func (s *services) killAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.running {
		_ = x.cmd.Process.Kill()
		_ = x.wait()
	}
}

// patience bounds how long a story waits for something.
const storyPatience = 2 * time.Minute

// until runs the program until its output matches: until PATTERN args...
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN args...")
	}
	pattern := regexp.MustCompile(args[0])
	deadline := time.Now().Add(storyPatience)
	for {
		err := ts.Exec("strikevote", args[1:]...)
		out := ts.ReadFile("stdout")
		if err == nil && pattern.MatchString(out) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s was not said: %v\n%s", args[0], err, out)
		}
		<-time.After(200 * time.Millisecond)
	}
}

// capture runs the program and keeps what a pattern's group matches in a variable:
// capture NAME PATTERN args...
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: capture NAME PATTERN args...")
	}
	ts.Check(ts.Exec("strikevote", args[2:]...))
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("%s is not in the output", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// find keeps what a pattern's group matches in a file: find NAME PATTERN FILE.
func find(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: find NAME PATTERN FILE")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile(args[2]))
	if m == nil {
		ts.Fatalf("%s is not in %s", args[1], args[2])
	}
	ts.Setenv(args[0], strings.TrimSpace(m[1]))
}

// edit replaces texts in a file, each of which must be there: edit FILE OLD NEW...
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args)%2 != 1 {
		ts.Fatalf("usage: edit FILE OLD NEW...")
	}
	text := ts.ReadFile(args[0])
	for pair := range slices.Chunk(args[1:], 2) {
		if !strings.Contains(text, pair[0]) {
			ts.Fatalf("%s is not in %s", pair[0], args[0])
		}
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// ports finds free addresses on loopback: ports NAME...
func ports(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: ports NAME...")
	}
	for _, name := range args {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close() // not before all are found, so that they differ
		ts.Setenv(name, l.Addr().String())
	}
}

// fetch copies what a web server has: fetch URL FILE.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fetch URL FILE")
	}
	resp, err := http.Get(args[0])
	ts.Check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("%s: %s %s", args[0], resp.Status, b)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}

// momentIn keeps a moment from now in a variable: moment NAME 2h.
func momentIn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: moment NAME DURATION")
	}
	d, err := time.ParseDuration(args[1])
	ts.Check(err)
	ts.Setenv(args[0], time.Now().UTC().Add(d).Format(momentForm+":05"))
}

// roster writes a roll: roster FILE HX=40 RX=30. The last member of each unit has
// no address.
func roster(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: roster FILE UNIT=SIZE...")
	}
	var b strings.Builder
	b.WriteString("Employee ID;Name;E-mail;Bargaining Unit;Campus\n")
	for _, arg := range args[1:] {
		unit, size, _ := strings.Cut(arg, "=")
		var n int
		_, err := fmt.Sscan(size, &n)
		ts.Check(err)
		for i := range n {
			mail := fmt.Sprintf("%s%02d@mail.example", strings.ToLower(unit), i)
			if i == n-1 {
				mail = ""
			}
			fmt.Fprintf(&b, "%s%03d;Member %s %d;%s;%s;Campus %d\n", unit, i, unit, i, mail, unit, i%3)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// mailTo waits for the newest mail to an address that holds a link, other than the
// ones that were found before, and keeps its path: mail NAME DIR ADDRESS.
func mailTo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: mail NAME DIR ADDRESS")
	}
	deadline := time.Now().Add(storyPatience)
	for time.Now().Before(deadline) {
		files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[1]), "*.eml"))
		ts.Check(err)
		for _, path := range files {
			if address, link := readMail(path); address == args[2] && link != "" && link != ts.Getenv(args[0]+"_LINK") {
				ts.Setenv(args[0], path)
				ts.Setenv(args[0]+"_LINK", link)
				return
			}
		}
		<-time.After(200 * time.Millisecond)
	}
	ts.Fatalf("no mail for %s", args[2])
}

func readMail(path string) (address, link string) {
	f, err := os.Open(path)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	address, link, err = voter.ReadMail(f)
	if err != nil {
		return "", ""
	}
	return address, link
}
