package pages_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"strikevote/internal/pages"
	"strikevote/internal/protocol/election"
)

// write makes a folder of these files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// problems reads a folder and returns what is wrong with it, a line for each.
func problems(t *testing.T, dir string) []string {
	t.Helper()
	_, err := pages.ReadFolder(dir, true)
	if err == nil {
		return nil
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		if p := new(pages.Problem); !errors.As(err, p) {
			t.Errorf("%q is no problem of the folder", line)
		}
	}
	return strings.Split(err.Error(), "\n")
}

const (
	listed   = "date,title,from,language,file,mark\n"
	reached  = "campus,name,phone,hours,languages,desk\n"
	consents = "---\ntitle: Nurse\ncampus: North\nconsent: yes\n---\n"
)

func TestReadFolderRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []string // problems begin so
	}{
		{"unknown file", map[string]string{"notes.txt": "x"}, []string{"notes.txt: the pages have no use for it"}},
		{"unknown language", map[string]string{"de/view.md": "x"}, []string{"de: the pages have no use for it"}},
		{"language in another case", map[string]string{"zh-hans/view.md": "x"}, []string{"zh-hans: the pages have no use"}},
		{"unknown text", map[string]string{"en/veiw.md": "x"}, []string{"en/veiw.md: the pages have no use for it"}},
		{"the sample's", map[string]string{"en/expired.md": sampleOf(t, "en/expired.md")}, []string{"en/expired.md: it is still the sample's"}},
		{"not UTF-8", map[string]string{"en/view.md": "a\nb\xff\n"}, []string{"en/view.md:2: it is not valid UTF-8"}},
		{"turned around", map[string]string{"en/view.md": "a \u202eb"}, []string{"en/view.md:1: the character U+202E does not show"}},
		{"control", map[string]string{"en/view.md": "a\n\n\x1b[31m"}, []string{"en/view.md:3: the character U+001B"}},
		{"huge", map[string]string{"en/view.md": strings.Repeat("a", 1<<17)}, []string{"en/view.md: it is larger than"}},
		{"long", map[string]string{"en/view.md": strings.Repeat("word ", 2001)}, []string{"en/view.md: it has 2001 words"}},
		{"HTML", map[string]string{"en/view.md": "fine\n\n<script>alert(1)</script>\n\nand <b onclick=x>this</b>"},
			[]string{"en/view.md:3: HTML is not shown", "en/view.md:5: HTML is not shown", "en/view.md:5: HTML is not shown"}},
		{"picture", map[string]string{"en/view.md": "a\n![x](https://e.example/x.png)"}, []string{"en/view.md:2: pictures are not shown"}},
		{"links", map[string]string{"en/view.md": "[a](javascript:alert(1))\n[b](/e/x)\n[c](//e.example/)\n[d](data:text/html,x)\n<JavaScript:x>\n[e](https://bank.example@e.example/)\n[f](https:///x)\n[g](https://e.example/)\n[h](mailto:a@e.example)\n<https://e.example/>\n<a@e.example>"},
			[]string{"en/view.md:1: a link leads", "en/view.md:2: a link leads", "en/view.md:3: a link leads", "en/view.md:4: a link leads", "en/view.md:5: a link leads", "en/view.md:6: a link leads", "en/view.md:7: a link leads"}},
		{"one side", map[string]string{"en/for.md": "yes"}, []string{"en/for.md: there is no against.md"}},
		{"one side of a language", map[string]string{"en/for.md": "yes", "en/against.md": "no", "es/against.md": "no"}, []string{"es/against.md: there is no for.md"}},
		{"an empty side", map[string]string{"en/for.md": "yes", "en/against.md": " \n"}, []string{"en/for.md: there is no against.md"}},
		{"a longer side", map[string]string{"en/for.md": strings.Repeat("yes ", 401), "en/against.md": strings.Repeat("no ", 400)}, []string{"en/for.md: it has 401 words, and each side has 400"}},
		{"setting", map[string]string{"settings.json": "{\n  \"union\": \"U\",\n  \"unoin\": \"U\"\n}"}, []string{`settings.json:3: there is no setting "unoin"`}},
		{"a deadline of its own", map[string]string{"settings.json": "{\n  \"union\": \"U\",\n  \"dispute_until\": \"2027-02-10\"\n}"}, []string{"settings.json:3: dispute_until: the manifest says until when a report counts (decide_until)"}},
		{"settings cut off", map[string]string{"settings.json": "{\n  \"union\": \"U\",\n"}, []string{"settings.json:3: unexpected EOF"}},
		{"settings of another kind", map[string]string{"settings.json": "{\n  \"union\": 7\n}"}, []string{"settings.json:"}},
		{"two objects", map[string]string{"settings.json": "{}\n{}"}, []string{"settings.json:"}},
		{"settings' values", map[string]string{"settings.json": "{\n\"zone\": \"Moon/Sea\",\n\"record_date\": \"soon\",\n\"join_url\": \"javascript:x\",\n\"union\": {\"de\": \"U\"},\n\"from_name\": \"a\\u202eb\"\n}"},
			[]string{"settings.json:5: union:", "settings.json:6: from_name:", "settings.json:3: record_date:", "settings.json:4: join_url:", "settings.json:2: zone:"}},
		{"contacts", map[string]string{"contacts.csv": reached + "North,,1,,,\nNorth,Ann\n,Ann,1,,,\nNorth,Ann,,,,\nNorth,Ann,1,,,\n"},
			[]string{"contacts.csv:2: it needs a campus and a name", "contacts.csv:3: it has 2 cells", "contacts.csv:4: it needs a campus", "contacts.csv:5: it needs a phone or a desk"}},
		{"contacts' head", map[string]string{"contacts.csv": "name,campus\nAnn,North\n"}, []string{"contacts.csv:1: the first line has to be"}},
		{"contacts' quotes", map[string]string{"contacts.csv": reached + "North,\"Ann,1,,,\n"}, []string{"contacts.csv:"}},
		{"too many contacts", map[string]string{"contacts.csv": reached + strings.Repeat("North,Ann,1,,,\n", 501)}, []string{"contacts.csv:502: there are more than 500 rows"}},
		{"documents", map[string]string{
			"documents/documents.csv": listed + "soon,T,F,en,a.txt,\n2027-01-01,,F,en,a.txt,\n2027-01-01,T,F,en,../secret.txt,\n2027-01-01,T,F,en,/etc/passwd,\n2027-01-01,T,F,en,none.txt,\n2027-01-01,T,F,en,a.txt,first\n2027-01-01,T,F,en,b.txt,\n2027-01-01,T,F,en,b.txt,\n",
			"documents/a.txt":         "a", "documents/b.txt": "b", "documents/c.txt": "c", "documents/d/e.txt": "e"},
			[]string{"documents/d: a folder", "documents/documents.csv:2: date:", "documents/documents.csv:3: it needs a title", "documents/documents.csv:4: file: the name of a file",
				"documents/documents.csv:5: file: the name of a file", "documents/documents.csv:6: file: there is no none.txt", "documents/documents.csv:7: mark:",
				"documents/documents.csv:9: file: b.txt is listed twice", "documents/c.txt: the list does not name it"}},
		{"the sample's list", map[string]string{"documents/documents.csv": sampleOf(t, "documents/documents.csv"), "documents/a.txt": "a"},
			[]string{"documents/documents.csv: it is still the sample's"}},
		{"a list that is read in part", map[string]string{"documents/documents.csv": listed + "2027-01-01,T,F\n", "documents/a.txt": "a"},
			[]string{"documents/documents.csv:2: it has 3 cells"}},
		{"a list of other columns", map[string]string{"documents/documents.csv": "file\na.txt\n", "documents/a.txt": "a"},
			[]string{"documents/documents.csv:1: the first line has to be"}},
		{"two last offers", map[string]string{"documents/documents.csv": listed + "2027-01-01,T,F,en,a.txt,last-offer\n2027-01-01,T,F,en,b.txt,last-offer\n", "documents/a.txt": "a", "documents/b.txt": "b"},
			[]string{"documents/documents.csv: only one document is the last offer"}},
		{"no list", map[string]string{"documents/a.txt": "a"}, []string{"documents/documents.csv: it is missing"}},
		{"kinds", map[string]string{"documents/documents.csv": listed + "2027-01-01,T,F,en,a.html,\n2027-01-01,T,F,en,b.svg,\n2027-01-01,T,F,en,c.pdf,\n2027-01-01,T,F,en,d.txt,\n2027-01-01,T,F,en,e.docx,\n2027-01-01,T,F,en,f.exe,\n",
			"documents/a.html": "<p>", "documents/b.svg": "<svg>", "documents/c.pdf": "<html>", "documents/d.txt": "a\x00b", "documents/e.docx": "<html>", "documents/f.exe": "MZ"},
			[]string{"documents/a.html: a file of this kind", "documents/b.svg: a file of this kind", "documents/c.pdf: it does not begin", "documents/d.txt: it is not a text", "documents/e.docx: it does not begin", "documents/f.exe: a file of this kind"}},
		{"questions", map[string]string{"en/questions.md": "before\n\n## A\n"}, []string{"en/questions.md:1: begin with a question"}},
		{"no answer", map[string]string{"en/questions.md": "## A\n\n## B\nanswer"}, []string{"en/questions.md:1: there is no answer"}},
		{"stories", map[string]string{
			"en/stories/a.md": "once", "en/stories/b.md": "---\ntitle: Nurse\n", "en/stories/c.md": "---\ntitle: Nurse\ncampus: North\n---\nonce",
			"en/stories/d.md": strings.Replace(consents, "yes", "no", 1) + "once", "en/stories/e.md": "---\ncampus: North\nconsent: yes\n---\nonce", "en/stories/f.md": consents,
			"en/stories/g.md": strings.Replace(consents, "title", "age: 7\ntitle", 1) + "once", "en/stories/h.md": consents + "once\n\n<b>upon</b>", "en/stories/i.txt": "x",
			"en/stories/j.md": consents + strings.Repeat("once ", 401)},
			[]string{"en/stories/a.md:1: it has to begin", "en/stories/b.md:1: it has to begin", "en/stories/c.md:1: it is shown only with the member's consent", "en/stories/d.md:1: it is shown only",
				"en/stories/e.md:1: it needs the member's title", "en/stories/f.md:6: there is no story", "en/stories/g.md:2: write name, title",
				"en/stories/h.md:8: HTML", "en/stories/h.md:8: HTML", "en/stories/i.txt: a story is a file", "en/stories/j.md: it has 401 words"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := problems(t, write(t, tt.files))
			want := slices.Clone(tt.want)
			for _, g := range got {
				i := slices.IndexFunc(want, func(w string) bool { return strings.HasPrefix(g, w) })
				if i < 0 {
					t.Errorf("got %s", g)
					continue
				}
				want = slices.Delete(want, i, i+1)
			}
			if len(want) > 0 {
				t.Errorf("nothing was said of %q; got %q", want, got)
			}
		})
	}
}

func sampleOf(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sample")
	if err := pages.WriteSample(dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestReadFolderStaysInside gives it what leads out of the folder, or never ends.
func TestReadFolderStaysInside(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret.md")
	if err := os.WriteFile(secret, []byte("a secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := write(t, map[string]string{"en/stories/.keep": "", "documents/documents.csv": listed + "2027-01-01,T,F,en,a.txt,\n"})
	for link, to := range map[string]string{
		"en/view.md": secret, "en/stories/a.md": secret, "documents/a.txt": secret, "contacts.csv": secret, "settings.json": secret, "es": filepath.Dir(secret),
	} {
		if err := os.Symlink(to, filepath.Join(dir, filepath.FromSlash(link))); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "en", "for.md"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := pages.ReadFolder(dir, true)
	if err == nil || f == nil {
		t.Fatal("links are followed")
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != 8 || strings.Count(err.Error(), "is a link or something else") != 7 || strings.Contains(err.Error(), "a secret") {
		t.Errorf("got %q", got)
	}
	if len(f.Content.View)+len(f.Content.Stories)+len(f.Content.Documents)+len(f.Documents) > 0 {
		t.Errorf("got %+v", f.Content)
	}
}

// TestSample reads the sample: all of it is known, and in a vote that counts none of it
// is shown as it is.
func TestSample(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sample")
	if err := pages.WriteSample(dir); err != nil {
		t.Fatal(err)
	}
	if err := pages.WriteSample(dir); err == nil {
		t.Error("a folder is written over")
	}
	f, err := pages.ReadFolder(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	c := f.Content
	if len(c.View) != 1 || len(c.For) != 1 || len(c.Against) != 1 || len(c.Expired) != 1 || len(c.Questions["en"]) != 2 || len(c.Stories) != 1 ||
		len(c.Contacts) != 3 || len(c.Documents) != 2 || !c.Documents[0].LastOffer || len(f.Documents) != 2 {
		t.Errorf("got %+v", c)
	}
	_, err = pages.ReadFolder(dir, true)
	if n := strings.Count(err.Error(), "still the sample's"); n != 9 {
		t.Errorf("%d files of the sample are refused: %v", n, err)
	}
}

// TestSampleDates: shown as it is, the sample says nothing that is wrong of an election at
// another time.
func TestSampleDates(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sample")
	if err := pages.WriteSample(dir); err != nil {
		t.Fatal(err)
	}
	f, err := pages.ReadFolder(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	c := f.Content
	if c.RecordDate != "" || c.Cutoff != "" || c.ResultOn != "" || c.Compared != nil {
		t.Errorf("the sample's settings name dates: %+v", c.Settings)
	}
	for _, d := range c.Documents {
		if d.Date >= "2026-02-01" {
			t.Errorf("%s is dated %s, which a vote may be before", d.File, d.Date)
		}
	}
}

// TestCheckDates refuses dates that contradict the manifest's.
func TestCheckDates(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	at := func(month time.Month, day, hour int) int64 {
		return time.Date(2026, month, day, hour, 0, 0, 0, zone).Unix()
	}
	schedule := election.Schedule{Open: at(11, 2, 8), Close: at(11, 6, 20), LatestClose: at(11, 8, 20), DecideUntil: at(11, 15, 20)}
	for _, tt := range []struct {
		settings pages.Settings
		closing  int64
		want     string
	}{
		{settings: pages.Settings{}},
		{settings: pages.Settings{RecordDate: "2026-11-06", Cutoff: "2026-11-06", ResultOn: "2026-11-06"}},
		{settings: pages.Settings{ResultOn: "2027-11-08"}},
		{settings: pages.Settings{ResultOn: "2026-11-05"}, want: "settings.json: result_expected: 2026-11-05 is before voting closes, on 2026-11-06"},
		{settings: pages.Settings{ResultOn: "2027-11-09"}, want: "settings.json: result_expected: 2027-11-09 is more than a year after the latest close, on 2026-11-08"},
		{settings: pages.Settings{RecordDate: "2027-01-04", Cutoff: "2027-01-29"},
			want: "settings.json: record_date: 2027-01-04 is after voting closes, on 2026-11-06\nsettings.json: cutoff: 2027-01-29 is after voting closes, on 2026-11-06"},
		{settings: pages.Settings{RecordDate: "2026-11-07"}, closing: at(11, 7, 20)},
		{settings: pages.Settings{ResultOn: "2026-11-06"}, closing: at(11, 5, 20)},
		{settings: pages.Settings{Zone: "Asia/Seoul", ResultOn: "2026-11-06"}, want: "settings.json: result_expected: 2026-11-06 is before voting closes, on 2026-11-07"},
	} {
		c := pages.Content{Settings: tt.settings}
		got := ""
		if err := c.CheckDates(schedule, tt.closing, zone); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.settings, got, tt.want)
		}
	}
}

// TestMoments finds that the pages would have another zone than the mails, if it reads otherwise.
func TestMoments(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	const elsewhere = "Friday, November 6, 3:17 p.m. Pacific time"
	close := time.Date(2026, 11, 6, 15, 17, 0, 0, zone).Unix()
	for own, want := range map[string]string{"": elsewhere, "America/Los_Angeles": elsewhere, "US/Pacific": elsewhere, "UTC": "Friday, November 6, 11:17 p.m. universal time (UTC)"} {
		c := pages.Content{Settings: pages.Settings{Zone: own}}
		if here, there := c.Moments(close, zone); here != want || there != elsewhere {
			t.Errorf("%q: got %q and %q", own, here, there)
		}
	}
}

// TestEmptyFolder is content too: it shows nothing.
func TestEmptyFolder(t *testing.T) {
	t.Parallel()
	f, err := pages.ReadFolder(t.TempDir(), true)
	if err != nil || len(pages.Changes(pages.Content{}, f.Content)) != 0 {
		t.Errorf("got %v, %+v", err, f)
	}
	if _, err := pages.ReadFolder(filepath.Join(t.TempDir(), "none"), true); err == nil {
		t.Error("a folder that is not there is read")
	}
}

// TestLot draws the order of the sides once.
func TestLot(t *testing.T) {
	t.Parallel()
	both := pages.Content{For: pages.Text{"en": "yes"}, Against: pages.Text{"en": "no"}}
	now := time.Unix(1_900_000_000, 0)
	firsts := make(map[bool]int)
	for range 200 {
		e := both.Next(new(pages.Edition), now)
		firsts[e.Content.Lot.AgainstFirst]++
		again := both.Next(e, now.Add(time.Hour))
		if *again.Content.Lot != *e.Content.Lot {
			t.Fatal("the lot is drawn again")
		}
	}
	// Both come up: less than one in 2^100 of such runs would miss one.
	if len(firsts) != 2 || firsts[true] < 40 || firsts[false] < 40 {
		t.Errorf("got %v", firsts)
	}
	if e := (pages.Content{For: both.For}).Next(new(pages.Edition), now); e.Content.Lot != nil {
		t.Error("there is a lot of one side")
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	before := pages.Content{View: pages.Text{"en": "a", "es": "a"}, Contacts: []pages.Contact{{Name: "Ann"}}}
	after := pages.Content{View: pages.Text{"en": "b", "es": "a"}, Settings: pages.Settings{Zone: "UTC"}}
	if got := strings.Join(pages.Changes(before, after), "; "); got != "gone     contacts.csv; changed  en/view.md; new      settings.json" {
		t.Errorf("got %s", got)
	}
}

var (
	tags    = regexp.MustCompile(`<[^>]*>`)
	allowed = regexp.MustCompile(`^</?(p|h[2-6]|ul|ol|ol start="[0-9]+"|li|em|strong|code|code class="[^"<>]*"|pre|blockquote|br|br /|hr|hr /|a)>$` +
		`|^<a href="(http|https|mailto):[^"<>]*" rel="nofollow noopener noreferrer">$`)
)

// FuzzMarkdown looks for a text that becomes markup of its own.
func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{"# a\n*b*", "<script>", "[a](javascript:x)", "![a](x)", "<https://e.example/\"onclick=x>", "[a]: javascript:x\n\n[a]", "`<b>`", "[x](https://e.example/?a=\"b'<>)", "&#106;avascript:", "a\\\nb", "## h {onclick=x}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		html := pages.Markdown(s)
		for _, tag := range tags.FindAllString(html, -1) {
			if !allowed.MatchString(tag) {
				t.Errorf("%q becomes %s", s, tag)
			}
		}
	})
}
