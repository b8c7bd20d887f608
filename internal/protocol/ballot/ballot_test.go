package ballot_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// judge parses and checks a body alone and in a batch, which must agree.
func judge(tb rapid.TB, c *ballot.Context, body []byte) error {
	tb.Helper()
	b, err := ballot.Parse(body)
	if err != nil {
		return err
	}
	single := ballot.Check(c, b)
	batch := ballot.NewBatch()
	_ = batch.Add(c, b) // Verify repeats what Add refuses
	if err := batch.Verify(); (err == nil) != (single == nil) {
		tb.Fatalf("alone: %v; in a batch: %v", single, err)
	}
	return single
}

func shapes() *rapid.Generator[[]int] {
	return rapid.SliceOfN(rapid.IntRange(ballot.MinOptions, ballot.MaxOptions), 1, ballot.MaxQuestions)
}

// TestRoundTrip seals, checks and opens ballots of every shape.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, x := newContext(shapes().Draw(t, "options")...)
		c.MID = suite.MID(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "mid"))
		c.Group = suite.GroupID(rapid.Uint16().Draw(t, "group"))
		var ch ballot.Choices
		for _, k := range c.Options {
			ch = append(ch, uint8(rapid.IntRange(0, k-1).Draw(t, "choice")))
		}
		typed := rapid.StringN(0, 20, 40).Draw(t, "typed")
		secret := ballot.NewSecret()
		s, err := ballot.Seal(c, secret, typed, ch)
		if err != nil {
			t.Fatal(err)
		}
		if want := literalSeal(c, secret, typed, ch).body(c); !bytes.Equal(s.Body, want) {
			t.Fatal("sealed to other bytes than SPEC.md says")
		}
		if err := judge(t, c, s.Body); err != nil {
			t.Fatal(err)
		}
		b, err := ballot.Parse(s.Body)
		if err != nil || !bytes.Equal(b.Bytes(), s.Body) || b.ID() != s.ID || b.MID != c.MID || b.Group != c.Group {
			t.Fatalf("parsed to something else: %v", err)
		}
		for i, ct := range b.Ciphertexts() {
			if !ct.C.Sub(ct.R.Mul(x)).Equal(option(int(ch[i]))) {
				t.Fatalf("question %d opens to another option", i)
			}
		}
	})
}

// TestEveryBit flips every bit of a body.
func TestEveryBit(t *testing.T) {
	t.Parallel()
	c, _ := newContext(2)
	body := sealed(t, c, 1)
	id := parsed(t, body).ID()
	for i := range body {
		for bit := range 8 {
			changed := bytes.Clone(body)
			changed[i] ^= 1 << bit
			if judge(t, c, changed) == nil {
				t.Errorf("byte %d bit %d flipped: still valid", i, bit)
			}
			if b, err := ballot.Parse(changed); err == nil && b.ID() == id {
				t.Errorf("byte %d bit %d flipped: the same ballot_id", i, bit)
			}
		}
	}
	if err := judge(t, c, body); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// TestEveryByte overwrites every byte of a larger body.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3, 2, 4)
	body := sealed(t, c, 2, 0, 3)
	for i := range body {
		changed := bytes.Clone(body)
		changed[i] ^= 0xff
		if judge(t, c, changed) == nil {
			t.Errorf("byte %d flipped: still valid", i)
		}
	}
}

func TestLengths(t *testing.T) {
	t.Parallel()
	c, _ := newContext(2, 3)
	body := sealed(t, c, 0, 0)
	if len(body) != ballot.BodySize(c.Options) || len(body) != 68+65+2*128+65+3*128 {
		t.Errorf("a body of %d bytes", len(body))
	}
	for n := range body {
		if _, err := ballot.Parse(body[:n]); err == nil {
			t.Errorf("the first %d bytes are parsed", n)
		}
	}
	for _, n := range []int{1, 32, 449, 10000} {
		if _, err := ballot.Parse(append(bytes.Clone(body), make([]byte, n)...)); err == nil {
			t.Errorf("%d bytes too many are parsed", n)
		}
	}
}

// TestParseCopies changes the bytes after they were parsed: what was parsed must
// stay what is hashed.
func TestParseCopies(t *testing.T) {
	t.Parallel()
	c, _ := newContext(2)
	body := sealed(t, c, 0)
	want := bytes.Clone(body)
	b := parsed(t, body)
	id := b.ID()
	clear(body)
	clear(b.Bytes())
	if !bytes.Equal(b.Bytes(), want) || b.ID() != id {
		t.Error("a ballot changes with the bytes it was parsed from")
	}
	if err := ballot.Check(c, b); err != nil {
		t.Error(err)
	}
}

func TestParseCast(t *testing.T) {
	t.Parallel()
	options := []int{2, 3}
	n := ballot.BodySize(options)
	all := make([]byte, n+ballot.SignatureSize)
	all[n-1], all[n] = 1, 2
	body, sig, err := ballot.ParseCast(all, options)
	if err != nil || len(body) != n || len(sig) != ballot.SignatureSize || body[n-1] != 1 || sig[0] != 2 {
		t.Errorf("split into %d and %d bytes: %v", len(body), len(sig), err)
	}
	for _, size := range []int{0, n, len(all) - 1, len(all) + 1} {
		if _, _, err := ballot.ParseCast(make([]byte, size), options); err == nil {
			t.Errorf("%d bytes are split", size)
		}
	}
}

// TestOtherContext checks a ballot against every other manifest.
func TestOtherContext(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3, 2)
	body := sealed(t, c, 0, 1)
	other, _ := newContext(3, 2)
	tests := []struct {
		name   string
		change func(c *ballot.Context)
	}{
		{"mid", func(c *ballot.Context) { c.MID[31] ^= 1 }},
		{"group", func(c *ballot.Context) { c.Group++ }},
		{"key", func(c *ballot.Context) { c.Key = other.Key }},
		{"no key", func(c *ballot.Context) { c.Key = nil }},
		{"identity as key", func(c *ballot.Context) { c.Key = group.Identity() }},
		{"options swapped", func(c *ballot.Context) { c.Options = []int{2, 3} }},
		{"more options", func(c *ballot.Context) { c.Options = []int{4, 2} }},
		{"a question less", func(c *ballot.Context) { c.Options = []int{3} }},
		{"a question more", func(c *ballot.Context) { c.Options = []int{3, 2, 2} }},
		{"no question", func(c *ballot.Context) { c.Options = nil }},
	}
	for _, tt := range tests {
		changed := *c
		tt.change(&changed)
		if judge(t, &changed, body) == nil {
			t.Errorf("%s: a ballot for another manifest is valid", tt.name)
		}
	}
	if err := ballot.Check(c, new(ballot.Ballot)); err == nil {
		t.Error("a ballot that was never parsed is valid")
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	key := group.BaseMul(group.RandomScalar())
	c := &ballot.Context{Key: key, Options: []int{2}}
	before := sealed(t, c, 1)
	c.Prepare()
	if !c.Key.Equal(key) {
		t.Error("another key")
	}
	if err := judge(t, c, before); err != nil {
		t.Error(err)
	}
	for _, key := range []*group.Element{nil, group.Identity()} {
		c := &ballot.Context{Key: key, Options: []int{2}}
		c.Prepare()
		if c.Key != key || judge(t, c, before) == nil {
			t.Error("a prepared context without a key accepts a ballot")
		}
	}
}

// TestCarriedOver rewrites a ballot for another election or group, header and
// all: the proofs bind them.
func TestCarriedOver(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3)
	body := sealed(t, c, 0)
	for name, at := range map[string]int{"mid": 5, "group": 34, "nonce": 40} {
		changed, context := bytes.Clone(body), *c
		changed[at] ^= 1
		copy(context.MID[:], changed[1:33])
		context.Group = suite.GroupID(uint16(changed[33])<<8 | uint16(changed[34]))
		if judge(t, &context, changed) == nil {
			t.Errorf("a ballot with another %s is valid", name)
		}
	}
}

// TestSwaps moves questions within a ballot and between two of one voter.
func TestSwaps(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3, 3)
	const size = 65 + 3*128
	a, b := sealed(t, c, 0, 1), sealed(t, c, 0, 1)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	first, second := a[68:68+size], a[68+size:]
	tests := []struct {
		name string
		body []byte
	}{
		{"questions swapped", join(a[:68], second, first)},
		{"the first question twice", join(a[:68], first, first)},
		{"the first question of another ballot", join(a[:68], b[68:68+size], second)},
		{"all questions of another ballot", join(a[:68], b[68:])},
		{"the proof of another ballot", join(a[:68+65], b[68+65:68+size], second)},
		{"ciphertexts swapped, proofs left", join(a[:69], second[1:65], first[65:], second[:1], first[1:65], second[65:])},
	}
	for _, tt := range tests {
		if judge(t, c, tt.body) == nil {
			t.Errorf("%s: still valid", tt.name)
		}
	}
}

// TestPoints puts encodings that must be refused in the place of every point
// and scalar.
func TestPoints(t *testing.T) {
	t.Parallel()
	c, _ := newContext(2)
	body := sealed(t, c, 0)
	order, err := group.DecodeScalar(group.ScalarFromUint64(1).Neg().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	top := order.Bytes()
	top[0]++ // the order itself
	for at := 69; at < len(body); at += 32 {
		scalar := at >= 69+64+4*32
		bad := map[string][]byte{"2^256-1": bytes.Repeat([]byte{0xff}, 32), "order": top}
		if !scalar {
			bad["identity"] = make([]byte, 32)
			bad["negative"] = append([]byte{1}, make([]byte, 31)...)
		}
		for name, b := range bad {
			changed := bytes.Clone(body)
			copy(changed[at:], b)
			if _, err := ballot.Parse(changed); err == nil && (scalar || name != "order") {
				t.Errorf("%s at byte %d is parsed", name, at)
			}
			if judge(t, c, changed) == nil {
				t.Errorf("%s at byte %d is valid", name, at)
			}
		}
	}
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3, 2)
	tests := []struct {
		name    string
		context ballot.Context
		typed   string
		choices ballot.Choices
	}{
		{"choice out of range", *c, "", ballot.Choices{3, 0}},
		{"choice out of range in the second", *c, "", ballot.Choices{0, 2}},
		{"a choice less", *c, "", ballot.Choices{0}},
		{"a choice more", *c, "", ballot.Choices{0, 0, 0}},
		{"no choice", *c, "", nil},
		{"typed too long", *c, strings.Repeat("x", ballot.MaxTyped+1), ballot.Choices{0, 0}},
		{"typed not UTF-8", *c, "\xff", ballot.Choices{0, 0}},
		{"no key", ballot.Context{Options: []int{3, 2}}, "", ballot.Choices{0, 0}},
		{"identity as key", ballot.Context{Options: []int{3, 2}, Key: group.Identity()}, "", ballot.Choices{0, 0}},
		{"one option", ballot.Context{Options: []int{1}, Key: c.Key}, "", ballot.Choices{0}},
		{"five options", ballot.Context{Options: []int{5}, Key: c.Key}, "", ballot.Choices{0}},
		{"nine questions", ballot.Context{Options: slices.Repeat([]int{2}, 9), Key: c.Key}, "", make(ballot.Choices, 9)},
	}
	for _, tt := range tests {
		if s, err := ballot.Seal(&tt.context, ballot.Secret{}, tt.typed, tt.choices); err == nil || s != nil {
			t.Errorf("%s: sealed", tt.name)
		}
	}
	if _, err := ballot.Seal(c, ballot.Secret{}, strings.Repeat("x", ballot.MaxTyped), ballot.Choices{2, 1}); err != nil {
		t.Errorf("the longest text: %v", err)
	}
}

// TestOpen tests an honest device, and one that lies.
func TestOpen(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3, 2, 4, 4, 2)
	secret, want := ballot.NewSecret(), ballot.Choices{2, 1, 3, 0, 1}
	s, err := ballot.Seal(c, secret, "E", want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ballot.Open(c, secret, "E", s.Body)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("opened to %d: %v", []uint8(got), err)
	}
	// A lie with the right nonce: the other randomness may be a channel.
	last := bytes.Clone(s.Body)
	last[len(last)-1] ^= 1
	tests := []struct {
		name   string
		secret ballot.Secret
		typed  string
		body   []byte
	}{
		{"another S", ballot.NewSecret(), "E", s.Body},
		{"another E", secret, "e", s.Body},
		{"another nonce", secret, "E", append(bytes.Clone(s.Body[:67]), append([]byte{s.Body[67] ^ 1}, s.Body[68:]...)...)},
		{"another last byte", secret, "E", last},
		{"another length", secret, "E", s.Body[1:]},
		{"nothing", secret, "E", nil},
	}
	for _, tt := range tests {
		if _, err := ballot.Open(c, tt.secret, tt.typed, tt.body); !errors.Is(err, ballot.ErrMismatch) {
			t.Errorf("%s: got %v, want ErrMismatch", tt.name, err)
		}
	}
	if _, err := ballot.Open(new(ballot.Context), secret, "", s.Body); err == nil {
		t.Error("opened without a context")
	}
}
