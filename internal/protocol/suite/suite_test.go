package suite_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strikevote/internal/protocol/suite"
)

func TestFrame(t *testing.T) {
	t.Parallel()
	got := hex.EncodeToString(suite.Frame([]byte("ab"), nil, []byte("c")))
	if want := "00000002" + "6162" + "00000000" + "00000001" + "63"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if bytes.Equal(suite.Frame([]byte("ab"), []byte("c")), suite.Frame([]byte("a"), []byte("bc"))) {
		t.Error("two lists of parts share a frame")
	}
	if suite.H("a", []byte("b")) == suite.H("ab", nil) {
		t.Error("a label runs into its part")
	}
}

// TestHash pins the two hashes to values computed outside of this program
// (printf … | sha256sum over the frame of SPEC.md section 1).
func TestHash(t *testing.T) {
	t.Parallel()
	if got, want := suite.H("example", []byte("abc")).String(), exampleH; got != want {
		t.Errorf("H: got %s, want %s", got, want)
	}
}

const exampleH = "64cffa7f6418b4b15d2359e39c61256a475d9346a9d82ec235fe99f577eda2d0"

func TestIDs(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "00", strings.Repeat("A", 32), strings.Repeat("g", 32), strings.Repeat("0", 33), strings.Repeat("0", 34)} {
		if _, err := suite.ParseElectionID(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	id, err := suite.ParseElectionID("000102030405060708090a0b0c0d0e0f")
	if err != nil || id.String() != "000102030405060708090a0b0c0d0e0f" {
		t.Errorf("got %v, %v", id, err)
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	r := suite.NewReader([]byte{1, 0, 2, 0, 0, 0, 3, 9})
	if r.U8() != 1 || r.U16() != 2 || r.U32() != 3 || r.Take(1)[0] != 9 || r.Done() != nil {
		t.Error("wrong values")
	}
	if r.U64() != 0 || r.Done() == nil {
		t.Error("reading past the end was not noticed")
	}
	if suite.NewReader([]byte{1}).Done() == nil {
		t.Error("a trailing byte was not noticed")
	}
	r = suite.NewReader(nil)
	if n := len(r.Take(1 << 40)); n > 512 {
		t.Errorf("a hostile length allocated %d bytes", n)
	}
}

func TestBase32(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "b")
		bits := rapid.IntRange(0, 8*len(b)).Draw(t, "bits")
		s := suite.Base32(b, bits)
		got, err := suite.ParseBase32(s, bits)
		if err != nil {
			t.Fatal(err)
		}
		if suite.Base32(append(got, 0), bits) != s {
			t.Fatalf("%q does not come back", s)
		}
	})
	if got := suite.Base32([]byte{0xff, 0x00}, 10); got != "ZW" {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"", "0", "0U", "0o", "000", "0-"} {
		if _, err := suite.ParseBase32(bad, 10); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if _, err := suite.ParseBase32("01", 8); err == nil {
		t.Error("non-zero padding was accepted")
	}
}

// TestCheckChar shows what the check character promises: no single wrong
// character and no swap of neighbours keeps it.
func TestCheckChar(t *testing.T) {
	t.Parallel()
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	rapid.Check(t, func(t *rapid.T) {
		s := []byte(rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 2, 26, -1).Draw(t, "s"))
		want := suite.CheckChar(string(s))
		i := rapid.IntRange(0, len(s)-1).Draw(t, "i")
		c := alphabet[rapid.IntRange(0, 31).Draw(t, "c")]
		changed := bytes.Clone(s)
		changed[i] = c
		if c != s[i] && suite.CheckChar(string(changed)) == want {
			t.Fatal("a wrong character was not found")
		}
		j := rapid.IntRange(0, len(s)-2).Draw(t, "j")
		swapped := bytes.Clone(s)
		swapped[j], swapped[j+1] = s[j+1], s[j]
		if s[j] != s[j+1] && suite.CheckChar(string(swapped)) == want {
			t.Fatal("a swap was not found")
		}
	})
}

func TestCleanBase32(t *testing.T) {
	t.Parallel()
	if got := suite.CleanBase32(" abcd-oil0 é"); got != "ABCD0110é" {
		t.Errorf("got %q", got)
	}
	if got := suite.Group4("ABCDEFGHJ"); got != "ABCD-EFGH-J" {
		t.Errorf("got %q", got)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "¿Autoriza?", "是否授權", "한국어", "a b"} {
		if err := suite.CheckText(good, 100); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", " a", "a\u00a0", "a\u200bb", "a\u202eb", "a\nb", "\xff", "a\u2066", "\ufdd0", strings.Repeat("a", 101)} {
		if suite.CheckText(bad, 100) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

type file struct {
	A string     `json:"a"`
	B []uint32   `json:"b"`
	C suite.Hash `json:"c"`
	D *sub       `json:"d"`
}

type sub struct {
	E suite.Bytes `json:"e"`
}

func TestJSON(t *testing.T) {
	t.Parallel()
	zero := strings.Repeat("0", 64)
	good := `{"a":"x<\"","b":[1,2],"c":"` + zero + `","d":{"e":"00ff"}}` + "\n"
	var f file
	if err := suite.DecodeJSON([]byte(good), &f); err != nil {
		t.Fatal(err)
	}
	if again, err := suite.EncodeJSON(&f); err != nil || string(again) != good {
		t.Errorf("got %s, %v", again, err)
	}
	for name, bad := range map[string]string{
		"no line end":    strings.TrimSuffix(good, "\n"),
		"two line ends":  good + "\n",
		"white space":    strings.Replace(good, ",", ", ", 1),
		"unknown key":    strings.Replace(good, `{"a"`, `{"z":1,"a"`, 1),
		"duplicate key":  strings.Replace(good, `{"a"`, `{"a":"y","a"`, 1),
		"key case":       strings.Replace(good, `"a"`, `"A"`, 1),
		"missing key":    strings.Replace(good, `"b":[1,2],`, "", 1),
		"null list":      strings.Replace(good, `[1,2]`, "null", 1),
		"escape":         strings.Replace(good, `x<`, `\u0078<`, 1),
		"exponent":       strings.Replace(good, `[1,`, "[1e0,", 1),
		"leading zero":   strings.Replace(good, `[1,`, "[01,", 1),
		"negative":       strings.Replace(good, `[1,`, "[-1,", 1),
		"upper-case hex": strings.Replace(good, `00ff`, "00FF", 1),
		"order":          `{"b":[1,2],"a":"x<\"","c":"` + zero + `","d":null}` + "\n",
		"control":        strings.Replace(good, `x<`, "x\u200b", 1),
		"empty":          "",
		"two values":     good + good,
	} {
		if err := suite.DecodeJSON([]byte(bad), new(file)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := suite.EncodeJSON(&struct{ N uint64 }{1 << 53}); err == nil {
		t.Error("a number that JavaScript cannot hold was accepted")
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":"","b":[],"c":"` + strings.Repeat("0", 64) + `","d":null}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v := new(file)
		if suite.DecodeJSON(b, v) != nil {
			return
		}
		again, err := suite.EncodeJSON(v)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q comes back as %q, %v", b, again, err)
		}
	})
}

// FuzzText reads the texts that stand for bytes: hexadecimal and base32.
func FuzzText(f *testing.F) {
	f.Add(strings.Repeat("0a", 16))
	f.Add(strings.Repeat("0A", 16))
	f.Add(strings.Repeat("f", 64))
	f.Add("0123456789ABCDEFGHJKMNPQRS")
	f.Add("o1l \u2010-\x00")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := suite.ParseElectionID(s); err == nil && id.String() != s {
			t.Errorf("%q is the election %s", s, id)
		}
		if id, err := suite.ParseBallotID(s); err == nil && id.String() != s {
			t.Errorf("%q is the ballot %s", s, id)
		}
		var b suite.Bytes
		if err := b.UnmarshalText([]byte(s)); err == nil && fmt.Sprintf("%x", []byte(b)) != s {
			t.Errorf("%q is read as %x", s, []byte(b))
		}
		clean := suite.CleanBase32(s)
		for _, bits := range []int{5, 100, 128, 130} {
			if b, err := suite.ParseBase32(clean, bits); err == nil && suite.Base32(b, bits) != clean {
				t.Errorf("%q does not come back", clean)
			}
		}
		if suite.CleanBase32(clean) != clean {
			t.Errorf("%q is cleaned again", clean)
		}
	})
}
