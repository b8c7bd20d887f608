package main

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/ballotbox"
	"strikevote/internal/board"
	"strikevote/internal/booth"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
	"strikevote/internal/record/layout"
	"strikevote/internal/registrar"
	"strikevote/internal/voter"
)

// A hall is both sides of an election behind servers that listen, with a clock
// that the test sets: what the vote command talks to.
type hall struct {
	t         *testing.T
	m         *election.Manifest
	k         electiontest.Keys
	mid       suite.MID
	registrar *registrar.Registrar
	box       *ballotbox.Box
	minter    *mailer.Minter
	ledger    *board.Log
	ballots   *board.Log
	db        *pgtest.DB
	now       atomic.Int64
	acts      uint32
	mute      atomic.Bool // the booth does not say where the vote stands
}

func newHall(t *testing.T, change ...func(*election.Manifest)) *hall {
	t.Helper()
	h := &hall{t: t}
	h.now.Store(electiontest.Open - 60)
	handlers := make([]atomic.Pointer[http.Handler], 4)
	var urls []string
	for i := range handlers {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handlers[i].Load()).ServeHTTP(w, r) }))
		t.Cleanup(s.Close)
		urls = append(urls, s.URL)
	}
	h.m, h.k = electiontest.Manifest(t, func(p *electiontest.Plan) {
		p.Change = func(m *election.Manifest) {
			m.Origins = election.Origins{Booth: urls[0], Registrar: urls[1], Box: urls[2], Board: urls[3], Console: "http://127.0.0.1:1"}
			for _, f := range change {
				f(m)
			}
		}
	})
	manifest, mid := electiontest.Encode(t, h.m)
	h.mid = mid
	sealing := electiontest.Sealing(t, h.m, h.k, mid)
	h.openRegistrar(manifest, sealing)
	h.openBox(manifest, sealing)
	h.cosign()
	h.tick(electiontest.Open)
	names, boxes := registrar.NewService(slog.New(slog.DiscardHandler), nil), ballotbox.NewService(nil)
	names.Add(h.registrar)
	boxes.Add(h.box)
	for i, served := range []http.Handler{
		booth.Handler(booth.Config{Manifest: func(context.Context, suite.ElectionID) ([]byte, error) { return manifest, nil }, Stands: h.stands}), names.Handler(), boxes.Handler(),
		(&board.Site{Lookup: func(suite.ElectionID) (ledger, ballots board.Half, ok bool) {
			return board.Local(layout.Ledger, h.ledger), board.Local(layout.Ballots, h.ballots), true
		}}).Handler(),
	} {
		handlers[i].Store(&served)
	}
	return h
}

// stands is where the booth says that the vote stands.
func (h *hall) stands(ctx context.Context, _ suite.ElectionID) (booth.Standing, bool) {
	s, err := h.registrar.Phase(ctx)
	return booth.Standing{Phase: s.Phase, Close: s.Close}, err == nil && !h.mute.Load()
}

func (h *hall) clock() time.Time { return time.Unix(h.now.Load(), 0) }

func (h *hall) openRegistrar(manifest, sealing []byte) {
	h.t.Helper()
	h.db = pgtest.Registrar(h.t)
	policy, err := h.m.LedgerPolicy()
	h.must(err)
	h.ledger = board.New(board.Config{Pool: h.db.Service, Signer: h.k.Ledger, MID: h.mid, Policy: policy, Now: h.clock})
	h.minter = mailer.NewMinter([32]byte(h.k.Token.Seed()), [32]byte{7})
	keys := registrar.Keys{Issuers: h.k.Issuers, RollKey: h.k.RollKey}
	d := &registrar.Draft{Pool: h.db.Service, Election: h.m.ElectionID, Keys: keys}
	var members []registrar.Member
	var groups []registrar.RollGroup
	for _, g := range h.m.Groups {
		groups = append(groups, registrar.RollGroup{ID: g.ID, Units: g.Units})
		for i := range g.RollSize {
			members = append(members, registrar.Member{Number: electiontest.MemberNo(g.ID, i), Name: "Somebody", Unit: g.Units[0]})
		}
	}
	h.must(d.Import(h.t.Context(), members))
	_, err = d.Prepare(h.t.Context(), groups)
	h.must(err)
	h.must(d.Seal(h.t.Context(), manifest, sealing, h.minter, registrar.LedgerOf(h.ledger)))
	box := h.m.Origins.Box + "/v1/" + h.m.ElectionID.String()
	h.registrar, err = registrar.Open(h.t.Context(), registrar.Config{
		Pool: h.db.Service, Keys: keys, Minter: h.minter, Ledger: registrar.LedgerOf(h.ledger), Now: h.clock,
		Log: slog.New(slog.DiscardHandler), CheckEnvelope: registrar.CheckAt(http.DefaultClient, box),
	})
	h.must(err)
}

func (h *hall) openBox(manifest, sealing []byte) {
	h.t.Helper()
	db := pgtest.Ballotbox(h.t)
	h.must(ballotbox.Create(h.t.Context(), db.Owner, manifest, sealing))
	policy, err := h.m.BallotsPolicy()
	h.must(err)
	h.ballots = board.New(board.Config{Pool: db.Service, Signer: h.k.Ballots, MID: h.mid, Policy: policy, Now: h.clock})
	h.box, err = ballotbox.New(h.t.Context(), ballotbox.Config{
		Pool: db.Service, Manifest: h.m, MID: h.mid, PendingKey: [32]byte{1}, Promise: ed25519.PrivateKey(h.k.Promise), Log: h.ballots, Now: h.clock,
	})
	h.must(err)
}

func (h *hall) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// cosign lets the witnesses sign for both logs.
func (h *hall) cosign() {
	h.t.Helper()
	for _, l := range []*board.Log{h.ledger, h.ballots} {
		note, err := l.Checkpoint(context.Background())
		h.must(err)
		text, _, _ := strings.Cut(string(note), "\n\n")
		for _, w := range h.k.Witnesses {
			h.must(l.AddCosignature(context.Background(), w.Cosign(text+"\n", h.clock())))
		}
	}
}

func (h *hall) tick(now int64) {
	h.t.Helper()
	h.now.Store(now)
	h.must(h.registrar.Tick(h.t.Context()))
	h.must(h.box.Tick(h.t.Context()))
}

func (h *hall) act(kind act.Kind, payload []byte) {
	h.t.Helper()
	h.acts++
	body := h.k.Act(h.mid, kind, h.acts, payload).Bytes()
	_, err := h.registrar.ApplyAct(h.t.Context(), body)
	h.must(err)
	_, err = h.box.ApplyAct(h.t.Context(), body)
	h.must(err)
}

// show returns the link and the code of somebody.
func (h *hall) show(kind token.Kind, g suite.GroupID, index uint32) (link, code string) {
	h.t.Helper()
	var jti []byte
	h.must(h.db.Owner.QueryRow(h.t.Context(), `SELECT jti FROM registrar.token WHERE on_roll = $1 AND group_id = $2 AND roll_index = $3`,
		kind == token.KindMember, g, index).Scan(&jti))
	tok, c := h.minter.Mint(token.Body{Kind: kind, Election: h.m.ElectionID, Group: g, Index: index, JTI: token.JTI(jti), Expires: h.m.Schedule.TokenExpires()})
	return token.Link(h.m.Origins.Booth, tok, h.mid), c.Reveal()
}

func has(t *testing.T, got string, wants ...string) {
	t.Helper()
	plain := strings.Join(strings.Fields(got), " ")
	for _, want := range wants {
		if !strings.Contains(plain, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
}

// TestEnvelopes hands envelopes in with the command, by somebody on the roll who
// chooses to and by somebody off it who has to, lets the committee decide, and
// asks what became of them.
func TestEnvelopes(t *testing.T) {
	t.Parallel()
	h, p, state := newHall(t), &person{t}, t.TempDir()
	on, _ := h.show(token.KindMember, 1, 0)
	at, err := h.registrar.Admit(t.Context(), registrar.Applicant{Name: "Somebody", Group: 1})
	h.must(err)
	off, offCode := h.show(token.KindEnvelope, 1, at.Index)
	address := h.m.Origins.Booth + "/v1/" + h.m.ElectionID.String()

	// Nothing is handed in without a yes.
	got := p.command(exitFailed, "no\n", "vote", "-state", state, "-envelope", "-choose", "1", on)
	has(t, got, "Your ballot will wait in an envelope, with your name on it.", "It is less secret", "2 of 3 tellers", "nothing was cast")
	has(t, p.command(exitOK, "yes\n", "vote", "-state", state, "-envelope", "-choose", "1", on), "Hand it in, in the envelope?", "We have your envelope. It is not in the box yet.")
	// A link that opens nothing else needs no flag.
	has(t, p.command(exitOK, "2\nyes\n", "vote", "-state", state, off), "Your ballot will wait in an envelope", "We have your envelope")
	for _, again := range [][]string{{on}, {"-envelope", on}, {off}} {
		has(t, p.command(exitOK, "", append([]string{"vote", "-state", state}, again...)...), "You have handed in an envelope", "not decided yet, or it was refused")
	}
	has(t, p.command(exitFailed, "", "vote", "-state", t.TempDir(), "-choose", "1", "-yes", on), "an envelope handed in")
	has(t, p.command(exitFailed, "yes\n", "vote", "-state", t.TempDir(), "-choose", "1", "-slip", offCode, address), "an envelope handed in")

	h.tick(electiontest.Close)
	list, err := h.registrar.Envelopes(t.Context())
	h.must(err)
	decide := act.Decide{Group: 1}
	for _, e := range list {
		if e.OnRoll {
			decide.AcceptedOn, decide.Accepted = 1, []suite.BallotID{e.BallotID}
		} else {
			decide.RejectedOff = 1
		}
	}
	h.act(act.KindDecide, decide.Bytes())
	accepted, err := h.registrar.Accepted(t.Context(), nil)
	h.must(err)
	for _, e := range accepted {
		_, _, err := h.box.Cast(t.Context(), append(e.Body, e.Sig[:]...))
		h.must(err)
	}
	find := func(link string) string { return p.command(exitOK, "", "vote", "-state", state, "-find", link) }
	has(t, find(on), "Your envelope was accepted", "when the box is locked")
	h.must(h.registrar.Lock(t.Context()))
	h.cosign()
	head, err := h.ledger.Head(t.Context())
	h.must(err)
	last, err := h.ledger.Entry(t.Context(), head.Size-1)
	h.must(err)
	proof, err := h.ledger.Proof(t.Context(), head.Size-1, last)
	h.must(err)
	_, err = h.box.Lock(t.Context(), proof)
	h.must(err)
	has(t, find(on), "Your envelope was accepted", "have not signed for it yet")
	h.cosign()
	has(t, find(on), "your sealed ballot is in the published box", "the witnesses have signed for it")
	has(t, find(off), "it was refused, or not decided in time. It was not opened")
}

// TestInterruptedEnvelope: a run that was killed at the request goes on with the
// same envelope, also when the flag is forgotten, and an ordinary ballot that was
// begun and not issued can still go into one.
func TestInterruptedEnvelope(t *testing.T) {
	t.Parallel()
	h, p := newHall(t), &person{t}
	for index, kill := range []func(context.Context, *voter.Session) error{
		func(ctx context.Context, s *voter.Session) error { return s.Deposit(ctx, "") },
		func(ctx context.Context, s *voter.Session) error { return s.Finish(ctx, "") },
	} {
		state := t.TempDir()
		link, _ := h.show(token.KindMember, 2, uint32(index))
		s, err := voter.Open(t.Context(), voter.NewClient(), link, voter.FileFor(state, link))
		h.must(err)
		h.must(s.Seal([]uint8{2}, ""))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := kill(ctx, s); err == nil {
			t.Fatal("it lived on")
		}
		id, _ := s.Tracker()
		args := []string{"vote", "-state", state, "-yes", link}
		if index == 1 {
			args = []string{"vote", "-state", state, "-yes", "-envelope", link}
		}
		has(t, p.command(exitOK, "", args...), "There is an unfinished ballot", receipt.Tracker(id), "Your ballot will wait in an envelope", "We have your envelope")
	}
	if list, err := h.registrar.Envelopes(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%d envelopes, %v", len(list), err)
	}
}

// TestSlip votes with the code of a slip, from the command line and from the
// prompt.
func TestSlip(t *testing.T) {
	t.Parallel()
	h, p := newHall(t), &person{t}
	address := h.m.Origins.Booth + "/v1/" + h.m.ElectionID.String()
	_, code := h.show(token.KindMember, 2, 0)
	_, second := h.show(token.KindMember, 1, 5)
	words := "Six check words: " + election.SixWords(h.mid)
	state := t.TempDir()

	got := p.command(exitFailed, "no\n", "vote", "-state", state, "-slip", code, "-choose", "1", address)
	has(t, got, h.m.Title[0], words, "on your slip? Type yes:", "nothing was cast")
	if strings.Contains(got, "You vote in") {
		t.Error("the code was sent before the words were confirmed")
	}
	got = p.command(exitOK, "yes\n1\nyes\n", "vote", "-state", state, "-slip", strings.ToLower(code), address+"/")
	has(t, got, words, "You vote in: Unit 2", "Your ballot is received")
	has(t, p.command(exitOK, "", "vote", "-state", state, "-slip", code, address), "You have voted", "You vote in: Unit 2")
	has(t, p.command(exitFailed, "yes\n", "vote", "-state", t.TempDir(), "-slip", code, "-choose", "1", address), "already issued")

	got = p.command(exitOK, second+"\nyes\n2\nyes\n", "vote", "-state", state, "-slip", "-", address)
	has(t, got, "Your code:", "You vote in: Unit 1", "Your ballot is received")
	if strings.Contains(got, second) {
		t.Error("the code is printed")
	}
	wrong := "0" + code[1:]
	if wrong == code {
		wrong = "1" + code[1:]
	}
	for _, typed := range []string{wrong, code[2:], "rubbish"} {
		has(t, p.command(exitFailed, "", "vote", "-state", state, "-slip", typed, address), "this is not a code: one character is wrong, or one is missing", "nothing was sent")
	}
	for _, bad := range []string{h.m.Origins.Booth, address[:len(address)-1], "vote.eml", "/v1/" + h.m.ElectionID.String(), ""} {
		p.command(exitUsage, "", "vote", "-state", state, "-slip", code, bad)
	}
	files, err := os.ReadDir(state)
	if err != nil || len(files) != 2 {
		t.Errorf("%d files, %v", len(files), err)
	}
}
