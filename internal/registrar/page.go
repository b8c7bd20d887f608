package registrar

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
	"strikevote/templates"
)

// The registrar's two pages need no script: whoever cannot vote on a device must still
// get help on it. They set no cookie, and show nothing of what was typed.
//
// A GET shows a form and changes nothing. What a form does is the same for everybody:
// see [Registrar.Resend] and [Registrar.Report].

// A formPage is what the template shows.
type formPage struct {
	*language.Words
	Style     template.CSS
	Kind      string // link, sent, report, done, or empty: it only says something
	Heading   string
	Says      string
	Title     *said // of the election; nil: there is none
	Demo      bool
	Rehearsal bool
	Phone     string
	Email     string
	Vote      string // the address of the vote's public pages; empty: there is no vote
	Problem   string // what is wrong with the first field
	Field     string // its id
	Number    string // of a report
	Late      bool   // the certificate is signed
	Until     string // when reports are awaited at the latest
}

// said is a text of the election, and its language where that is not the page's.
type said struct{ Text, Lang string }

// Calls makes the phone of a sentence a link that calls it, where it is a number.
func (p *formPage) Calls(sentence string) template.HTML {
	text, phone := template.HTMLEscapeString(sentence), template.HTMLEscapeString(p.Phone)
	if address := web.Tel(p.Phone); address != "" {
		text = strings.Replace(text, phone, `<a href="`+address+`">`+phone+`</a>`, 1)
	}
	return template.HTML(text)
}

// Languages are those of the switcher.
func (p *formPage) Languages() []language.Tag { return language.Tags() }

var (
	pageTemplate = template.Must(template.New("page").Option("missingkey=error").ParseFS(templates.Registrar, "registrar/page.html"))
	pageStyle    = mustStyle()
	pagePolicy   = "default-src 'none'; style-src 'sha256-" + hashOf(pageStyle) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// mustStyle returns the style of the pages. It stands in each, where the policy names
// it by its hash: a page is one file.
func mustStyle() string {
	b, err := templates.Assets.ReadFile("assets/dist/registrar.css")
	if err != nil {
		panic("registrar: " + err.Error())
	}
	return string(b)
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// page begins a page for a request. m is nil where there is no such election.
func page(r *http.Request, m *election.Manifest, kind string) *formPage {
	words := language.Of(language.Match(r.URL.Query().Get("lang"), r.Header.Get("Accept-Language")))
	p := &formPage{Words: words, Style: template.CSS(pageStyle), Kind: kind}
	if m == nil {
		return p
	}
	p.Title = &said{m.Title[0], m.Languages[0]}
	for i, tag := range m.Languages {
		if i < len(m.Title) && strings.EqualFold(tag, words.Code()) {
			p.Title = &said{m.Title[i], ""}
		}
	}
	if strings.EqualFold(p.Title.Lang, words.Code()) {
		p.Title.Lang = ""
	}
	p.Vote = m.Origins.Board + "/e/" + m.ElectionID.String() + "/?lang=" + words.Code()
	p.Demo, p.Rehearsal, p.Phone, p.Email = m.Demo, m.Rehearsal, m.Help.Phone, m.Help.Email
	return p
}

// write sends a page, or nothing of it if it cannot be made.
func (p *formPage) write(w http.ResponseWriter, status int) {
	var b bytes.Buffer
	if err := pageTemplate.ExecuteTemplate(&b, "page", p); err != nil {
		panic("registrar: a page cannot be made: " + err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Add("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the reader went away
}

// show makes a handler whose errors are pages.
func (s *Service) show(h func(*Registrar, http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	e := web.Endpoints{Answer: answer, Faults: s.faults, Page: s.showError}
	return e.Handle(s.with(h))
}

// showError says that nothing happened, and why if a person can do something about it.
func (s *Service) showError(w http.ResponseWriter, r *http.Request, status int) {
	var p *formPage
	switch m, err := s.find(r); {
	case err != nil:
		p = page(r, nil, "")
		p.Heading, p.Says = p.Text("link.missing"), p.Text("link.missing.then")
	case m.registrar == nil:
		p = page(r, nil, "")
		p.Heading, p.Says = p.Text("link.rest"), p.Text("link.rest.then")
	case status == http.StatusRequestEntityTooLarge:
		p = page(r, m.registrar.manifest, "")
		p.Heading, p.Says = p.Text("link.unread"), p.Text("link.report.long")+" "+p.Text("link.unread.then")
	case status == http.StatusBadRequest || status == http.StatusForbidden || status == http.StatusUnsupportedMediaType:
		// To wait a minute would not help.
		p = page(r, m.registrar.manifest, "")
		p.Heading, p.Says = p.Text("link.unread"), p.Text("link.unread.then")
	default:
		p = page(r, m.registrar.manifest, "")
		p.Heading, p.Says = p.Text("link.busy"), p.Text("link.busy.then")
	}
	if status >= http.StatusInternalServerError && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "60")
	}
	p.write(w, status)
}

// form reads a form of at most limit bytes. It is not net/http's, which would also take
// fields of the address, and of files.
func form(r *http.Request, limit int64) (url.Values, error) {
	body, err := web.ReadBody(r, limit)
	if err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &web.RequestError{Status: http.StatusBadRequest, Code: "bad_request", Message: "This form could not be read."}
	}
	return values, nil
}

func (s *Service) getLink(m *Registrar, w http.ResponseWriter, r *http.Request) error {
	p, err := m.linkPage(r)
	if err == nil {
		p.write(w, http.StatusOK)
	}
	return err
}

// linkPage begins the page with the form. While no link is sent, before the opening and
// when voting is over, it says only that, to everybody, whatever was typed. In the grace a
// link is of use to whoever has a ballot, and to nobody else: it says for what.
func (r *Registrar) linkPage(req *http.Request) (*formPage, error) {
	s, err := r.Phase(req.Context())
	if err != nil {
		return nil, err
	}
	p := page(req, r.manifest, "")
	switch {
	case r.early(s):
		p.Heading = p.Text("booth.phase.before")
		p.Says = p.Text("link.early", "open", r.moment(p.Words, r.manifest.Schedule.Open))
	case r.over(s):
		p.Heading, p.Says = p.Text("link.over"), p.Text("link.over.means")
	case r.finishing(s):
		p.Kind, p.Heading = "link", p.Text("booth.phase.closed")
		p.Says = p.Text("link.closed.means", "close", r.moment(p.Words, s.Close), "grace", r.moment(p.Words, s.Close+r.manifest.Schedule.Grace))
	default:
		p.Kind, p.Heading = "link", p.Text("link.title")
	}
	return p, nil
}

// postLink does what [Service.postResend] does, for a browser without scripts.
func (s *Service) postLink(m *Registrar, w http.ResponseWriter, r *http.Request) error {
	in, err := form(r, maxRequest)
	if err != nil {
		return err
	}
	p, err := m.linkPage(r)
	if err != nil {
		return err
	}
	if p.Kind == "" {
		p.write(w, http.StatusOK)
		return nil
	}
	who, ok := cleanWho(in.Get("to"))
	if !ok {
		p.Field, p.Problem = "to", p.Text("link.problem")
		p.write(w, http.StatusUnprocessableEntity)
		return nil
	}
	if err := s.resend(m, r, who); err != nil {
		return err
	}
	p.Kind = "sent"
	if p.Says == "" {
		p.Heading = p.Text("link.sent")
	}
	p.write(w, http.StatusOK)
	return nil
}

func (s *Service) getReport(m *Registrar, w http.ResponseWriter, r *http.Request) error {
	late, err := m.certified(r.Context())
	if err != nil {
		return err
	}
	p := page(r, m.manifest, "report")
	p.Heading, p.Late, p.Until = p.Text("link.report"), late, m.until(p.Words)
	p.write(w, http.StatusOK)
	return nil
}

// until is when reports are awaited at the latest.
func (r *Registrar) until(w *language.Words) string {
	return r.moment(w, r.manifest.Schedule.DecideUntil)
}

// moment writes one as the mails do.
func (r *Registrar) moment(w *language.Words, at int64) string {
	zone := r.c.Zone
	if zone == nil {
		zone = time.UTC
	}
	return w.Moment(time.Unix(at, 0).In(zone))
}

func (s *Service) postReportForm(m *Registrar, w http.ResponseWriter, r *http.Request) error {
	in, err := form(r, maxReport)
	if err != nil {
		return err
	}
	late, err := m.certified(r.Context())
	if err != nil {
		return err
	}
	number, err := s.report(m, r, Report{Happened: in.Get("happened"), Phone: in.Get("phone"), Who: in.Get("who")}, "", "")
	p := page(r, m.manifest, "done")
	p.Late = late
	switch {
	case errors.Is(err, ErrReportEmpty), errors.Is(err, ErrReportLong):
		p.Kind, p.Heading, p.Field, p.Problem = "report", p.Text("link.report"), "happened", p.Text("link.report.empty")
		if errors.Is(err, ErrReportLong) {
			p.Problem = p.Text("link.report.long")
		}
		p.write(w, http.StatusUnprocessableEntity)
	case errors.Is(err, ErrReportsFull):
		p.Kind, p.Heading, p.Says = "", p.Text("link.report.full"), p.Text("link.report.full.write", "email", p.Email)
		if p.Phone != "" {
			p.Says = p.Text("link.report.full.call", "phone", p.Phone)
		}
		w.Header().Set("Retry-After", "60")
		p.write(w, http.StatusTooManyRequests)
	case err != nil:
		return err
	default:
		p.Heading, p.Number = p.Text("link.report.done"), strconv.Itoa(number)
		p.write(w, http.StatusOK)
	}
	return nil
}
