package ballot_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/group"
)

// addScalar adds x to the scalar at a place of a body.
func addScalar(tb rapid.TB, body []byte, at int, x *group.Scalar) []byte {
	tb.Helper()
	s, err := group.DecodeScalar(body[at : at+32])
	if err != nil {
		tb.Fatal(err)
	}
	out := bytes.Clone(body)
	copy(out[at:], s.Add(x).Bytes())
	return out
}

// Ways to spoil a body of one question with three options. Add sees the first
// two; the others only break an equation.
const (
	atC = 69 + 64 + 6*32 // c_0
	atS = atC + 3*32     // s_0
)

func spoil(tb rapid.TB, body []byte, how int) []byte {
	tb.Helper()
	one := group.ScalarFromUint64(1)
	switch how {
	case 0:
		out := bytes.Clone(body)
		out[40] ^= 1 // the nonce
		return out
	case 1:
		return addScalar(tb, body, atC, one)
	case 2:
		return addScalar(tb, body, atS+64, one)
	default:
		return addScalar(tb, addScalar(tb, body, atC, one), atC+32, one.Neg())
	}
}

// named returns what a batch says is bad.
func named(tb rapid.TB, c *ballot.Context, bodies [][]byte) []int {
	tb.Helper()
	batch := ballot.NewBatch()
	for _, body := range bodies {
		b, err := ballot.Parse(body)
		if err != nil {
			tb.Fatal(err)
		}
		_ = batch.Add(c, b)
	}
	if batch.Len() != len(bodies) {
		tb.Fatalf("a batch of %d instead of %d", batch.Len(), len(bodies))
	}
	err := batch.Verify()
	if batch.Len() != 0 || batch.Verify() != nil {
		tb.Fatal("the batch is not empty after Verify")
	}
	if err == nil {
		return nil
	}
	bad := new(ballot.BatchError)
	if !errors.As(err, &bad) || !errors.Is(err, ballot.ErrBatch) {
		tb.Fatalf("got %v, want a BatchError", err)
	}
	return bad.Bad
}

// TestBatch spoils random ballots in random ways.
func TestBatch(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3)
	good := make([][]byte, 40)
	for i := range good {
		good[i] = sealed(t, c, uint8(i%3))
	}
	rapid.Check(t, func(t *rapid.T) {
		bodies := slices.Clone(good[:rapid.IntRange(0, len(good)).Draw(t, "size")])
		var want []int
		for i := range bodies {
			if how := rapid.IntRange(0, 12).Draw(t, "how"); how < 4 {
				bodies[i] = spoil(t, bodies[i], how)
				want = append(want, i)
			}
		}
		if got := named(t, c, bodies); !slices.Equal(got, want) {
			t.Fatalf("named %d, want %d", got, want)
		}
	})
}

func TestBatchCounts(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3)
	good := make([][]byte, 33)
	for i := range good {
		good[i] = sealed(t, c, uint8(i%3))
	}
	all := make([]int, len(good))
	for i := range all {
		all[i] = i
	}
	for name, want := range map[string][]int{
		"none": nil, "first": {0}, "last": {32}, "middle": {16}, "two halves": {15, 16}, "all": all,
	} {
		for how := range 4 {
			bodies := slices.Clone(good)
			for _, i := range want {
				bodies[i] = spoil(t, bodies[i], how)
			}
			if got := named(t, c, bodies); !slices.Equal(got, want) {
				t.Errorf("%s: named %d", name, got)
			}
		}
	}
	if err := ballot.NewBatch().Verify(); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
}

// TestBatchDoesNotCancel spoils two ballots by opposite amounts, which a sum
// without weights would not notice.
func TestBatchDoesNotCancel(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3)
	x := group.RandomScalar()
	bodies := [][]byte{sealed(t, c, 0), sealed(t, c, 1), sealed(t, c, 2)}
	for at := atS; at < atS+96; at += 32 {
		pair := slices.Clone(bodies)
		pair[0], pair[2] = addScalar(t, pair[0], at, x), addScalar(t, pair[2], at, x.Neg())
		if got := named(t, c, pair); !slices.Equal(got, []int{0, 2}) {
			t.Errorf("spoiled at %d: named %d", at, got)
		}
	}
	// And inside one ballot.
	one := addScalar(t, addScalar(t, bodies[1], atS, x), atS+32, x.Neg())
	if got := named(t, c, [][]byte{bodies[0], one}); !slices.Equal(got, []int{1}) {
		t.Errorf("within a ballot: named %d", got)
	}
}

// TestBatchMixed puts ballots of several elections into one batch.
func TestBatchMixed(t *testing.T) {
	t.Parallel()
	batch := ballot.NewBatch()
	for i := range 6 {
		c, _ := newContext(2, 3)
		body := sealed(t, c, 0, 2)
		if i == 4 {
			c, _ = newContext(2, 3) // another key
		}
		if err := batch.Add(c, parsed(t, body)); (err != nil) != (i == 4) {
			t.Errorf("ballot %d: %v", i, err)
		}
	}
	bad := new(ballot.BatchError)
	if err := batch.Verify(); !errors.As(err, &bad) || !slices.Equal(bad.Bad, []int{4}) {
		t.Errorf("got %v", err)
	}
}
