package mailer

import (
	"html"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
	"strikevote/templates"
)

func testRenderer(t *testing.T, opts ...func(*electiontest.Plan)) *renderer {
	t.Helper()
	m, _ := electiontest.Manifest(t, opts...)
	_, mid := electiontest.Encode(t, m)
	mailer, err := New(Config{Manifest: m, MID: mid, From: Address{"Union Ballot", "ballot@union.example"},
		Zone: time.FixedZone("PDT", -7*3600), Pages: Pages{Organizer: "Ana Ruiz, room 12"}})
	if err != nil {
		t.Fatal(err)
	}
	return mailer.render
}

func real(p *electiontest.Plan) { p.Real = true }

var (
	oneUnit  = outcome.Unit{Groups: []suite.GroupID{1, 2}, Entitled: 70, Cast: 52, Yes: 40, No: 10}
	carried  = outcome.Judged{Unit: oneUnit, Judgement: outcome.Judgement{Authorized: true}}
	someone  = someoneIn("en")
	rendered = time.Unix(electiontest.Open, 0)
)

func someoneIn(code string) person {
	return person{name: "Zoë <b>O'Neill</b>", unit: "Unit 1", campus: "Davis", group: 1, language: code,
		link: "https://booth.example/v1/#t=abc_-&m=def", code: "ABCD-EFGH-JKMN-PQRS-TVWX-Y",
		outcome: &Outcome{Votes: [][]uint64{{40, 10, 2}}, Units: []outcome.Judged{carried}, Parts: []outcome.Unit{
			{Groups: []suite.GroupID{1}, Entitled: 30, Cast: 22, Yes: 20, No: 2}, {Groups: []suite.GroupID{2}, Entitled: 40, Cast: 30, Yes: 20, No: 8}},
			CertifiedAt: time.Unix(electiontest.Close, 0)},
		close: electiontest.Close}
}

// each renders every mail in every language.
func each(t *testing.T, r *renderer, p person, f func(t *testing.T, code, kind string, m Mail)) {
	t.Helper()
	for _, l := range language.Tags() {
		for _, kind := range Kinds() {
			p.language = l.Code
			m, err := r.mail(kind, p, rendered)
			if err != nil {
				t.Errorf("%s, %s: %v", l.Code, kind, err)
				continue
			}
			t.Run(l.Code+"/"+kind, func(t *testing.T) { f(t, l.Code, kind, m) })
		}
	}
}

// TestTemplates renders every mail, with a person and with nobody.
func TestTemplates(t *testing.T) {
	t.Parallel()
	r := testRenderer(t, real)
	nobody := someone
	nobody.name, nobody.unit, nobody.campus = "", "", ""
	for _, p := range []person{someone, nobody} {
		each(t, r, p, func(t *testing.T, code, kind string, m Mail) {
			if m.Language != code || m.Subject == "" || !strings.Contains(m.HTML, `<html lang="`+code+`" dir="ltr">`) {
				t.Errorf("it is in %q: %q", m.Language, m.Subject)
			}
			for _, bad := range []string{"<b>O", "ZgotmplZ", "<no value>", "<img", "<script", "<link", "<iframe", "<table", "@import", "url(", "src=", "onload"} {
				if strings.Contains(m.HTML, bad) || bad == "<no value>" && strings.Contains(m.Text, bad) {
					t.Errorf("%q in the HTML part:\n%s", bad, m.HTML)
				}
			}
			for line := range strings.SplitSeq(m.Text, "\n") {
				if n := cells(line); n > columns && strings.ContainsAny(line, " ，。") {
					t.Errorf("a line of %d columns: %q", n, line)
				}
			}
			for _, bad := range []string{"\n\n\n", " \n", "\n ", "  ", " ,", " .", "{{", "!"} {
				if strings.Contains(m.Text, bad) {
					t.Errorf("%q in the text:\n%s", bad, m.Text)
				}
			}
		})
	}
	if _, err := r.mail("nothing", someone, rendered); err == nil {
		t.Error("a kind that there is not is rendered")
	}
}

// TestTemplatesUsed: every file is the words of a kind in one of the languages, or what
// all share.
func TestTemplatesUsed(t *testing.T) {
	t.Parallel()
	want := map[string]bool{"mail/layout.html": true}
	for _, l := range language.Tags() {
		for _, kind := range append(Kinds(), "layout") {
			want["mail/"+l.Code+"/"+kind+".txt"] = true
		}
	}
	err := fs.WalkDir(templates.Mail, "mail", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !want[p] {
			t.Errorf("%s is used by nothing", p)
		}
		delete(want, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for p := range want {
		t.Errorf("%s is missing", p)
	}
}

// TestSecretsOnlyWhereLinked: no mail but those with a link names a link, a code or the
// block with both, and the one to an old address not even its reader.
func TestSecretsOnlyWhereLinked(t *testing.T) {
	t.Parallel()
	secret := regexp.MustCompile(`\.(Link|Code|CodeURL|SixWords)\b|"ballot"`)
	for _, l := range language.Tags() {
		for _, kind := range Kinds() {
			b, err := templates.Mail.ReadFile("mail/" + l.Code + "/" + kind + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			if got := secret.Match(b); got != linked(kind) {
				t.Errorf("%s, %s: it has a link is %v", l.Code, kind, got)
			}
			if kind == Replaced && regexp.MustCompile(`\.(Name|GroupName|Campus|Title)\b|"hello"|"foot"`).Match(b) {
				t.Errorf("%s: who has an old address learns whose it was", l.Code)
			}
		}
	}
	each(t, testRenderer(t, real), someone, func(t *testing.T, _, kind string, m Mail) {
		if all := m.Subject + m.Text + m.HTML; !linked(kind) && (strings.Contains(all, "#t=") || strings.Contains(all, someone.code)) {
			t.Error("a link or a code")
		}
		if strings.Contains(m.Subject, "Neill") || kind == Replaced && strings.Contains(m.Text+m.HTML, "Neill") {
			t.Error("a name")
		}
	})
}

// TestMarks: what is no real vote says so first, in subject and body, in every language.
func TestMarks(t *testing.T) {
	t.Parallel()
	for word, opt := range map[string]func(*electiontest.Plan){
		"DEMO":      func(*electiontest.Plan) {},
		"REHEARSAL": func(p *electiontest.Plan) { p.Real, p.Change = true, func(m *election.Manifest) { m.Rehearsal = true } },
		"":          real,
	} {
		each(t, testRenderer(t, opt), someone, func(t *testing.T, code, _ string, m Mail) {
			demo, rehearsal := language.Of(code).Text("common.demo"), language.Of(code).Text("common.rehearsal")
			first, _, _ := strings.Cut(m.Text, "\n")
			switch word {
			case "DEMO":
				if first != demo {
					t.Errorf("it begins with %q", first)
				}
			case "REHEARSAL":
				if first != rehearsal {
					t.Errorf("it begins with %q", first)
				}
			default:
				if strings.Contains(m.Text, demo) || strings.Contains(m.Text, rehearsal) {
					t.Errorf("a real vote: %q", first)
				}
			}
			mark, _, _ := strings.Cut(m.Subject, language.Of(code).Text("common.union"))
			if word == "" && strings.ContainsAny(mark, "ADEO") || !strings.Contains(mark, word) {
				t.Errorf("the subject is %q", m.Subject)
			}
			if word != "" && !strings.Contains(m.HTML, "<strong>"+first+"</strong>") {
				t.Error("the HTML does not say so")
			}
		})
	}
}

var (
	tags  = regexp.MustCompile(`<[^>]*>`)
	hrefs = regexp.MustCompile(`(\w+)="([^"]*:[^"]*)"`)
	urls  = regexp.MustCompile(`[a-z]+://\S+|\bwww\.\S+`)
)

// words takes a text's words apart, without what no one speaks.
func words(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == ':' || r == '：' }), "")
}

// TestSameWords demands of the HTML part the words of the text part, in their order.
func TestSameWords(t *testing.T) {
	t.Parallel()
	each(t, testRenderer(t, real), someone, func(t *testing.T, _, _ string, m Mail) {
		_, body, _ := strings.Cut(m.HTML, "<body>")
		got := html.UnescapeString(tags.ReplaceAllString(body, ""))
		if words(got) != words(m.Text) {
			t.Errorf("got\n%s\nwant\n%s", got, m.Text)
		}
	})
}

// TestAddresses: no address appears but that of the ballot, the union's pages, and whom
// to write to, and in each mail those that it has to name.
func TestAddresses(t *testing.T) {
	t.Parallel()
	r := testRenderer(t, real)
	o, id := r.c.Manifest.Origins, r.c.Manifest.ElectionID.String()
	code, vote, box := o.Booth+"/v1/"+id, o.Board+"/e/"+id+"/", o.Board+"/e/"+id+"/box"
	result, report := o.Board+"/e/"+id+"/result", o.Registrar+"/v1/"+id+"/report"
	need := map[string][]string{
		Announcement: {vote}, Invitation: {someone.link, code, vote}, Reminder: {someone.link, code, vote}, Closing: {someone.link, code, vote},
		Moved:  {someone.link, code, vote},
		Resend: {someone.link, code, vote}, Corrected: {someone.link, code, vote}, Replaced: {}, Issued: {box, report, vote},
		Envelope: {someone.link, code, vote}, Deposited: {box, vote}, Result: {result, box, vote},
	}
	each(t, r, someone, func(t *testing.T, _, kind string, m Mail) {
		for _, address := range need[kind] {
			if !slices.Contains(strings.Fields(m.Text), address) || !strings.Contains(m.HTML, `clicktracking=off href="`+html.EscapeString(address)+`"`) {
				t.Errorf("it does not name %s:\n%s\n%s", address, m.Text, m.HTML)
			}
		}
		for _, u := range append(urls.FindAllString(m.Text, -1), urls.FindAllString(tags.ReplaceAllString(m.HTML, " "), -1)...) {
			if !slices.Contains(need[kind], html.UnescapeString(u)) {
				t.Errorf("it names %s", u)
			}
		}
		_, body, _ := strings.Cut(m.HTML, "<body>")
		for _, a := range hrefs.FindAllStringSubmatch(body, -1) {
			if u := html.UnescapeString(a[2]); a[1] != "href" || u != "mailto:help@union.example" && !slices.Contains(need[kind], u) {
				t.Errorf("%s leads to %s", a[1], u)
			}
		}
		if n := strings.Count(m.HTML, `class="b"`); (n == 1) != linked(kind) || n > 1 {
			t.Errorf("%d buttons", n)
		}
	})
}

// TestLength holds the number of words in English, in which the others are written.
func TestLength(t *testing.T) {
	t.Parallel()
	r := testRenderer(t, real)
	for _, kind := range Kinds() {
		p := someone
		p.name = "Zoë"
		m, err := r.mail(kind, p, rendered)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(strings.Fields(m.Text)); n > longestMail[kind] {
			t.Errorf("%s has %d words", kind, n)
		}
	}
}

// longestMail is the number of words that a kind may have. Those that say more have to:
// what a reader of them has to know does not fit in fewer.
var longestMail = map[string]int{Announcement: 120, Invitation: 120, Reminder: 120, Closing: 120, Moved: 120, Resend: 120, Corrected: 120, Replaced: 120,
	Issued: 140, Envelope: 130, Deposited: 120, Result: 120}

// TestNeutral refuses words of a campaign, of the trade, and those that beg, in what is
// said in English.
func TestNeutral(t *testing.T) {
	t.Parallel()
	never := regexp.MustCompile(`(?i)\b(hash\w*|key ceremon\w*|cryptograph\w*|encrypt\w*|blind\w*|log|ledger|token|server|verif\w*|user|voter|click|` +
		`please|sorry|simply|thank\w*|vote (yes|no)|fight\w*|win|solidarity|together we|our (power|fight)|support the|fair contract|can't|don't|midnight|soon)\b|!`)
	r := testRenderer(t, real)
	for _, kind := range Kinds() {
		m, err := r.mail(kind, someone, rendered)
		if err != nil {
			t.Fatal(err)
		}
		text := urls.ReplaceAllString(m.Subject+"\n"+m.Text, "")
		if word := never.FindString(text); word != "" {
			t.Errorf("%s says %q:\n%s", kind, word, text)
		}
	}
	for _, text := range []string{"Vote yes.", "The hash of your ballot", "Click here", "Vote now!", "We fight", "closes soon"} {
		if !never.MatchString(text) {
			t.Errorf("negative control: %q passes", text)
		}
	}
}

func TestGroupName(t *testing.T) {
	t.Parallel()
	m := &election.Manifest{Groups: []election.Group{{ID: 1, Name: "HX", Units: []string{"HX"}}, {ID: 2, Name: "RX and TX", Units: []string{"RX", "TX"}}}}
	for _, tt := range []struct {
		group suite.GroupID
		unit  string
		want  string
	}{{1, "HX", "HX"}, {2, "TX", "RX and TX (TX)"}, {2, "", "RX and TX"}} {
		if got := groupName(m, person{group: tt.group, unit: tt.unit}); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// TestKindsComplete: the outbox's kinds are the templates' names.
func TestKindsComplete(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(templates.Mail, "mail/en/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, f := range files {
		if name := strings.TrimSuffix(path.Base(f), ".txt"); name != "layout" {
			kinds = append(kinds, name)
		}
	}
	want := Kinds()
	slices.Sort(want)
	if !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
}
