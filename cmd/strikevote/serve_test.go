package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestServeStopped stops a service that starts for the first time, before it does anything
// and while it makes its databases.
func TestServeStopped(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for _, made := range []string{"", "postgres/*/initdb-*"} {
		ctx, cancel := context.WithCancel(t.Context())
		if made == "" {
			cancel()
		}
		var out, errs bytes.Buffer
		ended := make(chan int, 1)
		go func() {
			ended <- run(ctx, &env{in: strings.NewReader(""), out: &out, err: &errs, getenv: func(string) string { return "" }},
				[]string{"serve", "-v=false", "-data", data})
		}()
		code := -1
		for code < 0 {
			if there, _ := filepath.Glob(filepath.Join(data, made)); len(there) > 0 {
				cancel()
			}
			select {
			case code = <-ended:
			case <-time.After(time.Millisecond):
			}
		}
		cancel()
		if code != exitOK || out.String() != "stopped\n" || errs.Len() > 0 {
			t.Errorf("stopped at %q: exit %d, %q, %q", made, code, &out, &errs)
		}
	}
}
