package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// Limits on what is asked of a web server.
const (
	webSlots    = 8 // requests at a time
	webTries    = 5
	webTimeout  = time.Minute // for one answer
	webBackoff  = 250 * time.Millisecond
	webRedirect = 5
)

// A web is a record on a web server. Files are fetched when they are opened,
// with GET and nothing else. It is safe for concurrent use.
type web struct {
	ctx    context.Context // of Open: an fs.FS has no other way to be told
	base   *url.URL
	client *http.Client
	slots  chan struct{}
	wait   func(ctx context.Context, d time.Duration) error
}

var _ layout.Remote = (*web)(nil)

func openWeb(ctx context.Context, source string) (*web, error) {
	base, err := url.Parse(strings.TrimRight(source, "/"))
	if err != nil {
		return nil, err
	}
	if base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the address of a record is a host and a path, nothing else")
	}
	// Members have the address of its pages, below which there is no record.
	if head, id := path.Split(base.Path); strings.HasSuffix(head, "/e/") {
		if _, err := suite.ParseElectionID(id); err == nil {
			base.Path = strings.TrimSuffix(head, "e/") + id
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// A compressed answer can be a bomb, and a record does not compress.
	transport.DisableCompression = true
	transport.MaxIdleConnsPerHost = webSlots
	return &web{
		ctx:    ctx,
		base:   base,
		client: &http.Client{Transport: transport, CheckRedirect: sameHost, Timeout: webTimeout},
		slots:  make(chan struct{}, webSlots),
		wait:   wait,
	}, nil
}

// errRedirect is not tried again.
var errRedirect = errors.New("redirected to another host")

// sameHost lets a redirect stay where it is, so that whoever controls the
// record's host cannot make the reader ask other hosts, such as those that
// only the reader can reach.
func sameHost(req *http.Request, via []*http.Request) error {
	if req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
		return errRedirect
	}
	if len(via) >= webRedirect {
		return errRedirect
	}
	return nil
}

// Remote says that the files cannot be listed.
func (w *web) Remote() {}

// Close lets go of idle connections.
func (w *web) Close() error {
	w.client.CloseIdleConnections()
	return nil
}

// Open fetches a file. A file that is not there is [fs.ErrNotExist]; one that
// is larger than [layout.Limit] is [layout.ErrTooLarge].
func (w *web) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) || name == "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	b, err := w.fetch(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &webFile{name: name, size: int64(len(b)), r: bytes.NewReader(b)}, nil
}

// fetch tries a few times, with growing pauses, so that a busy server is not
// mistaken for a record with holes and is not made busier.
func (w *web) fetch(name string) ([]byte, error) {
	for try := 0; ; try++ {
		b, again, err := w.get(name)
		if err == nil || !again || try+1 == webTries {
			return b, err
		}
		pause := webBackoff << try
		if err := w.wait(w.ctx, pause/2+rand.N(pause)); err != nil {
			return nil, err
		}
	}
}

// get asks once. It reports whether asking again may help.
func (w *web) get(name string) (b []byte, again bool, err error) {
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-w.ctx.Done():
		return nil, false, w.ctx.Err()
	}
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, w.base.JoinPath(name).String(), nil)
	if err != nil {
		return nil, false, err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, w.ctx.Err() == nil && !errors.Is(err, errRedirect), err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK:
		return body(resp, layout.Limit(name), w.ctx)
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusGone:
		if withheld(resp) {
			return nil, false, layout.ErrNotLocked
		}
		return nil, false, fs.ErrNotExist
	}
	again = resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests
	return nil, again, fmt.Errorf("the server answers %d", resp.StatusCode)
}

// withheld reports whether a board says that a file comes later.
func withheld(resp *http.Response) bool {
	var said struct {
		Error string `json:"error"`
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 4<<10)).Decode(&said) == nil && said.Error == "withheld"
}

func body(resp *http.Response, limit int64, ctx context.Context) (b []byte, again bool, err error) {
	b, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, ctx.Err() == nil, err
	}
	if int64(len(b)) > limit {
		return nil, false, layout.ErrTooLarge
	}
	return b, false, nil
}

// wait sleeps until d has passed or the context ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A webFile is a file that was fetched.
type webFile struct {
	name string
	size int64
	r    *bytes.Reader
}

func (f *webFile) Read(b []byte) (int, error) { return f.r.Read(b) }
func (f *webFile) Close() error               { return nil }
func (f *webFile) Stat() (fs.FileInfo, error) { return webInfo{f.name, f.size}, nil }

type webInfo struct {
	name string
	size int64
}

func (i webInfo) Name() string       { return i.name[strings.LastIndexByte(i.name, '/')+1:] }
func (i webInfo) Size() int64        { return i.size }
func (i webInfo) Mode() fs.FileMode  { return 0o444 }
func (i webInfo) ModTime() time.Time { return time.Time{} }
func (i webInfo) IsDir() bool        { return false }
func (i webInfo) Sys() any           { return nil }
