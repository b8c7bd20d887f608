package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"strikevote/internal/protocol/suite"
)

// plainLines is a log for a person who watches a witness: one sentence a line
// and the time, in place of JSON.
type plainLines struct {
	w     io.Writer
	mu    *sync.Mutex // shared by all that With made
	attrs []slog.Attr
}

// Enabled reports that what is at least information is shown.
func (*plainLines) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle writes one line.
func (h *plainLines) Handle(_ context.Context, r slog.Record) error {
	values := make(map[string]string)
	var more []string
	note := func(a slog.Attr) bool {
		// Errors of both logs stand below each other.
		text := strings.Map(printable, strings.ReplaceAll(a.Value.String(), "\n", "; "))
		values[a.Key] = text
		more = append(more, a.Key+" "+text)
		return true
	}
	for _, a := range h.attrs {
		note(a)
	}
	r.Attrs(note)
	what := strings.Map(printable, r.Message)
	switch {
	case r.Message == "cosigned":
		what = fmt.Sprintf("signed: %s, %s", values["log"], entries(values["size"]))
	case values["err"] != "" && len(more) == 1:
		what += ": " + values["err"]
	case len(more) > 0:
		what += " (" + strings.Join(more, ", ") + ")"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := fmt.Fprintf(h.w, "%s, %s\n", what, r.Time.Format("15:04:05"))
	return err
}

// WithAttrs returns a handler that adds attributes to every line.
func (h *plainLines) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &plainLines{h.w, h.mu, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup returns the same handler: a line for a person has no nesting.
func (h *plainLines) WithGroup(string) slog.Handler { return h }

func entries(n string) string {
	if n == "1" {
		return "1 entry"
	}
	return n + " entries"
}

// printable keeps what a board answers from writing over the screen.
func printable(r rune) rune {
	if r == '\n' || r == '\t' {
		return ' '
	}
	if suite.Invisible(r) {
		return '?'
	}
	return r
}
