package board_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/board"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A fixture is a log in a database of its own, with its keys.
type fixture struct {
	*board.Log
	db        *pgtest.DB
	mid       suite.MID
	signer    *tlog.LogSigner
	witnesses []*tlog.WitnessSigner
	policy    tlog.Policy
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{db: pgtest.Ballotbox(t)}
	random(f.mid[:])
	f.signer = newSigner(t, "log.example/ballots")
	f.policy = tlog.Policy{Log: f.signer.Key(), Threshold: 2}
	for i := range 3 {
		w := newWitness(t, fmt.Sprintf("witness.example/%d", i))
		f.witnesses = append(f.witnesses, w)
		f.policy.Witnesses = append(f.policy.Witnesses, w.Key())
	}
	f.Log = board.New(f.config(f.db.Service))
	return f
}

func (f *fixture) config(pool *pgxpool.Pool) board.Config {
	// Later than every moment in these tests.
	now := func() time.Time { return time.Unix(2_000_000_000, 0) }
	return board.Config{Pool: pool, Signer: f.signer, MID: f.mid, Policy: f.policy, Now: now}
}

func newSigner(t testing.TB, name string) *tlog.LogSigner {
	t.Helper()
	var seed [32]byte
	random(seed[:])
	s, err := tlog.NewLogSigner(name, seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newWitness(t testing.TB, name string) *tlog.WitnessSigner {
	t.Helper()
	var seed [32]byte
	random(seed[:])
	s, err := tlog.NewWitnessSigner(name, seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func random(b []byte) { _, _ = rand.Read(b) }

// append appends entries in a transaction of their own.
func (f *fixture) append(ctx context.Context, entries ...[]byte) (board.Head, error) {
	var h board.Head
	err := postgres.InTx(ctx, f.db.Service, pgx.ReadCommitted, func(tx pgx.Tx) (err error) {
		h, err = f.AppendTx(ctx, tx, entries)
		return err
	})
	return h, err
}

func (f *fixture) mustAppend(t testing.TB, entries ...[]byte) board.Head {
	t.Helper()
	h, err := f.append(t.Context(), entries...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (f *fixture) mustSign(t testing.TB) []byte {
	t.Helper()
	note, err := f.Sign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return note
}

// cosign lets the first n witnesses cosign the newest checkpoint.
func (f *fixture) cosign(t testing.TB, n int, at int64) {
	t.Helper()
	note, err := f.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o, err := f.policy.OpenLog(note)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range f.witnesses[:n] {
		line := w.Cosign(o.Checkpoint.Text(), time.Unix(at+int64(i), 0))
		if err := f.AddCosignature(t.Context(), line); err != nil {
			t.Fatal(err)
		}
	}
}

// first is the manifest entry; other entries are ballots of some length.
func (f *fixture) first() []byte { return append([]byte{0}, f.mid[:]...) }

func entry(i int) []byte {
	e := binary.BigEndian.AppendUint64([]byte{1}, uint64(i))
	return append(e, bytes.Repeat([]byte{byte(i)}, i%50)...)
}

func entries(from, n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = entry(from + i)
	}
	return list
}

// model is the same log in memory.
type model struct {
	entries [][]byte
	tree    tlog.Tree
	chain   tlog.Chain
}

func newModel(mid suite.MID) *model { return &model{chain: tlog.NewChain(mid)} }

func (m *model) add(list ...[]byte) {
	for _, e := range list {
		m.entries = append(m.entries, e)
		m.tree.Append(tlog.LeafHash(e))
		m.chain.Add(tlog.LeafHash(e))
	}
}

func (m *model) head() board.Head {
	return board.Head{Size: m.tree.Size(), Root: m.tree.Root(), Chain: m.chain.Head()}
}

// TestAppend grows a log by batches of many sizes, and compares head, entries,
// proofs and every tile with what the entries alone give.
func TestAppend(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	m := newModel(f.mid)
	if h, err := f.Head(t.Context()); err != nil || h != m.head() {
		t.Errorf("empty log: got %+v, %v; want %+v", h, err, m.head())
	}
	m.add(f.first())
	f.mustAppend(t, f.first())
	for _, n := range []int{1, 2, 1, 5, 240, 6, 1, 255, 256, 257, 1, 3000, 0, 7} {
		list := entries(len(m.entries), n)
		m.add(list...)
		if h := f.mustAppend(t, list...); h != m.head() {
			t.Fatalf("after %d more: got %+v, want %+v", n, h, m.head())
		}
		o, err := f.policy.OpenLog(f.mustSign(t))
		if err != nil {
			t.Fatal(err)
		}
		want := tlog.Checkpoint{Origin: f.Origin(), Size: m.tree.Size(), Root: m.tree.Root()}
		if o.Checkpoint != want {
			t.Fatalf("checkpoint: got %+v, want %+v", o.Checkpoint, want)
		}
	}
	if h, err := f.Head(t.Context()); err != nil || h != m.head() {
		t.Errorf("head: got %+v, %v; want %+v", h, err, m.head())
	}
	checkEntries(t, f, m)
	checkTiles(t, f, m)
	checkProofs(t, f, m)
}

func checkEntries(t *testing.T, f *fixture, m *model) {
	t.Helper()
	i := 0
	for e, err := range f.Entries(t.Context(), 0, m.tree.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(e, m.entries[i]) {
			t.Fatalf("entry %d is another", i)
		}
		i++
	}
	if i != len(m.entries) {
		t.Errorf("got %d entries, want %d", i, len(m.entries))
	}
	for _, bad := range []int64{-1, m.tree.Size()} {
		if _, err := f.Entry(t.Context(), bad); !errors.Is(err, board.ErrNotFound) {
			t.Errorf("entry %d: got %v, want ErrNotFound", bad, err)
		}
	}
	for _, err := range f.Entries(t.Context(), m.tree.Size()-1, m.tree.Size()+1) {
		if err != nil && !errors.Is(err, board.ErrNotFound) {
			t.Errorf("entries past the end: got %v, want ErrNotFound", err)
		}
	}
}

func checkTiles(t *testing.T, f *fixture, m *model) {
	t.Helper()
	n := 0
	for tile := range tlog.Tiles(m.tree.Size()) {
		got, err := f.Tile(t.Context(), tile)
		if err != nil {
			t.Fatalf("%s: %v", tile.Path(), err)
		}
		if want := wantTile(t, m, tile); !bytes.Equal(got, want) {
			t.Errorf("%s differs from the entries", tile.Path())
		}
		n++
	}
	if n < 4 {
		t.Errorf("only %d tiles", n)
	}
	// Every width that the log has grown to, of a tile at its edge.
	edge := m.tree.Size() / tlog.TileWidth
	for w := 1; w <= tlog.TileWidth; w++ {
		for _, level := range []int{0, tlog.Entries} {
			tile := tlog.Tile{Level: level, Index: edge, Width: w}
			got, err := f.Tile(t.Context(), tile)
			if int64(w) <= m.tree.Size()%tlog.TileWidth {
				if err != nil || !bytes.Equal(got, wantTile(t, m, tile)) {
					t.Errorf("%s: %v", tile.Path(), err)
				}
			} else if !errors.Is(err, board.ErrNotFound) {
				t.Errorf("%s: got %v, want ErrNotFound", tile.Path(), err)
			}
		}
	}
	for _, tile := range []tlog.Tile{
		{Level: 0, Index: -1, Width: 1}, {Level: 0, Index: 1 << 50, Width: 1}, {Level: 0, Index: 1<<55 + 1, Width: 256},
		{Level: 2, Index: 0, Width: 1}, {Level: 63, Index: 0, Width: 1}, {Level: 7, Index: 0, Width: 1},
		{Level: 0, Index: 0, Width: 0}, {Level: 0, Index: 0, Width: 257}, {Level: tlog.Entries, Index: 1 << 40, Width: 1},
	} {
		if _, err := f.Tile(t.Context(), tile); !errors.Is(err, board.ErrNotFound) {
			t.Errorf("tile %+v: got %v, want ErrNotFound", tile, err)
		}
	}
}

// wantTile makes a tile from the entries, by the definition of tlog-tiles.
func wantTile(t *testing.T, m *model, tile tlog.Tile) []byte {
	t.Helper()
	first := tile.Index * tlog.TileWidth
	if tile.Level == tlog.Entries {
		return tlog.EncodeBundle(m.entries[first : first+int64(tile.Width)])
	}
	span := int64(1) << (8 * tile.Level)
	var out []byte
	for i := first; i < first+int64(tile.Width); i++ {
		h := tlog.RootOf(m.entries[i*span : (i+1)*span])
		out = append(out, h[:]...)
	}
	return out
}

func checkProofs(t *testing.T, f *fixture, m *model) {
	t.Helper()
	for _, size := range []int64{1, 2, 255, 256, 257, 1000, m.tree.Size()} {
		root, err := m.tree.RootAt(size)
		if err != nil {
			t.Fatal(err)
		}
		for _, index := range []int64{0, size / 2, size - 1} {
			proof, err := f.Prove(t.Context(), index, size)
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckInclusion(proof, size, root, index, tlog.LeafHash(m.entries[index])); err != nil {
				t.Errorf("entry %d of %d: %v", index, size, err)
			}
		}
	}
	for _, bad := range [][2]int64{{-1, 1}, {1, 1}, {0, m.tree.Size() + 1}, {0, 0}} {
		if _, err := f.Prove(t.Context(), bad[0], bad[1]); !errors.Is(err, board.ErrNotFound) {
			t.Errorf("proof %v: got %v, want ErrNotFound", bad, err)
		}
	}
}

// TestAppendOrder holds the log to its grammar.
func TestAppendOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	final := []byte{0xff, 1}
	refuse := func(name string, list ...[]byte) {
		t.Helper()
		if _, err := f.append(t.Context(), list...); err == nil {
			t.Errorf("%s: appended", name)
		}
	}
	refuse("ballot first", entry(1))
	refuse("final first", final)
	refuse("manifest twice in one batch", f.first(), f.first())
	f.mustAppend(t, f.first(), entry(1))
	refuse("manifest again", f.first())
	refuse("empty entry", []byte{})
	refuse("too long", append([]byte{1}, make([]byte, tlog.MaxEntry)...))
	refuse("final before others", final, entry(2))
	f.mustAppend(t, append([]byte{1}, make([]byte, tlog.MaxEntry-1)...))
	if done, err := f.Final(t.Context()); done || err != nil {
		t.Errorf("final: got %v, %v", done, err)
	}
	f.mustAppend(t, entry(2), final)
	if done, err := f.Final(t.Context()); !done || err != nil {
		t.Errorf("final: got %v, %v", done, err)
	}
	for _, e := range [][]byte{entry(3), final} {
		if _, err := f.append(t.Context(), e); !errors.Is(err, board.ErrFinal) {
			t.Errorf("after the end: got %v, want ErrFinal", err)
		}
	}
}

// TestAppendTogether lets sixteen writers, each with a Log of its own as in
// another process, append at once.
func TestAppendTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mustAppend(t, f.first())
	const writers, rounds, batch = 16, 8, 9
	failed := make(chan error, writers)
	for w := range writers {
		go func() {
			l := board.New(f.config(f.db.Service))
			var err error
			for r := range rounds {
				err = errors.Join(err, postgres.InTx(t.Context(), f.db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
					_, err := l.AppendTx(t.Context(), tx, entries((w*rounds+r)*batch, batch))
					return err
				}))
				_, e := l.Sign(t.Context())
				err = errors.Join(err, e)
			}
			failed <- err
		}()
	}
	for range writers {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	m := newModel(f.mid)
	for e, err := range f.Entries(t.Context(), 0, 1+writers*rounds*batch) {
		if err != nil {
			t.Fatal(err)
		}
		m.add(e)
	}
	if h, err := f.Head(t.Context()); err != nil || h != m.head() {
		t.Errorf("got %+v, %v; want %+v", h, err, m.head())
	}
	// Each batch stands together, and each is there once.
	var seen []int
	for i := 1; i < len(m.entries); i += batch {
		first := int(binary.BigEndian.Uint64(m.entries[i][1:]))
		for k := range batch {
			if !bytes.Equal(m.entries[i+k], entry(first+k)) {
				t.Fatalf("batch at %d is torn apart", i)
			}
		}
		seen = append(seen, first)
	}
	slices.Sort(seen)
	if len(slices.Compact(seen)) != writers*rounds {
		t.Error("a batch is missing or doubled")
	}
	checkTiles(t, f, m)
	checkSigned(t, f, m)
}

// checkSigned opens every checkpoint that was ever signed: all are of one tree.
func checkSigned(t *testing.T, f *fixture, m *model) {
	t.Helper()
	n := 0
	for size := int64(1); size <= m.tree.Size(); size++ {
		note, err := f.CheckpointAt(t.Context(), size)
		if errors.Is(err, board.ErrNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		o, err := f.policy.OpenLog(note)
		if err != nil {
			t.Fatal(err)
		}
		root, err := m.tree.RootAt(size)
		if err != nil || o.Checkpoint.Size != size || o.Checkpoint.Root != root {
			t.Errorf("checkpoint of %d has another root (%v)", size, err)
		}
		n++
	}
	if n == 0 {
		t.Error("no checkpoint was signed")
	}
}

// TestAppendRolledBack shows that a transaction that fails leaves no trace.
func TestAppendRolledBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	m := newModel(f.mid)
	m.add(f.first())
	before := f.mustAppend(t, f.first())
	boom := errors.New("boom")
	err := postgres.InTx(t.Context(), f.db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if _, err := f.AppendTx(t.Context(), tx, entries(1, 300)); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if h, err := f.Head(t.Context()); err != nil || h != before {
		t.Errorf("got %+v, %v; want %+v", h, err, before)
	}
	m.add(entries(7, 300)...)
	f.mustAppend(t, entries(7, 300)...)
	checkTiles(t, f, newModelOf(f.mid, m.entries))
}

func newModelOf(mid suite.MID, list [][]byte) *model {
	m := newModel(mid)
	m.add(list...)
	return m
}

// BenchmarkAppend appends batches of a thousand entries of a ballot's length.
func BenchmarkAppend(b *testing.B) {
	f := newFixture(b)
	f.mustAppend(b, f.first())
	list := make([][]byte, 1000)
	for i := range list {
		list[i] = append([]byte{1}, make([]byte, 900)...)
		random(list[i][1:])
	}
	for b.Loop() {
		f.mustAppend(b, list...)
	}
	b.ReportMetric(float64(b.N*len(list))/b.Elapsed().Seconds(), "entries/s")
}
