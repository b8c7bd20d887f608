package browser_test

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/network"
)

// A request is one that a page made.
type request struct {
	method, url, host string
	preflight         bool // a question of the browser's own, whether another origin allows the request
	status            int64
	size              float64 // bytes of head and body as they came over the wire
	body              float64 // bytes of the body, as the head has them
	failed            string
}

// traffic keeps what a page sends and gets. It is safe for concurrent use.
type traffic struct {
	mu    sync.Mutex
	all   map[network.RequestID]*request // guarded by mu
	order []*request                     // guarded by mu
}

func newTraffic() *traffic { return &traffic{all: make(map[network.RequestID]*request)} }

// note listens to the browser.
func (tr *traffic) note(ev any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		u, _ := url.Parse(ev.Request.URL)
		r := &request{method: ev.Request.Method, url: ev.Request.URL, preflight: ev.Request.Method == "OPTIONS"}
		if u != nil {
			r.host = u.Host
		}
		tr.all[ev.RequestID] = r
		tr.order = append(tr.order, r)
	case *network.EventResponseReceived:
		if r := tr.all[ev.RequestID]; r != nil {
			r.status = ev.Response.Status
			for name, value := range ev.Response.Headers {
				if strings.EqualFold(name, "Content-Length") {
					r.body, _ = strconv.ParseFloat(fmt.Sprint(value), 64)
				}
			}
		}
	case *network.EventDataReceived:
		// A script that ends a request once it has read all makes it one that was
		// broken off, whose size is told nowhere else.
		if r := tr.all[ev.RequestID]; r != nil {
			r.size += float64(ev.EncodedDataLength)
		}
	case *network.EventLoadingFinished:
		if r := tr.all[ev.RequestID]; r != nil {
			r.size = ev.EncodedDataLength
		}
	case *network.EventLoadingFailed:
		if r := tr.all[ev.RequestID]; r != nil {
			r.failed = ev.ErrorText
		}
	}
}

// requests returns what the page has asked for so far, over the network.
func (tr *traffic) requests() (list []request) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, r := range tr.order {
		if u, err := url.Parse(r.url); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
			list = append(list, *r)
		}
	}
	return list
}

// list tells of every request, for the message of a failure.
func (tr *traffic) list() (lines []string) {
	for _, r := range tr.requests() {
		lines = append(lines, fmt.Sprintf("%s %s: %d, %.0f bytes %s", r.method, r.url, r.status, r.size, r.failed))
	}
	return lines
}
