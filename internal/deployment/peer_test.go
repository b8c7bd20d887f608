package deployment

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"strikevote/internal/board"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// TestHalf asks each process for an election that it does not have. The half that
// is its own it must not ask of anybody: that one would ask this one, and both
// would go on for ever.
func TestHalf(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.NotFound(w, nil)
	}))
	defer other.Close()
	all := election.Origins{Booth: other.URL, Registrar: other.URL, Box: other.URL, Board: other.URL, Console: other.URL}
	up := Upstream{Ledger: other.URL, Ballots: other.URL, Box: other.URL}
	for _, tt := range []struct {
		parts []Part
		up    Upstream
		half  string
		asks  int64
	}{
		{[]Part{PartBox}, up, layout.Ballots, 0},
		{[]Part{PartBox}, up, layout.Ledger, 1},
		{[]Part{PartRegistrar}, up, layout.Ledger, 0},
		{[]Part{PartConsole}, up, layout.Ledger, 0},
		{[]Part{PartRegistrar}, up, layout.Ballots, 1},
		{[]Part{PartRegistrar}, Upstream{}, layout.Ballots, 1}, // of the board
		{[]Part{PartBooth}, Upstream{}, layout.Ledger, 1},
		{[]Part{PartBoard}, up, layout.Ledger, 1},
		{[]Part{PartBoard}, Upstream{}, layout.Ledger, 0}, // the board is this process
		{[]Part{PartBoard, PartRegistrar}, Upstream{}, layout.Ballots, 0},
		{Parts(), up, layout.Ledger, 0},
		{Parts(), up, layout.Ballots, 0},
	} {
		t.Run(fmt.Sprint(tt.parts, tt.half, tt.up.Ledger != ""), func(t *testing.T) {
			d := &Deployment{c: Config{Parts: tt.parts, Upstream: tt.up}, origins: all, client: other.Client()}
			before := asked.Load()
			if _, err := d.resource(t.Context(), suite.ElectionID{1}, tt.half, layout.Manifest); !errors.Is(err, board.ErrNotFound) {
				t.Errorf("got %v", err)
			}
			if n := asked.Load() - before; n != tt.asks {
				t.Errorf("asked %d times, want %d", n, tt.asks)
			}
		})
	}
}
