package witness_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/witness"
)

// TestClocks sets the witness's clock apart from the board's. It says so once,
// and signs nothing that the board would not take; once the clock is right it
// goes on at once.
func TestClocks(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.date = time.Unix(electiontest.Open, 0)
	var said bytes.Buffer
	c := b.config()
	c.Log = slog.New(slog.NewTextHandler(&said, nil))
	w, err := witness.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	size, posted := int64(1), 0
	for _, tt := range []struct {
		ahead int64 // seconds
		age   string
		want  error
		says  string
	}{
		{ahead: 0},
		{ahead: 60},
		{ahead: 61, says: "apart"},
		{ahead: 300},
		{ahead: 301, want: witness.ErrAhead},
		{ahead: 1 << 40, want: witness.ErrAhead},
		{ahead: -30, says: "agree again"},
		{ahead: -300, says: "apart"},
		{ahead: -301, want: witness.ErrBehind},
		{ahead: -3600, want: witness.ErrBehind},
		{ahead: 0, says: "agree again"},
		{ahead: 301, age: "-900000000000000000", want: witness.ErrAhead, says: "apart"},
		{ahead: 3902, age: "900000000000000000", want: witness.ErrAhead},
		{ahead: 1, age: "x", says: "agree again"},
		{ahead: 3600, want: witness.ErrAhead, says: "apart"},
		{ahead: 3600, age: "3599", says: "agree again"},
	} {
		size++
		b.show("ballots", b.tree(size), size)
		b.age = tt.age
		b.clock.Store(electiontest.Open + tt.ahead)
		said.Reset()
		err := w.Poll(t.Context())
		if !errors.Is(err, tt.want) {
			t.Errorf("%d ahead: got %v", tt.ahead, err)
		}
		if err == nil {
			posted++
		}
		lines := b.posted("ballots")
		if len(lines) != posted {
			t.Fatalf("%d ahead: %d lines were posted, want %d", tt.ahead, len(lines), posted)
		}
		if err == nil {
			if at := b.checkLine("ballots", lines[posted-1]); tt.age == "" && (at > electiontest.Open+300 || at < electiontest.Open-300) {
				t.Errorf("%d ahead: signed at %d", tt.ahead, at)
			}
		}
		if got := strings.Contains(said.String(), "board's"); got != (tt.says != "") || !strings.Contains(said.String(), tt.says) {
			t.Errorf("%d ahead: said %q, want %q", tt.ahead, &said, tt.says)
		}
	}
}

// TestRefusedAhead is told by the board that its moment has not come: the
// operator reads what to do.
func TestRefusedAhead(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	w := b.open()
	b.refuse = `{"error":"ahead","message":"The time in this cosignature has not come yet."}`
	if err := w.Poll(t.Context()); !errors.Is(err, witness.ErrAhead) {
		t.Errorf("got %v", err)
	}
}
