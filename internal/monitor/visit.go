package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
)

// A visitor is what a request says of whoever sends it.
type visitor struct {
	agent, accept, language string
	old                     bool // says nothing of why it asks, as before 2023
	upgrade                 bool // asks for pages to be sent over TLS
	plain                   bool // takes nothing compressed
}

// header returns what a browser says when it opens a page, or fetches a file for one.
func (v visitor) header(page bool) http.Header {
	h := make(http.Header)
	set := func(name, value string) {
		if value != "" {
			h.Set(name, value)
		}
	}
	set("User-Agent", v.agent)
	set("Accept-Language", v.language)
	if v.plain {
		set("Accept-Encoding", "identity")
	}
	accept, site, mode, dest := v.accept, "none", "navigate", "document"
	if !page && v.agent != "" {
		accept, site, mode, dest = "*/*", "same-origin", "cors", "empty"
	}
	set("Accept", accept)
	if v.agent != "" && !v.old {
		set("Sec-Fetch-Site", site)
		set("Sec-Fetch-Mode", mode)
		set("Sec-Fetch-Dest", dest)
	}
	if page && v.upgrade {
		set("Upgrade-Insecure-Requests", "1")
	}
	if page && v.upgrade && !v.old {
		set("Sec-Fetch-User", "?1")
	}
	return h
}

// browsers are some of those with which members come.
var browsers = []visitor{
	{agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
		accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
	{agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 15_8 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Mobile/15E148 Safari/604.1",
		accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", old: true},
	{agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
		accept: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8", upgrade: true},
	{agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
		accept: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8", upgrade: true},
	{agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
		accept: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8", upgrade: true},
	{agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
		accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
	{agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
		accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", upgrade: true},
}

// accepts are the languages that those browsers ask for.
var accepts = []string{
	"", "en-US,en;q=0.9", "en-US,en;q=0.5", "es-US,es;q=0.9,en;q=0.8", "es-MX,es;q=0.9,en-US;q=0.8,en;q=0.7", "zh-CN,zh-Hans;q=0.9",
	"zh-TW,zh;q=0.9,en-US;q=0.8,en;q=0.7", "fil-PH,fil;q=0.9,en-US;q=0.8", "tl,en;q=0.7", "vi-VN,vi;q=0.9,en;q=0.6", "ko-KR,ko;q=0.9,en-US;q=0.8",
	"hi-IN,hi;q=0.9,en;q=0.8", "fa-IR,fa;q=0.9",
}

// stranger returns a visitor whom nobody can foresee.
func stranger() visitor {
	v := browsers[rand.IntN(len(browsers))]
	v.language = accepts[rand.IntN(len(accepts))]
	v.plain = rand.IntN(4) == 0
	return v
}

// An answer is what came back, not compressed.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// maxBody is more than any file of a booth.
const maxBody = 8 << 20

// ask asks the booth.
func (l *look) ask(ctx context.Context, path string, who visitor) (*answer, error) {
	return l.get(ctx, l.r.Booth+path, maxBody, who.header(isPage(path)))
}

// get asks an address. A fault of the service, or that it is too often, is an error:
// it says nothing of what members get.
func (l *look) get(ctx context.Context, address string, limit int64, header http.Header) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := l.client.Do(req)
	if err != nil {
		if u := new(url.Error); errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("asking %s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return nil, fmt.Errorf("%s answers %d", req.URL.Host, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading from %s: %w", req.URL.Host, err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("an answer of %s is too long", req.URL.Host)
	}
	return &answer{resp.StatusCode, resp.Header, body}, nil
}
