package tally

import (
	"encoding/json"
	"os"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
)

// A sumsVector is an opening from the ballots to the certificate. The share
// files are an input: their nonces are drawn afresh.
type sumsVector struct {
	Options     [][]string        `json:"options"` // roles
	Groups      []place           `json:"groups"`
	KMin        uint32            `json:"k_min"`
	Key         election.Point    `json:"key"`
	TellerKeys  []election.Point  `json:"teller_keys"`
	T           uint8             `json:"t"`
	MID         suite.MID         `json:"mid"`
	CloseRoot   suite.Hash        `json:"close_root"`
	CloseSize   uint64            `json:"close_size"`
	Bodies      []suite.Bytes     `json:"bodies"`
	Sums        []sumVector       `json:"sums"`
	Shares      map[string]string `json:"shares"`
	Result      string            `json:"result"`
	Certificate string            `json:"certificate"`
}

type sumVector struct {
	Set      suite.GroupID  `json:"set"`
	Question int            `json:"question"`
	Count    uint64         `json:"count"`
	SR       election.Point `json:"sr"`
	SC       election.Point `json:"sc"`
	Point    election.Point `json:"t"`
}

func TestVectors(t *testing.T) {
	t.Parallel()
	const path = "testdata/sums.json"
	w := newWorld(t)
	v := &sumsVector{
		KMin: w.m.KMin, Key: w.m.Tellers.Key, TellerKeys: w.m.Tellers.Shares, T: w.m.Tellers.T,
		MID: w.o.Close.MID, CloseRoot: w.o.Close.Root, CloseSize: w.o.Close.Size, Shares: make(map[string]string),
	}
	cast := w.o.Sums.Cast()
	for _, g := range w.m.Groups {
		v.Groups = append(v.Groups, place{g.ID, g.Parent, cast[g.ID]})
	}
	for _, q := range w.m.Questions {
		var roles []string
		for _, o := range q.Options {
			roles = append(roles, o.Role)
		}
		v.Options = append(v.Options, roles)
	}
	for _, b := range w.bodies {
		v.Bodies = append(v.Bodies, b)
	}
	files := w.vectorShares(t, path, v)
	_, points, err := w.o.open(files)
	if err != nil {
		t.Fatal(err)
	}
	for i, set := range w.o.Sets() {
		for q := range w.m.Questions {
			sum := w.o.Sums.Sum(set, q)
			v.Sums = append(v.Sums, sumVector{
				set.ID, q, set.Count, election.Point(sum.R.Bytes()), election.Point(sum.C.Bytes()), election.Point(points[i][q].Bytes()),
			})
		}
	}
	v.Result = string(w.assemble(t, files))
	c, err := w.final([]byte(v.Result)).Certificate(1, 1_900_000_000)
	if err != nil {
		t.Fatal(err)
	}
	v.Certificate = string(encode(t, c))
	golden(t, path, v)
}

// vectorShares reads the share files of the vectors, or makes them.
func (w *world) vectorShares(t *testing.T, path string, v *sumsVector) []*share.File {
	t.Helper()
	if *update {
		for name, f := range map[string]*share.File{"2": w.shares(t, 2)[0], "3": w.shares(t, 3)[0]} {
			v.Shares[name] = string(encode(t, f))
		}
	} else {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var old sumsVector
		if err := json.Unmarshal(b, &old); err != nil {
			t.Fatal(err)
		}
		v.Shares = old.Shares
	}
	var files []*share.File
	for _, s := range v.Shares {
		f, err := share.Parse([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}
