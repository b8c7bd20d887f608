package registrar_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/board"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
	"strikevote/internal/registrar"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A world is a sealed election on a database of its own, with a clock that the
// test sets.
type world struct {
	t        testing.TB
	db       *pgtest.DB
	m        *election.Manifest
	k        electiontest.Keys
	mid      suite.MID
	draft    *registrar.Draft
	r        *registrar.Registrar
	log      *board.Log
	minter   *mailer.Minter
	manifest []byte
	sealing  []byte
	now      atomic.Int64
	out      bytes.Buffer // of the logger; read after the work
	sequence uint32
	config   registrar.Config
}

var (
	codeKey   = [32]byte{1, 2, 3}
	factorKey = [32]byte{4, 5, 6}
)

// members are the roll of which the manifest of electiontest has the roots.
func members(m *election.Manifest) []registrar.Member {
	var all []registrar.Member
	for _, g := range m.Groups {
		for i := range g.RollSize {
			no := electiontest.MemberNo(g.ID, i)
			all = append(all, registrar.Member{Number: no, Name: "CANARY-name " + no, Email: "canary-" + strings.ToLower(no) + "@mail.example",
				Unit: g.Units[0], Campus: "Davis", Factor: "answer " + no})
		}
	}
	return all
}

func rollGroups(m *election.Manifest) []registrar.RollGroup {
	var groups []registrar.RollGroup
	for _, g := range m.Groups {
		groups = append(groups, registrar.RollGroup{ID: g.ID, Units: g.Units})
	}
	return groups
}

func newWorld(t testing.TB, opts ...func(*electiontest.Plan)) *world {
	t.Helper()
	return newWorldOn(t, pgtest.Registrar(t), opts...)
}

func newWorldOn(t testing.TB, db *pgtest.DB, opts ...func(*electiontest.Plan)) *world {
	t.Helper()
	w := prepareOn(t, db, opts...)
	if err := w.draft.Seal(t.Context(), w.manifest, w.sealing, w.minter, registrar.LedgerOf(w.log)); err != nil {
		t.Fatal(err)
	}
	w.open()
	return w
}

// prepareWorld stops before sealing.
func prepareWorld(t testing.TB, opts ...func(*electiontest.Plan)) *world {
	t.Helper()
	return prepareOn(t, pgtest.Registrar(t), opts...)
}

func prepareOn(t testing.TB, db *pgtest.DB, opts ...func(*electiontest.Plan)) *world {
	t.Helper()
	w := &world{t: t, db: db}
	w.m, w.k = electiontest.Manifest(t, opts...)
	w.manifest, w.mid = electiontest.Encode(t, w.m)
	w.sealing = electiontest.Sealing(t, w.m, w.k, w.mid)
	w.now.Store(electiontest.Open - 3600)
	w.minter = mailer.NewMinter([32]byte(w.k.Token.Seed()), codeKey)
	policy, err := w.m.LedgerPolicy()
	if err != nil {
		t.Fatal(err)
	}
	w.log = board.New(board.Config{Pool: w.db.Service, Signer: w.k.Ledger, MID: w.mid, Policy: policy, Now: w.clock})
	w.draft = &registrar.Draft{Pool: w.db.Service, Election: w.m.ElectionID, Keys: w.keys()}
	if err := w.draft.Import(t.Context(), members(w.m)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.draft.Prepare(t.Context(), rollGroups(w.m)); err != nil {
		t.Fatal(err)
	}
	return w
}

// keys copies the issuer keys: a test may wipe them.
func (w *world) keys() registrar.Keys {
	keys := registrar.Keys{Issuers: map[suite.GroupID]*issuer.Key{}, RollKey: w.k.RollKey, FactorKey: factorKey}
	for g, k := range w.k.Issuers {
		der, err := k.Bytes()
		if err != nil {
			w.t.Fatal(err)
		}
		if keys.Issuers[g], err = issuer.Parse(der); err != nil {
			w.t.Fatal(err)
		}
	}
	return keys
}

// open opens the registrar of the sealed election; voting is not open yet.
func (w *world) open(change ...func(*registrar.Config)) {
	w.t.Helper()
	w.config = registrar.Config{Pool: w.db.Service, Keys: w.keys(), Minter: w.minter, Ledger: registrar.LedgerOf(w.log),
		Now: w.clock, Log: slog.New(slog.NewTextHandler(&w.out, nil))}
	for _, c := range change {
		c(&w.config)
	}
	r, err := registrar.Open(context.Background(), w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.r = r
}

func (w *world) clock() time.Time { return time.Unix(w.now.Load(), 0) }

// at sets the clock and does what is due.
func (w *world) at(now int64) {
	w.t.Helper()
	w.now.Store(now)
	if err := w.r.Tick(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// link returns the live token of a place.
func (w *world) link(g suite.GroupID, index uint32, onRoll bool) (token.Token, token.Code) {
	w.t.Helper()
	var jti []byte
	err := w.db.Owner.QueryRow(w.t.Context(), `SELECT jti FROM registrar.token t WHERE on_roll = $3 AND group_id = $1 AND roll_index = $2
		AND NOT EXISTS (SELECT FROM registrar.token_revoked r WHERE r.token_id = t.token_id)`, g, index, onRoll).Scan(&jti)
	if err != nil {
		w.t.Fatal(err)
	}
	kind := token.KindMember
	if !onRoll {
		kind = token.KindEnvelope
	}
	return w.minter.Mint(token.Body{Kind: kind, Election: w.m.ElectionID, Group: g, Index: index, JTI: token.JTI(jti),
		Expires: w.m.Schedule.TokenExpires()})
}

// show returns the credential of a member's link.
func (w *world) show(g suite.GroupID, index uint32) registrar.Credential {
	w.t.Helper()
	t, _ := w.link(g, index, true)
	c, err := w.r.Present(t.Base64(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// request returns a number that can be signed.
func request(t testing.TB) []byte {
	t.Helper()
	z := make([]byte, credential.Size)
	rand.Read(z[1:])
	z[1] |= 1
	return z
}

// checkAnswer verifies s^e = z mod n.
func (w *world) checkAnswer(g suite.GroupID, z []byte, s [credential.Size]byte) {
	w.t.Helper()
	spki := w.m.Group(g).Issuer
	n := new(big.Int).SetBytes(spki[len(spki)-5-credential.Size : len(spki)-5])
	got := new(big.Int).Exp(new(big.Int).SetBytes(s[:]), big.NewInt(65537), n)
	if got.Cmp(new(big.Int).SetBytes(z)) != 0 {
		w.t.Error("the answer is not a signature of the request")
	}
}

// act applies the committee's next act.
func (w *world) act(kind act.Kind, payload interface{ Bytes() []byte }) error {
	_, err := w.r.ApplyAct(w.t.Context(), w.k.Act(w.mid, kind, w.sequence+1, payload.Bytes()).Bytes())
	if err == nil {
		w.sequence++
	}
	return err
}

// entries returns the ledger's entries of a type.
func (w *world) entries(kind byte) [][]byte {
	w.t.Helper()
	head, err := w.log.Head(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var out [][]byte
	for e, err := range w.log.Entries(w.t.Context(), 0, head.Size) {
		if err != nil {
			w.t.Fatal(err)
		}
		if e[0] == kind {
			out = append(out, e)
		}
	}
	return out
}

func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.Owner.QueryRow(w.t.Context(), query, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// post sends a request to the service's handler.
func (w *world) post(path string, body any, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.postTo(w.service(w.r), path, body, header...)
}

// service serves a registrar.
func (w *world) service(r *registrar.Registrar) *registrar.Service {
	s := registrar.NewService(w.config.Log, nil)
	s.Add(r)
	return s
}

func (w *world) postTo(s *registrar.Service, path string, body any, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case []byte:
		in = bytes.NewReader(b)
	case string:
		in = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	req := httptest.NewRequest("POST", fmt.Sprintf("/v1/%s%s", w.m.ElectionID, path), in)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, req)
	return rec
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// code returns the error code of an answer.
func code(rec *httptest.ResponseRecorder) string {
	var e struct{ Error, Message string }
	if json.Unmarshal(rec.Body.Bytes(), &e) != nil {
		return "no JSON: " + rec.Body.String()
	}
	return e.Error
}

func withFactor(p *electiontest.Plan) {
	p.Real = true
	p.Change = func(m *election.Manifest) { m.Factor = &election.Factor{Label: []string{"the last four digits"}} }
}

func real(p *electiontest.Plan) { p.Real = true }
