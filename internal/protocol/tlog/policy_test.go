package tlog_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"strikevote/internal/protocol/tlog"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o, err := f.policy.Open(f.note)
	if err != nil {
		t.Fatal(err)
	}
	if o.Checkpoint != f.checkpoint || len(o.Cosignatures) != 3 {
		t.Errorf("got %+v", o)
	}
	if c := o.Cosignatures[1]; c.Witness != "south.example" || c.Time != 990 || c.Line != f.witnesses[1].Cosign(f.checkpoint.Text(), time.Unix(990, 0)) {
		t.Errorf("got %+v", c)
	}
	for threshold, want := range map[int]int64{0: math.MaxInt64, 1: 980, 2: 990, 3: 1000, 4: math.MaxInt64} {
		if got := o.Moment(threshold); got != want {
			t.Errorf("moment of %d: got %d, want %d", threshold, got, want)
		}
	}
	if o, err := f.policy.OpenLog(f.bare); err != nil || len(o.Cosignatures) != 0 {
		t.Errorf("got %+v, %v", o, err)
	}
	if _, err := f.policy.Open(f.bare); !errors.Is(err, tlog.ErrThreshold) {
		t.Errorf("got %v, want ErrThreshold", err)
	}
	one := append(slices.Clone(f.bare), f.witnesses[2].Cosign(f.checkpoint.Text(), time.Unix(5, 0))...)
	if _, err := f.policy.Open(one); !errors.Is(err, tlog.ErrThreshold) {
		t.Errorf("got %v, want ErrThreshold", err)
	}
}

// TestEveryByte changes, removes and doubles each byte of a note.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range f.note {
		for _, bit := range []byte{0x01, 0x04, 0x20, 0x80} {
			b := bytes.Clone(f.note)
			b[i] ^= bit
			if _, err := f.policy.OpenLog(b); err == nil {
				t.Errorf("byte %d with bit %#x changed was accepted", i, bit)
			}
		}
		if _, err := f.policy.OpenLog(slices.Delete(bytes.Clone(f.note), i, i+1)); err == nil {
			t.Errorf("byte %d removed was accepted", i)
		}
		if _, err := f.policy.OpenLog(slices.Insert(bytes.Clone(f.note), i, f.note[i])); err == nil {
			t.Errorf("byte %d doubled was accepted", i)
		}
	}
}

func TestOpenStrict(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	text := f.checkpoint.Text()
	lines := strings.SplitAfter(strings.TrimPrefix(string(f.note), text+"\n"), "\n")[:4]
	build := func(text string, lines ...string) []byte { return []byte(text + "\n" + strings.Join(lines, "")) }
	if !bytes.Equal(build(text, lines...), f.note) {
		t.Fatal("the note was taken apart wrongly")
	}
	stranger, err := tlog.NewWitnessSigner("stranger.example", seed(99))
	if err != nil {
		t.Fatal(err)
	}
	sameName, err := tlog.NewWitnessSigner("north.example", seed(98))
	if err != nil {
		t.Fatal(err)
	}
	other := f.checkpoint
	other.Size++
	at := time.Unix(7, 0)
	for name, b := range map[string][]byte{
		"witnesses out of order":     build(text, lines[0], lines[2], lines[1]),
		"a line twice":               build(text, lines[0], lines[1], lines[1], lines[2]),
		"a witness twice":            build(text, lines[0], lines[1], f.witnesses[0].Cosign(text, at), lines[2]),
		"the log's line twice":       build(text, lines[0], lines[0], lines[1], lines[2]),
		"the log's line last":        build(text, lines[1], lines[2], lines[0]),
		"no line of the log":         build(text, lines[1], lines[2]),
		"an unknown witness":         build(text, lines[0], lines[1], lines[2], stranger.Cosign(text, at)),
		"another key of a known one": build(text, lines[0], sameName.Cosign(text, at), lines[2]),
		"a line of another text":     build(text, lines[0], f.witnesses[0].Cosign(other.Text(), at), lines[2]),
		"an extension line":          f.log.SignText(text + "extension\n"),
		"a statement":                f.log.SignText("strikevote/v1/destroyed\na\nb\n"),
		"no lines":                   build(text),
		"an empty line at the end":   append(bytes.Clone(f.note), '\n'),
		"no line end at the end":     f.note[:len(f.note)-1],
		"carriage returns":           bytes.ReplaceAll(f.note, []byte("\n"), []byte("\r\n")),
		"a space at a line's end":    build(text, strings.Replace(lines[0], "\n", " \n", 1), lines[1], lines[2]),
		"two spaces":                 build(text, strings.Replace(lines[0], origin+" ", origin+"  ", 1), lines[1], lines[2]),
		"a hyphen for the dash":      build(text, strings.Replace(lines[0], "—", "-", 1), lines[1], lines[2]),
		"nothing":                    nil,
		"far too long":               append(bytes.Clone(f.note), bytes.Repeat([]byte(lines[1]), 1000)...),
	} {
		if o, err := f.policy.OpenLog(b); err == nil {
			t.Errorf("%s was accepted: %+v", name, o)
		}
	}
	foreign, err := tlog.NewLogSigner("board.example/ballots", seed(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.policy.OpenLog(foreign.Sign(tlog.Checkpoint{Origin: "board.example/ballots", Size: 1})); err == nil {
		t.Error("the checkpoint of another log was accepted")
	}
}

// TestSpareBits: the last character of a base64 text may carry bits that are
// not part of the value.
func TestSpareBits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	end := bytes.LastIndexByte(f.bare, '=')
	i := bytes.IndexByte(f.bare[end-2:], '=') + end - 2 - 1 // the last character before the padding
	v := strings.IndexByte(alphabet, f.bare[i])
	b := bytes.Clone(f.bare)
	b[i] = alphabet[v|1]
	if bytes.Equal(b, f.bare) {
		t.Fatal("the last character has no spare bits")
	}
	verifier, err := note.NewVerifier(f.log.VKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(b, note.VerifierList(verifier)); err != nil {
		t.Fatalf("the lenient reader refuses it for another reason: %v", err)
	}
	if _, err := f.policy.OpenLog(b); err == nil {
		t.Error("a second spelling of a signature was accepted")
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	clone, err := tlog.NewWitnessSigner("clone.example", seed(10))
	if err != nil {
		t.Fatal(err)
	}
	asLog, err := tlog.NewWitnessSigner("log.example", seed(1))
	if err != nil {
		t.Fatal(err)
	}
	named, err := tlog.NewWitnessSigner(origin, seed(50))
	if err != nil {
		t.Fatal(err)
	}
	change := func(fn func(p *tlog.Policy)) tlog.Policy {
		p := f.policy
		p.Witnesses = slices.Clone(p.Witnesses)
		fn(&p)
		return p
	}
	if err := f.policy.Check(); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]tlog.Policy{
		"the zero policy":         {},
		"no log":                  change(func(p *tlog.Policy) { p.Log = tlog.LogKey{} }),
		"a threshold of nothing":  change(func(p *tlog.Policy) { p.Threshold = 0 }),
		"a threshold too high":    change(func(p *tlog.Policy) { p.Threshold = 4 }),
		"a witness without a key": change(func(p *tlog.Policy) { p.Witnesses[1] = tlog.WitnessKey{} }),
		"one key, two names":      change(func(p *tlog.Policy) { p.Witnesses[1] = clone.Key() }),
		"a witness twice":         change(func(p *tlog.Policy) { p.Witnesses[1] = p.Witnesses[0] }),
		"the log's key":           change(func(p *tlog.Policy) { p.Witnesses[1] = asLog.Key() }),
		"the log's name":          change(func(p *tlog.Policy) { p.Witnesses[1] = named.Key() }),
	} {
		if p.Check() == nil {
			t.Errorf("%s was accepted", name)
		}
		if _, err := p.OpenLog(f.note); err == nil {
			t.Errorf("%s opened a note", name)
		}
		if _, err := p.CheckLine(f.checkpoint.Text(), f.witnesses[0].Cosign(f.checkpoint.Text(), time.Unix(1, 0))); err == nil {
			t.Errorf("%s checked a line", name)
		}
	}
}

func TestAddCosignature(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	text := f.checkpoint.Text()
	lines := make([]string, 3)
	for i, w := range f.witnesses {
		lines[i] = w.Cosign(text, time.Unix(int64(1000-10*i), 0))
	}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		got := f.bare
		for _, i := range order {
			var err error
			if got, err = f.policy.AddCosignature(got, lines[i]); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, f.note) {
			t.Errorf("order %v: got %q", order, got)
		}
	}
	again, err := f.policy.AddCosignature(f.note, f.witnesses[1].Cosign(text, time.Unix(5000, 0)))
	if err != nil || !bytes.Equal(again, f.note) {
		t.Errorf("a second cosignature: got %q, %v", again, err)
	}
	for name, line := range map[string]string{
		"nothing":               "",
		"no line end":           strings.TrimSuffix(lines[0], "\n"),
		"two lines":             lines[0] + lines[1],
		"the log's line":        strings.TrimPrefix(string(f.bare), text+"\n"),
		"another text's":        f.witnesses[0].Cosign(strings.Replace(text, "\n5\n", "\n6\n", 1), time.Unix(1, 0)),
		"with a changed byte":   strings.Replace(lines[0], "A", "B", 1),
		"with a line before it": "\n" + lines[0],
	} {
		if _, err := f.policy.AddCosignature(f.bare, line); err == nil {
			t.Errorf("%s was added", name)
		}
		if _, err := f.policy.CheckLine(text, line); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if c, err := f.policy.CheckLine(text, lines[2]); err != nil || c.Time != 980 {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := f.policy.CheckLine(text+"x\n", lines[2]); err == nil {
		t.Error("a line was checked against a text with an extension")
	}
}

// TestTimes: a time is a u64 that must not exceed 2^63-1.
func TestTimes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	text := f.checkpoint.Text()
	s := seed(10)
	priv := ed25519.NewKeyFromSeed(s[:])
	id := sha256.Sum256(slices.Concat([]byte("north.example\n\x04"), priv.Public().(ed25519.PublicKey)))
	line := func(at uint64, msg string) string {
		b := binary.BigEndian.AppendUint64(bytes.Clone(id[:4]), at)
		b = append(b, ed25519.Sign(priv, []byte(msg))...)
		return "— north.example " + base64.StdEncoding.EncodeToString(b) + "\n"
	}
	const top = math.MaxInt64
	if c, err := f.policy.CheckLine(text, line(top, "cosignature/v1\ntime 9223372036854775807\n"+text)); err != nil || c.Time != top {
		t.Errorf("the last moment: got %+v, %v", c, err)
	}
	for _, m := range []string{"time 9223372036854775808\n", "time -9223372036854775808\n"} {
		if _, err := f.policy.CheckLine(text, line(top+1, "cosignature/v1\n"+m+text)); err == nil {
			t.Errorf("%q was accepted", m)
		}
	}
	if _, err := f.policy.CheckLine(text, line(7, "cosignature/v1\ntime 07\n"+text)); err == nil {
		t.Error("a leading zero was accepted")
	}
}

func BenchmarkOpen(b *testing.B) {
	f := newFixture(b)
	for b.Loop() {
		if _, err := f.policy.Open(f.note); err != nil {
			b.Fatal(err)
		}
	}
}
