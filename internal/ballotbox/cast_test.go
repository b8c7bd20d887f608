package ballotbox_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"strikevote/internal/ballotbox"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// TestCast follows one ballot: cast, cast again, batched, cast again, locked,
// cast again. The promise is the same bytes every time.
func TestCast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := w.ballots(1, 20)
	first := list[0]
	promise, state, err := w.box.Cast(t.Context(), first.sealed)
	if err != nil || state != ballotbox.Received {
		t.Fatalf("got %q, %v", state, err)
	}
	w.checkPromise(first.id, promise)
	again := func(want ballotbox.State) {
		t.Helper()
		p, state, err := w.box.Cast(t.Context(), first.sealed)
		if err != nil || state != want || p != promise {
			t.Errorf("again: got %q, %v, same promise %v; want %q", state, err, p == promise, want)
		}
		f, err := w.box.Find(t.Context(), first.id)
		if err != nil || f.State != want || *f.Promise != promise {
			t.Errorf("find: got %q, %v; want %q", f.State, err, want)
		}
	}
	again(ballotbox.Received)
	for _, m := range list[1:] {
		w.mustCast(m, ballotbox.Received)
	}
	w.mustLock()
	again(ballotbox.InTheLog)
	if f, err := w.box.Find(t.Context(), suite.BallotID{1}); err != nil || f.State != ballotbox.Unknown || f.Promise != nil {
		t.Errorf("unknown: got %+v, %v", f, err)
	}
	w.mustHold(list...)
	if w.waiting() != 0 {
		t.Error("something is pending after the lock")
	}
}

// TestCastOtherSignature casts one body with two valid signatures: one ballot,
// the first signature kept.
func TestCastOtherSignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.ballot(1)
	b := w.sign(1, a.body)
	if bytes.Equal(a.sealed, b.sealed) {
		t.Fatal("the signatures are the same")
	}
	w.mustCast(a, ballotbox.Received)
	w.mustCast(b, ballotbox.Received)
	w.mustLock()
	w.mustCast(b, ballotbox.InTheLog)
	if got := w.published(); len(got) != 1 || !bytes.Equal(got[0].sealed, a.sealed) {
		t.Error("the first signature was not kept")
	}
}

// TestCastRefused casts what is not a valid ballot.
func TestCastRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := newWorld(t, func(p *electiontest.Plan) { p.Seed = "another" })
	good := w.ballot(1)
	edit := func(at int, with ...byte) []byte {
		b := slices.Clone(good.body)
		copy(b[at:], with)
		return b
	}
	flip := func(at int) []byte {
		b := slices.Clone(good.sealed)
		b[at] ^= 1
		return b
	}
	n := len(good.body)
	tests := []struct {
		name   string
		sealed []byte
		want   error
		code   string
		status int
	}{
		{"empty", nil, ballotbox.ErrMalformed, "malformed", 400},
		{"short", good.sealed[:n+383], ballotbox.ErrMalformed, "malformed", 400},
		{"long", append(slices.Clone(good.sealed), 0), ballotbox.ErrMalformed, "too_large", 413},
		{"version", w.sign(1, edit(0, 2)).sealed, ballotbox.ErrMalformed, "malformed", 400},
		{"election", other.ballot(1).sealed, ballotbox.ErrMalformed, "malformed", 400},
		{"no such group", w.sign(1, edit(33, 0, 9)).sealed, ballotbox.ErrMalformed, "malformed", 400},
		{"credential of another group", w.sign(2, good.body).sealed, ballotbox.ErrBadCredential, "bad_credential", 422},
		{"group moved with its credential", w.sign(2, edit(33, 0, 2)).sealed, nil, "invalid_ballot", 422},
		{"credential of another ballot", slices.Concat(good.body, w.ballot(1).sealed[n:]), ballotbox.ErrBadCredential, "bad_credential", 422},
		{"zero signature", slices.Concat(good.body, make([]byte, 384)), ballotbox.ErrBadCredential, "bad_credential", 422},
		{"signature flipped", flip(len(good.sealed) - 1), ballotbox.ErrBadCredential, "bad_credential", 422},
		{"proof flipped, not signed", flip(n - 1), ballotbox.ErrBadCredential, "bad_credential", 422},
		{"nonce changed and signed", w.sign(1, edit(36, good.body[36]^1)).sealed, nil, "invalid_ballot", 422},
		{"proof changed and signed", w.sign(1, edit(n-32, good.body[n-32]^1)).sealed, nil, "invalid_ballot", 422},
		{"point not canonical", w.sign(1, edit(69, bytes.Repeat([]byte{0xff}, 32)...)).sealed, nil, "invalid_ballot", 422},
		{"identity", w.sign(1, edit(69, make([]byte, 32)...)).sealed, nil, "invalid_ballot", 422},
		{"questions", w.sign(1, edit(35, 2)).sealed, nil, "invalid_ballot", 422},
	}
	for _, tt := range tests {
		_, _, err := w.box.Cast(t.Context(), tt.sealed)
		if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && !errors.As(err, new(*ballotbox.InvalidError)) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		rec := w.post("/ballots", "application/octet-stream", tt.sealed)
		checkError(t, tt.name, rec, tt.status, tt.code)
	}
	if w.waiting() != 0 {
		t.Error("something refused was kept")
	}
	// And the one that all of them were made of is good.
	w.mustCast(good, ballotbox.Received)
}

// TestCastPhases casts before, during and after.
func TestCastPhases(t *testing.T) {
	t.Parallel()
	w := newWorldAt(t, electiontest.Open-1)
	a, b := w.ballot(1), w.ballot(1)
	_, _, err := w.box.Cast(t.Context(), a.sealed)
	mustBe(t, "sealed", err, ballotbox.ErrNotOpen)
	// The clock alone moves nothing; the row decides.
	w.clock.Store(electiontest.Open)
	_, _, err = w.box.Cast(t.Context(), a.sealed)
	mustBe(t, "before the tick", err, ballotbox.ErrNotOpen)
	w.tick()
	w.mustCast(a, ballotbox.Received)
	// To a host whose clock is behind voting has not begun, and not ended.
	_, _, err = w.host(time.Second).Cast(t.Context(), b.sealed)
	mustBe(t, "clock behind", err, ballotbox.ErrNotOpen)
	w.clock.Store(electiontest.Close + grace - 1)
	w.tick()
	w.mustCast(a, ballotbox.Received)
	w.clock.Store(electiontest.Close + grace)
	w.tick()
	_, _, err = w.box.Cast(t.Context(), b.sealed)
	mustBe(t, "closed", err, ballotbox.ErrClosed)
	w.mustCast(a, ballotbox.Received)
	// A clock that goes back opens nothing.
	w.clock.Store(electiontest.Open - 1)
	w.tick()
	_, _, err = w.box.Cast(t.Context(), b.sealed)
	mustBe(t, "clock set back", err, ballotbox.ErrClosed)
	w.mustLock()
	_, _, err = w.box.Cast(t.Context(), b.sealed)
	mustBe(t, "locked", err, ballotbox.ErrLocked)
	w.mustCast(a, ballotbox.InTheLog)
	w.mustHold(a)
}

// TestBatch fills a group and looks at what enters the log.
func TestBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t) // batch_min is 10 in both groups
	for _, m := range append(w.ballots(1, 19), w.ballots(2, 19)...) {
		w.mustCast(m, ballotbox.Received)
		w.tick()
	}
	if got := w.published(); len(got) != 0 {
		t.Fatalf("%d ballots are in the log before a batch is full", len(got))
	}
	w.mustCast(w.ballot(1), ballotbox.Received)
	w.tick()
	got := w.published()
	if len(got) != 10 || w.waiting() != 29 {
		t.Fatalf("got %d in the log and %d pending, want 10 and 29", len(got), w.waiting())
	}
	checkBatch(t, got, 1)
	// The checkpoint is over the batch.
	note, err := w.log().Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	policy, err := w.m.BallotsPolicy()
	if err != nil {
		t.Fatal(err)
	}
	if o, err := policy.OpenLog(note); err != nil || o.Checkpoint.Size != 11 {
		t.Errorf("checkpoint: %v", err)
	}
	// A burst is one batch.
	for _, m := range w.ballots(2, 14) {
		w.mustCast(m, ballotbox.Received)
	}
	w.tick()
	got = w.published()
	if len(got) != 33 {
		t.Fatalf("got %d in the log, want 33", len(got))
	}
	checkBatch(t, got[10:], 2)
}

func checkBatch(t *testing.T, list []made, g suite.GroupID) {
	t.Helper()
	if !slices.IsSortedFunc(list, func(a, b made) int { return bytes.Compare(a.id[:], b.id[:]) }) {
		t.Error("a batch is not sorted by ballot_id")
	}
	for _, m := range list {
		if m.group != g {
			t.Error("a batch has ballots of two groups")
		}
	}
}

// TestBatchChoice shows that who stays is not decided by arrival: over many
// batches the last to come is chosen about as often as the first.
func TestBatchChoice(t *testing.T) {
	t.Parallel()
	const rounds, n = 4000, 8
	var counts [n]int
	for range rounds {
		keys := make([][]byte, n)
		for i := range keys {
			keys[i] = []byte{byte(i)}
		}
		if err := ballotbox.Choose(keys, n/2); err != nil {
			t.Fatal(err)
		}
		for _, k := range keys[:n/2] {
			counts[k[0]]++
		}
	}
	// 2,000 expected, sigma 32; six of them are one in a billion.
	for i, c := range counts {
		if c < 2000-190 || c > 2000+190 {
			t.Errorf("row %d was chosen %d times of %d", i, c, rounds)
		}
	}
}

// TestFindProof finds a ballot with its proof, once the log is cosigned.
func TestFindProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := w.ballots(1, 20)
	for _, m := range list {
		w.mustCast(m, ballotbox.Received)
	}
	w.tick()
	published := w.published()[0]
	f, err := w.box.Find(t.Context(), published.id)
	if err != nil || f.State != ballotbox.InTheLog || f.Proof != nil {
		t.Fatalf("before it is cosigned: got %+v, %v", f, err)
	}
	w.cosign()
	f, err = w.box.Find(t.Context(), published.id)
	if err != nil {
		t.Fatal(err)
	}
	w.checkProof(f.Proof, ledger.BallotEntry(published.sealed))
}
