package voter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/voter"
)

func read(t *testing.T, f voter.File) []byte {
	t.Helper()
	b, err := f.Load()
	if err != nil || b == nil {
		t.Fatalf("nothing is kept: %v", err)
	}
	return b
}

// refusing lets the registrar fail for good, so that a session ends with its
// ballot kept and perhaps issued.
func refusing(path string) func(request, *httptest.ResponseRecorder) {
	return instead(path, []byte("no"))
}

// TestFile looks into the file of an unfinished ballot: without the link it
// shows nothing, it belongs to its owner alone, and whatever is done to it, it is
// refused and left as it is.
func TestFile(t *testing.T) {
	t.Parallel()
	s := newService(t)
	memory := inFile(t)
	session := s.open(t, 0, memory)
	secret := ballot.NewSecret()
	if err := session.SealWith(secret, ballot.Choices{1, 0}, "words of my own"); err != nil {
		t.Fatal(err)
	}
	if b, err := memory.Load(); b != nil || err != nil {
		t.Error("something is kept before anything was asked for")
	}
	s.set(func() { s.change = refusing("registrar/issue") })
	sentence(t, "no answer", session.Finish(t.Context(), ""))
	s.set(func() { s.change = nil })
	kept := read(t, memory)
	id, _ := session.Tracker()
	for _, list := range []map[string][]byte{
		spellings("secret", secret[:]), spellings("ballot id", id[:]),
		{"code": []byte(secret.RecoveryCode()), "words": []byte("words"), "a key": []byte("choices"), "a stage": []byte("sealed")},
	} {
		for name, needle := range list {
			if bytes.Contains(kept, needle) {
				t.Errorf("the file shows the %s", name)
			}
		}
	}
	for path, want := range map[string]os.FileMode{memory.Path: 0o600, filepath.Dir(memory.Path): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	e, err := voter.Fetch(t.Context(), s.client(), s.m.Origins.Booth, s.m.ElectionID, s.mid)
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(what string, b []byte) {
		t.Helper()
		damaged := &inMemory{b: b}
		if _, err := e.Session(s.link(0), damaged); !errors.Is(err, voter.ErrDamaged) {
			t.Errorf("%s: got %v", what, err)
		}
		if !bytes.Equal(damaged.b, b) {
			t.Errorf("%s: what was kept was changed", what)
		}
	}
	for i := range kept {
		flipped := bytes.Clone(kept)
		flipped[i] ^= 1 << (i % 8)
		refuse(fmt.Sprintf("byte %d flipped", i), flipped)
	}
	for _, n := range []int{0, 1, 23, 24, 40, len(kept) - 1} {
		refuse(fmt.Sprintf("cut to %d bytes", n), kept[:n:n])
	}
	refuse("a byte more", append(bytes.Clone(kept), 0))
	if _, err := e.Session(s.link(1), &inMemory{b: kept}); !errors.Is(err, voter.ErrDamaged) {
		t.Errorf("another link opens it: %v", err)
	}
	sentence(t, "a damaged file", voter.ErrDamaged)
	again := s.open(t, 0, memory)
	finish(t, again)
	if got, _ := again.Tracker(); got != id {
		t.Error("another ballot was finished")
	}
}

// An inMemory memory can be made to fail at one of its calls.
type inMemory struct {
	b     []byte
	calls int
	fail  int // at this Keep, from 1
	load  error
}

func (m *inMemory) Load() ([]byte, error) { return bytes.Clone(m.b), m.load }

func (m *inMemory) Keep(b []byte) error {
	if m.calls++; m.calls == m.fail {
		return errors.New("no space left on device")
	}
	m.b = bytes.Clone(b)
	return nil
}

func (m *inMemory) Forget() error {
	if m.calls++; m.calls == m.fail {
		return errors.New("no space left on device")
	}
	m.b = nil
	return nil
}

// TestForget erases an unfinished ballot: the files are gone, also one that a
// crash left, and the link can be opened as if for the first time.
func TestForget(t *testing.T) {
	t.Parallel()
	s := newService(t)
	memory := inFile(t)
	session := s.open(t, 0, memory)
	if err := session.Forget(); err != nil {
		t.Errorf("with nothing kept: %v", err)
	}
	if err := session.Seal(ballot.Choices{1, 0}, ""); err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.change = refusing("registrar/issue") })
	sentence(t, "no answer", session.Finish(t.Context(), ""))
	s.set(func() { s.change = nil })
	if err := os.WriteFile(memory.Path+".new", read(t, memory), 0o600); err != nil {
		t.Fatal(err)
	}
	session = s.open(t, 0, memory)
	if err := session.Forget(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Dir(memory.Path)); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, begun := session.Tracker(); begun || session.Stage() != voter.StageNew || len(session.Choices()) > 0 {
		t.Error("the session remembers the ballot")
	}
	if again := s.open(t, 0, memory); again.Stage() != voter.StageNew {
		t.Errorf("got stage %q", again.Stage())
	}
	full := &inMemory{fail: 1}
	sentence(t, "a disk that fails", s.open(t, 0, full).Forget())
}

// TestErased checks that neither the program nor its file holds what proves a
// choice once the box has promised, nor a file that a crash left beside it.
func TestErased(t *testing.T) {
	t.Parallel()
	s := newService(t)
	memory := inFile(t)
	if err := memory.Keep([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(memory.Path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(memory.Path+".new", []byte("what a crash left"), 0o600); err != nil {
		t.Fatal(err)
	}
	session := s.open(t, 0, memory)
	choices, secret := ballot.Choices{1, 1}, ballot.NewSecret()
	if err := session.SealWith(secret, choices, "words of my own"); err != nil {
		t.Fatal(err)
	}
	held, chosen, typed, sealed := session.Remains()
	if len(held) == 0 || len(chosen) == 0 || typed == "" || !sealed {
		t.Fatal("there is nothing to erase")
	}
	finish(t, session)
	if !bytes.Equal(held, make([]byte, len(held))) || !bytes.Equal(chosen, make([]byte, len(chosen))) {
		t.Error("the secret or the choices are still in memory")
	}
	if held, chosen, typed, sealed := session.Remains(); held != nil || chosen != nil || typed != "" || sealed {
		t.Error("the session still holds how its ballot was made")
	}
	if choices[0] != 1 || choices[1] != 1 {
		t.Error("what the caller shows the voter was changed")
	}
	plain, err := session.Opened(read(t, memory))
	if err != nil {
		t.Fatal(err)
	}
	for name, needle := range spellings("secret", secret[:]) {
		if bytes.Contains(plain, needle) {
			t.Errorf("the file still holds the %s", name)
		}
	}
	for _, needle := range []string{`"choices":"0101"`, "words of my own"} {
		if bytes.Contains(plain, []byte(needle)) {
			t.Errorf("the file still holds %s", needle)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(memory.Path)); err != nil || len(files) != 1 {
		t.Errorf("%d files, %v", len(files), err)
	}
}

// TestFailingMemory fills the disk at each step. Before the secret is kept
// nothing is asked for; after the promise the voter is told the truth.
func TestFailingMemory(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for fail, want := range map[int]string{1: "no space left", 2: "no space left", 3: "your ballot is received"} {
		s.set(func() { s.requests = nil })
		memory := &inMemory{fail: fail}
		session := s.open(t, uint32(fail), memory)
		seal(t, session, 0, 0)
		err := session.Finish(t.Context(), "")
		sentence(t, want, err)
		if err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("failing at %d: got %v", fail, err)
		}
		if n := len(s.sent("registrar", "box")); n != fail-1 {
			t.Errorf("failing at %d: %d requests were sent", fail, n)
		}
		id, _ := session.Tracker()
		if fail > 1 {
			session = s.open(t, uint32(fail), memory)
		}
		finish(t, session)
		if got, _ := session.Tracker(); got != id {
			t.Errorf("failing at %d: another ballot was finished", fail)
		}
	}
	if _, err := voter.Open(t.Context(), s.client(), s.link(9), &inMemory{load: errors.New("disk error")}); err == nil {
		t.Error("a memory that cannot be read is taken for an empty one")
	}
	// A folder stands where the file should.
	path := filepath.Join(t.TempDir(), "x")
	if err := os.MkdirAll(filepath.Join(path, "y"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (voter.File{Path: path}).Keep([]byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	if err := (voter.File{Path: filepath.Join(path, "y", "z", "a")}).Keep([]byte("x")); err != nil {
		t.Error(err)
	}
}

// TestFileFor gives the spellings of one link one file, and two links two.
func TestFileFor(t *testing.T) {
	t.Parallel()
	s := newService(t)
	link := s.link(0)
	want := voter.FileFor("d", link)
	for _, same := range []string{" " + link + "\n", strings.Replace(link, "#", "%23", 1)} {
		if got := voter.FileFor("d", same); got != want {
			t.Errorf("got %v for the same link", got)
		}
	}
	if voter.FileFor("d", s.link(1)) == want || filepath.Dir(want.Path) != "d" {
		t.Error("two links share a file")
	}
	if strings.Contains(link, strings.TrimSuffix(filepath.Base(want.Path), ".ballot")) {
		t.Error("the name shows the link")
	}
}

// TestDevice tests a device, an honest one and ones that lie.
func TestDevice(t *testing.T) {
	t.Parallel()
	s := newService(t)
	session := s.open(t, 0, inFile(t))
	second, err := voter.Fetch(t.Context(), s.client(), s.m.Origins.Booth, s.m.ElectionID, s.mid)
	if err != nil {
		t.Fatal(err)
	}
	reveal := func(choices ballot.Choices, typed string) *voter.Test {
		t.Helper()
		if err := session.Seal(choices, typed); err != nil {
			t.Fatal(err)
		}
		shown, _ := session.Tracker()
		test, err := session.Test()
		if err != nil || test.BallotID != shown {
			t.Fatalf("got %v", err)
		}
		if _, ok := session.Tracker(); ok || session.Stage() != voter.StageNew {
			t.Error("the tested ballot is still alive")
		}
		return test
	}
	if _, err := session.Test(); err == nil {
		t.Error("nothing was tested")
	}
	test, other := reveal(ballot.Choices{2, 1}, "words"), reveal(ballot.Choices{0, 1}, "words")
	choices, err := second.Check(1, test)
	if err != nil || !bytes.Equal(choices, []byte{2, 1}) {
		t.Errorf("got %v, %v", []byte(choices), err)
	}
	for name, change := range map[string]func(v *voter.Test){
		"another ballot than the one shown": func(v *voter.Test) { *v = *other; v.BallotID = test.BallotID },
		"another secret":                    func(v *voter.Test) { v.RecoveryCode = other.RecoveryCode },
		"a code mistyped":                   func(v *voter.Test) { v.RecoveryCode = v.RecoveryCode[:3] + "U" + v.RecoveryCode[4:] },
		"other words":                       func(v *voter.Test) { v.Typed = "word" },
		"another body":                      func(v *voter.Test) { v.Body = other.Body },
		"no body":                           func(v *voter.Test) { v.Body = nil },
		"a body with a bit flipped":         func(v *voter.Test) { v.Body = bytes.Clone(v.Body); v.Body[len(v.Body)-1] ^= 1 },
	} {
		lie := *test
		change(&lie)
		_, err := second.Check(1, &lie)
		sentence(t, name, err)
	}
	if _, err := second.Check(7, test); err == nil {
		t.Error("a test of an unknown unit holds")
	}
	// A device that seals another choice than it shows is found by its own test.
	if choices, err := second.Check(1, other); err != nil || choices[0] != 0 {
		t.Errorf("got %v", err)
	}
	if n := len(s.sent("registrar", "box")); n > 0 {
		t.Errorf("a test sent %d requests", n)
	}
	seal(t, session, 0, 0)
	finish(t, session)
	if _, err := session.Test(); err == nil {
		t.Error("a ballot was tested after it was cast")
	}
}

// TestNoTestOnceAsked refuses to reveal a ballot that may have been issued: it
// would be the voter's only one.
func TestNoTestOnceAsked(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for i, path := range []string{"registrar/issue", "box/ballots"} {
		memory := inFile(t)
		session := s.open(t, uint32(i), memory)
		seal(t, session, 0, 0)
		s.set(func() { s.change = refusing(path) })
		sentence(t, path, session.Finish(t.Context(), ""))
		s.set(func() { s.change = nil })
		before := read(t, memory)
		for _, session := range []*voter.Session{session, s.open(t, uint32(i), memory)} {
			if _, err := session.Test(); err == nil {
				t.Errorf("after %s: tested", path)
			}
			if err := session.Seal(ballot.Choices{1, 1}, ""); err == nil {
				t.Errorf("after %s: sealed anew", path)
			}
		}
		if !bytes.Equal(read(t, memory), before) {
			t.Errorf("after %s: what was kept has changed", path)
		}
		finish(t, s.open(t, uint32(i), memory))
	}
}

// TestRecovery finishes on another device with the recovery code, if the same is
// chosen, and keeps what a device kept if it is not.
func TestRecovery(t *testing.T) {
	t.Parallel()
	s := newService(t)
	code := ballot.NewSecret().RecoveryCode()
	secret, err := ballot.ParseRecoveryCode(strings.ToLower(code))
	if err != nil {
		t.Fatal(err)
	}
	begin := func(memory voter.Memory, secret ballot.Secret, choices ballot.Choices, typed string) *voter.Session {
		t.Helper()
		session := s.open(t, 0, memory)
		if err := session.SealWith(secret, choices, typed); err != nil {
			t.Fatal(err)
		}
		return session
	}
	// The first device is issued a ballot and dies before the answer is there.
	first := begin(inFile(t), secret, ballot.Choices{0, 1}, "words")
	s.set(func() { s.change = refusing("registrar/issue") })
	sentence(t, "no answer", first.Finish(t.Context(), ""))
	s.set(func() { s.change = nil })
	id, _ := first.Tracker()

	memory := inFile(t)
	for name, wrong := range map[string]*voter.Session{
		"another choice": begin(memory, secret, ballot.Choices{1, 1}, "words"),
		"other words":    begin(memory, secret, ballot.Choices{0, 1}, ""),
		"another code":   begin(memory, ballot.NewSecret(), ballot.Choices{0, 1}, "words"),
	} {
		err := wrong.Finish(t.Context(), "")
		said := new(voter.ServiceError)
		if !errors.As(err, &said) || said.Status != 409 || !strings.Contains(err.Error(), alreadyIssued) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	second := begin(memory, secret, ballot.Choices{0, 1}, "words")
	finish(t, second)
	if got, _ := second.Tracker(); got != id {
		t.Error("another ballot was finished")
	}
	if issued, cast := s.counts(); issued != 1 || cast != 1 {
		t.Errorf("%d credentials and %d ballots", issued, cast)
	}
}

// TestRecoveryKeeps mistypes a recovery on the very device that holds the ballot
// which was issued. What it holds must survive.
func TestRecoveryKeeps(t *testing.T) {
	t.Parallel()
	s := newService(t)
	memory := inFile(t)
	session := s.open(t, 0, memory)
	seal(t, session, 2, 0)
	s.set(func() { s.change = refusing("registrar/issue") })
	sentence(t, "no answer", session.Finish(t.Context(), ""))
	s.set(func() { s.change = nil })
	id, _ := session.Tracker()
	mistaken := s.open(t, 0, memory)
	if err := mistaken.SealWith(ballot.NewSecret(), ballot.Choices{0, 0}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := mistaken.Test(); err == nil {
		t.Error("a test took the place of a ballot that may have been issued")
	}
	sentence(t, "a dead code", mistaken.Finish(t.Context(), ""))
	again := s.open(t, 0, memory)
	finish(t, again)
	if got, _ := again.Tracker(); got != id {
		t.Error("another ballot was finished")
	}
}

// TestChangedMind chooses again after a run that was interrupted before anything
// was issued. Only the registrar's word for that opens the way.
func TestChangedMind(t *testing.T) {
	t.Parallel()
	s := newService(t)
	memory := inFile(t)
	// It never arrives.
	ctx, cancel := context.WithCancel(t.Context())
	if err := live(ctx, &mortal{service: s, n: 4, cancel: cancel}, s.link(0), memory, (*voter.Session).Finish); err == nil {
		t.Fatal("it lived on")
	}
	session := s.open(t, 0, memory)
	before, _ := session.Tracker()
	if got := session.Choices(); !bytes.Equal(got, []byte{1, 1}) {
		t.Errorf("got %v", []byte(got))
	}
	if err := session.Seal(ballot.Choices{0, 0}, ""); err == nil {
		t.Error("sealed anew before the registrar was asked")
	}
	if status, err := session.Status(t.Context(), ""); err != nil || status.Issued {
		t.Fatalf("got %v, %v", status, err)
	}
	seal(t, session, 0, 0)
	if _, err := session.Test(); err == nil {
		t.Error("a test took the place of a ballot that is kept")
	}
	// From here on this one may have been issued.
	s.set(func() { s.change = refusing("registrar/issue") })
	sentence(t, "no answer", session.Finish(t.Context(), ""))
	s.set(func() { s.change = nil })
	if err := session.Seal(ballot.Choices{2, 1}, ""); err == nil {
		t.Error("sealed anew after it was asked for")
	}
	id, _ := session.Tracker()
	session = s.open(t, 0, memory)
	if got, _ := session.Tracker(); got != id || got == before {
		t.Error("the new ballot is not the one that is kept")
	}
	if status, err := session.Status(t.Context(), ""); err != nil || !status.Issued {
		t.Errorf("got %v, %v", status, err)
	}
	if err := session.Seal(ballot.Choices{2, 1}, ""); err == nil {
		t.Error("sealed anew although it was issued")
	}
	finish(t, session)
	if session.Choices() != nil {
		t.Error("the choices are still there")
	}
	if issued, cast := s.counts(); issued != 1 || cast != 1 {
		t.Errorf("%d credentials and %d ballots", issued, cast)
	}
}

// TestRecoveryCode shows the code of a ballot while it is unfinished.
func TestRecoveryCode(t *testing.T) {
	t.Parallel()
	s := newService(t)
	session := s.open(t, 0, inFile(t))
	if code, err := session.RecoveryCode(); err == nil {
		t.Errorf("got %q of no ballot", code)
	}
	seal(t, session, 1, 1)
	code, err := session.RecoveryCode()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := ballot.ParseRecoveryCode(code)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := session.Tracker()
	other := s.open(t, 0, inFile(t))
	if err := other.SealWith(secret, session.Choices(), ""); err != nil {
		t.Fatal(err)
	}
	if got, _ := other.Tracker(); got != id {
		t.Error("the code makes another ballot")
	}
	finish(t, session)
	if code, err := session.RecoveryCode(); err == nil {
		t.Errorf("got %q after the promise", code)
	}
}
