package voter_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/voter"
)

// sentence checks that an error is one that a person can read.
func sentence(t *testing.T, name string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s was accepted", name)
		return
	}
	if s := err.Error(); len(s) < 15 || len(s) > 600 || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x1b\n\r") || !strings.Contains(s, " ") {
		t.Errorf("%s: %q is no sentence", name, s)
	}
}

// put replaces an answer.
func put(w *httptest.ResponseRecorder, b []byte) {
	w.Body.Reset()
	_, _ = w.Body.Write(b)
}

// instead answers a path with other bytes.
func instead(path string, b []byte) func(request, *httptest.ResponseRecorder) {
	return func(r request, w *httptest.ResponseRecorder) {
		if r.origin+r.path == path {
			put(w, b)
		}
	}
}

// TestManifest shows manifests and checkpoints that are not this election's.
// None may lead to a request that carries the token.
func TestManifest(t *testing.T) {
	t.Parallel()
	s := newService(t)
	other := newService(t, func(p *electiontest.Plan) { p.Seed = "other" })
	root := tlog.LeafHash(ledger.ManifestEntry(s.mid))
	two := new(tlog.Tree)
	two.Append(root)
	two.Append(root)
	flipped := bytes.Clone(s.manifest)
	flipped[len(flipped)/2] ^= 1
	const manifest, first = "booth/manifest", "board/ledger/checkpoint-1"
	k := s.keys
	foreign, err := tlog.NewLogSigner(k.Ledger.Key().Name(), [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		body       []byte
		want       error
	}{
		{"another election's manifest", manifest, other.manifest, voter.ErrOtherElection},
		{"a manifest with one bit flipped", manifest, flipped, voter.ErrOtherElection},
		{"a manifest with a line end more", manifest, append(bytes.Clone(s.manifest), '\n'), voter.ErrOtherElection},
		{"an empty manifest", manifest, nil, voter.ErrOtherElection},
		{"no cosignature", first, s.checkpoint(k.Ledger, 1, root), voter.ErrNotWitnessed},
		{"one cosignature of two", first, s.checkpoint(k.Ledger, 1, root, k.Witnesses[0]), voter.ErrNotWitnessed},
		{"one witness twice", first, s.checkpoint(k.Ledger, 1, root, k.Witnesses[0], k.Witnesses[0]), voter.ErrNotWitnessed},
		{"other witnesses", first, s.checkpoint(k.Ledger, 1, root, other.keys.Witnesses...), voter.ErrNotWitnessed},
		{"the ballots' log", first, s.checkpoint(k.Ballots, 1, root, k.Witnesses...), voter.ErrNotWitnessed},
		{"another log", first, other.firstCheckpoint(), voter.ErrNotWitnessed},
		{"another key of the same name", first, s.checkpoint(foreign, 1, root, k.Witnesses...), voter.ErrNotWitnessed},
		{"another manifest's entry", first, s.checkpoint(k.Ledger, 1, tlog.LeafHash(ledger.ManifestEntry(other.mid)), k.Witnesses...), voter.ErrNotWitnessed},
		{"size two", first, s.checkpoint(k.Ledger, 2, two.Root(), k.Witnesses...), voter.ErrNotWitnessed},
		{"size two over the first entry's root", first, s.checkpoint(k.Ledger, 2, root, k.Witnesses...), voter.ErrNotWitnessed},
		{"size zero", first, s.checkpoint(k.Ledger, 0, tlog.EmptyRoot, k.Witnesses...), voter.ErrNotWitnessed},
		{"an empty checkpoint", first, nil, voter.ErrNotWitnessed},
		{"a page", first, []byte("<html>welcome</html>"), voter.ErrNotWitnessed},
	} {
		s.set(func() { s.change = instead(tt.path, tt.body) })
		session, err := voter.Open(t.Context(), s.client(), s.link(0), voter.NoMemory{})
		if !errors.Is(err, tt.want) || session != nil {
			t.Errorf("%s: got %v", tt.name, err)
		}
		sentence(t, tt.name, err)
		if e, err := voter.Fetch(t.Context(), s.client(), s.m.Origins.Booth, s.m.ElectionID, s.mid); err == nil || e != nil {
			t.Errorf("%s: got an election, %v", tt.name, err)
		}
	}
	s.set(func() {
		s.change = func(r request, w *httptest.ResponseRecorder) {
			if r.origin == "board" {
				*w = *httptest.NewRecorder()
				w.WriteHeader(http.StatusNotFound)
			}
		}
	})
	_, err = voter.Open(t.Context(), s.client(), s.link(0), voter.NoMemory{})
	sentence(t, "no checkpoint", err)
	if sent := s.sent("registrar", "box"); len(sent) > 0 {
		t.Errorf("%d requests were sent before the election was certain", len(sent))
	}
}

// TestBooth serves the true manifest from a host that it does not name, and one
// whose id is another than the link's.
func TestBooth(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.set(func() {
		s.change = func(r request, w *httptest.ResponseRecorder) {
			if r.origin == "evil.example" {
				*w = *httptest.NewRecorder()
				_, _ = w.Write(s.manifest)
			}
		}
	})
	link := strings.Replace(s.link(0), "vote.union.example", "evil.example", 1)
	if _, err := voter.Open(t.Context(), s.client(), link, voter.NoMemory{}); !errors.Is(err, voter.ErrOtherElection) {
		t.Errorf("got %v", err)
	}
	m, keys := electiontest.Manifest(t, func(p *electiontest.Plan) { p.Seed = "third" })
	third := serve(t, m, keys)
	_, err := voter.Fetch(t.Context(), third.client(), m.Origins.Booth, suite.ElectionID{1}, third.mid)
	if err == nil {
		t.Error("a manifest was taken for another election's")
	}
	third.set(func() {
		third.change = func(r request, w *httptest.ResponseRecorder) {
			*w = *httptest.NewRecorder()
			_, _ = w.Write(third.manifest)
		}
	})
	if _, err := voter.Fetch(t.Context(), third.client(), m.Origins.Booth, suite.ElectionID{1}, third.mid); !errors.Is(err, voter.ErrOtherElection) {
		t.Errorf("got %v", err)
	}
	if election.MID(third.manifest) != third.mid {
		t.Error("the manifest does not have its hash")
	}
}

// TestWrongAnswers gives every answer wrongly. Each is refused with a sentence,
// and the same ballot is finished once the truth is told.
func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	s := newService(t)
	other := receipt.SignPromise(s.keys.Promise, s.mid, suite.BallotID{1})
	const issue, ballots = "registrar/issue", "box/ballots"
	for i, tt := range []struct {
		name, path string
		change     func(b []byte) []byte
	}{
		{"no JSON", issue, func([]byte) []byte { return []byte("signed") }},
		{"nothing", issue, func([]byte) []byte { return nil }},
		{"no answer", issue, func([]byte) []byte { return []byte(`{}`) }},
		{"a number", issue, func([]byte) []byte { return []byte(`{"s":7}`) }},
		{"no base64", issue, func([]byte) []byte { return []byte(`{"s":"?"}`) }},
		{"base64 with padding", issue, func(b []byte) []byte { return bytes.Replace(b, []byte(`"}`), []byte(`="}`), 1) }},
		{"a signature too short", issue, func(b []byte) []byte { return append(bytes.Clone(b[:100]), `"}`...) }},
		{"another signature", issue, func(b []byte) []byte { return bytes.Replace(b, b[20:24], []byte("AAAA"), 1) }},
		{"zero", issue, func([]byte) []byte { return []byte(`{"s":"` + strings.Repeat("A", 512) + `"}`) }},
		{"no JSON", ballots, func([]byte) []byte { return []byte("promised") }},
		{"no promise", ballots, func([]byte) []byte { return []byte(`{"state":"received"}`) }},
		{"an empty promise", ballots, func([]byte) []byte { return []byte(`{"promise":"","state":"received"}`) }},
		{"a promise for another ballot", ballots, func([]byte) []byte {
			return fmt.Appendf(nil, `{"promise":%q,"state":"received"}`, hex.EncodeToString(other[:]))
		}},
		{"a promise of zeros", ballots, func([]byte) []byte { return fmt.Appendf(nil, `{"promise":"%0128d"}`, 0) }},
		{"a promise too long", ballots, func(b []byte) []byte { return bytes.Replace(b, []byte(`","s`), []byte(`00","s`), 1) }},
	} {
		s.set(func() {
			s.change = func(r request, w *httptest.ResponseRecorder) {
				if r.origin+r.path == tt.path {
					put(w, tt.change(bytes.Clone(w.Body.Bytes())))
				}
			}
		})
		name := tt.path + ": " + tt.name
		memory := inFile(t)
		session := s.open(t, uint32(i), memory)
		seal(t, session, 1, 0)
		sentence(t, name, session.Finish(t.Context(), ""))
		if session.Stage() == voter.StageReceived {
			t.Errorf("%s: the ballot counts as received", name)
		}
		before, _ := session.Tracker()
		s.set(func() { s.change = nil })
		again := s.open(t, uint32(i), memory)
		finish(t, again)
		if after, _ := again.Tracker(); after != before {
			t.Errorf("%s: another ballot was finished", name)
		}
		finish(t, session)
	}
	if issued, cast := s.counts(); issued != cast || s.signed == 0 {
		t.Errorf("%d were issued and %d cast", issued, cast)
	}
}

// TestWrongProof gives proofs that are not of this ballot, or that nobody
// vouches for.
func TestWrongProof(t *testing.T) {
	t.Parallel()
	s := newService(t)
	first, second := s.open(t, 0, voter.NoMemory{}), s.open(t, 1, voter.NoMemory{})
	for _, session := range []*voter.Session{first, second} {
		seal(t, session, 0, 0)
		finish(t, session)
	}
	good := string(s.proof(1, s.keys.Witnesses...))
	for name, proof := range map[string]string{
		"another ballot's":        string(s.proof(2, s.keys.Witnesses...)),
		"the manifest's":          string(s.proof(0, s.keys.Witnesses...)),
		"not witnessed":           string(s.proof(1)),
		"witnessed by one of two": string(s.proof(1, s.keys.Witnesses[2])),
		"another place":           strings.Replace(good, "index 1", "index 2", 1),
		"cut off":                 good[:len(good)-20],
		"no proof":                "proof",
	} {
		s.set(func() {
			s.change = func(r request, w *httptest.ResponseRecorder) {
				*w = *httptest.NewRecorder()
				reply(w, http.StatusOK, map[string]string{"state": "in the log", "promise": "", "proof": proof})
			}
		})
		found, err := first.Find(t.Context())
		sentence(t, name, err)
		if found != nil {
			t.Errorf("%s: got %v", name, found)
		}
	}
	for _, b := range []string{`{"state":"gone"}`, `{}`, `{"state":"in the log","proof":1}`, ``} {
		s.set(func() { s.change = instead("box/find", []byte(b)) })
		_, err := first.Find(t.Context())
		sentence(t, b, err)
	}
	// Not in the log yet: what the box says without a proof.
	s.set(func() { s.change = instead("box/find", []byte(`{"state":"unknown","promise":"","proof":""}`)) })
	if found, err := first.Find(t.Context()); err != nil || found.State != "unknown" || found.Proof != nil {
		t.Errorf("got %v, %v", found, err)
	}
	s.set(func() { s.change = nil })
	if found, err := first.Find(t.Context()); err != nil || found.Index != 1 || string(found.Proof) != good {
		t.Errorf("got %v, %v", found, err)
	}
}

// paths are all requests of a vote, in order.
var paths = []string{"booth/manifest", "board/ledger/checkpoint-1", "registrar/status", "registrar/issue", "box/ballots", "box/find"}

// attempt goes through a vote up to the first error.
func attempt(t *testing.T, client *http.Client, link string) error {
	t.Helper()
	session, err := voter.Open(t.Context(), client, link, voter.NoMemory{})
	if err != nil {
		return err
	}
	if _, err := session.Status(t.Context(), ""); err != nil {
		return err
	}
	seal(t, session, 0, 1)
	if err := session.Finish(t.Context(), ""); err != nil {
		return err
	}
	_, err = session.Find(t.Context())
	return err
}

// TestRedirect lets every answer point to another host. Nothing may go there,
// whatever client the caller brought.
func TestRedirect(t *testing.T) {
	t.Parallel()
	s := newService(t)
	member := uint32(0)
	for _, path := range paths {
		for _, status := range []int{301, 302, 303, 307, 308} {
			s.set(func() {
				s.requests = nil
				s.change = func(r request, w *httptest.ResponseRecorder) {
					if r.origin+r.path != path {
						return
					}
					*w = *httptest.NewRecorder()
					w.Header().Set("Location", "https://evil.example/v1/")
					w.WriteHeader(status)
				}
			})
			for _, client := range []*http.Client{voter.NewClient(), {}} {
				client.Transport = s
				sentence(t, fmt.Sprint(path, status), attempt(t, client, s.link(member)))
				member++ // a second ballot with one link would be refused
			}
			if got := s.sent("evil.example"); len(got) > 0 {
				t.Errorf("%s %d: %d requests went elsewhere", path, status, len(got))
			}
			count := 0
			for _, r := range s.requests {
				if r.origin+r.path == path {
					count++
				}
			}
			if count != 2 {
				t.Errorf("%s %d: sent %d times by two programs", path, status, count)
			}
		}
	}
}

// An endless body counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	e.read += len(b)
	return len(b), nil
}

func (e *endless) Close() error { return nil }

// A flood answers one path with a body that never ends.
type flood struct {
	*service
	path   string
	status int
	body   endless
}

func (f *flood) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := f.service.RoundTrip(r)
	last := f.requests[len(f.requests)-1]
	if err == nil && last.origin+last.path == f.path {
		resp.StatusCode, resp.Body, resp.ContentLength = f.status, &f.body, -1
	}
	return resp, err
}

// TestHuge gives answers without an end.
func TestHuge(t *testing.T) {
	t.Parallel()
	for i, path := range paths {
		for _, status := range []int{200, 404, 503} {
			f := &flood{service: newService(t), path: path, status: status}
			err := attempt(t, &http.Client{Transport: f}, f.link(uint32(i)))
			sentence(t, path, err)
			limit := voter.MaxReply
			if i == 0 {
				limit = suite.MaxFile
			}
			if f.body.read == 0 || f.body.read > limit+1 {
				t.Errorf("%s %d: %d bytes were read", path, status, f.body.read)
			}
		}
	}
}

// TestMessages lets a service say what would disturb a terminal.
func TestMessages(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for _, message := range []string{"\x1b[2J\x1b[31mYour vote is counted", "a\r\nb", "\u202eevil", strings.Repeat("long ", 200), "\u0000", ""} {
		s.set(func() {
			s.change = func(r request, w *httptest.ResponseRecorder) {
				if r.origin == "registrar" {
					*w = *httptest.NewRecorder()
					reply(w, http.StatusConflict, map[string]string{"error": "conflict", "message": message})
				}
			}
		})
		err := attempt(t, s.client(), s.link(0))
		sentence(t, message, err)
		said := new(voter.ServiceError)
		if !errors.As(err, &said) || said.Status != http.StatusConflict || said.Code != "" {
			t.Errorf("got %#v", err)
		}
	}
	s.set(func() { s.change = nil })
	if err := attempt(t, s.client(), s.link(0)); err != nil {
		t.Error(err)
	}
}

// TestClose has the registrar say when voting closes: a moment that the manifest does not
// allow is not shown to anybody.
func TestClose(t *testing.T) {
	t.Parallel()
	s := newService(t)
	session := s.open(t, 0, inFile(t))
	when := s.m.Schedule
	for at, good := range map[int64]bool{when.Open: false, when.Open + 1: true, when.Close: true, when.LatestClose: true, when.LatestClose + 1: false, 0: false, -1: false} {
		s.set(func() {
			s.change = instead("registrar/status", fmt.Appendf(nil, `{"title":"x","group":1,"phase":"open","close":%d,"salt":"00"}`, at))
		})
		status, err := session.Status(t.Context(), "")
		if good && (err != nil || status.Close != at) {
			t.Errorf("a close at %d: %v", at, err)
		} else if !good {
			sentence(t, fmt.Sprintf("a close at %d", at), err)
		}
	}
}
