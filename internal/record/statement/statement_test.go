package statement_test

import (
	"bytes"
	"testing"

	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/statement"
)

func TestTeller(t *testing.T) {
	t.Parallel()
	key := group.RandomScalar()
	public := group.BaseMul(key)
	mid := suite.MID{1, 2, 3}
	file := statement.SignTeller(key, 3, mid)
	if err := statement.VerifyTeller(public, 3, mid, file); err != nil {
		t.Fatalf("its own statement: %v", err)
	}
	if !bytes.HasPrefix(file, []byte("strikevote/v1/destroyed\n"+mid.String()+"\nteller share\n\n— teller 3 ")) {
		t.Errorf("got %q", file)
	}
	for i := range file {
		for _, bit := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(file)
			bad[i] ^= bit
			if statement.VerifyTeller(public, 3, mid, bad) == nil {
				t.Errorf("byte %d with bit %#x changed passes", i, bit)
			}
		}
		if statement.VerifyTeller(public, 3, mid, file[:i]) == nil {
			t.Errorf("cut to %d bytes it passes", i)
		}
	}
	for _, add := range []string{"\n", " ", "— teller 4 AAAA\n"} {
		if statement.VerifyTeller(public, 3, mid, append(bytes.Clone(file), add...)) == nil {
			t.Errorf("with %q added it passes", add)
		}
	}
	if statement.VerifyTeller(public, 2, mid, file) == nil {
		t.Error("it passes for another teller's number")
	}
	if statement.VerifyTeller(public, 3, suite.MID{}, file) == nil {
		t.Error("it passes for another election")
	}
	if statement.VerifyTeller(group.BaseMul(group.RandomScalar()), 3, mid, file) == nil {
		t.Error("it passes for another key")
	}
}

// FuzzVerifyTeller takes one file only.
func FuzzVerifyTeller(f *testing.F) {
	key := group.RandomScalar()
	public, mid := group.BaseMul(key), suite.MID{1, 2, 3}
	file := statement.SignTeller(key, 3, mid)
	f.Add(file)
	f.Add(file[:len(file)-2])
	f.Add(append(bytes.Clone(file), '\n'))
	f.Add([]byte(statement.Text(mid, statement.TellerShare) + "\n— teller 3 AAAA\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if statement.VerifyTeller(public, 3, mid, b) == nil && !bytes.Equal(b, file) {
			t.Errorf("%q passes", b)
		}
	})
}
