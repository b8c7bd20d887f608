package roll

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	phone    = regexp.MustCompile(`^[+-][0-9][0-9 ().,/-]*$`) // or a negative number
	exponent = regexp.MustCompile(`^[0-9]+([.,][0-9]*[eE][+-]?|[eE][+-])[0-9]+$`)
	decimal  = regexp.MustCompile(`^[0-9]+[.,]0+$`)
)

var spreadsheetErrors = map[string]bool{"#N/A": true, "#REF!": true, "#VALUE!": true, "#NAME?": true, "#NULL!": true,
	"#DIV/0!": true, "#NUM!": true, "########": true}

// formula reports a text that a spreadsheet would run.
func formula(s string) bool { return strings.ContainsRune("=+-@", rune(s[0])) && !phone.MatchString(s) }

// scientific reports a number as spreadsheets write what they rounded.
func scientific(s string) bool { return exponent.MatchString(s) || decimal.MatchString(s) }

// garbled reports UTF-8 that was read as Windows-1252 and saved again: "JosÃ©".
func garbled(s string) bool {
	const continuation = "\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
	var before rune
	for _, r := range s {
		if (before == 'Ã' || before == 'Â') && (r >= 0xa0 && r <= 0xbf || strings.ContainsRune(continuation, r)) {
			return true
		}
		before = r
	}
	return false
}

// shorten makes a value fit for a report: hidden characters visible, at most
// 40 letters.
func shorten(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > 40 {
			b.WriteString("…")
			break
		}
		if hidden(r) {
			fmt.Fprintf(&b, "<U+%04X>", r)
		} else {
			b.WriteRune(r)
		}
	}
	if !utf8.ValidString(b.String()) {
		return strings.ToValidUTF8(b.String(), "?")
	}
	return b.String()
}
