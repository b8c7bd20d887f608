package token_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/c2sp/wycheproof"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

func tokenKey(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, 32))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

var body = token.Body{
	Kind:     token.KindMember,
	Election: suite.ElectionID{0xe0, 1, 2, 3},
	Group:    0x0102,
	Index:    0x03040506,
	JTI:      token.JTI{0xaa, 0xbb},
	Expires:  2000000000,
}

var before = time.Unix(body.Expires-1, 999)

func TestMint(t *testing.T) {
	t.Parallel()
	k := tokenKey(1)
	tok := token.Mint(k, body)
	want := "01" + "e0010203000000000000000000000000" + "0102" + "03040506" + "aabb0000000000000000000000000000" + "0000000077359400"
	if got := hex.EncodeToString(tok[:47]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	msg := binary.BigEndian.AppendUint32(nil, uint32(len("strikevote/v1/token")))
	msg = append(msg, "strikevote/v1/token"...)
	msg = binary.BigEndian.AppendUint32(msg, 47)
	msg = append(msg, tok[:47]...)
	if !ed25519.Verify(public(k), msg, tok[47:]) {
		t.Error("the signature is over something else")
	}
	if got, err := token.Verify(public(k), tok, before); err != nil || got != body {
		t.Errorf("got %v, %v", got, err)
	}
	if again := token.Mint(k, body); again != tok {
		t.Error("one body made two tokens")
	}
	wantID := sha256.Sum256(slices.Concat([]byte("\x00\x00\x00\x16strikevote/v1/token-id\x00\x00\x00\x6f"), tok[:]))
	if tok.ID() != wantID {
		t.Errorf("got %v, want %x", tok.ID(), wantID)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	k := tokenKey(1)
	tok := token.Mint(k, body)
	for i := range tok {
		for _, bit := range []byte{1, 0x80} {
			bad := tok
			bad[i] ^= bit
			if b, err := token.Verify(public(k), bad, before); !errors.Is(err, token.ErrForged) || b != (token.Body{}) {
				t.Errorf("byte %d changed: got %v, %v", i, b, err)
			}
		}
	}
	for name, pub := range map[string]ed25519.PublicKey{"another key": public(tokenKey(2)), "no key": nil, "a short key": public(k)[:31]} {
		if _, err := token.Verify(pub, tok, before); !errors.Is(err, token.ErrForged) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, late := range []int64{0, 1, 1 << 40} {
		if b, err := token.Verify(public(k), tok, time.Unix(body.Expires+late, 0)); !errors.Is(err, token.ErrExpired) || b != (token.Body{}) {
			t.Errorf("%d seconds late: got %v, %v", late, b, err)
		}
	}
	bad := tok
	bad[60] ^= 1
	if _, err := token.Verify(public(k), bad, time.Unix(1<<40, 0)); !errors.Is(err, token.ErrForged) {
		t.Errorf("forged and late: got %v", err)
	}
	// What the key signed under no other label may pass for a token.
	signed := tok
	copy(signed[47:], ed25519.Sign(k, tok[:47]))
	if _, err := token.Verify(public(k), signed, before); !errors.Is(err, token.ErrForged) {
		t.Errorf("a signature without the frame: got %v", err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tok := token.Mint(tokenKey(1), body)
	if got, b, err := token.Parse(tok[:]); err != nil || got != tok || b != body {
		t.Errorf("got %v, %v", b, err)
	}
	envelope := body
	envelope.Kind = token.KindEnvelope
	e := token.Mint(tokenKey(1), envelope)
	if _, b, err := token.Parse(e[:]); err != nil || b != envelope {
		t.Errorf("got %v, %v", b, err)
	}
	change := func(at int, v ...byte) []byte {
		b := bytes.Clone(tok[:])
		copy(b[at:], v)
		return b
	}
	for name, bad := range map[string][]byte{
		"nothing":               nil,
		"a byte too few":        tok[:110],
		"a byte too many":       append(bytes.Clone(tok[:]), 0),
		"kind 0":                change(0, 0),
		"kind 3":                change(0, 3),
		"no group":              change(17, 0, 0),
		"a time past all times": change(39, 0x80),
	} {
		if _, _, err := token.Parse(bad); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestParseBase64(t *testing.T) {
	t.Parallel()
	tok := token.Mint(tokenKey(1), body)
	text := tok.Base64()
	if got, b, err := token.ParseBase64(text); err != nil || got != tok || b != body || len(text) != 148 {
		t.Errorf("got %v, %v", b, err)
	}
	for name, bad := range map[string]string{
		"nothing":       "",
		"padding":       text + "=",
		"a line end":    text[:100] + "\n" + text[100:],
		"a line end 2":  text[:147] + "\n",
		"standard":      strings.NewReplacer("-", "+", "_", "/").Replace(text[:147]) + "+",
		"too short":     text[:147],
		"too long":      text + "A",
		"a space":       " " + text[1:],
		"not the token": base64.RawURLEncoding.EncodeToString(tok[:110]),
	} {
		if _, _, err := token.ParseBase64(bad); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestImpossibleBody: minting what nobody would accept is a mistake of the
// program.
func TestImpossibleBody(t *testing.T) {
	t.Parallel()
	for name, fn := range map[string]token.Body{
		"no kind":         {Group: 1},
		"no group":        {Kind: token.KindMember},
		"a negative time": {Kind: token.KindMember, Group: 1, Expires: -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a token with %s was minted", name)
				}
			}()
			token.Mint(tokenKey(1), fn)
		}()
	}
}

const booth = "https://vote.example:8443"

// TestRedaction looks for a token, a code and a JTI in every way that values
// are shown.
func TestRedaction(t *testing.T) {
	t.Parallel()
	tok := token.Mint(tokenKey(1), body)
	code := token.MakeCode([32]byte{1}, body)
	jti := token.JTI(bytes.Repeat([]byte{0xab}, 16))
	full := body
	full.JTI = jti
	secrets := []string{
		tok.Base64()[80:100], hex.EncodeToString(tok[50:60]), strings.ToUpper(hex.EncodeToString(tok[50:60])), fmt.Sprint(tok[50:60])[1:20],
		string(code[:8]), hex.EncodeToString(code[:8]), fmt.Sprint(code[:8])[1:15],
		"abababab", "ABABABAB", "171 171", "0xab, 0xab", fmt.Sprintf("%#v", tok[50:55])[7:20], "[1:", base64.StdEncoding.EncodeToString(tok[51:60]),
	}
	look := func(how, out string) {
		t.Helper()
		for _, s := range secrets {
			if strings.Contains(out, s) {
				t.Errorf("%s shows %q", how, out)
			}
		}
	}
	type exported struct {
		T token.Token
		P *token.Token
		C token.Code
		L []token.Token
		M map[string]token.Code
	}
	all := exported{tok, &tok, code, []token.Token{tok}, map[string]token.Code{"a": code}}
	for _, v := range []any{tok, &tok, code, &code, jti, &jti, full, &full, all, &all, []any{tok, code, jti}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "%o", "%b", "%c", "%U", "% x", "%#x"} {
			look(fmt.Sprintf("%T with %s", v, verb), fmt.Sprintf(verb, v))
		}
		b, err := json.Marshal(v)
		look(fmt.Sprintf("%T in JSON", v), string(b))
		if err == nil {
			t.Errorf("%T was written as JSON", v)
		} else {
			look("the error", err.Error())
		}
		var buf bytes.Buffer
		slog.New(slog.NewJSONHandler(&buf, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&buf, nil)).Info("m", "v", v)
		look(fmt.Sprintf("%T in slog", v), buf.String())
	}
	_, _, err1 := token.Parse(tok[:100])
	_, _, err2 := token.ParseBase64(tok.Base64() + ".")
	_, err3 := token.ParseCode(code.Reveal() + "A")
	_, _, _, _, err4 := token.ParseLink(token.Link(booth, tok, suite.MID{}) + ".")
	_, err5 := token.Verify(public(tokenKey(2)), tok, before)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		look("an error", err.Error())
	}
}

// TestWycheproof documents what our use of crypto/ed25519 accepts: of the
// published vectors exactly those that are marked valid.
func TestWycheproof(t *testing.T) {
	t.Parallel()
	b, err := fs.ReadFile(wycheproof.TestVectors, "ed25519_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		TestGroups []struct {
			PublicKey struct{ PK suite.Bytes }
			Tests     []struct {
				TcID     int `json:"tcId"`
				Msg, Sig suite.Bytes
				Result   string
			}
		}
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range v.TestGroups {
		for _, tt := range g.Tests {
			n++
			if got := ed25519.Verify(ed25519.PublicKey(g.PublicKey.PK), tt.Msg, tt.Sig); got != (tt.Result == "valid") {
				t.Errorf("vector %d is %s", tt.TcID, tt.Result)
			}
		}
	}
	if n != 151 {
		t.Errorf("%d vectors", n)
	}
}

func FuzzParse(f *testing.F) {
	tok := token.Mint(tokenKey(1), body)
	f.Add(tok[:])
	f.Fuzz(func(t *testing.T, b []byte) {
		got, _, err := token.Parse(b)
		if err == nil && !bytes.Equal(got[:], b) {
			t.Errorf("%x comes back as %x", b, got[:])
		}
	})
}

func BenchmarkMint(b *testing.B) {
	k := tokenKey(1)
	for b.Loop() {
		token.Mint(k, body)
	}
}

func BenchmarkVerify(b *testing.B) {
	k := tokenKey(1)
	tok := token.Mint(k, body)
	pub := public(k)
	for b.Loop() {
		if _, err := token.Verify(pub, tok, before); err != nil {
			b.Fatal(err)
		}
	}
}
