package torture_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// A kind of mark decides where it may be.
type kind int

const (
	ofRoll    kind = iota // names, addresses, numbers: at the registrar
	ofVoter               // links, codes, secrets, networks: nowhere
	ofBallot              // trackers: at the box
	unmarkeds             // how many kinds there are
)

// marks are what a run is marked with, in every form in which it could be kept.
type marks struct {
	in   [unmarkeds]*needles
	says []string   // what each mark is
	text [][]byte   // each mark as it is
	kind []kind     // of each mark
	form [][][]byte // of each mark
}

func newMarks() *marks {
	m := new(marks)
	for k := range m.in {
		m.in[k] = newNeedles()
	}
	return m
}

// add notes a mark.
func (m *marks) add(k kind, says string, text []byte) {
	name := len(m.says)
	all := forms(text)
	m.says, m.text, m.kind, m.form = append(m.says, says), append(m.text, bytes.Clone(text)), append(m.kind, k), append(m.form, all)
	for _, f := range all {
		m.in[k].add(name, f)
	}
}

// find says what is marked in a text, by kind of mark and a few characters around.
func (m *marks) find(hay []byte, kinds ...kind) (found []string) {
	for _, k := range kinds {
		m.in[k].find(hay, func(at, name int) {
			found = append(found, fmt.Sprintf("%s: …%q…", m.says[name], hay[max(0, at-60):min(len(hay), at+60)]))
		})
	}
	return found
}

// seen lists the marks that are in a text.
func (m *marks) seen(hay []byte) map[int]bool {
	seen := make(map[int]bool)
	for _, in := range m.in {
		in.find(hay, func(_, name int) { seen[name] = true })
	}
	return seen
}

// some returns a mark of each kind that there is.
func (m *marks) some(kinds []kind) (names []int) {
	for _, k := range kinds {
		names = append(names, slices.Index(m.kind, k))
	}
	return names
}

// forms are the ways in which programs write bytes: as they are, in hexadecimal, in
// base64 of either alphabet at each of the three places that bytes can have in it,
// and in UTF-16.
func forms(b []byte) [][]byte {
	digits := hex.EncodeToString(b)
	all := [][]byte{b, []byte(digits), []byte(strings.ToUpper(digits))}
	if low := bytes.ToLower(b); !bytes.Equal(low, b) && printable(b) {
		all = append(all, low, []byte(hex.EncodeToString(low)))
	}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := e.EncodeToString(append(make([]byte, before), b...))
			// The characters at both ends depend on what stands beside.
			text = text[(before*8+5)/6:]
			if (before+len(b))%3 != 0 {
				text = text[:len(text)-1]
			}
			all = append(all, []byte(text))
		}
	}
	if printable(b) {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			var wide []byte
			for _, u := range utf16.Encode([]rune(string(b))) {
				wide = order.AppendUint16(wide, u)
			}
			all = append(all, wide)
		}
	}
	return all
}

func printable(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r > '~' })
}

// TestMarks finds every form of a mark in the midst of other bytes.
func TestMarks(t *testing.T) {
	t.Parallel()
	m := newMarks()
	m.add(ofRoll, "a name", []byte("Zqxcanary Qz00017"))
	m.add(ofVoter, "a secret", []byte{1, 2, 3, 250, 251, 252, 253, 254, 255, 0, 7, 8})
	for i, text := range m.text {
		for before := range 4 {
			whole := slices.Concat([]byte("abcd")[:before], text, []byte("xyz"))
			for name, hay := range map[string][]byte{
				"raw": whole, "hex": []byte(hex.EncodeToString(whole)), "base64": []byte(base64.StdEncoding.EncodeToString(whole)),
				"base64url": []byte(base64.RawURLEncoding.EncodeToString(whole)),
			} {
				if len(m.find(hay, m.kind[i])) == 0 {
					t.Errorf("%s in %s after %d bytes was not found", m.says[i], name, before)
				}
				if other := m.find(hay, 1-m.kind[i]); len(other) > 0 {
					t.Errorf("%s in %s was taken for %q", m.says[i], name, other)
				}
			}
		}
	}
}
