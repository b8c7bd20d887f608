package mailer

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/templates"
)

func testRenderer(t *testing.T, opts ...func(*electiontest.Plan)) *renderer {
	t.Helper()
	m, _ := electiontest.Manifest(t, opts...)
	_, mid := electiontest.Encode(t, m)
	mailer, err := New(Config{Manifest: m, MID: mid, From: Address{"Union Ballot", "ballot@union.example"},
		Zone: time.FixedZone("PDT", -7*3600), ZoneName: "Pacific time",
		Pages: Pages{Organizer: "Ana Ruiz, room 12"}})
	if err != nil {
		t.Fatal(err)
	}
	return mailer.render
}

var someone = person{name: "Zoë <b>O'Neill</b>", unit: "Unit 1", campus: "Davis", group: 1, language: "en",
	link: "https://booth.example/v1/#t=abc_-&m=def", code: "ABCD-EFGH-JKMN-PQRS-TVWX-Y",
	outcome: &Outcome{Sentence: "The members authorize the leadership to call a strike.", Authorized: true,
		Questions: []OutcomeQuestion{{"Do you?", []OutcomeOption{{"Yes", 12}, {"No", 3}}}}, Cast: 15, Entitled: 20, Turnout: "75.0%",
		Units: []string{"Unit 1: yes 12, no 3"}, CertifiedAt: time.Unix(electiontest.Close, 0)}, close: electiontest.Close}

// TestTemplates renders every mail, with a person and with nobody.
func TestTemplates(t *testing.T) {
	t.Parallel()
	r := testRenderer(t)
	for _, kind := range Kinds() {
		for _, p := range []person{someone, {}} {
			m, err := r.mail(kind, p, time.Unix(electiontest.Open, 0))
			if err != nil {
				t.Errorf("%s: %v", kind, err)
				continue
			}
			if !strings.HasPrefix(m.Subject, "DEMO: Union ballot") || !strings.HasPrefix(m.Text, "This is a demonstration. It is not a real vote.\n\nHello") ||
				!strings.Contains(m.HTML, "This is a demonstration. It is not a real vote.") {
				t.Errorf("%s: a demo does not say so: %q", kind, m.Subject)
			}
			if strings.Contains(m.HTML, "<b>O") || strings.Contains(m.HTML, "ZgotmplZ") || strings.Contains(m.Text+m.HTML, "<no value>") {
				t.Errorf("%s: badly escaped:\n%s", kind, m.HTML)
			}
			for _, bad := range []string{"<img", "<script", "<link", "@import", "url(", "!", "please", "Please"} {
				if strings.Contains(strings.ReplaceAll(m.HTML, "<!doctype", ""), bad) {
					t.Errorf("%s: %q in the HTML part", kind, bad)
				}
			}
			for line := range strings.SplitSeq(m.Text, "\n") {
				if n := len([]rune(line)); n > columns && strings.Contains(line, " ") {
					t.Errorf("%s: a line of %d columns: %q", kind, n, line)
				}
			}
			if p.name != "" && strings.Contains(m.Text, "\n\n\n") || strings.Contains(m.Text, " \n") {
				t.Errorf("%s: ragged text:\n%s", kind, m.Text)
			}
		}
	}
}

// TestTemplatesUsed: every file is a kind, or what all share.
func TestTemplatesUsed(t *testing.T) {
	t.Parallel()
	err := fs.WalkDir(templates.Mail, "mail", func(p string, d fs.DirEntry, err error) error {
		name := strings.TrimSuffix(path.Base(p), path.Ext(p))
		if err == nil && !d.IsDir() && name != "layout" && !slices.Contains(Kinds(), name) {
			t.Errorf("%s is used by nothing", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWords shows one mail whole, for the eye, and holds its length.
func TestWords(t *testing.T) {
	t.Parallel()
	r := testRenderer(t, func(p *electiontest.Plan) { p.Real = true })
	m, err := r.mail(Invitation, someone, time.Unix(electiontest.Open, 0))
	if err != nil {
		t.Fatal(err)
	}
	const want = `Hello Zoë <b>O'Neill</b>,

This is your ballot for Strike authorization vote, Unit 1.

Question 1: do you authorize it?

A yes authorizes the leadership to call a strike. It does not start one.
A no does not authorize it.

Vote here:
https://booth.example/v1/#t=abc_-&m=def

Or enter your code ABCD-EFGH-JKMN-PQRS-TVWX-Y at
https://`
	if !strings.HasPrefix(m.Text, want) {
		t.Errorf("got:\n%s", m.Text)
	}
	if m.Subject != "Union ballot: your voting link, closes Monday" {
		t.Errorf("subject %q", m.Subject)
	}
	for _, kind := range Kinds() {
		m, err := r.mail(kind, someone, time.Unix(electiontest.Open, 0))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(strings.Fields(m.Text)); n > 140 {
			t.Errorf("%s has %d words", kind, n)
		}
	}
}

// TestAddresses finds in each mail the pages that it has to name, and in the mail that
// a ballot was issued nothing with which one could be had.
func TestAddresses(t *testing.T) {
	t.Parallel()
	r := testRenderer(t)
	o, id := r.c.Manifest.Origins, r.c.Manifest.ElectionID.String()
	code, vote, box := o.Booth+"/v1/"+id, o.Board+"/e/"+id+"/", o.Board+"/e/"+id+"/box"
	for kind, addresses := range map[string][]string{
		Invitation: {code, vote}, Resend: {code, vote}, Issued: {box, o.Registrar + "/v1/" + id + "/report"},
		Deposited: {box}, Result: {o.Board + "/e/" + id + "/result", box},
	} {
		m, err := r.mail(kind, someone, time.Unix(electiontest.Open, 0))
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range addresses {
			if !slices.Contains(strings.Fields(m.Text), address) || !strings.Contains(m.HTML, `href="`+address+`"`) {
				t.Errorf("%s does not name %s:\n%s", kind, address, m.Text)
			}
		}
		if kind == Issued && strings.Contains(m.Text+m.HTML, o.Booth) {
			t.Errorf("%s leads to the ballot", kind)
		}
	}
}

func TestWording(t *testing.T) {
	t.Parallel()
	w := &wording{zone: time.FixedZone("PDT", -7*3600), name: "Pacific time"}
	at := time.Date(2025, 10, 2, 17, 0, 0, 0, w.zone).Unix()
	if got := w.moment(at); got != "Thursday, October 2, 5:00 p.m. Pacific time" {
		t.Errorf("got %q", got)
	}
	w.name = ""
	if got := w.clock(at - 5*3600); got != "12:00 p.m. PDT" {
		t.Errorf("got %q", got)
	}
	if got := w.clock(at - 17*3600); got != "12:00 a.m. PDT" {
		t.Errorf("got %q", got)
	}
	for name, want := range map[string]string{
		"simple":     "It takes a yes from more than half of yes and no votes.",
		"two-thirds": "It takes a yes from at least two thirds of yes and no votes.",
		"australia":  "It takes a yes from more than half of all votes cast, and at least half of the members must vote.",
		"uk-important": "It takes a yes from more than half of yes and no votes, and at least half of the members must vote, " +
			"and at least two fifths of the members must say yes.",
	} {
		rule, err := election.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := ruleSentence(rule); got != want {
			t.Errorf("%s: got %q", name, got)
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
