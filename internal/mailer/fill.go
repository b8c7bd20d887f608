package mailer

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// columns is the width of a mail's text.
const columns = 72

// fill breaks a line into lines of at most 72 columns. A word is never broken, so that
// a link is not: a mail program that finds it broken cannot open it. Chinese has no
// words between spaces, and is broken between its signs.
func fill(line string) string {
	var b strings.Builder
	at := 0
	for _, word := range fields(line) {
		for i, piece := range pieces(word) {
			n, space := cells(piece), 0
			if i == 0 && at > 0 {
				space = 1
			}
			switch {
			case at > 0 && at+space+n > columns:
				b.WriteByte('\n')
				at = 0
			case space > 0:
				b.WriteByte(' ')
				at++
			}
			b.WriteString(piece)
			at += n
		}
	}
	return b.String()
}

// pieces takes a word apart where a line may end inside it.
func pieces(word string) []string {
	var list []string
	start, last := 0, rune(-1)
	for i, r := range word {
		if i > 0 && parts(last, r) {
			list = append(list, word[start:i])
			start = i
		}
		last = r
	}
	return append(list, word[start:])
}

// Signs that no line may begin or end with.
const (
	closing = "，。、；：？！）」』》】〉”’％…·—～,.;:?!)]}%"
	opening = "（「『《【〈“‘([{"
)

// parts reports whether a line may end between two signs.
func parts(a, b rune) bool {
	if strings.ContainsRune(closing, b) || strings.ContainsRune(opening, a) {
		return false
	}
	chinese := func(r rune) bool { return isWide(r) && !unicode.Is(unicode.Hangul, r) }
	return chinese(a) && (chinese(b) || strings.ContainsRune(opening, b)) || chinese(b) && strings.ContainsRune(closing, a)
}

func isWide(r rune) bool {
	kind := width.LookupRune(r).Kind()
	return kind == width.EastAsianWide || kind == width.EastAsianFullwidth
}

// cells counts the columns of a text.
func cells(s string) (n int) {
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case isWide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}
