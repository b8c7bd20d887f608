package torture_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A sample is a valid request to one of the services.
type sample struct {
	service string // whose listener it goes to
	addr    string
	route   string // how the table calls it
	method  string
	target  string // path and query
	kind    string // of the body
	body    []byte
}

// newSample makes one of an address, in which the election is written as E.
func newSample(service, method, address, election, kind string, body []byte) sample {
	u, err := url.Parse(strings.ReplaceAll(address, "/E", "/"+election))
	if err != nil {
		panic("torture: " + err.Error())
	}
	return sample{service, u.Host, service + " " + method + " " + strings.ReplaceAll(u.Path, election, "E"), method, u.RequestURI(), kind, body}
}

// samples keep what a client sends, as one request of each route. It is safe for
// concurrent use.
type samples struct {
	election string
	services map[string]string // by address

	mu   sync.Mutex
	seen map[string]sample
}

func (s *samples) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	x := newSample(s.services[r.URL.Host], r.Method, r.URL.String(), s.election, r.Header.Get("Content-Type"), body)
	s.mu.Lock()
	s.seen[x.route] = x
	s.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// bytes writes the request as it is on the wire.
func (s sample) bytes() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", s.method, s.target, s.addr)
	if s.kind != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\n", s.kind)
	}
	if s.method == http.MethodPost {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(s.body))
	}
	b.WriteString("\r\n")
	b.Write(s.body)
	return b.Bytes()
}

// How a shot ended, where it was not with a status.
const (
	hung   = -1 // neither answered nor ended
	closed = -2 // ended without an answer
	marred = -3 // answered with what is not HTTP
	bare   = -4 // answered with a status that has none of the service's headers
)

var ends = map[int]string{hung: "hung", closed: "closed", marred: "no HTTP", bare: "bare"}

// answerTime is how long a shot may stay unanswered. No limit of the service is
// longer, but for those who read slowly.
const answerTime = 30 * time.Second

// whole returns how many requests bytes hold, if that is all they hold. For one that
// is cut off the service waits, until it learns that nothing more comes.
func whole(raw []byte) (n int, ok bool) {
	for r := bufio.NewReader(bytes.NewReader(raw)); ; n++ {
		if _, err := r.Peek(1); err != nil {
			return n, n > 0
		}
		q, err := http.ReadRequest(r)
		if err != nil {
			return n, false
		}
		if _, err := io.Copy(io.Discard, q.Body); err != nil {
			return n, false
		}
	}
}

// strike sends bytes and returns the statuses of what is answered. A shot may hold
// several requests, or none. What is no whole request is followed by the end of the
// sending side, but not before the whole ones were answered: it tells the service
// that the client went away, and it would stop working on them.
func strike(addr, method string, raw []byte) (statuses []int) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return []int{hung} // nobody accepts
	}
	c := conn.(*net.TCPConn)
	defer func() {
		_ = c.SetLinger(0) // hundreds of thousands of ports would wait for their end
		_ = c.Close()
	}()
	_ = c.SetDeadline(time.Now().Add(answerTime))
	n, ok := whole(raw)
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = c.Write(raw) // the service may answer and close before it has read all
	}()
	for r := bufio.NewReader(c); !ok || len(statuses) < n; {
		if len(statuses) >= n {
			go func() { <-written; _ = c.CloseWrite() }()
		}
		if _, err := r.Peek(1); err != nil {
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				return append(statuses, hung)
			}
			break
		}
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			if len(statuses) == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
				return []int{marred}
			}
			break // the rest of one that was cut off
		}
		if resp.StatusCode >= 200 {
			statuses = append(statuses, classOf(resp))
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	if len(statuses) == 0 {
		return []int{closed}
	}
	return statuses
}

// classOf returns the status of an answer, or bare if it is one that nobody but
// net/http should give and lacks what every answer of the service has. What it
// answers to what is no request, or claims another protocol, never reaches the
// service: 501 and 505 among them speak of the request and not of a fault.
func classOf(resp *http.Response) int {
	if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Content-Security-Policy") == "" {
		if !slices.Contains([]int{400, 417, 431, 501, 505}, resp.StatusCode) {
			return bare
		}
		return 400
	}
	return resp.StatusCode
}

// A count says how often shots at a route ended with a status.
type count map[string]map[int]int

func (c count) add(route string, statuses ...int) {
	if c[route] == nil {
		c[route] = make(map[int]int)
	}
	for _, s := range statuses {
		c[route][s]++
	}
}

func (c count) merge(other count) {
	for route, of := range other {
		for status, n := range of {
			if c[route] == nil {
				c[route] = make(map[int]int)
			}
			c[route][status] += n
		}
	}
}

// classes sums up all routes: 2xx, 3xx, 4xx, 5xx, and other ends.
func (c count) classes() map[string]int {
	sums := make(map[string]int)
	for _, of := range c {
		for status, n := range of {
			if status > 0 {
				sums[strconv.Itoa(status/100)+"xx"] += n
			} else {
				sums[ends[status]] += n
			}
		}
	}
	return sums
}

func (c count) String() string {
	var b strings.Builder
	for _, route := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(&b, "%-60s", route)
		for _, status := range slices.Sorted(maps.Keys(c[route])) {
			name := ends[status]
			if name == "" {
				name = strconv.Itoa(status)
			}
			fmt.Fprintf(&b, " %s:%d", name, c[route][status])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// A footprint is what a process holds.
type footprint struct {
	rss   int // kB
	files int
}

// footprintOf reads it from the kernel.
func footprintOf(pid int) (f footprint, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return f, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if _, err := fmt.Sscan(rest, &f.rss); err != nil {
				return f, err
			}
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	f.files = len(files)
	return f, err
}

// goroutines asks a process at its address for operators.
func goroutines(admin string) (int, error) {
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: answerTime}).Get("http://" + admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for r := bufio.NewScanner(resp.Body); r.Scan(); {
		if n, ok := strings.CutPrefix(r.Text(), "go_goroutines "); ok {
			return strconv.Atoi(n)
		}
	}
	return 0, errors.New("the metrics do not count goroutines")
}
