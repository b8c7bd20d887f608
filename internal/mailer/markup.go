package mailer

import (
	"slices"
	"strings"

	"strikevote/internal/language"
)

// A sheet is what the HTML layout sees: the paragraphs of the text, as data.
type sheet struct {
	Language, Subject string
	Blocks            []block
}

// A block is a paragraph. Of that with the link to the ballot the button shows the
// words, and the link stands below it once more, for whose program hides buttons.
type block struct {
	Button *span
	Lines  [][]span
}

// A span is a piece of a line that looks the same.
type span struct {
	Text, Href, Lang string
	Strong, Fixed    bool // Fixed: to be copied sign by sign
}

// A mark is a text that a page has a use for wherever it stands.
type mark struct {
	text  string
	spans []span
}

// paragraphs takes the body of an executed template apart: paragraphs between empty
// lines, each of one or more lines.
func paragraphs(body string) [][]string {
	var list [][]string
	var now []string
	for line := range strings.SplitSeq(body+"\n", "\n") {
		line = strings.Join(fields(line), " ")
		switch {
		case line != "":
			now = append(now, line)
		case now != nil:
			list = append(list, now)
			now = nil
		}
	}
	if now != nil {
		list = append(list, now)
	}
	return list
}

// sheet makes the HTML's paragraphs of the text's.
func (d *page) sheet(subject string, list [][]string) *sheet {
	s := &sheet{Language: d.Language, Subject: subject}
	marks := d.marks()
	for _, lines := range list {
		var b block
		if i := slices.Index(lines, d.Link); d.Link != "" && i == 1 {
			b.Button = &span{Text: strings.TrimRight(lines[0], ":："), Href: d.Link}
			lines = lines[1:]
		}
		for _, line := range lines {
			if text := (span{Text: line, Strong: true, Lang: d.said(line)}); slices.Contains(d.heavy(), line) {
				b.Lines = append(b.Lines, []span{text})
				continue
			}
			b.Lines = append(b.Lines, spans(line, marks))
		}
		s.Blocks = append(s.Blocks, b)
	}
	return s
}

// heavy are the lines that a reader looks for first.
func (d *page) heavy() []string {
	list := append([]string{d.Mark, d.Result.Sentence, d.Result.NotCalled}, d.Questions...)
	for _, q := range d.Result.Questions {
		list = append(list, q.Text)
	}
	return list
}

// said is the language of a question, where it is not that of the mail.
func (d *page) said(line string) string {
	if d.TextLanguage != d.Language && slices.Contains(d.Questions, line) {
		return d.TextLanguage
	}
	return ""
}

// marks are what becomes a link or is to be copied. An address that is not among
// these stays text, whatever it stands in.
func (d *page) marks() []mark {
	var list []mark
	add := func(text string, s span) {
		if text != "" {
			s.Text = text
			list = append(list, mark{text, []span{s}})
		}
	}
	for _, address := range []string{d.Link, d.CodeURL, d.ElectionURL, d.TrackerURL, d.ReportURL, d.Result.URL} {
		add(address, span{Href: address})
	}
	if d.HelpEmail != "" {
		add(d.HelpEmail, span{Href: "mailto:" + d.HelpEmail})
	}
	add(d.Code, span{Strong: true, Fixed: true})
	add(d.SixWords, span{Strong: true, Fixed: true})
	var names []span
	for i, t := range d.others() {
		if i > 0 {
			names = append(names, span{Text: " "})
		}
		names = append(names, span{Text: t.Name, Lang: t.Code})
	}
	list = append(list, mark{d.Others, names})
	// Of two that begin at the same place the longer one is meant.
	slices.SortStableFunc(list, func(a, b mark) int { return len(b.text) - len(a.text) })
	return list
}

// spans takes a line apart at the marks in it.
func spans(line string, marks []mark) []span {
	var list []span
	for line != "" {
		first, found := len(line), mark{}
		for _, m := range marks {
			if i := strings.Index(line, m.text); i >= 0 && i < first {
				first, found = i, m
			}
		}
		if first > 0 {
			list = append(list, span{Text: line[:first]})
		}
		list = append(list, found.spans...)
		line = line[first+len(found.text):]
	}
	return list
}

// others are the languages that a mail in this one offers: both kinds of Chinese under
// one name for whoever reads neither.
func (d *page) others() []language.Tag {
	var list []language.Tag
	for _, t := range language.Tags() {
		switch {
		case t.Code == d.Language:
		case !strings.HasPrefix(t.Code, "zh-") || strings.HasPrefix(d.Language, "zh-"):
			list = append(list, t)
		case t.Code == "zh-Hans":
			list = append(list, language.Tag{Code: "zh", Name: "中文"})
		}
	}
	return list
}
