package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// TestSession lets the scripts of the voter's page vote in a real election: with
// replies that are lost, tabs that are closed, services that lie. What they say
// happened is held against the record.
func TestSession(t *testing.T) {
	t.Parallel()
	w := newElection(t, Options{Members: 60, Turnout: 0.05, Seed: 11, Out: filepath.Join(t.TempDir(), "record")})
	v := startVoters(t, w)
	w.steps(t, w.prepare, w.addLate, w.vote)
	var said struct {
		Voted          []suite.BallotID
		Envelope, Lost suite.BallotID
	}
	v.ask(t, given(t, w), &said)
	w.steps(t, func(ctx context.Context) error {
		accept, err := w.d.Decision(ctx, w.id, []suite.BallotID{said.Envelope}, nil)
		if err != nil {
			return err
		}
		return w.act(ctx, act.KindDecide, accept.Bytes())
	}, w.closePolls, w.awaitRecord)
	v.ask(t, struct{}{}, &struct{}{})
	w.steps(t, w.openTotals, w.certify)
	report, err := w.audit(t.Context())
	if err != nil || !report.Verified {
		t.Fatalf("the record does not hold: %v", err)
	}
	const simulated = 3 // 5 of 100 of the members
	if want := uint64(simulated + len(said.Voted) + 1); report.Ballots != want || report.Issued != want {
		t.Errorf("%d ballots and %d issued; %d were cast and one was issued and not cast", report.Ballots, report.Issued, want)
	}
	in := ballotsIn(t, w.o.Out, w.manifest.Options())
	for _, id := range append(said.Voted, said.Envelope) {
		if in[id] != 1 {
			t.Errorf("a ballot is %d times in the log", in[id])
		}
	}
	if uint64(len(in)) != report.Ballots || in[said.Lost] != 0 {
		t.Errorf("%d ballots in the log, %d of them one that was never cast", len(in), in[said.Lost])
	}
}

// newElection starts the service of an election that nobody has prepared yet.
func newElection(t *testing.T, o Options) *World {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	defaults(&o)
	w := &World{o: o}
	members, err := w.readRoll()
	if err == nil {
		err = w.holdBack(members)
	}
	if err == nil {
		err = w.start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *World) steps(t *testing.T, steps ...func(context.Context) error) {
	t.Helper()
	for _, step := range steps {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitRecord waits until the witness has signed for the last entries.
func (w *World) awaitRecord(ctx context.Context) error {
	return until(ctx, "the locked record", func(ctx context.Context) (bool, error) { return w.d.Ready(ctx, w.id) })
}

// given is what the voters are told.
func given(t *testing.T, w *World) map[string]any {
	t.Helper()
	letters, err := ReadLetters(w.Mail())
	if err != nil {
		t.Fatal(err)
	}
	var links []string
	for _, l := range letters {
		if slices.Contains(w.unused, l.Path) {
			links = append(links, l.Link)
		}
	}
	mail, err := os.ReadFile(w.unused[0])
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`\b(?:[0-9A-Z]{4}-){5}[0-9A-Z]\b`).FindString(string(mail))
	if code == "" {
		t.Fatal("no code in a mail")
	}
	// The one with the code votes by it, and not by the link as well.
	for _, l := range letters {
		if l.Path == w.unused[0] {
			links = slices.DeleteFunc(links, func(link string) bool { return link == l.Link })
		}
	}
	words, err := filepath.Abs("../protocol/election/words.txt")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"booth": w.Origins().Booth, "links": links, "code": code, "election": w.id, "words": words, "six": election.SixWords(w.mid),
	}
}

// ballotsIn counts the ballots of a record's log, which is one bundle long.
func ballotsIn(t *testing.T, dir string, options []int) map[suite.BallotID]int {
	t.Helper()
	bundles, err := filepath.Glob(filepath.Join(dir, "ballots", "tile", "entries", "000.p", "*"))
	if err != nil || len(bundles) != 1 {
		t.Fatalf("bundles: %v, %v", bundles, err)
	}
	width, err := strconv.Atoi(filepath.Base(bundles[0]))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(bundles[0])
	if err != nil {
		t.Fatal(err)
	}
	entries, err := tlog.DecodeBundle(b, width)
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[suite.BallotID]int)
	for _, entry := range entries {
		parsed, err := ledger.ParseBallots(entry)
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := parsed.(ledger.Ballot); ok {
			body, _, err := ballot.ParseCast(b.Cast, options)
			if err != nil {
				t.Fatal(err)
			}
			count[suite.BallotID(suite.H("ballot-id", body))]++
		}
	}
	return count
}

// voters is the script test/live.mjs, running.
type voters struct {
	in  io.Writer
	out *bufio.Reader
	err *strings.Builder
}

func startVoters(t *testing.T, w *World) *voters {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing; install it by: deploy/dependencies.sh test")
	}
	v := &voters{err: new(strings.Builder)}
	cmd := exec.CommandContext(t.Context(), path, "live.mjs")
	cmd.Dir = filepath.FromSlash("../../templates/assets/test")
	cmd.Stderr = v.err
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	v.in, v.out = in, bufio.NewReader(out)
	return v
}

// ask sends a line and reads one.
func (v *voters) ask(t *testing.T, question, answer any) {
	t.Helper()
	if err := json.NewEncoder(v.in).Encode(question); err != nil {
		t.Fatalf("asking: %v\n%s", err, v.err)
	}
	line, err := v.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("no answer: %v\n%s", err, v.err)
	}
	if err := json.Unmarshal(line, answer); err != nil {
		t.Fatal(fmt.Errorf("reading %q: %w", line, err))
	}
}
