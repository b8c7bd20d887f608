package teller_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
	"strikevote/internal/teller"
)

// story is made once: its signatures take time.
var story struct {
	sync.Once
	e *audittest.Election
}

// past returns an election of three tellers, of whom two open it.
func past(t *testing.T) *audittest.Election {
	t.Helper()
	story.Do(func() { story.e = audittest.New(t, audittest.Options{Stage: layout.Locked, Ballots: 4}) })
	return story.e.Clone()
}

// A service is a coordinator that shows whatever record it is told to, and keeps
// what it is sent.
type service struct {
	*wire
	origin string

	mu     sync.Mutex
	id     suite.ElectionID
	record fstest.MapFS
	state  func(*ceremony.State)
	posted map[ceremony.Round][][]byte
	onPost func() // called before a post is answered; may be nil
}

// serve shows an election and its record.
func serve(t *testing.T, e *audittest.Election, files audittest.Files) *service {
	t.Helper()
	s := &service{wire: new(wire), id: e.Manifest.ElectionID, record: files, posted: make(map[ceremony.Round][][]byte)}
	s.inner = http.HandlerFunc(s.answer)
	server := httptest.NewServer(s.wire)
	t.Cleanup(server.Close)
	s.origin = server.URL
	return s
}

func (s *service) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path, ok := strings.CutPrefix(r.URL.Path, "/record/"); ok {
		f := s.record[path]
		if f != nil && f.Data == nil { // as a board answers before the lock
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"error":"withheld"}`))
			return
		}
		if f != nil {
			_, _ = w.Write(f.Data) // the client is gone
			return
		}
		http.NotFound(w, r)
		return
	}
	if r.Method == http.MethodGet {
		three := []suite.Bytes{{}, {}, {}}
		st := ceremony.State{
			ElectionID: s.id, N: 3, T: 2, Names: []string{"Ada", "Ben", "Cleo"}, Session: 1, Fresh: make([]byte, 32),
			Keys: three, Messages: three, Signatures: three, Record: s.origin + "/record", Phase: string(election.PhaseLocked),
		}
		if s.state != nil {
			s.state(&st)
		}
		if err := json.NewEncoder(w).Encode(st); err != nil {
			panic(err)
		}
		return
	}
	var p ceremony.Post
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		panic(err)
	}
	if s.onPost != nil {
		s.onPost()
	}
	round := ceremony.Round(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
	s.posted[round] = append(s.posted[round], p.Body)
	_, _ = w.Write([]byte("{}\n")) // the client is gone
}

// show replaces the record.
func (s *service) show(files audittest.Files) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = files
}

func (s *service) got(round ceremony.Round) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posted[round]
}

// keyOf makes the key file of teller i of an election that is over.
func (s *service) keyOf(t *testing.T, e *audittest.Election, i int) (*teller.Teller, string) {
	t.Helper()
	y, err := e.Manifest.Key()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "teller.key")
	tt, err := teller.Make(path, passphrase, s.origin, e.Manifest.ElectionID, uint8(i), "WORD", e.Static[i-1], e.Shares[i-1], y)
	if err != nil {
		t.Fatal(err)
	}
	return tt, path
}

// verified is what an auditor says of a record.
func verified(t *testing.T, files audittest.Files) *audit.Report {
	t.Helper()
	r, err := audit.Verify(t.Context(), files, audit.Options{})
	if err != nil || !r.Verified {
		t.Fatalf("got %v, %v", r.Fault(), err)
	}
	return r
}

// open examines and sends.
func open(ctx context.Context, tt *teller.Teller, o teller.Options) error {
	opening, err := tt.Examine(ctx, o)
	if err != nil {
		return err
	}
	return tt.Send(ctx, opening)
}

// end verifies that the result is certified, and destroys the key.
func end(ctx context.Context, tt *teller.Teller) error {
	e, err := tt.End(ctx, nil)
	if err != nil {
		return err
	}
	return tt.Destroy(ctx, e)
}

// TestOpen lets a teller examine a record, look, and open it, with every answer
// lost the first time.
func TestOpen(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := past(t)
	files := e.Publish(t)
	want := verified(t, files)
	s := serve(t, e, files)
	tt, path := s.keyOf(t, e, 2)
	before := read(t, path)
	var steps []string
	opening, err := tt.Examine(ctx, teller.Options{MID: &e.MID, Progress: func(step string, done, total int) { steps = append(steps, step) }})
	if err != nil {
		t.Fatal(err)
	}
	if opening.Report.MID != e.MID || opening.Report.CloseRoot != want.CloseRoot || len(opening.Report.Partition) == 0 {
		t.Error("the report is of something else")
	}
	if len(steps) == 0 || steps[0] != "downloading the record" {
		t.Errorf("got progress %q", steps)
	}
	if len(s.posted) != 0 || !bytes.Equal(read(t, path), before) {
		t.Error("examining sent or changed something")
	}
	s.onPost = func() {
		// What it answers for is in the file before anything leaves.
		again, err := teller.Peek(path, passphrase)
		if err != nil {
			t.Error(err)
			return
		}
		mid, root := again.Answered()
		if !bytes.Equal(mid, e.MID[:]) || !bytes.Equal(root, want.CloseRoot[:]) {
			t.Error("a share was sent that the key file does not know of")
		}
	}
	s.loseOnce()
	if err := tt.Send(ctx, opening); err == nil || !strings.Contains(err.Error(), "EOF") {
		t.Errorf("got %v", err)
	}
	s.loseNone()
	if err := tt.Send(ctx, opening); err != nil {
		t.Fatal(err)
	}
	for _, body := range s.got(ceremony.RoundShares) {
		f, err := share.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		if err := want.Opening.VerifyShares(f); err != nil || f.Teller != 2 {
			t.Errorf("teller %d: %v", f.Teller, err)
		}
	}
	if n := len(s.got(ceremony.RoundShares)); n != 2 {
		t.Errorf("got %d share files", n)
	}
	s.secretFree(t, tt)
}

// TestOtherClose asks for a second close of the election after the first was
// answered for, of the same manifest and of another.
func TestOtherClose(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := past(t)
	first := e.Publish(t)
	fewer := e.Clone()
	fewer.Ballots = fewer.Ballots[1:]
	second := fewer.Publish(t)
	if verified(t, first).CloseRoot == verified(t, second).CloseRoot {
		t.Fatal("one root")
	}
	s := serve(t, e, first)
	tt, path := s.keyOf(t, e, 1)
	a, err := tt.Examine(ctx, teller.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.show(second)
	b, err := tt.Examine(ctx, teller.Options{})
	if err != nil {
		t.Fatalf("nothing was answered for yet: %v", err)
	}
	if err := tt.Send(ctx, a); err != nil {
		t.Fatal(err)
	}
	if err := tt.Send(ctx, b); !errors.Is(err, teller.ErrOtherClose) {
		t.Errorf("it was examined before: got %v", err)
	}
	for _, again := range []func() *teller.Teller{
		func() *teller.Teller { return tt },
		func() *teller.Teller {
			reopened, err := teller.Peek(path, passphrase)
			if err != nil {
				t.Fatal(err)
			}
			return reopened
		},
		func() *teller.Teller { // a copy that is made afterwards knows it too
			copied, err := tt.Copy(path+".copy", passphrase)
			if err != nil {
				t.Fatal(err)
			}
			return copied
		},
	} {
		root := verified(t, second).CloseRoot
		if _, err := again().Examine(ctx, teller.Options{First: &root}); !errors.Is(err, teller.ErrOtherClose) {
			t.Errorf("got %v", err)
		}
	}
	if n := len(s.got(ceremony.RoundShares)); n != 1 {
		t.Errorf("got %d share files", n)
	}
	s.show(first)
	reopened, err := teller.Peek(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if err := open(ctx, reopened, teller.Options{}); err != nil {
		t.Errorf("the same close again: %v", err)
	}
}

// TestSecondCopy lets the second copy of a key answer only with the root that
// the first one answered for.
func TestSecondCopy(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := past(t)
	files := e.Publish(t)
	s := serve(t, e, files)
	tt, path := s.keyOf(t, e, 3)
	second, err := tt.Copy(path+".2", passphrase)
	if err != nil {
		t.Fatal(err)
	}
	third, err := second.Copy(path+".3", passphrase)
	if err != nil {
		t.Fatal(err)
	}
	root := verified(t, files).CloseRoot
	wrong := root
	wrong[31] ^= 1
	for name, o := range map[string]teller.Options{"no root": {}, "another root": {First: &wrong}, "a mid": {MID: &e.MID}} {
		for _, c := range []*teller.Teller{second, third} {
			if err := open(ctx, c, o); err == nil || !strings.Contains(err.Error(), "second copy") {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
	opening, err := tt.Examine(ctx, teller.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Send(ctx, opening); err == nil {
		t.Error("what the first copy examined was sent by the second")
	}
	if len(s.posted) != 0 {
		t.Error("something was sent")
	}
	if err := open(ctx, second, teller.Options{First: &root}); err != nil {
		t.Error(err)
	}
}

// TestNotOpened asks for records that are not to be opened.
func TestNotOpened(t *testing.T) {
	t.Parallel()
	e := past(t)
	good := e.Publish(t)
	with := func(change func(audittest.Files)) audittest.Files {
		files := maps.Clone(good)
		change(files)
		return files
	}
	for _, tt := range []struct {
		name    string
		files   audittest.Files
		state   func(*ceremony.State)
		options teller.Options
		want    string
	}{
		{name: "a ballot that is changed", want: "does not hold", files: with(func(f audittest.Files) {
			path := layout.Ballots + "/tile/entries/000.p/" + entries(f)
			body := bytes.Clone(f[path].Data)
			body[len(body)/2] ^= 1
			f[path] = &fstest.MapFile{Data: body}
		})},
		{name: "a file that is missing", want: "does not hold", files: with(func(f audittest.Files) { delete(f, layout.StatementBox) })},
		{name: "an act that is missing", want: "does not hold", files: with(func(f audittest.Files) { delete(f, layout.Act(1)) })},
		{name: "the witnesses' signatures", want: "try again in a minute", options: teller.Options{Now: func() time.Time { return time.Unix(audittest.Locked, 0) }}, files: with(unsigned)},
		{name: "the witnesses' signatures, days later", want: "does not hold", files: with(unsigned)},
		{name: "not locked", want: "not locked yet: its record is published, and can be checked, when voting has ended. By its schedule voting ends at 2027-",
			options: teller.Options{Now: func() time.Time { return time.Unix(e.Manifest.Schedule.Close-60, 0) }},
			files: with(func(f audittest.Files) {
				f[layout.Ledger+"/tile/entries/000.p/"+entriesOf(f, layout.Ledger)] = new(fstest.MapFile)
			})},
		{name: "no manifest", want: "record", files: with(func(f audittest.Files) { delete(f, layout.Manifest) })},
		{name: "no checkpoint", want: "does not hold", files: with(func(f audittest.Files) { delete(f, layout.Checkpoint(layout.Ballots)) })},
		{name: "nothing", want: "record", files: audittest.Files{}},
		{name: "another mid than expected", want: "another election", options: teller.Options{MID: &suite.MID{1}}},
		{name: "not sealed", want: "not sealed", state: func(st *ceremony.State) { st.Record = "" }},
		{name: "a file of this computer", want: "not an address", state: func(st *ceremony.State) { st.Record = "/etc" }},
		{name: "an address of a file", want: "not an address", state: func(st *ceremony.State) { st.Record = "file:///etc" }},
		{name: "nobody there", want: "downloading", state: func(st *ceremony.State) { st.Record = "http://host.invalid:port/" }},
		{name: "another election's ceremony", want: "another election", state: func(st *ceremony.State) { st.ElectionID[0]++ }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.files == nil {
				tt.files = good
			}
			if tt.options.Now == nil {
				tt.options.Now = func() time.Time { return time.Unix(audittest.Certified, 0) }
			}
			s := serve(t, e, tt.files)
			s.state = tt.state
			program, path := s.keyOf(t, e, 1)
			before := read(t, path)
			opening, err := program.Examine(t.Context(), tt.options)
			if err == nil || opening != nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "downloading") > 1 ||
				strings.Contains(err.Error(), "open ledger") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if len(s.posted) != 0 || !bytes.Equal(read(t, path), before) {
				t.Error("something was sent or changed")
			}
			s.secretFree(t, program)
		})
	}
}

// unsigned takes the witnesses' signatures off the end of the ballots, as it is in the
// seconds of a lock.
func unsigned(f audittest.Files) {
	path := layout.Checkpoint(layout.Ballots)
	text, lines, _ := strings.Cut(string(f[path].Data), "\n\n")
	log, _, _ := strings.Cut(lines, "\n")
	f[path] = &fstest.MapFile{Data: []byte(text + "\n\n" + log + "\n")}
}

// entries is the number of entries of the ballot log, as in its paths.
func entries(f audittest.Files) string {
	return entriesOf(f, layout.Ballots)
}

// entriesOf is that of any log.
func entriesOf(f audittest.Files, log string) string {
	for path := range f {
		if n, ok := strings.CutPrefix(path, log+"/tile/entries/000.p/"); ok {
			return n
		}
	}
	return ""
}

// TestCancelled opens nothing of an election that was cancelled.
func TestCancelled(t *testing.T) {
	t.Parallel()
	e, files := audittest.Record(t, audittest.Options{Cancelled: true, Ballots: 5})
	s := serve(t, e, files)
	tt, _ := s.keyOf(t, e, 1)
	if err := open(t.Context(), tt, teller.Options{}); err == nil || !strings.Contains(err.Error(), "nothing of it is ever opened") {
		t.Errorf("got %v", err)
	}
	s.state = func(st *ceremony.State) { st.Phase = "certified" }
	if err := end(t.Context(), tt); err == nil {
		t.Error("the key was destroyed")
	}
	if len(s.posted) != 0 {
		t.Error("something was sent")
	}
}

// TestNotMine examines a record that holds with keys that are not of it.
func TestNotMine(t *testing.T) {
	t.Parallel()
	e := past(t)
	s := serve(t, e, e.Publish(t))
	y, err := e.Manifest.Key()
	if err != nil {
		t.Fatal(err)
	}
	own := func(number uint8, x *group.Scalar, key *group.Element, id suite.ElectionID) *teller.Teller {
		tt, err := teller.Make(filepath.Join(t.TempDir(), "k"), passphrase, s.origin, id, number, "WORD", e.Static[0], x, key)
		if err != nil {
			t.Fatal(err)
		}
		return tt
	}
	id, other := e.Manifest.ElectionID, suite.ElectionID{9}
	for name, tt := range map[string]*teller.Teller{
		"another share":     own(1, group.RandomScalar(), y, id),
		"another's share":   own(1, e.Shares[1], y, id),
		"another number":    own(2, e.Shares[0], y, id),
		"no such number":    own(33, e.Shares[0], y, id),
		"number 0":          own(0, e.Shares[0], y, id),
		"another key Y":     own(1, e.Shares[0], group.Generator(), id),
		"of another record": own(1, e.Shares[0], y, other),
	} {
		s.id = id
		if name == "of another record" {
			s.id = other
		}
		if err := open(t.Context(), tt, teller.Options{}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if len(s.posted) != 0 {
		t.Error("something was sent")
	}
}

// TestSendUnsaved cannot note what it answers for, and does not answer.
func TestSendUnsaved(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := past(t)
	s := serve(t, e, e.Publish(t))
	tt, _ := s.keyOf(t, e, 1)
	opening, err := tt.Examine(ctx, teller.Options{})
	if err != nil {
		t.Fatal(err)
	}
	unblock := block(t, tt)
	for range 2 {
		if err := tt.Send(ctx, opening); err == nil {
			t.Error("sent without a note in the file")
		}
	}
	if mid, root := tt.Answered(); len(s.posted) != 0 || len(mid)+len(root) != 0 {
		t.Error("something was sent, or counts as answered")
	}
	unblock()
	if err := tt.Send(ctx, opening); err != nil {
		t.Error(err)
	}
	if err := tt.Send(ctx, &teller.Opening{Report: opening.Report}); err == nil {
		t.Error("an opening that was not examined was sent")
	}
}

// TestDrillRefused drills with what are not both copies of one key.
func TestDrillRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := past(t)
	s := serve(t, e, nil)
	first, path := s.keyOf(t, e, 1)
	second, err := first.Copy(path+".copy", passphrase)
	if err != nil {
		t.Fatal(err)
	}
	again, err := teller.Peek(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".cp", read(t, path), 0o600); err != nil {
		t.Fatal(err)
	}
	byHand, err := teller.Peek(path+".cp", passphrase)
	if err != nil {
		t.Fatal(err)
	}
	other, otherPath := s.keyOf(t, e, 2)
	otherCopy, err := other.Copy(otherPath+".copy", passphrase)
	if err != nil {
		t.Fatal(err)
	}
	young := newEvil(t, 1, 1).enroll(t)[0]
	for name, pair := range map[string][2]*teller.Teller{
		"one program twice":        {first, first},
		"one file twice":           {first, again},
		"a file copied by hand":    {first, byHand},
		"another teller's copy":    {first, otherCopy},
		"two second copies":        {second, second},
		"before the ceremony":      {young, second},
		"a copy without a share":   {first, young},
		"two different tellers":    {first, other},
		"another teller's, turned": {otherCopy, first},
	} {
		if err := teller.Drill(ctx, pair[0], pair[1]); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if len(s.posted) != 0 {
		t.Error("something was sent")
	}
	for _, pair := range [][2]*teller.Teller{{first, second}, {second, first}} {
		if err := teller.Drill(ctx, pair[0], pair[1]); err != nil {
			t.Error(err)
		}
	}
	y, err := e.Manifest.Key()
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range s.got(ceremony.RoundDrill) {
		f, err := share.ParseDrill(body)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Verify(e.Manifest.ElectionID, y, group.BaseMul(e.Shares[0])); err != nil {
			t.Error(err)
		}
	}
	s.secretFree(t, first, second)
}

// TestDestroy destroys a key once the record says that it is certified, whatever
// the service says.
func TestDestroy(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	locked := past(t)
	e := past(t)
	e.Options.Stage = layout.Certified
	certified := e.Publish(t)
	s := serve(t, e, certified)
	tt, path := s.keyOf(t, e, 2)
	kept := func(what, want string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
		if _, err := teller.Peek(path, passphrase); err != nil || len(s.posted) != 0 {
			t.Fatalf("%s: the key is gone, or a statement was sent: %v", what, err)
		}
	}
	for _, phase := range []string{"", "draft", "open", "locked", "tallied", "cancelled", "CERTIFIED"} {
		s.state = func(st *ceremony.State) { st.Phase = phase }
		kept("phase "+phase, "not certified", end(ctx, tt))
	}
	s.state = func(st *ceremony.State) { st.Phase = "certified" }
	opened := maps.Clone(certified)
	for _, p := range []string{layout.Certificate, layout.Certification, layout.StatementTeller(1), layout.StatementTeller(2)} {
		delete(opened, p)
	}
	half := maps.Clone(certified)
	delete(half, layout.Certification)
	for name, files := range map[string]audittest.Files{"a locked record": locked.Publish(t), "an opened record": opened, "no signatures": half} {
		s.show(files)
		kept(name, "does not hold", end(ctx, tt))
	}
	s.show(certified)
	s.state = func(st *ceremony.State) { st.Phase, st.Record = "certified", "" }
	kept("no record", "not an address", end(ctx, tt))

	s.state = func(st *ceremony.State) { st.Phase = "certified" }
	copied, err := tt.Copy(path+".copy", passphrase)
	if err != nil {
		t.Fatal(err)
	}
	but := []string{"/v1/" + s.id.String() + "/ceremony"}
	for p := range certified {
		but = append(but, "/record/"+p)
	}
	s.loseOnce(but...)
	err = end(ctx, tt)
	if err == nil || !strings.Contains(err.Error(), "the key is destroyed, but its statement did not reach") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key file is there: %v", err)
	}
	if err := end(ctx, tt); err != nil {
		t.Errorf("the statement again: %v", err)
	}
	bodies := s.got(ceremony.RoundStatement)
	if len(bodies) != 2 {
		t.Fatalf("got %d statements", len(bodies))
	}
	for _, body := range bodies {
		if err := statement.VerifyTeller(group.BaseMul(e.Static[1]), 2, e.MID, body); err != nil {
			t.Error(err)
		}
	}
	s.secretFree(t, tt)
	if err := copied.Discard(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v after both copies were destroyed", left, err)
	}
}

// TestDestroyOther keeps a key that has opened another count than the one that
// is certified.
func TestDestroyOther(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := past(t)
	s := serve(t, e, e.Publish(t))
	tt, path := s.keyOf(t, e, 1)
	if err := open(ctx, tt, teller.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := teller.AnswerFor(tt, suite.MID{1}); err != nil {
		t.Fatal(err)
	}
	e.Options.Stage = layout.Certified
	s.show(e.Publish(t))
	s.state = func(st *ceremony.State) { st.Phase = "certified" }
	if err := end(ctx, tt); err == nil || !strings.Contains(err.Error(), "another election") {
		t.Errorf("got %v", err)
	}
	if _, err := teller.Peek(path, passphrase); err != nil {
		t.Error(err)
	}
}

// TestConsole opens an election at a real console that loses answers.
func TestConsole(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := past(t)
	files := e.Publish(t)
	board := httptest.NewServer(http.FileServerFS(files))
	t.Cleanup(board.Close)
	c := consoleOf(t, e.Manifest, func(context.Context, suite.ElectionID) (committee.Status, bool) {
		return committee.Status{Manifest: e.Manifest, MID: e.MID, Phase: string(election.PhaseLocked), Record: board.URL}, true
	})
	s := &service{origin: c.invitations[0].Console}
	for i := 1; i <= 3; i++ {
		made, path := s.keyOf(t, e, i)
		made.Close()
		tt, err := teller.OpenWith(path, passphrase, c.invitations[i-1].Enrollment)
		if err != nil {
			t.Fatal(err)
		}
		opening, err := tt.Examine(ctx, teller.Options{MID: &e.MID})
		if err != nil {
			t.Fatal(err)
		}
		// The proofs are new each time: every answer is a first one.
		c.loseOnce()
		for range 2 {
			if err := tt.Send(ctx, opening); err == nil {
				t.Fatal("no answer was lost")
			} else {
				c.lost(t, err)
			}
		}
		c.loseNone()
		if err := tt.Send(ctx, opening); err != nil {
			t.Errorf("teller %d: %v", i, err)
		}
		if got, err := tt.Standing(ctx); err != nil || got != (teller.Standing{There: i, Needed: 2, Mine: true, Phase: election.PhaseLocked}) {
			t.Errorf("teller %d: got %+v, %v", i, got, err)
		}
	}
	if st := string(c.get(t, "/ceremony")); !strings.Contains(st, `"shared":[true,true,true]`) {
		t.Errorf("got %s", st)
	}
}

// get asks the console for something.
func (c *console) get(t *testing.T, path string) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	c.inner.ServeHTTP(w, httptest.NewRequest("GET", fmt.Sprintf("/v1/%s%s", c.election, path), nil))
	return w.Body.Bytes()
}
