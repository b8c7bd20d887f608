package mailer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/wording"
)

// TestReminders: a reminder says in each language that it was worked out by no person,
// until when, and with which link; the last one also at what time.
func TestReminders(t *testing.T) {
	t.Parallel()
	r := testRenderer(t, real)
	for code, want := range map[string]struct{ none, nobody, same, close, subject string }{
		"en": {"You have not voted yet", "No person looked at a list of names.", "It is the same link as before.",
			"Monday, March 18, 10:46 a.m. Pacific time", "Union ballot: closes Monday at 10:46 a.m. Pacific time"},
		"es": {"usted todavía no ha votado", "Nadie miró una lista de nombres.", "Es el mismo enlace de antes.",
			"lunes 18 de marzo, 10:46 a. m., hora del Pacífico", "Votación del sindicato: cierra el lunes, 10:46 a.\u00a0m., hora del Pacífico"},
		"zh-Hans": {"据系统所知，您还没有", "没有人看过姓名名单。", "链接与以前相同。", "3月18日星期一，太平洋时间上午10:46", "工会投票：星期一太平洋时间上午10:46截止"},
		"zh-Hant": {"據系統所知，您還沒有", "沒有人看過姓名名單。", "連結與以前相同。", "3月18日星期一，太平洋時間上午10:46", "工會投票：星期一太平洋時間上午10:46截止"},
		"tl": {"hindi ka pa bumoboto", "Walang taong tumingin sa listahan ng mga pangalan.", "Pareho ito ng dating link.",
			"Lunes, Marso 18, 10:46 a.m., oras sa Pasipiko", "Balota ng unyon: magsasara sa Lunes, 10:46 a.m., oras sa Pasipiko"},
		"vi": {"quý vị chưa bỏ phiếu", "Không ai xem danh sách tên.", "Đường dẫn vẫn như trước.",
			"Thứ Hai, ngày 18 tháng 3, 10:46 (giờ Thái Bình Dương)", "Bỏ phiếu của công đoàn: đóng vào Thứ Hai, 10:46 (giờ Thái Bình Dương)"},
		"ko": {"아직 투표하지 않으셨습니다.", "이름 목록을 본 사람은 없습니다.", "전과 같은 링크입니다.",
			"3월 18일 월요일 오전 10:46(태평양 시간)", "노조 투표: 월요일 오전 10:46(태평양 시간) 마감"},
	} {
		for _, kind := range []string{Reminder, Closing} {
			m, err := r.mail(kind, someoneIn(code), rendered)
			if err != nil {
				t.Fatal(err)
			}
			text := words(m.Text)
			need := []string{want.none, want.close, someone.link, someone.code}
			if kind == Reminder {
				need = append(need, want.nobody, want.same, "Question 1")
			} else if m.Subject != want.subject {
				t.Errorf("%s: the subject is %q", code, m.Subject)
			}
			for _, n := range need {
				if !strings.Contains(text, words(n)) {
					t.Errorf("%s, %s: no %q in\n%s", code, kind, n, m.Text)
				}
			}
		}
	}
}

// TestOutcomes says every outcome in every language in the words of the public pages,
// and that nothing was called wherever somebody authorizes.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	r := testRenderer(t, real)
	unit := func(id suite.GroupID, yes uint64, authorized bool) outcome.Judged {
		return outcome.Judged{Unit: outcome.Unit{Groups: []suite.GroupID{id}, Entitled: 30, Cast: 20, Yes: yes, No: 20 - yes},
			Judgement: outcome.Judgement{Authorized: authorized}}
	}
	for name, units := range map[string][]outcome.Judged{
		"all": {unit(1, 12, true), unit(2, 12, true)}, "none": {unit(1, 2, false), unit(2, 2, false)}, "mixed": {unit(1, 12, true), unit(2, 2, false)},
	} {
		for _, l := range language.Tags() {
			w, p := language.Of(l.Code), someoneIn(l.Code)
			p.outcome = &Outcome{Votes: [][]uint64{{14, 26, 0}}, Units: units, Parts: []outcome.Unit{units[0].Unit, units[1].Unit}, CertifiedAt: rendered}
			m, err := r.mail(Result, p, rendered)
			if err != nil {
				t.Fatal(err)
			}
			sentence, notCalled := wording.Outcome(w, r.c.Manifest, units)
			if (notCalled == "") != (name == "none") {
				t.Errorf("%s, %s: called is %q", l.Code, name, notCalled)
			}
			need := []string{sentence, notCalled, wording.Yes(w, r.c.Manifest.Rule, outcome.Unit{Yes: units[0].Yes + units[1].Yes, No: units[0].No + units[1].No}), w.Percent(40, 60), w.Day(rendered.In(r.c.Zone)), r.c.Pages.Result,
				wording.Of(w, "Unit 2", wording.Yes(w, r.c.Manifest.Rule, units[1].Unit))}
			for _, n := range need {
				if !strings.Contains(words(m.Text), words(n)) {
					t.Errorf("%s, %s: no %q in\n%s", l.Code, name, n, m.Text)
				}
			}
			called := w.Text("results.outcome.notcalled")
			if got := strings.Contains(m.Text, called); got != (name != "none") {
				t.Errorf("%s, %s: %q stands there: %v", l.Code, name, called, got)
			}
			if l.Code == "en" {
				group := func(id suite.GroupID) string { return r.c.Manifest.Group(id).Name }
				if sentence != outcome.Sentence(group, units) {
					t.Errorf("%s: %q is not what is signed", name, sentence)
				}
			}
		}
	}
}

// TestLanguage: everybody gets words of their own language, and the committee's texts in
// it if there are any.
func TestLanguage(t *testing.T) {
	t.Parallel()
	r := testRenderer(t, func(p *electiontest.Plan) { p.Real, p.Languages = true, []string{"es", "zh-hant", "de"} })
	for want, got := range map[string][3]string{ // words, title, tag of the question in HTML
		"":        {"es", "Strike authorization vote", ""},
		"es":      {"es", "Strike authorization vote", ""},
		"zh-Hant": {"zh-Hant", "Strike authorization vote (zh-hant)", ""},
		"ZH-hant": {"zh-Hant", "Strike authorization vote (zh-hant)", ""},
		"ko":      {"ko", "Strike authorization vote", "es"},
		"de":      {"en", "Strike authorization vote (de)", ""},
		"xx":      {"en", "Strike authorization vote", "es"},
	} {
		p := someone
		p.language = want
		m, err := r.mail(Invitation, p, rendered)
		if err != nil {
			t.Fatal(err)
		}
		if m.Language != got[0] || !strings.Contains(m.Text, got[1]) {
			t.Errorf("%q: in %s:\n%s", want, m.Language, m.Text)
		}
		if tagged := strings.Contains(m.HTML, `<strong lang="`+got[2]+`">`); tagged != (got[2] != "") {
			t.Errorf("%q: the question's language: %v", want, tagged)
		}
	}
}

// TestRules says each preset in the words of the public pages.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, l := range language.Tags() {
		w := language.Of(l.Code)
		for _, preset := range []string{"simple", "two-thirds", "australia", "uk-important"} {
			r := testRenderer(t, real, func(p *electiontest.Plan) { p.Rule = preset })
			m, err := r.mail(Announcement, someoneIn(l.Code), rendered)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range wording.Rule(w, r.c.Manifest) {
				if !strings.Contains(words(m.Text), words(s)) {
					t.Errorf("%s, %s: no %q in\n%s", l.Code, preset, s, m.Text)
				}
			}
		}
	}
}

// TestSize renders mails with the longest of everything. None is larger than providers
// take, and what was left out is said to stand elsewhere.
func TestSize(t *testing.T) {
	t.Parallel()
	long := func(sign string, bytes int) string { return strings.TrimSpace(strings.Repeat(sign, bytes/len(sign))) }
	for name, sign := range map[string]string{"latin": "Wort ", "chinese": "投", "markup": "<&\" "} {
		r := testRenderer(t, real, func(p *electiontest.Plan) {
			p.Rolls = make([]uint32, 6)
			for i := range p.Rolls {
				p.Rolls[i] = 30
			}
			p.Change = func(m *election.Manifest) {
				m.Title[0] = long(sign, 200)
				for i := range m.Groups {
					m.Groups[i].Name = fmt.Sprint(i, long(sign, 79))
				}
				q := election.Question{Text: []string{long(sign, 1000)}}
				for i, role := range []string{election.RoleYes, election.RoleNo, election.RoleNeutral, election.RoleNeutral} {
					q.Options = append(q.Options, election.Option{Text: []string{fmt.Sprint(i, long(sign, 199))}, Role: role})
				}
				m.Questions = nil
				for range 8 {
					m.Questions = append(m.Questions, q)
				}
				m.Help = election.Help{Email: "help@" + strings.Repeat("a.", 60) + "example", Phone: long("5", 60)}
				m.Rule = must(t, "uk-important")
			}
		})
		p := someoneIn("")
		p.name, p.unit, p.campus = long(sign, 2000), long(sign, 200), long(sign, 500)
		p.link = "https://booth.example.org/v1/#t=" + strings.Repeat("x", 200) + "&m=" + strings.Repeat("y", 43)
		o := &Outcome{CertifiedAt: rendered}
		for range 8 {
			o.Votes = append(o.Votes, []uint64{1 << 20, 1 << 20, 1 << 20, 1 << 20})
		}
		for i := range 6 {
			u := outcome.Unit{Groups: []suite.GroupID{suite.GroupID(i + 1)}, Entitled: 1 << 20, Cast: 1 << 19, Yes: 1 << 18, No: 1 << 17}
			o.Parts, o.Units = append(o.Parts, u), append(o.Units, outcome.Judged{Unit: u, Judgement: outcome.Judgement{Authorized: i%2 == 0}})
		}
		p.outcome = o
		each(t, r, p, func(t *testing.T, _, kind string, m Mail) {
			if n := len(m.Subject) + len(m.Text) + len(m.HTML); n > mostBytes {
				t.Errorf("%s: %d bytes", name, n)
			}
			if asks := kind == Invitation || kind == Reminder || kind == Announcement; asks && strings.Count(m.Text, r.c.Pages.Election) != 2 {
				t.Errorf("%s: it does not say where the questions are:\n%s", name, m.Text)
			}
		})
	}
}

func must(t *testing.T, preset string) election.Rule {
	t.Helper()
	rule, err := election.Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	return rule
}

// TestHostileNames: a name is a name, whatever stands in it.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	r := testRenderer(t, real)
	for name, shown := range map[string]string{
		"<script>alert(1)</script>":      "<script>alert(1)</script>",
		"{{.Link}}":                      "{{.Link}}",
		"{{template \"ballot\" .}}":      "{{template \"ballot\" .}}",
		"https://evil.example/x?y=z":     "evil. example/x?y=z",
		"Eva https://evil.example":       "Eva evil. example",
		"www.evil.example":               "www. evil. example",
		"evil@evil.example":              "evil evil. example",
		"javascript:alert(1)":            "javascript alert(1)",
		"Eva\r\nBcc: evil@x.example":     "Eva Bcc evil x. example",
		"Eva\n\nVote here:\nhttps://x.y": "Eva Vote here x.y",
		"Eva\u2028\u0085\x00Ruiz":        "Eva Ruiz",
		"\u202eavE\u202c \u2066x\u2069":  "avE x",
		"Eva\xffRuiz":                    "EvaRuiz",
		"Dr. J.P. O'Neill-Núñez, Jr.":    "Dr. J.P. O'Neill-Núñez, Jr.",
		"St.Clair":                       "St. Clair",
		"陈小明":                            "陈小明",
		"Nguyễn Thị Hồng":                "Nguyễn Thị Hồng",
	} {
		for _, kind := range Kinds() {
			p := someone
			p.name, p.campus, p.unit = name, name, name
			m, err := r.mail(kind, p, rendered)
			if err != nil {
				t.Fatal(err)
			}
			safe := someone
			safe.name, safe.campus, safe.unit = "Eva", "Eva", "Eva"
			plainly, err := r.mail(kind, safe, rendered)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := len(tags.FindAllString(m.HTML, -1)), len(tags.FindAllString(plainly.HTML, -1)); a != b {
				t.Errorf("%q, %s: %d tags, want %d:\n%s", name, kind, a, b, m.HTML)
			}
			if m.Subject != plainly.Subject || strings.Contains(m.Text+m.HTML, "evil.example") || strings.Contains(m.Text+m.HTML, "@evil") {
				t.Errorf("%q, %s: %q\n%s", name, kind, m.Subject, m.Text)
			}
			if kind == Invitation && !strings.HasPrefix(m.Text, "Hello "+shown+",\n") {
				t.Errorf("%q: got %q", name, m.Text[:60])
			}
		}
	}
}

// TestSubjects: no manifest makes a header of its own, and an address as long as there
// may be goes through.
func TestSubjects(t *testing.T) {
	t.Parallel()
	r := testRenderer(t, real)
	m := r.c.Manifest // a valid one has no line breaks; here it may
	m.Title[0], m.Groups[0].Name = "A\r\nBcc: x@y.example\u202e", "B\nSubject: x"
	m.Questions[0].Text[0] = "C\r\n\r\nVote here:\nhttps://evil.example"
	each(t, r, someone, func(t *testing.T, _, kind string, m Mail) {
		m.To = strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 53) + ".example"
		if len(m.To) != 254 {
			t.Fatalf("an address of %d", len(m.To))
		}
		if _, err := Message(m); err != nil {
			t.Error(err)
		}
		if strings.ContainsAny(m.Subject, "\r\n\u202e") || strings.Contains(m.Text+m.HTML, "\u202e") || strings.Contains(m.HTML, `href="https://evil.example`) {
			t.Errorf("got\n%s", m.Text)
		}
		if n := strings.Count(m.HTML, `class="b"`); n > 1 || n == 1 && !linked(kind) {
			t.Errorf("%d buttons", n)
		}
	})
}

func TestFill(t *testing.T) {
	t.Parallel()
	link := "https://" + strings.Repeat("a", 80)
	han := strings.Repeat("投", 35)
	for in, want := range map[string]string{
		"":                            "",
		strings.Repeat("a ", 40):      strings.Repeat("a ", 35) + "a\na a a a",
		"see " + link + " now":        "see\n" + link + "\nnow",
		strings.Repeat("投", 40):       strings.Repeat("投", 36) + "\n投投投投",
		han + "投，票":                   han + "\n投，票",
		han + "票。" + "下":              han + "\n票。下",
		han + "（投）":                   han + "\n（投）",
		"在： " + link + " 投":           "在：\n" + link + "\n投",
		"投" + link:                    "投" + link,
		strings.Repeat("투표합니다 ", 8):   strings.Repeat("투표합니다 ", 5) + "투표합니다\n투표합니다 투표합니다",
		strings.Repeat("e\u0301", 72): strings.Repeat("e\u0301", 72),
	} {
		if got := fill(in); got != want {
			t.Errorf("%q: got\n%s\nwant\n%s", in, got, want)
		}
	}
}

// TestZones writes a moment in the zone of the union, which other languages name too.
func TestZones(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	r := testRenderer(t, real)
	r.c.Zone = zone
	for code, want := range map[string]string{"en": "Pacific time", "es": "hora del Pacífico", "zh-Hans": "太平洋时间", "zh-Hant": "太平洋時間",
		"tl": "oras sa Pasipiko", "vi": "giờ Thái Bình Dương", "ko": "태평양 시간"} {
		m, err := r.mail(Closing, someoneIn(code), rendered)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(m.Subject, want) || !strings.Contains(words(m.Text), words(want)) {
			t.Errorf("%s: %s\n%s", code, m.Subject, m.Text)
		}
	}
}
