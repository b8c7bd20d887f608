package ceremony_test

import (
	"bytes"
	"strings"
	"testing"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

func invitation() ceremony.Invitation {
	return ceremony.Invitation{Console: "https://console.example", Election: suite.ElectionID{1, 2}, Number: 3, Enrollment: "ABCD-EFGH"}
}

func TestInvitation(t *testing.T) {
	t.Parallel()
	for _, console := range []string{"https://console.example", "http://127.0.0.1:8080", "https://a.b:444"} {
		for _, number := range []uint8{1, 9, 32} {
			want := invitation()
			want.Console, want.Number = console, number
			for _, s := range []string{want.String(), " " + want.String() + "\n"} {
				if got, err := ceremony.ParseInvitation(s); err != nil || got != want {
					t.Errorf("%q: got %v, %v", s, got, err)
				}
			}
		}
	}
}

func TestInvitationRefused(t *testing.T) {
	t.Parallel()
	good := invitation().String()
	for name, bad := range map[string]string{
		"empty":              "",
		"only an origin":     "https://console.example",
		"no enrollment":      strings.TrimSuffix(good, "ABCD-EFGH"),
		"no hash":            strings.ReplaceAll(good, "#", ""),
		"short election":     strings.Replace(good, "0102", "01", 1),
		"upper-case digits":  strings.Replace(good, "0102", "0A02", 1),
		"number with zero":   strings.Replace(good, "/3#", "/03#", 1),
		"number with sign":   strings.Replace(good, "/3#", "/+3#", 1),
		"teller zero":        strings.Replace(good, "/3#", "/0#", 1),
		"teller 33":          strings.Replace(good, "/3#", "/33#", 1),
		"teller 259":         strings.Replace(good, "/3#", "/259#", 1),
		"no number":          strings.Replace(good, "/3#", "/#", 1),
		"more after it":      strings.Replace(good, "/3#", "/3/x#", 1),
		"no scheme":          strings.TrimPrefix(good, "https://"),
		"another scheme":     strings.Replace(good, "https", "ftp", 1),
		"no host":            strings.Replace(good, "console.example", "", 1),
		"a user":             strings.Replace(good, "console.example", "console.example@evil.example", 1),
		"a path":             strings.Replace(good, "console.example", "console.example/x", 1),
		"a query":            strings.Replace(good, "console.example", "console.example?x=", 1),
		"a control":          strings.Replace(good, "console.example", "console\x1b.example", 1),
		"a space":            strings.Replace(good, "console.example", "console example", 1),
		"invisible word":     good + "\u200b",
		"a very long word":   good + strings.Repeat("A", 100),
		"another version":    strings.Replace(good, "/v1/", "/v2/", 1),
		"another path":       strings.Replace(good, "tellers", "teller", 1),
		"the number is text": strings.Replace(good, "/3#", "/three#", 1),
	} {
		if got, err := ceremony.ParseInvitation(bad); err == nil || got != (ceremony.Invitation{}) {
			t.Errorf("%s: %q was accepted", name, bad)
		}
	}
}

func FuzzParseInvitation(f *testing.F) {
	f.Add(invitation().String())
	f.Add("https://c/v1/01020000000000000000000000000000/tellers/3#A#B")
	f.Add("http:///v1//v1/01020000000000000000000000000000/tellers/3#A")
	f.Fuzz(func(t *testing.T, s string) {
		if i, err := ceremony.ParseInvitation(s); err == nil && i.String() != strings.TrimSpace(s) {
			t.Errorf("%q does not come back: %q", s, i)
		}
	})
}

func TestComplete(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		parts []suite.Bytes
		want  bool
	}{
		{"nothing", nil, false},
		{"one missing", []suite.Bytes{{1}, nil}, false},
		{"one empty", []suite.Bytes{{}, {2}}, false},
		{"all", []suite.Bytes{{1}, {2}}, true},
	} {
		if got := ceremony.Complete(tt.parts); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := ceremony.Joined([]suite.Bytes{{1, 2}, {}, {3}}); !bytes.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("got %x", got)
	}
}

func state(n int) *ceremony.State {
	st := &ceremony.State{ElectionID: suite.ElectionID{7}, N: uint8(n), T: 1, Fresh: bytes.Repeat([]byte{9}, 32)}
	for i := range n {
		st.Keys = append(st.Keys, group.BaseMul(group.ScalarFromUint64(uint64(i+1))).Bytes())
	}
	return st
}

// TestSetup checks that every teller's program computes the same parameters
// from what is published, and other ones from anything else.
func TestSetup(t *testing.T) {
	t.Parallel()
	good, err := state(3).Setup()
	if err != nil {
		t.Fatal(err)
	}
	static := []*group.Element{good.Static[0], good.Static[1], good.Static[2]}
	if !bytes.Equal(good.Context, dkg.Context(suite.ElectionID{7}, [32]byte(bytes.Repeat([]byte{9}, 32)), 1, static)) ||
		!bytes.Equal(good.Extension, dkg.Extension(suite.ElectionID{7}, 1, static)) || good.T != 1 {
		t.Error("the parameters are not those of section 13")
	}
	for name, change := range map[string]func(*ceremony.State){
		"another election": func(st *ceremony.State) { st.ElectionID[0]++ },
		"other randomness": func(st *ceremony.State) { st.Fresh[31]++ },
		"another t":        func(st *ceremony.State) { st.T++ },
		"another order":    func(st *ceremony.State) { st.Keys[0], st.Keys[1] = st.Keys[1], st.Keys[0] },
		"another key":      func(st *ceremony.State) { st.Keys[0] = group.Generator().Mul(group.ScalarFromUint64(99)).Bytes() },
	} {
		st := state(3)
		change(st)
		got, err := st.Setup()
		if err != nil || bytes.Equal(got.Context, good.Context) {
			t.Errorf("%s: the context is the same (%v)", name, err)
		}
	}
	for name, change := range map[string]func(*ceremony.State){
		"no randomness":       func(st *ceremony.State) { st.Fresh = nil },
		"short randomness":    func(st *ceremony.State) { st.Fresh = st.Fresh[:31] },
		"long randomness":     func(st *ceremony.State) { st.Fresh = append(st.Fresh, 1) },
		"a key less":          func(st *ceremony.State) { st.Keys = st.Keys[:2] },
		"a key more":          func(st *ceremony.State) { st.Keys = append(st.Keys, st.Keys[0]) },
		"a key not sent":      func(st *ceremony.State) { st.Keys[1] = nil },
		"the identity":        func(st *ceremony.State) { st.Keys[1] = make([]byte, 32) },
		"not canonical":       func(st *ceremony.State) { st.Keys[1] = bytes.Repeat([]byte{0xff}, 32) },
		"a key with one more": func(st *ceremony.State) { st.Keys[1] = append(st.Keys[1], 0) },
	} {
		st := state(3)
		change(st)
		if _, err := st.Setup(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
