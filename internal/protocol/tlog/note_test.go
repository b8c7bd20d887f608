package tlog_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

func seed(b byte) (s [32]byte) {
	for i := range s {
		s[i] = b
	}
	return s
}

const origin = "board.example/ledger"

type fixture struct {
	log        *tlog.LogSigner
	witnesses  []*tlog.WitnessSigner
	policy     tlog.Policy
	checkpoint tlog.Checkpoint
	bare       []byte // the note with the log's line alone
	note       []byte // with the lines of all three witnesses
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := new(fixture)
	var err error
	if f.log, err = tlog.NewLogSigner(origin, seed(1)); err != nil {
		t.Fatal(err)
	}
	f.policy = tlog.Policy{Log: f.log.Key(), Threshold: 2}
	for i, name := range []string{"north.example", "south.example", "zeitzeugin-ü.example"} {
		w, err := tlog.NewWitnessSigner(name, seed(byte(10+i)))
		if err != nil {
			t.Fatal(err)
		}
		f.witnesses = append(f.witnesses, w)
		f.policy.Witnesses = append(f.policy.Witnesses, w.Key())
	}
	tree := treeOf(entries(5))
	f.checkpoint = tlog.Checkpoint{Origin: origin, Size: 5, Root: tree.Root()}
	f.bare = f.log.Sign(f.checkpoint)
	f.note = f.bare
	for i, w := range f.witnesses {
		f.note = append(f.note[:len(f.note):len(f.note)], w.Cosign(f.checkpoint.Text(), time.Unix(int64(1000-10*i), 5))...)
	}
	return f
}

// TestC2SP opens the example of c2sp.org/signed-note with the example's key.
func TestC2SP(t *testing.T) {
	t.Parallel()
	const vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
	const signed = "This is an example message.\n\n" +
		"— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
	k, err := tlog.ParseLogKey(vkey)
	if err != nil || k.VKey() != vkey || k.Name() != "example.com/foo" {
		t.Fatalf("got %v, %v", k, err)
	}
	text, err := tlog.OpenNote(k, []byte(signed))
	if err != nil || text != "This is an example message.\n" {
		t.Errorf("got %q, %v", text, err)
	}
	for i := range signed {
		b := []byte(signed)
		b[i] ^= 1
		if _, err := tlog.OpenNote(k, b); err == nil {
			t.Errorf("byte %d changed was accepted", i)
		}
	}
	if _, err := tlog.OpenNote(tlog.LogKey{}, []byte(signed)); err == nil {
		t.Error("the zero key accepted a note")
	}
}

// TestNoteOracle compares our lines with those of x/mod, and our cosignatures
// with the message of c2sp.org/tlog-cosignature put together by hand.
func TestNoteOracle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := seed(1)
	priv := ed25519.NewKeyFromSeed(s[:])
	skey := fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", origin, strings.Split(f.log.VKey(), "+")[1],
		base64.StdEncoding.EncodeToString(append([]byte{1}, s[:]...)))
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	want, err := note.Sign(&note.Note{Text: f.checkpoint.Text()}, signer)
	if err != nil || !bytes.Equal(f.bare, want) {
		t.Errorf("got %q, want %q, %v", f.bare, want, err)
	}
	vkey, err := note.NewEd25519VerifierKey(origin, priv.Public().(ed25519.PublicKey))
	if err != nil || f.log.VKey() != vkey {
		t.Errorf("got %q, want %q, %v", f.log.VKey(), vkey, err)
	}

	ws := seed(10)
	wpriv := ed25519.NewKeyFromSeed(ws[:])
	wpub := wpriv.Public().(ed25519.PublicKey)
	id := sha256.Sum256(slices.Concat([]byte("north.example\n\x04"), wpub))
	msg := "cosignature/v1\ntime 1679315147\n" + f.checkpoint.Text()
	sig := binary.BigEndian.AppendUint64(bytes.Clone(id[:4]), 1679315147)
	sig = append(sig, ed25519.Sign(wpriv, []byte(msg))...)
	wantLine := "— north.example " + base64.StdEncoding.EncodeToString(sig) + "\n"
	if got := f.witnesses[0].Cosign(f.checkpoint.Text(), time.Unix(1679315147, 0)); got != wantLine {
		t.Errorf("got %q, want %q", got, wantLine)
	}
	wantKey := "north.example+" + hex.EncodeToString(id[:4]) + "+" + base64.StdEncoding.EncodeToString(append([]byte{4}, wpub...))
	if got := f.witnesses[0].VKey(); got != wantKey {
		t.Errorf("got %q, want %q", got, wantKey)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	good, witness := f.log.VKey(), f.witnesses[0].VKey()
	if _, err := tlog.ParseWitnessKey(good); err == nil {
		t.Error("a log's key was read as a witness's")
	}
	if _, err := tlog.ParseLogKey(witness); err == nil {
		t.Error("a witness's key was read as a log's")
	}
	if k, err := tlog.ParseWitnessKey(witness); err != nil || k != f.witnesses[0].Key() {
		t.Errorf("got %v, %v", k, err)
	}
	parts := strings.Split(good, "+")
	for name, bad := range map[string]string{
		"nothing":            "",
		"no name":            "+" + parts[1] + "+" + parts[2],
		"another name":       "board.example/x+" + parts[1] + "+" + parts[2],
		"another identifier": parts[0] + "+00000000+" + parts[2],
		"upper case":         parts[0] + "+" + strings.ToUpper(parts[1]) + "+" + parts[2],
		"a space":            parts[0] + " +" + parts[1] + "+" + parts[2],
		"a line end":         good + "\n",
		"a part too many":    good + "+",
		"a short key":        parts[0] + "+" + parts[1] + "+" + parts[2][:40],
	} {
		if _, err := tlog.ParseLogKey(bad); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	for i := range good {
		b := []byte(good)
		b[i] ^= 2
		if _, err := tlog.ParseLogKey(string(b)); err == nil {
			t.Errorf("byte %d changed was accepted", i)
		}
	}
	for _, name := range []string{"", "a b", "a+b", "a\u00a0b", "a\u2003b", "a\nb", "\xff", "a\u200bb", strings.Repeat("a", 256)} {
		if _, err := tlog.NewLogSigner(name, seed(1)); err == nil {
			t.Errorf("a log may be called %q", name)
		}
		if _, err := tlog.NewWitnessSigner(name, seed(1)); err == nil {
			t.Errorf("a witness may be called %q", name)
		}
	}
}

func TestCheckpointText(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	good := f.checkpoint.Text()
	if c, err := tlog.ParseCheckpointText(good); err != nil || c != f.checkpoint {
		t.Fatalf("got %+v, %v", c, err)
	}
	root := strings.Split(good, "\n")[2]
	for name, bad := range map[string]string{
		"nothing":           "",
		"no line end":       strings.TrimSuffix(good, "\n"),
		"an empty line":     good + "\n",
		"an extension":      good + "x\n",
		"no origin":         "\n5\n" + root + "\n",
		"a leading zero":    origin + "\n05\n" + root + "\n",
		"a plus":            origin + "\n+5\n" + root + "\n",
		"a minus":           origin + "\n-5\n" + root + "\n",
		"a size too large":  origin + "\n9007199254740992\n" + root + "\n",
		"a huge size":       origin + "\n18446744073709551616\n" + root + "\n",
		"no size":           origin + "\n\n" + root + "\n",
		"a short root":      origin + "\n5\n" + root[:40] + "\n",
		"spare bits":        origin + "\n5\n" + root[:42] + "B=\n",
		"no padding":        origin + "\n5\n" + root[:43] + "\n",
		"a space":           origin + " \n5\n" + root + "\n",
		"a carriage return": origin + "\r\n5\n" + root + "\n",
		"hex":               origin + "\n5\n" + f.checkpoint.Root.String() + "\n",
	} {
		if _, err := tlog.ParseCheckpointText(bad); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := tlog.ParseCheckpointText(origin + "\n9007199254740991\n" + root + "\n"); err != nil {
		t.Errorf("the largest size: %v", err)
	}
}

// TestSigners: what only a programmer can ask is a panic, and no verb, JSON or
// log shows a private key.
func TestSigners(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, fn := range map[string]func(){
		"another log's checkpoint": func() { f.log.Sign(tlog.Checkpoint{Origin: "x", Size: 1}) },
		"an impossible size":       func() { f.log.Sign(tlog.Checkpoint{Origin: origin, Size: -1}) },
		"a text without line end":  func() { f.log.SignText("x") },
		"a control character":      func() { f.log.SignText("x\ty\n") },
		"cosigning a statement":    func() { f.witnesses[0].Cosign("strikevote/v1/destroyed\n", time.Unix(1, 0)) },
		"cosigning before 1970":    func() { f.witnesses[0].Cosign(f.checkpoint.Text(), time.Unix(-1, 0)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s did not panic", name)
				}
			}()
			fn()
		}()
	}
	for _, v := range []any{f.log, f.witnesses[0]} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, "01 01") || strings.Contains(out, "0101") || strings.Contains(out, "1 1 1") ||
				strings.Contains(out, "0a0a") || strings.Contains(out, "10 10") || strings.Contains(out, "0x1, 0x1") || strings.Contains(out, "0xa, 0xa") {
				t.Errorf("%s shows %q", verb, out)
			}
		}
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("JSON shows %q", b)
		}
	}
}

// TestStatement is a statement of destruction, which a log's key signs beside
// the log.
func TestStatement(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	text := "strikevote/v1/destroyed\n" + suite.MID(seed(3)).String() + "\nissuer keys\n"
	b := f.log.SignText(text)
	if got, err := tlog.OpenNote(f.log.Key(), b); err != nil || got != text {
		t.Errorf("got %q, %v", got, err)
	}
	line := string(b[len(text)+1:])
	for name, bad := range map[string][]byte{
		"two lines":       append(bytes.Clone(b), line...),
		"with a stranger": append(bytes.Clone(b), f.witnesses[0].Cosign(f.checkpoint.Text(), time.Unix(1, 0))...),
		"no line":         []byte(text + "\n"),
		"another text":    bytes.Replace(b, []byte("issuer keys"), []byte("pending key"), 1),
	} {
		if _, err := tlog.OpenNote(f.log.Key(), bad); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	multi := "with\n\nan empty line\n"
	if got, err := tlog.OpenNote(f.log.Key(), f.log.SignText(multi)); err != nil || got != multi {
		t.Errorf("got %q, %v", got, err)
	}
}
