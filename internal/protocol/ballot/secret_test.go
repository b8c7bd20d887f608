package ballot_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strikevote/internal/protocol/ballot"
)

func TestRecoveryCode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := ballot.Secret(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "secret"))
		code := s.RecoveryCode()
		if len(code) != 27+6 {
			t.Fatalf("a code of %d characters", len(code))
		}
		for _, typed := range []string{
			code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), strings.ReplaceAll(code, "-", " "),
			strings.NewReplacer("0", "o", "1", "l").Replace(code),
		} {
			got, err := ballot.ParseRecoveryCode(typed)
			if err != nil || got != s {
				t.Fatalf("typed in another way: %v", err)
			}
		}
	})
}

// TestRecoveryCodeTypos changes every character and swaps all neighbours.
func TestRecoveryCodeTypos(t *testing.T) {
	t.Parallel()
	code := strings.ReplaceAll(ballot.Secret{7, 1, 200, 3: 9, 15: 77}.RecoveryCode(), "-", "")
	refuse := func(typed string) {
		t.Helper()
		if _, err := ballot.ParseRecoveryCode(typed); !errors.Is(err, ballot.ErrRecoveryCode) {
			t.Errorf("%s: got %v, want ErrRecoveryCode", typed, err)
		}
	}
	for i := range code {
		for _, c := range "0123456789ABCDEFGHJKMNPQRSTVWXYZ" {
			if byte(c) != code[i] {
				refuse(code[:i] + string(c) + code[i+1:])
			}
		}
		if i > 0 && code[i] != code[i-1] {
			refuse(code[:i-1] + code[i:i+1] + code[i-1:i] + code[i+1:])
		}
		refuse(code[:i])
		refuse(code + code[:i+1])
		refuse(code[:i] + "U" + code[i+1:])
		refuse(code[:i] + "é" + code[i+1:])
	}
}

func TestNewSecret(t *testing.T) {
	t.Parallel()
	if a, b := ballot.NewSecret(), ballot.NewSecret(); a == b || a == (ballot.Secret{}) {
		t.Error("secrets are not random")
	}
}

// TestRedaction prints and encodes everything secret in every way and searches
// the output for the bytes.
func TestRedaction(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3, 2)
	secret, choices := ballot.NewSecret(), ballot.Choices{2, 1}
	s, err := ballot.Seal(c, secret, "typed", choices)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	// The time of a line has the digits of two choices in it now and then.
	timeless := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	for _, v := range []any{
		secret, &secret, choices, &choices, s, *s,
		[]ballot.Secret{secret}, map[string]ballot.Choices{"k": choices},
		struct {
			A ballot.Secret
			B ballot.Choices
			C *ballot.Sealed
			D ballot.Sealed
		}{secret, choices, s, *s},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "% x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(j)
		slog.New(slog.NewTextHandler(&out, timeless)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, timeless)).Info("x", "v", v)
	}
	got := strings.ToLower(out.String())
	prk := literalSeal(c, secret, "typed", choices).prk
	for name, b := range map[string][]byte{"S": secret[:], "body": s.Body[68:], "id": s.ID[:], "prk": prk} {
		b = b[:9]
		for _, form := range []string{
			hex.EncodeToString(b), fmt.Sprintf("% x", b), strings.Trim(fmt.Sprint(b), "[]"),
			strings.ToLower(base64.StdEncoding.EncodeToString(b)),
			strings.Trim(strings.ReplaceAll(fmt.Sprint(b), " ", ","), "[]"),
			strings.Trim(fmt.Sprintf("%#v", b), "[]byte{}"),
		} {
			if strings.Contains(got, form) {
				t.Errorf("%s is printed as %s", name, form)
			}
		}
	}
	for _, form := range []string{"2 1", "2,1", "0201", "02 01", "0x2, 0x1", "age="} {
		if strings.Contains(got, form) {
			t.Errorf("the choices are printed as %s", form)
		}
	}
	if !strings.Contains(got, "[redacted]") {
		t.Error("nothing is redacted")
	}
}

// TestErrorsAreSilent looks for the choices and the text in what Seal refuses.
func TestErrorsAreSilent(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3)
	_, err := ballot.Seal(c, ballot.NewSecret(), "", ballot.Choices{77})
	if err == nil || strings.Contains(err.Error(), "77") {
		t.Errorf("got %v", err)
	}
	_, err = ballot.Seal(c, ballot.NewSecret(), "hidden\xff", ballot.Choices{0})
	if err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got %v", err)
	}
}
