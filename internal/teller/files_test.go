package teller_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/teller"
)

// A stick carries files between the operator and a teller.
type stick struct {
	dir string
	n   int
}

func newStick(t *testing.T) *stick { t.Helper(); return &stick{dir: t.TempDir()} }

// name returns a name that was not used yet.
func (s *stick) name() string {
	s.n++
	return filepath.Join(s.dir, fmt.Sprintf("file-%d", s.n))
}

func (s *stick) put(t *testing.T, b []byte) string {
	t.Helper()
	path := s.name()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// export lets the operator write the state of the ceremony.
func (c *console) export(t *testing.T, s *stick) string {
	t.Helper()
	b, err := c.service.ExportCeremony(t.Context(), c.election)
	if err != nil {
		t.Fatal(err)
	}
	return s.put(t, b)
}

// taken imports the file at path if it is there, twice, and reports the round.
func (c *console) taken(t *testing.T, path string) ceremony.Round {
	t.Helper()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	var round ceremony.Round
	for range 2 {
		m, err := c.service.Import(t.Context(), c.election, b)
		if err != nil {
			t.Fatal(err)
		}
		round = m.Round
	}
	return round
}

// carry runs teller i's program once, with a state, and brings its message.
func (c *console) carry(t *testing.T, s *stick, i int, state string) (waiting string, sent ceremony.Round) {
	t.Helper()
	f := teller.Files{In: state, Out: s.name()}
	tt, err := teller.EnrollByFiles(t.Context(), c.invitations[i-1], c.path(i), passphrase, f)
	if err != nil {
		t.Fatal(err)
	}
	if waiting, err = tt.Advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	wrote := tt.Wrote()
	tt.Close()
	if _, err := os.Stat(f.Out); wrote != (err == nil) {
		t.Errorf("wrote is %v, and the file: %v", wrote, err)
	}
	return waiting, c.taken(t, f.Out)
}

// drillByFiles makes the second copy of teller i's key and drills both.
func (c *console) drillByFiles(t *testing.T, s *stick, i int) (words string) {
	t.Helper()
	f := teller.Files{In: c.export(t, s), Out: s.name()}
	first, err := teller.OpenByFiles(c.path(i), passphrase, f)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := first.Copy(c.path(i)+".copy", passphrase)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := teller.Drill(t.Context(), first, second); err != nil {
		t.Fatal(err)
	}
	if got := c.taken(t, f.Out); got != ceremony.RoundDrill {
		t.Errorf("got round %q", got)
	}
	return first.Words()
}

// TestCeremonyByFiles makes a key with one teller on the network and the others
// without, each program run anew for every file. All are shown the same words.
func TestCeremonyByFiles(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]uint8{{1, 1}, {3, 2}} {
		t.Run(fmt.Sprintf("%d of %d", size[1], size[0]), func(t *testing.T) {
			t.Parallel()
			c, s := newConsole(t, size[0], size[1]), newStick(t)
			n := int(size[0])
			online := n // or nobody
			if n == 1 {
				online = 0
			}
			for trip, want := range []ceremony.Round{ceremony.RoundKey, ceremony.RoundMessage, ceremony.RoundSignature, ""} {
				state := c.export(t, s)
				for i := 1; i <= n; i++ {
					if i == online {
						c.step(t, i)
						continue
					}
					waiting, sent := c.carry(t, s, i, state)
					if sent != want || (waiting == "") != (want == "") {
						t.Fatalf("trip %d, teller %d: sent %q, waits for %q", trip, i, sent, waiting)
					}
					// The same file again: the same message, and no harm.
					if waiting, sent := c.carry(t, s, i, state); sent != want || (waiting == "") != (want == "") {
						t.Fatalf("trip %d, teller %d, again: sent %q, waits for %q", trip, i, sent, waiting)
					}
				}
			}
			if online > 0 {
				c.step(t, online)
			}
			words := make(map[string]bool)
			for i := 1; i <= n; i++ {
				words[c.drillByFiles(t, s, i)] = true
			}
			got, err := c.service.Ceremony(t.Context(), c.election)
			if err != nil {
				t.Fatal(err)
			}
			for i, drill := range got.Drills {
				if drill == nil {
					t.Errorf("teller %d has not drilled", i+1)
				}
			}
			m := got.Tellers(election.Tellers{N: size[0], T: size[1]})
			if want := election.SixWords(suite.MID(m.Certificate)); len(words) != 1 || !words[want] {
				t.Errorf("got words %v, want %q", words, want)
			}
		})
	}
}

// TestStateFileRefused brings files that are not the newest state of this
// ceremony. Each is refused in one sentence, the key file stays as it is, and
// nothing is written.
func TestStateFileRefused(t *testing.T) {
	t.Parallel()
	c, other, s := newConsole(t, 2, 2), newConsole(t, 3, 2), newStick(t)
	var states []string // by trip
	for range 3 {
		states = append(states, c.export(t, s))
		for i := 1; i <= 2; i++ {
			c.carry(t, s, i, states[len(states)-1])
		}
	}
	good := read(t, states[2])
	changed := func(change func(*ceremony.StateFile)) []byte {
		f, err := ceremony.ParseStateFile(good)
		if err != nil {
			t.Fatal(err)
		}
		change(f)
		b, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	foreign, err := other.service.ExportCeremony(t.Context(), other.election)
	if err != nil {
		t.Fatal(err)
	}
	message, err := (&ceremony.MessageFile{Election: c.election, Number: 1, Round: ceremony.RoundKey}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	before := read(t, c.path(1))
	for _, tt := range []struct {
		name, want string
		file       []byte
	}{
		{"yesterday's, before the messages", "older than what this key has seen", read(t, states[1])},
		{"yesterday's, before the keys", "older than what this key has seen", read(t, states[0])},
		{"an earlier session", "gone back to an earlier ceremony", changed(func(f *ceremony.StateFile) { f.State.Session = 0 })},
		{"another election", "another election", foreign},
		{"a message", "this is the message of a teller; the state of a tellers' ceremony is needed here", message},
		{"empty", "cut off", nil},
		{"cut off", "cut off", good[:len(good)/2]},
		{"another file", "this is not the state", []byte(`{"strikevote":"teller's key, sealed with a passphrase"}`)},
		{"no JSON", "this is not the state", []byte("my thesis")},
		{"another version", "another version", bytes.Replace(good, []byte(`"version":1`), []byte(`"version":2`), 1)},
		{"other line ends", "changed on its way", bytes.Replace(good, []byte("\n"), []byte("\r\n"), 1)},
		{"indented", "changed on its way", bytes.Replace(good, []byte(`,"version"`), []byte(",\n \"version\""), 1)},
		{"one field more", "changed on its way", bytes.Replace(good, []byte(`,"version"`), []byte(`,"x":1,"version"`), 1)},
		{"another key in its place", "another key in this teller's place", changed(func(f *ceremony.StateFile) { f.State.Keys[0] = group.Generator().Bytes() })},
		{"another key of the other", "changed the ceremony", changed(func(f *ceremony.StateFile) { f.State.Keys[1] = group.Generator().Bytes() })},
		{"other randomness", "changed the ceremony", changed(func(f *ceremony.StateFile) { f.State.Fresh[0]++ })},
		{"a message of its own that is not", "own message", changed(func(f *ceremony.StateFile) { f.State.Messages[0][0] ^= 1 })},
		{"fewer tellers", "makes no sense", changed(func(f *ceremony.StateFile) { f.State.N = 1 })},
	} {
		out := s.name()
		p, err := teller.EnrollByFiles(t.Context(), c.invitations[0], c.path(1), passphrase, teller.Files{In: s.put(t, tt.file), Out: out})
		if err == nil {
			_, err = p.Advance(t.Context())
			p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a message was written (%v)", tt.name, err)
		}
		if !bytes.Equal(read(t, c.path(1)), before) {
			t.Fatalf("%s: the key file was changed", tt.name)
		}
	}
	// And the newest is taken.
	if waiting, _ := c.carry(t, s, 1, c.export(t, s)); waiting != "" {
		t.Errorf("got %q", waiting)
	}
}

// TestOutFile never overwrites, and leaves nothing where nothing is to be sent.
func TestOutFile(t *testing.T) {
	t.Parallel()
	c, s := newConsole(t, 2, 2), newStick(t)
	thesis := s.put(t, []byte("my thesis"))
	state := c.export(t, s)
	for _, f := range []teller.Files{{In: state, Out: thesis}, {In: state, Out: filepath.Join(s.dir, "no", "folder")}, {In: state, Out: s.dir}, {In: state}} {
		if tt, err := teller.EnrollByFiles(t.Context(), c.invitations[0], c.path(1), passphrase, f); err == nil || tt != nil {
			t.Errorf("%+v was accepted", f)
		}
	}
	if string(read(t, thesis)) != "my thesis" {
		t.Error("a file was overwritten")
	}
	if waiting, sent := c.carry(t, s, 1, state); sent != ceremony.RoundKey || waiting != "the other tellers' keys" {
		t.Errorf("got %q, %q", waiting, sent)
	}
	if waiting, sent := c.carry(t, s, 1, c.export(t, s)); sent != "" || waiting != "the other tellers' keys" {
		t.Errorf("with nothing to send: got %q, %q", waiting, sent)
	}
}

// TestImportRefused brings the operator files that are not for this step.
func TestImportRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, other, s := newConsole(t, 2, 2), newConsole(t, 3, 2), newStick(t)
	f := teller.Files{In: c.export(t, s), Out: s.name()}
	tt, err := teller.EnrollByFiles(ctx, c.invitations[0], c.path(1), passphrase, f)
	if err != nil {
		t.Fatal(err)
	}
	tt.Close()
	good := read(t, f.Out)
	with := func(change func(*ceremony.MessageFile)) []byte {
		m, err := ceremony.ParseMessageFile(good)
		if err != nil {
			t.Fatal(err)
		}
		change(m)
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cases := map[string]struct {
		file []byte
		want string
	}{
		"another's name on it": {with(func(m *ceremony.MessageFile) { m.Number = 2 }), "not the invitation of this teller"},
		"a guessed word":       {with(func(m *ceremony.MessageFile) { m.Enrollment = "AAAA-BBBB-CCCC-DDDD" }), "not the invitation of this teller"},
		"no such teller":       {with(func(m *ceremony.MessageFile) { m.Number = 3 }), "no such election, teller or step"},
		"no such round":        {with(func(m *ceremony.MessageFile) { m.Round = "coffee" }), "no such election, teller or step"},
		"another election":     {with(func(m *ceremony.MessageFile) { m.Election[0]++ }), "another election"},
		"another session":      {with(func(m *ceremony.MessageFile) { m.Session = 2 }), "start again too"},
		"too early":            {with(func(m *ceremony.MessageFile) { m.Round = ceremony.RoundMessage }), "waits for others"},
		"no point":             {with(func(m *ceremony.MessageFile) { m.Body = make([]byte, 32) }), "refused"},
		"a state":              {read(t, f.In), "this is the state"},
		"another version":      {bytes.Replace(good, []byte(`"version":1`), []byte(`"version":9`), 1), "another version"},
		"empty":                {nil, "cut off"},
	}
	for i := range good {
		cases[fmt.Sprintf("cut off at %d", i)] = struct {
			file []byte
			want string
		}{good[:i], "his "}
	}
	for name, tt := range cases {
		if _, err := c.service.Import(ctx, c.election, tt.file); err == nil || !strings.Contains(committee.Sentence(err), tt.want) {
			t.Errorf("%s: got %v, %q; want %q", name, err, committee.Sentence(err), tt.want)
		}
	}
	if _, err := other.service.Import(ctx, other.election, good); err == nil {
		t.Error("another election took it")
	}
	if st, err := c.service.State(ctx, c.election); err != nil || len(st.Keys[0]) != 0 || len(st.Keys[1]) != 0 {
		t.Errorf("something was taken: %v", err)
	}
	if _, err := c.service.Import(ctx, c.election, good); err != nil {
		t.Error(err)
	}
	another := with(func(m *ceremony.MessageFile) { m.Body = group.Generator().Bytes() })
	if _, err := c.service.Import(ctx, c.election, another); !errors.Is(err, committee.ErrConflict) {
		t.Errorf("a second key in one place: got %v", err)
	}
	// After a restart the file of the session before is refused.
	if err := c.service.Restart(ctx, c.election); err != nil {
		t.Fatal(err)
	}
	if _, err := c.service.Import(ctx, c.election, good); err == nil || !strings.Contains(committee.Sentence(err), "start again too") {
		t.Errorf("yesterday's message: got %v", err)
	}
}

// TestRestartByFiles starts the ceremony again at its end and in the middle.
func TestRestartByFiles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, s := newConsole(t, 1, 1), newStick(t)
	var last string
	for range 4 {
		last = c.export(t, s)
		c.carry(t, s, 1, last)
	}
	before := read(t, c.path(1))
	if err := c.service.Restart(ctx, c.election); err != nil {
		t.Fatal(err)
	}
	again := c.export(t, s)
	if _, err := teller.EnrollByFiles(ctx, c.invitations[0], c.path(1), passphrase, teller.Files{In: again, Out: s.name()}); !errors.Is(err, teller.ErrRestarted) {
		t.Errorf("got %v", err)
	}
	tt, err := teller.OpenByFiles(c.path(1), passphrase, teller.Files{In: again, Out: s.name()})
	if err != nil {
		t.Fatal(err)
	}
	second, err := tt.Copy(c.path(1)+".copy", passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if err := teller.Drill(ctx, tt, second); !errors.Is(err, teller.ErrRestarted) {
		t.Errorf("drill: got %v", err)
	}
	tt.Close()
	second.Close()
	if !bytes.Equal(read(t, c.path(1)), before) {
		t.Error("the key file was changed")
	}
	// With a new key file it takes part, and then no more with an older state.
	fresh := c.path(1) + ".again"
	for _, f := range []teller.Files{{In: again, Out: s.name()}, {In: last, Out: s.name()}} {
		tt, err := teller.EnrollByFiles(ctx, c.invitations[0], fresh, passphrase, f)
		if err == nil {
			_, err = tt.Advance(ctx)
			tt.Close()
		}
		if old := f.In == last; old != (err != nil) || old && !strings.Contains(err.Error(), "earlier ceremony") {
			t.Errorf("old state %v: got %v", old, err)
		}
	}
}
