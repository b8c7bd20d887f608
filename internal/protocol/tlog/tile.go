package tlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"strikevote/internal/protocol/suite"
)

const (
	// TileWidth is the number of hashes or entries in a full tile.
	TileWidth = 256

	// tileHeight is the number of tree levels in a tile.
	tileHeight = 8

	// Entries is the level of entry bundles.
	Entries = -1

	// maxLevel is the highest level that a path may name.
	maxLevel = 63

	// MaxEntry is the largest entry that a bundle can hold, in bytes.
	MaxEntry = 1<<16 - 1
)

// A Tile names a tile of hashes or a bundle of entries (c2sp.org/tlog-tiles).
type Tile struct {
	Level int // 0 for leaf hashes, or [Entries]
	Index int64
	Width int // 1 to [TileWidth]
}

// Path returns the tile's path below the log: "tile/0/x001/234.p/5",
// "tile/entries/000".
func (t Tile) Path() string {
	level := "entries"
	if t.Level != Entries {
		level = strconv.Itoa(t.Level)
	}
	n := fmt.Sprintf("%03d", t.Index%1000)
	for rest := t.Index / 1000; rest > 0; rest /= 1000 {
		n = fmt.Sprintf("x%03d/%s", rest%1000, n)
	}
	if t.Width < TileWidth {
		n += ".p/" + strconv.Itoa(t.Width)
	}
	return "tile/" + level + "/" + n
}

// ParseTilePath accepts exactly what [Tile.Path] makes.
func ParseTilePath(path string) (Tile, error) {
	bad := errors.New("not the path of a tile")
	rest, ok := strings.CutPrefix(path, "tile/")
	level, n, cut := strings.Cut(rest, "/")
	// A path comes from a stranger: bounded before anything is added up.
	if !ok || !cut || len(n) > 64 {
		return Tile{}, bad
	}
	t := Tile{Level: Entries, Width: TileWidth}
	if level != "entries" {
		l, err := parseDecimal(level, maxLevel)
		if err != nil {
			return Tile{}, bad
		}
		t.Level = int(l)
	}
	if before, width, partial := strings.Cut(n, ".p/"); partial {
		w, err := parseDecimal(width, TileWidth-1)
		if err != nil || w == 0 {
			return Tile{}, bad
		}
		n, t.Width = before, int(w)
	}
	digits := strings.ReplaceAll(strings.ReplaceAll(n, "x", ""), "/", "")
	index, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || index < 0 || index > MaxSize {
		return Tile{}, bad
	}
	t.Index = index
	// Every other spelling ends here: an x too many, two or four digits, a
	// leading x000, a sign.
	if t.Path() != path {
		return Tile{}, bad
	}
	return t, nil
}

// Tiles lists all tiles and entry bundles of a log of exactly that size: full
// ones, and at each level the partial one at its right edge, if any.
func Tiles(size int64) iter.Seq[Tile] {
	return func(yield func(Tile) bool) {
		for level := Entries; level <= maxLevel; level++ {
			n := size
			if level > 0 {
				n = size >> (tileHeight * level)
			}
			if n <= 0 {
				return
			}
			for i := range (n + TileWidth - 1) / TileWidth {
				width := min(TileWidth, n-i*TileWidth)
				if !yield(Tile{Level: level, Index: i, Width: int(width)}) {
					return
				}
			}
		}
	}
}

// In reports whether the tile is one of a log of that size: a full tile that
// lies within it, or exactly the partial tile at its right edge.
func (t Tile) In(size int64) bool {
	n := size
	if t.Level > 0 {
		if t.Level > maxLevel/tileHeight {
			return false
		}
		n = size >> (tileHeight * t.Level)
	}
	if t.Index < 0 || t.Index > MaxSize/TileWidth || t.Level < Entries {
		return false
	}
	rest := n - t.Index*TileWidth
	if t.Width == TileWidth {
		return rest >= TileWidth
	}
	return t.Width >= 1 && t.Width < TileWidth && int64(t.Width) == rest
}

// ReadTile returns the bytes of a tile of hashes, from stored hashes.
func ReadTile(t Tile, read HashReader) ([]byte, error) {
	if t.Level < 0 || t.Level > maxLevel/tileHeight || t.Index < 0 || t.Index > MaxSize>>(tileHeight*(t.Level+1)) ||
		t.Width < 1 || t.Width > TileWidth {
		return nil, errRange
	}
	data, err := tlog.ReadTileData(t.mod(), read.reader())
	if err != nil {
		return nil, fmt.Errorf("reading tile: %w", err)
	}
	return data, nil
}

func (t Tile) mod() tlog.Tile {
	return tlog.Tile{H: tileHeight, L: t.Level, N: t.Index, W: t.Width}
}

// A tileFetcher is how x/mod asks for tiles.
type tileFetcher func(tiles []Tile) ([][]byte, error)

func (f tileFetcher) Height() int                     { return tileHeight }
func (f tileFetcher) SaveTiles([]tlog.Tile, [][]byte) {}
func (f tileFetcher) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	ours := make([]Tile, len(tiles))
	for i, t := range tiles {
		ours[i] = Tile{Level: t.L, Index: t.N, Width: t.W}
	}
	return f(ours)
}

// TileReader reads the hashes of the tree of that size and root from its
// published tiles, and checks each against the root before it is used, so that
// a witness or a voter needs to trust neither the board nor a mirror. fetch
// returns the bytes of each tile.
func TileReader(size int64, root suite.Hash, fetch func(tiles []Tile) ([][]byte, error)) HashReader {
	tree := tlog.Tree{N: size, Hash: tlog.Hash(root)}
	r := tlog.TileHashReader(tree, tileFetcher(fetch))
	return func(indexes []int64) ([]suite.Hash, error) {
		if size < 1 || size > MaxSize {
			return nil, errRange
		}
		hashes, err := r.ReadHashes(indexes)
		if err != nil {
			return nil, fmt.Errorf("reading tiles: %w", err)
		}
		return fromMod(hashes), nil
	}
}

// EncodeBundle returns an entry bundle: each entry preceded by its length as a
// u16. It panics if an entry is longer than [MaxEntry]; what appends to a log
// checks that.
func EncodeBundle(entries [][]byte) []byte {
	n := 0
	for _, e := range entries {
		n += 2 + len(e)
	}
	out := make([]byte, 0, n)
	for _, e := range entries {
		if len(e) > MaxEntry {
			panic("tlog: entry is too long for a bundle")
		}
		out = binary.BigEndian.AppendUint16(out, uint16(len(e)))
		out = append(out, e...)
	}
	return out
}

// DecodeBundle accepts exactly what [EncodeBundle] makes of width entries. The
// entries alias b.
func DecodeBundle(b []byte, width int) ([][]byte, error) {
	if width < 1 || width > TileWidth {
		return nil, errRange
	}
	entries := make([][]byte, 0, width)
	r := suite.NewReader(b)
	for range width {
		n := int(r.U16())
		entries = append(entries, r.Take(n))
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("reading entry bundle: %w", err)
	}
	return entries, nil
}
