package witness_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/witness"
)

// A pusher is a log that pushes its checkpoints.
type pusher struct {
	*board
	handler http.Handler
}

func newPusher(t testing.TB) *pusher {
	t.Helper()
	b := newBoard(t)
	return &pusher{b, witness.Handler(b.open())}
}

func (p *pusher) push(body string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	p.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/add-checkpoint", strings.NewReader(body)))
	return rec
}

// body writes a request.
func body(old int64, proof []suite.Hash, note []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "old %d\n", old)
	for _, h := range proof {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteString("\n")
	b.Write(note)
	return b.String()
}

// sign makes the note of a tree at a size.
func (p *pusher) sign(tree *tlog.Tree, size int64) []byte {
	p.t.Helper()
	root := tlog.EmptyRoot
	if size > 0 {
		var err error
		if root, err = tree.RootAt(size); err != nil {
			p.t.Fatal(err)
		}
	}
	return p.keys.Ballots.Sign(tlog.Checkpoint{Origin: p.m.Ballots.Origin, Size: size, Root: root})
}

// grow is an honest request for the growth of a tree.
func (p *pusher) grow(tree *tlog.Tree, from, to int64) string {
	p.t.Helper()
	var proof []suite.Hash
	if from > 0 {
		var err error
		if proof, err = tlog.ProveConsistency(to, from, tree.Reader()); err != nil {
			p.t.Fatal(err)
		}
	}
	return body(from, proof, p.sign(tree, to))
}

// checkCosigned checks an answer to a checkpoint of a tree and returns the
// time of the cosignature.
func (p *pusher) checkCosigned(rec *httptest.ResponseRecorder, tree *tlog.Tree, size int64) int64 {
	p.t.Helper()
	if rec.Code != http.StatusOK {
		p.t.Errorf("size %d: got %d %s", size, rec.Code, rec.Body)
		return 0
	}
	policy, err := p.m.BallotsPolicy()
	if err != nil {
		p.t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(p.sign(tree, size)), "\n\n")
	c, err := policy.CheckLine(text+"\n", rec.Body.String())
	if err != nil || c.Witness != p.keys.Witnesses[0].Key().Name() {
		p.t.Errorf("size %d: %v", size, err)
	}
	return c.Time
}

func TestAddCheckpoint(t *testing.T) {
	t.Parallel()
	p := newPusher(t)
	tree := p.tree(1000)
	hash := sha256.Sum256([]byte(p.m.Ballots.Origin))
	monitor := func() *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		p.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/"+hex.EncodeToString(hash[:])+"/checkpoint", nil))
		return rec
	}
	if rec := monitor(); rec.Code != http.StatusNotFound {
		t.Errorf("got %d before the first checkpoint", rec.Code)
	}
	p.checkCosigned(p.push(p.grow(tree, 0, 0)), tree, 0)
	last := int64(0)
	for _, size := range []int64{1, 2, 3, 255, 256, 600, 601} {
		p.clock.Add(1)
		if at := p.checkCosigned(p.push(p.grow(tree, last, size)), tree, size); at != p.clock.Load() {
			t.Errorf("size %d: got time %d", size, at)
		}
		last = size
	}
	p.clock.Add(1)
	rec := p.push(p.grow(tree, 601, 601)) // the same again, at another time
	if at := p.checkCosigned(rec, tree, 601); at != p.clock.Load() {
		t.Errorf("got time %d", at)
	}
	if got := monitor(); got.Code != http.StatusOK || got.Body.String() != string(p.sign(tree, 601))+rec.Body.String() {
		t.Errorf("got %d %q", got.Code, got.Body)
	}
	note := string(p.sign(tree, 700))
	stranger, err := tlog.NewLogSigner("stranger.example", [32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(note, "\n\n")
	junk := strings.SplitAfter(string(stranger.SignText(text+"\n")), "\n")[4]
	good := p.grow(tree, 601, 700)
	p.checkCosigned(p.push(good+junk), tree, 700) // unknown keys are passed over
}

// TestAddCheckpointRefused goes through the answers that tlog-witness demands,
// and shows that none of them moves the record.
func TestAddCheckpointRefused(t *testing.T) {
	t.Parallel()
	p := newPusher(t)
	tree, other := p.tree(1000), p.tree(1000, 300, 1)
	p.checkCosigned(p.push(p.grow(tree, 0, 500)), tree, 500)
	good := p.grow(tree, 500, 600)
	head, note, _ := strings.Cut(good, "\n\n")
	stranger, err := tlog.NewLogSigner("stranger.example", [32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	forged, err := tlog.NewLogSigner(p.m.Ballots.Origin, [32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(note, "\n\n")
	// A line with the log's name and key id, and another signature. It stays
	// base64: what is not would be no line of the log's, and passed over.
	broken := []byte(note)
	at := strings.LastIndexByte(note, '\n') - 20
	if broken[at] == 'A' {
		broken[at] = 'B'
	} else {
		broken[at] = 'A'
	}
	root, err := tree.RootAt(600)
	if err != nil {
		t.Fatal(err)
	}
	ledgerNote := p.keys.Ledger.Sign(tlog.Checkpoint{Origin: p.m.Ledger.Origin, Size: 600, Root: root})
	hashes := strings.Repeat(base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", 64)
	for _, tt := range []struct {
		name, body string
		status     int
	}{
		{"empty", "", 400},
		{"no old", "\n\n" + note, 400},
		{"old without number", strings.Replace(good, "old 500", "old ", 1), 400},
		{"old with zero", strings.Replace(good, "old 500", "old 0500", 1), 400},
		{"old negative", strings.Replace(good, "old 500", "old -1", 1), 400},
		{"old too large", strings.Replace(good, "old 500", "old 601", 1), 400},
		{"proof not base64", strings.Replace(good, "\n", "\n!\n", 1), 400},
		{"proof hash short", strings.Replace(good, "\n", "\nAAAA\n", 1), 400},
		{"64 lines", "old 500\n" + hashes + "\n" + note, 400},
		{"no note", head + "\n\n", 400},
		{"no signature", head + "\n\n" + text + "\n\n", 400},
		{"extension line", head + "\n\n" + strings.Replace(note, "\n\n", "\nx\n\n", 1), 400},
		{"too long", good + strings.Repeat("x", 1<<16), 400},
		{"unknown log", body(0, nil, stranger.Sign(tlog.Checkpoint{Origin: "stranger.example"})), 404},
		{"forged", head + "\n\n" + string(forged.SignText(text+"\n")), 403},
		{"only a stranger's line", head + "\n\n" + string(stranger.SignText(text+"\n")), 403},
		{"broken signature", head + "\n\n" + string(broken), 403},
		{"good and broken", good + strings.SplitAfter(string(broken), "\n\n")[1], 403},
		{"older", p.grow(tree, 100, 200), 409},
		{"older than it says", p.grow(tree, 0, 600), 409},
		{"same root, junk proof", body(500, []suite.Hash{{1}}, p.sign(tree, 500)), 422},
		{"no proof", body(500, nil, p.sign(tree, 600)), 422},
		{"another proof", p.grow(other, 500, 600), 422},
		{"proof of another size", strings.Replace(p.grow(tree, 499, 600), "old 499", "old 500", 1), 422},
		{"ledger, empty with a root", body(0, nil, p.keys.Ledger.Sign(tlog.Checkpoint{Origin: p.m.Ledger.Origin})), 422},
		{"ledger, proof from nothing", body(0, []suite.Hash{{1}}, ledgerNote), 422},
	} {
		rec := p.push(tt.body)
		if rec.Code != tt.status {
			t.Errorf("%s: got %d %s, want %d", tt.name, rec.Code, rec.Body, tt.status)
		}
		if tt.status == http.StatusConflict {
			if rec.Body.String() != "500\n" || rec.Header().Get("Content-Type") != "text/x.tlog.size" {
				t.Errorf("%s: got %q %q", tt.name, rec.Body, rec.Header().Get("Content-Type"))
			}
		}
	}
	if len(p.evidence()) != 0 {
		t.Error("somebody was convicted by junk")
	}
	p.checkCosigned(p.push(good), tree, 600)
	// Two roots of one size are the end of this log.
	if rec := p.push(body(600, nil, p.sign(other, 600))); rec.Code != 422 {
		t.Errorf("fork: got %d", rec.Code)
	}
	p.checkEvidence("fork")
	if rec := p.push(p.grow(tree, 600, 700)); rec.Code != 422 {
		t.Errorf("after a fork: got %d", rec.Code)
	}
}

// TestForks pushes a thousand random forks, with the best proof that their own
// tree gives.
func TestForks(t *testing.T) {
	t.Parallel()
	p := newPusher(t)
	const known = 700
	tree := p.tree(1400)
	p.checkCosigned(p.push(p.grow(tree, 0, known)), tree, known)
	for i := range uint64(1000) {
		at := 1 + rand.Int64N(known-1)        // where the history turns
		size := at + 1 + rand.Int64N(1400-at) // how long the fork is
		if size == known {
			size++ // it would convict the log, see TestAddCheckpointRefused
		}
		fork := p.tree(size, uint64(at), i)
		old := min(known, size)
		rec := p.push(p.grow(fork, old, size))
		if want := 422; size > known && rec.Code != want || size < known && rec.Code != 409 {
			t.Errorf("fork at %d of size %d: got %d", at, size, rec.Code)
		}
	}
	p.checkCosigned(p.push(p.grow(tree, known, 1400)), tree, 1400)
}

// TestAddCheckpointTogether pushes from sixteen goroutines at once. The clock
// counts the cosignatures, so that their order is known: no size follows a
// larger one.
func TestAddCheckpointTogether(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	c := b.config()
	c.Now = func() time.Time { return time.Unix(b.clock.Add(1), 0) }
	w, err := witness.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	p := &pusher{b, witness.Handler(w)}
	const entries = 3000
	tree := b.tree(entries)
	type signed struct{ at, size int64 }
	var mu sync.Mutex
	var list []signed
	conflicts := 0
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			last := int64(0)
			for range 60 {
				size := min(last+rand.Int64N(6), int64(entries)) // on a fast disk most of them succeed
				rec := p.push(p.grow(tree, last, max(size, 1)))
				mu.Lock()
				switch rec.Code {
				case http.StatusOK:
					last = max(size, 1)
					list = append(list, signed{p.checkCosigned(rec, tree, last), last})
				case http.StatusConflict:
					conflicts++
					n, err := strconv.ParseInt(strings.TrimSpace(rec.Body.String()), 10, 64)
					if err != nil {
						t.Error(err)
					}
					last = n
				default:
					t.Errorf("got %d %s", rec.Code, rec.Body)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(list, func(x, y signed) int { return int(x.at - y.at) })
	for i := 1; i < len(list); i++ {
		if list[i].size < list[i-1].size || list[i].at == list[i-1].at {
			t.Errorf("after size %d the witness cosigned size %d", list[i-1].size, list[i].size)
		}
	}
	if conflicts == 0 || len(list) < 60 {
		t.Errorf("no race: %d cosigned, %d conflicts", len(list), conflicts)
	}
}

// TestDiskGone shows that nothing is signed that cannot be written down.
func TestDiskGone(t *testing.T) {
	t.Parallel()
	p := newPusher(t)
	tree := p.tree(9)
	p.checkCosigned(p.push(p.grow(tree, 0, 5)), tree, 5)
	moved := p.dir + ".moved"
	if err := os.Rename(p.dir, moved); err != nil {
		t.Fatal(err)
	}
	if rec := p.push(p.grow(tree, 5, 7)); rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "—") {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	if err := os.Rename(moved, p.dir); err != nil {
		t.Fatal(err)
	}
	// What was not signed is not remembered either.
	p.checkCosigned(p.push(p.grow(tree, 5, 6)), tree, 6)
}

// FuzzAddCheckpoint pushes anything: no panic, no signature for it.
func FuzzAddCheckpoint(f *testing.F) {
	p := newPusher(f)
	tree := p.tree(9)
	f.Add(p.grow(tree, 0, 5)[:40])
	f.Add("old 0\n\nx\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— x AAAA\n")
	f.Fuzz(func(t *testing.T, s string) {
		if rec := p.push(s); rec.Code == http.StatusOK {
			t.Errorf("cosigned %q", s)
		}
	})
}
