package teller_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/teller"
)

// replace shows teller 1 something else in another's place.
func replace(list func(*ceremony.State) []suite.Bytes, other int, body []byte) func(int, *ceremony.State) {
	return func(i int, st *ceremony.State) {
		if l := list(st); i == 1 && len(l[other-1]) > 0 {
			l[other-1] = body
		}
	}
}

func messages(st *ceremony.State) []suite.Bytes { return st.Messages }

// messageOf makes a first message of a teller whose static key the coordinator
// has, in the ceremony that it shows.
func messageOf(t *testing.T, st *ceremony.State, i int, static []byte) []byte {
	t.Helper()
	setup, err := st.Setup()
	if err != nil {
		t.Fatal(err)
	}
	s, err := group.DecodeScalar(static)
	if err != nil {
		t.Fatal(err)
	}
	_, msg, err := dkg.Start(setup, i, s)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func static(tt *teller.Teller) []byte { s, _ := tt.Secrets(); return s }

// TestEvilCoordinator lets the coordinator lie to teller 1, once all first
// messages are there. No lie is taken, and none spoils the ceremony: with the
// truth it goes on.
func TestEvilCoordinator(t *testing.T) {
	t.Parallel()
	const size = 2*32 + 64 + 32 + 3*56 // of a message: t = 2, n = 3
	flip := func(i int) func(*testing.T, *evil, []*teller.Teller) {
		return func(t *testing.T, e *evil, _ []*teller.Teller) {
			body := bytes.Clone(e.st.Messages[1])
			body[i] ^= 1
			e.view = replace(messages, 2, body)
		}
	}
	show := func(f func(st *ceremony.State)) func(*testing.T, *evil, []*teller.Teller) {
		return func(_ *testing.T, e *evil, _ []*teller.Teller) {
			e.view = func(i int, st *ceremony.State) {
				if i == 1 {
					f(st)
				}
			}
		}
	}
	e := newEvil(t, 3, 2)
	all := e.enroll(t)
	if waiting, errs := advance(t, all); errors.Join(errs...) != nil {
		t.Fatal(waiting, errs)
	}
	for _, tt := range []struct {
		name string
		lie  func(*testing.T, *evil, []*teller.Teller)
		want string // in the error of teller 1
	}{
		{"a commitment of teller 2", flip(3), "blaming participant 2"},
		{"a proof of teller 2", flip(70), "blaming participant 2"},
		{"an ephemeral key of teller 2", flip(130), "blaming participant 2"},
		{"a length of teller 2", flip(2*32 + 64 + 32 + 7), "blaming participant 2"},
		{"a ciphertext of teller 2", flip(2*32 + 64 + 32 + 20), "blaming participant 2"},
		{"a longer message of teller 2", func(_ *testing.T, e *evil, _ []*teller.Teller) {
			e.view = replace(messages, 2, make([]byte, size+1))
		}, "blaming participant 2"},
		{"another message of its own", func(t *testing.T, e *evil, all []*teller.Teller) {
			e.view = replace(messages, 1, messageOf(t, &e.st, 1, static(all[0])))
		}, "own message"},
		{"messages in another order", show(func(st *ceremony.State) { st.Messages[1], st.Messages[2] = st.Messages[2], st.Messages[1] }), "blaming participant 2"},
		{"teller 3's message twice", show(func(st *ceremony.State) { st.Messages[1] = st.Messages[2] }), "blaming participant 2"},
		{"another key in its place", show(func(st *ceremony.State) { st.Keys[0] = group.Generator().Bytes() }), "another key in this teller's place"},
		{"keys in another order", show(func(st *ceremony.State) { st.Keys[0], st.Keys[1] = st.Keys[1], st.Keys[0] }), "another key in this teller's place"},
		{"others' keys in another order", show(func(st *ceremony.State) { st.Keys[1], st.Keys[2] = st.Keys[2], st.Keys[1] }), "changed the ceremony"},
		{"another key of teller 2", show(func(st *ceremony.State) { st.Keys[1] = group.Generator().Bytes() }), "changed the ceremony"},
		{"the identity as teller 2's key", show(func(st *ceremony.State) { st.Keys[1] = make([]byte, 32) }), "key of teller 2"},
		{"another t", show(func(st *ceremony.State) { st.T = 1 }), "changed the ceremony"},
		{"other randomness", show(func(st *ceremony.State) { st.Fresh[0]++ }), "changed the ceremony"},
		{"short randomness", show(func(st *ceremony.State) { st.Fresh = st.Fresh[:31] }), "not complete"},
		{"another election", show(func(st *ceremony.State) { st.ElectionID[0]++ }), "another election"},
		{"an earlier session", show(func(st *ceremony.State) { st.Session = 0 }), "earlier ceremony"},
		{"no tellers", show(func(st *ceremony.State) { st.N = 0 }), "makes no sense"},
		{"too many tellers", show(func(st *ceremony.State) { st.N = 33 }), "makes no sense"},
		{"t of 0", show(func(st *ceremony.State) { st.T = 0 }), "makes no sense"},
		{"t above n", show(func(st *ceremony.State) { st.T = 4 }), "makes no sense"},
		{"fewer keys", show(func(st *ceremony.State) { st.Keys = st.Keys[:2] }), "makes no sense"},
		{"more messages", show(func(st *ceremony.State) { st.Messages = append(st.Messages, st.Messages[0]) }), "makes no sense"},
		{"no signatures", show(func(st *ceremony.State) { st.Signatures = nil }), "makes no sense"},
		{"no names", show(func(st *ceremony.State) { st.Names = nil }), "makes no sense"},
		{"a ceremony without this teller", show(func(st *ceremony.State) {
			st.N, st.T, st.Keys, st.Messages, st.Signatures, st.Names = 0, 0, nil, nil, nil, nil
		}), "makes no sense"},
		{"very many keys", show(func(st *ceremony.State) { st.Keys = make([]suite.Bytes, 1<<17) }), "makes no sense"},
		{"a very long message", show(func(st *ceremony.State) { st.Messages[1] = make([]byte, 3<<20) }), "longer than any should be"},
	} {
		tt.lie(t, e, all)
		sent := len(e.sent)
		if waiting, err := all[0].Advance(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %q, %v, want %q", tt.name, waiting, err, tt.want)
		}
		if _, share := all[0].Secrets(); len(share) != 0 {
			t.Errorf("%s: teller 1 keeps a share", tt.name)
		}
		for _, s := range e.sent[sent:] {
			if strings.Contains(s, "/signature") || strings.Contains(s, "/shares") {
				t.Errorf("%s: %s was sent", tt.name, s)
			}
		}
	}
	e.view = nil
	var waiting []string
	var errs []error
	for range 2 {
		waiting, errs = advance(t, all)
	}
	if err := errors.Join(errs...); err != nil || strings.Join(waiting, "") != "" {
		t.Errorf("with the truth they wait for %q: %v", waiting, err)
	}
	e.secretFree(t, all...)
}

// TestLiesThatDoNotMatter is the control of the test above, with an honest
// coordinator and with one that lies about what no program believes.
func TestLiesThatDoNotMatter(t *testing.T) {
	t.Parallel()
	for name, view := range map[string]func(int, *ceremony.State){
		"honest": nil,
		"who has drilled and shared, and how far it is": func(_ int, st *ceremony.State) {
			st.Drilled, st.Shared = []bool{true, true, true, true}, nil
			st.MID, st.Record, st.Phase = strings.Repeat("00", 32), "http://evil.example/", "certified"
		},
		"the title": func(_ int, st *ceremony.State) { st.Title = "\x1b[2J" },
		"t for one of them, before it begins": func(i int, st *ceremony.State) {
			if i == 1 {
				st.T = 1
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEvil(t, 3, 2)
			e.view = view
			all := e.enroll(t)
			var waiting []string
			var errs []error
			for range 3 {
				waiting, errs = advance(t, all)
			}
			if strings.HasPrefix(name, "t ") {
				// Nobody's messages fit a ceremony of another threshold.
				for i, err := range errs {
					var blame *dkg.Blame
					if !errors.As(err, &blame) {
						t.Errorf("teller %d: got %q, %v", i+1, waiting[i], err)
					}
				}
			} else if err := errors.Join(errs...); err != nil || strings.Join(waiting, "") != "" {
				t.Errorf("they wait for %q: %v", waiting, err)
			}
			e.secretFree(t, all...)
		})
	}
}

// TestSplitView gives tellers 1 and 3 different messages of teller 2, who is in
// league with the coordinator: each finds the ceremony in order until the
// signatures of all come together.
func TestSplitView(t *testing.T) {
	t.Parallel()
	e := newEvil(t, 3, 2)
	all := e.enroll(t)
	advance(t, all)
	second := messageOf(t, &e.st, 2, static(all[1]))
	e.view = func(i int, st *ceremony.State) {
		if i == 3 {
			st.Messages[1] = second
		}
	}
	for range 3 {
		waiting, errs := advance(t, all)
		for _, i := range []int{0, 2} {
			if waiting[i] == "" && errs[i] == nil {
				t.Fatalf("teller %d has a key", i+1)
			}
		}
	}
	for _, i := range []int{0, 2} {
		if _, err := all[i].Advance(t.Context()); err == nil || !strings.Contains(err.Error(), "checking the ceremony") {
			t.Errorf("teller %d: got %v", i+1, err)
		}
	}
	e.secretFree(t, all...)
}

// TestWordsDiffer runs another ceremony with each of two tellers, playing the
// other one. Each program finds its ceremony in order; only the words that the
// two compare show that they were not in one.
func TestWordsDiffer(t *testing.T) {
	t.Parallel()
	e := newEvil(t, 2, 2)
	var played [2]*group.Scalar // in the place of the other teller, by who is shown it
	var states [2]*dkg.State
	for i := range played {
		played[i] = group.RandomScalar()
	}
	e.view = func(i int, st *ceremony.State) {
		other, own := 2-i, i-1 // indexes of the two
		st.Keys[other] = group.BaseMul(played[own]).Bytes()
		if !ceremony.Complete(st.Keys) {
			return
		}
		if states[own] == nil {
			setup, err := st.Setup()
			if err != nil {
				panic(err)
			}
			if states[own], _, err = dkg.Start(setup, other+1, played[own]); err != nil {
				panic(err)
			}
		}
		st.Messages[other] = states[own].Message()
		if !ceremony.Complete(st.Messages) {
			return
		}
		r, err := states[own].Finish([][]byte{st.Messages[0], st.Messages[1]})
		if err != nil {
			panic(err)
		}
		st.Signatures[other] = r.Signature[:]
	}
	all := e.enroll(t)
	for range 3 {
		if waiting, errs := advance(t, all); errors.Join(errs...) != nil {
			t.Fatal(waiting, errs)
		}
	}
	a, b := all[0].Words(), all[1].Words()
	if a == "" || b == "" || a == b {
		t.Errorf("got words %q and %q", a, b)
	}
	if again, err := teller.Peek(all[0].Path(), passphrase); err != nil || again.Words() != a {
		t.Errorf("the key file has other words: %v", err)
	}
	// The control: in one ceremony they are the same.
	honest := newEvil(t, 2, 2)
	all = honest.enroll(t)
	if all[0].Words() != "" {
		t.Error("words before the end")
	}
	for range 3 {
		advance(t, all)
	}
	if a, b := all[0].Words(), all[1].Words(); a == "" || a != b {
		t.Errorf("one ceremony: got words %q and %q", a, b)
	}
}

// TestSignatures shows teller 1 wrong signatures of the others.
func TestSignatures(t *testing.T) {
	t.Parallel()
	e := newEvil(t, 2, 2)
	all := e.enroll(t)
	advance(t, all)
	advance(t, all)
	good := bytes.Clone(e.st.Signatures[1])
	if len(good) != 64 {
		t.Fatalf("got signature %x", good)
	}
	for name, sig := range map[string][]byte{
		"changed": append([]byte{good[0] ^ 1}, good[1:]...), "short": good[:63], "long": append(bytes.Clone(good), 0),
		"its own": e.st.Signatures[0], "zeros": make([]byte, 64), "by another key": zeroSignature(t),
	} {
		e.view = func(_ int, st *ceremony.State) { st.Signatures[1] = sig }
		if _, err := all[0].Advance(t.Context()); err == nil || !strings.Contains(err.Error(), "checking the ceremony") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	e.view = nil
	if waiting, err := all[0].Advance(t.Context()); waiting != "" || err != nil {
		t.Errorf("got %q, %v", waiting, err)
	}
}

func zeroSignature(t *testing.T) []byte {
	t.Helper()
	sig := dkg.Sign(group.RandomScalar(), nil)
	return sig[:]
}

// TestReplay shows messages of an earlier session in a later one, under new
// randomness and under the same.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, fresh := range []byte{1, 2} {
		t.Run(fmt.Sprint(fresh), func(t *testing.T) {
			t.Parallel()
			e := newEvil(t, 2, 2)
			all := e.enroll(t)
			advance(t, all)
			old := bytes.Clone(e.st.Messages[1])
			e.st.Session, e.st.Fresh = 2, bytes.Repeat([]byte{fresh}, 32)
			e.clear()
			e.view = func(_ int, st *ceremony.State) {
				if len(st.Messages[1]) > 0 {
					st.Messages[1] = old
				}
			}
			for range 5 {
				waiting, errs := advance(t, all)
				for i := range all {
					if waiting[i] == "" && errs[i] == nil {
						t.Fatalf("teller %d has a key", i+1)
					}
				}
			}
			e.secretFree(t, all...)
		})
	}
}

// TestWords checks what of the service's answers a teller is shown.
func TestWords(t *testing.T) {
	t.Parallel()
	const plain = "the service answered 409 Conflict"
	for name, tt := range map[string]struct{ body, want string }{
		"a sentence":     {`{"error":"x","message":"Come again tomorrow."}`, "Come again tomorrow."},
		"escapes":        {`{"error":"x","message":"\u001b[2JAll is well"}`, plain},
		"two lines":      {`{"error":"x","message":"a\nb"}`, plain},
		"direction":      {`{"error":"x","message":"\u202eb"}`, plain},
		"a novel":        {`{"error":"x","message":"` + strings.Repeat("a", 501) + `"}`, plain},
		"no message":     {`{"error":"x"}`, plain},
		"no JSON":        {"<html>\x1b[2J", plain},
		"nothing at all": {"", plain},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, tt.body) // the client is gone
		}))
		_, err := teller.Enroll(t.Context(), ceremony.Invitation{Console: server.URL, Number: 1}, filepath.Join(t.TempDir(), "k"), passphrase)
		server.Close()
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

// TestRawAnswers sends answers that no server of Go would.
func TestRawAnswers(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"a reason with escapes":    "HTTP/1.1 500 \x1b[2JAll is well\r\nContent-Length: 0\r\n\r\n",
		"no HTTP":                  "\x1b[2JAll is well\r\n",
		"an endless body":          "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("[", 5<<20),
		"less than it said":        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
		"another length, negative": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
		"not JSON":                 "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x1b[2J",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			request := make([]byte, 4096)
			_, _ = conn.Read(request)
			_, _ = io.WriteString(conn, raw) // it may hang up in the middle
		}()
		_, err = teller.Enroll(t.Context(), ceremony.Invitation{Console: "http://" + l.Addr().String(), Number: 1}, filepath.Join(t.TempDir(), "k"), passphrase)
		if err == nil || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: got %q", name, err)
		}
		<-served
		_ = l.Close()
	}
}

// TestRedirect checks that nothing is sent to where a service points.
func TestRedirect(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the program followed") }))
	t.Cleanup(other.Close)
	e := newEvil(t, 1, 1)
	all := e.enroll(t)
	e.inner = http.RedirectHandler(other.URL, http.StatusTemporaryRedirect)
	if _, err := all[0].Advance(t.Context()); err == nil || !strings.Contains(err.Error(), "307 Temporary Redirect") {
		t.Errorf("got %v", err)
	}
}
