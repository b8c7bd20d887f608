package tlog_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// The files in testdata are read by the tests of other programs too: what they
// say may change only together with SPEC.md.
var update = flag.Bool("update", false, "write the vectors in testdata anew")

// compare holds v against a file of vectors, or writes the file.
func compare(t *testing.T, name string, v any) {
	t.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(buf.Bytes(), want) {
		t.Errorf("%s says something else; got\n%s", path, buf.Bytes())
	}
}

type policyVector struct {
	Log       string   `json:"log"`
	Witnesses []string `json:"witnesses"`
	Threshold int      `json:"threshold"`
}

func policyOf(f *fixture) policyVector {
	v := policyVector{Log: f.log.VKey(), Threshold: f.policy.Threshold}
	for _, w := range f.witnesses {
		v.Witnesses = append(v.Witnesses, w.VKey())
	}
	return v
}

type noteVector struct {
	Name   string     `json:"name"`
	Note   string     `json:"note"`
	Valid  bool       `json:"valid"`
	Origin string     `json:"origin"`
	Size   int64      `json:"size"`
	Root   suite.Hash `json:"root"`
	Times  []int64    `json:"times"`
	Moment int64      `json:"moment"`
}

func TestCheckpointVectors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	text := f.checkpoint.Text()
	lines := strings.SplitAfter(strings.TrimPrefix(string(f.note), text+"\n"), "\n")
	stranger, err := tlog.NewWitnessSigner("stranger.example", seed(99))
	if err != nil {
		t.Fatal(err)
	}
	join := func(l ...string) string { return text + "\n" + strings.Join(l, "") }
	cases := []noteVector{
		{Name: "three cosignatures", Note: string(f.note), Valid: true},
		{Name: "two cosignatures", Note: join(lines[0], lines[1], lines[3]), Valid: true},
		{Name: "one cosignature", Note: join(lines[0], lines[1])},
		{Name: "no cosignature", Note: string(f.bare)},
		{Name: "cosignatures out of order", Note: join(lines[0], lines[2], lines[1])},
		{Name: "a cosignature twice", Note: join(lines[0], lines[1], lines[1], lines[2])},
		{Name: "a line by a stranger", Note: string(f.note) + stranger.Cosign(text, time.Unix(1, 0))},
		{Name: "the log's line missing", Note: join(lines[1], lines[2], lines[3])},
		{Name: "an extension line", Note: string(f.log.SignText(text + "extension\n"))},
		{Name: "a larger size", Note: strings.Replace(string(f.note), "\n5\n", "\n6\n", 1)},
		{Name: "a changed signature", Note: strings.Replace(string(f.note), lines[1], strings.Replace(lines[1], "A", "B", 1), 1)},
		{Name: "no line end at the end", Note: strings.TrimSuffix(string(f.note), "\n")},
	}
	for i := range cases {
		c := &cases[i]
		o, err := f.policy.Open([]byte(c.Note))
		if (err == nil) != c.Valid {
			t.Errorf("%s: got %v", c.Name, err)
		}
		c.Times = []int64{}
		if err != nil {
			continue
		}
		c.Origin, c.Size, c.Root = o.Checkpoint.Origin, o.Checkpoint.Size, o.Checkpoint.Root
		for _, cos := range o.Cosignatures {
			c.Times = append(c.Times, cos.Time)
		}
		c.Moment = o.Moment(f.policy.Threshold)
	}
	compare(t, "checkpoint.json", map[string]any{"policy": policyOf(f), "notes": cases})
}

type proofVector struct {
	Name  string      `json:"name"`
	Entry suite.Bytes `json:"entry"`
	Proof string      `json:"proof"`
	Valid bool        `json:"valid"`
	Index int64       `json:"index"`
	Extra suite.Bytes `json:"extra"`
}

func TestProofVectors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	d := entries(5)
	var cases []proofVector
	for i := range d {
		extra := []byte{}
		if i%2 == 1 {
			extra = d[i]
		}
		p := newProof(t, f, int64(i), extra)
		cases = append(cases, proofVector{Name: "entry " + string('0'+rune(i)), Entry: d[i], Proof: string(p.Bytes()), Valid: true, Index: int64(i), Extra: extra})
	}
	good := cases[3]
	bad := func(name, from, to string) {
		c := good
		c.Name, c.Valid = name, false
		c.Proof = strings.Replace(c.Proof, from, to, 1)
		if c.Proof == good.Proof {
			t.Fatalf("%s changes nothing", name)
		}
		cases = append(cases, c)
	}
	bad("another index", "index 3", "index 2")
	bad("a leading zero", "index 3", "index 03")
	bad("another version", "proof@v1", "proof@v2")
	bad("the last cosignatures cut off", good.Proof[strings.Index(good.Proof, "— south"):], "")
	bad("no index", "index 3\n", "")
	another := good
	another.Name, another.Valid, another.Entry = "another entry", false, d[4]
	cases = append(cases, another)
	for _, c := range cases {
		p, err := tlog.ParseProof([]byte(c.Proof))
		if err == nil {
			_, err = p.Check(f.policy, tlog.LeafHash(c.Entry))
		}
		if (err == nil) != c.Valid {
			t.Errorf("%s: got %v", c.Name, err)
		}
	}
	compare(t, "proof.json", map[string]any{"policy": policyOf(f), "proofs": cases})
}

// TestChainVectors pins leaf hashes, roots, chain heads, tiles and bundles of
// one small log.
func TestChainVectors(t *testing.T) {
	t.Parallel()
	mid := suite.MID(seed(7))
	chain := tlog.NewChain(mid)
	tree := new(tlog.Tree)
	type step struct {
		Entry suite.Bytes `json:"entry"`
		Leaf  suite.Hash  `json:"leaf"`
		Root  suite.Hash  `json:"root"`
		Head  suite.Hash  `json:"head"`
	}
	first := chain.Head()
	var steps []step
	d := append([][]byte{append([]byte{0}, mid[:]...), {}}, entries(7)...)
	for _, e := range d {
		leaf := tlog.LeafHash(e)
		chain.Add(leaf)
		tree.Append(leaf)
		steps = append(steps, step{e, leaf, tree.Root(), chain.Head()})
	}
	tiles := map[string]suite.Bytes{}
	for tile := range tlog.Tiles(tree.Size()) {
		data := tlog.EncodeBundle(d)
		if tile.Level != tlog.Entries {
			var err error
			if data, err = tlog.ReadTile(tile, tree.Reader()); err != nil {
				t.Fatal(err)
			}
		}
		tiles[tile.Path()] = data
	}
	compare(t, "chain.json", map[string]any{"mid": mid, "head": first, "entries": steps, "tiles": tiles})
}
