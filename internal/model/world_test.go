// Package model_test runs whole elections through a registrar and a ballot box
// as they are, on PostgreSQL, and through a model of a few lines that knows
// nothing of either, and compares what both come to.
package model_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/audit/audittest"
	"strikevote/internal/ballotbox"
	"strikevote/internal/board"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/protocol/token"
	"strikevote/internal/record/layout"
	"strikevote/internal/registrar"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A stage is an election that was sealed, in two databases that are put back to
// that moment before each story. One for each story would take a second.
type stage struct {
	t         *testing.T
	e         *audittest.Election // as sealed; a story changes a clone
	sealing   []byte
	minter    *mailer.Minter
	keys      registrar.Keys
	registrar *pgtest.DB
	box       *pgtest.DB
	back      [2]func() // put the databases back
	contexts  map[suite.GroupID]*ballot.Context
}

// newStage seals an election of three groups with a rule.
func newStage(t *testing.T, rule election.Rule) *stage {
	t.Helper()
	s := &stage{t: t, e: audittest.New(t, audittest.Options{Nobody: true, Demo: true, Single: true, PerGroup: rule.PerGroup})}
	s.e.Manifest.Rule = rule
	raw, err := s.e.Manifest.Encode()
	s.must(err)
	s.e.Raw, s.e.MID = raw, election.MID(raw)
	s.sealing = s.e.Publish(t)[layout.Sealing].Data
	// The seed of the manifest's token key, see audittest.
	s.minter = mailer.NewMinter([32]byte(bytes.Repeat([]byte{1}, 32)), [32]byte{7})
	s.keys = registrar.Keys{Issuers: s.e.Issuers, RollKey: sha256.Sum256([]byte("roll key"))}
	s.contexts = make(map[suite.GroupID]*ballot.Context)
	for _, g := range s.e.Manifest.Groups {
		s.contexts[g.ID] = s.e.Context(t, g.ID)
		s.contexts[g.ID].Prepare()
	}
	s.registrar, s.box = pgtest.Registrar(t), pgtest.Ballotbox(t)
	s.seal()
	s.back = [2]func(){s.keep(s.registrar), s.keep(s.box)}
	return s
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// number is the member number of a leaf of audittest.
func number(g suite.GroupID, index uint32) string { return fmt.Sprintf("M%d-%05d", g, index) }

func (s *stage) seal() {
	s.t.Helper()
	ctx, m := s.t.Context(), s.e.Manifest
	d := &registrar.Draft{Pool: s.registrar.Service, Election: m.ElectionID, Keys: s.keys}
	var members []registrar.Member
	var groups []registrar.RollGroup
	for _, g := range m.Groups {
		groups = append(groups, registrar.RollGroup{ID: g.ID, Units: g.Units})
		for i := range g.RollSize {
			members = append(members, registrar.Member{Number: number(g.ID, i), Name: "Somebody", Unit: g.Units[0]})
		}
	}
	s.must(d.Import(ctx, members))
	_, err := d.Prepare(ctx, groups)
	s.must(err)
	s.must(d.Seal(ctx, s.e.Raw, s.sealing, s.minter, registrar.LedgerOf(s.ledger())))
	s.must(ballotbox.Create(ctx, s.box.Owner, s.e.Raw, s.sealing))
}

// never is a clock before which every moment of a story lies: the board takes no
// moment from the future, and these are stories of 2030.
func never() time.Time { return time.Unix(1<<40, 0) }

func (s *stage) ledger() *board.Log {
	policy, err := s.e.Manifest.LedgerPolicy()
	s.must(err)
	return board.New(board.Config{Pool: s.registrar.Service, Signer: s.e.Ledger, MID: s.e.MID, Policy: policy, Now: never})
}

func (s *stage) ballots() *board.Log {
	policy, err := s.e.Manifest.BallotsPolicy()
	s.must(err)
	return board.New(board.Config{Pool: s.box.Service, Signer: s.e.Box, MID: s.e.MID, Policy: policy, Now: never})
}

// keep copies every table, and returns what puts all of them back: as the
// superuser and past the triggers, which let nobody else do that.
func (s *stage) keep(db *pgtest.DB) func() {
	s.t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, db.Server.AdminURL(db.Name))
	s.must(err)
	s.t.Cleanup(func() {
		_ = conn.Close(ctx)
		// Nobody but a superuser could end this connection, and the database is
		// dropped next.
		for there := true; there; {
			s.must(db.Owner.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)`, conn.PgConn().PID()).Scan(&there))
		}
	})
	rows, err := conn.Query(ctx, `SELECT table_schema || '.' || table_name FROM information_schema.tables
		WHERE table_schema IN ('registrar', 'ballotbox', 'board') AND table_type = 'BASE TABLE' ORDER BY 1`)
	s.must(err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	s.must(err)
	var copies, reset strings.Builder
	copies.WriteString("CREATE SCHEMA kept;")
	reset.WriteString("BEGIN; SET LOCAL session_replication_role = replica;")
	for i, table := range tables {
		fmt.Fprintf(&copies, "CREATE TABLE kept.t%d AS TABLE %s;", i, table)
		fmt.Fprintf(&reset, "DELETE FROM %s; INSERT INTO %s SELECT * FROM kept.t%d;", table, table, i)
	}
	reset.WriteString("COMMIT;")
	_, err = conn.Exec(ctx, copies.String())
	s.must(err)
	return func() {
		_, err := conn.Exec(ctx, reset.String())
		s.must(err)
	}
}

// A show is one story on a stage: the real services, and the model beside them.
type show struct {
	*stage
	*model
	t       *testing.T
	e       *audittest.Election
	r       *registrar.Registrar
	b       *ballotbox.Box
	moments map[uint32]int64 // when acts were made
	creds   map[*person]registrar.Credential

	differences int  // that were found between the services and the model
	spoiled     bool // the model is wrong, for the negative control
}

func (s *stage) begin(t *testing.T, seed uint64) *show {
	t.Helper()
	s.t = t
	for _, back := range s.back {
		back()
	}
	w := &show{stage: s, model: newModel(s.e.Manifest, seed), t: t, e: s.e.Clone(), moments: map[uint32]int64{}, creds: map[*person]registrar.Credential{}}
	clock := func() time.Time { return time.Unix(w.now, 0) }
	quiet := slog.New(slog.DiscardHandler)
	var err error
	w.b, err = ballotbox.New(t.Context(), ballotbox.Config{Pool: s.box.Service, Manifest: s.e.Manifest, MID: s.e.MID, PendingKey: [32]byte{1},
		Promise: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize)), Log: s.ballots(), Now: clock})
	s.must(err)
	w.r, err = registrar.Open(t.Context(), registrar.Config{Pool: s.registrar.Service, Keys: s.keys, Minter: s.minter,
		Ledger: registrar.LedgerOf(s.ledger()), Now: clock, Log: quiet, CheckEnvelope: w.check})
	s.must(err)
	w.tick()
	return w
}

// check asks the box for the registrar, without the network between them.
func (w *show) check(ctx context.Context, body []byte) (suite.BallotID, suite.GroupID, error) {
	id, g, err := w.b.Check(ctx, body)
	if errors.Is(err, ballotbox.ErrMalformed) || errors.As(err, new(*ballotbox.InvalidError)) {
		err = registrar.ErrNotBallot
	}
	return id, g, err
}

func (w *show) tick() {
	w.t.Helper()
	w.must(w.r.Tick(w.t.Context()))
	w.must(w.b.Tick(w.t.Context()))
}

// show returns what somebody shows the registrar.
func (w *show) show(p *person) registrar.Credential {
	w.t.Helper()
	if c, ok := w.creds[p]; ok {
		return c
	}
	var jti []byte
	w.must(w.registrar.Owner.QueryRow(w.t.Context(), `SELECT jti FROM registrar.token WHERE on_roll = $1 AND group_id = $2 AND roll_index = $3`,
		p.onRoll, p.group, p.index).Scan(&jti))
	kind := token.KindMember
	if !p.onRoll {
		kind = token.KindEnvelope
	}
	t, _ := w.minter.Mint(token.Body{Kind: kind, Election: w.e.Manifest.ElectionID, Group: p.group, Index: p.index, JTI: token.JTI(jti),
		Expires: w.e.Manifest.Schedule.TokenExpires()})
	c, err := w.r.Present(t.Base64(), "")
	w.must(err)
	w.creds[p] = c
	return c
}

// seal makes a ballot on somebody's device.
func (w *show) seal(g suite.GroupID, choice uint8) *ballot.Sealed {
	w.t.Helper()
	b, err := ballot.Seal(w.contexts[g], ballot.NewSecret(), "", ballot.Choices{choice})
	w.must(err)
	return b
}

// issue asks for a credential and returns the ballot with it.
func (w *show) issue(p *person, b *ballot.Sealed) ([]byte, error) {
	w.t.Helper()
	pk, err := w.e.Manifest.IssuerKey(p.group)
	w.must(err)
	req, err := credential.Blind(pk, credential.Message(w.e.MID, p.group, b.ID), b.OKM)
	w.must(err)
	answer, err := w.r.Issue(w.t.Context(), w.show(p), "", req.Z[:])
	if err != nil {
		return nil, err
	}
	sig, err := req.Finalize(answer[:])
	w.must(err)
	return append(bytes.Clone(b.Body), sig[:]...), nil
}

// act has the committee sign an act and brings it to both sides.
func (w *show) act(payload audittest.Payload) error {
	w.t.Helper()
	sequence := uint32(len(w.moments) + 1)
	body := w.e.Act(w.t, sequence, payload)[1:]
	if _, err := w.r.ApplyAct(w.t.Context(), body); err != nil {
		return err
	}
	w.moments[sequence] = w.now
	_, err := w.b.ApplyAct(w.t.Context(), body)
	w.must(err)
	return nil
}

// end returns the proof of the ledger's last entry, witnessed.
func (w *show) end() []byte {
	w.t.Helper()
	l, ctx := w.ledger(), w.t.Context()
	note, err := l.Checkpoint(ctx)
	w.must(err)
	text, _, _ := strings.Cut(string(note), "\n\n")
	for _, k := range w.e.Witnesses {
		w.must(l.AddCosignature(ctx, k.Cosign(text+"\n", time.Unix(w.now, 0))))
	}
	head, err := l.Head(ctx)
	w.must(err)
	last, err := l.Entry(ctx, head.Size-1)
	w.must(err)
	proof, err := l.Proof(ctx, head.Size-1, last)
	w.must(err)
	return proof
}

// entries reads a log from its first entry to its last.
func (w *show) entries(l *board.Log) [][]byte {
	w.t.Helper()
	head, err := l.Head(w.t.Context())
	w.must(err)
	var out [][]byte
	var tree tlog.Tree
	for e, err := range l.Entries(w.t.Context(), 0, head.Size) {
		w.must(err)
		out = append(out, bytes.Clone(e))
		tree.Append(tlog.LeafHash(e))
	}
	if tree.Root() != head.Root {
		w.t.Error("a log's head is not that of its entries")
	}
	return out
}
