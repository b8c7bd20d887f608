package tlog_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

func newProof(t testing.TB, f *fixture, index int64, extra []byte) *tlog.Proof {
	t.Helper()
	tree := treeOf(entries(5))
	p, err := tlog.Prove(5, index, tree.Reader(), f.note, extra)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProof(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i, e := range entries(5) {
		for _, extra := range [][]byte{nil, e, bytes.Repeat([]byte{1}, tlog.MaxEntry)} {
			p := newProof(t, f, int64(i), extra)
			q, err := tlog.ParseProof(p.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(q.Extra, extra) || q.Index != int64(i) || !slices.Equal(q.Hashes, p.Hashes) || !bytes.Equal(q.Note, f.note) {
				t.Errorf("proof %d comes back as %+v", i, q)
			}
			o, err := q.Check(f.policy, tlog.LeafHash(e))
			if err != nil || o.Checkpoint != f.checkpoint || len(o.Cosignatures) != 3 {
				t.Errorf("got %+v, %v", o, err)
			}
			if _, err := q.Check(f.policy, tlog.LeafHash([]byte("another"))); err == nil {
				t.Error("another leaf was proved")
			}
			q.Note = f.bare
			if _, err := q.Check(f.policy, tlog.LeafHash(e)); !errors.Is(err, tlog.ErrThreshold) {
				t.Errorf("got %v, want ErrThreshold", err)
			}
		}
	}
	if _, err := tlog.Prove(5, 5, treeOf(entries(5)).Reader(), f.note, nil); err == nil {
		t.Error("an entry beyond the log was proved")
	}
}

// TestProofEveryByte changes each byte: nothing but the extra data, which no
// signature covers, may change without the proof failing.
func TestProofEveryByte(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	leaf := tlog.LeafHash(entries(5)[2])
	b := newProof(t, f, 2, nil).Bytes()
	for i := range b {
		for _, bit := range []byte{0x01, 0x02, 0x40, 0x80} {
			c := bytes.Clone(b)
			c[i] ^= bit
			p, err := tlog.ParseProof(c)
			if err != nil {
				continue
			}
			if _, err := p.Check(f.policy, leaf); err == nil {
				t.Errorf("byte %d with bit %#x changed was accepted", i, bit)
			}
		}
	}
}

func TestParseProof(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := strings.Repeat("A", 43) + "=\n"
	note := string(f.note)
	const header = "c2sp.org/tlog-proof@v1\n"
	if _, err := tlog.ParseProof([]byte(header + "extra QQ==\nindex 0\n" + h + "\n" + note)); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"nothing":          "",
		"no header":        "index 0\n" + h + "\n" + note,
		"another version":  "c2sp.org/tlog-proof@v2\nindex 0\n" + h + "\n" + note,
		"no index":         header + h + "\n" + note,
		"a leading zero":   header + "index 00\n" + h + "\n" + note,
		"a huge index":     header + "index 9223372036854775807\n" + h + "\n" + note,
		"an empty extra":   header + "extra \nindex 0\n" + h + "\n" + note,
		"extra spare bits": header + "extra QR==\nindex 0\n" + h + "\n" + note,
		"two extras":       header + "extra QQ==\nextra QQ==\nindex 0\n" + h + "\n" + note,
		"extra after":      header + "index 0\nextra QQ==\n" + h + "\n" + note,
		"a long extra":     header + "extra " + strings.Repeat("AAAA", 21846) + "\nindex 0\n" + h + "\n" + note,
		"a short hash":     header + "index 0\nAAAA\n\n" + note,
		"hash spare bits":  header + "index 0\n" + strings.Repeat("A", 42) + "B=\n\n" + note,
		"54 hashes":        header + "index 0\n" + strings.Repeat(h, 54) + "\n" + note,
		"no empty line":    header + "index 0\n" + h + note,
		"no note":          header + "index 0\n" + h + "\n",
		"a text":           header + "index 0\n" + h + "\n" + f.checkpoint.Text(),
		"a statement":      header + "index 0\n" + h + "\n" + string(f.log.SignText("a\n")),
		"cut off":          header + "index 0\n" + h,
		"far too long":     header + "index 0\n" + h + "\n" + strings.Repeat(note, 1000),
	} {
		if _, err := tlog.ParseProof([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestTilePaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]tlog.Tile{
		"tile/0/x001/x234/067":           {Level: 0, Index: 1234067, Width: 256},
		"tile/0/x001/234.p/5":            {Level: 0, Index: 1234, Width: 5},
		"tile/entries/000":               {Level: tlog.Entries, Index: 0, Width: 256},
		"tile/entries/999.p/255":         {Level: tlog.Entries, Index: 999, Width: 255},
		"tile/63/000.p/1":                {Level: 63, Index: 0, Width: 1},
		"tile/2/x001/000":                {Level: 2, Index: 1000, Width: 256},
		"tile/entries/x123/x000/000.p/9": {Level: tlog.Entries, Index: 123000000, Width: 9},
	} {
		if got := want.Path(); got != path {
			t.Errorf("got %q, want %q", got, path)
		}
		if got, err := tlog.ParseTilePath(path); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", path, got, err)
		}
	}
	for _, bad := range []string{
		"", "tile", "tile/", "tile/0", "tile/0/", "tile/8/0/000", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/x000/001",
		"tile/0/1000", "tile/0/001/002", "tile/0/x001", "tile/0/x001/x002", "tile/64/000", "tile/00/000", "tile/-1/000",
		"tile/data/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "tile/0/000.p/1/",
		"tile/0/000.p/1.p/1", "tile/0/+01", "tile/0/x0x/001", "/tile/0/000", "tile/0/000/", "tile/0/../000", "tile/0/00x",
		"tile/0/x999/x999/x999/x999/x999/x999/999", "tile/0/" + strings.Repeat("x999/", 100) + "999",
	} {
		if got, err := tlog.ParseTilePath(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, got)
		}
	}
}

// TestTiles checks the two examples of c2sp.org/tlog-tiles, and that In agrees
// with Tiles.
func TestTiles(t *testing.T) {
	t.Parallel()
	count := map[int]int{}
	partial := map[int]int{}
	for tile := range tlog.Tiles(70000) {
		if tile.Width == tlog.TileWidth {
			count[tile.Level]++
		} else {
			partial[tile.Level] = tile.Width
		}
	}
	if count[0] != 273 || count[tlog.Entries] != 273 || count[1] != 1 || count[2] != 0 ||
		partial[0] != 112 || partial[tlog.Entries] != 112 || partial[1] != 17 || partial[2] != 1 || len(partial) != 4 {
		t.Errorf("got %v full, %v partial", count, partial)
	}
	var paths []string
	for tile := range tlog.Tiles(256) {
		paths = append(paths, tile.Path())
	}
	if got := strings.Join(paths, " "); got != "tile/entries/000 tile/0/000 tile/1/000.p/1" {
		t.Errorf("got %s", got)
	}
	for range tlog.Tiles(0) {
		t.Error("an empty log has a tile")
	}
	for _, size := range []int64{1, 255, 256, 257, 511, 512, 65535, 65536, 65537} {
		in := map[tlog.Tile]bool{}
		for tile := range tlog.Tiles(size) {
			in[tile] = true
		}
		for level := tlog.Entries; level <= 3; level++ {
			for _, index := range []int64{-1, 0, 1, 2, 255, 256, 257} {
				for _, width := range []int{-1, 0, 1, 2, 254, 255, 256, 257} {
					tile := tlog.Tile{Level: level, Index: index, Width: width}
					if tile.In(size) != in[tile] {
						t.Errorf("size %d: %+v is in: %v", size, tile, tile.In(size))
					}
				}
			}
		}
	}
	if (tlog.Tile{Level: 0, Index: 1 << 62, Width: 256}).In(1 << 50) {
		t.Error("a tile beyond everything is in the log")
	}
}

// TestReadTile compares every tile of some logs with the tree heads that its
// hashes are, by definition.
func TestReadTile(t *testing.T) {
	t.Parallel()
	all := entries(70000)
	for _, size := range []int64{1, 255, 256, 257, 1000, 66000} {
		tree := treeOf(all[:size])
		for tile := range tlog.Tiles(size) {
			if tile.Level == tlog.Entries || tile.Level == 0 && tile.Index%50 != 0 {
				continue
			}
			data, err := tlog.ReadTile(tile, tree.Reader())
			if err != nil || len(data) != 32*tile.Width {
				t.Fatalf("%s: %d bytes, %v", tile.Path(), len(data), err)
			}
			span := int64(1) << (8 * tile.Level)
			for _, i := range []int64{0, int64(tile.Width) / 2, int64(tile.Width) - 1} {
				from := (tile.Index*256 + i) * span
				want := naiveRoot(all[from : from+span])
				if !bytes.Equal(data[32*i:32*i+32], want[:]) {
					t.Fatalf("%s: hash %d is wrong", tile.Path(), i)
				}
			}
		}
		for _, tile := range []tlog.Tile{{Level: 0, Index: size, Width: 1}, {Level: -1, Width: 1}, {Level: 60, Width: 1}, {Width: 0}, {Width: 257}, {Index: -1, Width: 1}, {Index: 1 << 60, Width: 1}} {
			if _, err := tlog.ReadTile(tile, tree.Reader()); err == nil {
				t.Errorf("%+v was read", tile)
			}
		}
	}
}

// TestTileReader proves consistency and inclusion from tiles alone, as a
// witness does, and finds every changed tile.
func TestTileReader(t *testing.T) {
	t.Parallel()
	const size, old = 70000, 300
	tree := treeOf(entries(size))
	fetch := func(change func(tile tlog.Tile, data []byte)) func(tiles []tlog.Tile) ([][]byte, error) {
		return func(tiles []tlog.Tile) ([][]byte, error) {
			out := make([][]byte, len(tiles))
			for i, tile := range tiles {
				if !tile.In(size) {
					t.Errorf("%s is not in the log", tile.Path())
				}
				var err error
				if out[i], err = tlog.ReadTile(tile, tree.Reader()); err != nil {
					return nil, err
				}
				change(tile, out[i])
			}
			return out, nil
		}
	}
	read := tlog.TileReader(size, tree.Root(), fetch(func(tlog.Tile, []byte) {}))
	p, err := tlog.ProveConsistency(size, old, read)
	if err != nil {
		t.Fatal(err)
	}
	oldRoot, _ := tree.RootAt(old)
	if err := tlog.CheckConsistency(p, size, tree.Root(), old, oldRoot); err != nil {
		t.Error(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		which := rng.IntN(1000)
		bad := tlog.TileReader(size, tree.Root(), fetch(func(_ tlog.Tile, data []byte) { data[which%len(data)] ^= 1 }))
		if _, err := tlog.ProveInclusion(size, int64(which), bad); err == nil {
			t.Error("a changed tile was used")
		}
	}
	lost := tlog.TileReader(size, tree.Root(), func([]tlog.Tile) ([][]byte, error) { return nil, errors.New("offline") })
	if _, err := tlog.ProveInclusion(size, 1, lost); err == nil {
		t.Error("a proof came from nowhere")
	}
}

func TestBundle(t *testing.T) {
	t.Parallel()
	list := [][]byte{[]byte("a"), {}, bytes.Repeat([]byte{9}, tlog.MaxEntry)}
	b := tlog.EncodeBundle(list)
	got, err := tlog.DecodeBundle(b, 3)
	if err != nil || !slices.EqualFunc(got, list, bytes.Equal) {
		t.Fatalf("got %d entries, %v", len(got), err)
	}
	if !bytes.Equal(tlog.EncodeBundle([][]byte{[]byte("ab"), []byte("c")}), []byte("\x00\x02ab\x00\x01c")) {
		t.Error("wrong bytes")
	}
	for name, fn := range map[string]func() error{
		"an entry too few":  func() error { _, err := tlog.DecodeBundle(b, 2); return err },
		"an entry too many": func() error { _, err := tlog.DecodeBundle(b, 4); return err },
		"a byte too many":   func() error { _, err := tlog.DecodeBundle(append(bytes.Clone(b), 0), 3); return err },
		"a byte too few":    func() error { _, err := tlog.DecodeBundle(b[:len(b)-1], 3); return err },
		"nothing":           func() error { _, err := tlog.DecodeBundle(nil, 1); return err },
		"no width":          func() error { _, err := tlog.DecodeBundle(nil, 0); return err },
		"a width too large": func() error { _, err := tlog.DecodeBundle(make([]byte, 514), 257); return err },
	} {
		if fn() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("an entry too long was bundled")
		}
	}()
	tlog.EncodeBundle([][]byte{make([]byte, tlog.MaxEntry+1)})
}

func FuzzParseProof(f *testing.F) {
	fix := newFixture(f)
	f.Add(newProof(f, fix, 2, nil).Bytes())
	f.Add(newProof(f, fix, 4, []byte("extra")).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := tlog.ParseProof(b)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Bytes(), b) {
			t.Errorf("%q comes back as %q", b, p.Bytes())
		}
		if _, err := p.Check(fix.policy, suite.Hash{}); err == nil {
			t.Error("a leaf that is in no log was proved")
		}
	})
}

func FuzzOpen(f *testing.F) {
	fix := newFixture(f)
	f.Add(fix.note)
	f.Add(fix.bare)
	f.Add(fix.log.SignText("a\n\nb\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := fix.policy.OpenLog(b)
		if err != nil {
			return
		}
		again := fix.log.Sign(o.Checkpoint)
		for _, c := range o.Cosignatures {
			again = append(again, c.Line...)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%q comes back as %q", b, again)
		}
	})
}

func FuzzParseCheckpointText(f *testing.F) {
	f.Add(newFixture(f).checkpoint.Text())
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := tlog.ParseCheckpointText(s); err == nil && c.Text() != s {
			t.Errorf("%q comes back as %q", s, c.Text())
		}
	})
}

func FuzzParseKey(f *testing.F) {
	fix := newFixture(f)
	f.Add(fix.log.VKey())
	f.Add(fix.witnesses[2].VKey())
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := tlog.ParseLogKey(s); err == nil && k.VKey() != s {
			t.Errorf("%q comes back as %q", s, k.VKey())
		}
		if k, err := tlog.ParseWitnessKey(s); err == nil && k.VKey() != s {
			t.Errorf("%q comes back as %q", s, k.VKey())
		}
	})
}

func FuzzParseTilePath(f *testing.F) {
	f.Add("tile/0/x001/234.p/5")
	f.Add("tile/entries/000")
	f.Fuzz(func(t *testing.T, s string) {
		if tile, err := tlog.ParseTilePath(s); err == nil && tile.Path() != s {
			t.Errorf("%q comes back as %q", s, tile.Path())
		}
	})
}

func FuzzDecodeBundle(f *testing.F) {
	f.Add(tlog.EncodeBundle([][]byte{[]byte("ab"), {}}), 2)
	f.Fuzz(func(t *testing.T, b []byte, width int) {
		if list, err := tlog.DecodeBundle(b, width); err == nil && !bytes.Equal(tlog.EncodeBundle(list), b) {
			t.Errorf("%x comes back differently", b)
		}
	})
}
