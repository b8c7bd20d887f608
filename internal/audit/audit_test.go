package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// verify audits a record and logs nothing unless the test fails.
func verify(t testing.TB, fsys fs.FS, o audit.Options) *audit.Report {
	t.Helper()
	r, err := audit.Verify(t.Context(), fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// faults lists what does not hold.
func faults(r *audit.Report) string {
	var b strings.Builder
	for _, c := range r.Checks {
		if !c.OK {
			b.WriteString(c.Name + ": " + c.Detail + "\n")
		}
	}
	return b.String()
}

func TestHonest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		o       audittest.Options
		stage   layout.Stage
		ballots uint64
		outcome string
	}{
		{"locked", audittest.Options{Stage: layout.Locked}, layout.Locked, 27, ""},
		{"opened", audittest.Options{Stage: layout.Opened}, layout.Opened, 27, "The members authorize the leadership to call a strike."},
		{"certified", audittest.Options{}, layout.Certified, 27, "The members authorize the leadership to call a strike."},
		{"cancelled", audittest.Options{Cancelled: true}, layout.Cancelled, 27, ""},
		{"demo", audittest.Options{Demo: true}, layout.Certified, 27, "The members authorize the leadership to call a strike."},
		{"by group", audittest.Options{PerGroup: true}, layout.Certified, 27, "The members authorize the leadership to call a strike."},
		{"nobody voted", audittest.Options{Nobody: true}, layout.Certified, 0, "The members do not authorize the leadership to call a strike."},
		{"two tiles", audittest.Options{Ballots: 300, Single: true}, layout.Certified, 303, "The members authorize the leadership to call a strike."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, files := audittest.Record(t, tt.o)
			r := verify(t, files, audit.Options{Stage: tt.stage, MID: &e.MID})
			if !r.Verified {
				t.Fatalf("it does not hold:\n%s", faults(r))
			}
			if r.Stage != tt.stage || r.Ballots != tt.ballots || r.Outcome != tt.outcome {
				t.Errorf("got %s, %d ballots, %q", r.Stage, r.Ballots, r.Outcome)
			}
			if opens := tt.stage != layout.Cancelled; opens != (r.Sums != nil) || opens && r.CloseSize != tt.ballots+2 {
				t.Errorf("close size %d, sums given: %t", r.CloseSize, r.Sums != nil)
			}
		})
	}
}

// TestMoreThanIssued: a box that holds more ballots than were issued, and more entitled
// than the roll had members, are explained beside the numbers.
func TestMoreThanIssued(t *testing.T) {
	t.Parallel()
	e, files := audittest.Record(t, audittest.Options{})
	r := verify(t, files, audit.Options{MID: &e.MID})
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"27 of 96 entitled cast a ballot (28.1%). 27 ballots were issued.\n27 issued + 2 from accepted envelopes - 2 not cast = 27 in the box.\n",
		"\n95 on the signed roll + 1 added - 1 taken off + 1 not on the roll, by accepted envelope = 96 entitled.\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, &b)
		}
	}
}

// TestNumbers compares the report with the story that package audittest tells.
func TestNumbers(t *testing.T) {
	t.Parallel()
	e, files := audittest.Record(t, audittest.Options{})
	var steps []string
	r := verify(t, files, audit.Options{MID: &e.MID, Progress: func(step string, done, total int) {
		if done > total || done < 0 {
			t.Errorf("step %s: %d of %d", step, done, total)
		}
		steps = append(steps, step)
	}})
	if r.Entitled != 96 || r.Issued != 27 || r.Ballots != 27 || len(r.Checks) != 24 || len(steps) == 0 {
		t.Errorf("got %d entitled, %d issued, %d ballots, %d checks, steps %q",
			r.Entitled, r.Issued, r.Ballots, len(r.Checks), steps)
	}
	b, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Verified bool
		Sets     []audit.Set
		Election map[string]string
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	// Groups 2 and 3 are counted together, because 3 has but three ballots.
	if !got.Verified || len(got.Sets) != 4 || !slices.Equal(got.Sets[2].Groups, []suite.GroupID{2, 3}) || got.Sets[2].Count != 14 {
		t.Errorf("got %s", b)
	}
	if o := got.Sets[0].Options; o[0] != (audit.Option{Text: "Yes", Votes: 9}) || o[1].Votes != 3 || o[2].Votes != 1 {
		t.Errorf("group 1: got %v", o)
	}
	if got.Election["mid"] != e.MID.String() || got.Election["words"] != r.Election.Words {
		t.Errorf("election: got %v", got.Election)
	}
}

// TestText reads the report as a person does.
func TestText(t *testing.T) {
	t.Parallel()
	e, files := audittest.Record(t, audittest.Options{Demo: true, Ballots: 30})
	text := func(r *audit.Report) string {
		var b strings.Builder
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	good := text(verify(t, files, audit.Options{MID: &e.MID}))
	for _, want := range []string{
		"Strike authorization vote\nDEMO. This is not a real vote.\nsix words: ",
		"\nThe members authorize the leadership to call a strike.\n",
		"HX, 16 ballots: Do you authorize", "  Yes\n",
	} {
		if !strings.Contains(good, want) {
			t.Errorf("no %q in\n%s", want, good)
		}
	}
	if !strings.HasSuffix(good, "\nrecord verified\n") {
		t.Errorf("it does not end well:\n%s", good)
	}
	bad := text(verify(t, with(files, layout.Sealing, []byte("{}\n")), audit.Options{}))
	if !strings.HasPrefix(bad, "THE RECORD DOES NOT HOLD\n\n  sealing ") {
		t.Errorf("the reason does not come first:\n%s", bad)
	}
	if end := bad[strings.LastIndexByte(strings.TrimSuffix(bad, "\n"), '\n')+1:]; !strings.HasPrefix(end, "THE RECORD DOES NOT HOLD. ") || !strings.Contains(end, " sealing") {
		t.Errorf("it ends with good news:\n%s", bad)
	}
	for _, not := range []string{"record verified", "call a strike.", "Abstain"} {
		if strings.Contains(bad, not) {
			t.Errorf("%q in the report of a false record:\n%s", not, bad)
		}
	}
}

// TestShares: every percentage is of what the rule counts, as on the public pages, and says
// of what it is one.
func TestShares(t *testing.T) {
	t.Parallel()
	e, files := audittest.Record(t, audittest.Options{Demo: true, Ballots: 30})
	r := verify(t, files, audit.Options{MID: &e.MID})
	o, entitled := r.Sets[0].Options, uint64(0) // 9 yes, 3 no, 1 abstention
	for _, g := range r.Sets[0].Groups {
		entitled += r.EntitledByGroup[g]
	}
	decided, cast := o[0].Votes+o[1].Votes, r.Sets[0].Count
	if cast == decided || cast == entitled {
		t.Fatal("the wholes are the same")
	}
	for _, tt := range []struct {
		basis, of string
		whole     uint64
		neutral   string
	}{
		{election.BasisDecided, "yes and no votes", decided, ""},
		{election.BasisCast, "ballots in the box", cast, fmt.Sprintf("%.1f%%", 100*float64(o[2].Votes)/float64(cast))},
		{election.BasisEntitled, "entitled members", entitled, fmt.Sprintf("%.1f%%", 100*float64(o[2].Votes)/float64(entitled))},
	} {
		m := *r.Manifest
		m.Rule.Basis, r.Manifest = tt.basis, &m
		var b strings.Builder
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("  %8d  %6s  %s\n", o[0].Votes, fmt.Sprintf("%.1f%%", 100*float64(o[0].Votes)/float64(tt.whole)), o[0].Text) +
			fmt.Sprintf("  %8d  %6s  %s\n", o[1].Votes, fmt.Sprintf("%.1f%%", 100*float64(o[1].Votes)/float64(tt.whole)), o[1].Text) +
			fmt.Sprintf("  %8d  %6s  %s\n", o[2].Votes, tt.neutral, o[2].Text) +
			fmt.Sprintf("  Percentages are of %d %s.\n", tt.whole, tt.of)
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: no %q in\n%s", tt.basis, want, b.String())
		}
	}
}

// TestDemands asks for more than the record is.
func TestDemands(t *testing.T) {
	t.Parallel()
	_, locked := audittest.Record(t, audittest.Options{Ballots: 8, Stage: layout.Locked})
	_, cancelled := audittest.Record(t, audittest.Options{Ballots: 8, Cancelled: true})
	tests := []struct {
		name  string
		files audittest.Files
		o     audit.Options
		check string // that fails; none if empty
	}{
		{"locked of locked", locked, audit.Options{Stage: layout.Locked}, ""},
		{"opened of locked", locked, audit.Options{Stage: layout.Opened}, "stage"},
		{"certified of locked", locked, audit.Options{Stage: layout.Certified}, "stage"},
		{"cancelled of locked", locked, audit.Options{Stage: layout.Cancelled}, "stage"},
		{"no such stage", locked, audit.Options{Stage: "sealed"}, "stage"},
		{"cancelled of cancelled", cancelled, audit.Options{Stage: layout.Cancelled}, ""},
		{"anything of cancelled", cancelled, audit.Options{}, ""},
		{"locked of cancelled", cancelled, audit.Options{Stage: layout.Locked}, "stage"},
		{"opened of cancelled", cancelled, audit.Options{Stage: layout.Opened}, "stage"},
		{"another mid", locked, audit.Options{MID: &suite.MID{1}}, "mid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := verify(t, tt.files, tt.o)
			failed := ""
			for _, c := range r.Checks {
				if !c.OK {
					failed += c.Name
				}
			}
			if failed != tt.check || r.Verified != (tt.check == "") {
				t.Errorf("failed %q, verified %t; want %q", failed, r.Verified, tt.check)
			}
		})
	}
}

// TestSize: the operator of a log can sign any size.
func TestSize(t *testing.T) {
	t.Parallel()
	e, files := audittest.Record(t, small)
	for _, size := range []int64{0, 1, layout.MaxLogSize + 1, tlog.MaxSize} {
		note := cosigned(t, e, size, suite.Hash{})
		found := tampered(t, with(files, layout.Checkpoint(layout.Ballots), note), "another size")
		if !strings.Contains(found, "cannot be") {
			t.Errorf("size %d: got %s", size, found)
		}
	}
	// Nor may it sign one root and publish the tiles of another.
	note := cosigned(t, e, int64(len(e.Ballots)+2), suite.Hash{1})
	found := tampered(t, with(files, layout.Checkpoint(layout.Ballots), note), "another root")
	if !strings.Contains(found, "ballot log: ballots/checkpoint: its root is not that of the tiles") {
		t.Errorf("another root: got %s", found)
	}
}

// cosigned is a final checkpoint of the ballots, of any size and root.
func cosigned(t *testing.T, e *audittest.Election, size int64, root suite.Hash) []byte {
	t.Helper()
	policy, err := e.Manifest.BallotsPolicy()
	if err != nil {
		t.Fatal(err)
	}
	c := tlog.Checkpoint{Origin: policy.Log.Name(), Size: size, Root: root}
	note := e.Box.Sign(c)
	for _, w := range e.Witnesses {
		if note, err = policy.AddCosignature(note, w.Cosign(c.Text(), time.Unix(audittest.Locked, 0))); err != nil {
			t.Fatal(err)
		}
	}
	return note
}

// TestTile: a tile has as many hashes as its name says.
func TestTile(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, small)
	path := layout.Tile(layout.Ballots, tlog.Tile{Width: 13})
	for _, size := range []int{12, 14} {
		content := append(slices.Clone(files[path].Data), make([]byte, 32)...)[:32*size]
		if found := tampered(t, with(files, path, content), "another width"); !strings.Contains(found, "a tile of 13 hashes has") {
			t.Errorf("%d hashes: got %s", size, found)
		}
	}
}

// TestWords: a record is reported in the same words by any number of workers.
func TestWords(t *testing.T) {
	t.Parallel()
	e := audittest.New(t, audittest.Options{Ballots: 8, Single: true, Stage: layout.Locked})
	for i := range 2500 { // several batches
		e.Ballots = append(e.Ballots, []byte{1, byte(i), byte(i >> 8)})
	}
	files := e.Publish(t)
	var first []byte
	for _, workers := range []int{1, 2, 7} {
		b, err := verify(t, files, audit.Options{Workers: workers}).JSON()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Errorf("%d workers: got\n%s\nwant\n%s", workers, b, first)
		}
	}
	if !bytes.Contains(first, []byte("And 2495 more.")) {
		t.Errorf("got %s", first)
	}
}

// FuzzVerify puts anything in the place of any file.
func FuzzVerify(f *testing.F) {
	_, files := audittest.Record(f, small)
	list := paths(files)
	for i, path := range list {
		f.Add(uint8(i), files[path].Data)
	}
	f.Fuzz(func(t *testing.T, i uint8, content []byte) {
		path := list[int(i)%len(list)]
		r, err := audit.Verify(t.Context(), with(files, path, content), audit.Options{Workers: 1})
		if err == nil && r.Verified && !bytes.Equal(content, files[path].Data) {
			t.Errorf("%s: it holds with other bytes", path)
		}
	})
}
