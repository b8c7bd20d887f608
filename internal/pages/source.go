package pages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"path"
	"runtime"
	"strconv"
	"strings"
	"weak"

	"github.com/go-chi/chi/v5"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/suite"
)

// Limits of what is stored of one election.
const (
	maxEdition  = 2 << 20  // all texts together, as JSON
	maxDocument = 20 << 20 // one file
)

// A Source is where the content of an election comes from. It must be safe for
// concurrent use.
type Source interface {
	// Edition returns an edition as JSON, the newest for number 0, or [ErrNotFound].
	Edition(ctx context.Context, number int) ([]byte, error)
	// Document returns a file that some edition names, or [ErrNotFound].
	Document(ctx context.Context, hash suite.Hash) ([]byte, error)
}

// edition reads the newest edition of an election's content.
func (s *Site) edition(ctx context.Context, id suite.ElectionID) (*Edition, error) {
	source, err := s.source(ctx, id)
	if err != nil {
		return nil, err
	}
	b, err := source.Edition(ctx, 0)
	if err != nil {
		return nil, err
	}
	return parseEdition(b)
}

func parseEdition(b []byte) (*Edition, error) {
	e := new(Edition)
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fmt.Errorf("reading what the union wrote: %w", err)
	}
	return e, nil
}

func (s *Site) source(ctx context.Context, id suite.ElectionID) (Source, error) {
	if s.Content == nil {
		return nil, ErrNotFound
	}
	return s.Content(ctx, id)
}

// getContent serves an edition to programs: to a board in another process, and to
// whoever keeps what was shown when.
func (s *Site) getContent(w http.ResponseWriter, r *http.Request) error {
	id, err := s.find(r)
	if err != nil {
		return err
	}
	source, err := s.source(r.Context(), id)
	if err != nil {
		return err
	}
	number := 0
	if text := chi.URLParam(r, "number"); text != "" {
		if number, err = strconv.Atoi(text); err != nil || number < 1 || number > math.MaxInt32 || strconv.Itoa(number) != text {
			return ErrNotFound
		}
	}
	b, err := source.Edition(r.Context(), number)
	if err != nil {
		return err
	}
	e, err := parseEdition(b)
	if err != nil {
		return err
	}
	newest := e
	if number > 0 {
		if newest, err = s.edition(r.Context(), id); err != nil {
			return err
		}
	}
	if len(newest.Withdrawn) > 0 {
		if b, err = json.Marshal(e.shown(newest.Withdrawn)); err != nil {
			return err
		}
	}
	// What is withdrawn tomorrow must not be in caches for a year.
	w.Header().Set("Cache-Control", brief)
	web.WritePacked(w, r, http.StatusOK, "application/json", b)
	return nil
}

// getBytes serves a file of any edition by its SHA-256.
func (s *Site) getBytes(w http.ResponseWriter, r *http.Request) error {
	id, err := s.find(r)
	if err != nil {
		return err
	}
	var hash suite.Hash
	if err := suite.UnmarshalHex(hash[:], []byte(chi.URLParam(r, "hash"))); err != nil {
		return ErrNotFound
	}
	newest, err := s.edition(r.Context(), id)
	if err != nil {
		return err
	}
	if newest.withheld(hash) {
		return ErrNotFound
	}
	return s.send(w, r, id, hash, "application/octet-stream", "document")
}

// getDocument serves a file that the newest edition names.
func (s *Site) getDocument(w http.ResponseWriter, r *http.Request) error {
	id, err := s.find(r)
	if err != nil {
		return err
	}
	f, err := s.facts(r.Context(), id)
	if err != nil {
		return err
	}
	for _, d := range f.Edition.Content.Documents {
		if d.File == chi.URLParam(r, "name") {
			return s.send(w, r, id, d.SHA256, kindOf(d.File), d.File)
		}
	}
	return ErrNotFound
}

// send answers with a document. It came from outside, perhaps from the other side of
// the table: no browser may run anything of it at this origin, whatever it takes it
// for, so it is saved rather than shown.
func (s *Site) send(w http.ResponseWriter, r *http.Request, id suite.ElectionID, hash suite.Hash, kind, name string) error {
	source, err := s.source(r.Context(), id)
	if err != nil {
		return err
	}
	b, err := s.lend(r.Context(), source, document{id, hash})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", brief)
	_, _ = w.Write(*b) // the reader went away
	// While somebody still reads it nobody else reads it from the database.
	runtime.KeepAlive(b)
	return nil
}

// A document is a file of an election.
type document struct {
	election suite.ElectionID
	hash     suite.Hash
}

// lend returns a document, the same memory to all who are being sent it: it has up to
// [maxDocument] bytes, and a crowd on slow phones, each with a copy of its own, would
// take all memory of the service. When the last of them has it, it is forgotten. One is
// read at a time.
func (s *Site) lend(ctx context.Context, source Source, d document) (*[]byte, error) {
	if b := s.lentOut(d); b != nil {
		return b, nil
	}
	select {
	case s.lending <- struct{}{}:
		defer func() { <-s.lending }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if b := s.lentOut(d); b != nil {
		return b, nil
	}
	body, err := source.Document(ctx, d.hash)
	if err != nil {
		return nil, err
	}
	b := &body
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lent == nil {
		s.lent = make(map[document]weak.Pointer[[]byte])
	}
	s.lent[d] = weak.Make(b)
	return b, nil
}

func (s *Site) lentOut(d document) *[]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lent[d].Value()
}

// kinds are the files that may be among the documents. A page, a picture that can hold
// a script and a program are not.
var kinds = map[string]string{
	".pdf":  "application/pdf",
	".txt":  "text/plain; charset=utf-8",
	".csv":  "text/csv; charset=utf-8",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".odt":  "application/vnd.oasis.opendocument.text",
	".png":  "image/png",
	".jpg":  "image/jpeg",
}

func kindOf(name string) string { return kinds[strings.ToLower(path.Ext(name))] }

// Remote returns the content that another process of the service serves at an address.
func Remote(client *http.Client, origin string, id suite.ElectionID) Source {
	return remote{client, origin + "/e/" + id.String() + "/content"}
}

type remote struct {
	client *http.Client
	base   string
}

func (s remote) Edition(ctx context.Context, number int) ([]byte, error) {
	address := s.base
	if number > 0 {
		address += "/" + strconv.Itoa(number)
	}
	return s.ask(ctx, address, maxEdition)
}

func (s remote) Document(ctx context.Context, hash suite.Hash) ([]byte, error) {
	return s.ask(ctx, s.base+"/files/"+hash.String(), maxDocument)
}

func (s remote) ask(ctx context.Context, address string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for what the union wrote: %w", err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking for what the union wrote: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("asking for what the union wrote: %w", err)
	case resp.StatusCode == http.StatusNotFound:
		return nil, ErrNotFound
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("asking for what the union wrote: the other process answers %d", resp.StatusCode)
	case int64(len(b)) > limit:
		return nil, errors.New("asking for what the union wrote: the answer is longer than any should be")
	}
	return b, nil
}

// ContentHandler serves what [Remote] asks for, and nothing else. It is for the
// process that has the database.
func (s *Site) ContentHandler() http.Handler {
	r := web.NewRouter(web.Chain(web.Config{Log: s.Log})...)
	s.routeContent(r)
	r.Get("/e/{election}/turnout.json", s.handle(s.getTurnout))
	return r
}

func (s *Site) routeContent(r chi.Router) {
	s.lending = make(chan struct{}, 1)
	r.Get("/e/{election}/content", s.handle(s.getContent))
	r.Get("/e/{election}/content/{number}", s.handle(s.getContent))
	r.Get("/e/{election}/content/files/{hash}", s.handle(s.getBytes))
}
