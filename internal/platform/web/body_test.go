package web_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/platform/web"
)

// gated is a body that says when its reader has come to its end, and keeps it there.
type gated struct {
	io.Reader
	arrived *sync.WaitGroup
	once    sync.Once
	open    chan struct{}
}

func (g *gated) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		g.once.Do(g.arrived.Done)
		<-g.open
	}
	return n, err
}

// held sends many bodies, each of which is kept back before its end, and then one
// more of each size. It returns the answers to those, and to the others. Each is
// read to its end, or refused, before the next one is sent: of those that are read
// side by side the half-read ones take room from each other, and fewer are taken.
func held(t *testing.T, c web.Config, many, size int, then ...int) (more, all []*httptest.ResponseRecorder) {
	t.Helper()
	r := web.NewRouter(web.Chain(c)...)
	r.Post("/", web.Endpoints{}.Handle(func(w http.ResponseWriter, r *http.Request) error {
		_, err := web.ReadBody(r, 1<<20)
		return err
	}))
	var done sync.WaitGroup
	open := make(chan struct{})
	send := func(body io.Reader) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest("POST", "/", body))
		return w
	}
	all = make([]*httptest.ResponseRecorder, many)
	for i := range many {
		var arrived sync.WaitGroup
		arrived.Add(1)
		body := &gated{Reader: bytes.NewReader(make([]byte, size)), arrived: &arrived, open: open}
		done.Go(func() {
			all[i] = send(body)
			body.once.Do(arrived.Done) // refused before its end
		})
		arrived.Wait()
	}
	for _, n := range then {
		more = append(more, send(bytes.NewReader(make([]byte, n))))
	}
	close(open)
	done.Wait()
	again := send(bytes.NewReader(make([]byte, size)))
	return append(more, again), all
}

// TestHeldBodies keeps ten long bodies in memory where there is room for three. A
// short one passes all the same, and a long one does when the others are gone. The
// negative control has room for all.
func TestHeldBodies(t *testing.T) {
	t.Parallel()
	const size, free = 100_000, 16 << 10
	count := func(all []*httptest.ResponseRecorder) (taken, busy int) {
		for _, w := range all {
			switch {
			case w.Code == http.StatusOK:
				taken++
			case w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") != "" && w.Header().Get("Connection") == "close" &&
				strings.Contains(w.Body.String(), `"busy"`):
				busy++
			}
		}
		return taken, busy
	}
	more, all := held(t, web.Config{Body: 1 << 20, Held: 3 * (size - free)}, 10, size, free, size)
	if taken, busy := count(all); taken != 3 || busy != 7 {
		t.Errorf("%d taken, %d busy, want 3 and 7", taken, busy)
	}
	for i, want := range []int{200, 503, 200} {
		if more[i].Code != want {
			t.Errorf("body %d after them: got %d, want %d", i, more[i].Code, want)
		}
	}
	if more, all = held(t, web.Config{Body: 1 << 20}, 10, size, size); more[0].Code != 200 {
		t.Errorf("negative control: got %d", more[0].Code)
	} else if taken, _ := count(all); taken != 10 {
		t.Errorf("negative control: %d taken", taken)
	}
}
