package audit_test

import (
	"archive/zip"
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

var update = flag.Bool("update", false, "make the committed record and the values of SPEC.md section 21.1 anew")

const (
	exampleRecord = "testdata/record.zip"
	specFile      = "../protocol/SPEC.md"
	specBegin     = "<!-- record: written by go test ./internal/audit -run TestExampleRecord -update -->\n"
	specEnd       = "<!-- end of record -->\n"
)

// TestExampleRecord verifies the committed record, a real file of an earlier
// run, and compares the values on the way with those that SPEC.md prints.
func TestExampleRecord(t *testing.T) {
	t.Parallel()
	if *update {
		_, files := audittest.Record(t, audittest.Options{})
		writeZip(t, files)
	}
	fsys, closer, err := record.Open(t.Context(), exampleRecord)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	r := verify(t, fsys, audit.Options{Stage: layout.Certified})
	if !r.Verified {
		t.Fatalf("the committed record does not hold:\n%s", faults(r))
	}
	table := walk(t, fsys, r)
	spec, err := os.ReadFile(specFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(spec, []byte(specBegin))
	printed, after, ok2 := bytes.Cut(rest, []byte(specEnd))
	if !ok || !ok2 {
		t.Fatal("SPEC.md has no place for the values of the record")
	}
	if *update {
		spec = slices.Concat(before, []byte(specBegin), []byte(table), []byte(specEnd), after)
		if err := os.WriteFile(specFile, spec, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(printed) != table {
		t.Errorf("SPEC.md section 21.1 does not say what the record says; got\n%s", table)
	}
}

func writeZip(t *testing.T, files audittest.Files) {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(files[name].Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exampleRecord, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A walker follows a record from the manifest to the certificate and notes what
// a second implementation should find on the way.
type walker struct {
	t    *testing.T
	fsys fs.FS
	b    strings.Builder
}

func (w *walker) note(name string, value any) { fmt.Fprintf(&w.b, "| %s | `%v` |\n", name, value) }

func (w *walker) read(path string) []byte {
	w.t.Helper()
	b, err := fs.ReadFile(w.fsys, path)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *walker) bundle(log string, size int64) [][]byte {
	w.t.Helper()
	entries, err := tlog.DecodeBundle(w.read(layout.Tile(log, tlog.Tile{Level: tlog.Entries, Width: int(size)})), int(size))
	if err != nil {
		w.t.Fatal(err)
	}
	return entries
}

func walk(t *testing.T, fsys fs.FS, r *audit.Report) string {
	w := &walker{t: t, fsys: fsys}
	w.b.WriteString("| what | value |\n|---|---|\n")
	w.note("mid", r.MID)
	w.note("six words", r.Election.Words)
	w.note("roll_root of group 1", r.Manifest.Groups[0].RollRoot)
	w.logs(r)
	w.ceremony(r)
	w.sums(r)
	w.note("what the committee signs for the certificate",
		fmt.Sprintf("%x", tally.CertificateMessage(r.MID, w.read(layout.Certificate))))
	return w.b.String()
}

func (w *walker) logs(r *audit.Report) {
	entries := w.bundle(layout.Ledger, int64(r.Final.LedgerSize))
	w.note("ledger: leaf hash of entry 0", tlog.LeafHash(entries[0]))
	w.note("ledger: size", len(entries))
	w.note("ledger: root", r.Final.LedgerRoot)
	issued := slices.IndexFunc(entries, func(e []byte) bool { return e[0] == 1 })
	w.note(fmt.Sprintf("ledger: entry %d, an issuance", issued), fmt.Sprintf("%x", entries[issued]))
	w.note("ledger: final entry", fmt.Sprintf("%x", entries[len(entries)-1]))
	first, err := tlog.ParseProof(w.read(layout.Act(1)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.note("act 1: ledger entry", fmt.Sprintf("%x", first.Extra))

	ballots := w.bundle(layout.Ballots, int64(r.Opening.Close.Size))
	chain := tlog.NewChain(r.MID)
	w.note("ballots: h_0", chain.Head())
	for i, e := range ballots[:len(ballots)-1] {
		chain.Add(tlog.LeafHash(e))
		if i < 2 {
			w.note(fmt.Sprintf("ballots: h_%d", i+1), chain.Head())
		}
	}
	body := ballots[1][1 : len(ballots[1])-384]
	id := suite.BallotID(suite.H("ballot-id", body))
	w.note("ballots: ballot_id of entry 1", id)
	w.note("ballots: its tracker", receipt.Tracker(id))
	w.note("ballots: leaf hash of entry 1", tlog.LeafHash(ballots[1]))
	last, err := ledger.ParseBallots(ballots[len(ballots)-1])
	if err != nil {
		w.t.Fatal(err)
	}
	w.note(fmt.Sprintf("ballots: h_%d, in the close record", len(ballots)-1), last.(ledger.Close).Chain)
	if last.(ledger.Close).Chain != chain.Head() {
		w.t.Error("the chain does not end where the close record says")
	}
	w.note("close_size", r.Opening.Close.Size)
	w.note("close_root", r.Opening.Close.Root)
}

func (w *walker) ceremony(r *audit.Report) {
	m := r.Manifest
	transcript, err := dkg.ParseTranscript(w.read(layout.CeremonyTranscript))
	if err != nil {
		w.t.Fatal(err)
	}
	w.note("ceremony: context", fmt.Sprintf("%x", transcript.Context))
	w.note("ceremony: ext", fmt.Sprintf("%x", transcript.Extension))
	w.note("ceremony: certificate", m.Tellers.Certificate)
	w.note("ceremony: Y", fmt.Sprintf("%x", m.Tellers.Key))
	w.note("drill: R", point(group.BaseMul(group.ScalarFromWide(suite.H512("drill", m.ElectionID[:], m.Tellers.Key[:])))))
}

func (w *walker) sums(r *audit.Report) {
	set := r.Opening.Sets()[0]
	sum := r.Opening.Sums.Sum(set, 0)
	w.note("first set: id, groups, ballots", fmt.Sprint(set.ID, set.Groups, set.Count))
	w.note("first set, question 0: SR", point(sum.R))
	w.note("first set, question 0: SC", point(sum.C))
	w.note("first set, question 0: T", point(w.combined(r, sum)))
}

// combined opens the first sum from the shares in the record.
func (w *walker) combined(r *audit.Report, sum elgamal.Ciphertext) *group.Element {
	d := make(map[uint8]*group.Element)
	for i := 1; i <= int(r.Manifest.Tellers.N) && len(d) < int(r.Manifest.Tellers.T); i++ {
		b, err := fs.ReadFile(w.fsys, layout.Shares(i))
		if err != nil {
			continue // this teller did not answer
		}
		f, err := share.Parse(b)
		if err != nil {
			w.t.Fatal(err)
		}
		d[f.Teller] = f.Shares[0].D
	}
	return tally.Combine(d, sum)
}

func point(e *group.Element) string { return fmt.Sprintf("%x", e.Bytes()) }
