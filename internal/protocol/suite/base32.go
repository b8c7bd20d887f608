package suite

import (
	"errors"
	"strings"
)

// alphabet is Crockford's: without I, L, O and U, which people misread.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// ErrBase32 is returned for a text that is not the base32 of anything.
var ErrBase32 = errors.New("not a base32 text of the right length")

// Base32 writes the first bits of b, most significant first, as upper-case
// characters without separators. b must hold that many bits.
func Base32(b []byte, bits int) string {
	if bits < 0 || bits > 8*len(b) {
		panic("suite: Base32 of more bits than there are")
	}
	out := make([]byte, 0, (bits+4)/5)
	for at := 0; at < bits; at += 5 {
		v := byte(0)
		for i := at; i < at+5; i++ {
			v <<= 1
			if i < bits {
				v |= b[i/8] >> (7 - i%8) & 1
			}
		}
		out = append(out, alphabet[v])
	}
	return string(out)
}

// ParseBase32 accepts exactly what [Base32] makes of that many bits; the bits
// after them in the last byte are zero.
func ParseBase32(s string, bits int) ([]byte, error) {
	if bits < 0 || len(s) != (bits+4)/5 {
		return nil, ErrBase32
	}
	out := make([]byte, (bits+7)/8)
	for n := range len(s) {
		v := strings.IndexByte(alphabet, s[n])
		if v < 0 {
			return nil, ErrBase32
		}
		for i := range 5 {
			bit := byte(v) >> (4 - i) & 1
			at := 5*n + i
			switch {
			case at < bits:
				out[at/8] |= bit << (7 - at%8)
			case bit != 0:
				// A second spelling of the same bits.
				return nil, ErrBase32
			}
		}
	}
	return out, nil
}

// CheckChar returns the check character of a base32 text (SPEC.md section 1).
// It finds any one wrong character and any swap of two neighbours. chars must
// be of the alphabet.
func CheckChar(chars string) byte {
	sum, power := byte(0), byte(1)
	for i := range len(chars) {
		power = double(power)
		v := strings.IndexByte(alphabet, chars[i])
		if v < 0 {
			panic("suite: CheckChar of a text that is not base32")
		}
		sum ^= times(power, byte(v))
	}
	return alphabet[sum]
}

// double multiplies by x in GF(32) = GF(2)[x]/(x^5+x^2+1).
func double(a byte) byte {
	a <<= 1
	if a&0x20 != 0 {
		a ^= 0x25
	}
	return a
}

func times(a, b byte) byte {
	p := byte(0)
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			p ^= a
		}
		a = double(a)
	}
	return p
}

// Group4 shows a base32 text in groups of four, joined by hyphens.
func Group4(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// CleanBase32 turns what a person typed into the alphabet: case, spaces and
// hyphens do not matter, O is 0, I and L are 1. Other characters stay, and
// [ParseBase32] refuses them.
func CleanBase32(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '\u00a0', '\u2010', '\u2011', '\u2013', '\t', '\r', '\n':
			return -1
		case 'o', 'O':
			return '0'
		case 'i', 'I', 'l', 'L':
			return '1'
		}
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}
