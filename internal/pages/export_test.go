package pages

import (
	"io/fs"

	"strikevote/internal/protocol/suite"
)

// Markdown is what a page makes of a text.
func Markdown(source string) string { return string(new(view).Markdown(source, 2)) }

// SetAudit replaces the audit for browsers; it is called before [Site.Handler].
func (s *Site) SetAudit(fsys fs.FS) { s.browser = func() *browser { return newBrowser(fsys) } }

// Age makes what was read of an election so old that it is read anew.
func (s *Site) Age(id suite.ElectionID) { s.kept[id].at = s.kept[id].at.Add(-s.Keep) }

// Downloading says how many downloads of records are under way.
func (s *Site) Downloading(n int32) { s.zips.Store(n) }
