package pages_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/language"
	"strikevote/internal/pages"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/protocol/tlog"
	recordfiles "strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// A counted is a site that shows a real record.
type counted struct {
	t        *testing.T
	election *audittest.Election
	files    audittest.Files
	turnout  []byte
	content  pages.Content
	site     *pages.Site
}

func newCounted(t *testing.T, o audittest.Options) *counted {
	t.Helper()
	c := &counted{t: t}
	c.election, c.files = audittest.Record(t, o)
	c.site = &pages.Site{
		Lookup: func(id suite.ElectionID) (pages.Record, bool) {
			return published{c.files}, id == c.election.Manifest.ElectionID
		},
		Turnout: func(context.Context, suite.ElectionID) ([]byte, error) {
			if c.turnout == nil {
				return nil, pages.ErrNotFound
			}
			return c.turnout, nil
		},
		Content: func(context.Context, suite.ElectionID) (pages.Source, error) { return c, nil },
		Now:     func() time.Time { return time.Unix(audittest.Locked+3600, 0) },
	}
	return c
}

func (c *counted) Edition(context.Context, int) ([]byte, error) {
	return json.Marshal(pages.Edition{Number: 1, Content: c.content})
}

func (c *counted) Document(context.Context, suite.Hash) ([]byte, error) {
	return nil, pages.ErrNotFound
}

// published is a record in files as a board shows it.
type published struct{ fstest.MapFS }

func (p published) Resource(_ context.Context, path string) ([]byte, error) {
	b, err := p.ReadFile(path)
	if err != nil {
		return nil, pages.ErrNotFound
	}
	return b, nil
}

func (p published) Files(context.Context) ([]string, error) {
	var list []string
	for path := range p.MapFS {
		if !strings.HasPrefix(path, "ledger/") && !strings.HasPrefix(path, "ballots/") {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list, nil
}

func (c *counted) ask(r *http.Request) *http.Response {
	rec := httptest.NewRecorder()
	c.site.Handler().ServeHTTP(rec, r)
	return rec.Result()
}

func (c *counted) address(path string) string {
	return "/e/" + c.election.Manifest.ElectionID.String() + "/" + path
}

func (c *counted) get(path string) *http.Response {
	return c.ask(httptest.NewRequest(http.MethodGet, c.address(path), nil))
}

var (
	markup = regexp.MustCompile(`(?s)<svg.*?</svg>|<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

// text returns what a page says, without its markup.
func (c *counted) text(path string) string {
	c.t.Helper()
	resp := c.get(path)
	body := read(c.t, resp)
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: status %d: %s", path, resp.StatusCode, body)
	}
	return plain(body)
}

func plain(body string) string {
	if _, main, ok := strings.Cut(body, `<main id="main">`); ok {
		body, _, _ = strings.Cut(main, "</main>")
	}
	return strings.TrimSpace(spaces.ReplaceAllString(markup.ReplaceAllString(body, " "), " "))
}

// says checks that a page says all of some sentences.
func (c *counted) says(path string, sentences ...string) {
	c.t.Helper()
	got := c.text(path)
	for _, s := range sentences {
		if !strings.Contains(got, s) {
			c.t.Errorf("%s does not say %q:\n%s", path, s, got)
		}
	}
}

// silent checks that a page says none of some sentences.
func (c *counted) silent(path string, sentences ...string) {
	c.t.Helper()
	got := c.text(path)
	for _, s := range sentences {
		if strings.Contains(got, s) {
			c.t.Errorf("%s says %q:\n%s", path, s, got)
		}
	}
}

// votes makes ballots of one question: so many yes, no and abstain.
func votes(yes, no, neither int) []ballot.Choices {
	var list []ballot.Choices
	for i, n := range []int{yes, no, neither} {
		for range n {
			list = append(list, ballot.Choices{uint8(i)})
		}
	}
	return list
}

func plan(t *testing.T, preset string, perGroup bool, groups ...audittest.GroupPlan) audittest.Options {
	t.Helper()
	rule, err := election.Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	rule.PerGroup = perGroup
	return audittest.Options{Plan: &audittest.Plan{
		ID: suite.ElectionID{0xe2}, Rule: rule, KMin: 10, Groups: groups, Openers: []int{1, 2},
		Questions: []election.Question{{Text: []string{"Do you authorize the leadership to call a strike?"}, Options: []election.Option{
			{Text: []string{"Yes"}, Role: election.RoleYes}, {Text: []string{"No"}, Role: election.RoleNo},
			{Text: []string{"Abstain"}, Role: election.RoleNeutral},
		}}},
	}}
}

// TestResultStages shows one election at each stage: what is not published is not
// said, and not to be downloaded.
func TestResultStages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		options     audittest.Options
		says        []string
		silent      []string
		certificate string
	}{
		{
			audittest.Options{Stage: layout.Locked},
			[]string{"Voting has closed. The totals are not open yet. It takes 2 of 3 tellers to open them.", "The whole record (ZIP)"},
			[]string{"authorize", "Votes"},
			"There is no certificate yet",
		},
		{
			audittest.Options{Stage: layout.Opened},
			[]string{
				"Opened, not yet certified. The tellers opened these totals. 2 members of the committee sign after the checks.",
				"The members", "The committee answers this when it certifies.", "Say too that the result is not certified yet.",
			},
			[]string{"Certified", "The certificate, on one page"},
			"There is no certificate yet",
		},
		{
			audittest.Options{},
			[]string{"Certified on", "by Member 1 and Member 2.", "The certificate, on one page to print", "1 member whose report “It was not me” the committee upheld before it signed"},
			[]string{"not yet certified", "The committee answers this when"},
			"Final mark of the box (29 entries)",
		},
		{
			audittest.Options{Cancelled: true},
			[]string{"This vote was cancelled.", "There is no result"},
			[]string{"Votes", "authorize"},
			"There is no certificate yet",
		},
	} {
		t.Run(fmt.Sprint(tt.options.Stage, tt.options.Cancelled), func(t *testing.T) {
			t.Parallel()
			c := newCounted(t, tt.options)
			c.says("result", tt.says...)
			c.silent("result", tt.silent...)
			c.says("certificate", tt.certificate)
			c.says("turnout", "These are the last numbers.", "In the box", "Not cast")
			status := http.StatusNotFound
			if strings.Contains(c.text("result"), "Votes") {
				status = http.StatusOK
			}
			if resp := c.get("result.csv"); resp.StatusCode != status {
				t.Errorf("the table is answered %d, want %d", resp.StatusCode, status)
			}
			c.verifies()
		})
	}
}

// verifies downloads the record and has it audited as `strikevote verify` does.
func (c *counted) verifies() {
	c.t.Helper()
	resp := c.get("record.zip")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/zip" {
		c.t.Fatalf("record.zip: %d, %v", resp.StatusCode, resp.Header)
	}
	body := new(bytes.Buffer)
	if _, err := body.ReadFrom(resp.Body); err != nil {
		c.t.Fatal(err)
	}
	file := filepath.Join(c.t.TempDir(), "record.zip")
	if err := os.WriteFile(file, body.Bytes(), 0o600); err != nil {
		c.t.Fatal(err)
	}
	fsys, closer, err := recordfiles.Open(c.t.Context(), file)
	if err != nil {
		c.t.Fatal(err)
	}
	defer closer.Close()
	report, err := audit.Verify(c.t.Context(), fsys, audit.Options{})
	if err != nil || report.Fault() != "" {
		c.t.Errorf("the record that was downloaded: %v, %s", err, report.Fault())
	}
	// Nothing of the record is left out: another count of the same files.
	n := 0
	err = fs.WalkDir(fsys, ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil || n != len(c.files) {
		c.t.Errorf("%d files of %d: %v", n, len(c.files), err)
	}
}

// TestNoRecordYet: before both logs have ended there is no record, and while the
// files of a stage come one after the other the last whole one is downloaded.
func TestNoRecordYet(t *testing.T) {
	t.Parallel()
	c := newCounted(t, audittest.Options{})
	full := c.files
	without := func(paths ...string) {
		c.files = make(audittest.Files)
		for path, f := range full {
			if !slices.Contains(paths, path) {
				c.files[path] = f
			}
		}
	}
	for _, path := range []string{layout.StatementBox, layout.StatementRegistrar} {
		without(path)
		if resp := c.get("record.zip"); resp.StatusCode != http.StatusNotFound {
			t.Errorf("without %s: status %d", path, resp.StatusCode)
		}
	}
	without(layout.Certification)
	paths := c.zipped()
	if slices.Contains(paths, layout.Certificate) || !slices.Contains(paths, layout.Result) {
		t.Errorf("between two stages: %q", paths)
	}
	without(layout.StatementTeller(2))
	if paths = c.zipped(); slices.Contains(paths, layout.StatementTeller(1)) || !slices.Contains(paths, layout.Certification) {
		t.Errorf("while statements come: %q", paths)
	}
	without(layout.Act(1))
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("a record with a hole is downloaded as if it were whole")
			}
		}()
		delete(c.files, layout.Roll(1))
		c.get("record.zip")
	}()
}

// TestResultAlone shows the result while the box's half of the record, which is not needed
// any more, does not answer; or says that the page cannot be shown, and never that there
// is no result.
func TestResultAlone(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		c := newCounted(t, audittest.Options{})
		if before {
			c.says("result", "Certified on")
		}
		for path := range c.files {
			if path == layout.StatementBox || strings.HasPrefix(path, layout.Ballots+"/") {
				delete(c.files, path)
			}
		}
		if before {
			c.says("result", "Certified on")
			c.says("certificate", "Final mark of the box (29 entries)")
		} else if resp := c.get("result"); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("nothing was read before: %d", resp.StatusCode)
		}
	}
}

// TestDownloads refuses a download beside too many others, in words, for a moment and
// without a line in the log, which anybody could fill so. One network cannot keep all
// others from the record.
func TestDownloads(t *testing.T) {
	t.Parallel()
	c := newCounted(t, audittest.Options{Stage: layout.Locked})
	var log strings.Builder
	c.site.Log = slog.New(slog.NewTextHandler(&log, nil))
	c.site.Address = func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get("X-Test")) }
	ask := func(method, from string) *http.Response {
		r := httptest.NewRequest(method, c.address("record.zip"), nil)
		r.Header.Set("X-Test", from)
		return c.ask(r)
	}
	var ends []func()
	begin := func(from string) {
		t.Helper()
		done, err := c.site.Download(netip.MustParseAddr(from))
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, done)
	}
	refused := func(from string, status int, says string) {
		t.Helper()
		resp := ask("GET", from)
		body := read(t, resp)
		if h := resp.Header; resp.StatusCode != status || h.Get("Retry-After") != "60" || h.Get("Cache-Control") != "no-store" || h.Get("Content-Disposition") != "" ||
			!strings.HasPrefix(h.Get("Content-Type"), "text/html") || !strings.Contains(body, "<h1>This download is busy now</h1>") || !strings.Contains(body, says) {
			t.Errorf("from %s: %d, %v, %s", from, resp.StatusCode, h, body)
		}
	}
	for range 2 {
		begin("2001:db8::1")
	}
	refused("2001:db8::2", http.StatusTooManyRequests, "Two downloads from your network are under way.")
	if resp := ask("HEAD", "2001:db8::2"); resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/zip" {
		t.Errorf("HEAD takes a place: %d", resp.StatusCode)
	}
	for i := range 6 {
		if resp := ask("GET", "192.0.2.1"); resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/zip" {
			t.Errorf("another network beside %d downloads: %d", 2+i, resp.StatusCode)
		}
		begin(fmt.Sprintf("192.0.2.%d", 10+i))
	}
	refused("192.0.2.1", http.StatusServiceUnavailable, "Many people are downloading the record.")
	if log.Len() > 0 {
		t.Errorf("the log says %q", &log)
	}
	ends[7]()
	for range 2 {
		if resp := ask("GET", "192.0.2.1"); resp.StatusCode != http.StatusOK {
			t.Errorf("one that has ended counts on: %d", resp.StatusCode)
		}
	}
}

func (c *counted) zipped() (paths []string) {
	c.t.Helper()
	body := read(c.t, c.get("record.zip"))
	z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range z.File {
		paths = append(paths, f.Name)
	}
	return paths
}

// TestFalseFiles: a result or certificate that does not belong here is shown as none.
func TestFalseFiles(t *testing.T) {
	t.Parallel()
	c, other := newCounted(t, audittest.Options{}), newCounted(t, audittest.Options{Ballots: 30})
	own := c.files
	for _, path := range []string{layout.Result, layout.Certificate, layout.Certification} {
		c.files = maps.Clone(own)
		c.files[path] = other.files[path]
		if resp := c.get("result"); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("with another election's %s: status %d", path, resp.StatusCode)
		}
	}
}

// TestCertificateGroups: a certificate that counts groups that the manifest has not is
// refused, whoever has signed it.
func TestCertificateGroups(t *testing.T) {
	t.Parallel()
	c := newCounted(t, audittest.Options{})
	honest := c.election
	for name, forge := range map[string]func(*tally.Certificate){
		"unknown": func(c *tally.Certificate) { c.Groups[2].ID = 99 },
		"twice":   func(c *tally.Certificate) { c.Groups[2].ID = c.Groups[1].ID },
		"missing": func(c *tally.Certificate) { c.Groups = c.Groups[:2] },
		"more":    func(c *tally.Certificate) { c.Groups = append(c.Groups, tally.GroupCounts{ID: 99}) },
		"none":    func(c *tally.Certificate) { c.Groups = c.Groups[:0] },
	} {
		forged := honest.Clone()
		forged.Forge.Certificate = forge
		c.files = forged.Publish(t)
		for _, path := range []string{"certificate", "result"} {
			if resp := c.get(path); resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s, %s: status %d", name, path, resp.StatusCode)
			}
		}
	}
}

// TestResultCases shows every case of an outcome by a real record.
func TestResultCases(t *testing.T) {
	t.Parallel()
	group := func(roll, yes, no, neither int) audittest.GroupPlan {
		return audittest.GroupPlan{Roll: roll, Ballots: votes(yes, no, neither)}
	}
	for _, tt := range []struct {
		name    string
		options audittest.Options
		says    []string
		silent  []string
	}{
		{"carried", plan(t, "simple", false, group(30, 14, 3, 1)), []string{
			"The members authorize the leadership to call a strike. This vote has not called a strike.",
			"Yes 14 of 17 yes and no votes: 82.4%.", "more than half of the yes and no votes: 9 or more.", "In the box 18 of 30 entitled members: 60.0%.",
			"Abstain 1 not counted in the share", "No. Yes leads by 11.", "Of 17 who voted yes or no, 82.4% voted yes. This authorizes the leadership to call a strike. It does not call one.",
			"Represented employees: 41.",
		}, []string{"All groups together G1"}},
		{"failed", plan(t, "simple", false, group(30, 3, 14, 1)), []string{
			"The members do not authorize the leadership to call a strike.", "This does not authorize the leadership to call a strike.",
		}, []string{"has not called"}},
		{"mixed", plan(t, "simple", true, group(30, 14, 3, 0), group(30, 2, 13, 0)), []string{
			"G1 authorizes the leadership to call a strike, G2 does not. This vote has not called a strike.", "G2: Yes: 2 of 15",
		}, nil},
		{"tie", plan(t, "simple", false, group(30, 8, 8, 1)), []string{
			"The members do not authorize the leadership to call a strike. Yes and no are equal, and the rule needs more yes than no.",
		}, []string{"has not called"}},
		{"quorum", plan(t, "uk", false, group(30, 13, 1, 0)), []string{"14 of 30 entitled members voted (46.7%). The rule needs ballots from at least half of the entitled members: 15 or more."}, nil},
		{"share of all", plan(t, "uk-important", false, group(30, 11, 9, 0)), []string{"Yes: 11 of 30 entitled members (36.7%). The rule needs yes from at least two fifths of the entitled members: 12 or more."}, nil},
		{"merged and unanimous", plan(t, "simple", true, group(30, 14, 0, 0), group(30, 9, 9, 0), audittest.GroupPlan{Roll: 30, Parent: 2, Ballots: votes(2, 0, 0)}), []string{
			"G2 and G3 are counted together, because one or more of them had fewer than 10 ballots.",
			"Every ballot in G1 gave the same answer, so the total shows how each of them voted.", "G2 and G3 Do you authorize",
		}, nil},
		{"material", plan(t, "simple", false, audittest.GroupPlan{Roll: 30, Ballots: votes(9, 7, 0), Idle: 3}), []string{
			"Yes, it could.", "3 ballots issued or accepted, and not in the box",
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCounted(t, tt.options)
			c.content.Represented = 41
			c.says("result", tt.says...)
			c.silent("result", tt.silent...)
			if resp := c.get("certificate"); resp.StatusCode != http.StatusOK {
				t.Errorf("certificate: status %d", resp.StatusCode)
			}
		})
	}
}

// TestPlots: bars and marks are attributes of hidden drawings, and the table is whole
// without them.
func TestPlots(t *testing.T) {
	t.Parallel()
	c := newCounted(t, plan(t, "two-thirds", false, audittest.GroupPlan{Roll: 30, Ballots: votes(15, 5, 0)}))
	body := read(t, c.get("result"))
	if n := strings.Count(body, "<svg"); n != 2 || strings.Count(body, `aria-hidden="true"`) != n {
		t.Errorf("%d drawings", n)
	}
	for _, want := range []string{`class="fill" x="0" y="0" width="750"`, `class="need" d="M666 0V60"`, `class="fill" x="0" y="0" width="250"`} {
		if strings.Count(body, want) != 1 {
			t.Errorf("%s stands %d times in %s", want, strings.Count(body, want), body)
		}
	}
	if strings.Contains(body, "style=") {
		t.Error("the policy of the pages allows no style attribute")
	}
}

// TestCrossOrigin: with an Integrity-Policy a browser loads no script whose hash stands
// beside it unless it is asked for in the mode that lets the hash be compared.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	c := newCounted(t, audittest.Options{Stage: layout.Locked})
	for _, path := range []string{"", "box", "result", "none"} {
		resp := c.get(path)
		body := read(t, resp)
		if !strings.Contains(resp.Header.Get("Integrity-Policy"), "script") {
			t.Errorf("%q: no policy", path)
		}
		loaded := regexp.MustCompile(`<(script|link) [^>]*>`).FindAllString(body, -1)
		if len(loaded) < 2 {
			t.Errorf("%q: loads %q", path, loaded)
		}
		for _, tag := range loaded {
			if !strings.Contains(tag, ` integrity="sha256-`) || !strings.Contains(tag, ` crossorigin="anonymous"`) {
				t.Errorf("%q: %s is not loaded", path, tag)
			}
		}
	}
}

// TestTable reads the table as a spreadsheet does.
func TestTable(t *testing.T) {
	t.Parallel()
	o := plan(t, "simple", true, audittest.GroupPlan{Roll: 30, Ballots: votes(14, 3, 1)}, audittest.GroupPlan{Roll: 30, Ballots: votes(4, 13, 0)})
	o.Plan.Questions[0].Options[0].Text[0] = `=HYPERLINK("https://evil.example","Yes")`
	o.Plan.Questions[0].Options[1].Text[0] = "-1"
	c := newCounted(t, o)
	resp := c.get("result.csv")
	body := read(t, resp)
	if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="result.csv"` {
		t.Errorf("disposition %q", got)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
	if err != nil || len(rows) != 10 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	want := []string{"G1 and G2", "Do you authorize the leadership to call a strike?", `'=HYPERLINK("https://evil.example","Yes")`, "yes", "18", "34", "35", "60", "certified"}
	if !slices.Equal(rows[1], want) {
		t.Errorf("got %q", rows[1])
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("a spreadsheet reads %q as a formula", cell)
			}
		}
	}
	if got := read(t, c.get("result")); strings.Contains(got, "<a href=\"https://evil") {
		t.Error("a text of the manifest is markup")
	}
}

// TestTurnoutPage shows what the side that knows names tells, and the record's own
// counts once it has ended.
func TestTurnoutPage(t *testing.T) {
	t.Parallel()
	c := newCounted(t, audittest.Options{Stage: layout.Locked})
	delete(c.files, layout.StatementBox)
	c.site.Now = func() time.Time { return time.Unix(audittest.Open-60, 0) }
	c.says("turnout", "Voting has not opened. No ballot is issued yet.")
	if resp := c.get("turnout.json"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("before: status %d", resp.StatusCode)
	}
	c.site.Now = func() time.Time { return time.Unix(audittest.Open+3600, 0) }
	c.says("turnout", "The turnout is not told here yet.")
	c.turnout = fmt.Appendf(nil, `{"at":%d,"final":false,"floor":25,"groups":[{"id":1,"issued":10,"entitled":40},{"id":2,"issued":0,"entitled":30},{"id":3,"issued":12,"entitled":25}],
		"places":[{"name":"Davis","issued":20,"entitled":60}],"other":{"name":"","issued":0,"entitled":35}}`, audittest.Open+900)
	c.says("turnout", "Ballots issued: 22 of 95 entitled members (23.2%). Updated in batches, last on", "HX 10 40 25.0%", "Davis 20 60 33.3%", "other 0 35 0.0%",
		"Places with fewer than 25 members are counted under", "There is no running total of answers: nobody has one.")
	c.silent("turnout", "In the box", "Not cast")
	// The quarter hour of the first look may be before the opening.
	told := c.turnout
	c.turnout = bytes.Replace(told, fmt.Append(nil, audittest.Open+900), fmt.Append(nil, audittest.Open-600), 1)
	c.says("turnout", "last on "+language.Of("en").Moment(time.Unix(audittest.Open, 0).UTC()))
	c.turnout = told
	if got := read(t, c.get("turnout.json")); got != string(c.turnout) {
		t.Errorf("the file is %s", got)
	}
	// Members who were added vote before they are told as entitled.
	const added = "Members who were added after the roll was signed"
	c.silent("turnout", added)
	c.turnout = []byte(`{"floor":25,"groups":[{"id":1,"issued":42,"entitled":40},{"id":2,"issued":8,"entitled":30},{"id":3,"issued":25,"entitled":25}],
		"places":[{"name":"Davis","issued":61,"entitled":60}],"other":{"name":"","issued":14,"entitled":35}}`)
	c.says("turnout", "Ballots issued: 75 of 97 entitled members (77.3%).", "HX 42 42 100.0%", "Davis 61 61 100.0%", "other 14 35 40.0%", added)
	c.turnout = []byte(`{"groups":[{"id":9}]}`)
	if resp := c.get("turnout"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("of another election: status %d", resp.StatusCode)
	}
}

// TestTurnoutCrowd asks for the turnout where ballots are issued once, however many look.
func TestTurnoutCrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked := 0
	w.site.Turnout = func(ctx context.Context, _ suite.ElectionID) ([]byte, error) {
		asked++
		return []byte(`{"groups":[]}`), ctx.Err()
	}
	w.site.Keep = time.Minute
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	path := "/e/" + w.manifest.ElectionID.String() + "/turnout"
	for range 3 {
		for _, path := range []string{path, path + ".json"} {
			w.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, "GET", path, nil))
			if resp := w.ask("GET", path); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", path, resp.StatusCode)
			}
		}
	}
	if asked != 1 {
		t.Errorf("it was asked for %d times", asked)
	}
}

// search looks for what was typed as the page's form does.
func (c *counted) search(typed string, more ...string) *http.Response {
	values := url.Values{"tracker": {typed}}
	for i := 0; i+1 < len(more); i += 2 {
		values.Set(more[i], more[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, c.address("box"), strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.ask(r)
}

func (c *counted) trackers() (list []string) {
	c.t.Helper()
	for _, entry := range c.election.Ballots {
		list = append(list, receipt.Tracker(c.election.BallotID(c.t, entry)))
	}
	return list
}

// TestFind looks for every ballot of a record, and checks the proof that comes for it.
func TestFind(t *testing.T) {
	t.Parallel()
	c := newCounted(t, audittest.Options{Stage: layout.Locked})
	policy, err := c.election.Manifest.BallotsPolicy()
	if err != nil {
		t.Fatal(err)
	}
	c.says("box", "The box holds 27 sealed ballots.", "2 of 3 outside witnesses confirmed this on", "witness-1.example", "not yet")
	for i, tracker := range c.trackers() {
		resp := c.search(strings.ToLower(strings.ReplaceAll(tracker, "-", " ")), "proof", "1")
		if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Content-Disposition") != `attachment; filename="proof.txt"` {
			t.Fatalf("headers %v", resp.Header)
		}
		p, err := tlog.ParseProof([]byte(read(t, resp) + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.Extra, c.election.Ballots[i]) {
			t.Errorf("ballot %d: another entry", i)
		}
		if _, err := p.Check(policy, tlog.LeafHash(p.Extra)); err != nil {
			t.Errorf("ballot %d: %v", i, err)
		}
		if _, err := ledger.ParseBallots(p.Extra); err != nil {
			t.Error(err)
		}
	}
	body := read(t, c.search(c.trackers()[3]))
	if !strings.Contains(body, `data-state="found">`) || !strings.Contains(body, c.trackers()[3]) || !strings.Contains(body, `data-state="unknown" hidden`) {
		t.Errorf("a ballot that is there: %s", body)
	}
	if got := c.search(c.trackers()[3]).Header.Get("Location"); got != "" {
		t.Errorf("the tracker leads to an address: %s", got)
	}
}

// TestFindNothing: what is no tracker is not looked up, and a code stands nowhere in
// what comes back.
func TestFindNothing(t *testing.T) {
	t.Parallel()
	c := newCounted(t, audittest.Options{Stage: layout.Locked})
	other := "0000-0000-0000-0000-0000"
	code := "7KQF-2M3N-4P5Q-6R7S-8T9V-W"
	for _, tt := range []struct{ typed, state, says string }{
		{other, "unknown", other},
		{code, "code", "That is a code, not a tracker. We did not look it up."},
		{strings.ToLower(code), "code", "That is a code"},
		{"", "length", "You entered 0."},
		{other[:23], "length", "You entered 19."},
		{strings.Repeat("A", 5000), "length", "You entered 5000."},
		{"0000-0000-0000-0000-000U", "letters", "no U"},
		{"0000-0000-0000-0000-000é", "letters", "no U"},
	} {
		body := read(t, c.search(tt.typed))
		if !strings.Contains(body, `data-state="`+tt.state+`">`) || !strings.Contains(body, tt.says) {
			t.Errorf("%q: not %s in %s", tt.typed, tt.state, body)
		}
		if tt.state == "code" && (strings.Contains(strings.ToUpper(body), "7KQF") || !strings.Contains(body, "<title>Error:")) {
			t.Errorf("the code comes back, or the title does not tell: %s", body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, c.address("box")+"?tracker="+other, nil)
	if body := read(t, c.ask(r)); strings.Contains(body, other) {
		t.Error("a tracker in an address is looked up")
	}
}

// TestFrontEnds: the first page of a vote says how it ended, and no longer when the result
// is expected or until when envelopes are decided. Nothing there is still to come that is over.
func TestFrontEnds(t *testing.T) {
	t.Parallel()
	for stage, ended := range map[layout.Stage]bool{layout.Opened: false, layout.Certified: true} {
		c := newCounted(t, audittest.Options{Stage: stage})
		c.content.ResultOn = "2030-01-01"
		body := read(t, c.get(""))
		_, sentence, _ := strings.Cut(read(t, c.get("result")), "<h1>")
		sentence, _, _ = strings.Cut(sentence, "</h1>")
		top, _, _ := strings.Cut(body, "<h2>")
		if strings.Contains(top, sentence) != ended || !strings.Contains(top, `<a href="`+c.address("result")+`"`) {
			t.Errorf("%v: the top says %s", stage, top)
		}
		for _, date := range []string{"Result expected", "Envelopes are decided by"} {
			if strings.Contains(body, date) == ended {
				t.Errorf("%v: %q is there: %v", stage, date, !ended)
			}
		}
		for date, there := range map[string]bool{"Latest possible close": false, "Ballots under way": false,
			"Voting opens": false, "Voting closes": false, "Voting opened": true, "Voting closed": true} {
			if strings.Contains(body, date) != there {
				t.Errorf("%v: %q is there: %v", stage, date, !there)
			}
		}
	}
}

// TestFindYet: while the box takes ballots, one that is not in it alarms nobody and hears
// when to look again; afterwards it is not found.
func TestFindYet(t *testing.T) {
	t.Parallel()
	c := newCounted(t, audittest.Options{Stage: layout.Locked})
	const other = "0000-0000-0000-0000-0000"
	const alarm, calm = "<strong>Not found.</strong>", "<strong>Not there yet.</strong>"
	if body := read(t, c.search(other)); !strings.Contains(body, alarm) || strings.Contains(body, calm) {
		t.Errorf("after the lock: %s", body)
	}
	c.files = maps.Clone(c.files)
	delete(c.files, layout.StatementBox)
	again := regexp.MustCompile(`Look again later, at the latest after <time datetime="[^"]+">`)
	if body := read(t, c.search(other)); strings.Contains(body, alarm) || !strings.Contains(body, calm) || !strings.Contains(body, other) || !again.MatchString(body) {
		t.Errorf("before the lock: %s", body)
	}
}

// TestFindGrows: what comes later is found later, under a checkpoint that enough
// witnesses have signed.
func TestFindGrows(t *testing.T) {
	t.Parallel()
	c := newCounted(t, audittest.Options{Stage: layout.Locked})
	before := c.files
	entries := [][]byte{ledger.ManifestEntry(c.election.MID)}
	var trackers []string
	size := ballot.BodySize(c.election.Manifest.Options())
	for range 700 {
		// Bytes are enough: whether a ballot is valid is not asked here.
		cast := make([]byte, size+ballot.SignatureSize)
		rand.Read(cast)
		entries = append(entries, ledger.BallotEntry(cast))
		trackers = append(trackers, receipt.Tracker(ballot.ID(cast[:size])))
	}
	state := func(tracker string) string {
		r := httptest.NewRequest(http.MethodPost, c.address("box"), strings.NewReader("tracker="+tracker))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "application/json")
		var said struct{ State string }
		resp := c.ask(r)
		if resp.StatusCode != http.StatusOK {
			return fmt.Sprint(resp.StatusCode)
		}
		if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
			t.Fatal(err)
		}
		return said.State
	}
	for _, size := range []int{1, 20, 256, 257, 701} {
		c.grow(before, entries[:size])
		for _, at := range []int{0, 18, 19, 254, 255, 256, 699} {
			want := "unknown"
			if at+1 < size {
				want = "found"
			}
			if got := state(trackers[at]); got != want {
				t.Errorf("ballot %d of a log of %d: %s", at, size, got)
			}
		}
	}
	// A reading that is broken off goes on later, and what was read is found meanwhile.
	c.site = &pages.Site{Lookup: c.site.Lookup}
	c.grow(before, entries)
	last := layout.Tile(layout.Ballots, tlog.Tile{Level: tlog.Entries, Index: 2, Width: 701 - 512})
	cut := c.files[last]
	delete(c.files, last)
	if got := state(trackers[3]); got != "503" {
		t.Errorf("while a part of the log is not to be had: %s", got)
	}
	c.grow(before, entries[:400])
	if got := state(trackers[3]); got != "found" {
		t.Errorf("in what was read: %s", got)
	}
	c.grow(before, entries)
	c.files[last] = cut
	if got := state(trackers[690]); got != "found" {
		t.Errorf("after all of it was read: %s", got)
	}
	// While nobody has cosigned the newest one, the proof stays with the one before. A
	// service that starts anew then has none.
	for _, anew := range []bool{false, true} {
		c.site = &pages.Site{Lookup: c.site.Lookup}
		c.grow(before, entries[:20])
		if got := state(trackers[0]); got != "found" {
			t.Errorf("cosigned: %s", got)
		}
		older := c.files
		c.grow(before, entries)
		for path, f := range older {
			if c.files[path] == nil {
				c.files[path] = f // a board has every width of a tile that there was
			}
		}
		checkpoint := layout.Checkpoint(layout.Ballots)
		lines := bytes.SplitAfter(c.files[checkpoint].Data, []byte("\n"))
		c.files[checkpoint] = &fstest.MapFile{Data: bytes.Join(lines[:5], nil)}
		want := "found"
		if anew {
			c.site, want = &pages.Site{Lookup: c.site.Lookup}, "later"
		}
		if got := state(trackers[0]); got != want {
			t.Errorf("with a newer one that is not, started anew %v: %s", anew, got)
		}
		if anew {
			body := read(t, c.search(trackers[0]))
			if !strings.Contains(body, `data-state="later">`) || !strings.Contains(body, "We cannot look yet.") || !strings.Contains(body, trackers[0]) {
				t.Errorf("the page says nothing of it: %s", body)
			}
		} else {
			want = "unknown"
		}
		if got := state(trackers[600]); got != want {
			t.Errorf("a ballot that no cosigned checkpoint holds, started anew %v: %s", anew, got)
		}
		// Once witnesses have cosigned the same state it is found.
		c.grow(before, entries)
		if got := state(trackers[600]); got != "found" {
			t.Errorf("after witnesses have seen it: %s", got)
		}
	}
}

// grow makes the ballot log of a record one of these entries.
func (c *counted) grow(files audittest.Files, entries [][]byte) {
	c.t.Helper()
	policy, err := c.election.Manifest.BallotsPolicy()
	if err != nil {
		c.t.Fatal(err)
	}
	c.files = maps.Clone(files)
	var tree tlog.Tree
	for _, b := range entries {
		tree.Append(tlog.LeafHash(b))
	}
	for tile := range tlog.Tiles(tree.Size()) {
		from := tile.Index * tlog.TileWidth
		var b []byte
		if tile.Level == tlog.Entries {
			b = tlog.EncodeBundle(entries[from : from+int64(tile.Width)])
		} else if b, err = tlog.ReadTile(tile, tree.Reader()); err != nil {
			c.t.Fatal(err)
		}
		c.files[layout.Tile(layout.Ballots, tile)] = &fstest.MapFile{Data: b}
	}
	c.files[layout.Checkpoint(layout.Ballots)] = &fstest.MapFile{
		Data: c.election.Checkpoint(c.t, c.election.Box, policy, &tree, tree.Size(), audittest.Open+60),
	}
}
