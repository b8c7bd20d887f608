package deployment

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strikevote/internal/audit"
	"strikevote/internal/pages"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/record"
	"strikevote/internal/registrar"
)

// public is the address of a public page of the election.
func (w *world) public(path string) string {
	return w.d.Origins().Board + "/e/" + w.id.String() + "/" + path
}

// testPublic reads what everybody reads at the end: the pages, every ballot by its
// tracker, the record in one file, and the turnout from a board in another process.
func testPublic(t *testing.T, w *world) {
	for _, path := range []string{"", "box", "turnout", "result", "certificate", "result.csv"} {
		if a := w.ask(t, w.public(path), "", nil); a.status != http.StatusOK {
			t.Errorf("%q: got %d", path, a.status)
		}
	}
	if a := w.ask(t, w.public("certificate"), "", nil); !strings.Contains(a.body, w.d.running(w.id).manifest.Program) {
		t.Error("the certificate is not shown")
	}
	for _, id := range w.voted {
		form := url.Values{"tracker": {receipt.Tracker(id)}}.Encode()
		a := w.ask(t, w.public("box"), "application/x-www-form-urlencoded", []byte(form))
		if a.status != http.StatusOK || !strings.Contains(a.body, `data-state="found">`) {
			t.Errorf("a ballot that is in the log is not found: %d", a.status)
		}
	}
	file := filepath.Join(folder(t), "record.zip")
	if err := os.WriteFile(file, []byte(w.ask(t, w.public("record.zip"), "", nil).body), 0o600); err != nil {
		t.Fatal(err)
	}
	fsys, closer, err := record.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	if report, err := audit.Verify(t.Context(), fsys, audit.Options{MID: &w.mid}); err != nil || report.Fault() != "" {
		t.Errorf("the record in one file: %v, %s", err, report.Fault())
	}
	w.turnout(t)
}

// turnout compares what the registrar tells with what a board in another process
// tells.
func (w *world) turnout(t *testing.T) {
	t.Helper()
	here, err := w.d.turnout(t.Context(), w.id)
	if err != nil {
		t.Fatal(err)
	}
	told := new(registrar.Turnout)
	if err := json.Unmarshal(here, told); err != nil || !told.Final {
		t.Errorf("the last numbers: %v, %+v", err, told)
	}
	ledger := httptest.NewServer(w.d.ledgerHandler())
	defer ledger.Close()
	board := &Deployment{c: Config{Parts: []Part{PartBoard}, Upstream: Upstream{Ledger: ledger.URL}}, client: ledger.Client()}
	if far, err := board.turnout(t.Context(), w.id); err != nil || string(far) != string(here) {
		t.Errorf("a board in another process tells %s, %v", far, err)
	}
	board.c.Upstream.Ledger = ""
	if _, err := board.turnout(t.Context(), w.id); !errors.Is(err, pages.ErrNotFound) {
		t.Errorf("a board that can ask nobody: %v", err)
	}
}
