package web_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"strikevote/internal/platform/web"
)

var proxies = web.Proxies{netip.MustParsePrefix("10.0.0.5/32"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8:5::/48")}

func from(remote string, forwarded ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = remote
	for _, f := range forwarded {
		r.Header.Add("X-Forwarded-For", f)
	}
	return r
}

func TestClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		remote    string
		forwarded []string
		want      string
	}{
		{"nobody in front", "192.0.2.1:1", nil, "192.0.2.1"},
		{"a client that lies", "192.0.2.1:1", []string{"198.51.100.9"}, "192.0.2.1"},
		{"a client that names a proxy", "192.0.2.1:1", []string{"10.0.0.5"}, "192.0.2.1"},
		{"a proxy", "10.0.0.5:1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"a proxy, over IPv6", "[::ffff:10.0.0.5]:1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"a client that lies to a proxy", "10.0.0.5:1", []string{"198.51.100.9, 192.0.2.1"}, "192.0.2.1"},
		{"in a header of its own", "10.0.0.5:1", []string{"198.51.100.9", "192.0.2.1"}, "192.0.2.1"},
		{"two proxies", "10.0.0.5:1", []string{"198.51.100.9, 192.0.2.1, 10.1.2.3"}, "192.0.2.1"},
		{"a lie about a proxy", "10.0.0.5:1", []string{"198.51.100.9, 10.1.2.3, 192.0.2.1"}, "192.0.2.1"},
		{"a proxy that says nothing", "10.0.0.5:1", nil, "10.0.0.5"},
		{"a proxy that says nonsense", "10.0.0.5:1", []string{"192.0.2.1, unknown"}, "10.0.0.5"},
		{"with a port", "10.0.0.5:1", []string{"192.0.2.1:80"}, "10.0.0.5"},
		{"nothing", "10.0.0.5:1", []string{" , "}, "10.0.0.5"},
		{"IPv6", "[2001:db8:5::1]:1", []string{"2001:db8:9::1"}, "2001:db8:9::1"},
		{"a mapped client", "10.0.0.5:1", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
	} {
		if got := proxies.Client(from(tt.remote, tt.forwarded...)); got != netip.MustParseAddr(tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, got, tt.want)
		}
	}
	if got := proxies.Client(from("")); got.IsValid() {
		t.Errorf("got %v", got)
	}
}

// TestSpoof sends ten thousand requests that each name another client. From
// somebody who is no proxy they are one client's; the negative control is the
// same from a proxy, where they are ten thousand clients'.
func TestSpoof(t *testing.T) {
	t.Parallel()
	const many, burst = 10000, 50
	at := time.Unix(0, 0)
	count := func(request func(i int) *http.Request) (passed int) {
		h := web.Front{Proxies: proxies, Rate: web.Rate{Burst: burst, Per: time.Minute}, Now: func() time.Time { return at }}.
			Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed++ }))
		for i := range many {
			h.ServeHTTP(httptest.NewRecorder(), request(i))
		}
		return passed
	}
	spoofed := func(i int) string { return fmt.Sprintf("198.18.%d.%d", i/250, i%250+1) }
	if n := count(func(i int) *http.Request { return from("192.0.2.1:99", spoofed(i)) }); n != burst {
		t.Errorf("from somebody: %d passed, want %d", n, burst)
	}
	if n := count(func(i int) *http.Request { return from("10.0.0.5:99", spoofed(i)+", 192.0.2.1") }); n != burst {
		t.Errorf("through a proxy: %d passed, want %d", n, burst)
	}
	if n := count(func(i int) *http.Request { return from("10.0.0.5:99", spoofed(i)) }); n != many {
		t.Errorf("negative control: %d passed, want %d", n, many)
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	at := time.Unix(0, 0)
	h := web.Front{Rate: web.Rate{Burst: 60, Per: time.Minute}, Now: func() time.Time { return at }}.
		Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	ask := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, from("192.0.2.1:1"))
		return w.Code
	}
	for i := range 60 {
		if code := ask(); code != 200 {
			t.Fatalf("request %d: got %d", i, code)
		}
	}
	if code := ask(); code != 429 {
		t.Errorf("got %d", code)
	}
	usual := web.Front{Rate: web.Rate{Burst: 1, Per: time.Hour}}.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, want := range []int{200, 429} {
		w := httptest.NewRecorder()
		if usual.ServeHTTP(w, from("192.0.2.1:1")); w.Code != want {
			t.Errorf("by the clock: got %d, want %d", w.Code, want)
		}
	}
	at = at.Add(time.Second)
	if first, second := ask(), ask(); first != 200 || second != 429 {
		t.Errorf("a second later: got %d, %d", first, second)
	}
}

func TestPlainAllowed(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		"127.0.0.1:80": true, "localhost:80": true, "[::1]:80": true, "127.9.9.9:0": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "192.0.2.1:80": false, "10.0.0.1:80": false, "vote.example:80": false,
		"localhost.example:80": false, "127.0.0.1": false, "": false,
	} {
		if err := web.PlainAllowed(addr, nil); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
		_, _, err := net.SplitHostPort(addr)
		if behind := web.PlainAllowed(addr, proxies); (behind == nil) != (err == nil) {
			t.Errorf("%s, behind a proxy: %v", addr, behind)
		}
	}
}

// claimed is a listener whose connections say that they come from elsewhere.
type claimed struct {
	net.Listener
	from []string
}

func (l *claimed) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	at := l.from[0]
	l.from = l.from[1:]
	return elsewhere{c, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(at))}, nil
}

type elsewhere struct {
	net.Conn
	at net.Addr
}

func (c elsewhere) RemoteAddr() net.Addr { return c.at }

// TestGate lets proxies and this machine in, and nobody else.
func TestGate(t *testing.T) {
	t.Parallel()
	l := listen(t)
	who := []string{"192.0.2.1:1", "10.0.0.5:1", "10.0.0.6:1", "127.0.0.1:1", "[2001:db8:5::9]:1", "[2001:db8:6::9]:1", "[::ffff:10.1.0.1]:1"}
	g := proxies.Listener(&claimed{l, who})
	for range who {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	var got []string
	for range 4 {
		c, err := g.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c.RemoteAddr().String())
		_ = c.Close()
	}
	if want := "10.0.0.5:1 127.0.0.1:1 [2001:db8:5::9]:1 10.1.0.1:1"; strings.Join(got, " ") != want {
		t.Errorf("got %s", got)
	}
}

// TestStrictTransport says it where there is TLS, here or at a proxy.
func TestStrictTransport(t *testing.T) {
	t.Parallel()
	r := web.NewRouter(web.Anonymous(web.Config{})...)
	var seen *http.Request
	r.Get("/", func(_ http.ResponseWriter, r *http.Request) { seen = r })
	h := web.Front{Proxies: proxies}.Handler(r)
	for remote, want := range map[string]bool{"10.0.0.5:1": true, "192.0.2.1:1": false, "127.0.0.1:1": false} {
		w := httptest.NewRecorder()
		req := from(remote, "192.0.2.9")
		req.Header.Set("X-Forwarded-Proto", "https") // anybody can say so
		h.ServeHTTP(w, req)
		if got := w.Header().Get("Strict-Transport-Security") != ""; got != want {
			t.Errorf("%s: got %v", remote, got)
		}
		// The front leaves the box as blind as it was.
		if seen.RemoteAddr != "" || seen.Header.Get("X-Forwarded-For") != "" {
			t.Errorf("%s: the box knows where a request came from", remote)
		}
	}
}

// TestMisdirected asks for one host on a connection for another.
func TestMisdirected(t *testing.T) {
	t.Parallel()
	h := web.Front{}.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, tt := range []struct {
		server, host string
		want         int
	}{
		{"box.example", "box.example", 200}, {"box.example", "BOX.example:443", 200}, {"box.example", "registrar.example", 421},
		{"box.example", "registrar.example:443", 421}, {"box.example", "", 421}, {"", "127.0.0.1:443", 200},
	} {
		r := from("192.0.2.1:1")
		r.TLS, r.Host = &tls.ConnectionState{ServerName: tt.server}, tt.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s at %s: got %d, want %d", tt.host, tt.server, w.Code, tt.want)
		}
	}
}

// TestFrontHeaders demands the headers of every answer of those that the front
// gives in place of a service.
func TestFrontHeaders(t *testing.T) {
	t.Parallel()
	empty := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	misdirected, limited := from("192.0.2.1:1"), from("192.0.2.1:1")
	misdirected.TLS, misdirected.Host = &tls.ConnectionState{ServerName: "box.example"}, "registrar.example"
	front := web.Front{Rate: web.Rate{Burst: 1, Per: time.Hour}}.Handler(empty)
	front.ServeHTTP(httptest.NewRecorder(), limited)
	foreign := from("127.0.0.1:1")
	foreign.Host = "rebound.example:9090"
	here := web.NewRouter(append(web.Chain(web.Config{}), web.ThisMachine)...)
	here.Get("/", empty)
	for _, tt := range []struct {
		name string
		h    http.Handler
		r    *http.Request
		want int
	}{
		{"another host", web.Front{}.Handler(empty), misdirected, 421},
		{"too often", front, limited, 429},
		{"a name that leads here", here, foreign, 421},
		{"plain HTTP", new(web.Certificates).Plain(), httptest.NewRequest("POST", "/", nil), 403},
		{"plain HTTP, read", new(web.Certificates).Plain(), httptest.NewRequest("GET", "/", nil), 301},
	} {
		w := httptest.NewRecorder()
		tt.h.ServeHTTP(w, tt.r)
		if h := w.Header(); w.Code != tt.want || h.Get("Content-Security-Policy") == "" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got %d with %v, want %d", tt.name, w.Code, h, tt.want)
		}
	}
	for _, host := range []string{"127.0.0.1:9090", "localhost:9090", "[::1]:9090", "127.0.0.1", "[::1]"} {
		r := from("127.0.0.1:1")
		r.Host = host
		w := httptest.NewRecorder()
		if here.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Errorf("%s: got %d", host, w.Code)
		}
	}
}

// TestOptionsOfServer asks about the server itself, which net/http would answer.
func TestOptionsOfServer(t *testing.T) {
	t.Parallel()
	l := listen(t)
	r := web.NewRouter(web.Chain(web.Config{})...)
	r.Get("/", func(http.ResponseWriter, *http.Request) {}) // chi's middleware stands before routes only
	s := web.Server("", r, web.Limits{})
	t.Cleanup(func() { _ = s.Close() })
	go func() { _ = s.Serve(l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprint(c, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 404 || resp.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("got %d with %v", resp.StatusCode, resp.Header)
	}
}
