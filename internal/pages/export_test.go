package pages

import "io/fs"

// SetAudit replaces the audit for browsers; it is called before [Site.Handler].
func (s *Site) SetAudit(fsys fs.FS) { s.browser = func() *browser { return newBrowser(fsys) } }

// Markdown is what a page makes of a text.
func Markdown(source string) string { return string(new(view).Markdown(source, 2)) }
