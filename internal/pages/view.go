package pages

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/wording"
)

// A view is one election as one reader asks for it. The struct of every page embeds
// one: it has the words, the facts and the frame.
type view struct {
	*language.Words
	*facts

	Path  string // of the page below the election's address
	Phase Phase
	Now   time.Time
	Asset assets
	// Ask is the language that the address names, which links repeat; "" where it was
	// negotiated.
	Ask string
}

// explicit returns the language that an address names.
func explicit(r *http.Request) string { return r.URL.Query().Get("lang") }

func words(r *http.Request) *language.Words {
	return language.Of(language.Match(explicit(r), r.Header.Get("Accept-Language")))
}

// address returns the address of a page. lang may be empty.
func address(id suite.ElectionID, path, lang string) string {
	a := "/e/" + id.String() + "/" + path
	if lang != "" {
		a += "?lang=" + url.QueryEscape(lang)
	}
	return a
}

// Link returns the address of another page of the election, in the same language.
func (v *view) Link(path string) string { return address(v.ID, path, v.Ask) }

// Pages lists the pages of the election.
func (v *view) Pages() []Choice {
	var list []Choice
	for _, p := range pages {
		list = append(list, Choice{Name: v.Text(p.label), Link: v.Link(p.path), Here: p.path == v.Path})
	}
	return list
}

// A Choice is a link of a list: to a page, or to the same page in another language.
type Choice struct {
	Name, Link, Lang string
	Here             bool
}

// Languages lists this page in every language, each in its own script.
func (v *view) Languages() []Choice {
	var list []Choice
	for _, t := range language.Tags() {
		list = append(list, Choice{t.Name, address(v.ID, v.Path, t.Code), t.Code, t.Code == v.Code()})
	}
	return list
}

// Booth is where a member votes with a link or a code.
func (v *view) Booth() string { return v.Manifest.Origins.Booth + "/v1/" + v.ID.String() }

// Resend is where a member asks for the link again.
func (v *view) Resend() string {
	return v.Manifest.Origins.Registrar + "/v1/" + v.ID.String() + "/link"
}

// Record is the address of the public record.
func (v *view) Record() string { return v.Manifest.Origins.Board + "/" + v.ID.String() }

// A Said is a text of the election or of the union, and the language it is in where
// that is not the page's.
type Said struct{ Text, Lang string }

// Of picks the reader's language of a manifest's text, or the election's first.
func (v *view) Of(texts []string) Said {
	for i, tag := range v.Manifest.Languages {
		if i < len(texts) && strings.EqualFold(tag, v.Code()) {
			return Said{Text: texts[i]}
		}
	}
	return v.said(texts[0], v.Manifest.Languages[0])
}

// Say picks the reader's language of what the union wrote, or the election's first, or
// any that there is.
func (v *view) Say(t Text) Said {
	if text, ok := t[v.Code()]; ok {
		return Said{Text: text}
	}
	first := code(v.Manifest.Languages[0])
	if text, ok := t[""]; ok {
		return v.said(text, first)
	}
	for _, lang := range append([]string{first}, codes()...) {
		if text, ok := t[lang]; ok {
			return v.said(text, lang)
		}
	}
	return Said{}
}

// Join lists names: "HX, RX and TX".
func (v *view) Join(names []string) string { return wording.List(v.Words, names) }

// Groups lists the names of the groups.
func (v *view) Groups() string {
	var names []string
	for _, g := range v.Manifest.Groups {
		names = append(names, g.Name)
	}
	return v.Join(names)
}

// Phone is the committee's help, as a link that calls it where that is possible.
func (v *view) Phone() template.HTML {
	phone := v.Manifest.Help.Phone
	if call := web.Tel(phone); call != "" {
		return element("a", "href", call, phone)
	}
	return escape(phone)
}

func (v *view) said(text, tag string) Said {
	if strings.EqualFold(tag, v.Code()) {
		return Said{Text: text}
	}
	return Said{text, tag}
}

// Content is what the union wrote.
func (v *view) Content() *Content { return &v.Edition.Content }

// At writes a moment of the election, in its zone, so that programs can read it too.
func (v *view) At(unix int64) template.HTML { return v.Time(time.Unix(unix, 0)) }

// Time is At for a time.
func (v *view) Time(t time.Time) template.HTML {
	t = t.In(v.zone)
	return element("time", "datetime", t.Format(time.RFC3339), v.Moment(t))
}

// OnDay writes the day of a time of the election.
func (v *view) OnDay(t time.Time) template.HTML {
	t = t.In(v.zone)
	return element("time", "datetime", t.Format(time.DateOnly), v.Day(t))
}

// Date writes a date of the content, "2027-01-15".
func (v *view) Date(date string) template.HTML {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return template.HTML(template.HTMLEscapeString(date))
	}
	// A document may be of the year before.
	return element("time", "datetime", date, v.Text("pages.date", "day", v.Day(t), "year", t.Year()))
}

// Bold makes a text bold inside of a sentence, see [view.Rich].
func (v *view) Bold(text any) template.HTML {
	return "<strong>" + escape(text) + "</strong>"
}

// Anchor makes a link inside of a sentence. What is no address of a page, a mail or a
// phone is shown as text.
func (v *view) Anchor(link, text string) template.HTML {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "" && u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "mailto" && u.Scheme != "tel" {
		return escape(text)
	}
	return element("a", "href", link, text)
}

func element(name, attribute, value, text string) template.HTML {
	return template.HTML(fmt.Sprintf(`<%s %s="%s">%s</%[1]s>`, name, attribute, template.HTMLEscapeString(value), template.HTMLEscapeString(text)))
}

// escape makes HTML of a value of a sentence.
func escape(value any) template.HTML {
	switch x := value.(type) {
	case template.HTML:
		return x
	case Said:
		if x.Lang != "" {
			return element("span", "lang", x.Lang, x.Text)
		}
		return template.HTML(template.HTMLEscapeString(x.Text))
	}
	return template.HTML(template.HTMLEscapeString(fmt.Sprint(value)))
}

// Rich is Text for values that have markup, such as the moments of [view.At]. The
// sentence itself and every other value are escaped.
func (v *view) Rich(key string, pairs ...any) template.HTML {
	marked := make([]any, len(pairs))
	var replace []string
	for i, p := range pairs {
		if i%2 == 0 {
			marked[i] = p
			continue
		}
		// No text of the catalogue holds this character.
		mark := fmt.Sprintf("\x00%d\x00", i)
		marked[i] = mark
		replace = append(replace, mark, string(escape(p)))
	}
	// Escaping would make the mark another one, so the text is escaped around it.
	var b strings.Builder
	for i, part := range strings.Split(v.Text(key, marked...), "\x00") {
		if i%2 == 0 {
			b.WriteString(template.HTMLEscapeString(part))
		} else {
			b.WriteString("\x00" + part + "\x00")
		}
	}
	return template.HTML(strings.NewReplacer(replace...).Replace(b.String()))
}

// Help says whom a member may ask.
func (v *view) Help() template.HTML {
	phone, after := v.Phone(), template.HTML("")
	hours := v.Say(v.Content().HelpHours)
	switch {
	case hours.Text == "":
	case v.fits(v.Content().HelpHours):
		phone = v.Rich("pages.help.hours", "phone", phone, "hours", hours)
	default:
		after = " " + v.Rich("pages.help.hours", "phone", phone, "hours", hours)
	}
	organizer := v.Say(v.Content().Organizer)
	if organizer.Text == "" || !v.fits(v.Content().Organizer) {
		organizer = Said{Text: v.Text("common.organizer")}
	}
	return v.Rich("common.help", "phone", phone, "organizer", organizer) + after
}

// fits reports whether a text of the union may stand inside of a sentence: it is in the
// reader's language, or the only one, as a name and a room are. Where the union wrote one
// for each language and not for this, another one breaks the sentence.
func (v *view) fits(t Text) bool {
	_, own := t[v.Code()]
	_, only := t[""]
	return own || only
}

// Only says that a text is in another language than the page, and in which.
func (v *view) Only(lang string) template.HTML {
	for _, t := range language.Tags() {
		if strings.EqualFold(t.Code, lang) {
			return v.Rich("pages.only", "language", Said{t.Name, t.Code})
		}
	}
	return v.Rich("pages.only", "language", lang)
}

// Abstains reports whether the question that the rule reads has a neutral option.
func (v *view) Abstains() bool {
	for _, o := range v.Manifest.Questions[v.Manifest.Rule.Question].Options {
		if o.Role == election.RoleNeutral {
			return true
		}
	}
	return false
}

// keep is how long a cache may keep the page: never beyond the moment at which voting
// opens, closes, or the last ballot under way has to be there, when it says another thing.
func (v *view) keep() time.Duration {
	keep := briefly
	for _, at := range []int64{v.Manifest.Schedule.Open, v.Acts.Close, v.Manifest.Schedule.LockFrom(v.Acts.Close)} {
		if left := time.Unix(at, 0).Sub(v.Now); left > 0 && left < keep {
			keep = left.Truncate(time.Second)
		}
	}
	return keep
}

// Printed says on paper from where a page is, and from when.
func (v *view) Printed() string {
	return v.Text("pages.printed", "address", v.Manifest.Origins.Board+v.Link(v.Path), "moment", v.Moment(v.Now.In(v.zone)))
}

// RecordPath is the address of the record at this origin, for a page's script.
func (v *view) RecordPath() string { return "/" + v.ID.String() }

// Own is how the page's script says a moment in the reader's own zone.
func (v *view) Own() string { return v.Text("pages.own", "time", "{time}") }
