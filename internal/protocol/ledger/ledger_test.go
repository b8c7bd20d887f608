package ledger_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

var update = flag.Bool("update", false, "write testdata anew; say why in the commit message")

type entry interface{ Bytes() []byte }

// An example is an entry, its log's parser and what it parses to.
type example struct {
	name  string
	parse func([]byte) (any, error)
	entry entry
}

var exampleAct = &act.Act{Kind: act.KindCancel, Sequence: 3, Payload: []byte{}, Signatures: []act.Signature{{Member: 1, Bytes: []byte{1, 2, 3}}}}

func examples() []example {
	mid := suite.MID(suite.H("example"))
	checkpoint := tlog.Checkpoint{Origin: "board.union.example/ledger", Size: 7, Root: suite.Hash{8}}
	return []example{
		{"ledger's manifest", ledger.ParseLedger, ledger.Manifest{MID: mid}},
		{"issuance", ledger.ParseLedger, ledger.Issuance{MID: mid, Group: 258, Blinded: suite.Hash{1}, Request: suite.Hash{2}}},
		{"deposit", ledger.ParseLedger, ledger.Deposit{MID: mid, Group: 1, OnRoll: true, Ref: suite.Hash{3}}},
		{"deposit off the roll", ledger.ParseLedger, ledger.Deposit{MID: mid, Group: 1, Ref: suite.Hash{3}}},
		{"act", ledger.ParseLedger, ledger.Act{Act: exampleAct}},
		{"final", ledger.ParseLedger, ledger.Final{MID: mid, Groups: []ledger.FinalGroup{
			{Group: 1, Issued: 1, Added: 2, Struck: 3, DepositedOn: 4, DepositedOff: 5, AcceptedOn: 6, AcceptedOff: 7, RejectedOn: 8, RejectedOff: 9, UndecidedOn: 10, UndecidedOff: 11},
			{Group: 65535},
		}}},
		{"ballots' manifest", ledger.ParseBallots, ledger.Manifest{MID: mid}},
		{"ballot", ledger.ParseBallots, ledger.Ballot{Cast: []byte("body and signature")}},
		{"close", ledger.ParseBallots, ledger.Close{MID: mid, Groups: []ledger.CloseGroup{{Group: 2, Cast: 3}, {Group: 4, Cast: 5}}, Chain: suite.Hash{9}, Ledger: checkpoint.Text()}},
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	for _, tt := range examples() {
		b := tt.entry.Bytes()
		got, err := tt.parse(b)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(any(tt.entry), got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if again := got.(entry).Bytes(); !bytes.Equal(again, b) {
			t.Errorf("%s: comes back as %x", tt.name, again)
		}
		for n := range b {
			// A ballot's length is not this package's to know.
			if _, err := tt.parse(b[:n]); err == nil && (tt.name != "ballot" || n < 2) {
				t.Errorf("%s: cut to %d bytes, and it parses", tt.name, n)
			}
		}
		if _, err := tt.parse(append(bytes.Clone(b), 0)); err == nil && tt.name != "ballot" {
			t.Errorf("%s: a byte too many parses", tt.name)
		}
		for i := range b {
			for bit := range 8 {
				bad := bytes.Clone(b)
				bad[i] ^= 1 << bit
				other, err := tt.parse(bad)
				if err != nil {
					continue
				}
				if !bytes.Equal(other.(entry).Bytes(), bad) || cmp.Equal(other, got) {
					t.Fatalf("%s: bit %d of byte %d changed, and nothing else", tt.name, bit, i)
				}
			}
		}
		clear(b)
		if diff := cmp.Diff(any(tt.entry), got); diff != "" {
			t.Errorf("%s: aliases its input", tt.name)
		}
	}
	if !bytes.Equal(ledger.ManifestEntry(suite.MID{1}), append([]byte{0, 1}, make([]byte, 31)...)) {
		t.Error("manifest entry is wrong")
	}
	if !bytes.Equal(ledger.BallotEntry([]byte{7}), []byte{1, 7}) || !bytes.Equal(ledger.ActEntry([]byte{7}), []byte{5, 7}) {
		t.Error("an entry has another type")
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	mid := suite.MID{1}
	groups := func(ids ...suite.GroupID) []byte {
		f := ledger.Final{MID: mid}
		for _, id := range ids {
			f.Groups = append(f.Groups, ledger.FinalGroup{Group: id})
		}
		return f.Bytes()
	}
	closing := func(text string, ids ...suite.GroupID) []byte {
		c := ledger.Close{MID: mid, Ledger: text}
		for _, id := range ids {
			c.Groups = append(c.Groups, ledger.CloseGroup{Group: id})
		}
		return c.Bytes()
	}
	checkpoint := tlog.Checkpoint{Origin: "x", Size: 1}.Text()
	deposit := ledger.Deposit{MID: mid, Group: 1}.Bytes()
	deposit[35] = 2
	for _, tt := range []struct {
		name  string
		parse func([]byte) (any, error)
		entry []byte
	}{
		{"empty", ledger.ParseLedger, nil},
		{"empty", ledger.ParseBallots, nil},
		{"type 02", ledger.ParseLedger, append([]byte{2}, make([]byte, 98)...)},
		{"act in the ballots", ledger.ParseBallots, ledger.ActEntry(exampleAct.Bytes())},
		{"deposit in the ballots", ledger.ParseBallots, ledger.Deposit{}.Bytes()},
		{"ballot without bytes", ledger.ParseBallots, ledger.BallotEntry(nil)},
		{"broken act", ledger.ParseLedger, ledger.ActEntry([]byte{3})},
		{"on_roll is 2", ledger.ParseLedger, deposit},
		{"final without groups", ledger.ParseLedger, groups()},
		{"final with group 0", ledger.ParseLedger, groups(0)},
		{"final with a group twice", ledger.ParseLedger, groups(1, 1)},
		{"final with groups descending", ledger.ParseLedger, groups(2, 1)},
		{"close without groups", ledger.ParseBallots, closing(checkpoint)},
		{"close with a group twice", ledger.ParseBallots, closing(checkpoint, 1, 1)},
		{"close with groups descending", ledger.ParseBallots, closing(checkpoint, 2, 1)},
		{"close without checkpoint", ledger.ParseBallots, closing("", 1)},
		{"close with two checkpoints", ledger.ParseBallots, closing(checkpoint+checkpoint, 1)},
		{"close with a note", ledger.ParseBallots, closing(checkpoint+"\n", 1)},
		{"too long", ledger.ParseBallots, make([]byte, 1<<16)},
		{"ballot too long", ledger.ParseBallots, ledger.BallotEntry(make([]byte, 1<<16-1))},
	} {
		if e, err := tt.parse(tt.entry); err == nil {
			t.Errorf("%s was read as %v", tt.name, e)
		}
	}
	if _, err := ledger.ParseBallots(closing(checkpoint, 1)); err != nil {
		t.Errorf("the table breaks nothing: %v", err)
	}
	if _, err := ledger.ParseBallots(ledger.BallotEntry(make([]byte, 1<<16-2))); err != nil {
		t.Errorf("the largest entry: %v", err)
	}
}

// TestLargest: the last entry of an election with the most groups still fits.
func TestLargest(t *testing.T) {
	t.Parallel()
	f := ledger.Final{}
	c := ledger.Close{Ledger: tlog.Checkpoint{Origin: strings.Repeat("x", tlog.MaxName), Size: tlog.MaxSize}.Text()}
	for g := range suite.GroupID(1000) {
		f.Groups = append(f.Groups, ledger.FinalGroup{Group: g + 1})
		c.Groups = append(c.Groups, ledger.CloseGroup{Group: g + 1})
	}
	if _, err := ledger.ParseLedger(f.Bytes()); err != nil {
		t.Error(err)
	}
	if _, err := ledger.ParseBallots(c.Bytes()); err != nil {
		t.Error(err)
	}
}

func FuzzParseLedger(f *testing.F) { fuzz(f, ledger.ParseLedger) }

func FuzzParseBallots(f *testing.F) { fuzz(f, ledger.ParseBallots) }

func fuzz(f *testing.F, parse func([]byte) (any, error)) {
	f.Helper()
	for _, e := range examples() {
		f.Add(e.entry.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parse(b)
		if err != nil {
			return
		}
		if again := e.(entry).Bytes(); !bytes.Equal(again, b) {
			t.Errorf("%x comes back as %x", b, again)
		}
	})
}

func FuzzParseRoll(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Add(append(make([]byte, 32), bytes.Repeat([]byte{1}, 32)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		leaves, err := ledger.ParseRoll(b)
		if err != nil {
			return
		}
		if again := ledger.EncodeRoll(leaves); !bytes.Equal(again, b) {
			t.Errorf("%x comes back as %x", b, again)
		}
	})
}

type rollVector struct {
	RollKey    suite.Bytes      `json:"roll_key"`
	ElectionID suite.ElectionID `json:"election_id"`
	Group      suite.GroupID    `json:"group"`
	Members    []memberVector   `json:"members"`
	Roll       suite.Bytes      `json:"roll"`
	Root       suite.Hash       `json:"roll_root"`
}

type memberVector struct {
	MemberNo string      `json:"member_no"`
	Salt     suite.Bytes `json:"salt"`
	Leaf     suite.Hash  `json:"leaf"`
	Blinded  suite.Hash  `json:"blinded"`
}

type entryVector struct {
	Name  string      `json:"name"`
	Entry suite.Bytes `json:"entry"`
	Leaf  suite.Hash  `json:"leaf_hash"`
}

type vectors struct {
	Roll    rollVector    `json:"roll"`
	Entries []entryVector `json:"entries"`
}

func makeVectors() vectors {
	key := [32]byte(suite.H("example", []byte("roll key")))
	id := suite.H("example", []byte("election"))
	v := vectors{Roll: rollVector{RollKey: key[:], ElectionID: suite.ElectionID(id[:16]), Group: 258}}
	var leaves []suite.Hash
	for i, no := range []string{"100234", "A-7", "пятый", "0", "x y"} {
		salt := ledger.Salt(key, v.Roll.ElectionID, 258, uint32(i))
		leaf := ledger.Leaf(258, uint32(i), salt, no)
		leaves = append(leaves, leaf)
		v.Roll.Members = append(v.Roll.Members, memberVector{no, salt[:], leaf, ledger.Blinded(leaf)})
	}
	v.Roll.Roll = ledger.EncodeRoll(leaves)
	v.Roll.Root = ledger.Root(leaves)
	for _, e := range examples() {
		v.Entries = append(v.Entries, entryVector{e.name, e.entry.Bytes(), tlog.LeafHash(e.entry.Bytes())})
	}
	return v
}

// TestVectors pins a roll and one entry of each type. The file changes only if
// the format does.
func TestVectors(t *testing.T) {
	t.Parallel()
	const file = "testdata/vectors.json"
	if *update {
		b, err := json.MarshalIndent(makeVectors(), "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want vectors
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, makeVectors()); diff != "" {
		t.Error(diff)
	}
}

// TestTestRoll: the elections that other tests use have rolls of this package.
func TestTestRoll(t *testing.T) {
	t.Parallel()
	m, k := electiontest.Manifest(t)
	for _, g := range m.Groups {
		leaves, err := ledger.ParseRoll(ledger.EncodeRoll(k.Leaves[g.ID]))
		if err != nil || len(leaves) != int(g.RollSize) || ledger.Root(leaves) != g.RollRoot {
			t.Errorf("group %d: %v", g.ID, err)
		}
	}
}

func TestRoot(t *testing.T) {
	t.Parallel()
	if got := ledger.Root(nil); got != tlog.EmptyRoot {
		t.Errorf("empty: got %s", got)
	}
	a, b := suite.Hash{1}, suite.Hash{2}
	if got, want := ledger.Root([]suite.Hash{a}), tlog.LeafHash(a[:]); got != want {
		t.Errorf("one: got %s, want %s", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "n")
		var leaves []suite.Hash
		for i := range n {
			leaves = append(leaves, suite.H("x", suite.U32(uint32(i))))
		}
		other := rapid.Permutation(leaves).Draw(t, "order")
		before := append([]suite.Hash{}, other...)
		if ledger.Root(leaves) != ledger.Root(other) || !bytes.Equal(ledger.EncodeRoll(leaves), ledger.EncodeRoll(other)) {
			t.Fatal("the order matters")
		}
		if !cmp.Equal(before, other) {
			t.Fatal("the argument was sorted")
		}
		other[0][31] ^= 1
		if ledger.Root(leaves) == ledger.Root(other) {
			t.Fatal("a leaf does not matter")
		}
	})
	if ledger.Root([]suite.Hash{a, b}) == ledger.Root([]suite.Hash{a, b, b}) {
		t.Error("a leaf twice does not matter")
	}
}

func TestParseRoll(t *testing.T) {
	t.Parallel()
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	for name, bad := range map[string][]byte{
		"empty":      {},
		"31 bytes":   one[:31],
		"33 bytes":   append(bytes.Clone(one), 2),
		"descending": append(bytes.Clone(two), one...),
		"twice":      append(bytes.Clone(one), one...),
	} {
		if _, err := ledger.ParseRoll(bad); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestBinds: nothing that goes into a leaf can be exchanged for another.
func TestBinds(t *testing.T) {
	t.Parallel()
	key, eid := [32]byte{1}, suite.ElectionID{2}
	salt := ledger.Salt(key, eid, 3, 4)
	seen := make(map[any]bool)
	for _, v := range []any{
		salt, ledger.Salt([32]byte{2}, eid, 3, 4), ledger.Salt(key, suite.ElectionID{3}, 3, 4), ledger.Salt(key, eid, 4, 4), ledger.Salt(key, eid, 3, 5),
		ledger.Leaf(3, 4, salt, "no"), ledger.Leaf(4, 4, salt, "no"), ledger.Leaf(3, 5, salt, "no"), ledger.Leaf(3, 4, [32]byte{}, "no"), ledger.Leaf(3, 4, salt, "n"),
		ledger.Blinded(suite.Hash{1}), ledger.Blinded(suite.Hash{2}),
		ledger.Applicant([32]byte{1}, suite.BallotID{2}), ledger.Applicant([32]byte{2}, suite.BallotID{2}), ledger.Applicant([32]byte{1}, suite.BallotID{3}),
	} {
		if seen[v] {
			t.Errorf("%x came up twice", v)
		}
		seen[v] = true
	}
}

func BenchmarkRoot(b *testing.B) {
	leaves := make([]suite.Hash, 22000)
	for i := range leaves {
		leaves[i] = suite.H("x", suite.U32(uint32(i)))
	}
	for b.Loop() {
		ledger.Root(leaves)
	}
}
