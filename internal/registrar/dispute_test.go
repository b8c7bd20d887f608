package registrar_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
	"strikevote/internal/registrar"
)

// report sends a report as the booth does and returns the answer.
func (f *front) report(t *testing.T, from string, in fields) (number int, answer string) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	rec := f.ask(from, "/report", string(body), "Content-Type", "application/json", "Origin", f.w.m.Origins.Booth)
	var said struct {
		Number  int
		Message string
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &said); err != nil || rec.Code != 200 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return said.Number, strings.ReplaceAll(rec.Body.String(), fmt.Sprint(said.Number), "N")
}

// TestReportSame: a report is recorded, and answered, in the same way whoever sends it;
// a good link gives it a place, and nothing of the link is kept.
func TestReportSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.open(withEnvelopes)
	w.at(electiontest.Open)
	w.admit(1)
	f := w.front()
	link, code := w.link(1, 3, true)
	forged := link
	forged[110] ^= 1
	offLink, _ := w.link(1, 0, false)
	if _, err := w.r.Issue(t.Context(), w.show(1, 3), "", request(t)); err != nil {
		t.Fatal(err)
	}
	answers := map[string]bool{}
	for i, in := range []fields{
		{"token": link.Base64(), "happened": "CANARY one"},
		{"code": code.Reveal(), "happened": "CANARY two", "phone": "555 0101"},
		{"token": forged.Base64(), "happened": "CANARY three"},
		{"code": "AAAA-BBBB-CCCC-DDDD-EEEE-F", "happened": "CANARY four"},
		{"happened": "CANARY five", "who": "M-1-3"},
		{"token": offLink.Base64(), "happened": "CANARY six"},
		{"token": link.Base64(), "code": code.Reveal(), "happened": "CANARY seven"},
	} {
		n, answer := f.report(t, "192.0.2.1", in)
		if n != i+1 || w.count(`SELECT count(*) FROM registrar.dispute`) != i+1 {
			t.Errorf("report %d has the number %d", i+1, n)
		}
		answers[answer] = true
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
	list, err := w.r.Disputes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		member string
		issued bool
	}{{"M-1-3", true}, {"M-1-3", true}, {}, {}, {}, {"CANARY", false}, {}} {
		d := list[i]
		if d.Number != i+1 || d.State != registrar.DisputeOpen || d.Issued != want.issued || want.member == "" && d.Member != "" || !strings.Contains(d.Member, want.member) {
			t.Errorf("report %d: %q, issued %t", i+1, d.Member, d.Issued)
		}
	}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("a", "dispute", list[0], "report", list[0].Report, "all", list)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("a", "dispute", list[0], "report", list[0].Report, "all", list)
	encoded, err := json.Marshal(list)
	got := fmt.Sprintf("%v %+v %#v %s %x %q", list[0], list[0], list[0], list[0].Report, list[0], list) + logged.String() + string(encoded)
	if err != nil || strings.Contains(got, "CANARY") || strings.Contains(got, fmt.Sprintf("%x", "CANARY")) || !strings.Contains(got, "[redacted]") {
		t.Errorf("a report prints as %s (%v)", got, err)
	}
	if strings.Contains(w.out.String(), "CANARY") {
		t.Errorf("the log says %s", w.out.String())
	}
}

// TestReportText: what people write is kept without links, codes and what does not
// show, within limits, and the same report is recorded once.
func TestReportText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f := w.front()
	link, code := w.link(1, 3, true)
	typed := code.Reveal()
	text := "My code: " + typed + ", and " + strings.ReplaceAll(typed, "-", " ") + " or " + strings.ToLower(strings.ReplaceAll(typed, "-", "")) +
		".\r\nLink: https://booth.example/v1/#t=" + link.Base64() + "&m=1 \u202eand\x00 <b>K7QF-2M9T-XW4C-8RJD-5NHB</b>"
	want := "My code: [code], and [code] or [code].\nLink: https://booth.example/v1/#t=[link]&m=1 and <b>K7QF-2M9T-XW4C-8RJD-5NHB</b>"
	first, _ := f.report(t, "192.0.2.1", fields{"happened": text, "phone": typed})
	again, _ := f.report(t, "192.0.2.2", fields{"happened": text, "phone": typed})
	other, _ := f.report(t, "192.0.2.2", fields{"happened": text, "phone": "1"})
	w.now.Add(3601)
	later, _ := f.report(t, "192.0.2.2", fields{"happened": text, "phone": typed})
	if first != 1 || again != 1 || other != 2 || later != 3 {
		t.Errorf("the numbers are %d %d %d %d", first, again, other, later)
	}
	list, err := w.r.Disputes(t.Context())
	if err != nil || list[0].Happened != want || list[0].Phone != "[code]" {
		t.Errorf("got %q, %q, %v\nwant %q", list[0].Happened, list[0].Phone, err, want)
	}
	for _, between := range []string{".", ", ", "_", "\u00a0", "\u2011", "\u2013"} {
		if got := registrar.Written("a " + strings.ReplaceAll(typed, "-", between) + " b"); got != "a [code] b" {
			t.Errorf("a code with %q between: %q", between, got)
		}
	}
	for _, bad := range []string{"", " \n ", strings.Repeat("long ", 900)} {
		if _, err := w.r.Report(t.Context(), registrar.Report{Happened: bad}, "", ""); !errors.Is(err, registrar.ErrReportEmpty) && !errors.Is(err, registrar.ErrReportLong) {
			t.Errorf("%.10q: got %v", bad, err)
		}
		if rec := f.send("192.0.2.3", "/report", url.Values{"happened": {bad}}); rec.Code != 422 || !strings.Contains(rec.Body.String(), "<title>Error: ") {
			t.Errorf("%.10q: %d", bad, rec.Code)
		}
	}
	// The words of whoever decides stand before a line of text, and nobody else's.
	forged := "555 0101\n  it came with the link of M-1-5; a ballot was issued with it"
	number, err := w.r.Report(t.Context(), registrar.Report{Happened: "x", Phone: forged, Who: forged}, "", "")
	if list, lerr := w.r.Disputes(t.Context()); err != nil || lerr != nil || strings.Contains(list[number-1].Phone+list[number-1].Who, "\n") {
		t.Errorf("a phone and an address of several lines: %v, %v", err, lerr)
	}
	// What people write is text.
	hostile := "'); DROP TABLE registrar.dispute; -- <script>alert(1)</script> " + strings.Repeat("語", 1200)
	rec := f.send("192.0.2.4", "/report", url.Values{"happened": {hostile}, "who": {"%"}, "phone": {"' OR 1=1"}})
	if rec.Code != 200 || !strings.Contains(rec.Body.String(), "It has number 5. Two people look at it.") || strings.Contains(rec.Body.String(), "<script") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if list, err = w.r.Disputes(t.Context()); err != nil || list[4].Happened != hostile {
		t.Errorf("got %v, %v", list, err)
	}
}

// TestReportLate: form and answers say until when a report can count, and of one that
// comes after the certificate that it is recorded and changes nothing.
func TestReportLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var signed, fails bool
	w.open(func(c *registrar.Config) {
		c.Zone = time.FixedZone("PDT", -7*3600)
		c.Certified = func(context.Context) (bool, error) {
			if fails {
				return false, errors.New("no answer")
			}
			return signed, nil
		}
	})
	w.at(electiontest.Open)
	f := w.front()
	booth := func(happened string) string {
		return f.ask("192.0.2.1", "/report", `{"happened":"`+happened+`"}`, "Content-Type", "application/json", "Origin", w.m.Origins.Booth).Body.String()
	}
	says := func(body string, is bool, want ...string) {
		t.Helper()
		for _, s := range want {
			if strings.Contains(body, s) != is {
				t.Errorf("%q is there: %v; got %s", s, !is, body)
			}
		}
	}
	until := "Tell us by " + language.Of("en").Moment(time.Unix(electiontest.DecideUntil, 0).In(time.FixedZone("PDT", -7*3600))) + "."
	const look, cannot = "Two people look at it.", "cannot change"
	form, answer := f.get("/report").Body.String(), f.send("192.0.2.1", "/report", url.Values{"happened": {"one"}}).Body.String()
	says(form, true, until, "it may sign earlier")
	says(answer, true, "It has number 1.", look, "It counts if the committee upholds it before it signs the certificate.")
	says(answer, false, "Tell us")
	says(booth("two"), true, "It has number 2.", look)
	says(form+answer, false, cannot)

	signed = true
	form, answer = f.get("/report").Body.String(), f.send("192.0.2.1", "/report", url.Values{"happened": {"three"}}).Body.String()
	says(form, true, "The certificate is already signed. We still record your report, but it cannot change the certificate.")
	says(answer, true, "It has number 3. The certificate was signed before, and your report cannot change it.")
	fourth := booth("four")
	says(fourth, true, "It has number 4. The certificate was signed before, and your report cannot change it.")
	says(form+answer+fourth, false, until, look)

	// Nobody is told what is not known, and then nothing is recorded.
	fails = true
	if rec := f.send("192.0.2.1", "/report", url.Values{"happened": {"five"}}); rec.Code != 503 || !strings.Contains(rec.Body.String(), "Nothing was recorded") {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	if n := w.count(`SELECT count(*) FROM registrar.dispute`); n != 4 {
		t.Errorf("%d reports are recorded, want 4", n)
	}
}

// TestReportTextBefore: with one of 32 codes the word before it is the beginning of what
// passes for a code too, and ends before it does.
func TestReportTextBefore(t *testing.T) {
	t.Parallel()
	found := 0
	for i := range 1000 {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		typed := token.Code([]byte(suite.Base32(sum[:], 100))).Reveal()
		want := "My code [code], and [code]."
		if _, err := token.ParseCode("code" + strings.ReplaceAll(typed, "-", "")[:17]); err == nil {
			found, want = found+1, "My [code], and [code]."
		}
		if got := registrar.Written("My code " + typed + ", and " + typed + "."); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if found == 0 {
		t.Error("no such code was among them")
	}
}

// TestReportLimits: one network cannot fill the register, and is told whom to call; nor
// can many.
func TestReportLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f := w.front()
	full := 0
	for i := range 25 {
		rec := f.send("192.0.2.1", "/report", url.Values{"happened": {fmt.Sprint("report ", i)}})
		if rec.Code == 429 && strings.Contains(rec.Body.String(), w.m.Help.Phone) {
			full++
		}
	}
	if n := w.count(`SELECT count(*) FROM registrar.dispute`); n != 20 || full != 5 {
		t.Errorf("%d reports of one network, %d refused", n, full)
	}
	for i := range 490 {
		f.send(fmt.Sprintf("198.51.%d.1", i%250), "/report", url.Values{"happened": {fmt.Sprint("more ", i)}})
	}
	if n := w.count(`SELECT count(*) FROM registrar.dispute`); n != 500 {
		t.Errorf("%d reports in all, want 500", n)
	}
}

// TestDecideDispute: two different members of the committee who say the same decide a
// report, each has one word, and what is decided or certified stays.
func TestDecideDispute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, real)
	w.at(electiontest.Open)
	ctx := t.Context()
	for i := range 3 {
		if _, err := w.r.Report(ctx, registrar.Report{Happened: fmt.Sprint("report ", i)}, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, m := range w.m.Committee.Members {
		names = append(names, m.Name)
	}
	decide := func(number int, by string, upheld bool, want error) {
		t.Helper()
		if err := w.r.CheckDispute(ctx, number, by); !errors.Is(err, want) {
			t.Errorf("a look at report %d by %s: got %v, want %v", number, by, err, want)
		}
		if err := w.r.DecideDispute(ctx, number, by, upheld); !errors.Is(err, want) {
			t.Errorf("report %d by %s: got %v, want %v", number, by, err, want)
		}
	}
	upheld := func(want uint64) {
		t.Helper()
		if n, err := w.r.Upheld(ctx); err != nil || n != want {
			t.Errorf("%d are upheld, want %d (%v)", n, want, err)
		}
	}
	if err := w.r.DecideDispute(ctx, 1, "Mallory", true); err == nil || !strings.Contains(err.Error(), names[0]) {
		t.Errorf("somebody else decides: %v", err)
	}
	decide(4, names[0], true, registrar.ErrNoDispute)
	decide(1, names[0], true, nil)
	decide(1, " "+strings.ToUpper(names[0])+" ", true, registrar.ErrDecided)
	decide(1, names[0], false, registrar.ErrDecided)
	upheld(0)
	decide(1, names[1], true, nil)
	decide(1, names[2], false, registrar.ErrDecided)
	upheld(1)
	decide(2, names[0], true, nil)
	decide(2, names[1], false, nil)
	upheld(1)
	decide(2, names[2], false, nil)
	upheld(1)
	list, err := w.r.Disputes(ctx)
	if err != nil || list[0].State != registrar.DisputeUpheld || list[1].State != registrar.DisputeRejected || list[2].State != registrar.DisputeOpen || len(list[1].Rejected) != 2 {
		t.Errorf("got %v %v %v, %v", list[0].State, list[1].State, list[2].State, err)
	}
	if _, err := w.db.Service.Exec(ctx, `DELETE FROM registrar.dispute_word`); err == nil {
		t.Error("a word can be taken back")
	}
	if _, err := w.db.Owner.Exec(ctx, `UPDATE registrar.dispute SET happened = 'x'`); err == nil {
		t.Error("a report can be changed")
	}
}

// TestUpheldDistinct: several reports of one member, by link or by code, are about one
// ballot, and those without a link are of nobody who is known.
func TestUpheldDistinct(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f, ctx := w.front(), t.Context()
	link, code := w.link(1, 3, true)
	other, _ := w.link(1, 4, true)
	for _, in := range []fields{
		{"token": link.Base64(), "happened": "one"}, {"code": code.Reveal(), "happened": "two"}, {"token": link.Base64(), "happened": "three"},
		{"token": other.Base64(), "happened": "four"}, {"happened": "five"}, {"happened": "six"},
	} {
		f.report(t, "192.0.2.1", in)
	}
	for i, want := range []uint64{1, 1, 1, 2, 3, 4} {
		with, err := w.r.UpheldWith(ctx, i+1)
		if err != nil || with != want {
			t.Errorf("with report %d it would be %d, want %d (%v)", i+1, with, want, err)
		}
		for _, m := range w.m.Committee.Members[:2] {
			if err := w.r.DecideDispute(ctx, i+1, m.Name, true); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := w.r.Upheld(ctx); err != nil || n != want {
			t.Errorf("after report %d %d are upheld, want %d (%v)", i+1, n, want, err)
		}
	}
}

// TestReportElections: two elections have a register each, and a link of one gives no
// place in the other.
func TestReportElections(t *testing.T) {
	t.Parallel()
	one := newWorld(t)
	two := newWorld(t, func(p *electiontest.Plan) { p.Seed = "another" })
	one.at(electiontest.Open)
	two.at(electiontest.Open)
	link, _ := one.link(1, 3, true)
	f := two.front()
	if n, _ := f.report(t, "192.0.2.1", fields{"token": link.Base64(), "happened": "here"}); n != 1 {
		t.Errorf("the number is %d", n)
	}
	if list, err := two.r.Disputes(t.Context()); err != nil || list[0].Member != "" {
		t.Errorf("got %q, %v", list[0].Member, err)
	}
	if n := one.count(`SELECT count(*) FROM registrar.dispute`); n != 0 {
		t.Errorf("%d reports in the other election", n)
	}
}
