package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/teller"
)

// An operator carries files by hand, without a service and without any check.
type operator struct {
	t   *testing.T
	dir string
	n   int
	st  ceremony.State
}

func newOperator(t *testing.T, tellers uint8) *operator {
	o := &operator{t: t, dir: t.TempDir(), st: ceremony.State{
		ElectionID: suite.ElectionID{0xf1}, Title: "Strike vote", N: tellers, T: tellers, Session: 1, Fresh: bytes.Repeat([]byte{1}, 32), Phase: "draft",
		Drilled: make([]bool, tellers), Shared: make([]bool, tellers),
	}}
	for i := range tellers {
		o.st.Names = append(o.st.Names, "Teller "+strconv.Itoa(int(i)))
		o.st.Keys, o.st.Messages, o.st.Signatures = append(o.st.Keys, suite.Bytes{}), append(o.st.Messages, suite.Bytes{}), append(o.st.Signatures, suite.Bytes{})
	}
	return o
}

// path returns a name in the operator's folder.
func (o *operator) path(name string) string { return filepath.Join(o.dir, name) }

// fresh returns a name that was not used yet.
func (o *operator) fresh() string {
	o.n++
	return o.path("file-" + strconv.Itoa(o.n))
}

func (o *operator) write(b []byte) string {
	o.t.Helper()
	path := o.fresh()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

// export writes the state.
func (o *operator) export() string {
	o.t.Helper()
	b, err := (&ceremony.StateFile{State: o.st}).Encode()
	if err != nil {
		o.t.Fatal(err)
	}
	return o.write(b)
}

// take takes a message.
func (o *operator) take(path string) {
	o.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		o.t.Fatal(err)
	}
	m, err := ceremony.ParseMessageFile(b)
	if err != nil {
		o.t.Fatal(err)
	}
	i := m.Number - 1
	switch m.Round {
	case ceremony.RoundKey:
		o.st.Keys[i] = m.Body
	case ceremony.RoundMessage:
		o.st.Messages[i] = m.Body
	case ceremony.RoundSignature:
		o.st.Signatures[i] = m.Body
	case ceremony.RoundDrill:
		o.st.Drilled[i] = true
	default:
		o.t.Fatalf("got round %q", m.Round)
	}
}

func (o *operator) invitation(i int) string {
	return ceremony.Invitation{Console: "https://console.example", Election: o.st.ElectionID, Number: uint8(i), Enrollment: "WORD-WORD"}.String()
}

var wordsLine = regexp.MustCompile(`Six words of the ceremony: ([a-z ]+)\n`)

// TestTellerByFiles takes two tellers through the ceremony and the drill without
// any network, as they would type it.
func TestTellerByFiles(t *testing.T) {
	t.Parallel()
	o, p := newOperator(t, 2), &person{t}
	pass := o.write([]byte("correct horse battery\n"))
	key := func(i int) string { return o.path("teller-" + strconv.Itoa(i) + ".key") }
	words := make(map[string]int)
	for trip := range 4 {
		state := o.export()
		for i := 1; i <= 2; i++ {
			out := o.fresh()
			said := p.command(exitOK, "", "teller", "init", "-key", key(i), "-passphrase", pass, "-in", state, "-out", out, o.invitation(i))
			if trip == 3 {
				words[wordsLine.FindStringSubmatch(said)[1]]++
				continue
			}
			if !strings.Contains(said, "Your message is in "+out) {
				t.Fatalf("trip %d: %s", trip, said)
			}
			o.take(out)
		}
	}
	state := o.export()
	for i := 1; i <= 2; i++ {
		p.command(exitOK, "", "teller", "copy", "-key", key(i), "-passphrase", pass, key(i)+".copy")
		out := o.fresh()
		said := p.command(exitOK, "", "teller", "drill", "-key", key(i), "-copy", key(i)+".copy", "-passphrase", pass, "-in", state, "-out", out)
		words[wordsLine.FindStringSubmatch(said)[1]]++
		o.take(out)
	}
	if len(words) != 1 {
		t.Errorf("got words %v", words)
	}
	o.refused(p, key(1), pass, state)
}

// refused asks for what is refused. The key file stays as it is.
func (o *operator) refused(p *person, key, pass, state string) {
	before, err := os.ReadFile(key)
	if err != nil {
		o.t.Fatal(err)
	}
	wrong := o.write([]byte("not the passphrase\n"))
	stranger := newOperator(o.t, 2)
	stranger.st.ElectionID[0]++
	o.st.Session++
	again := o.export()
	o.st.Session--
	cut := o.write(before[:100])
	for _, tt := range []struct {
		code int
		want string
		args []string
	}{
		{exitFailed, "the passphrase is wrong", []string{"init", "-key", key, "-passphrase", wrong, "-in", state, "-out", o.fresh(), o.invitation(1)}},
		{exitFailed, "another election", []string{"init", "-key", key, "-passphrase", pass, "-in", stranger.export(), "-out", o.fresh(), o.invitation(1)}},
		{exitFailed, "another election or teller", []string{"init", "-key", key, "-passphrase", pass, "-in", state, "-out", o.fresh(), o.invitation(2)}},
		{exitFailed, "this key has been through the ceremony", []string{"init", "-key", key, "-passphrase", pass, "-in", again, "-out", o.fresh(), o.invitation(1)}},
		{exitFailed, "this key has been through the ceremony", []string{"drill", "-key", key, "-copy", key + ".copy", "-passphrase", pass, "-in", again, "-out", o.fresh()}},
		{exitFailed, key + ".copy is there already; name a new file", []string{"copy", "-key", key, "-passphrase", pass, key + ".copy"}},
		{exitFailed, "is there already", []string{"init", "-key", key, "-passphrase", pass, "-in", state, "-out", pass, o.invitation(1)}},
		{exitFailed, "is there already", []string{"init", "-key", key, "-passphrase", pass, "-in", state, "-out", key, o.invitation(1)}},
		{exitFailed, "not a teller's key file", []string{"init", "-key", cut, "-passphrase", pass, "-in", state, "-out", o.fresh(), o.invitation(1)}},
		{exitFailed, "this is not the state", []string{"init", "-key", key, "-passphrase", pass, "-in", key, "-out", o.fresh(), o.invitation(1)}},
		{exitFailed, "not sealed yet", []string{"check", "-key", key, "-passphrase", pass, "-in", state}},
		{exitFailed, "there is no key file", []string{"check", "-key", o.path("nothing"), "-passphrase", pass, "-in", state}},
		{exitUsage, "one file", []string{"drill", "-key", key, "-copy", key, "-passphrase", pass, "-in", state, "-out", o.fresh()}},
		{exitUsage, "takes -in STATE -out MESSAGE", []string{"init", "-key", key, "-in", state, o.invitation(1)}},
		{exitUsage, "takes -in STATE -out MESSAGE", []string{"drill", "-key", key, "-copy", key + ".copy", "-out", o.fresh()}},
		{exitUsage, "not defined: -record", []string{"check", "-key", key, "-record", o.dir}},
		{exitUsage, "not defined: -in", []string{"open", "-key", key, "-in", state}},
		{exitUsage, "takes -record DIR|ZIP -out MESSAGE", []string{"open", "-key", key, "-record", o.dir, "-yes"}},
		{exitUsage, "takes -record DIR|ZIP -out MESSAGE", []string{"destroy", "-key", key, "-yes", "-out", o.fresh()}},
		{exitUsage, "not defined: -out", []string{"copy", "-key", key, "-out", o.fresh(), o.fresh()}},
	} {
		if said := p.command(tt.code, "", append([]string{"teller"}, tt.args...)...); !strings.Contains(said, tt.want) {
			o.t.Errorf("%v: got %s, want %q", tt.args, said, tt.want)
		}
	}
	held, err := teller.Open(key, []byte("correct horse battery"))
	if err != nil {
		o.t.Fatal(err)
	}
	if said := p.command(exitFailed, "", "teller", "copy", "-key", key, "-passphrase", pass, o.fresh()); !strings.Contains(said, "open in another program") {
		o.t.Errorf("a second program: %s", said)
	}
	held.Close()
	if after, err := os.ReadFile(key); err != nil || !bytes.Equal(before, after) {
		o.t.Errorf("the key file was changed (%v)", err)
	}
}

// TestAfterOpening: a teller is told how many parts are missing, and what comes next.
func TestAfterOpening(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		there int
		phase election.Phase
		want  string
	}{
		{1, election.PhaseLocked, "1 of 3 parts are there so far. Next: strikevote teller open by 2 more tellers."},
		{2, election.PhaseLocked, "2 of 3 parts are there so far. Next: strikevote teller open by 1 more teller."},
		{3, election.PhaseLocked, "the service opens the totals now. Next the committee signs the certificate: strikevote committee sign."},
		{4, election.PhaseTallied, "The totals are open. Next the committee signs the certificate: strikevote committee sign."},
		{5, election.PhaseCertified, "Next: strikevote teller destroy."},
	} {
		has(t, afterOpening(teller.Standing{There: tt.there, Needed: 3, Phase: tt.phase}), tt.want)
	}
}

// TestTellerOpensByFiles takes the keys of two tellers of a demo from before its
// end and opens and destroys with them by hand, from the record alone.
func TestTellerOpensByFiles(t *testing.T) {
	t.Parallel()
	data, err := os.MkdirTemp("", "strikevote-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	keyboard, enter := io.Pipe()
	demo, ended := newScreen(), make(chan int, 1)
	o, p := newOperator(t, 2), &person{t}
	out := o.path("record")
	go func() {
		e := &env{in: keyboard, out: demo, err: demo, getenv: func(string) string { return "" }}
		ended <- run(context.Background(), e, []string{"demo", "-members", "20", "-serve", "-data", data, "-out", out})
	}()
	demo.await(t, "These members have not voted", ended)
	for _, name := range []string{"teller-1.key", "teller-1.key.copy"} {
		b, err := os.ReadFile(filepath.Join(data, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(o.path(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := enter.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	enter.Close() // the demo waits once more, with its result
	if code := <-ended; code != exitOK {
		t.Fatalf("the demo ended with %d:\n%s", code, demo.text.String())
	}
	for _, parts := range [][2]string{{"\nmembers vote ", "Voting is open"}, {"\nchecking the ", "Press Enter here to end"}} {
		work, wait, found := strings.Cut(demo.text.String(), parts[1])
		if !found || !strings.Contains(work, parts[0]) || parts[0] == "\nmembers vote " && strings.Contains(wait, parts[0]) {
			t.Errorf("the wait for Enter is counted as work:\n%s", demo.text.String())
		}
	}
	o.opens(p, out)
}

// opens opens from a record with the first copy, and then with the second, and
// destroys both.
func (o *operator) opens(p *person, record string) {
	pass := o.write([]byte("a demo keeps no secrets\n"))
	args := func(step, key string, more ...string) []string {
		return append([]string{"teller", step, "-key", o.path(key), "-passphrase", pass, "-record", record}, more...)
	}
	said := p.command(exitOK, "", args("open", "teller-1.key")...)
	root := regexp.MustCompile(`Check digits of the closed box \(-root\): ([0-9a-f]{64})\n`).FindStringSubmatch(said)
	if root == nil || !strings.Contains(said, "run this again with -yes") || !strings.HasPrefix(said, "DEMO. This is not a real vote.\n") {
		o.t.Fatalf("looking: %s", said)
	}
	if said := p.command(exitFailed, "", args("open", "teller-1.key", "-mid", strings.Repeat("0", 64))...); !strings.Contains(said, "does not hold") {
		o.t.Errorf("another election: %s", said)
	}
	first := o.fresh()
	p.command(exitOK, "", args("open", "teller-1.key", "-yes", "-out", first)...)
	second := o.fresh()
	for want, more := range map[string][]string{"Add -root and the 64 digits": nil, "are not those of this record": {"-root", strings.Repeat("0", 64)}} {
		said := p.command(exitFailed, "", args("open", "teller-1.key.copy", append(more, "-yes", "-out", second)...)...)
		has(o.t, said, "this is the second copy of the key", want)
	}
	if _, err := os.Stat(second); err == nil {
		o.t.Error("the second copy answered")
	}
	p.command(exitOK, "", args("open", "teller-1.key.copy", "-root", root[1], "-yes", "-out", second)...)
	for _, path := range []string{first, second} {
		b, err := os.ReadFile(path)
		if err != nil {
			o.t.Fatal(err)
		}
		if m, err := ceremony.ParseMessageFile(b); err != nil || m.Round != ceremony.RoundShares || m.Number != 1 {
			o.t.Errorf("got %+v, %v", m, err)
		}
	}
	for _, key := range []string{"teller-1.key", "teller-1.key.copy"} {
		out := o.fresh()
		p.command(exitOK, "", args("destroy", key)...)
		p.command(exitFailed, "no\n", args("destroy", key, "-yes", "-out", out)...)
		if _, err := os.Stat(o.path(key)); err != nil {
			o.t.Errorf("%s is gone: %v", key, err)
		}
		said := p.command(exitOK, "destroy\n", args("destroy", key, "-yes", "-out", out)...)
		if second := strings.HasSuffix(key, ".copy"); strings.Contains(said, "Destroy the second copy too.") == second {
			o.t.Errorf("after %s: %s", key, said)
		}
		if _, err := os.Stat(o.path(key)); err == nil {
			o.t.Errorf("%s is there", key)
		}
	}
}
