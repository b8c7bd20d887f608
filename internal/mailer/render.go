package mailer

import (
	"bytes"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"strings"
	"sync"
	"text/template"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/mailbox"
	"strikevote/templates"
)

// mostBytes is how large a mail may be, subject and both parts together: providers that
// put members' values into a common mail take 10,000 bytes of them.
const mostBytes = 9000

// A renderer fills the templates for one election.
type renderer struct {
	c *Config
	*parsed
}

// parsed are the templates: one text for each language and kind, and the layout that
// makes HTML of each.
type parsed struct {
	text map[string]*template.Template
	html *htmltemplate.Template
}

func newRenderer(c *Config) (*renderer, error) {
	p, err := parse()
	return &renderer{c, p}, err
}

var parse = sync.OnceValues(func() (p *parsed, err error) {
	p = &parsed{text: map[string]*template.Template{}}
	for _, l := range language.Tags() {
		dir := "mail/" + l.Code + "/"
		for _, kind := range Kinds() {
			t := template.New(kind + ".txt").Option("missingkey=error")
			if p.text[l.Code+"/"+kind], err = t.ParseFS(templates.Mail, dir+"layout.txt", dir+kind+".txt"); err != nil {
				return nil, err
			}
		}
	}
	p.html, err = htmltemplate.New("layout.html").Option("missingkey=error").ParseFS(templates.Mail, "mail/layout.html")
	return p, err
})

// mail renders a mail. The recipient is the caller's.
func (r *renderer) mail(kind string, p person, now time.Time) (Mail, error) {
	d := r.page(p, now)
	m, err := r.write(kind, d)
	if err == nil && len(m.Subject)+len(m.Text)+len(m.HTML) > mostBytes {
		d.Brief = true
		m, err = r.write(kind, d)
	}
	m.From, m.ReplyTo, m.Date = r.c.From, r.c.Manifest.Help.Email, now
	// The manifest calls it a text and cannot be changed: with one that is no address
	// every sender would refuse every mail.
	if !Answerable(m.ReplyTo) {
		m.ReplyTo = m.From.Address
	}
	return m, err
}

// Answerable reports whether a text is an address that answers can go to, whoever carries
// them: one that a member could have, too.
func Answerable(address string) bool {
	_, err := mailbox.Read(address)
	return err == nil
}

// write executes the template of a kind and makes both parts of what it says. The
// errors of templates quote their data, which is names and links: they are not passed on.
func (r *renderer) write(kind string, d *page) (Mail, error) {
	t := r.text[d.Language+"/"+kind]
	if t == nil {
		return Mail{}, errors.New("there is no such kind of mail")
	}
	var b bytes.Buffer
	if t.Execute(&b, d) != nil {
		return Mail{}, fmt.Errorf("executing the template of %s", kind)
	}
	first, body, ok := strings.Cut(b.String(), "\n")
	subject, isSubject := strings.CutPrefix(first, "Subject: ")
	if !ok || !isSubject {
		return Mail{}, fmt.Errorf("the template of %s has no subject", kind)
	}
	subject = clean(subject)
	list := paragraphs(body)
	var html bytes.Buffer
	if r.html.Execute(&html, d.sheet(subject, list)) != nil {
		return Mail{}, fmt.Errorf("executing the layout of %s", kind)
	}
	var text strings.Builder
	for i, lines := range list {
		if i > 0 {
			text.WriteByte('\n')
		}
		for _, line := range lines {
			text.WriteString(fill(line) + "\n")
		}
	}
	return Mail{Subject: subject, Text: text.String(), HTML: html.String(), Language: d.Language}, nil
}
