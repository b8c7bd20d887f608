package board

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle []byte

var (
	pages = template.Must(template.New("board").Option("missingkey=error").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(pageStyle) },
	}).Parse(pageText))
	pagePolicy = web.Inline(nil, [][]byte{pageStyle})()
)

// An indexPage lists elections.
type indexPage struct {
	Elections []titled
}

type titled struct {
	ID        string
	Title     string
	Lang      string
	Demo      bool
	Rehearsal bool
}

func title(id suite.ElectionID, m *election.Manifest) titled {
	return titled{id.String(), m.Title[0], m.Languages[0], m.Demo, m.Rehearsal}
}

// An electionPage says what of an election is here and how to check it.
type electionPage struct {
	titled
	State    string
	Open     string
	Close    string
	Moved    string // the close in force, where it is another one
	Words    string
	MID      string
	URL      string
	Withheld bool
	// Cancelled is set where an act says so.
	Cancelled bool
	Files     []string
	Logs      []logPage
}

type logPage struct {
	Name string
	Size int64
	Path string
}

func (s *Site) getIndex(w http.ResponseWriter, r *http.Request) error {
	ids, err := s.list(r.Context())
	if err != nil {
		return err
	}
	var p indexPage
	for _, id := range ids {
		ledger, ballots, ok := s.Lookup(id)
		if !ok {
			continue
		}
		m, _, err := (halves{id, ledger, ballots}).manifest(r.Context())
		if errors.Is(err, ErrNotFound) {
			continue // not published yet
		}
		if err != nil {
			return err
		}
		p.Elections = append(p.Elections, title(id, m))
	}
	return render(w, "index", p)
}

func (s *Site) list(ctx context.Context) ([]suite.ElectionID, error) {
	if s.List == nil {
		return nil, ErrNotFound
	}
	return s.List(ctx)
}

// getElections lists the elections for programs, such as a board that runs apart.
func (s *Site) getElections(w http.ResponseWriter, r *http.Request) error {
	ids, err := s.list(r.Context())
	if err != nil {
		return err
	}
	list := []string{}
	for _, id := range ids {
		list = append(list, id.String())
	}
	w.Header().Set("Cache-Control", brief)
	web.WriteJSON(w, http.StatusOK, list)
	return nil
}

func (s *Site) getElection(w http.ResponseWriter, r *http.Request) error {
	e, err := s.find(r)
	if err != nil {
		return err
	}
	p, err := e.page(r.Context())
	if err != nil {
		return err
	}
	return render(w, "election", p)
}

// page collects what the page of an election says.
func (e halves) page(ctx context.Context) (*electionPage, error) {
	m, mid, err := e.manifest(ctx)
	if err != nil {
		return nil, err
	}
	p := &electionPage{
		titled: title(e.id, m),
		Open:   moment(m.Schedule.Open),
		Close:  moment(m.Schedule.Close),
		Words:  election.SixWords(mid), MID: mid.String(),
		// From the manifest, never from the request's Host.
		URL: m.Origins.Board + "/" + e.id.String(),
	}
	if p.Files, err = e.files(ctx); err != nil {
		return nil, err
	}
	// The statement says that the ledger is final, from where its entries are
	// public.
	p.Withheld = !slices.Contains(p.Files, layout.StatementRegistrar)
	for _, name := range []string{layout.Ledger, layout.Ballots} {
		size, err := e.size(ctx, name)
		if err != nil {
			return nil, err
		}
		p.Logs = append(p.Logs, logPage{name, size, layout.Checkpoint(name)})
	}
	p.State = state(p.Files)
	// An act that cannot be read takes the page from nobody: it says then that the acts
	// are below, and a close that it did not work out it does not tell.
	if acts, err := e.acts(ctx, m, mid, p.Files); err == nil {
		p.Cancelled = acts.Cancelled
		if acts.Close != m.Schedule.Close {
			p.Moved = moment(acts.Close)
		}
	}
	return p, nil
}

// acts applies the acts that are published. Those that change a roll or decide on an
// envelope are withheld until the lock (SPEC 9), so that there may be gaps.
func (e halves) acts(ctx context.Context, m *election.Manifest, mid suite.MID, files []string) (*act.State, error) {
	s := act.NewState(m, mid)
	for _, path := range files {
		if !strings.HasPrefix(path, "acts/") {
			continue
		}
		b, err := e.resource(ctx, path)
		if err != nil {
			return nil, err
		}
		p, err := tlog.ParseProof(b)
		if err != nil {
			return nil, err
		}
		entry, err := ledger.ParseLedger(p.Extra)
		if err != nil {
			return nil, err
		}
		a, ok := entry.(ledger.Act)
		if !ok {
			return nil, errors.New("it is the proof of another kind of entry")
		}
		s.Skip(a.Act.Sequence)
		if err := s.Apply(a.Act); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// size returns the size of a log's newest checkpoint, 0 if there is none here.
func (e halves) size(ctx context.Context, name string) (int64, error) {
	note, err := e.resource(ctx, layout.Checkpoint(name))
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	text, _, _ := bytes.Cut(note, []byte("\n\n"))
	c, err := tlog.ParseCheckpointText(string(text) + "\n")
	return c.Size, err
}

// state says how far the election has come, by what is published.
func state(files []string) string {
	has := func(path string) bool { return slices.Contains(files, path) }
	switch {
	case has(layout.Certificate):
		return "The result is certified."
	case has(layout.Result):
		return "The result is opened, and not yet certified."
	case has(layout.StatementBox):
		return "Voting has ended. No ballot can be added any more."
	}
	return "The election has not ended."
}

func (e halves) manifest(ctx context.Context) (*election.Manifest, suite.MID, error) {
	b, err := e.resource(ctx, layout.Manifest)
	if err != nil {
		return nil, suite.MID{}, err
	}
	m, err := election.Parse(b)
	return m, election.MID(b), err
}

func moment(unix int64) string { return time.Unix(unix, 0).UTC().Format("2 January 2006, 15:04 UTC") }

// render writes a page, or nothing at all if it cannot be made.
func render(w http.ResponseWriter, name string, page any) error {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, page); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Cache-Control", brief)
	_, _ = w.Write(b.Bytes()) // the reader went away
	return nil
}
