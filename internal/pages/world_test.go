package pages_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"strikevote/internal/pages"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// A world is a site with one election, whose record and content a test writes.
type world struct {
	t        *testing.T
	manifest *election.Manifest
	keys     electiontest.Keys
	mid      suite.MID
	files    map[string][]byte
	content  *pages.Content
	edition  int // its number
	attached map[suite.Hash][]byte
	at       int64
	site     *pages.Site
	handler  http.Handler
}

func newWorld(t *testing.T, opts ...func(*electiontest.Plan)) *world {
	t.Helper()
	w := &world{t: t, files: make(map[string][]byte), attached: make(map[suite.Hash][]byte), edition: 1, at: electiontest.Open + 60}
	w.manifest, w.keys = electiontest.Manifest(t, opts...)
	w.files[layout.Manifest], w.mid = electiontest.Encode(t, w.manifest)
	w.files[layout.Sealing] = electiontest.Sealing(t, w.manifest, w.keys, w.mid)
	w.site = &pages.Site{
		Lookup: func(id suite.ElectionID) (pages.Record, bool) { return record(w.files), id == w.manifest.ElectionID },
		List: func(context.Context) ([]suite.ElectionID, error) {
			return []suite.ElectionID{w.manifest.ElectionID}, nil
		},
		Content: func(context.Context, suite.ElectionID) (pages.Source, error) { return (*source)(w), nil },
		Now:     func() time.Time { return time.Unix(w.at, 0) },
	}
	w.handler = w.site.Handler()
	return w
}

type record map[string][]byte

func (r record) Resource(_ context.Context, path string) ([]byte, error) {
	b, ok := r[path]
	if !ok {
		return nil, pages.ErrNotFound
	}
	return b, nil
}

func (r record) Files(context.Context) ([]string, error) { return slices.Sorted(maps.Keys(r)), nil }

type source world

func (s *source) Edition(_ context.Context, number int) ([]byte, error) {
	if s.content == nil || number > s.edition {
		return nil, pages.ErrNotFound
	}
	return json.Marshal(pages.Edition{Number: cmp.Or(number, s.edition), Stored: time.Unix(electiontest.Open-86400, 0), Content: *s.content})
}

func (s *source) Document(_ context.Context, hash suite.Hash) ([]byte, error) {
	b, ok := s.attached[hash]
	if !ok {
		return nil, pages.ErrNotFound
	}
	return b, nil
}

// publish publishes acts, each as the entry behind the one before. Those that are nil
// are withheld.
func (w *world) publish(acts ...*act.Act) {
	w.t.Helper()
	policy, err := w.manifest.LedgerPolicy()
	if err != nil {
		w.t.Fatal(err)
	}
	var tree tlog.Tree
	tree.Append(tlog.LeafHash(ledger.ManifestEntry(w.mid)))
	for i, a := range acts {
		if a == nil {
			tree.Append(tlog.LeafHash([]byte{byte(i)}))
			continue
		}
		entry := ledger.ActEntry(a.Bytes())
		tree.Append(tlog.LeafHash(entry))
		c := tlog.Checkpoint{Origin: policy.Log.Name(), Size: tree.Size(), Root: tree.Root()}
		note := w.keys.Ledger.Sign(c)
		for _, witness := range w.keys.Witnesses[:policy.Threshold] {
			if note, err = policy.AddCosignature(note, witness.Cosign(c.Text(), time.Unix(w.at, 0))); err != nil {
				w.t.Fatal(err)
			}
		}
		p, err := tlog.Prove(tree.Size(), tree.Size()-1, tree.Reader(), note, entry)
		if err != nil {
			w.t.Fatal(err)
		}
		w.files[layout.Act(i+1)] = p.Bytes()
	}
}

// get asks for a page of the election.
func (w *world) get(path string) *http.Response {
	return w.ask(http.MethodGet, "/e/"+w.manifest.ElectionID.String()+"/"+path)
}

func (w *world) ask(method, target string) *http.Response {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequest(method, target, nil))
	return rec.Result()
}

// page returns the text of a page that has to be there.
func (w *world) page(path string) string {
	w.t.Helper()
	resp := w.get(path)
	body := read(w.t, resp)
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%q: status %d: %s", path, resp.StatusCode, body)
	}
	return body
}

func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(b))
}

// handled is a way to a handler in place of a network.
type handled struct{ http.Handler }

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result(), nil
}
