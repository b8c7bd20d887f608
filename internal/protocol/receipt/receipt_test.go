package receipt_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
)

// The file of vectors is read by the tests of other programs too: what it says
// may change only together with SPEC.md.
var update = flag.Bool("update", false, "write the vectors in testdata anew")

func promiseKey(b byte) (ed25519.PublicKey, ed25519.PrivateKey) {
	k := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, 32))
	return k.Public().(ed25519.PublicKey), k
}

var (
	mid = suite.MID{1, 2, 3}
	id  = suite.BallotID{0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88, 0x77, 0x66, 0x55, 0x44, 0x3f, 0x22}
)

func TestTracker(t *testing.T) {
	t.Parallel()
	shown := receipt.Tracker(id)
	if want := suite.Group4(suite.Base32(id[:], 100)); shown != want || len(shown) != 24 {
		t.Errorf("got %s, want %s", shown, want)
	}
	for _, typed := range []string{shown, strings.ToLower(shown), strings.ReplaceAll(shown, "-", ""), " " + strings.ReplaceAll(shown, "-", " "),
		strings.NewReplacer("0", "O", "1", "l").Replace(shown)} {
		prefix, err := receipt.ParseTracker(typed)
		if err != nil || len(prefix) != 13 || !bytes.Equal(prefix[:12], id[:12]) || prefix[12] != id[12]&0xf0 {
			t.Errorf("%q: got %x, %v", typed, prefix, err)
		}
		if !receipt.Match(id, prefix) {
			t.Errorf("%q does not match its ballot", typed)
		}
	}
	for _, bad := range []string{"", shown[1:], shown + "0", strings.Replace(shown, shown[:1], "U", 1), strings.Repeat("0", 1000)} {
		if _, err := receipt.ParseTracker(bad); !errors.Is(err, receipt.ErrTracker) {
			t.Errorf("%.30q: got %v", bad, err)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	prefix, err := receipt.ParseTracker(receipt.Tracker(id))
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 256 {
		other := id
		other[bit/8] ^= 0x80 >> (bit % 8)
		if got := receipt.Match(other, prefix); got != (bit >= 100) {
			t.Errorf("bit %d changed: matches %v", bit, got)
		}
	}
	for _, bad := range [][]byte{nil, {}, prefix[:12], append(bytes.Clone(prefix), 0), id[:13]} {
		if receipt.Match(id, bad) {
			t.Errorf("%x matches", bad)
		}
	}
}

func TestPromise(t *testing.T) {
	t.Parallel()
	pub, priv := promiseKey(1)
	p := receipt.SignPromise(priv, mid, id)
	if p != receipt.SignPromise(priv, mid, id) {
		t.Error("one ballot has two promises")
	}
	msg := "00000015" + hex.EncodeToString([]byte("strikevote/v1/promise")) + "00000020" + mid.String() + "00000020" + id.String()
	raw, err := hex.DecodeString(msg)
	if err != nil || !ed25519.Verify(pub, raw, p[:]) {
		t.Errorf("the promise is over something else, %v", err)
	}
	if err := receipt.VerifyPromise(pub, mid, id, p[:]); err != nil {
		t.Error(err)
	}
	refuse := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, receipt.ErrPromise) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for i := range p {
		bad := p
		bad[i] ^= 1
		refuse("a changed byte", receipt.VerifyPromise(pub, mid, id, bad[:]))
	}
	for i := range mid {
		otherMID, otherID := mid, id
		otherMID[i] ^= 1
		otherID[i] ^= 1
		refuse("another election", receipt.VerifyPromise(pub, otherMID, id, p[:]))
		refuse("another ballot", receipt.VerifyPromise(pub, mid, otherID, p[:]))
	}
	stranger, _ := promiseKey(2)
	refuse("another key", receipt.VerifyPromise(stranger, mid, id, p[:]))
	refuse("no key", receipt.VerifyPromise(nil, mid, id, p[:]))
	refuse("no promise", receipt.VerifyPromise(pub, mid, id, nil))
	refuse("a byte too few", receipt.VerifyPromise(pub, mid, id, p[:63]))
	refuse("a byte too many", receipt.VerifyPromise(pub, mid, id, append(p[:], 0)))
}

type vector struct {
	MID      suite.MID      `json:"mid"`
	BallotID suite.BallotID `json:"ballot_id"`
	Tracker  string         `json:"tracker"`
	Prefix   suite.Bytes    `json:"prefix"`
	Promise  suite.Bytes    `json:"promise"`
}

func TestVectors(t *testing.T) {
	t.Parallel()
	pub, priv := promiseKey(0x42)
	var list []vector
	for i := range byte(3) {
		m := suite.MID(bytes.Repeat([]byte{i}, 32))
		b := suite.BallotID(suite.H("example", []byte{i}))
		prefix, err := receipt.ParseTracker(receipt.Tracker(b))
		if err != nil {
			t.Fatal(err)
		}
		p := receipt.SignPromise(priv, m, b)
		list = append(list, vector{m, b, receipt.Tracker(b), prefix, p[:]})
	}
	got, err := json.MarshalIndent(map[string]any{"promise_key": suite.Bytes(pub), "receipts": list}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "testdata/receipt.json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s says something else; got\n%s", file, got)
	}
}

func FuzzParseTracker(f *testing.F) {
	f.Add(receipt.Tracker(id))
	f.Fuzz(func(t *testing.T, s string) {
		prefix, err := receipt.ParseTracker(s)
		if err != nil {
			return
		}
		var b suite.BallotID
		copy(b[:], prefix)
		if !receipt.Match(b, prefix) {
			t.Errorf("%q does not match itself", s)
		}
		if again, err := receipt.ParseTracker(receipt.Tracker(b)); err != nil || !bytes.Equal(again, prefix) {
			t.Errorf("%q comes back differently", s)
		}
	})
}

func BenchmarkSignPromise(b *testing.B) {
	_, priv := promiseKey(1)
	for b.Loop() {
		receipt.SignPromise(priv, mid, id)
	}
}
