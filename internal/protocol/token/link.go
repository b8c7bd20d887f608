package token

import (
	"encoding/base64"
	"errors"
	"strings"

	"strikevote/internal/protocol/suite"
)

// maxOrigin is the longest origin of a booth, in bytes.
const maxOrigin = 255

// ErrLink is returned for what is not a voting link.
var ErrLink = errors.New("not a voting link")

// Link returns the voting link of a token: the token and the manifest's hash
// stand behind the #, which browsers do not send to a server. booth is an
// origin without a final slash.
func Link(booth string, t Token, mid suite.MID) string {
	return booth + "/v1/#t=" + t.Base64() + "&m=" + base64.RawURLEncoding.EncodeToString(mid[:])
}

// ParseLink takes a voting link apart. It accepts exactly what [Link] makes of
// an http or https origin, except that the # may be written %23, as some mail
// programs do. A character too many at the end is refused: what was cut off or
// added elsewhere in the link is then noticed too. It does not verify the
// token. It returns [ErrLink].
func ParseLink(s string) (booth string, t Token, b Body, mid suite.MID, err error) {
	fail := func() (string, Token, Body, suite.MID, error) {
		return "", Token{}, Body{}, suite.MID{}, ErrLink
	}
	booth, rest, ok := strings.Cut(s, "/v1/")
	if !ok || !validOrigin(booth) {
		return fail()
	}
	params, ok := strings.CutPrefix(rest, "#")
	if !ok {
		params, ok = strings.CutPrefix(rest, "%23")
	}
	text, ok2 := strings.CutPrefix(params, "t=")
	first, second, ok3 := strings.Cut(text, "&m=")
	if !ok || !ok2 || !ok3 {
		return fail()
	}
	t, b, err = ParseBase64(first)
	if err != nil {
		return fail()
	}
	m, err := decode64(second, len(mid))
	if err != nil {
		return fail()
	}
	return booth, t, b, suite.MID(m), nil
}

// validOrigin accepts a scheme, a host and perhaps a port. User names, which
// make a link look like one to somewhere else, and paths are refused.
func validOrigin(s string) bool {
	host, ok := strings.CutPrefix(s, "https://")
	if !ok {
		host, ok = strings.CutPrefix(s, "http://")
	}
	if !ok || host == "" || len(s) > maxOrigin {
		return false
	}
	for i := range len(host) {
		c := host[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', strings.IndexByte(".-:[]", c) >= 0:
		default:
			return false
		}
	}
	return true
}
