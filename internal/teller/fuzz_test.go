package teller_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"strikevote/internal/teller"
)

// FuzzKey reads what a key file seals, as whoever knows the passphrase may have
// written it: what is read is written in one form.
func FuzzKey(f *testing.F) {
	t, err := teller.Peek(filepath.Join("testdata", "teller.key"), passphrase)
	if err != nil {
		f.Fatal(err)
	}
	good, err := t.Packed()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(append(bytes.Clone(good), 0))
	f.Add([]byte("\xff\xff\xff\xff{}"))
	f.Add([]byte("\x00\x00\x00\x02{}\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		once, err := teller.Repack(b)
		if err != nil {
			return
		}
		if twice, err := teller.Repack(once); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q becomes %q, then %q, %v", b, once, twice, err)
		}
	})
}
