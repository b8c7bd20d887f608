// Package language holds the words of the pages in seven languages, and how each
// writes a date, a number and a share.
//
// It knows no election and no person. It must never see a choice: what a page says
// of an answer is the manifest's text, which is in the languages that the committee
// wrote it in.
package language

import (
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// A Tag is a language that the pages speak.
type Tag struct {
	Code string // as in the attribute lang
	Name string // in the language itself
}

// tags stand in the order of the switcher. The first is the source, and what
// somebody gets whose languages are not here.
var tags = []Tag{
	{"en", "English"}, {"es", "Español"}, {"zh-Hans", "简体中文"}, {"zh-Hant", "繁體中文"},
	{"tl", "Tagalog"}, {"vi", "Tiếng Việt"}, {"ko", "한국어"},
}

// Tags returns all languages, in the order of the switcher.
func Tags() []Tag { return append([]Tag(nil), tags...) }

var matcher = sync.OnceValue(func() language.Matcher {
	var list []language.Tag
	for _, t := range tags {
		list = append(list, language.MustParse(t.Code))
	}
	return language.NewMatcher(list)
})

// longest is how much of a header is looked at: no browser's is longer, and to
// parse one takes time.
const longest = 500

// Match returns the code of the language to use: the one that somebody named by its
// code, or else what fits their Accept-Language header best.
func Match(explicit, accept string) string {
	for _, t := range tags {
		if strings.EqualFold(t.Code, explicit) {
			return t.Code
		}
	}
	if accept == "" || len(accept) > longest {
		return tags[0].Code
	}
	list, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(list) == 0 {
		return tags[0].Code
	}
	// Where nothing fits, the matcher returns the first.
	_, i, _ := matcher().Match(list...)
	return tags[i].Code
}
