package voter_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/protocol/token"
	"strikevote/internal/voter"
)

// A service is everything that a voter's program talks to, in memory: a
// registrar that signs blindly, a box that promises and proves, a board and a
// booth. It is also the network to it: it records every request, and a test can
// break requests and answers.
type service struct {
	t        testing.TB
	m        *election.Manifest
	keys     electiontest.Keys
	manifest []byte
	mid      suite.MID

	mu       sync.Mutex
	requests []request
	// fault is asked before a request is served. Guarded by mu, as all below.
	fault  func(n int, r request) fault
	change func(r request, w *httptest.ResponseRecorder) // an answer that is to be wrong
	begun  bool                                          // ballots enter the log
	issued map[suite.Hash][]byte                         // by token: z
	signed int
	codes  map[suite.Hash]token.Token // by the code's id
	kept   map[suite.Hash][]byte      // envelopes: bodies, by token
	shown  token.Body                 // of the request that is served
	// accepted envelopes
	accepted map[suite.BallotID]bool
	box      map[suite.BallotID][]byte
	log      tlog.Tree
	places   map[suite.BallotID]int64
}

// A request is one that was sent, whole.
type request struct {
	origin string // booth, registrar, box, board, or a host that is none of them
	path   string // behind the election's
	dump   []byte
	header http.Header
	body   []byte
}

// A fault is what happens to a request.
type fault int

const (
	none fault = iota
	lost       // it does not arrive
	dropped
	cut // half of the answer arrives
	busy
	broken
	gateway
)

var errNetwork = errors.New("connection reset by peer")

func newService(t testing.TB, opts ...func(*electiontest.Plan)) *service {
	t.Helper()
	m, keys := electiontest.Manifest(t, append([]func(*electiontest.Plan){func(p *electiontest.Plan) {
		p.Rolls = []uint32{30}
		p.Questions = append(p.Questions, []string{election.RoleYes, election.RoleNo})
	}}, opts...)...)
	return serve(t, m, keys)
}

func serve(t testing.TB, m *election.Manifest, keys electiontest.Keys) *service {
	t.Helper()
	s := &service{
		t: t, m: m, keys: keys, begun: true, issued: make(map[suite.Hash][]byte),
		codes: make(map[suite.Hash]token.Token), kept: make(map[suite.Hash][]byte),
		box: make(map[suite.BallotID][]byte), places: make(map[suite.BallotID]int64),
	}
	s.manifest, s.mid = electiontest.Encode(t, m)
	s.log.Append(tlog.LeafHash(ledger.ManifestEntry(s.mid)))
	return s
}

// link returns the link of a member.
func (s *service) link(index uint32) string { return s.linkOf(token.KindMember, index) }

func (s *service) linkOf(kind token.Kind, index uint32) string {
	return token.Link(s.m.Origins.Booth, token.Mint(s.keys.Token, s.bodyOf(kind, index)), s.mid)
}

func (s *service) bodyOf(kind token.Kind, index uint32) token.Body {
	return token.Body{
		Kind: kind, Election: s.m.ElectionID, Group: 1, Index: index, JTI: token.JTI{byte(index), 7}, Expires: s.m.Schedule.TokenExpires(),
	}
}

// code returns the code that stands for a link.
func (s *service) code(kind token.Kind, index uint32) string {
	body := s.bodyOf(kind, index)
	c := token.MakeCode([32]byte{5}, body)
	s.set(func() { s.codes[c.ID()] = token.Mint(s.keys.Token, body) })
	return c.Reveal()
}

func (s *service) client() *http.Client { return &http.Client{Transport: s} }

// open opens a member's link.
func (s *service) open(t *testing.T, index uint32, memory voter.Memory) *voter.Session {
	t.Helper()
	session, err := voter.Open(t.Context(), s.client(), s.link(index), memory)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// set changes how requests are answered from now on.
func (s *service) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// sent returns the requests to some origins.
func (s *service) sent(origins ...string) []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []request
	for _, r := range s.requests {
		for _, o := range origins {
			if r.origin == o {
				list = append(list, r)
			}
		}
	}
	return list
}

// counts returns how many credentials and ballots there are.
func (s *service) counts() (issued, cast int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.issued), len(s.box)
}

// RoundTrip is the network.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	got := s.record(r)
	s.mu.Lock()
	what := none
	if s.fault != nil {
		what = s.fault(len(s.requests), got)
	}
	s.mu.Unlock()
	if what == lost {
		return nil, errNetwork
	}
	w := httptest.NewRecorder()
	switch what {
	case busy:
		w.Header().Set("Retry-After", "2")
		reply(w, http.StatusServiceUnavailable, map[string]string{"error": "busy", "message": "Many people are voting."})
	case broken:
		reply(w, http.StatusInternalServerError, map[string]string{"error": "internal", "message": "Something went wrong here."})
	case gateway:
		w.WriteHeader(http.StatusBadGateway)
	default:
		s.answer(w, got)
	}
	if what == dropped {
		return nil, errNetwork
	}
	resp := w.Result()
	resp.Request = r
	if what == cut {
		resp.Body = io.NopCloser(io.MultiReader(io.LimitReader(resp.Body, int64(w.Body.Len()/2)), torn{}))
	}
	return resp, nil
}

// A torn reader is a connection that ends in the middle of an answer.
type torn struct{}

func (torn) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// ServeHTTP is the network to a server of net/http/httptest.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	s.answer(rec, s.record(r))
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func (s *service) record(r *http.Request) request {
	dump, err := httputil.DumpRequest(r, true)
	if err != nil {
		s.t.Error(err)
	}
	host := r.URL.Host
	if host == "" {
		host = r.Host
	}
	got := request{origin: host, path: r.URL.Path, dump: dump, header: r.Header.Clone()}
	if _, body, ok := bytes.Cut(dump, []byte("\r\n\r\n")); ok {
		got.body = body
	}
	o := s.m.Origins
	for name, origin := range map[string]string{"booth": o.Booth, "registrar": o.Registrar, "box": o.Box, "board": o.Board} {
		if strings.HasSuffix(origin, "://"+host) {
			got.origin = name
		}
	}
	for _, prefix := range []string{"/v1/" + s.m.ElectionID.String(), "/" + s.m.ElectionID.String()} {
		got.path = strings.TrimPrefix(got.path, prefix)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, got)
	return got
}

func (s *service) answer(w *httptest.ResponseRecorder, r request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Set-Cookie", "seen=1")
	switch r.origin + r.path {
	case "booth/manifest":
		_, _ = w.Write(s.manifest)
	case "board/ledger/checkpoint-1":
		_, _ = w.Write(s.firstCheckpoint())
	case "registrar/status":
		s.status(w, r)
	case "registrar/issue":
		s.issue(w, r)
	case "registrar/deposit":
		s.deposit(w, r)
	case "box/ballots":
		s.cast(w, r)
	case "box/find":
		s.find(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	if s.change != nil {
		s.change(r, w)
	}
}

func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// checkpoint signs a checkpoint and has witnesses cosign it.
func (s *service) checkpoint(signer *tlog.LogSigner, size int64, root suite.Hash, witnesses ...*tlog.WitnessSigner) []byte {
	c := tlog.Checkpoint{Origin: signer.Key().Name(), Size: size, Root: root}
	note := signer.Sign(c)
	for _, w := range witnesses {
		note = append(note, w.Cosign(c.Text(), time.Unix(electiontest.Open-60, 0))...)
	}
	return note
}

func (s *service) firstCheckpoint() []byte {
	return s.checkpoint(s.keys.Ledger, 1, tlog.LeafHash(ledger.ManifestEntry(s.mid)), s.keys.Witnesses...)
}

// A presented request is what the registrar reads.
type presented struct {
	Token  string `json:"token"`
	Code   string `json:"code"`
	Factor string `json:"factor"`
	Z      string `json:"z"`
	Ballot string `json:"ballot"`
}

func (s *service) present(w http.ResponseWriter, r request) (id suite.Hash, in presented, ok bool) {
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.DisallowUnknownFields()
	err := d.Decode(&in)
	var t token.Token
	if err == nil && in.Code != "" {
		c, cerr := token.ParseCode(in.Code)
		t = s.codes[c.ID()]
		err = cerr
	} else if err == nil {
		t, _, err = token.ParseBase64(in.Token)
	}
	if err == nil {
		s.shown, err = token.Verify(s.keys.Token.Public().(ed25519.PublicKey), t, time.Unix(electiontest.Open, 0))
	}
	if err != nil {
		reply(w, http.StatusNotFound, map[string]string{"error": "unknown_link", "message": "This link does not work."})
		return id, in, false
	}
	return t.ID(), in, true
}

func (s *service) status(w http.ResponseWriter, r request) {
	id, _, ok := s.present(w, r)
	if !ok {
		return
	}
	_, issued := s.issued[id]
	salt := ""
	if s.shown.Kind == token.KindMember {
		salt = strings.Repeat("5a", 32)
	}
	reply(w, http.StatusOK, map[string]any{"title": s.m.Title[0], "group": 1, "phase": "open", "close": s.m.Schedule.Close,
		"issued": issued || s.kept[id] != nil, "salt": salt, "index": 0})
}

func (s *service) issue(w http.ResponseWriter, r request) {
	id, in, ok := s.present(w, r)
	if !ok {
		return
	}
	z, err := base64.RawURLEncoding.Strict().DecodeString(in.Z)
	if err != nil || len(z) != credential.Size {
		reply(w, http.StatusBadRequest, map[string]string{"error": "bad_request", "message": "This request could not be read."})
		return
	}
	if s.shown.Kind == token.KindEnvelope {
		reply(w, http.StatusForbidden, map[string]string{"error": "envelope_only", "message": "This link opens an envelope."})
		return
	}
	if before, ok := s.issued[id]; ok && !bytes.Equal(before, z) || s.kept[id] != nil {
		reply(w, http.StatusConflict, map[string]string{"error": "already_issued", "message": alreadyIssued})
		return
	}
	answer, err := s.keys.Issuers[1].Sign(z)
	if err != nil {
		s.t.Error(err)
	}
	s.issued[id] = z
	s.signed++
	reply(w, http.StatusOK, map[string]string{"s": base64.RawURLEncoding.EncodeToString(answer[:])})
}

const alreadyIssued = "A ballot was already issued with this link: finish on the device where you began."

func (s *service) deposit(w http.ResponseWriter, r request) {
	id, in, ok := s.present(w, r)
	if !ok {
		return
	}
	body, err := base64.RawURLEncoding.Strict().DecodeString(in.Ballot)
	var b *ballot.Ballot
	if err == nil {
		b, err = ballot.Parse(body)
	}
	if err == nil {
		err = ballot.Check(s.context(), b)
	}
	if err != nil {
		reply(w, http.StatusUnprocessableEntity, map[string]string{"error": "not_a_ballot", "message": "This is not a sealed ballot of your group."})
		return
	}
	if before := s.kept[id]; s.issued[id] != nil || before != nil && !bytes.Equal(before, body) {
		reply(w, http.StatusConflict, map[string]string{"error": "already_issued", "message": alreadyIssued})
		return
	}
	s.kept[id] = body
	reply(w, http.StatusOK, map[string]string{"ballot_id": b.ID().String(), "state": "deposited"})
}

// accept brings an envelope to the box, with a credential.
func (s *service) accept(id suite.BallotID) {
	for _, body := range s.kept {
		if suite.BallotID(suite.H("ballot-id", body)) != id {
			continue
		}
		sig, err := s.keys.Issuers[1].SignMessage(credential.Message(s.mid, 1, id))
		if err != nil {
			s.t.Error(err)
		}
		s.box[id] = append(bytes.Clone(body), sig[:]...)
		s.accepted = map[suite.BallotID]bool{id: true}
		return
	}
	s.t.Error("there is no such envelope")
}

// context returns what ballots are checked against.
func (s *service) context() *ballot.Context {
	key, err := s.m.Key()
	if err != nil {
		s.t.Fatal(err)
	}
	return &ballot.Context{MID: s.mid, Group: 1, Key: key, Options: s.m.Options()}
}

func (s *service) cast(w http.ResponseWriter, r request) {
	body, sig, err := ballot.ParseCast(r.body, s.m.Options())
	var b *ballot.Ballot
	if err == nil {
		b, err = ballot.Parse(body)
	}
	if err == nil {
		err = ballot.Check(s.context(), b)
	}
	if err == nil {
		pk, kerr := s.m.IssuerKey(1)
		if kerr != nil {
			s.t.Error(kerr)
		}
		err = credential.Verify(pk, credential.Message(s.mid, 1, b.ID()), sig)
	}
	if err != nil {
		reply(w, http.StatusUnprocessableEntity, map[string]string{"error": "invalid_ballot", "message": "This ballot cannot be counted."})
		return
	}
	id := b.ID()
	if _, ok := s.box[id]; !ok {
		s.box[id] = bytes.Clone(r.body)
		if s.begun {
			s.enter(id)
		}
	}
	promise := receipt.SignPromise(s.keys.Promise, s.mid, id)
	reply(w, http.StatusOK, map[string]string{"promise": hex.EncodeToString(promise[:]), "state": "received"})
}

// enter puts a ballot into the log.
func (s *service) enter(id suite.BallotID) {
	s.places[id] = s.log.Size()
	s.log.Append(tlog.LeafHash(ledger.BallotEntry(s.box[id])))
}

func (s *service) find(w http.ResponseWriter, r request) {
	var in struct {
		ID suite.BallotID `json:"ballot_id"`
	}
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		s.t.Errorf("find: %v", err)
	}
	out := map[string]string{"state": "unknown", "promise": "", "proof": ""}
	if _, ok := s.box[in.ID]; ok {
		out["state"] = "received"
	}
	if at, ok := s.places[in.ID]; ok {
		out["state"], out["proof"] = "in the log", string(s.proof(at, s.keys.Witnesses...))
		if s.accepted[in.ID] {
			out["proof"] = string(s.proofWith(at, ledger.BallotEntry(s.box[in.ID])))
		}
	}
	reply(w, http.StatusOK, out)
}

func (s *service) proof(at int64, witnesses ...*tlog.WitnessSigner) []byte {
	return s.prove(at, nil, witnesses...)
}

func (s *service) proofWith(at int64, extra []byte) []byte {
	return s.prove(at, extra, s.keys.Witnesses...)
}

func (s *service) prove(at int64, extra []byte, witnesses ...*tlog.WitnessSigner) []byte {
	note := s.checkpoint(s.keys.Ballots, s.log.Size(), s.log.Root(), witnesses...)
	p, err := tlog.Prove(s.log.Size(), at, s.log.Reader(), note, extra)
	if err != nil {
		s.t.Error(err)
	}
	return p.Bytes()
}
