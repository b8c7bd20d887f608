package token_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

func TestCode(t *testing.T) {
	t.Parallel()
	key := [32]byte{1, 2, 3}
	c := token.MakeCode(key, body)
	tok := token.Mint(tokenKey(1), body)
	mac := hmac.New(sha256.New, key[:])
	mac.Write(tok[:47])
	if want := suite.Base32(mac.Sum(nil), 100); string(c[:]) != want {
		t.Errorf("got %s, want %s", c[:], want)
	}
	shown := c.Reveal()
	if len(shown) != 26 || strings.Count(shown, "-") != 5 {
		t.Errorf("shown as %s", shown)
	}
	for _, typed := range []string{
		shown, strings.ToLower(shown), strings.ReplaceAll(shown, "-", ""), strings.ReplaceAll(shown, "-", " "), " " + shown + "\n",
		strings.ReplaceAll(shown, "-", "\u2013"), strings.NewReplacer("0", "o", "1", "l").Replace(shown), strings.NewReplacer("0", "O", "1", "I").Replace(shown),
	} {
		if got, err := token.ParseCode(typed); err != nil || got != c {
			t.Errorf("%q: got %v", typed, err)
		}
	}
	wantID := sha256.Sum256(slices.Concat([]byte("\x00\x00\x00\x12strikevote/v1/code\x00\x00\x00\x14"), c[:]))
	if c.ID() != wantID {
		t.Errorf("got %v, want %x", c.ID(), wantID)
	}
	another := body
	another.JTI[3]++
	if token.MakeCode(key, another) == c {
		t.Error("another JTI has the same code")
	}
}

// TestCodeTyped: every wrong character and every swap of neighbours is noticed.
func TestCodeTyped(t *testing.T) {
	t.Parallel()
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	good := strings.ReplaceAll(token.MakeCode([32]byte{7}, body).Reveal(), "-", "")
	for i := range good {
		for _, c := range alphabet + "U*?é" {
			typed := good[:i] + string(c) + good[i+1:]
			if _, err := token.ParseCode(typed); (err == nil) != (typed == good) {
				t.Errorf("%q: got %v", typed, err)
			}
		}
		if i > 0 {
			typed := good[:i-1] + string(good[i]) + string(good[i-1]) + good[i+1:]
			if _, err := token.ParseCode(typed); (err == nil) != (typed == good) {
				t.Errorf("%q: got %v", typed, err)
			}
		}
		if _, err := token.ParseCode(good[:i] + good[i+1:]); !errors.Is(err, token.ErrCode) {
			t.Errorf("character %d left out: got %v", i, err)
		}
	}
	for _, bad := range []string{"", "-", good + "0", good + good, strings.Repeat(" ", 300) + good, strings.Repeat("0", 100000)} {
		if _, err := token.ParseCode(bad); !errors.Is(err, token.ErrCode) {
			t.Errorf("%.30q: got %v", bad, err)
		}
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	tok := token.Mint(tokenKey(1), body)
	mid := suite.MID(bytes.Repeat([]byte{0xfe}, 32))
	link := token.Link(booth, tok, mid)
	want := booth + "/v1/#t=" + tok.Base64() + "&m=" + base64.RawURLEncoding.EncodeToString(mid[:])
	if link != want {
		t.Fatalf("got %s, want %s", link, want)
	}
	check := func(s, origin string) {
		t.Helper()
		gotBooth, gotTok, gotBody, gotMID, err := token.ParseLink(s)
		if err != nil || gotBooth != origin || gotTok != tok || gotBody != body || gotMID != mid {
			t.Errorf("%s: got %s, %v", s, gotBooth, err)
		}
	}
	check(link, booth)
	check(strings.Replace(link, "#", "%23", 1), booth)
	check(token.Link("http://127.0.0.1:8080", tok, mid), "http://127.0.0.1:8080")
	check(token.Link("http://[::1]:8080", tok, mid), "http://[::1]:8080")
	for i := range link {
		bad := []byte(link)
		bad[i] ^= 1
		if gotBooth, got, _, gotMID, err := token.ParseLink(string(bad)); err == nil && gotBooth == booth && got == tok && gotMID == mid {
			t.Errorf("byte %d changed gives the same link", i)
		}
		if _, _, _, _, err := token.ParseLink(link[:i]); err == nil {
			t.Errorf("cut off after %d bytes was accepted", i)
		}
	}
	rest := strings.TrimPrefix(link, booth)
	for name, bad := range map[string]string{
		"a full stop":        link + ".",
		"a bracket":          link + ")",
		"a space":            link + " ",
		"a space before":     " " + link,
		"a line end":         link + "\n",
		"a third parameter":  link + "&x=1",
		"the other order":    booth + "/v1/#m=" + link[len(link)-43:] + "&t=" + tok.Base64(),
		"a query":            strings.Replace(link, "#", "?", 1),
		"no slash":           strings.Replace(link, "/#", "#", 1),
		"another version":    strings.Replace(link, "/v1/", "/v2/", 1),
		"a path":             booth + "/a" + rest,
		"a user":             "https://vote.example@evil.example" + rest,
		"another scheme":     "javascript://vote.example" + rest,
		"no host":            "https://" + rest,
		"no scheme":          "vote.example" + rest,
		"an upper-case host": "https://Vote.example" + rest,
		"a backslash":        "https://vote.example\\evil" + rest,
		"twice the marker":   booth + "/v1/" + rest,
		"%23 and #":          strings.Replace(link, "#", "%23#", 1),
		"padding":            link + "=",
		"a host too long":    "https://" + strings.Repeat("a", 250) + rest,
		"nothing":            "",
	} {
		if b, _, _, _, err := token.ParseLink(bad); !errors.Is(err, token.ErrLink) || b != "" {
			t.Errorf("%s: got %s, %v", name, b, err)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	tok := token.Mint(tokenKey(1), body)
	f.Add(token.Link(booth, tok, suite.MID{1}))
	f.Add(strings.Replace(token.Link("http://[::1]", tok, suite.MID{}), "#", "%23", 1))
	f.Fuzz(func(t *testing.T, s string) {
		origin, tok, b, mid, err := token.ParseLink(s)
		if err != nil {
			return
		}
		want := strings.Replace(s, "/v1/%23", "/v1/#", 1)
		if got := token.Link(origin, tok, mid); got != want {
			t.Errorf("%q comes back as %q", s, got)
		}
		if _, again, err := token.Parse(tok[:]); err != nil || again != b {
			t.Errorf("%q: another body", s)
		}
	})
}

func FuzzParseCode(f *testing.F) {
	f.Add(token.MakeCode([32]byte{1}, body).Reveal())
	f.Fuzz(func(t *testing.T, s string) {
		c, err := token.ParseCode(s)
		if err != nil {
			return
		}
		if again, err := token.ParseCode(c.Reveal()); err != nil || again != c {
			t.Errorf("%q comes back differently", s)
		}
	})
}
