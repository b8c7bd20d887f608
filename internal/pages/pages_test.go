package pages_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/pages"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// TestPhases walks through what the first page says in its bold line.
func TestPhases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	extend := w.keys.Act(w.mid, act.KindExtend, 2, act.Extend{Close: electiontest.Close + 3600}.Bytes())
	for _, tt := range []struct {
		name string
		do   func()
		want string
	}{
		{"before", func() { w.at = electiontest.Open - 1 }, "<strong>Voting opens <time"},
		{"open", func() { w.at = electiontest.Open }, "<strong>Voting is open.</strong> It closes <time"},
		{"extended, with an act before it withheld", func() { w.publish(nil, extend) }, "<strong>Voting now closes <time"},
		{"still open", func() { w.at = electiontest.Close + 1 }, "Voting is open."},
		{"closed", func() { w.at = electiontest.Close + 3601 }, "<strong>Voting has closed.</strong>"},
		{"locked", func() { w.files[layout.StatementBox] = nil }, "The totals are not open yet."},
		{"opened", func() { w.files[layout.Result] = nil }, "not yet certified."},
		{"certified", func() { w.files[layout.Certification] = nil }, "The result is certified."},
	} {
		tt.do()
		if got := w.page(""); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s is not in %s", tt.name, tt.want, got)
		}
	}
	w = newWorld(t)
	w.publish(w.keys.Act(w.mid, act.KindCancel, 1, act.Cancel{}.Bytes()))
	if got := w.page(""); !strings.Contains(got, "This vote was cancelled.") || strings.Contains(got, "Vote with my link") {
		t.Errorf("cancelled: got %s", got)
	}
}

// TestDown asks while the record cannot be read: what was read before is shown, and
// nothing of the fault.
func TestDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lookup := w.site.Lookup
	down := false
	w.site.Lookup = func(id suite.ElectionID) (pages.Record, bool) {
		r, ok := lookup(id)
		if down {
			r = broken{}
		}
		return r, ok
	}
	w.handler = w.site.Handler()
	down = true
	resp := w.get("")
	if body := read(t, resp); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || strings.Contains(body, "disk") || !strings.Contains(body, "This page cannot be shown now") {
		t.Errorf("got %d, %s", resp.StatusCode, body)
	}
	down = false
	w.page("")
	down = true
	if body := w.page(""); !strings.Contains(body, "Voting is open.") {
		t.Errorf("got %s", body)
	}
}

// TestDownCrowd asks while the record takes its time to fail: whoever waited for that
// shows what was read before, and does not wait for it once more.
func TestDownCrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lookup, down := w.site.Lookup, new(atomic.Bool)
	hanging := &hangs{asked: make(chan struct{}, 100), fail: make(chan struct{})}
	w.site.Lookup = func(id suite.ElectionID) (pages.Record, bool) {
		r, ok := lookup(id)
		if down.Load() {
			r = hanging
		}
		return r, ok
	}
	w.site.Keep = time.Minute
	w.handler = w.site.Handler()
	w.page("")
	w.site.Age(w.manifest.ElectionID)
	down.Store(true)
	const crowd = 5
	var all sync.WaitGroup
	for range crowd {
		all.Go(func() {
			if resp := w.get(""); resp.StatusCode != 200 {
				t.Errorf("got %d", resp.StatusCode)
			}
		})
	}
	<-hanging.asked
	close(hanging.fail)
	all.Wait()
	if n := len(hanging.asked); n != 0 {
		t.Errorf("%d more waited for it to fail", n)
	}
}

// hangs fails only when it is told to.
type hangs struct{ asked, fail chan struct{} }

func (h *hangs) Resource(context.Context, string) ([]byte, error) {
	h.asked <- struct{}{}
	<-h.fail
	return nil, errors.New("the disk")
}
func (h *hangs) Files(context.Context) ([]string, error) { return nil, errors.New("the disk") }

type broken struct{}

func (broken) Resource(context.Context, string) ([]byte, error) { return nil, errors.New("the disk") }
func (broken) Files(context.Context) ([]string, error)          { return nil, errors.New("the disk") }

// TestKept lets no cache say that voting is open when it has closed.
func TestKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for at, want := range map[int64]string{
		electiontest.Open - 100: "public, max-age=30", electiontest.Open - 7: "public, max-age=7", electiontest.Open: "public, max-age=30",
		electiontest.Open + 1: "public, max-age=30", electiontest.Close - 30: "public, max-age=30", electiontest.Close - 29: "public, max-age=29",
	} {
		w.at = at
		if got := w.get("").Header.Get("Cache-Control"); got != want {
			t.Errorf("at %d: got %s, want %s", at, got, want)
		}
	}
}

// TestEarlier leads to what was shown before, as data.
func TestEarlier(t *testing.T) {
	t.Parallel()
	w := newWorld(t).sampled()
	if body := w.page("view"); !strings.Contains(body, "Shown in these words since") || strings.Contains(body, "What was shown before") {
		t.Errorf("the first edition: got %s", body)
	}
	w.edition = 3
	body := w.page("view")
	for _, n := range []string{"1", "2"} {
		if !strings.Contains(body, `/content/`+n+`"`) {
			t.Errorf("nothing leads to edition %s: %s", n, body)
		}
		if resp := w.get("content/" + n); resp.StatusCode != 200 || !strings.Contains(read(t, resp), `"number":`+n) {
			t.Errorf("edition %s: got %d", n, resp.StatusCode)
		}
	}
	w.edition = 200
	if n := strings.Count(w.page("view"), "/content/"); n != 50 {
		t.Errorf("%d editions are listed", n)
	}
}

// TestBoxAsks lets the page that looks for a tracker ask the box, and no other page.
func TestBoxAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.manifest.Origins
	for path, want := range map[string]string{"": "'self';", "box": "'self' " + o.Box + ";", "box?lang=ko": "'self' " + o.Box + ";", "result": "'self';"} {
		resp := w.get(path)
		if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "; connect-src "+want) {
			t.Errorf("%q: got %s", path, policy)
		}
		if at := `data-box="` + o.Box + "/v1/" + w.manifest.ElectionID.String() + `/find"`; strings.Contains(read(t, resp), at) != strings.HasPrefix(path, "box") {
			t.Errorf("%q: %s is missing, or there", path, at)
		}
	}
}
