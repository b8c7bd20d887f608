package board

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

//go:embed page.html
var pageText string

var pages = template.Must(template.New("board").Option("missingkey=error").Parse(pageText))

// An indexPage lists elections.
type indexPage struct {
	Elections []titled
}

type titled struct {
	ID    string
	Title string
	Lang  string
}

// An electionPage says what of an election is here and how to check it.
type electionPage struct {
	titled
	Demo      bool
	Rehearsal bool
	State     string
	Open      string
	Close     string
	Words     string
	MID       string
	URL       string
	Withheld  bool
	Files     []string
	Logs      []logPage
}

type logPage struct {
	Name string
	Size int64
	Path string
}

func (s *Site) getIndex(w http.ResponseWriter, r *http.Request) error {
	if s.List == nil {
		return ErrNotFound
	}
	var p indexPage
	for _, id := range s.List() {
		ledger, ballots, ok := s.Lookup(id)
		if !ok {
			continue
		}
		m, _, err := (logs{id, ledger, ballots}).manifest(r.Context())
		if errors.Is(err, ErrNotFound) {
			continue // not published yet
		}
		if err != nil {
			return err
		}
		p.Elections = append(p.Elections, titled{id.String(), m.Title[0], m.Languages[0]})
	}
	return render(w, "index", p)
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
func (e logs) page(ctx context.Context) (*electionPage, error) {
	m, mid, err := e.manifest(ctx)
	if err != nil {
		return nil, err
	}
	p := &electionPage{
		titled: titled{e.id.String(), m.Title[0], m.Languages[0]},
		Demo:   m.Demo, Rehearsal: m.Rehearsal,
		Open:  moment(m.Schedule.Open),
		Close: moment(m.Schedule.Close),
		Words: election.SixWords(mid), MID: mid.String(),
		// From the manifest, never from the request's Host.
		URL: m.Origins.Board + "/" + e.id.String(),
	}
	for _, l := range []*Log{e.ledger, e.ballots} {
		list, err := l.Files(ctx)
		if err != nil {
			return nil, err
		}
		p.Files = append(p.Files, list...)
	}
	slices.Sort(p.Files)
	p.Files = slices.Compact(p.Files)
	if p.Withheld, err = e.ledger.withheld(ctx, true); err != nil {
		return nil, err
	}
	for _, name := range []string{layout.Ledger, layout.Ballots} {
		l, _ := e.named(name)
		h, err := l.Head(ctx)
		if err != nil {
			return nil, err
		}
		p.Logs = append(p.Logs, logPage{name, h.Size, layout.Checkpoint(name)})
	}
	p.State, err = e.state(ctx, p.Files)
	return p, err
}

// state says how far the election has come, by what is published.
func (e logs) state(ctx context.Context, files []string) (string, error) {
	has := func(path string) bool { return slices.Contains(files, path) }
	ended, err := e.ballots.Final(ctx)
	if err != nil {
		return "", err
	}
	switch {
	case has(layout.Certificate):
		return "The result is certified.", nil
	case has(layout.Result):
		return "The result is opened, and not yet certified.", nil
	case ended:
		return "Voting has ended. No ballot can be added any more.", nil
	}
	return "The election has not ended.", nil
}

func (e logs) manifest(ctx context.Context) (*election.Manifest, suite.MID, error) {
	b, err := e.file(ctx, layout.Manifest)
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
	w.Header().Set("Cache-Control", brief)
	_, _ = w.Write(b.Bytes()) // the reader went away
	return nil
}
