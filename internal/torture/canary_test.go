package torture_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"strikevote/internal/demo"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/token"
	"strikevote/internal/torture"
	"strikevote/internal/voter"
)

// TestTortureCanaries marks everything about members and voters that must not be
// kept, lets them vote from networks of their own, rightly, wrongly, slowly, and
// through services that are killed, and then looks for the marks in every place that
// something could have been written to. The negative control plants them there.
func TestTortureCanaries(t *testing.T) {
	t.Parallel()
	voters := torture.Pick(120, 2000)
	w := &watched{marks: newMarks(), tmp: t.TempDir(), record: filepath.Join(t.TempDir(), "record")}
	w.stand = newStand(t, demo.Options{Roll: w.roll(t, voters), Log: slog.New(slog.NewJSONHandler(&w.before, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	w.cwd, w.env = w.tmp, []string{"TMPDIR=" + w.tmp}
	for _, name := range []string{registrarService, boxService, boardService} {
		w.killService(name)
		w.startService(name)
	}
	watch := newCreations(t, w.tmp)
	voted := w.everybodyVotes()
	// A crash that asks for a core dump: the run-time system writes what every part
	// of the program was doing into the log.
	for _, name := range []string{registrarService, boxService, boardService} {
		p := w.services[name]
		if err := p.cmd.Process.Signal(syscall.SIGABRT); err != nil {
			t.Fatal(err)
		}
		<-p.done
		delete(w.services, name)
	}
	if !strings.Contains(w.log.text(), "SIGABRT") {
		t.Error("a service that was aborted said nothing")
	}
	if made := watch.created(t); len(made) > 0 {
		t.Errorf("the services made %d files in the folder for temporary ones and core dumps: %q", len(made), made)
	}
	r := w.finish(w.record)
	if int(r.Ballots) != voted {
		t.Errorf("%d voted, %d ballots", voted, r.Ballots)
	}
	w.startCluster(registrarCluster)
	w.startCluster(boxCluster)
	searched, planted := w.search(t)
	torture.Report(t, torture.Row{
		What: fmt.Sprintf("%d voters with marked names, addresses, numbers, links, codes, secrets, networks, trackers: right, wrong, malformed, slow and cancelled requests, kills, an abort",
			voters),
		Target:   "0 hits",
		Measured: fmt.Sprintf("%d forms of %d marks searched in %s", w.marks.count(), len(w.marks.says), searched),
		Control:  fmt.Sprintf("%d planted, each found by the same search", planted),
	})
}

func (m *marks) count() (n int) {
	for _, f := range m.form {
		n += len(f)
	}
	return n
}

// A watched stand is searched afterwards.
type watched struct {
	*stand
	marks       *marks
	tmp, record string
	before      lines // logged by the service before and after those that are killed

	mu      sync.Mutex
	metrics map[string]bool // lines that were scraped; guarded by mu
	voted   int             // guarded by mu
}

// roll writes a roll whose every member is marked.
func (w *watched) roll(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	rows := [][]string{{"Employee ID", "Name", "E-mail", "Bargaining Unit", "Campus", "Worksite", "Title", "Language"}}
	for i := range n {
		number, name, address := fmt.Sprintf("ZQN%07d", i), fmt.Sprintf("Zqxcanary Qz%05d", i), fmt.Sprintf("zqx%05d@canary.example", i)
		w.marks.add(ofRoll, "a number", []byte(number))
		w.marks.add(ofRoll, "a name", []byte(name))
		w.marks.add(ofRoll, "an address", []byte(address))
		rows = append(rows, []string{number, name, address, []string{"HX", "RX", "TX"}[i%3], "Alder Bay", "Library", "Pharmacist", "en"})
	}
	if err := out.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// everybodyVotes lets all vote, eight at once, and kills services and databases when
// half have. It returns how many have voted.
func (w *watched) everybodyVotes() int {
	w.t.Helper()
	letters, err := demo.ReadLetters(w.p.Mail)
	if err != nil || len(letters) == 0 {
		w.t.Fatal(len(letters), err)
	}
	key := w.codeKey()
	ballots := make([]*marked, len(letters))
	for i, l := range letters {
		ballots[i] = w.mark(i, l, key)
	}
	w.metrics = make(map[string]bool)
	turns := make(chan *marked)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for one := range turns {
				w.votes(one)
			}
		})
	}
	for i, one := range ballots {
		turns <- one
		switch {
		case i == len(ballots)/2:
			w.crash()
		case i%20 == 0:
			w.scrape()
		}
	}
	close(turns)
	wg.Wait()
	w.scrape()
	if len(w.metrics) < 50 {
		w.t.Errorf("only %d lines of metrics", len(w.metrics))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range ballots {
		w.marks.add(ofBallot, "a tracker", one.tracker)
	}
	return w.voted
}

// crash kills everything while voters vote, and starts it again.
func (w *watched) crash() {
	w.killService(registrarService)
	w.killService(boxService)
	w.killCluster(boxCluster)
	w.killCluster(registrarCluster)
	w.startCluster(registrarCluster)
	w.startCluster(boxCluster)
	w.startService(registrarService)
	w.startService(boxService)
}

// scrape keeps every line of metrics.
func (w *watched) scrape() {
	for _, address := range w.admin {
		resp, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			w.t.Error(err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			w.t.Error(resp.Status, err)
		}
		for line := range strings.Lines(string(b)) {
			w.metrics[line] = true
		}
	}
}

// codeKey reads what typed codes are made with, which is destroyed in the end.
func (w *watched) codeKey() [32]byte {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.p.Data, "keys", "*", "mailer", "code.key"))
	if err != nil || len(found) != 1 {
		w.t.Fatal(len(found), err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(b) != 32 {
		w.t.Fatalf("%d bytes, %v", len(b), err)
	}
	return [32]byte(b)
}

// A marked voter.
type marked struct {
	i       int
	link    string
	address string // of the network
	code    token.Code
	body    token.Body
	booth   string
	secret  ballot.Secret
	typed   string
	header  string
	tracker []byte
	client  *http.Client
}

// mark draws all that a voter has.
func (w *watched) mark(i int, l demo.Letter, key [32]byte) *marked {
	w.t.Helper()
	booth, tok, body, _, err := token.ParseLink(l.Link)
	if err != nil {
		w.t.Fatal(err)
	}
	m := &marked{i: i, link: l.Link, booth: booth, body: body, code: token.MakeCode(key, body), secret: ballot.NewSecret(),
		address: fmt.Sprintf("127.77.%d.%d", 10+i/200, 20+i%200), typed: fmt.Sprintf("zqxtyped%05d", i), header: fmt.Sprintf("zqxheader%05d", i)}
	sign := len(tok) - 64
	w.marks.add(ofVoter, "a link", tok[sign:sign+24])
	w.marks.add(ofVoter, "a code", m.code[:])
	w.marks.add(ofVoter, "a code as typed", []byte(m.code.Reveal()))
	w.marks.add(ofVoter, "a secret", m.secret[:])
	w.marks.add(ofVoter, "a recovery code", []byte(m.secret.RecoveryCode()))
	w.marks.add(ofVoter, "a typed text", []byte(m.typed))
	w.marks.add(ofVoter, "a header", []byte(m.header))
	w.marks.add(ofVoter, "a network", []byte(m.address+":"))
	w.marks.add(ofVoter, "a network", []byte(`"`+m.address+`"`))
	w.marks.add(ofVoter, "a network", []byte(m.address+" "))
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(m.address)}}
	m.client = &http.Client{Transport: speaking{&http.Transport{DialContext: from.DialContext}, m}}
	return m
}

// speaking sends a voter's marks along with every request, as browsers and proxies do.
type speaking struct {
	http.RoundTripper
	m *marked
}

func (s speaking) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", s.m.header)
	r.Header.Set("Cookie", "id="+s.m.header)
	r.Header.Set("Referer", s.m.link)
	r.Header.Set("X-Forwarded-For", s.m.address)
	r.Header.Set("X-Request-Id", s.m.header)
	return s.RoundTripper.RoundTrip(r)
}

// votes lets one voter vote, with a link or with a typed code, after whatever else
// their device does.
func (w *watched) votes(m *marked) {
	ctx := w.t.Context()
	defer m.client.CloseIdleConnections()
	w.disturb(m)
	var session *voter.Session
	// A killed service answers again after a while; what it was asked is not lost.
	again := func(do func() error) bool {
		var err error
		for range 20 {
			if err = do(); err == nil {
				return true
			}
		}
		w.t.Errorf("voter %d: %s", m.i, demo.Reason(err))
		return false
	}
	ok := again(func() (err error) {
		if m.i%4 == 1 {
			session, err = voter.OpenCode(ctx, m.client, m.booth, m.body.Election, m.code.Reveal(), voter.NoMemory{})
		} else {
			session, err = voter.Open(ctx, m.client, m.link, voter.NoMemory{})
		}
		return err
	}) && again(func() error { _, err := session.Status(ctx, ""); return err }) &&
		again(func() error { return session.SealWith(m.secret, ballot.Choices{uint8(m.i % 3)}, m.typed) })
	if !ok {
		return
	}
	id, _ := session.Tracker()
	m.tracker = id[:]
	if again(func() error { return session.Finish(ctx, "") }) {
		w.mu.Lock()
		w.voted++
		w.mu.Unlock()
	}
}

// disturb sends what goes wrong, each voter one kind of it. Answers do not matter.
func (w *watched) disturb(m *marked) {
	link := m.link[strings.LastIndexAny(m.link, "#=/")+1:]
	wrong := link[:len(link)-2] + "zz"
	raw := base64.StdEncoding.EncodeToString([]byte(m.address + " " + link))
	registrar, box := w.p.Origins.Registrar+"/v1/"+m.body.Election.String(), w.p.Origins.Box+"/v1/"+m.body.Election.String()
	ask := func(method, url, kind, body string) {
		r, err := http.NewRequestWithContext(w.t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			w.t.Error(err)
			return
		}
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Origin", w.p.Origins.Booth)
		if resp, err := m.client.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	const j, o = "application/json", "application/octet-stream"
	switch m.i % 6 {
	case 1:
		ask("POST", registrar+"/status", j, `{"token":"`+wrong+`"}`)
		ask("POST", registrar+"/status", j, `{"code":"`+m.code.Reveal()[:18]+`22"}`)
		ask("POST", registrar+"/issue", j, `{"token":"`+link+`","z":"`+raw+`"}`)
		ask("POST", registrar+"/deposit", j, `{"token":"`+link+`","ballot":"`+raw+`"}`)
	case 2:
		ask("POST", registrar+"/status", j, `{`+link)
		ask("POST", registrar+"/issue", j, `{"token":"`+link+`","`+m.header+`":1}`)
		ask("POST", registrar+"/resend", j, `{"to":"`+m.header+`\u0000"}`)
		ask("POST", box+"/ballots", o, link+m.typed)
		ask("POST", box+"/find", j, `{"ballot_id":"`+hex.EncodeToString(m.secret[:])+`"}`)
		ask("POST", box+"/check", o, link)
	case 3:
		for _, origin := range []string{w.p.Origins.Registrar, w.p.Origins.Box, w.p.Origins.Board, w.p.Origins.Booth, w.p.Origins.Console} {
			ask("GET", origin+"/v1/"+link+"?t="+link+"&"+m.header, j, "")
			ask("DELETE", origin+"/"+m.header, j, link)
			ask("OPTIONS", origin+"/v1/"+m.header, j, "")
		}
	case 4:
		w.cancelled(m, registrar+"/status", `{"token":"`+link+`"`)
		w.cancelled(m, box+"/ballots", link)
	case 5:
		for _, origin := range []string{w.p.Origins.Registrar, w.p.Origins.Box} {
			w.slow(m, origin, "POST /v1/"+link+" HTTP/1.1\r\nHost: "+m.header+"\r\nContent-Length: 900\r\n\r\n"+link)
			w.slow(m, origin, m.header+" "+link+"\r\n\r\n")
		}
	}
}

// cancelled breaks off a request after half of its body.
func (w *watched) cancelled(m *marked, url, half string) {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	in, out := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, in)
	if err != nil {
		w.t.Error(err)
		return
	}
	r.Header.Set("Content-Type", "application/json")
	go func() {
		_, _ = out.Write([]byte(half)) // fails if nobody listens
		cancel()
		_ = out.CloseWithError(context.Canceled)
	}()
	if resp, err := m.client.Do(r); err == nil {
		resp.Body.Close()
	}
	_ = in.Close()
}

// slow sends the beginning of a request and goes away.
func (w *watched) slow(m *marked, origin, text string) {
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(m.address)}}
	conn, err := from.DialContext(w.t.Context(), "tcp", strings.TrimPrefix(origin, "http://"))
	if err != nil {
		return // it is being killed
	}
	_, _ = conn.Write([]byte(text))
	_ = conn.Close()
}
