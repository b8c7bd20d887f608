package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/fstest"

	"strikevote/internal/audit/audittest"
	"strikevote/internal/record/layout"
)

// TestVerifyBegun verifies an election that is sealed and in which nobody has
// voted yet, and the same files in a folder.
func TestVerifyBegun(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, audittest.Options{Stage: layout.Locked, Ballots: 4})
	files[layout.Checkpoint(layout.Ledger)] = files[layout.FirstCheckpoint(layout.Ledger)]
	server := httptest.NewServer(http.FileServerFS(fstest.MapFS(files)))
	t.Cleanup(server.Close)
	p := &person{t}
	has(t, p.command(exitFailed, "", "verify", server.URL), "the election is not locked yet: its record is published, and can be checked, when voting has ended")
	dir := t.TempDir()
	if err := os.CopyFS(dir, fstest.MapFS(files)); err != nil {
		t.Fatal(err)
	}
	has(t, p.command(exitFalse, "", "verify", dir), "THE RECORD DOES NOT HOLD", "a log of 1 entries cannot be")
}
