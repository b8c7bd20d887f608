package web

import "strings"

// Tel returns the address that calls a phone number, or "" if there is none in it.
func Tel(phone string) string {
	var b strings.Builder
	for _, r := range phone {
		switch {
		case r >= '0' && r <= '9' || r == '+' && b.Len() == 0:
			b.WriteRune(r)
		case !strings.ContainsRune(" ()-./", r):
			return "" // words, an extension: a wrong number is worse than none
		}
	}
	if b.Len() < 3 {
		return ""
	}
	return "tel:" + b.String()
}
