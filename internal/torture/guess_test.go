package torture_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"strikevote/internal/protocol/election"
)

// A pooled group is what anybody may know of a group: how many members were issued
// a ballot, in an order that the registrar knows, and the public batches. Before each
// batch stay more had come than are in the batches up to it: all but stay entered.
type pooled struct {
	batches []int
	stay    int
}

func (g *pooled) count() (n int) {
	for _, b := range g.batches {
		n += b
	}
	return n
}

// A score says of how many members a guess found the sealed ballot, and its batch.
type score struct{ links, batches int }

// draw draws the public order of a group's ballots, each named by its place in the
// order of arrival, as the box draws it, and the batch of each.
func (g *pooled) draw(random *rand.Rand) (order, batch []int) {
	total := g.count()
	var pool []int
	came := 0
	for i, n := range g.batches {
		for ; came < min(len(order)+n+g.stay, total); came++ {
			pool = append(pool, came)
		}
		random.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
		order, pool = append(order, pool[:n]...), pool[n:]
		for range n {
			batch = append(batch, i)
		}
	}
	return order, batch
}

// newest is what a guesser says who knows no more than a pooled group: which arrival
// is at each place of the public order. Whoever came since the last batch is in this
// one or in a later one, whoever came before may have left already: so each batch is
// said to hold the newest, of whom half are in it. Of the order within a batch
// nothing is known.
func (g *pooled) newest() (guess []int) {
	total := g.count()
	var pool []int
	came := 0
	for _, n := range g.batches {
		for ; came < min(len(guess)+n+g.stay, total); came++ {
			pool = append(pool, came)
		}
		guess, pool = append(guess, pool[len(pool)-n:]...), pool[:len(pool)-n]
	}
	return guess
}

// judge says how right a guess is.
func judge(guess, order, batch []int) (s score) {
	of := make([]int, len(order)) // batch of each arrival
	for at, k := range order {
		of[k] = batch[at]
	}
	for at, k := range guess {
		if order[at] == k {
			s.links++
		}
		if of[k] == batch[at] {
			s.batches++
		}
	}
	return s
}

// A spread is a mean and a standard deviation.
type spread struct{ mean, sigma float64 }

func spreadOf(list []float64) (s spread) {
	for _, x := range list {
		s.mean += x / float64(len(list))
	}
	for _, x := range list {
		s.sigma += (x - s.mean) * (x - s.mean) / float64(len(list))
	}
	s.sigma = math.Sqrt(s.sigma)
	return s
}

func (s spread) String() string { return fmt.Sprintf("%.1f, σ %.1f", s.mean, s.sigma) }

// limit is mean + 4σ. Few rankings say something different, most of them name the
// order of the public log; by Bonferroni ten that do pass it by chance once in three
// thousand elections.
func (s spread) limit() float64 { return s.mean + 4*s.sigma }

// rare is the limit of a count that is small, so that its distribution is skewed and
// passes mean + 4σ more often than a normal one: what a Poisson count of this mean
// reaches once in a million.
func (s spread) rare() float64 {
	term, sum, k := math.Exp(-s.mean), 0.0, 0.0
	for ; sum+term < 1-1e-6; k++ {
		sum += term
		term *= s.mean / (k + 1)
	}
	return max(s.limit(), k)
}

// guesser simulates the guesser for all groups of an election.
func guesser(groups []pooled, runs int, random *rand.Rand) (links, batches spread) {
	guesses := make([][]int, len(groups))
	for i := range groups {
		guesses[i] = groups[i].newest()
	}
	var l, b []float64
	for range runs {
		var s score
		for i := range groups {
			order, batch := groups[i].draw(random)
			one := judge(guesses[i], order, batch)
			s.links += one.links
			s.batches += one.batches
		}
		l, b = append(l, float64(s.links)), append(b, float64(s.batches))
	}
	return spreadOf(l), spreadOf(b)
}

// batched cuts n ballots into batches as the box does where it looks after each.
func batched(n, roll int) pooled {
	g := pooled{stay: int(election.BatchMin(uint32(roll)))}
	for ; n >= 2*g.stay; n -= g.stay {
		g.batches = append(g.batches, g.stay)
	}
	g.batches = append(g.batches, n)
	return g
}

// TestGuesser checks the simulation where the answer is known: one batch of n has one
// right link on average, variance 1, and every batch right.
func TestGuesser(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	links, batches := guesser([]pooled{{batches: []int{50}, stay: 10}}, 20_000, random)
	if math.Abs(links.mean-1) > 0.05 || math.Abs(links.sigma-1) > 0.05 || math.Abs(batches.mean-50) > 1e-6 {
		t.Errorf("one batch: %v, %v", links, batches)
	}
	// Without any that stay, the order of arrival says the batch.
	links, batches = guesser([]pooled{{batches: slices.Repeat([]int{20}, 10)}}, 20_000, random)
	if math.Abs(links.mean-10) > 0.15 || math.Abs(batches.mean-200) > 1e-6 {
		t.Errorf("none stay: %v, %v", links, batches)
	}
	// Half of those who came stay: of each batch half is told.
	links, batches = guesser([]pooled{batched(4000, 4000)}, 2000, random)
	if links.mean < 17 || links.mean > 23 || batches.mean < 1900 || batches.mean > 2200 {
		t.Errorf("half stay: %v, %v", links, batches)
	}
	if got := (spread{16, 4}).rare(); got < 32 || got > 45 {
		t.Errorf("limit %v", got)
	}
}
