// Package monitor looks at the voter's page of an election as a stranger does, and
// compares it with the page that the committee named.
//
// It trusts nothing but a manifest's keys: not the board, which may hide an act, and
// not the booth. It must not make it easy for the booth to tell it from a member who
// opens the page without a link: it sends headers that browsers send, in an order of
// requests and with a language that nobody can foresee, on new connections and without
// cookies. It is no browser: its TLS, the order of its headers and the encodings that it
// takes are those of Go, it asks for all of the files, and from the same address as it
// asks the board. A server that looks at those, or serves one targeted person another
// page, it does not find.
package monitor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// A Config says what to look at.
type Config struct {
	URL string     // of the election's public record
	MID *suite.MID // the election that is meant, or nil
	// Client is for tests; it must not follow redirects. Nil is one that keeps no
	// connection and no cookie.
	Client *http.Client
}

// A Difference is something that is not as the committee named it.
type Difference struct {
	Where string // an address
	Says  string
	// What came, as evidence. Both may be nil.
	Header http.Header
	Body   []byte
}

// A Report is what was found.
type Report struct {
	MID     suite.MID
	Title   string
	Booth   string           // its origin
	Client  *election.Client // the page that the committee named last
	Act     uint32           // the act that named it; 0 is the manifest
	Answers int              // of the booth, that were compared
	// Differences are in the order in which they were found. None is good.
	Differences []Difference
}

// ErrUndeclared is returned for an election whose committee named no page.
var ErrUndeclared = errors.New("the committee named no ballot page, so there is nothing to compare with")

// A look is one comparison under way.
type look struct {
	c      Config
	client *http.Client
	r      *Report
	m      *election.Manifest
}

const patience = 30 * time.Second

// Look compares once. It returns an error if something could not be fetched, which is
// no proof of anything.
func Look(ctx context.Context, c Config) (*Report, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the address of a record looks like https://board.example/ and 32 digits")
	}
	c.URL = strings.TrimRight(c.URL, "/")
	l := &look{c: c, client: c.Client, r: new(Report)}
	if l.client == nil {
		// A connection that is kept would tie the questions together.
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableKeepAlives = true
		l.client = &http.Client{Transport: t, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
	}
	manifest, err := l.manifest(ctx)
	if err != nil || len(l.r.Differences) > 0 {
		return l.r, err
	}
	if ok, err := l.declared(ctx); err != nil || !ok {
		return l.r, err
	}
	files, err := l.listing(ctx)
	if err != nil {
		return l.r, err
	}
	return l.r, l.compare(ctx, manifest, files)
}

// AtBooth reports whether an address, however it was typed, is one of the ballot page,
// which has a manifest as a record has, and nothing else of one.
func AtBooth(address string, o election.Origins) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	return scheme+"://"+strings.TrimSuffix(host, map[string]string{"https": ":443", "http": ":80"}[scheme]) == o.Booth
}

// manifest reads the manifest from the record.
func (l *look) manifest(ctx context.Context) ([]byte, error) {
	raw, err := l.record(ctx)(layout.Manifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, layout.ErrNoManifest
	}
	if err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	if l.m, err = layout.ParseManifest(raw); err != nil {
		return nil, err
	}
	// The ballot page answers with the manifest too, but with no act that named another page.
	if o := l.m.Origins; AtBooth(l.c.URL, o) {
		return nil, fmt.Errorf("%w, but an address of the ballot page: the record is at %s/%s", layout.ErrNoRecord, o.Board, l.m.ElectionID)
	}
	l.r.MID, l.r.Title, l.r.Booth = election.MID(raw), l.m.Title[0], l.m.Origins.Booth
	if l.c.MID != nil && *l.c.MID != l.r.MID {
		l.differs(l.c.URL+"/"+layout.Manifest, nil, "it is not the election that you mean: its digits are %s", l.r.MID)
	}
	return raw, nil
}

// declared finds the page that the committee named last.
func (l *look) declared(ctx context.Context) (bool, error) {
	published, err := l.published(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the record: %w", err)
	}
	client, number, err := InForce(l.m, l.r.MID, published, l.record(ctx))
	if errors.Is(err, ErrRecord) {
		l.differs(l.c.URL, nil, "%v", err)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the record: %w", err)
	}
	if client == nil {
		return false, ErrUndeclared
	}
	l.r.Client, l.r.Act = client, number
	return true, nil
}

// listing fetches the list of the page's files, which is what the committee named by
// its SHA-256. If it is another one, the answers are compared with it all the same:
// that tells an update nobody declared from a page that differs by reader.
func (l *look) listing(ctx context.Context) (map[string]suite.Hash, error) {
	address := l.r.Booth + pathClient
	if l.r.Client.URL != address {
		l.differs(address, nil, "the committee named another address, %s", l.r.Client.URL)
	}
	a, err := l.ask(ctx, pathClient, stranger())
	if err != nil {
		return nil, err
	}
	l.r.Answers++
	if got := suite.Hash(sha256.Sum256(a.body)); a.status != http.StatusOK || got != l.r.Client.SHA256 {
		l.differs(address, a, "it answers %d and has the SHA-256 %s, not %s as the committee named", a.status, got, l.r.Client.SHA256)
	}
	if a.status == http.StatusOK {
		for _, fault := range checkHeader(pathClient, a, l.m.Origins) {
			l.differs(address, a, "%s", fault)
		}
	}
	files, err := parseListing(a.body)
	if err != nil {
		l.differs(address, a, "it is no list of files: %v", err)
	}
	return files, nil
}

// compare asks for every listed file, and for the page as members do whose browsers
// prefer different languages, in an order of its own each time.
func (l *look) compare(ctx context.Context, manifest []byte, files map[string]suite.Hash) error {
	pages := make(map[suite.Hash]bool)
	var steps []func() error
	for path, want := range files {
		if strings.HasPrefix(path, pathPage+"?") {
			pages[want] = true
		}
		steps = append(steps, func() error {
			return l.expect(ctx, path, stranger(), func(got suite.Hash) bool { return got == want })
		})
	}
	for _, path := range []string{pathPage, pathPage + l.m.ElectionID.String()} {
		for _, accept := range accepts {
			who := stranger()
			who.language = accept
			steps = append(steps, func() error {
				return l.expect(ctx, path, who, func(got suite.Hash) bool { return pages[got] })
			})
		}
	}
	steps = append(steps, func() error {
		want := suite.Hash(sha256.Sum256(manifest))
		return l.expect(ctx, pathPage+l.m.ElectionID.String()+"/manifest", stranger(), func(got suite.Hash) bool { return got == want })
	})
	rand.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// expect asks for a path and checks the answer, its header too.
func (l *look) expect(ctx context.Context, path string, who visitor, is func(suite.Hash) bool) error {
	a, err := l.ask(ctx, path, who)
	if err != nil {
		return err
	}
	l.r.Answers++
	where := l.r.Booth + path
	switch got := suite.Hash(sha256.Sum256(a.body)); {
	case a.status != http.StatusOK:
		l.differs(where, a, "it answers %d to a browser that prefers %q", a.status, who.language)
		return nil
	case !is(got):
		l.differs(where, a, "a browser that prefers %q gets something with the SHA-256 %s, which is not listed for it", who.language, got)
	}
	for _, fault := range checkHeader(path, a, l.m.Origins) {
		l.differs(where, a, "%s", fault)
	}
	return nil
}

// differs notes a difference.
func (l *look) differs(where string, a *answer, format string, args ...any) {
	d := Difference{Where: where, Says: fmt.Sprintf(format, args...)}
	if a != nil {
		d.Header, d.Body = a.header, bytes.Clone(a.body)
	}
	l.r.Differences = append(l.r.Differences, d)
}

// record returns what reads a file of the record, [fs.ErrNotExist] if there is none.
func (l *look) record(ctx context.Context) func(path string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		a, err := l.get(ctx, l.c.URL+"/"+path, layout.Limit(path), make(http.Header))
		switch {
		case err != nil:
			return nil, err
		case a.status == http.StatusNotFound:
			return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
		case a.status != http.StatusOK:
			return nil, fmt.Errorf("%s: the board answers %d", path, a.status)
		}
		return a.body, nil
	}
}
