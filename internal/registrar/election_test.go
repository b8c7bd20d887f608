package registrar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/internal/roll"
)

func TestDraft(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t)
	ctx := t.Context()
	// The roots are those that an independent computation put in the manifest.
	roots, err := w.draft.Prepare(ctx, rollGroups(w.m))
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range w.m.Groups {
		if want := (registrar.RollRoot{ID: g.ID, Size: g.RollSize, Root: g.RollRoot}); roots[i] != want {
			t.Errorf("group %d: got %+v, want %+v", g.ID, roots[i], want)
		}
	}
	// Pooled, everybody is in one group, numbered through.
	pooled, err := w.draft.Prepare(ctx, []registrar.RollGroup{{ID: 9, Units: []string{"Unit 1", "Unit 2"}}})
	if err != nil || len(pooled) != 1 || pooled[0].Size != 70 {
		t.Errorf("pooled: got %+v, %v", pooled, err)
	}
	if n := w.count(`SELECT max(roll_index) FROM registrar.member WHERE group_id = 9`); n != 69 {
		t.Errorf("last index %d, want 69", n)
	}
	if _, err := w.draft.Prepare(ctx, rollGroups(w.m)[:1]); err == nil {
		t.Error("a unit without a group was accepted")
	}
	counts, err := w.draft.Summary(ctx)
	if err != nil || len(counts) != 2 || counts[0] != (registrar.UnitCount{Unit: "Unit 1", Campus: "Davis", Members: 30, Addresses: 30}) {
		t.Errorf("got %+v, %v", counts, err)
	}
	// All or nothing: the last row has the first one's number.
	bad := members(w.m)
	bad[len(bad)-1].Number = bad[0].Number
	if err := w.draft.Import(ctx, bad); err == nil || bytes.Contains([]byte(err.Error()), []byte("M-1-0")) {
		t.Errorf("a number twice: got %v", err)
	}
	if n := w.count(`SELECT count(*) FROM registrar.member`); n != 70 {
		t.Errorf("%d members after an import that failed, want 70", n)
	}
	if _, err := registrar.Open(ctx, registrar.Config{Pool: w.db.Service}); !errors.Is(err, registrar.ErrDraft) {
		t.Errorf("opening a draft: got %v", err)
	}
}

func TestSeal(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t)
	ctx := t.Context()
	seal := func(minter registrar.Minter) error {
		return w.draft.Seal(ctx, w.manifest, w.sealing, minter, registrar.LedgerOf(w.log))
	}
	if err := seal(mailer.NewMinter([32]byte{1}, codeKey)); err == nil {
		t.Error("sealed with a token key that is not the manifest's")
	}
	all := members(w.m)
	if err := w.draft.Import(ctx, all[:len(all)-1]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.draft.Prepare(ctx, rollGroups(w.m)); err != nil {
		t.Fatal(err)
	}
	if err := seal(w.minter); err == nil {
		t.Error("sealed over another roll")
	}
	if n := w.count(`SELECT count(*) FROM registrar.token`); n != 0 {
		t.Errorf("%d tokens after a sealing that failed", n)
	}
	if err := w.draft.Import(ctx, all); err != nil {
		t.Fatal(err)
	}
	if err := seal(w.minter); err == nil {
		t.Error("sealed without leaves")
	}
	if _, err := w.draft.Prepare(ctx, rollGroups(w.m)); err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(w.sealing, []byte("0"), []byte("1"), 1)
	if err := w.draft.Seal(ctx, w.manifest, other, w.minter, registrar.LedgerOf(w.log)); err == nil {
		t.Error("sealed with a broken signature")
	}
	for range 2 { // again is fine
		if err := seal(w.minter); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.count(`SELECT count(*) FROM registrar.token`); n != 70 {
		t.Errorf("%d tokens, want 70", n)
	}
	if got := w.entries(0); len(got) != 1 || !bytes.Equal(got[0], ledger.ManifestEntry(w.mid)) {
		t.Errorf("ledger begins with %x", got)
	}
	if err := w.draft.Import(ctx, all); !errors.Is(err, registrar.ErrSealed) {
		t.Errorf("an import after sealing: got %v", err)
	}
	if _, err := w.draft.Prepare(ctx, rollGroups(w.m)); !errors.Is(err, registrar.ErrSealed) {
		t.Errorf("preparing after sealing: got %v", err)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	s, err := w.r.Status(t.Context(), w.show(2, 5), "")
	if err != nil {
		t.Fatal(err)
	}
	// What the member needs to find her own leaf.
	var salt [32]byte
	if err := suite.UnmarshalHex(salt[:], []byte(s.Salt)); err != nil {
		t.Fatal(err)
	}
	if leaf := ledger.Leaf(s.Group, s.Index, salt, electiontest.MemberNo(2, 5)); leaf != w.k.Leaves[2][5] {
		t.Error("salt and index do not give the member's leaf")
	}
	if s.Title != w.m.Title[0] || s.Phase != election.PhaseOpen || s.Close != electiontest.Close || s.Issued {
		t.Errorf("got %+v", s)
	}
	if _, err := w.r.Issue(t.Context(), w.show(2, 5), "", request(t)); err != nil {
		t.Fatal(err)
	}
	w.now.Store(electiontest.Close) // no tick
	if s, err = w.r.Status(t.Context(), w.show(2, 5), ""); err != nil || !s.Issued || s.Phase != election.PhaseClosed {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestNewLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	ctx := t.Context()
	no := electiontest.MemberNo(1, 8)
	old := w.show(1, 8)
	if err := w.r.NewLink(ctx, no, "new@mail.example", "Ann and Bob", "corrected"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.r.Issue(ctx, old, "", request(t)); !errors.Is(err, registrar.ErrReplaced) {
		t.Errorf("the old link: got %v", err)
	}
	if _, err := w.r.Status(ctx, old, ""); !errors.Is(err, registrar.ErrReplaced) {
		t.Errorf("the old link: got %v", err)
	}
	if _, err := w.r.Issue(ctx, w.show(1, 8), "", request(t)); err != nil {
		t.Errorf("the new link: %v", err)
	}
	if err := w.r.NewLink(ctx, no, "", "Ann and Bob", "theft"); !errors.Is(err, registrar.ErrAlreadyIssued) {
		t.Errorf("after issuance: got %v", err)
	}
	if err := w.r.NewLink(ctx, "nobody", "", "Ann", ""); !errors.Is(err, registrar.ErrNoMember) {
		t.Errorf("nobody's link: got %v", err)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'corrected'`); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

// TestBatches: issuances enter by the box's rule, and every entry once.
func TestBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *electiontest.Plan) { p.Rolls = []uint32{45, 30} })
	w.at(electiontest.Open)
	issue := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := w.r.Issue(t.Context(), w.show(1, uint32(i)), "", request(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(inLedger, waiting int) {
		t.Helper()
		w.at(w.now.Load() + 1)
		entries := w.entries(1)
		if n := w.count(`SELECT count(*) FROM registrar.queue`); len(entries) != inLedger || n != waiting {
			t.Errorf("%d in the ledger, %d waiting, want %d and %d", len(entries), n, inLedger, waiting)
		}
	}
	issue(0, 19)
	check(0, 19)
	issue(19, 20)
	check(10, 10)
	issue(20, 29)
	check(10, 19)
	issue(29, 31)
	check(21, 10)
	first := w.entries(1)
	for _, batch := range [][][]byte{first[:10], first[10:]} {
		if !slices.IsSortedFunc(batch, bytes.Compare) {
			t.Error("a batch is not sorted")
		}
	}
	// Another group's entries do not fill up this one's batch.
	for i := range 12 {
		if _, err := w.r.Issue(t.Context(), w.show(2, uint32(i)), "", request(t)); err != nil {
			t.Fatal(err)
		}
	}
	check(21, 22)
	w.at(electiontest.Close)
	if err := w.r.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries := w.entries(1)
	if !slices.IsSortedFunc(entries[21:31], bytes.Compare) || !slices.IsSortedFunc(entries[31:], bytes.Compare) || len(entries) != 43 {
		t.Error("the last batches are not by group, sorted")
	}
	slices.SortFunc(entries, bytes.Compare)
	if len(slices.CompactFunc(entries, bytes.Equal)) != 43 {
		t.Error("an entry is there twice")
	}
}

// TestBatchRace: processes that tick at once move every entry once.
func TestBatchRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	for i := range 30 {
		if _, err := w.r.Issue(t.Context(), w.show(2, uint32(i)), "", request(t)); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if err := w.r.Tick(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	entries := w.entries(1)
	if n := w.count(`SELECT count(*) FROM registrar.queue`); n != 10 || len(entries) != 20 {
		t.Errorf("%d in the ledger, %d waiting", len(entries), n)
	}
}

// TestLeave: whoever stays behind is anybody.
func TestLeave(t *testing.T) {
	t.Parallel()
	stayed := map[byte]int{}
	for range 2000 {
		entries := [][]byte{{0}, {1}, {2}, {3}}
		registrar.Leave(entries, 2)
		stayed[entries[0][0]]++
		stayed[entries[1][0]]++
		if len(slices.CompactFunc(slices.SortedFunc(slices.Values(entries), bytes.Compare), bytes.Equal)) != 4 {
			t.Fatal("an entry is lost")
		}
	}
	for e, n := range stayed {
		if n < 800 || n > 1200 { // 1,000 expected; nine standard deviations
			t.Errorf("entry %d stayed %d times of 2,000", e, n)
		}
	}
}

// TestRepetitionWrites: an answer that is given again waits for a commit of its
// own, which waits for the second copy of the database where there is one.
func TestRepetitionWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	c, z := w.show(1, 0), request(t)
	writer := func() (xmax string) {
		if err := w.db.Owner.QueryRow(t.Context(), `SELECT xmax::text FROM registrar.election`).Scan(&xmax); err != nil {
			t.Fatal(err)
		}
		return xmax
	}
	for range 2 {
		before := writer()
		for range 2 {
			if _, err := w.r.Issue(t.Context(), c, "", z); err != nil {
				t.Fatal(err)
			}
		}
		if writer() == before {
			t.Error("a repetition was answered without a write")
		}
	}
}

// TestFromRoll takes a file to a roll.
func TestFromRoll(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t)
	f, err := roll.Read([]byte("Member No,Name,E-mail,Unit,Location\n007,García María,m@mail.example,HX,Davis\n008,Lee Ann,,RX,Irvine\n"), roll.Options{})
	if err != nil || !f.OK() {
		t.Fatal(err)
	}
	if err := w.draft.Import(t.Context(), registrar.FromRoll(f)); err != nil {
		t.Fatal(err)
	}
	counts, err := w.draft.Summary(t.Context())
	if err != nil || fmt.Sprint(counts) != "[{HX Davis 1 1} {RX Irvine 1 0}]" {
		t.Errorf("got %v, %v", counts, err)
	}
}

func TestActs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	refused := func(name string, err error) {
		t.Helper()
		if bad := new(registrar.ActError); !errors.As(err, &bad) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	w.at(electiontest.Open)
	if err := w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 3600}); err != nil {
		t.Fatal(err)
	}
	// The same act again is answered as the first time; with other bytes it is not.
	again := w.k.Act(w.mid, act.KindExtend, 1, act.Extend{Close: electiontest.Close + 3600}.Bytes())
	if n, err := w.r.ApplyAct(ctx, again.Bytes()); n != 1 || err != nil {
		t.Errorf("the same act again: %d, %v", n, err)
	}
	other := w.k.Act(w.mid, act.KindExtend, 1, act.Extend{Close: electiontest.Close + 7200}.Bytes())
	_, err := w.r.ApplyAct(ctx, other.Bytes())
	refused("another act 1", err)
	one := w.k.Act(w.mid, act.KindExtend, 2, act.Extend{Close: electiontest.Close + 7200}.Bytes(), 0)
	_, err = w.r.ApplyAct(ctx, one.Bytes())
	refused("one signature", err)
	_, err = w.r.ApplyAct(ctx, []byte("rubbish"))
	refused("rubbish", err)
	refused("later than the latest close", w.act(act.KindExtend, act.Extend{Close: electiontest.LatestClose + 1}))

	w.at(electiontest.Close)
	if s, err := w.r.Phase(ctx); err != nil || s.Phase != election.PhaseOpen || s.Close != electiontest.Close+3600 {
		t.Errorf("at the old close: %+v, %v", s, err)
	}
	refused("a close in the past", w.act(act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close}))
	if err := w.act(act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close + 60}); err != nil {
		t.Error(err)
	}
	w.now.Store(electiontest.Close + 60) // before anybody wrote the close
	refused("an extension after the close", w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 3600}))
	w.at(electiontest.Close + 60)
	refused("an extension after the close", w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 3600}))
	if err := w.r.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	refused("an act after the lock", w.act(act.KindClientBundle, act.ClientBundle{URL: "https://booth.example/b"}))
	if n := len(w.entries(5)); n != 2 {
		t.Errorf("%d acts in the ledger, want 2", n)
	}
}

// TestLateMove moves the close at the last moment at which the witnesses may
// sign in time, and refuses to a second later.
func TestLateMove(t *testing.T) {
	t.Parallel()
	for _, later := range []bool{true, false} {
		w := newWorld(t, real)
		move := func() error {
			if later {
				return w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 60})
			}
			return w.act(act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close - 60})
		}
		w.at(electiontest.Close - 599)
		if refused := new(registrar.ActError); !errors.As(move(), &refused) || !strings.Contains(refused.Error(), "at least 10 minutes before") {
			t.Errorf("later %v: got %v", later, refused.Err)
		}
		w.at(electiontest.Close - 600)
		if err := move(); err != nil {
			t.Errorf("later %v: %v", later, err)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, real)
	w.at(electiontest.Open)
	c, z := w.show(1, 0), request(t)
	if _, err := w.r.Issue(t.Context(), c, "", z); err != nil {
		t.Fatal(err)
	}
	if err := w.act(act.KindCancel, act.Cancel{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.r.Issue(t.Context(), w.show(1, 1), "", request(t)); !errors.Is(err, registrar.ErrCancelled) {
		t.Errorf("got %v", err)
	}
	for range 2 { // locked at once, and once only
		w.at(w.now.Load() + 1)
	}
	if last := w.entries(0xff); len(last) != 1 || len(w.entries(1)) != 1 {
		t.Errorf("%d final entries, %d issuances", len(last), len(w.entries(1)))
	}
	if s, err := w.r.Phase(t.Context()); err != nil || s.Phase != election.PhaseCancelled {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestAmend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	ctx := t.Context()
	stage := func(no string) suite.Hash {
		t.Helper()
		g, leaf, err := w.r.Stage(ctx, registrar.Member{Number: no, Name: "CANARY", Email: no + "@mail.example", Unit: "Unit 2"})
		if err != nil || g != 2 {
			t.Fatalf("group %d, %v", g, err)
		}
		return leaf
	}
	a, b := stage("N-1"), stage("N-2")
	if again := stage("N-1"); again != a {
		t.Error("staged again, somebody has another place")
	}
	if _, _, err := w.r.Stage(ctx, registrar.Member{Number: "N-2", Name: "x", Unit: "Unit 1"}); !errors.Is(err, registrar.ErrOnRoll) {
		t.Errorf("staged in another group: got %v", err)
	}
	if _, _, err := w.r.Stage(ctx, registrar.Member{Number: electiontest.MemberNo(1, 1), Name: "x", Unit: "Unit 2"}); !errors.Is(err, registrar.ErrOnRoll) {
		t.Errorf("on the roll already: got %v", err)
	}
	add := func(leaf suite.Hash) error {
		return w.act(act.KindAmend, act.Amend{Op: act.OpAdd, Group: 2, Hash: leaf})
	}
	if err := add(b); err == nil {
		t.Error("the second addition was accepted before the first: its place would be wrong")
	}
	if err := add(suite.Hash{1}); err == nil {
		t.Error("an addition that nobody staged was accepted")
	}
	if err := add(a); err != nil {
		t.Fatal(err)
	}
	salt := ledger.Salt(w.k.RollKey, w.m.ElectionID, 2, 40)
	if a != ledger.Leaf(2, 40, salt, "N-1") {
		t.Error("the first addition's index is not the size of the roll")
	}
	if _, err := w.r.Issue(ctx, w.show(2, 40), "", request(t)); err != nil {
		t.Errorf("an added member: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'invitation' AND roll_index = 40`); n != 1 {
		t.Errorf("%d invitations, want 1", n)
	}
	c := stage("N-3")
	if n, err := w.r.Unstage(ctx, []suite.Hash{b, c}); err != nil || n != 0 {
		t.Errorf("dropped %d, %v; want none", n, err)
	}
	if n, err := w.r.Unstage(ctx, []suite.Hash{c}); err != nil || n != 2 {
		t.Errorf("dropped %d, %v; want the one and the one after it", n, err)
	}
	if err := add(c); err == nil {
		t.Error("an addition that was dropped was accepted")
	}
	// Whoever was struck stays struck; whoever was issued to cannot be.
	strike := func(no string) error {
		g, blinded, err := w.r.BlindedLeaf(ctx, no)
		if err != nil {
			t.Fatal(err)
		}
		return w.act(act.KindAmend, act.Amend{Op: act.OpStrike, Group: g, Hash: blinded})
	}
	if err := strike("N-1"); err == nil {
		t.Error("struck after issuance")
	}
	if err := strike(electiontest.MemberNo(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.r.Issue(ctx, w.show(1, 0), "", request(t)); !errors.Is(err, registrar.ErrStruck) {
		t.Errorf("a struck member: got %v", err)
	}
	w.at(electiontest.Close)
	if err := strike(electiontest.MemberNo(1, 1)); err == nil {
		t.Error("struck after the close")
	}
	if err := w.r.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	want := ledger.Final{MID: w.mid, Groups: []ledger.FinalGroup{{Group: 1, Struck: 1}, {Group: 2, Issued: 1, Added: 1}}}
	if got := w.entries(0xff); len(got) != 1 || !bytes.Equal(got[0], want.Bytes()) {
		t.Errorf("final entry %x", got)
	}
}

func TestEnvelopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, real)
	id := ballotID
	w.open(withEnvelopes)
	w.at(electiontest.Open)
	ctx := t.Context()
	on1, on2, off := []byte{1, 1}, []byte{1, 2}, []byte{1, 3}
	if _, err := w.r.Deposit(ctx, w.show(1, 0), "", on1); err != nil {
		t.Fatal(err)
	}
	if _, err := w.r.Deposit(ctx, w.show(1, 0), "", on1); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if _, err := w.r.Deposit(ctx, w.show(1, 0), "", on2); !errors.Is(err, registrar.ErrDeposited) {
		t.Errorf("another: got %v", err)
	}
	if _, err := w.r.Deposit(ctx, w.show(2, 0), "", on2); !errors.Is(err, registrar.ErrNotBallot) {
		t.Errorf("another group's ballot: got %v", err)
	}
	if _, err := w.r.Issue(ctx, w.show(1, 0), "", request(t)); !errors.Is(err, registrar.ErrDeposited) {
		t.Errorf("issuance after a deposit: got %v", err)
	}
	if _, err := w.r.Deposit(ctx, w.show(1, 1), "", on2); err != nil {
		t.Fatal(err)
	}
	at, err := w.r.Admit(ctx, registrar.Applicant{Name: "CANARY", Email: "canary@mail.example", Group: 1})
	if err != nil {
		t.Fatal(err)
	}
	link, _ := w.link(1, at.Index, false)
	applicant, err := w.r.Present(link.Base64(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.r.Issue(ctx, applicant, "", request(t)); !errors.Is(err, registrar.ErrEnvelopeOnly) {
		t.Errorf("issuance to an applicant: got %v", err)
	}
	if _, err := w.r.Deposit(ctx, applicant, "", off); err != nil {
		t.Fatal(err)
	}
	if s, err := w.r.Status(ctx, applicant, ""); err != nil || s.Salt != "" || !s.Issued {
		t.Errorf("an applicant's status: %+v, %v", s, err)
	}
	if list, err := w.r.Envelopes(ctx); err != nil || len(list) != 3 {
		t.Errorf("%d envelopes, %v", len(list), err)
	}
	w.at(electiontest.Close)
	w.now.Store(electiontest.Close + w.m.Schedule.Grace)
	if err := w.r.Lock(ctx); !errors.Is(err, registrar.ErrNotYet) {
		t.Errorf("locking with undecided envelopes: got %v", err)
	}
	accepted := []suite.BallotID{id(on1), id(off)}
	slices.SortFunc(accepted, func(a, b suite.BallotID) int { return bytes.Compare(a[:], b[:]) })
	for name, d := range map[string]act.Decide{
		"too many":      {Group: 1, RejectedOn: 3},
		"on and off":    {Group: 1, AcceptedOn: 2, Accepted: accepted},
		"unknown":       {Group: 1, AcceptedOn: 1, Accepted: []suite.BallotID{{9}}},
		"another group": {Group: 2, AcceptedOn: 1, Accepted: []suite.BallotID{id(on1)}},
	} {
		if err := w.act(act.KindDecide, d); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := w.act(act.KindDecide, act.Decide{Group: 1, AcceptedOn: 1, AcceptedOff: 1, Accepted: accepted}); err != nil {
		t.Fatal(err)
	}
	signed, err := w.r.Accepted(ctx, nil)
	if err != nil || len(signed) != 2 {
		t.Fatalf("%d accepted, %v", len(signed), err)
	}
	pk, err := w.m.IssuerKey(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range signed {
		if err := credential.Verify(pk, credential.Message(w.mid, 1, e.BallotID), e.Sig[:]); err != nil || id(e.Body) != e.BallotID {
			t.Errorf("an accepted envelope: %v", err)
		}
	}
	rest, err := w.r.Accepted(ctx, func(id suite.BallotID) (bool, error) { return id == signed[0].BallotID, nil })
	if err != nil || len(rest) != 1 || rest[0].BallotID != signed[1].BallotID {
		t.Errorf("without the one that the box has: %d, %v", len(rest), err)
	}
	if err := w.act(act.KindDecide, act.Decide{Group: 1, RejectedOn: 1}); err != nil {
		t.Fatal(err)
	}
	if err := w.r.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	want := ledger.Final{MID: w.mid, Groups: []ledger.FinalGroup{
		{Group: 1, DepositedOn: 2, DepositedOff: 1, AcceptedOn: 1, AcceptedOff: 1, RejectedOn: 1}, {Group: 2}}}
	if got := w.entries(0xff); len(got) != 1 || !bytes.Equal(got[0], want.Bytes()) {
		t.Errorf("final entry %x", got)
	}
	if n := len(w.entries(3)); n != 3 {
		t.Errorf("%d deposits in the ledger, want 3", n)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, real)
	ctx := t.Context()
	w.at(electiontest.Open)
	z := request(t)
	if _, err := w.r.Issue(ctx, w.show(1, 0), "", z); err != nil {
		t.Fatal(err)
	}
	if err := w.r.Lock(ctx); !errors.Is(err, registrar.ErrNotYet) {
		t.Errorf("while open: got %v", err)
	}
	w.at(electiontest.Close)
	if err := w.r.Lock(ctx); !errors.Is(err, registrar.ErrNotYet) {
		t.Errorf("in the grace: got %v", err)
	}
	if err := w.r.PublishEnd(ctx, w.log, w.log.SignText); !errors.Is(err, registrar.ErrNotYet) {
		t.Errorf("publishing before the lock: got %v", err)
	}
	w.at(electiontest.Close + w.m.Schedule.Grace)
	for range 2 { // again is fine
		if err := w.r.Lock(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.r.PublishStart(ctx, w.log); err != nil {
		t.Error(err)
	}
	if err := w.r.PublishEnd(ctx, w.log, w.log.SignText); err != nil {
		t.Error(err)
	}
	for path, want := range map[string][]byte{
		"manifest": w.manifest, "sealing": w.sealing, "roll/00001": ledger.EncodeRoll(w.k.Leaves[1]), "statements/registrar": nil,
	} {
		if got, err := w.log.File(ctx, path); err != nil || want != nil && !bytes.Equal(got, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := w.r.Issue(ctx, w.show(1, 0), "", z); !errors.Is(err, registrar.ErrClosed) {
		t.Errorf("a repetition after the lock: got %v", err)
	}
	if err := w.r.SetPhase(ctx, election.PhaseLocked, election.PhaseTallied); err != nil {
		t.Error(err)
	}
	if err := w.r.SetPhase(ctx, election.PhaseLocked, election.PhaseCertified); err == nil {
		t.Error("a step was left out")
	}
}

// TestReady: neither mail nor voting before the witnesses have cosigned.
func TestReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ready := errors.New("not witnessed")
	w.open(func(c *registrar.Config) { c.Ready = func(context.Context) error { return ready } })
	w.now.Store(electiontest.Open)
	if err := w.r.Tick(t.Context()); !errors.Is(err, ready) {
		t.Errorf("opening: got %v", err)
	}
	if _, err := w.r.Enqueue(t.Context(), mailer.Invitation, w.clock(), 0); !errors.Is(err, ready) {
		t.Errorf("mail: got %v", err)
	}
	ready = nil
	w.at(electiontest.Open)
	if s, err := w.r.Phase(t.Context()); err != nil || s.Phase != election.PhaseOpen {
		t.Errorf("got %+v, %v", s, err)
	}
}

// TestPublishActs publishes with witnesses that cosign late.
func TestPublishActs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.at(electiontest.Open)
	if err := w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 60}); err != nil {
		t.Fatal(err)
	}
	g, blinded, err := w.r.BlindedLeaf(ctx, electiontest.MemberNo(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.act(act.KindAmend, act.Amend{Op: act.OpStrike, Group: g, Hash: blinded}); err != nil {
		t.Fatal(err)
	}
	if n, err := w.r.PublishActs(ctx, w.log); n != 0 || err == nil {
		t.Errorf("before any cosignature: %d, %v", n, err)
	}
	cosign := func() {
		head, err := w.log.Head(ctx)
		if err != nil {
			t.Fatal(err)
		}
		policy, err := w.m.LedgerPolicy()
		if err != nil {
			t.Fatal(err)
		}
		note, err := w.log.CheckpointAt(ctx, head.Size)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := policy.OpenLog(note)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range w.k.Witnesses {
			if err := w.log.AddCosignature(ctx, k.Cosign(opened.Checkpoint.Text(), w.clock())); err != nil {
				t.Fatal(err)
			}
		}
	}
	cosign()
	if n, err := w.r.PublishActs(ctx, w.log); n != 1 || err != nil {
		t.Errorf("while voting: %d, %v; the amendment must wait", n, err)
	}
	w.at(electiontest.Close + 60)
	if err := w.r.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := w.r.PublishActs(ctx, w.log); n != 2 || err != nil {
		t.Errorf("after the lock: %d, %v", n, err)
	}
}

// TestNoticesHaveOneTime issues at several moments: what is left to be mailed about it
// says at none of them, and leaves at once.
func TestNoticesHaveOneTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	for i := range uint32(5) {
		w.at(electiontest.Open + 100 + 7*int64(i))
		if _, err := w.r.Issue(t.Context(), w.show(1, i), "", request(t)); err != nil {
			t.Fatal(err)
		}
	}
	const notices = `FROM registrar.outbox WHERE kind = 'issued'`
	if n, times := w.count(`SELECT count(*) `+notices), w.count(`SELECT count(DISTINCT not_before) `+notices); n != 5 || times != 1 {
		t.Errorf("%d notices bear %d times", n, times)
	}
	if n := w.count(`SELECT count(*) `+notices+` AND not_before <= to_timestamp($1)`, w.clock().Unix()); n != 5 {
		t.Errorf("%d of 5 notices may leave now", n)
	}
}

// TestReminderSpacing queues reminders and the closing mail over three days.
func TestReminderSpacing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.at(electiontest.Open)
	end := time.Unix(electiontest.Open, 0).Add(72 * time.Hour)
	if _, err := w.db.Owner.Exec(ctx, `UPDATE registrar.election SET close_at = $1`, end.Unix()); err != nil {
		t.Fatal(err)
	}
	// In the moment between the opening and the invitations nobody is reminded of one.
	if n, err := w.r.Enqueue(ctx, mailer.Reminder, end.Add(-72*time.Hour), 0); n != 0 || err != nil {
		t.Errorf("before the invitations: %d queued, %v", n, err)
	}
	if n, err := w.r.Enqueue(ctx, mailer.Invitation, end.Add(-72*time.Hour), 0); n != 70 || err != nil {
		t.Fatalf("%d invitations queued, %v", n, err)
	}
	for _, day := range []struct {
		kind         string
		before, want int // in hours, before the close
	}{
		{mailer.Reminder, 72, 70}, {mailer.Closing, 72, 0}, {mailer.Closing, 53, 0}, {mailer.Reminder, 26, 70}, {mailer.Closing, 23, 0}, {mailer.Closing, 24, 0}, {mailer.Closing, 22, 70},
		{mailer.Reminder, 21, 0}, {mailer.Closing, 2, 0}, {mailer.Reminder, 1, 70},
	} {
		from := end.Add(-time.Duration(day.before) * time.Hour)
		if n, err := w.r.CheckEnqueue(ctx, day.kind, from, 0); n != day.want || err != nil {
			t.Errorf("%s %d hours before the close: %d would be queued, %v", day.kind, day.before, n, err)
		}
		if n, err := w.r.Enqueue(ctx, day.kind, from, 0); n != day.want || err != nil {
			t.Errorf("%s %d hours before the close: %d queued, %v", day.kind, day.before, n, err)
		}
		// They leave, for whoever waits still gets no other.
		if _, err := w.db.Owner.Exec(ctx, `UPDATE registrar.outbox SET state = 'sent'`); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMoved: that an act has moved the close is told until the close in force, to
// everybody whose link has left, again when it is moved again, and however lately they were
// reminded. The negative controls are a close that was not moved, and reminders.
func TestMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.at(electiontest.Open)
	at := func(before int64) time.Time { return time.Unix(electiontest.Close-before, 0) }
	queue := func(kind string, from time.Time, spread time.Duration, want int, fails error) {
		t.Helper()
		if n, err := w.r.CheckEnqueue(ctx, kind, from, spread); n != want || !errors.Is(err, fails) {
			t.Errorf("%s: %d would be queued, %v; want %d, %v", kind, n, err, want, fails)
		}
		if n, err := w.r.Enqueue(ctx, kind, from, spread); n != want || !errors.Is(err, fails) {
			t.Errorf("%s: %d queued, %v; want %d, %v", kind, n, err, want, fails)
		}
	}
	set := func(sql string, args ...any) {
		t.Helper()
		if _, err := w.db.Owner.Exec(ctx, sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	leave := `UPDATE registrar.outbox SET state = 'sent', attempts = 1 WHERE state = 'queued'`
	queue(mailer.Moved, time.Unix(electiontest.Open-1, 0), 0, 0, registrar.ErrMailEarly)
	queue(mailer.Invitation, time.Unix(electiontest.Open, 0), 0, 70, nil)
	queue(mailer.Moved, at(1900), 0, 0, registrar.ErrNotMoved)
	move := func(now time.Time, kind act.Kind, to interface{ Bytes() []byte }) {
		t.Helper()
		w.now.Store(now.Unix())
		if err := w.act(kind, to); err != nil {
			t.Fatal(err)
		}
	}
	move(at(1900), act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close - 900})
	queue(mailer.Moved, at(1900), 0, 0, nil) // their links wait, and name the close in force
	set(leave + ` AND group_id = 1`)
	links := w.count(`SELECT count(*) FROM registrar.outbox WHERE group_id = 1`)
	queue(mailer.Moved, at(1900), 1000*time.Second, 0, registrar.ErrMovedSpread)
	queue(mailer.Reminder, at(1900), 0, 0, registrar.ErrLastHour)
	queue(mailer.Moved, at(1900), 999*time.Second, links, nil)
	queue(mailer.Moved, at(1890), 0, 0, nil) // they wait
	set(leave)
	move(at(1500), act.KindExtend, act.Extend{Close: electiontest.Close + 5*3600})
	queue(mailer.Moved, at(0), 0, 70, nil)
	set(leave)
	queue(mailer.Moved, at(-599), 0, 0, nil)
	queue(mailer.Closing, at(-3600), 0, 0, nil) // it has just been said
	queue(mailer.Moved, at(-600), 0, 70, nil)
	set(leave)
	queue(mailer.Moved, at(-5*3600), 0, 0, registrar.ErrMailLate)
}

// TestMovedBack: a close that was moved away and back is told, and at once to those who
// were told of the other a moment ago, or are just being sent the link with it. The negative
// controls are a second word without a further move, and one that has not had its turn.
func TestMovedBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.at(electiontest.Open)
	queue := func(kind string, spread time.Duration, want int) {
		t.Helper()
		if n, err := w.r.Enqueue(ctx, kind, w.clock(), spread); n != want || err != nil {
			t.Errorf("%s: %d queued, %v; want %d", kind, n, err, want)
		}
	}
	set := func(sql string, args ...any) {
		t.Helper()
		if _, err := w.db.Owner.Exec(ctx, sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	queue(mailer.Invitation, 0, 70)
	set(`UPDATE registrar.outbox SET state = CASE WHEN roll_index = 0 THEN 'leased' ELSE 'sent' END, attempts = 1,
		lease_until = CASE WHEN roll_index = 0 THEN not_before END`)
	if err := w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 3600}); err != nil {
		t.Fatal(err)
	}
	queue(mailer.Moved, 0, 70)
	set(`UPDATE registrar.outbox SET state = 'sent', attempts = 1, lease_until = NULL WHERE group_id = 1`)
	left := w.count(`SELECT count(*) FROM registrar.outbox WHERE group_id = 1 AND kind = 'moved'`)
	w.at(electiontest.Open + 60)
	queue(mailer.Moved, 0, 0)
	if err := w.act(act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close}); err != nil {
		t.Fatal(err)
	}
	queue(mailer.Moved, time.Minute, left)
	queue(mailer.Moved, 0, 0)
}

func TestOutbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	at := time.Unix(electiontest.Open, 0)
	if n, err := w.r.Enqueue(ctx, mailer.Invitation, at, time.Hour); n != 70 || err != nil {
		t.Errorf("%d queued, %v", n, err)
	}
	if n, err := w.r.Enqueue(ctx, mailer.Invitation, at, time.Hour); n != 0 || err != nil {
		t.Errorf("again: %d queued, %v", n, err)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE not_before < $1 OR not_before > $2`, at, at.Add(time.Hour)); n != 0 {
		t.Errorf("%d leave outside of the hour", n)
	}
	queue := func(kind string, want error) {
		t.Helper()
		if n, err := w.r.Enqueue(ctx, kind, w.clock(), 0); !errors.Is(err, want) || err != nil && n != 0 {
			t.Errorf("%s: %d queued, %v; want %v", kind, n, err, want)
		}
	}
	queue(mailer.Reminder, registrar.ErrMailEarly)
	queue(mailer.Closing, registrar.ErrMailEarly)
	queue(mailer.Announcement, nil)
	w.at(electiontest.Open)
	queue(mailer.Announcement, registrar.ErrMailLate)
	for _, day := range []struct{ hours, want int }{{0, 70}, {10, 0}, {22, 0}, {22, 70}} {
		if day.want > 0 { // else the last one waits still, and two would leave at once
			w.tried()
		}
		if n, err := w.r.Enqueue(ctx, mailer.Reminder, at.Add(time.Duration(day.hours)*time.Hour), 0); n != day.want || err != nil {
			t.Errorf("reminder after %d hours: %d queued, %v", day.hours, n, err)
		}
	}
	for _, kind := range []string{mailer.Reminder, mailer.Closing} {
		last := time.Unix(electiontest.Close-mailer.LastHour, 0)
		for from, spread := range map[time.Time]time.Duration{last.Add(time.Second): 0, last: time.Minute} {
			if _, err := w.r.Enqueue(ctx, kind, from, spread); !errors.Is(err, registrar.ErrLastHour) {
				t.Errorf("%s in the last hour: got %v", kind, err)
			}
		}
	}
	if n, err := w.r.Enqueue(ctx, mailer.Closing, time.Unix(electiontest.Close-mailer.LastHour, 0), 0); n != 0 || err != nil {
		t.Errorf("an hour after a reminder: %d queued, %v", n, err)
	}
	w.now.Store(electiontest.Close) // before anybody wrote the close
	queue(mailer.Reminder, registrar.ErrMailLate)
	w.now.Store(electiontest.Open)
	if _, err := w.r.Enqueue(ctx, mailer.Issued, at, 0); err == nil {
		t.Error("a notice of issuance to everybody")
	}
	for _, who := range []string{"CANARY-m-1-3@mail.example", "M-1-3", "nobody", "M-1-4"} {
		if err := w.r.Resend(ctx, who); err != nil {
			t.Error(err)
		}
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'resend'`); n != 2 {
		t.Errorf("%d links sent again, want 2", n)
	}
	w.now.Add(11 * 60) // nothing has left meanwhile, as in an outage
	if err := w.r.Resend(ctx, "M-1-3"); err != nil || w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'resend'`) != 2 {
		t.Errorf("asked for again while the first waits: %v", err)
	}
	if counts, err := w.r.Mails(ctx); err != nil || fmt.Sprint(counts) != "[{announcement queued  70} {invitation queued  70} {reminder queued  70} {reminder sent  70} {resend queued  2}]" {
		t.Errorf("got %v, %v", counts, err)
	}
}

// TestShortVote: whoever gets an invitation gets it in time, however short the voting
// and however long the while is.
func TestShortVote(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ left, most int64 }{{3600, 1800}, {48 * 3600, 7200}} {
		w := newWorld(t)
		w.at(electiontest.Open)
		from := time.Unix(electiontest.Close-tt.left, 0)
		if n, err := w.r.Enqueue(t.Context(), mailer.Invitation, from, 2*time.Hour); n != 70 || err != nil {
			t.Fatalf("%d queued, %v", n, err)
		}
		if last := int64(w.count(`SELECT max(EXTRACT(epoch FROM not_before))::bigint FROM registrar.outbox`)) - from.Unix(); last > tt.most || last < tt.most*3/4 {
			t.Errorf("%d s before the close: the last leaves after %d s, want up to %d", tt.left, last, tt.most)
		}
	}
}

// TestWithin: what leaves over the while of the settings leaves in time, however long that
// is, and what leaves over it is what may be queued.
func TestWithin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const most = 2 * time.Hour
	for _, tt := range []struct {
		kind string
		from int64
		want time.Duration
	}{
		{mailer.Announcement, electiontest.Open - 24*3600, most},
		{mailer.Announcement, electiontest.Open - 1200, 10 * time.Minute},
		{mailer.Announcement, electiontest.Open + 1, 0},
		{mailer.Invitation, electiontest.Close - 1200, 10 * time.Minute},
		{mailer.Reminder, electiontest.Close - 24*3600, most},
		{mailer.Reminder, electiontest.Close - mailer.LastHour - 1200, 10 * time.Minute},
		{mailer.Closing, electiontest.Close - mailer.LastHour - 1200, 10 * time.Minute},
		{mailer.Closing, electiontest.Close - mailer.LastHour + 1, 0},
		{mailer.Result, electiontest.Close + 24*3600, most},
	} {
		from := time.Unix(tt.from, 0)
		if tt.from >= electiontest.Open {
			w.at(tt.from)
		}
		got, err := w.r.Within(t.Context(), tt.kind, from, most)
		if err != nil || got != tt.want {
			t.Errorf("%s at %d: over %v, %v; want %v", tt.kind, tt.from, got, err, tt.want)
		}
		if _, err := w.r.CheckEnqueue(t.Context(), tt.kind, from, got); (err == nil) != (got > 0) {
			t.Errorf("%s at %d: %v", tt.kind, tt.from, err)
		}
	}
}

// TestFormerAddress corrects an address twice while mails wait: the member's own hears of
// it, and not only the one that somebody gave who was not the member. The negative control
// is a second correction after the first word has left.
func TestFormerAddress(t *testing.T) {
	t.Parallel()
	for _, left := range []bool{false, true} {
		w := newWorld(t)
		w.at(electiontest.Open)
		for i, address := range []string{"first@other.example", "second@other.example"} {
			if err := w.r.NewLink(t.Context(), "M-1-3", address, "A", "asked"); err != nil {
				t.Fatal(err)
			}
			if i == 0 && left {
				if _, err := w.db.Owner.Exec(t.Context(), `UPDATE registrar.outbox SET state = 'sent' WHERE kind = 'replaced'`); err != nil {
					t.Fatal(err)
				}
			}
		}
		var former string
		if err := w.db.Owner.QueryRow(t.Context(), `SELECT former_email FROM registrar.member WHERE member_no = 'M-1-3'`).Scan(&former); err != nil {
			t.Fatal(err)
		}
		words, waiting := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'replaced'`), w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'replaced' AND state = 'queued'`)
		if waiting != 1 || left != (words == 2) || left != (former == "first@other.example") {
			t.Errorf("the first left before: %v; %d words, %d wait, the next goes to the member's own: %v", left, words, waiting, former != "first@other.example")
		}
	}
}

// TestRoles: what the service may not do, the database refuses.
func TestRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, q := range []string{
		`DELETE FROM registrar.used`, `UPDATE registrar.used SET kind = 'issue'`, `DELETE FROM registrar.token`, `DELETE FROM registrar.member`,
		`DELETE FROM registrar.factor_failure`, `UPDATE registrar.election SET phase = 'draft'`,
	} {
		if _, err := w.db.Service.Exec(t.Context(), q); err == nil {
			t.Errorf("the service may do: %s", q)
		}
	}
	if _, err := w.db.Service.Exec(t.Context(), `INSERT INTO registrar.used (group_id, roll_index, kind) VALUES (1, 999, 'strike')`); err == nil {
		t.Error("somebody who is not on the roll was used up")
	}
}
