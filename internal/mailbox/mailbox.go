// Package mailbox says what the mail address of a member is, in which form it is kept and
// compared, and which two are one. The roll, corrections, members who ask for their link
// and the senders all ask here: where two of them answered differently, a member would
// stand on the roll and not be found, or two members would share a mailbox unseen.
//
// It sends nothing, asks nobody and keeps nothing. Its errors hold no address.
package mailbox

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	// MaxTyped bounds what is looked at, in bytes: a letter that is typed takes up to four,
	// and fewer in the form that is kept.
	MaxTyped = 1024
	// MaxAddress is RFC 5321's: a path has 256 bytes, with its brackets.
	MaxAddress = 254
	maxLocal   = 64
	maxDomain  = 253
	maxLabel   = 63
)

var (
	// ErrForm is returned for what is not one plain address.
	ErrForm = errors.New("this is not one plain mail address")
	// ErrLocal is returned for an address that has before its @ what many mail services
	// do not carry. It may well be somebody's.
	ErrLocal = errors.New("many mail services carry only a-z, digits and plain signs before the @")
	// ErrLong is returned for an address that is longer than any may be, in the form that
	// is kept.
	ErrLong = errors.New("the address is too long")
)

var (
	localForm  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")
	domainForm = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+([A-Za-z]{2,63}|[Xx][Nn]--[A-Za-z0-9-]{2,59})$`)
)

// Read returns the form in which a typed address is kept: as it is, but with a domain in
// xn-- form where it has letters outside ASCII. The rarer forms of RFC 5322 (quoted,
// commented, with a display name) are mistakes where one member's address is asked for.
// It returns [ErrForm], [ErrLocal] or [ErrLong].
func Read(typed string) (string, error) {
	local, domain, ok := strings.Cut(typed, "@")
	if !ok || len(typed) > MaxTyped {
		return "", ErrForm
	}
	domain, ok = Domain(domain)
	if !ok || !domainForm.MatchString(domain) {
		return "", ErrForm
	}
	// Only what is an address but for its letters is refused for them.
	plain := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII && unicode.IsGraphic(r) && !unicode.IsSpace(r) {
			return 'x'
		}
		return r
	}, local)
	switch {
	case len(plain) > maxLocal || !localForm.MatchString(plain):
		return "", ErrForm
	case plain != local:
		return "", ErrLocal
	case len(local)+len("@")+len(domain) > MaxAddress:
		return "", ErrLong
	}
	return local + "@" + domain, nil
}

// Kept returns the form in which an address is kept, and any other text, such as a member
// number, as it is. Its work depends on nothing but the text: whoever asks for an
// address learns nothing of the roll by the time it takes.
func Kept(typed string) string {
	if address, err := Read(typed); err == nil {
		return address
	}
	return typed
}

// Key returns what two addresses of one mailbox have in common. Domains are equal whatever
// their case. Whether mailboxes are is up to their host, but who types an address minds no
// case, and SendGrid refuses two that differ in it alone.
func Key(address string) string { return strings.ToLower(Kept(address)) }

// Domain returns a domain as every mail service understands it, in ASCII, by UTS 46 for
// looking up, without the mappings of the transition. Of what is ASCII already it asks
// nothing: the rules for the rest know fewer domains than there are.
func Domain(typed string) (string, bool) {
	if ascii(typed) {
		return typed, true
	}
	if len(typed) > MaxTyped || !utf8.ValidString(typed) || strings.ContainsRune(typed, utf8.RuneError) {
		return "", false // garbled, which would make the name of another
	}
	domain, err := idna.Lookup.ToASCII(typed)
	if err != nil || len(domain) > maxDomain {
		return "", false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > maxLabel {
			return "", false
		}
	}
	return domain, true
}

// Within reports whether a domain is another one or below it, however each is written.
func Within(domain, other string) bool {
	domain, ok := Domain(domain)
	other, ok2 := Domain(other)
	domain, other = strings.ToLower(domain), strings.ToLower(other)
	return ok && ok2 && other != "" && (domain == other || strings.HasSuffix(domain, "."+other))
}

// alike are scripts that have letters which look the same.
var alike = []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee}

// Mixed reports whether a part of an address's domain mixes alphabets that look alike, as
// "exаmple" with one Cyrillic letter. Registries give hardly any such name away: most often
// it is a slip, and the mail would go to somebody else or to nobody.
func Mixed(address string) bool {
	_, domain, _ := strings.Cut(address, "@")
	if len(domain) > MaxTyped || ascii(domain) && !strings.Contains(strings.ToLower(domain), "xn--") {
		return false
	}
	shown, err := idna.Lookup.ToUnicode(domain)
	if err != nil {
		return false
	}
	for label := range strings.SplitSeq(shown, ".") {
		scripts := 0
		for _, script := range alike {
			if strings.ContainsFunc(label, func(r rune) bool { return unicode.Is(script, r) }) {
				scripts++
			}
		}
		if scripts > 1 {
			return true
		}
	}
	return false
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
