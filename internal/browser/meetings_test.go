package browser_test

import (
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// meetings lets a test stand between a page and the service: it may lose a request
// or an answer, or change one. It is safe for concurrent use.
type meetings struct {
	p    *Page
	mu   sync.Mutex
	list []*meeting // guarded by mu
}

// A meeting is a standing order for requests.
type meeting struct {
	part   string // of the address
	answer bool   // meet the answer rather than the request
	left   int    // how many more; negative: all
	met    chan struct{}
	do     func(*exchange)
}

// An exchange is a request, or its answer, that a test holds in its hand.
type exchange struct {
	p  *Page
	ev *fetch.EventRequestPaused
}

// atRequest has a function deal with the next n requests whose address has a part,
// before they leave. It returns a channel that gets a value for each.
func (p *Page) atRequest(part string, n int, do func(*exchange)) <-chan struct{} {
	p.t.Helper()
	return p.stand(&meeting{part: part, left: n, do: do})
}

// atAnswer does the same with answers before the page sees them.
func (p *Page) atAnswer(part string, n int, do func(*exchange)) <-chan struct{} {
	p.t.Helper()
	return p.stand(&meeting{part: part, left: n, answer: true, do: do})
}

func (p *Page) stand(m *meeting) <-chan struct{} {
	p.t.Helper()
	m.met = make(chan struct{}, 1000)
	p.meet.mu.Lock()
	first := len(p.meet.list) == 0
	p.meet.list = append(p.meet.list, m)
	p.meet.mu.Unlock()
	if first {
		call(p, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{
			{URLPattern: "*", RequestStage: fetch.RequestStageRequest}, {URLPattern: "*", RequestStage: fetch.RequestStageResponse}}})
	}
	return m.met
}

// leave ends all standing orders.
func (p *Page) leave() {
	p.t.Helper()
	p.meet.mu.Lock()
	p.meet.list = nil
	p.meet.mu.Unlock()
	call(p, fetch.Disable, cdp.Empty{})
}

// note listens to the browser.
func (s *meetings) note(ev any) {
	paused, ok := ev.(*fetch.EventRequestPaused)
	if !ok {
		return
	}
	x := &exchange{p: s.p, ev: paused}
	m := s.pick(paused)
	// The browser waits for this function, and an answer is a command to it.
	go func() {
		if m == nil {
			x.pass()
			return
		}
		m.do(x)
		m.met <- struct{}{}
	}()
}

func (s *meetings) pick(ev *fetch.EventRequestPaused) *meeting {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := ev.ResponseStatusCode != 0 || ev.ResponseErrorReason != ""
	for _, m := range s.list {
		if m.answer == answer && m.left != 0 && strings.Contains(ev.Request.URL, m.part) && ev.Request.Method != "OPTIONS" {
			m.left--
			return m
		}
	}
	return nil
}

// pass lets it go on unchanged. A page that was closed meanwhile has no use for it,
// so that errors do not count; nor do they below.
func (x *exchange) pass() {
	_, _ = chromedp.Call(x.p.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: x.ev.RequestID})
}

// lose breaks the connection.
func (x *exchange) lose() {
	_, _ = chromedp.Call(x.p.ctx, fetch.FailRequest, fetch.FailRequestParams{
		RequestID: x.ev.RequestID, ErrorReason: network.ErrorReasonConnectionReset})
}

// body returns the body of an answer.
func (x *exchange) body() []byte {
	b, err := chromedp.Call(x.p.ctx, fetch.GetResponseBody, fetch.GetResponseBodyParams{RequestID: x.ev.RequestID})
	if err != nil {
		x.p.t.Errorf("reading an answer: %v", err)
	}
	return b.Body
}

// give puts another answer in the place of this one; its headers stay.
func (x *exchange) give(status int64, body []byte) { x.fulfil(status, body, "", "") }

// head gives the answer with another value of one header, none if it is empty.
func (x *exchange) head(name, value string) { x.fulfil(x.ev.ResponseStatusCode, x.body(), name, value) }

func (x *exchange) fulfil(status int64, body []byte, name, value string) {
	var headers []*fetch.HeaderEntry
	for _, h := range x.ev.ResponseHeaders {
		if n := strings.ToLower(h.Name); n != "content-encoding" && n != "content-length" && n != strings.ToLower(name) {
			headers = append(headers, h)
		}
	}
	if value != "" {
		headers = append(headers, &fetch.HeaderEntry{Name: name, Value: value})
	}
	_, _ = chromedp.Call(x.p.ctx, fetch.FulfillRequest, fetch.FulfillRequestParams{
		RequestID: x.ev.RequestID, ResponseCode: status, ResponseHeaders: headers, Body: body})
}

// change gives the answer with another body.
func (x *exchange) change(how func([]byte) []byte) { x.give(x.ev.ResponseStatusCode, how(x.body())) }
