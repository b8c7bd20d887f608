package dkg

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// A ceremony is round 1 of n tellers, with fixed static keys.
type ceremony struct {
	setup  *Setup
	keys   []*group.Scalar
	states []*State
	msgs   [][]byte
}

var testElection = suite.ElectionID{1, 2, 3}

func staticKeys(n int) (keys []*group.Scalar, static []*group.Element) {
	for i := range n {
		k := group.ScalarFromWide(suite.H512("test-static", suite.U8(uint8(i))))
		keys, static = append(keys, k), append(static, group.BaseMul(k))
	}
	return keys, static
}

func newCeremony(t testing.TB, threshold, n int) *ceremony {
	t.Helper()
	keys, static := staticKeys(n)
	c := &ceremony{keys: keys, setup: &Setup{
		T: threshold, Static: static,
		Context:   Context(testElection, [32]byte{9}, uint8(threshold), static),
		Extension: Extension(testElection, uint8(threshold), static),
	}}
	for i := 1; i <= n; i++ {
		st, msg, err := Start(c.setup, i, keys[i-1])
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckMessage(c.setup, i, msg); err != nil {
			t.Fatal(err)
		}
		c.states, c.msgs = append(c.states, st), append(c.msgs, msg)
	}
	return c
}

func (c *ceremony) finish(t testing.TB) (results []*Result, signatures []byte) {
	t.Helper()
	for _, st := range c.states {
		r, err := st.Finish(c.msgs)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
		signatures = append(signatures, r.Signature[:]...)
	}
	return results, signatures
}

// with returns the messages with one of them replaced.
func (c *ceremony) with(i int, msg []byte) [][]byte {
	msgs := append([][]byte(nil), c.msgs...)
	msgs[i-1] = msg
	return msgs
}

func wantBlame(t *testing.T, err error, participant int) {
	t.Helper()
	var b *Blame
	if !errors.As(err, &b) {
		t.Errorf("got %v, want blame of participant %d", err, participant)
	} else if b.Participant != participant {
		t.Errorf("got blame of participant %d, want %d", b.Participant, participant)
	}
}

func TestCeremony(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ t, n int }{{1, 1}, {1, 3}, {2, 2}, {2, 3}, {3, 5}, {2, MaxTellers}} {
		t.Run(fmt.Sprintf("%d of %d", tt.t, tt.n), func(t *testing.T) {
			t.Parallel()
			c := newCeremony(t, tt.t, tt.n)
			results, signatures := c.finish(t)
			tr, err := VerifyCertificate(results[0].Transcript, signatures)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range results {
				if !r.Key.Equal(tr.Key()) || !group.BaseMul(r.Share).Equal(tr.Shares()[i]) {
					t.Errorf("participant %d has another key", i+1)
				}
			}
			// The last t shares hold the key; one less holds another.
			if got := interpolate(results, tt.n-tt.t); !group.BaseMul(got).Equal(tr.Key()) {
				t.Error("t shares do not give the key")
			}
			if got := interpolate(results, tt.n-tt.t+1); tt.t > 1 && group.BaseMul(got).Equal(tr.Key()) {
				t.Error("t - 1 shares give the key")
			}
		})
	}
}

// interpolate returns f(0) of the polynomial through the shares from skip on.
func interpolate(results []*Result, skip int) *group.Scalar {
	sum := new(group.Scalar)
	for i := skip; i < len(results); i++ {
		term := results[i].Share
		for j := skip; j < len(results); j++ {
			if j != i {
				xi, xj := group.ScalarFromUint64(uint64(i+1)), group.ScalarFromUint64(uint64(j+1))
				term = term.Mul(xj).Mul(xj.Sub(xi).Invert())
			}
		}
		sum = sum.Add(term)
	}
	return sum
}

// TestContext pins the bytes of SPEC.md section 13.
func TestContext(t *testing.T) {
	t.Parallel()
	_, static := staticKeys(3)
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"context", Context(testElection, [32]byte{9}, 2, static), "51bce6d23395ce7d5a663be08c5f0ce3bd935bd791b72d1c894f5b4791d0b434"},
		{"extension", Extension(testElection, 2, static), "b5d7f8be58fd43071353909dac96b7fc79cfb3c1dfed7257d6d1962f2a215787"},
		{"certificate", hashBytes(CertificateHash([]byte("T"), []byte("S"))), "725b829f2862c503644c361ef922aaf4988dd111cf6da54f21aa24db403718bd"},
	}
	for _, tt := range tests {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	base := Context(testElection, [32]byte{9}, 2, static)
	for name, other := range map[string][]byte{
		"election":  Context(suite.ElectionID{2}, [32]byte{9}, 2, static),
		"fresh":     Context(testElection, [32]byte{8}, 2, static),
		"threshold": Context(testElection, [32]byte{9}, 3, static),
		"fewer":     Context(testElection, [32]byte{9}, 2, static[:2]),
		"order":     Context(testElection, [32]byte{9}, 2, []*group.Element{static[1], static[0], static[2]}),
	} {
		if bytes.Equal(base, other) {
			t.Errorf("another %s gives the same context", name)
		}
	}
}

func hashBytes(h suite.Hash) []byte { return h[:] }

func TestSetupRefused(t *testing.T) {
	t.Parallel()
	keys, static := staticKeys(3)
	good := func() *Setup { return &Setup{T: 2, Static: static, Context: []byte("c")} }
	many, manyStatic := staticKeys(MaxTellers + 1)
	tests := []struct {
		name  string
		setup *Setup
		i     int
		key   *group.Scalar
	}{
		{"threshold 0", &Setup{T: 0, Static: static, Context: []byte("c")}, 1, keys[0]},
		{"threshold negative", &Setup{T: -1, Static: static, Context: []byte("c")}, 1, keys[0]},
		{"threshold above n", &Setup{T: 4, Static: static, Context: []byte("c")}, 1, keys[0]},
		{"nobody", &Setup{T: 1, Context: []byte("c")}, 1, keys[0]},
		{"too many", &Setup{T: 2, Static: manyStatic, Context: []byte("c")}, 1, many[0]},
		{"no context", &Setup{T: 2, Static: static}, 1, keys[0]},
		{"long context", &Setup{T: 2, Static: static, Context: make([]byte, maxOpaque+1)}, 1, keys[0]},
		{"long extension", &Setup{T: 2, Static: static, Context: []byte("c"), Extension: make([]byte, maxOpaque+1)}, 1, keys[0]},
		{"static key twice", &Setup{T: 2, Static: []*group.Element{static[0], static[1], static[0]}, Context: []byte("c")}, 1, keys[0]},
		{"static key identity", &Setup{T: 2, Static: []*group.Element{static[0], group.Identity()}, Context: []byte("c")}, 1, keys[0]},
		{"static key missing", &Setup{T: 2, Static: []*group.Element{static[0], nil}, Context: []byte("c")}, 1, keys[0]},
		{"participant 0", good(), 0, keys[0]},
		{"participant n+1", good(), 4, keys[0]},
		{"another's key", good(), 1, keys[1]},
		{"key zero", good(), 1, new(group.Scalar)},
		{"key missing", good(), 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := Start(tt.setup, tt.i, tt.key); err == nil {
				t.Error("started")
			}
		})
	}
	if _, _, err := Start(good(), 1, keys[0]); err != nil {
		t.Errorf("good setup: %v", err)
	}
}

// TestMessageFlipped changes every byte of a message. The recipient must name
// its sender, and the coordinator must see it wherever no secret is needed.
func TestMessageFlipped(t *testing.T) {
	t.Parallel()
	c := newCeremony(t, 2, 3)
	const public, framed = 2*32 + 64 + 32, 8 + ciphertextSize
	recipient, sender := c.states[0], 2
	for at := range c.msgs[sender-1] {
		bad := bytes.Clone(c.msgs[sender-1])
		bad[at] ^= 1 << (at % 8)
		_, err := recipient.Finish(c.with(sender, bad))
		inCiphertext := at >= public && (at-public)%framed >= 8
		if to := (at - public) / framed; inCiphertext && to != 0 {
			if err != nil {
				t.Errorf("byte %d, in what is addressed to another: %v", at, err)
			}
			continue
		}
		wantBlame(t, err, sender)
		if err := CheckMessage(c.setup, sender, bad); (err == nil) != inCiphertext {
			t.Errorf("byte %d: the coordinator says %v", at, err)
		}
	}
}

func TestMessageRefused(t *testing.T) {
	t.Parallel()
	c := newCeremony(t, 2, 3)
	msg := c.msgs[1]
	more := newCeremony(t, 3, 3) // a polynomial of one degree more
	zero := make([]byte, 32)
	replace := func(at int, with []byte) []byte {
		b := bytes.Clone(msg)
		copy(b[at:], with)
		return b
	}
	order, err := hex.DecodeString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		msg  []byte
	}{
		{"empty", nil},
		{"one byte short", msg[:len(msg)-1]},
		{"one byte long", append(bytes.Clone(msg), 0)},
		{"one commitment short", msg[32:]},
		{"one commitment long", more.msgs[1]},
		{"constant term identity", replace(0, zero)},
		{"last commitment identity", replace(32, zero)},
		{"proof's point identity", replace(64, zero)},
		{"proof's scalar is the order", replace(96, order)},
		{"ephemeral key identity", replace(128, zero)},
		{"point not canonical", replace(0, bytes.Repeat([]byte{0xff}, 32))},
		{"another's message", c.msgs[2]},
		{"of another ceremony", otherContext(t, c, 2)},
		{"commitments swapped", append(append(bytes.Clone(msg[32:64]), msg[:32]...), msg[64:]...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			st, err := ParseState(c.states[0].Bytes(), c.keys[0])
			if err != nil {
				t.Fatal(err)
			}
			_, err = st.Finish(c.with(2, tt.msg))
			wantBlame(t, err, 2)
		})
	}
	if _, err := c.states[0].Finish(c.msgs[:2]); err == nil {
		t.Error("finished with two messages of three")
	}
	if err := CheckMessage(c.setup, 0, msg); err == nil {
		t.Error("checked a message of participant 0")
	}
	if err := CheckMessage(&Setup{}, 1, msg); err == nil {
		t.Error("checked a message of an empty setup")
	}
}

func otherContext(t *testing.T, c *ceremony, i int) []byte {
	t.Helper()
	s := c.setup.clone()
	s.Context[0] ^= 1
	_, msg, err := Start(s, i, c.keys[i-1])
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// TestBadShare has a participant seal what does not fit its commitment. Only
// the recipient can see it, and it must be seen for every recipient.
func TestBadShare(t *testing.T) {
	t.Parallel()
	c := newCeremony(t, 2, 3)
	key, s := c.keys[1], c.setup
	a := []*group.Scalar{group.RandomScalar(), group.RandomScalar()}
	e := group.RandomScalar()
	_, msg, err := startWith(s, 2, key, a, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseMessage(msg, 2, 3, ciphertextSize)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name      string
		plaintext []byte
		want      error
	}{
		{"its own share", evaluate(a, 2).Bytes(), errShare},
		{"the secret itself", a[0].Bytes(), errShare},
		{"zero", make([]byte, 32), errShare},
		{"not canonical", bytes.Repeat([]byte{0xff}, 32), errScalar},
	}
	for _, tt := range tests {
		for _, to := range []int{1, 3} {
			bad := *m
			bad.ciphertexts = append([][]byte(nil), m.ciphertexts...)
			bad.ciphertexts[to-1] = s.sealShare(2, to, key, e, &m.public, tt.plaintext)
			if err := CheckMessage(s, 2, bad.bytes()); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			_, err := c.states[to-1].Finish(c.with(2, bad.bytes()))
			wantBlame(t, err, 2)
			if !errors.Is(err, tt.want) {
				t.Errorf("%s to %d: got %v, want %v", tt.name, to, err, tt.want)
			}
		}
	}
}

func TestOwnMessageAltered(t *testing.T) {
	t.Parallel()
	c := newCeremony(t, 2, 3)
	_, again, err := Start(c.setup, 1, c.keys[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.states[0].Finish(c.with(1, again)); !errors.Is(err, ErrAltered) {
		t.Errorf("got %v, want ErrAltered", err)
	}
}

// TestIdentityKey has all participants together make a key that seals nothing.
func TestIdentityKey(t *testing.T) {
	t.Parallel()
	c := newCeremony(t, 1, 2)
	a := group.RandomScalar()
	for i, s := range []*group.Scalar{a, a.Neg()} {
		st, msg, err := startWith(c.setup, i+1, c.keys[i], []*group.Scalar{s}, group.RandomScalar(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.states[i], c.msgs[i] = st, msg
	}
	if _, err := c.states[0].Finish(c.msgs); err == nil {
		t.Error("finished with the identity as key")
	}
}
