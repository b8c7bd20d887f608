package voter_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/token"
	"strikevote/internal/voter"
)

// inFile returns a memory in a file that is not there yet.
func inFile(t *testing.T) voter.File {
	t.Helper()
	return voter.File{Path: filepath.Join(t.TempDir(), "kept", "a.ballot")}
}

// finish takes a session with a sealed ballot to its end.
func finish(t *testing.T, s *voter.Session) {
	t.Helper()
	if err := s.Finish(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if s.Stage() != voter.StageReceived {
		t.Fatalf("the vote ended in stage %q", s.Stage())
	}
}

func seal(t *testing.T, s *voter.Session, choices ...uint8) {
	t.Helper()
	if err := s.Seal(choices, ""); err != nil {
		t.Fatal(err)
	}
}

// TestVote takes one vote through servers that listen.
func TestVote(t *testing.T) {
	t.Parallel()
	var s *service
	start := func() string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	s = newService(t, func(p *electiontest.Plan) {
		p.Change = func(m *election.Manifest) {
			m.Origins = election.Origins{Booth: start(), Registrar: start(), Box: start(), Board: start(), Console: start()}
		}
	})
	s.begun = false
	memory := inFile(t)
	link := strings.Replace(s.link(0), "#", "%23", 1)
	session, err := voter.Open(t.Context(), voter.NewClient(), " "+link+"\n", memory)
	if err != nil {
		t.Fatal(err)
	}
	if got := session.Group().ID; got != 1 {
		t.Errorf("got group %d", got)
	}
	if status, err := session.Status(t.Context(), ""); err != nil || status.Issued || status.Phase != "open" {
		t.Errorf("got %v, %v", status, err)
	}
	if _, ok := session.Tracker(); ok {
		t.Error("there is a tracker before there is a ballot")
	}
	if err := session.Finish(t.Context(), ""); err == nil {
		t.Error("a ballot was finished that was never sealed")
	}
	if _, err := session.Find(t.Context()); err == nil {
		t.Error("a ballot was looked for that was never cast")
	}
	for _, bad := range []ballot.Choices{nil, {0}, {3, 0}, {0, 2}, {0, 0, 0}} {
		if err := session.Seal(bad, ""); err == nil {
			t.Errorf("%d choices were sealed that are not on the ballot", len(bad))
		}
	}
	seal(t, session, 2, 1)
	finish(t, session)
	if found, err := session.Find(t.Context()); err != nil || found.State != "received" || found.Proof != nil {
		t.Errorf("got %v, %v", found, err)
	}
	id, _ := session.Tracker()
	s.set(func() { s.enter(id) })
	if found, err := session.Find(t.Context()); err != nil || found.State != "in the log" || found.Index != 1 || len(found.Proof) == 0 {
		t.Errorf("got %v, %v", found, err)
	}
	again, err := voter.Open(t.Context(), voter.NewClient(), s.link(0), memory)
	if err != nil {
		t.Fatal(err)
	}
	before := len(s.sent("registrar", "box"))
	finish(t, again)
	if got, _ := again.Tracker(); got != id || len(s.sent("registrar", "box")) != before {
		t.Error("a vote that was finished was begun again")
	}
	if found, err := again.Find(t.Context()); err != nil || found.Index != 1 {
		t.Errorf("got %v, %v", found, err)
	}
	if err := again.Seal(ballot.Choices{0, 0}, ""); err == nil {
		t.Error("a second ballot was sealed")
	}
	if choices, err := ballot.Open(s.context(), ballot.Secret{}, "", s.box[id]); err == nil {
		t.Errorf("the ballot is sealed under no secret: %v", choices)
	}
}

// TestLinks refuses what is not a link of this election, and asks nobody.
func TestLinks(t *testing.T) {
	t.Parallel()
	s := newService(t)
	good := s.link(0)
	for name, link := range map[string]string{
		"empty":            "",
		"a file":           strings.Replace(good, "https", "file", 1),
		"ftp":              strings.Replace(good, "https", "ftp", 1),
		"a script":         strings.Replace(good, "https://", "javascript://", 1),
		"no scheme":        strings.TrimPrefix(good, "https:"),
		"upper case":       strings.Replace(good, "https", "HTTPS", 1),
		"a user":           strings.Replace(good, "https://", "https://vote.union.example@", 1),
		"a path":           strings.Replace(good, "/v1/", "/x/v1/", 1),
		"a query":          strings.Replace(good, "/v1/#", "/v1/?#", 1),
		"cut off":          good[:len(good)-1],
		"one more":         good + "A",
		"no hash of it":    strings.SplitN(good, "&m=", 2)[0],
		"a space inside":   strings.Replace(good, "#", "# ", 1),
		"another host too": good + " https://evil.example/",
	} {
		if _, err := voter.Open(t.Context(), s.client(), link, voter.NoMemory{}); !errors.Is(err, token.ErrLink) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if n := len(s.requests); n > 0 {
		t.Errorf("%d requests were sent for what is no link", n)
	}
	// A link of a unit that the manifest does not have.
	tok := token.Mint(s.keys.Token, token.Body{Kind: token.KindMember, Election: s.m.ElectionID, Group: 9, Expires: s.m.Schedule.TokenExpires()})
	if _, err := voter.Open(t.Context(), s.client(), token.Link(s.m.Origins.Booth, tok, s.mid), voter.NoMemory{}); err == nil {
		t.Error("a link of an unknown unit was opened")
	}
	// One of another election, handed to this one.
	e, err := voter.Fetch(t.Context(), s.client(), s.m.Origins.Booth, s.m.ElectionID, s.mid)
	if err != nil {
		t.Fatal(err)
	}
	other := newService(t, func(p *electiontest.Plan) { p.Seed = "other" })
	if _, err := e.Session(other.link(0), voter.NoMemory{}); !errors.Is(err, voter.ErrOtherElection) {
		t.Errorf("got %v", err)
	}
	if _, err := e.Session("x", voter.NoMemory{}); !errors.Is(err, token.ErrLink) {
		t.Errorf("got %v", err)
	}
}

// TestPrivacy records everything that is sent for a vote and searches it: the
// registrar learns nothing of the ballot, nobody else learns the token, and
// nothing tells one choice from another.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	s := newService(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var sizes []string
	for index, choices := range []ballot.Choices{{0, 0}, {2, 1}} {
		s.set(func() { s.requests = nil })
		client := s.client()
		client.Jar = jar
		session, err := voter.Open(t.Context(), client, s.link(uint32(index)), inFile(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := session.Status(t.Context(), "born in May"); err != nil {
			t.Fatal(err)
		}
		secret := ballot.NewSecret()
		if err := session.SealWith(secret, choices, "words of my own"); err != nil {
			t.Fatal(err)
		}
		if err := session.Finish(t.Context(), "born in May"); err != nil {
			t.Fatal(err)
		}
		if _, err := session.Find(t.Context()); err != nil {
			t.Fatal(err)
		}
		id, _ := session.Tracker()
		body, sig, err := ballot.ParseCast(s.box[id], s.m.Options())
		if err != nil {
			t.Fatal(err)
		}
		_, tok, _, _, err := token.ParseLink(s.link(uint32(index)))
		if err != nil {
			t.Fatal(err)
		}
		everywhere := spellings("secret", secret[:])
		everywhere["recovery code"] = []byte(secret.RecoveryCode())
		everywhere["typed text"] = []byte("words of my own")
		search(t, s.sent("registrar", "box", "booth", "board"), everywhere)
		search(t, s.sent("registrar", "booth", "board"), spellings("body", body), spellings("start of the body", body[36:90]),
			spellings("ballot id", id[:]), spellings("credential", sig))
		search(t, s.sent("box", "booth", "board"), spellings("token", tok[:]), spellings("middle of the token", tok[20:80]),
			map[string][]byte{"answer": []byte("born in May"), "token's text": []byte(tok.Base64()[8:100])})
		size := ""
		for _, r := range s.sent("registrar", "box", "booth", "board") {
			size += fmt.Sprintf("%s%s %d\n", r.origin, r.path, len(r.dump))
			if r.header.Get("Cookie") != "" {
				t.Errorf("%s%s carries a cookie", r.origin, r.path)
			}
		}
		sizes = append(sizes, size)
		only(t, s)
	}
	if sizes[0] != sizes[1] {
		t.Errorf("two choices look different from outside:\n%s\n%s", sizes[0], sizes[1])
	}
}

// only checks that nothing but these requests was sent.
func only(t *testing.T, s *service) {
	t.Helper()
	var got []string
	for _, r := range s.requests {
		got = append(got, r.origin+r.path)
	}
	want := "booth/manifest board/ledger/checkpoint-1 registrar/status registrar/issue box/ballots box/find"
	if strings.Join(got, " ") != want {
		t.Errorf("got requests %v", got)
	}
}

// spellings returns bytes as they might be written in a request.
func spellings(name string, b []byte) map[string][]byte {
	return map[string][]byte{
		name:                b,
		name + ", hex":      []byte(hex.EncodeToString(b)),
		name + ", base64":   []byte(base64.RawStdEncoding.EncodeToString(b)),
		name + ", for URLs": []byte(base64.RawURLEncoding.EncodeToString(b)),
	}
}

func search(t *testing.T, requests []request, needles ...map[string][]byte) {
	t.Helper()
	if len(requests) == 0 {
		t.Fatal("nothing to search")
	}
	for _, r := range requests {
		for _, list := range needles {
			for name, needle := range list {
				if bytes.Contains(r.dump, needle) {
					t.Errorf("%s%s is sent the %s", r.origin, r.path, name)
				}
			}
		}
	}
}

// TestRedaction prints a session in every way and looks for what it holds.
func TestRedaction(t *testing.T) {
	t.Parallel()
	s := newService(t)
	session := s.open(t, 0, voter.NoMemory{})
	secret := ballot.NewSecret()
	if err := session.SealWith(secret, ballot.Choices{1, 1}, "words"); err != nil {
		t.Fatal(err)
	}
	_, tok, _, _, err := token.ParseLink(s.link(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		got := fmt.Sprintf(verb, session)
		for _, b := range [][]byte{secret[:], tok[:]} {
			for name, needle := range spellings("it", b) {
				if strings.Contains(got, string(needle)) {
					t.Errorf("%s shows %s", verb, name)
				}
			}
		}
		if strings.Contains(got, fmt.Sprint(secret[:])[1:20]) || strings.Contains(got, "words") {
			t.Errorf("%s shows the secret or the words: %s", verb, got)
		}
	}
}
