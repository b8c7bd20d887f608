package browser_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"strikevote/internal/browser"
)

// auditInBrowser has the page /check verify the record: as it is served, as a file,
// and as a file in which somebody changed a ballot.
func auditInBrowser(t *testing.T, s *stand) {
	p := open(t, sharedChromium(t))
	p.visit(s.page("check"))
	p.says("Anyone can repeat the whole count")
	p.press("Check the record here")
	p.awaitWords("The record holds.")
	p.says(fmt.Sprintf("%d ballots.", simulated+len(s.cast())))
	p.says("Compare them with your mail or a notice board.")
	p.accessible("check, holds")
	p.ownHosts(s)
	// Whoever entered the words has them compared.
	p.visit(s.page("check"))
	words := evaluate[string](p, `document.querySelector(".six").textContent`)
	p.fill(strings.ToUpper(words))
	p.press("Check the record here")
	p.awaitWords("the six check words that you entered: " + words + ".")
	if p.has("Compare them with your mail") {
		t.Error("the reader is to compare once more what was compared")
	}

	whole := fetchRecord(t, s)
	p.visit(s.page("check"))
	p.chooseFile(recordFile(t, whole, ""))
	p.awaitWords("The record holds.")
	for _, name := range []string{"ballots/tile/entries", "ledger/tile/entries", "result"} {
		p.visit(s.page("check"))
		p.chooseFile(recordFile(t, whole, name))
		p.awaitWords("The record is false.")
		p.accessible("check, false")
	}
	p.visit(s.page("check"))
	p.chooseFile(textFile(t))
	p.awaitWords("The record could not be read.")
	browser.Report(t, "the page /check finds the record true, as served and as a file, and false with one byte of ballots, ledger or result changed")
}

func fetchRecord(t *testing.T, s *stand) []byte {
	t.Helper()
	r, err := http.Get(s.page("record.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("fetching the record: status %d, %v", r.StatusCode, err)
	}
	return b
}

// recordFile writes a record into a file, with one byte changed in the first part of
// it whose name begins so, if any is named.
func recordFile(t *testing.T, whole []byte, change string) string {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, changed := zip.NewWriter(&out), change == ""
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if !changed && strings.Contains(f.Name, change) && len(body) > 0 {
			body[len(body)/2] ^= 1
			changed = true
		}
		to, err := w.Create(f.Name)
		if err == nil {
			_, err = to.Write(body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || !changed {
		t.Fatalf("the record has no part %q (%v)", change, err)
	}
	return writeFile(t, "record.zip", out.Bytes())
}

func textFile(t *testing.T) string { return writeFile(t, "other.zip", []byte("no record")) }

func writeFile(t *testing.T, name string, body []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// chooseFile chooses a file in the page's only field for one.
func (p *Page) chooseFile(path string) {
	p.t.Helper()
	p.wait("the field for a file", `document.querySelector("input[type=file]").getClientRects().length`)
	p.must("choosing a file", chromedp.Do(p.ctx, chromedp.SetUploadFiles(chromedp.CSS("input[type=file]"), []string{path})))
}
