package deployment

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"strikevote/internal/platform/postgres/cluster"
	"strikevote/internal/protocol/suite"
)

// fresh has a ballot issued with the next unused link, and counts it as voted:
// every one of them is cast in the end.
func (w *world) fresh(t *testing.T) ([]byte, suite.BallotID) {
	t.Helper()
	sealed, id := w.ballot(t, w.links(t)[len(w.voted)], uint8(len(w.voted)%2))
	w.voted = append(w.voted, id)
	return sealed, id
}

func (w *world) metrics(t *testing.T) string {
	t.Helper()
	a := w.ask(t, "http://"+w.d.AdminAddress()+"/metrics", "", nil)
	if a.status != http.StatusOK {
		t.Fatalf("got %d", a.status)
	}
	var ours strings.Builder
	for line := range strings.Lines(a.body) {
		if strings.HasPrefix(line, "strikevote_") {
			ours.WriteString(line)
		}
	}
	return ours.String()
}

// testMetrics looks at what operators see. Routes have their patterns and no
// path, and nothing moves when a ballot is cast: a counter of ballots is a clock.
func testMetrics(t *testing.T, w *world) {
	sealed, id := w.fresh(t)
	for _, url := range []string{
		w.d.Origins().Registrar + "/v1/" + w.id.String() + "/elsewhere", w.d.Origins().Console + "/v1/" + w.id.String() + "/ceremony",
		w.d.Origins().Console + "/x/" + w.id.String(),
	} {
		w.ask(t, url, "", nil)
	}
	before := w.metrics(t)
	if a := w.cast(t, sealed); a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if state := w.find(t, id); state != "received" {
		t.Errorf("the ballot is %s", state)
	}
	if after := w.metrics(t); after != before {
		t.Errorf("the metrics show that a ballot was cast:\n%s\n%s", before, after)
	}
	if !strings.Contains(before, `route="/v1/{election}/ceremony"`) || !strings.Contains(before, `route="/v1/{election}/issue"`) {
		t.Errorf("the routes have no patterns:\n%s", before)
	}
	// That its database answers says nothing of a ballot.
	before = strings.ReplaceAll(before, `{check="box's database"}`, "")
	before = strings.ReplaceAll(before, `sender="outbox"`, "") // the folder of the mails
	for _, bad := range []string{w.id.String(), "box", "ballot", "elsewhere", "127.0.0.1"} {
		if strings.Contains(before, bad) {
			t.Errorf("the metrics show %q:\n%s", bad, before)
		}
	}
}

// A post is an endpoint that reads a body.
type post struct{ origin, path string }

func (w *world) posts() []post {
	o := w.d.Origins()
	id := w.id.String()
	return []post{
		{o.Registrar, "/v1/" + id + "/status"}, {o.Registrar, "/v1/" + id + "/issue"}, {o.Registrar, "/v1/" + id + "/acts"},
		{o.Box, "/v1/" + id + "/ballots"}, {o.Box, "/v1/" + id + "/find"}, {o.Box, "/v1/" + id + "/acts"}, {o.Box, "/v1/" + id + "/lock"},
		{o.Board, "/" + id + "/ledger/cosignatures"}, {o.Board, "/" + id + "/ballots/cosignatures"},
		{o.Console, "/v1/" + id + "/tellers/1/message"}, {o.Console, "/v1/" + id + "/manifest/signatures"},
		{o.Console, "/v1/" + id + "/certificate/signatures"}, {o.Booth, "/v1/"},
	}
}

const large = 100 << 20

// testHuge sends 100 MB to everything that reads a body, and the same without
// saying how long it will be. It must be refused before it is read.
func testHuge(t *testing.T, w *world) {
	for _, p := range w.posts() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if status, sent := flood(t, p, fmt.Sprintf("Content-Length: %d", large)); status != http.StatusRequestEntityTooLarge || sent > 16<<20 {
			t.Errorf("%s: got %d after %d bytes", p.path, status, sent)
		}
		if status, sent := flood(t, p, "Transfer-Encoding: chunked"); status/100 != 4 || sent > 64<<20 {
			t.Errorf("%s, chunked: got %d after %d bytes", p.path, status, sent)
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > large {
			t.Errorf("%s: %d MB were allocated", p.path, grown>>20)
		}
	}
}

// flood posts a body of up to 100 MB until there is an answer, and returns its
// status and how much was sent.
func flood(t *testing.T, p post, length string) (status int, sent int64) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.origin, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n%s\r\n\r\n", p.path, length)
	// A JSON object whose first key never ends.
	piece := strings.Repeat("A", 1<<16)
	first := `{"` + piece[2:]
	if strings.HasPrefix(length, "Transfer") {
		first, piece = fmt.Sprintf("%x\r\n%s\r\n", len(first), first), fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
	}
	var total atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for next := first; total.Load() < large; next = piece {
			n, err := io.WriteString(conn, next)
			total.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	sent = total.Load()
	_ = conn.Close()
	wg.Wait()
	if err != nil {
		t.Errorf("%s: %v after %d bytes", p.path, err, sent)
		return 0, sent
	}
	return resp.StatusCode, sent
}

// kill ends a server as a power cut does, and only it.
func kill(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	halt(t, c) // gives the folder back
}

func (w *world) ready(t *testing.T, want int, holds string) {
	t.Helper()
	a := w.ask(t, "http://"+w.d.AdminAddress()+"/readyz", "", nil)
	if a.status != want || !strings.Contains(a.body, holds) {
		t.Errorf("ready: got %d %q, want %d %q", a.status, a.body, want, holds)
	}
}

// answers asks for something of each side and of what needs neither.
func (w *world) answers(t *testing.T, want map[string]int) {
	t.Helper()
	o, id := w.d.Origins(), w.id.String()
	got := map[string]answer{
		"booth":     w.ask(t, o.Booth+"/v1/"+id+"/manifest", "", nil),
		"ledger":    w.ask(t, o.Board+"/"+id+"/ledger/checkpoint", "", nil),
		"ballots":   w.ask(t, o.Board+"/"+id+"/ballots/checkpoint", "", nil),
		"console":   w.ask(t, o.Console+"/v1/"+id+"/ceremony", "", nil),
		"registrar": w.ask(t, o.Registrar+"/v1/"+id+"/status", "application/json", fmt.Appendf(nil, `{"token":%q}`, token(w.links(t)[0]))),
		"find":      w.ask(t, w.box("/find"), "application/json", fmt.Appendf(nil, `{"ballot_id":%q}`, w.voted[0])),
	}
	for name, status := range want {
		a := got[name]
		if a.status != status {
			t.Errorf("%s: got %d %s, want %d", name, a.status, a.body, status)
		}
		if a.status >= 500 {
			a.sentence(t, name)
		}
	}
}

// token takes the token out of a link.
func token(link string) string {
	_, rest, _ := strings.Cut(link, "#t=")
	tok, _, _ := strings.Cut(rest, "&")
	return tok
}

// testBoxKilled kills the box's database while ballots are being cast. What it
// promised is there afterwards, the rest can be cast again, and the registrar
// never noticed.
func testBoxKilled(t *testing.T, w *world) {
	server := w.c.Box.(*cluster.Cluster)
	const n = 4
	var sealed [n][]byte
	var ids [n]suite.BallotID
	for i := range n {
		sealed[i], ids[i] = w.fresh(t)
	}
	var promised [n]bool
	var wg sync.WaitGroup
	first := make(chan struct{}, n)
	for i := range n {
		wg.Go(func() {
			for range 3 {
				a := w.cast(t, sealed[i])
				promised[i] = promised[i] || a.status == http.StatusOK
				if a.status != http.StatusOK {
					a.sentence(t, "while the database dies")
				}
				first <- struct{}{}
			}
		})
	}
	<-first
	kill(t, server)
	for range 3*n - 1 {
		<-first
	}
	wg.Wait()
	w.answers(t, map[string]int{"booth": 200, "ledger": 200, "console": 200, "registrar": 200, "ballots": 503, "find": 503})
	w.ready(t, 503, "box's database")
	a := w.cast(t, sealed[0])
	if a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
	a.sentence(t, "a ballot")
	w.c.Box = start(w.t, w.dir, sideBox)[0]
	w.back(t)
	for i := range n {
		if state := w.find(t, ids[i]); promised[i] && state != "received" {
			t.Errorf("a ballot that was promised is %s", state)
		}
		if a := w.cast(t, sealed[i]); a.status != http.StatusOK {
			t.Errorf("got %d %s", a.status, a.body)
		}
		if state := w.find(t, ids[i]); state != "received" {
			t.Errorf("a ballot that was cast again is %s", state)
		}
	}
}

// back checks that the service goes on by itself once a server is there again.
func (w *world) back(t *testing.T) {
	t.Helper()
	w.ready(t, 200, "ready")
	w.answers(t, map[string]int{"booth": 200, "ledger": 200, "console": 200, "registrar": 200, "ballots": 200, "find": 200})
	w.turn(t)
}

// testRegistrarKilled kills the other one. Ballots that were issued are cast all
// the same.
func testRegistrarKilled(t *testing.T, w *world) {
	server := w.c.Registrar.(*cluster.Cluster)
	sealed, id := w.fresh(t)
	kill(t, server)
	w.ready(t, 503, "registrar's database")
	w.answers(t, map[string]int{"booth": 200, "ledger": 503, "ballots": 200, "find": 200})
	a := w.ask(t, w.d.Origins().Registrar+"/v1/"+w.id.String()+"/status", "application/json", fmt.Appendf(nil, `{"token":%q}`, token(w.links(t)[0])))
	a.sentence(t, "the registrar")
	if a.status < 500 {
		t.Errorf("the registrar answers %d without its database", a.status)
	}
	if a := w.cast(t, sealed); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.body)
	}
	w.c.Registrar = start(w.t, w.dir, sideRegistrar)[0]
	w.back(t)
	if state := w.find(t, id); state != "received" {
		t.Errorf("the ballot is %s", state)
	}
	if sealed, _ = w.fresh(t); w.cast(t, sealed).status != http.StatusOK {
		t.Error("after it came back no ballot is taken")
	}
}

// testGraceful stops the service while a ballot is on its way. It is taken
// before the service ends, and nothing new is.
func testGraceful(t *testing.T, w *world) {
	sealed, id := w.fresh(t)
	addr := strings.TrimPrefix(w.d.Origins().Box, "http://")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	fmt.Fprintf(conn, "POST /v1/%s/ballots HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n",
		w.id, octets, len(sealed))
	// The service says that it reads: the request is under way.
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("got %q, %v", line, err)
	}
	if _, err := answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.ended() }()
	for {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break // nobody new is let in
		}
		_ = c.Close()
	}
	select {
	case err := <-ended:
		t.Fatalf("the service ended before the ballot was taken: %v", err)
	default:
	}
	if _, err := conn.Write(sealed); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(answers, nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.ended = func() error { return nil }
	w.reopen(t)
	if state := w.find(t, id); state != "received" {
		t.Errorf("the ballot is %s", state)
	}
}
