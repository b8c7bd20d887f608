package mailer_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

// slipsOf returns the slips of an election, whose manifest hash is made up so
// that it is the same in every run, and its code key.
func slipsOf(t testing.TB, opts ...func(*electiontest.Plan)) *mailer.Slips {
	t.Helper()
	m, k := electiontest.Manifest(t, opts...)
	return &mailer.Slips{Manifest: m, MID: suite.MID{1, 2, 3, 4, 5, 6, 7, 8, 9}, Minter: mailer.NewMinter([32]byte(k.Token.Seed()), [32]byte{7}),
		Zone: time.FixedZone("PDT", -7*3600), Close: m.Schedule.Close}
}

func recipient(s *mailer.Slips, name string, index int) mailer.Recipient {
	return mailer.Recipient{Name: name, Number: fmt.Sprintf("%06d", index), Unit: "Unit 1", Campus: "Davis", Worksite: "Main Hospital", Language: "en",
		Token: token.Body{Kind: token.KindMember, Election: s.Manifest.ElectionID, Group: 1, Index: uint32(index),
			JTI: token.JTI{9, byte(index)}, Expires: s.Manifest.Schedule.TokenExpires()}}
}

func write(t testing.TB, s *mailer.Slips, list ...mailer.Recipient) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Write(&b, list); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSlips shows the page whole.
func TestSlips(t *testing.T) {
	t.Parallel()
	const golden = "testdata/slips.html"
	s := slipsOf(t)
	long := recipient(s, strings.Repeat("Maximiliane ", 8), 2)
	long.Campus, long.Worksite = "", ""
	got := write(t, s, recipient(s, "García, María", 1), long)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the page is not that of %s:\n%s", golden, got)
	}
}

var printedCode = regexp.MustCompile(`<p class="code">([^<]*)</p>`)

// TestSlipCodes reads the codes as a member would, and demands those of the
// members, in order, each once: the registrar knows them by the same ids.
func TestSlipCodes(t *testing.T) {
	t.Parallel()
	s := slipsOf(t)
	var list []mailer.Recipient
	for i := range 30 {
		list = append(list, recipient(s, fmt.Sprint("Member ", i), i))
	}
	page := write(t, s, list...)
	pages := strings.Split(page, `<section class="page`)[2:] // after head and cover
	if len(pages) != len(list) {
		t.Fatalf("%d pages", len(pages))
	}
	seen := map[string]bool{}
	for i, r := range list {
		codes := printedCode.FindAllStringSubmatch(pages[i], -1)
		if len(codes) != 1 || seen[codes[0][1]] {
			t.Fatalf("page %d has %d codes, or one of another page", i, len(codes))
		}
		seen[codes[0][1]] = true
		c, err := token.ParseCode(codes[0][1])
		if _, want := s.Minter.IDs(r.Token); err != nil || c.ID() != want {
			t.Errorf("page %d: not the member's code: %v", i, err)
		}
		if len(codes[0][1]) != 26 || strings.Count(codes[0][1], "-") != 5 {
			t.Errorf("page %d: not in groups of four", i)
		}
		for _, want := range []string{r.Name, r.Number, "Davis", "Main Hospital", s.Manifest.Title[0], election.SixWords(s.MID),
			s.Manifest.Origins.Booth + "/v1/" + s.Manifest.ElectionID.String() + "<", s.Manifest.Help.Email, "Pacific time"} {
			if !strings.Contains(pages[i], want) {
				t.Errorf("page %d lacks %q", i, want)
			}
		}
		if tok, _ := s.Minter.Mint(r.Token); strings.Contains(page, tok.Base64()) {
			t.Errorf("page %d shows the token", i)
		}
	}
}

// TestSlipsEscape writes names that try to be more than a name.
func TestSlipsEscape(t *testing.T) {
	t.Parallel()
	s := slipsOf(t)
	for _, name := range []string{
		`<script>alert(1)</script>`, `</bdi></section><p class="code">AAAA</p>`, `"><img src=//x.example>`, `{{.Code}}`, `<!--`, `</style><style>.code{display:none}`,
		`javascript:alert(1)`, "\u202eevil", "a\x00b", "]]>", `'onload='x`,
	} {
		r := recipient(s, name, 1)
		r.Number, r.Campus, r.Worksite, r.Unit = name, name, name, name
		page := write(t, s, r)
		if n := len(printedCode.FindAllString(page, -1)); n != 1 {
			t.Errorf("%q: %d codes", name, n)
		}
		if n, want := strings.Count(page, "<"), strings.Count(write(t, s, recipient(s, "x", 1)), "<"); n != want {
			t.Errorf("%q: %d tags, want %d", name, n, want)
		}
		for _, bad := range []string{"<script", "<img", "<link", "<iframe", "@import", "url(", "src=", "href=", "onload='x", "ZgotmplZ", "<no value>", "http-equiv=\"refresh"} {
			if strings.Contains(page, bad) && !strings.Contains(name, bad) || strings.Contains(page, "<img") || strings.Contains(page, "<script") {
				t.Errorf("%q: %q in the page", name, bad)
			}
		}
	}
}

// TestSlipsMarked demands that what is no real vote says so on each page.
func TestSlipsMarked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want, not string
		opt       func(*electiontest.Plan)
	}{
		{">DEMO<", "REHEARSAL", func(*electiontest.Plan) {}},
		{">REHEARSAL<", "DEMO", func(p *electiontest.Plan) {
			p.Real, p.Change = true, func(m *election.Manifest) { m.Rehearsal = true }
		}},
		{"", "not a real vote", func(p *electiontest.Plan) { p.Real = true }},
	} {
		s := slipsOf(t, tt.opt)
		page := write(t, s, recipient(s, "Ann", 1), recipient(s, "Ben", 2))
		if tt.want != "" && (strings.Count(page, tt.want) != 3 || strings.Count(page, "not a real vote.") != 3) || strings.Contains(page, tt.not) {
			t.Errorf("%q stands there %d times", tt.want, strings.Count(page, tt.want))
		}
	}
}

// TestSlipsRefused demands that nothing is written where one slip is not of
// this election, and that no error says for whom.
func TestSlipsRefused(t *testing.T) {
	t.Parallel()
	s := slipsOf(t)
	for name, change := range map[string]func(*token.Body){
		"an envelope":      func(b *token.Body) { b.Kind = token.KindEnvelope },
		"no kind":          func(b *token.Body) { b.Kind = 0 },
		"another election": func(b *token.Body) { b.Election[0]++ },
		"no group":         func(b *token.Body) { b.Group = 0 },
		"another group":    func(b *token.Body) { b.Group = 99 },
		"another time":     func(b *token.Body) { b.Expires++ },
		"twice":            func(b *token.Body) { *b = recipient(s, "", 1).Token },
	} {
		bad := recipient(s, "Canary", 2)
		change(&bad.Token)
		var b bytes.Buffer
		err := s.Write(&b, []mailer.Recipient{recipient(s, "Ann", 1), bad})
		if !errors.Is(err, mailer.ErrNoSlip) || b.Len() > 0 || strings.Contains(err.Error(), "Canary") {
			t.Errorf("%s: got %v and %d bytes", name, err, b.Len())
		}
	}
	other := *s
	other.Minter = mailer.NewMinter([32]byte{5}, [32]byte{7})
	if err := other.Write(io.Discard, nil); !errors.Is(err, mailer.ErrNoSlip) {
		t.Errorf("another token key: got %v", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if got := fmt.Sprintf(verb, recipient(s, "Canary", 1)) + fmt.Sprintf(verb, []mailer.Recipient{recipient(s, "Canary", 1)}); strings.Contains(strings.ToLower(got), "canary") {
			t.Errorf("%s shows the recipient: %s", verb, got)
		}
	}
}

// TestSlipWords holds the tone of slips: neutral, plain, no begging.
func TestSlipWords(t *testing.T) {
	t.Parallel()
	s := slipsOf(t, func(p *electiontest.Plan) { p.Real = true })
	page := strings.ToLower(write(t, s, recipient(s, "Ann", 1)))
	_, body, _ := strings.Cut(page, "<body>")
	for _, bad := range []string{"!", "please", "hash", "cryptograph", "blind", "token", "strike yes", "vote yes", "vote no"} {
		if strings.Contains(body, bad) {
			t.Errorf("%q on a slip", bad)
		}
	}
}
