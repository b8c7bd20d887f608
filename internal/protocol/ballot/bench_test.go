package ballot_test

import (
	"testing"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// newContext returns a context with a fresh key, and the key's secret.
func newContext(options ...int) (*ballot.Context, *group.Scalar) {
	x := group.RandomScalar()
	key, err := group.DecodeElement(group.BaseMul(x).Bytes())
	if err != nil {
		panic(err)
	}
	return &ballot.Context{MID: suite.MID{1, 2, 3}, Group: 7, Key: key, Options: options}, x
}

// sealed returns the body of a fresh valid ballot.
func sealed(tb testing.TB, c *ballot.Context, choices ...uint8) []byte {
	tb.Helper()
	s, err := ballot.Seal(c, ballot.NewSecret(), "", choices)
	if err != nil {
		tb.Fatal(err)
	}
	return s.Body
}

func parsed(tb testing.TB, body []byte) *ballot.Ballot {
	tb.Helper()
	b, err := ballot.Parse(body)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func BenchmarkSeal(b *testing.B) {
	c, _ := newContext(3)
	s := ballot.NewSecret()
	for b.Loop() {
		if _, err := ballot.Seal(c, s, "", ballot.Choices{1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	c, _ := newContext(3)
	body := sealed(b, c, 1)
	for b.Loop() {
		if _, err := ballot.Parse(body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheck includes parsing, which decodes the points.
func BenchmarkCheck(b *testing.B) {
	c, _ := newContext(3)
	body := sealed(b, c, 1)
	for b.Loop() {
		if err := ballot.Check(c, parsed(b, body)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBatch reports the time of one ballot of three options in batches of
// a thousand, with parsing.
func BenchmarkBatch(b *testing.B) {
	const size = 1000
	c, _ := newContext(3)
	bodies := make([][]byte, size)
	for i := range bodies {
		bodies[i] = sealed(b, c, uint8(i%3))
	}
	for b.Loop() {
		batch := ballot.NewBatch()
		for _, body := range bodies {
			if err := batch.Add(c, parsed(b, body)); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Verify(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/ballot")
}
