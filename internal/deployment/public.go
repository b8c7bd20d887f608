package deployment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/board"
	"strikevote/internal/committee"
	"strikevote/internal/pages"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
	"strikevote/internal/registrar"
	"strikevote/migrations"
)

// publicKeep is how long the public pages show what was read of an election: a
// moment, in which a crowd is served by one reading.
const publicKeep = time.Second

// publicHandler serves the board's origin: the record as files, and below /e/ the
// pages that people read.
func (d *Deployment) publicHandler() http.Handler {
	return below(d.pages().Handler(), d.boardHandler(layout.Ledger, layout.Ballots))
}

// ledgerHandler serves the ledger's half of the record, and the content of the public
// pages, to a board in another process.
func (d *Deployment) ledgerHandler() http.Handler {
	return below(d.pages().ContentHandler(), d.boardHandler(layout.Ledger))
}

// below serves what begins with /e/ by the first handler. No election's number does.
func below(e, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/e" || strings.HasPrefix(r.URL.Path, "/e/") {
			e.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// pages returns what serves the public pages.
func (d *Deployment) pages() *pages.Site {
	return &pages.Site{
		Lookup: func(id suite.ElectionID) (pages.Record, bool) {
			if d.names() && d.running(id) == nil {
				return nil, false // not sealed
			}
			ledger := d.half(id, layout.Ledger)
			if ledger == nil {
				return nil, false
			}
			return published{board.Join(ledger, d.half(id, layout.Ballots)), ledger}, true
		},
		List:    d.list,
		Content: d.content,
		Turnout: d.turnout,
		Zone:    d.Zone,
		Keep:    publicKeep,
		Address: d.c.Front.Proxies.Client,
		Log:     d.c.Log,
		Now:     d.c.Now,
	}
}

// published is a record as the pages see it.
type published struct {
	board.Whole
	ledger board.Half
}

func (p published) Resource(ctx context.Context, path string) ([]byte, error) {
	b, err := p.Whole.Resource(ctx, path)
	return b, absentPage(err)
}

// Files lists what both halves publish; while the box's does not answer, what the
// ledger's does. Nearly all that a page says stands there.
func (p published) Files(ctx context.Context) ([]string, error) {
	list, err := p.Whole.Files(ctx)
	if err != nil {
		list, err = p.ledger.Files(ctx)
	}
	return list, absentPage(err)
}

func absentPage(err error) error {
	if errors.Is(err, board.ErrNotFound) {
		return pages.ErrNotFound
	}
	return err
}

// content returns where the content of an election's pages comes from: this process's
// database, or the process that has the ledger's half.
func (d *Deployment) content(_ context.Context, id suite.ElectionID) (pages.Source, error) {
	switch e := d.running(id); {
	case e != nil && d.names():
		return e.content, nil
	case d.names() || d.c.Upstream.Ledger == "":
		return nil, pages.ErrNotFound
	}
	return pages.Remote(d.client, d.c.Upstream.Ledger, id), nil
}

// Content returns what the union wrote for the public pages of an election, as it is
// shown now; empty where nothing was stored.
func (d *Deployment) Content(ctx context.Context, id suite.ElectionID) (*pages.Edition, error) {
	store, closes, err := d.contentStore(ctx, id)
	if err != nil {
		return nil, err
	}
	defer closes()
	return store.Newest(ctx)
}

// CompleteContent fills in what the settings need not say again: the zone of the
// election, which a board on another host cannot look up, and that two lists were
// compared, which the committee has signed.
func (d *Deployment) CompleteContent(ctx context.Context, id suite.ElectionID, c *pages.Content) error {
	// The name of this machine's zone says nothing elsewhere.
	if zone := d.Zone(id).String(); c.Zone == "" && zone != "Local" {
		c.Zone = zone
	}
	if c.Compared != nil {
		return nil
	}
	body, signed, err := d.committee.Declaration(ctx, id)
	if errors.Is(err, committee.ErrNotYet) {
		return nil // a demo has none
	}
	if err != nil {
		return err
	}
	declaration, err := agenda.ParseDeclaration(body)
	if err != nil {
		return err
	}
	list, err := election.ParseSignatures(signed)
	if err != nil {
		return err
	}
	draft, err := d.committee.Draft(ctx, id)
	if err != nil {
		return err
	}
	var names []string
	for _, s := range list.Signatures {
		names = append(names, draft.Committee.Members[s.Member].Name)
	}
	zone := d.Zone(id)
	if c.Zone != "" {
		if zone, err = time.LoadLocation(c.Zone); err != nil {
			return err
		}
	}
	date := time.Unix(declaration.DeclaredAt, 0).In(zone).Format(time.DateOnly)
	c.Compared = &pages.Compared{Names: strings.Join(names, ", "), Date: date}
	return nil
}

// StoreContent shows what the union wrote from now on, and keeps what was shown before.
func (d *Deployment) StoreContent(ctx context.Context, id suite.ElectionID, f *pages.Folder) (*pages.Edition, error) {
	store, closes, err := d.contentStore(ctx, id)
	if err != nil {
		return nil, err
	}
	defer closes()
	e, err := store.Add(ctx, f, d.c.Now())
	if err != nil {
		return nil, err
	}
	return e, d.committee.Note(ctx, id, "operator", fmt.Sprintf("showed edition %d of the public pages", e.Number))
}

// WithdrawContent takes back what was shown: from now on nobody is given it. Without do it
// only returns what would be shown then.
func (d *Deployment) WithdrawContent(ctx context.Context, id suite.ElectionID, names []string, by string, do bool) (*pages.Edition, error) {
	store, closes, err := d.contentStore(ctx, id)
	if err != nil {
		return nil, err
	}
	defer closes()
	// The names of files may be about people.
	done := func(edition int) string {
		return fmt.Sprintf("withdrew from the public pages, in edition %d: %d of their parts", edition, len(names))
	}
	if err := committee.CheckNote(by, done(0)); do && err != nil {
		return nil, err
	}
	e, err := store.Withdraw(ctx, names, d.c.Now(), do)
	if err != nil || !do {
		return e, err
	}
	return e, d.committee.Note(ctx, id, by, done(e.Number))
}

// contentStore opens the database in which content is stored: also that of a draft, so
// that the pages are there when the election is sealed.
func (d *Deployment) contentStore(ctx context.Context, id suite.ElectionID) (*pages.Store, func(), error) {
	pool, err := openSide(ctx, d.servers.registrar, id, migrations.Registrar)
	if err != nil {
		return nil, nil, err
	}
	return pages.NewStore(pool), pool.Close, nil
}

// Pages is where people read about an election.
func (d *Deployment) Pages(id suite.ElectionID) string {
	return d.origins.Board + "/e/" + id.String() + "/"
}

// turnout returns what everybody may know of how many ballots were issued: what the
// registrar here made for this, or what the process that has the ledger's half serves.
func (d *Deployment) turnout(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	if e := d.running(id); e != nil && d.names() {
		b, err := e.registrar.Turnout(ctx)
		if errors.Is(err, registrar.ErrNotYet) {
			return nil, pages.ErrNotFound
		}
		return b, err
	}
	if d.names() || d.c.Upstream.Ledger == "" {
		return nil, pages.ErrNotFound
	}
	return pages.RemoteTurnout(d.client, d.c.Upstream.Ledger)(ctx, id)
}
