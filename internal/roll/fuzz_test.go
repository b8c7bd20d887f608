package roll_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"strikevote/internal/roll"
)

// FuzzReadList reads a list to compare with: every member in it has a number, and
// each number stands there once.
func FuzzReadList(f *testing.F) {
	few := messy(5)
	f.Add([]byte(few.text(',')))
	f.Add(utf16Bytes(few.text('\t'), binary.BigEndian, true))
	f.Add([]byte("Member No\n1\n1\n\n2\n"))
	f.Add([]byte("number;first name;last name\n1;=cmd|' /C calc'!A0;B\n"))
	f.Add([]byte("\xef\xbb\xbfnumber\n\x00\n"))
	f.Add(pack(f, parts(tab{name: "M", rows: few.sheet()})))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := roll.ReadList(data, roll.Options{Groups: []string{"HX", "RX"}})
		if err != nil {
			return
		}
		if list.Digest != sha256.Sum256(data) {
			t.Error("the digest is of other bytes")
		}
		seen := make(map[string]bool)
		for _, m := range list.Members {
			if m.Number == "" || seen[m.Number] {
				t.Fatalf("row %d: a number is missing or stands there twice", m.Row)
			}
			seen[m.Number] = true
		}
		if err := list.WriteReport(new(bytes.Buffer)); err != nil {
			t.Error(err)
		}
	})
}
