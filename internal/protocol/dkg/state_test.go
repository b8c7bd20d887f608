package dkg

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestState(t *testing.T) {
	t.Parallel()
	c := newCeremony(t, 2, 3)
	stored := c.states[0].Bytes()
	if bytes.Contains(stored, c.keys[0].Bytes()) {
		t.Error("the stored state holds the static key")
	}
	st, err := ParseState(stored, c.keys[0])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(st.Bytes(), stored) || !bytes.Equal(st.Message(), c.msgs[0]) || st.Index() != 1 {
		t.Error("the state came back changed")
	}
	if !bytes.Equal(st.Setup().Context, c.setup.Context) {
		t.Error("the setup came back changed")
	}
	before, err := c.states[0].Finish(c.msgs)
	if err != nil {
		t.Fatal(err)
	}
	after, err := st.Finish(c.msgs)
	if err != nil {
		t.Fatal(err)
	}
	if !before.Share.Equal(after.Share) || before.Signature != after.Signature {
		t.Error("the resumed participant has another result")
	}
	if _, err := ParseState(stored, c.keys[1]); err == nil {
		t.Error("read with another's key")
	}
	for n := range stored {
		if _, err := ParseState(stored[:n], c.keys[0]); err == nil {
			t.Errorf("read from its first %d bytes", n)
		}
	}
	if _, err := ParseState(append(stored, 0), c.keys[0]); err == nil {
		t.Error("read with a byte too many")
	}
}

func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	c := newCeremony(t, 1, 2)
	results, _ := c.finish(t)
	st, r := c.states[0], results[0]
	secrets := []string{
		hex.EncodeToString(c.keys[0].Bytes()), hex.EncodeToString(r.Share.Bytes()),
		fmt.Sprint(c.keys[0].Bytes()), fmt.Sprint(r.Share.Bytes()),
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		text := fmt.Sprintf(strings.Repeat(verb, 4), st, *st, r, *r)
		for _, s := range secrets {
			if strings.Contains(strings.ToLower(text), s) {
				t.Errorf("%s prints a secret: %s", verb, text)
			}
		}
	}
	for _, v := range []any{st, *st, r, *r} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T was marshalled: %s", v, b)
		}
	}
	share, own := r.Share, st.key
	r.Wipe()
	st.Wipe()
	if !share.IsZero() || !own.IsZero() || r.Share != nil || st.key != nil {
		t.Error("a wiped secret is still there")
	}
	if c.keys[0].IsZero() {
		t.Error("wiping the state wiped the caller's key")
	}
	if _, err := st.Finish(c.msgs); err == nil {
		t.Error("a wiped state finished")
	}
	r.Wipe() // twice is harmless
	st.Wipe()
}
