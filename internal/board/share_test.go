package board_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"strikevote/internal/board"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// A slow writer is a client that reads nothing before it is let go on.
type slow struct {
	*httptest.ResponseRecorder
	holds   chan<- *byte // where the bytes are that it is to read
	release <-chan struct{}
}

func (s slow) Write(b []byte) (int, error) {
	s.holds <- &b[0]
	<-s.release
	return s.ResponseRecorder.Write(b)
}

// TestSlowReaders keeps many answers back at once: those of one path share their
// bytes. The negative control is what there is to share without the handler, where
// each has its own.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	ledger, ballots := newFixture(t), newFixture(t)
	for _, f := range []*fixture{ledger, ballots} {
		f.mustAppend(t, f.first())
		f.mustSign(t)
	}
	ballots.mustAppend(t, entries(1, 300)...)
	ballots.mustSign(t)
	half := board.Local(layout.Ballots, ballots.Log)
	id := suite.ElectionID{1}
	h := (&board.Site{Lookup: func(suite.ElectionID) (board.Half, board.Half, bool) {
		return board.Local(layout.Ledger, ledger.Log), half, true
	}}).Handler()
	paths := []string{"ballots/tile/entries/000", "ballots/tile/0/000", "ballots/checkpoint"}
	for range 2 { // the second time nobody holds anything
		const each = 20
		var readers sync.WaitGroup
		release, held := make(chan struct{}), make([]chan *byte, len(paths))
		for i, path := range paths {
			held[i] = make(chan *byte, each)
			for range each {
				w := slow{httptest.NewRecorder(), held[i], release}
				readers.Go(func() {
					h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/%s/%s", id, path), nil))
					if w.Code != http.StatusOK {
						t.Errorf("%s: got %d", path, w.Code)
					}
				})
			}
		}
		copies := 0
		for i := range paths {
			different := make(map[*byte]bool)
			for range each {
				different[<-held[i]] = true
			}
			copies += len(different)
		}
		close(release)
		readers.Wait()
		if copies != len(paths) {
			t.Errorf("%d readers of %d paths hold %d copies", each*len(paths), len(paths), copies)
		}
	}
	one, err := half.Resource(t.Context(), paths[0])
	if err != nil {
		t.Fatal(err)
	}
	two, err := half.Resource(t.Context(), paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if &one[0] == &two[0] {
		t.Error("negative control: two reads of one file have the same bytes already")
	}
}

// TestSharedChanged lets a checkpoint change while somebody reads the old one slowly.
func TestSharedChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mustAppend(t, f.first())
	f.mustSign(t)
	id := suite.ElectionID{1}
	h := (&board.Site{Lookup: func(suite.ElectionID) (board.Half, board.Half, bool) {
		return nil, board.Local(layout.Ballots, f.Log), true
	}}).Handler()
	ask := func(w http.ResponseWriter) {
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/%s/ballots/checkpoint", id), nil))
	}
	holds, release := make(chan *byte), make(chan struct{})
	old := slow{httptest.NewRecorder(), holds, release}
	var reader sync.WaitGroup
	reader.Go(func() { ask(old) })
	<-holds
	f.mustAppend(t, entries(1, 3)...)
	note := f.mustSign(t)
	w := httptest.NewRecorder()
	if ask(w); w.Body.String() != string(note) {
		t.Errorf("got %q, want %q", w.Body, note)
	}
	close(release)
	reader.Wait()
	if old.Body.String() == string(note) || old.Code != http.StatusOK {
		t.Errorf("the old reader got %d, %q", old.Code, old.Body)
	}
}
