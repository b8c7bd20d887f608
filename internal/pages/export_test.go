package pages

import (
	"html/template"
	"io/fs"
	"net/netip"

	"strikevote/internal/protocol/suite"
)

// Markdown is what a page makes of a text.
func Markdown(source string) string { return string(renderMarkdown(source, 2)) }

// Texts keeps what is made of texts, at most so many bytes, and counts what it makes.
type Texts struct {
	texts
	Made int
}

func NewTexts(most int) *Texts { return &Texts{texts: texts{most: most}} }

func (t *Texts) Of(source string, level int) string {
	return string(t.of(source, level, func(s string, level int) template.HTML {
		t.Made++
		return renderMarkdown(s, level)
	}))
}

// Kept is how many bytes it holds.
func (t *Texts) Kept() (n int) {
	for _, html := range t.kept {
		n += len(html)
	}
	return n
}

// SetAudit replaces the audit for browsers; it is called before [Site.Handler].
func (s *Site) SetAudit(fsys fs.FS) { s.browser = func() *browser { return newBrowser(fsys) } }

// CheckIn is [CheckBuilt] of other files.
func CheckIn(fsys fs.FS) bool { return checkBuilt(fsys) }

// Age makes what was read of an election so old that it is read anew.
func (s *Site) Age(id suite.ElectionID) { s.kept[id].at = s.kept[id].at.Add(-s.Keep) }

// Download takes the place of a download under way to an address.
func (s *Site) Download(a netip.Addr) (done func(), err error) { return s.zips().Take(a) }
