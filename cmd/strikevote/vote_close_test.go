package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/token"
	"strikevote/internal/voter"
)

// A killer is the network of a program that is killed at a request.
type killer struct {
	path string
	kill context.CancelFunc
}

func (k killer) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, k.path) {
		k.kill()
	}
	return http.DefaultTransport.RoundTrip(r)
}

// interrupted leaves a ballot behind that was under way when the program was killed
// at a request.
func (h *hall) interrupted(state, link, path string) {
	h.t.Helper()
	ctx, kill := context.WithCancel(h.t.Context())
	defer kill()
	s, err := voter.Open(ctx, &http.Client{Transport: killer{path, kill}}, link, voter.FileFor(state, link))
	h.must(err)
	h.must(s.Seal([]uint8{1}, ""))
	if err := s.Finish(ctx, ""); !errors.Is(err, context.Canceled) {
		h.t.Fatalf("it lived on: %v", err)
	}
}

// TestMovedClose votes while the close is another than the manifest's, and comes
// too late: nobody is asked to choose for nothing.
func TestMovedClose(t *testing.T) {
	t.Parallel()
	h, p, state := newHall(t), &person{t}, t.TempDir()
	link := func(i uint32) string { l, _ := h.show(token.KindMember, 1, i); return l }
	if got := p.command(exitOK, "1\nyes\n", "vote", "-state", state, link(0)); strings.Contains(got, "has moved the close") {
		t.Errorf("the close was not moved:\n%s", got)
	}
	h.act(act.KindExtend, act.Extend{Close: electiontest.Close + 900}.Bytes())
	moved := "The committee has moved the close: voting closes " + moment(electiontest.Close+900) + "."
	says := func(want string, args ...string) {
		t.Helper()
		got := p.command(exitOK, "1\nyes\n", append([]string{"vote", "-state", state}, args...)...)
		has(t, got, want)
		if strings.Contains(got, moment(electiontest.Close)) || strings.Count(strings.ToLower(got), "voting closes")+strings.Count(got, "Voting has closed") != 1 {
			t.Errorf("%v: it does not say once when voting closes:\n%s", args, got)
		}
	}
	says(moved, "-forget", link(4))
	says(moved, link(1))
	says(moved, link(1))
	says(moved, "-find", link(1))
	h.mute.Store(true) // a booth that does not know
	has(t, p.command(exitOK, "", "vote", "-state", state, "-find", link(1)), "Voting closes "+moment(electiontest.Close)+", unless the committee moves the close.")
	h.mute.Store(false)
	h.tick(electiontest.Close + 900)
	got := p.command(exitFailed, "1\nyes\n", "vote", "-state", state, link(2))
	has(t, got, "voting has closed, on "+moment(electiontest.Close+900)+". Nothing was cast")
	for _, late := range []string{"Your choice", "Tracker", "-forget"} {
		if strings.Contains(got, late) {
			t.Errorf("after the close it says %q:\n%s", late, got)
		}
	}
	says("Voting has closed, on "+moment(electiontest.Close+900)+".", "-find", link(1))
	has(t, p.command(exitOK, "", "vote", "-state", state, "-find", link(1)), "is received")
	has(t, p.command(exitOK, "", "vote", "-state", state, link(1)), "You have voted")
}

// TestForget erases what is kept at every stage. A ballot that was issued and can
// still be cast is not erased by a mere yes.
func TestForget(t *testing.T) {
	t.Parallel()
	h := newHall(t, func(m *election.Manifest) { m.Schedule.Grace = 120 })
	p, state := &person{t}, t.TempDir()
	link := func(i uint32) string { l, _ := h.show(token.KindMember, 1, i); return l }
	forget := func(code int, typed, link string, more ...string) string {
		return p.command(code, typed, append(append([]string{"vote", "-state", state, "-forget"}, more...), link)...)
	}
	issued, lost, sealed := link(0), link(1), link(2)
	has(t, forget(exitOK, "", issued), "keeps nothing of this link")
	h.interrupted(state, issued, "/ballots")
	h.interrupted(state, lost, "/ballots")
	h.interrupted(state, sealed, "/issue")
	has(t, forget(exitFailed, "no\n", sealed), "you can choose again", "nothing was erased")

	for _, phase := range []int64{electiontest.Open, electiontest.Close} {
		h.tick(phase)
		for _, typed := range []string{"yes\n", ""} {
			has(t, forget(exitFailed, typed, issued, "-yes"), "cannot vote in this election any more", "nothing was erased")
		}
	}
	// In the grace what was issued is cast, and what was not is over.
	has(t, p.command(exitOK, "", "vote", "-state", state, "-yes", issued),
		"A ballot that was issued before can still be cast until "+moment(electiontest.Close+120)+".", "Your ballot is received")
	has(t, forget(exitOK, "yes\n", issued), "the box's promise", "keeps nothing of this link any more")
	has(t, forget(exitOK, "erase my ballot\n", lost), "keeps nothing of this link any more")
	has(t, p.command(exitFailed, "", "vote", "-state", state, "-yes", sealed), "voting has closed", "run the same command with -forget")
	has(t, forget(exitOK, "", sealed, "-yes"), "cannot be cast any more", "keeps nothing of this link any more")
	if left, err := os.ReadDir(state); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestPlainly: a member reads which service does not answer, and no address.
func TestPlainly(t *testing.T) {
	t.Parallel()
	err := plainly(errors.Join(&voter.AwayError{Service: "the ballot box"}))
	if err.Error() != "The ballot box does not answer now. Nothing is lost; run this again." {
		t.Errorf("got %q", err)
	}
	other := errors.New("another")
	if plainly(other) != other || plainly(nil) != nil {
		t.Error("another error was changed")
	}
}
