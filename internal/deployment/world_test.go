package deployment

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"strikevote/internal/ceremony"
	"strikevote/internal/platform/postgres/cluster"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/roll"
	"strikevote/internal/teller"
	"strikevote/internal/voter"
	"strikevote/internal/witness"
	"strikevote/migrations"
)

// TestMain checks at the end that no deployment left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Tests{M: m}) }

// folder returns a folder that the database's account can enter.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "strikevote-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// start starts servers that a test may kill. They wait for the disk as real ones
// do, since what was acknowledged has to survive.
func start(t *testing.T, dir string, names ...string) []*cluster.Cluster {
	t.Helper()
	roles := map[string][]string{sideRegistrar: migrations.RegistrarRoles, sideBox: migrations.BallotboxRoles}
	started := make([]*cluster.Cluster, len(names))
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			started[i], errs[i] = cluster.Start(t.Context(), cluster.Config{Dir: filepath.Join(dir, name), Name: name, Roles: roles[name]})
		})
	}
	wg.Wait()
	for i, c := range started {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		t.Cleanup(func() { halt(t, c) })
	}
	return started
}

func halt(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if err := c.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// A lines keeps everything that is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *lines) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *lines) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// A world is one deployment on two servers, and everybody around it. Its clock
// is moved by hand, and so is what is due: the service itself looks only once.
type world struct {
	t      *testing.T // the whole test's, which outlives its parts
	dir    string
	c      Config
	d      *Deployment
	log    *lines
	ahead  atomic.Int64 // seconds
	ended  func() error // ends Serve
	client *http.Client

	id        suite.ElectionID
	mid       suite.MID
	committee []ed25519.PrivateKey
	seal      *tlog.WitnessSigner
	witness   *witness.Witness
	teller    *teller.Teller
	copy      *teller.Teller
	voted     []suite.BallotID // every ballot that is cast
}

const members = 12

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := folder(t)
	w := &world{t: t, dir: dir, log: new(lines), client: &http.Client{Transport: new(http.Transport)}}
	t.Cleanup(w.client.CloseIdleConnections)
	servers := start(t, dir, sideRegistrar, sideBox)
	w.c = Config{
		Data: filepath.Join(dir, "data"), Mail: filepath.Join(dir, "mail"), Pace: time.Hour, Now: w.now,
		Log:       slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Registrar: servers[0], Box: servers[1],
	}
	for range 3 {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		w.committee = append(w.committee, key)
	}
	var err error
	if w.seal, err = tlog.NewWitnessSigner("witness.example", [32]byte{7}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.shut(t)
		if w.witness != nil {
			if err := w.witness.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load()) * time.Second) }

// open opens the deployment and serves it.
func (w *world) open(t *testing.T) {
	t.Helper()
	d, err := Open(t.Context(), w.c)
	if err != nil {
		t.Fatal(err)
	}
	w.d, w.ended = d, serve(d)
}

// serve runs Serve and returns what ends it.
func serve(d *Deployment) func() error {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Serve(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// shut stops the deployment in order.
func (w *world) shut(t *testing.T) {
	t.Helper()
	if w.d == nil {
		return
	}
	if err := w.ended(); err != nil {
		t.Error(err)
	}
	if err := w.d.Close(); err != nil {
		t.Error(err)
	}
	w.d = nil
}

func (w *world) reopen(t *testing.T) {
	t.Helper()
	w.shut(t)
	w.open(t)
}

// turn does what is due, and lets the witness look.
func (w *world) turn(t *testing.T) {
	t.Helper()
	e := w.d.running(w.id)
	e.rounds.Lock()
	w.d.round(t.Context(), e)
	e.rounds.Unlock()
	e.mails.Lock()
	w.d.sendMails(t.Context(), e)
	e.mails.Unlock()
	if err := w.witness.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// until turns until a phase is reached. Every phase takes a few turns at most.
func (w *world) until(t *testing.T, want election.Phase) {
	t.Helper()
	var phase election.Phase
	for range 20 {
		w.turn(t)
		var err error
		if phase, err = w.d.Phase(t.Context(), w.id); err != nil {
			t.Fatal(err)
		}
		if phase == want {
			return
		}
	}
	t.Fatalf("the election is %s, want %s\n%s", phase, want, w.log)
}

// draft is what the committee agrees on.
func (w *world) draft(t *testing.T) *election.Manifest {
	t.Helper()
	rule, err := election.Preset("simple")
	if err != nil {
		t.Fatal(err)
	}
	now := w.now().Unix()
	m := &election.Manifest{
		Suite: "SV1", Demo: true, Languages: []string{"en"}, Title: []string{"A vote"}, Statement: []string{""},
		Questions: []election.Question{{Text: []string{"Do you?"}, Options: []election.Option{
			{Text: []string{"Yes"}, Role: "yes"}, {Text: []string{"No"}, Role: "no"},
		}}},
		Rule:      rule,
		Groups:    []election.Group{{ID: 1, Name: "Everybody", Units: []string{"HX"}}},
		Tellers:   election.Tellers{N: 1, T: 1, Names: []string{"Teller"}},
		Committee: election.Committee{Quorum: 2},
		Schedule:  election.Schedule{Open: now - 10, Close: now + 3600, LatestClose: now + 7200, DecideUntil: now + 10_000},
		KMin:      1,
		Separation: election.Separation{
			Kind: "one-machine", Operators: []string{"A test runs all of it"},
		},
		Witnesses: election.Witnesses{Threshold: 1, Keys: []string{w.seal.VKey()}},
		Help:      election.Help{Email: "help@union.example", Phone: "555 0100"},
		Origins:   w.d.Origins(), Program: "test",
	}
	rand.Read(m.ElectionID[:])
	for i, key := range w.committee {
		m.Committee.Members = append(m.Committee.Members, election.Member{
			Name: fmt.Sprintf("Member %d", i), Keys: []election.Key{{Kind: "ed25519", Key: suite.Bytes(key.Public().(ed25519.PublicKey))}},
		})
	}
	return m
}

// rollOf is a roll of n members, whose names must be seen nowhere.
func rollOf(n int) []roll.Member {
	list := make([]roll.Member, n)
	for i := range list {
		list[i] = roll.Member{
			Number: fmt.Sprintf("NUMBER-%d", i), Name: fmt.Sprintf("Canary%c Person", 'A'+i),
			Email: fmt.Sprintf("canary%d@mail.example", i), Group: "HX", Language: []string{"en", "es", "", "ko"}[i%4],
		}
	}
	return list
}

// ceremony makes the opening key, with one teller.
func (w *world) ceremony(t *testing.T, inv ceremony.Invitation) {
	t.Helper()
	path := filepath.Join(w.dir, "teller.key")
	var err error
	if w.teller, err = teller.EnrollDemo(t.Context(), inv, path, []byte("passphrase")); err != nil {
		t.Fatal(err)
	}
	for waiting := "first"; waiting != ""; {
		if waiting, err = w.teller.Advance(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if w.copy, err = w.teller.Copy(path+".copy", []byte("passphrase")); err != nil {
		t.Fatal(err)
	}
}

// sign has a member of the committee sign the manifest.
func (w *world) sign(t *testing.T, member int, manifest []byte) {
	t.Helper()
	message := election.SealMessage(election.MID(manifest))
	sig := election.MemberSignature{Member: uint8(member), Signature: ed25519.Sign(w.committee[member], message)}
	if err := w.d.committee.SignSeal(t.Context(), w.id, sig); err != nil {
		t.Fatal(err)
	}
}

// links reads everybody's link from their mail.
func (w *world) links(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.c.Mail, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, link, err := voter.ReadMail(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if link != "" {
			list = append(list, link)
		}
	}
	return list
}

// A hand is a voter's network that keeps the sealed ballot instead of casting
// it.
type hand struct {
	http.RoundTripper
	sealed []byte
}

func (h *hand) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/ballots") {
		return h.RoundTripper.RoundTrip(r)
	}
	var err error
	if h.sealed, err = io.ReadAll(r.Body); err != nil {
		return nil, err
	}
	// An answer that ends the program's tries at once.
	return &http.Response{StatusCode: http.StatusTeapot, Body: http.NoBody, Request: r}, nil
}

// ballot has a ballot sealed and issued, and returns it and its id.
func (w *world) ballot(t *testing.T, link string, choice uint8) ([]byte, suite.BallotID) {
	t.Helper()
	h := &hand{RoundTripper: w.client.Transport}
	s, err := voter.Open(t.Context(), &http.Client{Transport: h}, link, voter.NoMemory{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Seal(ballot.Choices{choice}, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), ""); h.sealed == nil {
		t.Fatal(err)
	}
	id, _ := s.Tracker()
	return h.sealed, id
}

// An answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request. A body means POST. It may be called from any goroutine.
func (w *world) ask(t *testing.T, url, kind string, body []byte) answer {
	t.Helper()
	method, content := http.MethodGet, io.Reader(nil)
	if body != nil {
		method, content = http.MethodPost, bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, content)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	r.Header.Set("Content-Type", kind)
	resp, err := w.client.Do(r)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func (w *world) box(path string) string {
	return w.d.Origins().Box + "/v1/" + w.id.String() + path
}

// cast casts a sealed ballot and returns the answer.
func (w *world) cast(t *testing.T, sealed []byte) answer {
	t.Helper()
	return w.ask(t, w.box("/ballots"), octets, sealed)
}

// find returns where the box says a ballot is.
func (w *world) find(t *testing.T, id suite.BallotID) string {
	t.Helper()
	a := w.ask(t, w.box("/find"), "application/json", fmt.Appendf(nil, `{"ballot_id":%q}`, id))
	var out struct{ State string }
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	return out.State
}

// sentence checks that an answer says in words that something does not work,
// and nothing of why.
func (a answer) sentence(t *testing.T, what string) {
	t.Helper()
	var said struct{ Error, Message string }
	if err := json.Unmarshal([]byte(a.body), &said); err != nil || said.Error == "" || len(said.Message) < 20 || !strings.HasSuffix(said.Message, ".") {
		t.Errorf("%s: got %d %q", what, a.status, a.body)
	}
	for _, bad := range []string{"postgres", "socket", "dial", "SQL", "pgx", "/tmp", "context"} {
		if strings.Contains(a.body, bad) {
			t.Errorf("%s: the answer says %q: %s", what, bad, a.body)
		}
	}
}
