package mailbox_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/idna"

	"strikevote/internal/mailbox"
)

// fits returns a domain of n bytes.
func fits(n int) string {
	const end = ".example"
	var b strings.Builder
	for n -= len(end); n > 0; {
		label := min(n, 50)
		if n-label == 1 { // a point needs a label after it
			label--
		}
		if b.Len() > 0 {
			b.WriteByte('.')
			label--
			n--
		}
		b.WriteString(strings.Repeat("a", label))
		n -= label
	}
	return b.String() + end
}

func TestRead(t *testing.T) {
	t.Parallel()
	const munich = "zoe@xn--mnchen-3ya.example"
	short := fits(254 - len("a@") - len("xn--mnchen-3ya."))
	for _, tt := range []struct {
		name, typed, want string
		err               error
	}{
		{"plain", "zoe@mail.example", "zoe@mail.example", nil},
		{"upper case is kept", "Zoe@Mail.EXAMPLE", "Zoe@Mail.EXAMPLE", nil},
		{"signs", "o'neill+vote_1@mail.example", "o'neill+vote_1@mail.example", nil},
		{"umlaut", "zoe@münchen.example", munich, nil},
		{"xn-- already", munich, munich, nil},
		{"XN-- already", "zoe@XN--MNCHEN-3YA.EXAMPLE", "zoe@XN--MNCHEN-3YA.EXAMPLE", nil},
		{"upper case umlaut", "Zoe@MÜNCHEN.Example", "Zoe@xn--mnchen-3ya.example", nil},
		{"letter and mark apart", "zoe@mu\u0308nchen.example", munich, nil},
		{"both forms", "zoe@xn--mnchen-3ya.bücher.example", "zoe@xn--mnchen-3ya.xn--bcher-kva.example", nil},
		{"sharp s is no ss", "zoe@straße.example", "zoe@xn--strae-oqa.example", nil},
		{"Chinese", "li@例子.example", "li@xn--fsqu00a.example", nil},
		{"Chinese to the end", "li@例子.中国", "li@xn--fsqu00a.xn--fiqs8s", nil},
		{"ideographic full stop", "li@例子。example", "li@xn--fsqu00a.example", nil},
		{"wide letters", "li@ｍａｉｌ.example", "li@mail.example", nil},
		{"Arabic", "a@مثال.example", "a@xn--mgbh0fb.example", nil},
		{"Cyrillic", "a@пример.example", "a@xn--e1afmkfd.example", nil},
		{"what is ASCII is not held against the rules", "a@xn--zzzzzzzz9999.example", "a@xn--zzzzzzzz9999.example", nil},

		{"letters before", "zoë@mail.example", "", mailbox.ErrLocal},
		{"letters before and after", "用户@例子.example", "", mailbox.ErrLocal},
		{"typographic apostrophe", "o’neill@mail.example", "", mailbox.ErrLocal},
		{"many letters before", strings.Repeat("ë", 64) + "@mail.example", "", mailbox.ErrLocal},

		{"nothing", "", "", mailbox.ErrForm},
		{"no @", "zoë.mail.example", "", mailbox.ErrForm},
		{"two @", "zoe@münchen@mail.example", "", mailbox.ErrForm},
		{"letters before, and no domain", "zoë@", "", mailbox.ErrForm},
		{"letters before, and a name", "Zoë <zoë@mail.example>", "", mailbox.ErrForm},
		{"letters before, and two points", "zo..ë@mail.example", "", mailbox.ErrForm},
		{"wide space before", "zo\u3000e@mail.example", "", mailbox.ErrForm},
		{"no point after", "zoe@münchen", "", mailbox.ErrForm},
		{"point at the end", "zoe@münchen.example.", "", mailbox.ErrForm},
		{"two points", "zoe@münchen..example", "", mailbox.ErrForm},
		{"point first", "zoe@.münchen.example", "", mailbox.ErrForm},
		{"hyphen first", "zoe@-münchen.example", "", mailbox.ErrForm},
		{"underscore", "zoe@mün_chen.example", "", mailbox.ErrForm},
		{"xn-- of nothing beside others", "zoe@xn--zzzzzzzz9999.münchen.example", "", mailbox.ErrForm},
		{"mark first", "zoe@\u0308munchen.example", "", mailbox.ErrForm},
		{"left and right in one part", "zoe@aمثال.example", "", mailbox.ErrForm},
		{"two addresses", "a@münchen.example；b@münchen.example", "", mailbox.ErrForm},
		{"label too long once converted", "zoe@" + strings.Repeat("ü", 60) + ".example", "", mailbox.ErrForm},
		{"local part too long", strings.Repeat("a", 65) + "@münchen.example", "", mailbox.ErrForm},
		{"not UTF-8", "zoe@m\xfcnchen.example", "", mailbox.ErrForm},
		{"far too long", "zoe@" + strings.Repeat("ü.", 600) + "example", "", mailbox.ErrForm},

		{"254 in the form that is kept", "a@münchen." + short, "a@xn--mnchen-3ya." + short, nil},
		{"255, and fewer as typed", "ab@münchen." + short, "", mailbox.ErrLong},
		{"more as typed, fewer as kept", "a@" + strings.Repeat(strings.Repeat("中", 30)+".", 4) + "example", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := mailbox.Read(tt.typed)
			if !errors.Is(err, tt.err) || tt.want != "" && got != tt.want {
				t.Fatalf("got %q, %v, want %q, %v", got, err, tt.want, tt.err)
			}
			hold(t, tt.typed)
		})
	}
	if typed := "a@" + strings.Repeat(strings.Repeat("中", 30)+".", 4) + "example"; len(typed) < 300 {
		t.Errorf("it has only %d bytes", len(typed))
	}
}

// hold demands what holds for every text.
func hold(t *testing.T, typed string) {
	t.Helper()
	mailbox.Mixed(typed)
	address, err := mailbox.Read(typed)
	if err != nil {
		if address != "" || mailbox.Kept(typed) != typed {
			t.Errorf("%q, %v", address, err)
		}
		return
	}
	again, err := mailbox.Read(address)
	if err != nil || again != address || mailbox.Kept(typed) != address || mailbox.Key(typed) != mailbox.Key(address) {
		t.Errorf("%q is kept as %q, and that as %q, %v", typed, address, again, err)
	}
	if len(address) > mailbox.MaxAddress || strings.Count(address, "@") != 1 ||
		strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > unicode.MaxASCII || r == 0x7f }) {
		t.Errorf("%q is kept as %q", typed, address)
	}
	_, domain, _ := strings.Cut(address, "@")
	_, was, _ := strings.Cut(typed, "@")
	if domain == was { // it was ASCII
		return
	}
	// There and back again: another name would be another mailbox.
	shown, err := idna.Lookup.ToUnicode(domain)
	if err != nil || mailbox.Key("a@"+shown) != mailbox.Key("a@"+was) {
		t.Errorf("%q is kept as %q, which is %q, %v", typed, address, shown, err)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	for _, one := range []string{"zoe@münchen.example", "ZOE@MÜNCHEN.EXAMPLE", "Zoe@xn--mnchen-3ya.example", "zoe@XN--MNCHEN-3YA.example", "zoe@mu\u0308nchen.example"} {
		if got := mailbox.Key(one); got != "zoe@xn--mnchen-3ya.example" {
			t.Errorf("%q: %q", one, got)
		}
	}
	for _, other := range []string{"zoe@munchen.example", "zoe@muenchen.example", "zoë@münchen.example", "zoe@münchen.example.org"} {
		if mailbox.Key(other) == mailbox.Key("zoe@münchen.example") {
			t.Errorf("%q is taken for another", other)
		}
	}
	for _, number := range []string{"M-1-3", "münchen", "用户", "@", "", "a@b"} {
		if got := mailbox.Kept(number); got != number {
			t.Errorf("%q became %q", number, got)
		}
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		domain, other string
		want          bool
	}{
		{"hospital.example", "Hospital.example", true},
		{"med.HOSPITAL.example", "hospital.example", true},
		{"xn--mnchen-3ya.example", "münchen.example", true},
		{"klinik.xn--mnchen-3ya.example", "MÜNCHEN.example", true},
		{"klinik.münchen.example", "xn--mnchen-3ya.example", true},
		{"nothospital.example", "hospital.example", false},
		{"hospital.example", "med.hospital.example", false},
		{"mail.example", "", false},
		{"mail.example", "\u0308.example", false},
	} {
		if got := mailbox.Within(tt.domain, tt.other); got != tt.want {
			t.Errorf("%q within %q: %v", tt.domain, tt.other, got)
		}
	}
}

func TestMixed(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"zoe@mail.example":           false,
		"zoe@münchen.example":        false,
		"zoe@xn--mnchen-3ya.example": false,
		"a@пример.example":           false, // each part of one alphabet
		"li@例子abc.example":           false, // as people write it
		"a@ひらカタ漢字abc.example":        false,
		"zoe@m\u0430il.example":      true, // a Cyrillic a
		"zoe@ma\u0456l.example":      true,
		"zoe@\u03bfmail.example":     true, // a Greek o
		"zoe@xn--exmple-4nf.example": true,
		"zoe@XN--EXMPLE-4NF.example": true,
		"zoe@xn--zzzzzzzz9999.org":   false,
		"":                           false,
	} {
		if got := mailbox.Mixed(address); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
}

// TestErrors: what is said of an address does not say it.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"CANARÿ@mail.example", "canary@\u0308canary.example", "canary", "canary@" + fits(250)} {
		_, err := mailbox.Read(typed)
		if err == nil || strings.Contains(strings.ToLower(fmt.Sprintf("%v %+v", err, err)), "canar") {
			t.Errorf("%v", err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, typed := range []string{"zoe@mail.example", "zoe@münchen.example", "zoë@münchen.example", "Z@XN--MNCHEN-3YA.example", "li@例子。中国",
		"a@مثال.example", "zoe@m\u0430il.example", "a@straße.ﬃ.example", "a@xn--.ü.example", "a@ü\u00ad.example", "a@\u200dü.example", "a@１２７.０.０.１", "a@b@ü.c", "\xff@\xff.ü"} {
		f.Add(typed)
	}
	f.Fuzz(func(t *testing.T, typed string) { hold(t, typed) })
}
