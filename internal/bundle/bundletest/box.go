package bundletest

import (
	"archive/zip"
	"path/filepath"
	"testing"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// boxCases are an election with the trackers of its ballots, and what a board
// answers to each.
type boxCases struct {
	Manifest suite.Bytes `json:"manifest"`
	MID      suite.MID   `json:"mid"`
	Ballots  []boxCase   `json:"ballots"`
}

type boxCase struct {
	Tracker string `json:"tracker"`
	Proof   string `json:"proof"`
}

// boxAnswers looks for every ballot of the record that SPEC.md section 21 follows.
func boxAnswers(t testing.TB) boxCases {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join(Root(t), "internal", "audit", "testdata", "record.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	note := read(t, z, layout.Checkpoint(layout.Ballots))
	c := boxCases{Manifest: read(t, z, layout.Manifest)}
	c.MID = election.MID(c.Manifest)
	m, err := election.Parse(c.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := m.BallotsPolicy()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := policy.Open(note)
	if err != nil {
		t.Fatal(err)
	}
	size := opened.Checkpoint.Size
	bundle := tlog.Tile{Level: tlog.Entries, Width: int(size)} // it is small enough for one
	entries, err := tlog.DecodeBundle(read(t, z, layout.Tile(layout.Ballots, bundle)), bundle.Width)
	if err != nil {
		t.Fatal(err)
	}
	var tree tlog.Tree
	for _, e := range entries {
		tree.Append(tlog.LeafHash(e))
	}
	for i, e := range entries {
		parsed, err := ledger.ParseBallots(e)
		if err != nil {
			t.Fatal(err)
		}
		cast, ok := parsed.(ledger.Ballot)
		if !ok {
			continue
		}
		body, _, err := ballot.ParseCast(cast.Cast, m.Options())
		if err != nil {
			t.Fatal(err)
		}
		proof, err := tlog.Prove(size, int64(i), tree.Reader(), note, e)
		if err != nil {
			t.Fatal(err)
		}
		c.Ballots = append(c.Ballots, boxCase{receipt.Tracker(ballot.ID(body)), string(proof.Bytes())})
	}
	return c
}
