package tlog_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// The functions below are RFC 6962 sections 2.1 to 2.1.2 word for word, over
// the entries themselves, and share nothing with the package under test.

func naiveRoot(d [][]byte) suite.Hash {
	switch len(d) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, d[0]...))
	}
	k := naiveSplit(len(d))
	l, r := naiveRoot(d[:k]), naiveRoot(d[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, l[:], r[:]))
}

// naiveSplit returns the largest power of two below n.
func naiveSplit(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

func naivePath(m int, d [][]byte) []suite.Hash {
	if len(d) == 1 {
		return nil
	}
	k := naiveSplit(len(d))
	if m < k {
		return append(naivePath(m, d[:k]), naiveRoot(d[k:]))
	}
	return append(naivePath(m-k, d[k:]), naiveRoot(d[:k]))
}

func naiveProof(m int, d [][]byte) []suite.Hash { return naiveSubproof(m, d, true) }

func naiveSubproof(m int, d [][]byte, whole bool) []suite.Hash {
	if m == len(d) {
		if whole {
			return nil
		}
		return []suite.Hash{naiveRoot(d)}
	}
	k := naiveSplit(len(d))
	if m <= k {
		return append(naiveSubproof(m, d[:k], whole), naiveRoot(d[k:]))
	}
	return append(naiveSubproof(m-k, d[k:], false), naiveRoot(d[:k]))
}

func entries(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = binary.BigEndian.AppendUint32([]byte("entry "), uint32(i))
	}
	return out
}

func treeOf(d [][]byte) *tlog.Tree {
	t := new(tlog.Tree)
	for _, e := range d {
		t.Append(tlog.LeafHash(e))
	}
	return t
}

// TestCT checks the roots that Certificate Transparency publishes for its eight
// test leaves.
func TestCT(t *testing.T) {
	t.Parallel()
	leaves := []string{
		"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
	}
	roots := []string{
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	tree := new(tlog.Tree)
	if got := tree.Root(); got != tlog.EmptyRoot || got != sha256.Sum256(nil) {
		t.Errorf("root of nothing: got %v", got)
	}
	for i, l := range leaves {
		e, err := hex.DecodeString(l)
		if err != nil {
			t.Fatal(err)
		}
		tree.Append(tlog.LeafHash(e))
		if got := tree.Root().String(); got != roots[i] {
			t.Errorf("size %d: got %s, want %s", i+1, got, roots[i])
		}
	}
}

// TestAgainstRFC compares every root and every proof up to 70 leaves, and some
// of larger trees, with the naive functions above.
func TestAgainstRFC(t *testing.T) {
	t.Parallel()
	sizes := []int{255, 256, 257, 1000}
	for n := range 71 {
		sizes = append(sizes, n)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 4 {
		sizes = append(sizes, 100+rng.IntN(1500))
	}
	all := entries(2000)
	for _, n := range sizes {
		d := all[:n]
		tree := treeOf(d)
		root := naiveRoot(d)
		if tree.Size() != int64(n) || tree.Root() != root || tlog.RootOf(d) != root {
			t.Fatalf("size %d: wrong root", n)
		}
		if n == 0 {
			continue
		}
		steps := n
		if n > 70 {
			steps = 12
		}
		for i := range steps {
			m := i
			if n > 70 {
				m = rng.IntN(n)
			}
			checkInclusion(t, tree, d, root, m)
			checkConsistency(t, tree, d, root, m+1)
		}
	}
}

func checkInclusion(t *testing.T, tree *tlog.Tree, d [][]byte, root suite.Hash, m int) {
	t.Helper()
	n := int64(len(d))
	p, err := tlog.ProveInclusion(n, int64(m), tree.Reader())
	if err != nil || !slices.Equal(p, naivePath(m, d)) {
		t.Fatalf("%d in %d: wrong path, %v", m, n, err)
	}
	if err := tlog.CheckInclusion(p, n, root, int64(m), tlog.LeafHash(d[m])); err != nil {
		t.Fatalf("%d in %d: %v", m, n, err)
	}
}

func checkConsistency(t *testing.T, tree *tlog.Tree, d [][]byte, root suite.Hash, m int) {
	t.Helper()
	n := int64(len(d))
	p, err := tlog.ProveConsistency(n, int64(m), tree.Reader())
	if err != nil || !slices.Equal(p, naiveProof(m, d)) {
		t.Fatalf("%d to %d: wrong proof, %v", m, n, err)
	}
	old, err := tree.RootAt(int64(m))
	if err != nil || old != naiveRoot(d[:m]) {
		t.Fatalf("root at %d: %v", m, err)
	}
	if err := tlog.CheckConsistency(p, n, root, int64(m), old); err != nil {
		t.Fatalf("%d to %d: %v", m, n, err)
	}
}

// TestStoredHashes builds a tree from the hashes that a database would store.
func TestStoredHashes(t *testing.T) {
	t.Parallel()
	var stored []suite.Hash
	read := func(indexes []int64) ([]suite.Hash, error) {
		out := make([]suite.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	}
	d := entries(300)
	for i, e := range d {
		if got := tlog.StoredHashIndex(int64(i)); got != int64(len(stored)) || tlog.StoredHashCount(int64(i)) != got {
			t.Fatalf("leaf %d belongs at %d, not %d", i, got, len(stored))
		}
		hashes, err := tlog.StoredHashes(int64(i), tlog.LeafHash(e), read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
		root, err := tlog.TreeHash(int64(i+1), read)
		if err != nil || root != naiveRoot(d[:i+1]) {
			t.Fatalf("size %d: wrong root, %v", i+1, err)
		}
	}
}

// TestProofsBroken shows that a proof holds for nothing but its own leaf,
// index and roots, and with no hash changed, missing or added. (Sizes are bound
// by the signed checkpoint: trees of neighbouring sizes may share the shape of
// a proof, never the root.)
func TestProofsBroken(t *testing.T) {
	t.Parallel()
	d := entries(21)
	tree := treeOf(d)
	n, root := tree.Size(), tree.Root()
	leaf := tlog.LeafHash(d[5])
	p, err := tlog.ProveInclusion(n, 5, tree.Reader())
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(name string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	refuse("another index", tlog.CheckInclusion(p, n, root, 4, leaf))
	refuse("another size", tlog.CheckInclusion(p, 40, root, 5, leaf))
	refuse("another root", tlog.CheckInclusion(p, n, leaf, 5, leaf))
	refuse("another leaf", tlog.CheckInclusion(p, n, root, 5, root))
	refuse("a hash too few", tlog.CheckInclusion(p[1:], n, root, 5, leaf))
	refuse("a hash too many", tlog.CheckInclusion(append(slices.Clone(p), leaf), n, root, 5, leaf))
	refuse("an index past the end", tlog.CheckInclusion(p, n, root, n, leaf))
	refuse("a negative index", tlog.CheckInclusion(p, n, root, -1, leaf))
	for i := range p {
		for j := range p[i] {
			q := slices.Clone(p)
			q[i][j] ^= 1
			refuse("a changed hash", tlog.CheckInclusion(q, n, root, 5, leaf))
		}
	}

	old, _ := tree.RootAt(13)
	c, err := tlog.ProveConsistency(n, 13, tree.Reader())
	if err != nil {
		t.Fatal(err)
	}
	refuse("another old size", tlog.CheckConsistency(c, n, root, 12, old))
	refuse("another new size", tlog.CheckConsistency(c, 40, root, 13, old))
	refuse("another old root", tlog.CheckConsistency(c, n, root, 13, root))
	refuse("another new root", tlog.CheckConsistency(c, n, old, 13, old))
	refuse("a hash too few", tlog.CheckConsistency(c[1:], n, root, 13, old))
	refuse("a hash too many", tlog.CheckConsistency(append(slices.Clone(c), old), n, root, 13, old))
	refuse("a shrinking log", tlog.CheckConsistency(c, 13, old, n, root))
	refuse("an empty old log", tlog.CheckConsistency(nil, n, root, 0, tlog.EmptyRoot))
	refuse("one size, two roots", tlog.CheckConsistency(nil, n, root, n, old))
	for i := range c {
		for j := range c[i] {
			q := slices.Clone(c)
			q[i][j] ^= 1
			refuse("a changed hash", tlog.CheckConsistency(q, n, root, 13, old))
		}
	}
}

// TestHugeSizes: a hostile checkpoint may claim any size, and x/mod loops for
// ever on some.
func TestHugeSizes(t *testing.T) {
	t.Parallel()
	fail := func([]int64) ([]suite.Hash, error) {
		t.Error("hashes of a huge tree were asked for")
		return nil, nil
	}
	var h suite.Hash
	for _, n := range []int64{math.MaxInt64, 1 << 62, tlog.MaxSize + 1, -1, math.MinInt64} {
		_, err1 := tlog.TreeHash(n, fail)
		_, err2 := tlog.ProveInclusion(n, 0, fail)
		_, err3 := tlog.ProveConsistency(n, 1, fail)
		_, err4 := tlog.StoredHashes(n, h, fail)
		_, err5 := tlog.TileReader(n, h, nil)(nil)
		for i, err := range []error{err1, err2, err3, err4, err5,
			tlog.CheckInclusion(nil, n, h, 0, h), tlog.CheckConsistency(nil, n, h, 1, h)} {
			if err == nil {
				t.Errorf("size %d: function %d accepted it", n, i)
			}
		}
	}
	// The largest that is allowed ends quickly.
	if err := tlog.CheckInclusion(make([]suite.Hash, 53), tlog.MaxSize, h, 7, h); err == nil {
		t.Error("a wrong proof was accepted")
	}
}

// TestReaders: a reader that errs or answers too little is an error, never a
// panic or a wrong hash.
func TestReaders(t *testing.T) {
	t.Parallel()
	short := func(indexes []int64) ([]suite.Hash, error) { return make([]suite.Hash, len(indexes)/2), nil }
	if _, err := tlog.TreeHash(7, short); err == nil {
		t.Error("TreeHash took too few hashes")
	}
	if _, err := tlog.ProveInclusion(7, 2, short); err == nil {
		t.Error("ProveInclusion took too few hashes")
	}
	tree := treeOf(entries(3))
	if _, err := tlog.TreeHash(9, tree.Reader()); err == nil {
		t.Error("a hash beyond the tree was read")
	}
	if _, err := tree.RootAt(4); err == nil {
		t.Error("a root beyond the tree was computed")
	}
}

func TestChain(t *testing.T) {
	t.Parallel()
	var mid suite.MID
	copy(mid[:], bytes.Repeat([]byte{7}, 32))
	c := tlog.NewChain(mid)
	want := sha256.Sum256(frame("strikevote/v1/chain-0", string(mid[:])))
	for _, e := range entries(3) {
		if c.Head() != want {
			t.Fatalf("got %v, want %x", c.Head(), want)
		}
		leaf := sha256.Sum256(append([]byte{0}, e...))
		want = sha256.Sum256(frame("strikevote/v1/chain", string(want[:]), string(leaf[:])))
		fork := tlog.ResumeChain(c.Head())
		c.Add(leaf)
		fork.Add(leaf)
		if fork != c {
			t.Error("a chain that was stored goes on differently")
		}
	}
	if c.Head() != want {
		t.Errorf("got %v, want %x", c.Head(), want)
	}
}

// frame is the frame of SPEC.md section 1, written again.
func frame(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

func BenchmarkAppend(b *testing.B) {
	tree := new(tlog.Tree)
	e := make([]byte, 1000)
	for b.Loop() {
		tree.Append(tlog.LeafHash(e))
	}
}

func BenchmarkRootOf22000(b *testing.B) {
	d := entries(22000)
	for b.Loop() {
		tlog.RootOf(d)
	}
}

func BenchmarkCheckInclusion22000(b *testing.B) {
	d := entries(22000)
	tree := treeOf(d)
	p, err := tlog.ProveInclusion(22000, 12345, tree.Reader())
	if err != nil {
		b.Fatal(err)
	}
	root, leaf := tree.Root(), tlog.LeafHash(d[12345])
	for b.Loop() {
		if err := tlog.CheckInclusion(p, 22000, root, 12345, leaf); err != nil {
			b.Fatal(err)
		}
	}
}
