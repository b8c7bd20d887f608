package ceremony_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/suite"
)

// full is a state in which every list has its length.
func full() ceremony.State {
	st := state(3)
	st.Title, st.Names, st.Session, st.Phase = "Strike vote", []string{"Ada", "Ben", "Cleo <c>"}, 2, "draft"
	st.Messages, st.Signatures = []suite.Bytes{{1}, {}, {3}}, []suite.Bytes{{}, {}, {}}
	st.Drilled, st.Shared = make([]bool, 3), make([]bool, 3)
	return *st
}

func stateFileOf(t testing.TB) []byte {
	t.Helper()
	b, err := (&ceremony.StateFile{State: full(), Manifest: []byte("{}\n"), Checkpoint: []byte("x")}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func messageFileOf(t testing.TB) []byte {
	t.Helper()
	b, err := (&ceremony.MessageFile{
		Election: suite.ElectionID{7}, Number: 2, Round: ceremony.RoundMessage,
		Post: ceremony.Post{Session: 3, Enrollment: "ABCD-EFGH", Body: []byte{0, 1, 2}},
	}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFiles(t *testing.T) {
	t.Parallel()
	f, err := ceremony.ParseStateFile(stateFileOf(t))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(f.State, full()) || string(f.Manifest) != "{}\n" || string(f.Checkpoint) != "x" {
		t.Errorf("got %+v", f)
	}
	want := `{"strikevote":"message of a teller","version":1,"election_id":"07000000000000000000000000000000",` +
		`"teller":2,"round":"message","session":3,"enrollment":"ABCD-EFGH","body":"000102"}` + "\n"
	if got := string(messageFileOf(t)); got != want {
		t.Errorf("got %s", got)
	}
	m, err := ceremony.ParseMessageFile([]byte(want))
	if err != nil || m.Number != 2 || m.Round != ceremony.RoundMessage || m.Session != 3 || !bytes.Equal(m.Body, []byte{0, 1, 2}) {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := (&ceremony.MessageFile{Post: ceremony.Post{Body: make([]byte, suite.MaxFile)}}).Encode(); err == nil {
		t.Error("a body of 8 MiB fits into a file")
	}
}

// TestFilesEveryByte changes, removes and doubles each byte, and cuts the file
// off there: nothing but the file itself is read as the file.
func TestFilesEveryByte(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]struct {
		good  []byte
		parse func([]byte) (any, error)
	}{
		"state":   {stateFileOf(t), func(b []byte) (any, error) { return ceremony.ParseStateFile(b) }},
		"message": {messageFileOf(t), func(b []byte) (any, error) { return ceremony.ParseMessageFile(b) }},
	} {
		good, err := file.parse(file.good)
		if err != nil {
			t.Fatal(err)
		}
		try := func(what string, b []byte) {
			got, err := file.parse(b)
			if err == nil && reflect.DeepEqual(got, good) {
				t.Errorf("%s: %s is read as the same file", name, what)
			}
			if err != nil && (strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 200) {
				t.Errorf("%s: %s: got %v", name, what, err)
			}
		}
		for i := range file.good {
			changed := bytes.Clone(file.good)
			changed[i] ^= 1
			try(fmt.Sprintf("byte %d changed", i), changed)
			try(fmt.Sprintf("byte %d removed", i), slices.Delete(bytes.Clone(file.good), i, i+1))
			try(fmt.Sprintf("byte %d doubled", i), slices.Insert(bytes.Clone(file.good), i, file.good[i]))
			if _, err := file.parse(file.good[:i]); err == nil {
				t.Errorf("%s: cut off at %d, it is read", name, i)
			}
		}
	}
}

func TestStateCheck(t *testing.T) {
	t.Parallel()
	st := full()
	for number := uint8(1); number <= 3; number++ {
		if err := st.Check(suite.ElectionID{7}, number); err != nil {
			t.Errorf("teller %d: %v", number, err)
		}
	}
	for name, change := range map[string]func(*ceremony.State) uint8{
		"another election":  func(st *ceremony.State) uint8 { st.ElectionID[0]++; return 1 },
		"teller 0":          func(*ceremony.State) uint8 { return 0 },
		"teller 4":          func(*ceremony.State) uint8 { return 4 },
		"no tellers":        func(st *ceremony.State) uint8 { st.N = 0; return 1 },
		"too many tellers":  func(st *ceremony.State) uint8 { st.N = 33; return 1 },
		"t of 0":            func(st *ceremony.State) uint8 { st.T = 0; return 1 },
		"t above n":         func(st *ceremony.State) uint8 { st.T = 4; return 1 },
		"a key less":        func(st *ceremony.State) uint8 { st.Keys = st.Keys[:2]; return 1 },
		"a message more":    func(st *ceremony.State) uint8 { st.Messages = append(st.Messages, nil); return 1 },
		"no signatures":     func(st *ceremony.State) uint8 { st.Signatures = nil; return 1 },
		"names of two only": func(st *ceremony.State) uint8 { st.Names = st.Names[:2]; return 1 },
	} {
		st := full()
		number := change(&st)
		if err := st.Check(suite.ElectionID{7}, number); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	st := full()
	want := func(round ceremony.Round, missing ...int) {
		t.Helper()
		if r, m := st.Waiting(); r != round || !slices.Equal(m, missing) {
			t.Errorf("got %q, %v; want %q, %v", r, m, round, missing)
		}
	}
	want(ceremony.RoundMessage, 2)
	st.Keys[2] = nil
	want(ceremony.RoundKey, 3)
	st.Keys[2], st.Messages[1] = st.Keys[0], suite.Bytes{1}
	want(ceremony.RoundSignature, 1, 2, 3)
	st.Signatures = []suite.Bytes{{1}, {1}, {1}}
	st.Drilled[1] = true
	want(ceremony.RoundDrill, 1, 3)
	st.Drilled = []bool{true, true, true}
	want("")
}

func FuzzParseStateFile(f *testing.F) {
	f.Add(stateFileOf(f))
	f.Add([]byte(`{"strikevote":"state of a tellers' ceremony","version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ceremony.ParseStateFile(b)
		if err != nil {
			return
		}
		if again, err := s.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q does not come back: %q, %v", b, again, err)
		}
		if s.State.Check(s.State.ElectionID, 1) == nil {
			_, _ = s.State.Setup() // it may refuse, and must not panic
		}
		s.State.Waiting()
	})
}

func FuzzParseMessageFile(f *testing.F) {
	f.Add(messageFileOf(f))
	f.Add(stateFileOf(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ceremony.ParseMessageFile(b)
		if err != nil {
			return
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q does not come back: %q, %v", b, again, err)
		}
	})
}
