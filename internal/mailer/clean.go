package mailer

import (
	"regexp"
	"strings"
	"unicode"
)

// longestName is how many characters of a name a mail shows: one that is longer is no
// name, and would fill the mail.
const longestName = 100

// clean makes one line of a text. What is not seen goes: a line break would begin a
// header or a paragraph of its own, and a sign that turns the direction of writing
// shows a sentence that nobody wrote.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\u2028' || r == '\u2029' || unicode.IsControl(r):
			return ' '
		case turns(r) || r == unicode.ReplacementChar || unicode.In(r, unicode.Co, unicode.Noncharacter_Code_Point):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return strings.Join(fields(s), " ")
}

// fields are what stands between spaces. A space at which no line ends, as before the
// sign of percent in Spanish, is none.
func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) && r != '\u00a0' && r != '\u202f' })
}

// turns reports whether a sign is not seen and changes how what follows is shown.
func turns(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' ||
		r == '\u200b' || r == '\u200e' || r == '\u200f' || r == '\u061c' || r == '\ufeff'
}

var (
	scheme = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*:/*`)
	dotted = regexp.MustCompile(`([\pL\pN])[.]([\pL\pN]{2})`)
)

// plain is clean for what a person may have had a say in: a name, a unit, a campus. Mail
// programs make a link of whatever looks like an address, and a name is none.
func plain(s string) string {
	s = clean(s)
	s = scheme.ReplaceAllStringFunc(s, func(m string) string {
		if strings.HasSuffix(m, "/") {
			return ""
		}
		return strings.TrimSuffix(m, ":") + " "
	})
	s = strings.NewReplacer("@", " ", "//", " ", "\\", " ").Replace(s)
	s = clean(dotted.ReplaceAllString(s, "$1. $2"))
	if r := []rune(s); len(r) > longestName {
		s = strings.TrimSpace(string(r[:longestName])) + "…"
	}
	return s
}
