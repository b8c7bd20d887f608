package torture_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/torture"
)

// A wait is with which delay programs of voters cast, in hours. The guesser knows
// its middle.
type wait struct {
	name   string
	middle float64
	draw   func(*rand.Rand) float64
}

func upTo(name string, hours float64) wait {
	return wait{name, hours / 2, func(r *rand.Rand) float64 { return hours * r.Float64() }}
}

var waits = []wait{
	{"at once", 0, func(*rand.Rand) float64 { return 0 }},
	{"45 s", 45.0 / 3600, func(r *rand.Rand) float64 { return 45 * math.Exp(0.8*r.NormFloat64()) / 3600 }},
	upTo("up to 10 min", 1.0/6), upTo("up to 1 h", 1), upTo("up to 6 h", 6), upTo("up to 24 h", 24),
}

// arrives draws when a member is issued a ballot in an election of 72 hours: three
// tenths in the first hour after the mail, the others ever fewer, and fewer at night.
func arrives(r *rand.Rand) float64 {
	if r.Float64() < 0.3 {
		return r.Float64()
	}
	for {
		at := 72 * r.Float64()
		if r.Float64() < math.Exp(-at/36)*(0.55+0.45*math.Cos(2*math.Pi*(at-6)/24)) {
			return at
		}
	}
}

// TestTortureWaiting says what order and public batches give away by themselves, and
// how much less it would be if programs of voters waited before they cast: a wait
// that is short against the time in which a batch fills does not help.
func TestTortureWaiting(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	var rows []string
	for _, voters := range []int{2000, 22_000} {
		share := make(map[string]float64)
		for _, w := range waits {
			links, batches := waiting(voters, torture.Pick(3, 40), w, random)
			share[w.name] = batches.mean / float64(voters)
			rows = append(rows, fmt.Sprintf("%d voters, %s: ballots %v, batches %.1f %%", voters, w.name, links, 100*share[w.name]))
		}
		if share["at once"] < 0.45 || share["at once"] > 0.6 {
			t.Errorf("%d voters: without waiting %.2f of the batches are right, and half should be", voters, share["at once"])
		}
		if share["up to 24 h"] > share["at once"]-0.2 {
			t.Errorf("%d voters: with a day's wait %.2f of the batches are right, without %.2f", voters, share["up to 24 h"], share["at once"])
		}
	}
	torture.Report(t, torture.Row{What: "guesses from the order of issuance and the public batches alone, in three groups, everybody votes (simulated)",
		Target: "what THREATS.md says in section 9", Measured: strings.Join(rows, "; "), Control: "voters who wait up to a day"})
}

// waiting simulates elections of three groups whose voters cast after a wait.
func waiting(voters, runs int, w wait, random *rand.Rand) (links, batches spread) {
	var l, b []float64
	for range runs {
		var s score
		for _, share := range []float64{0.45, 0.30, 0.25} {
			one := waitingGroup(int(float64(voters)*share), w, random)
			s.links += one.links
			s.batches += one.batches
		}
		l, b = append(l, float64(s.links)), append(b, float64(s.batches))
	}
	return spreadOf(l), spreadOf(b)
}

func waitingGroup(n int, w wait, random *rand.Rand) score {
	issued, cast, by := make([]float64, n), make([]float64, n), make([]int, n)
	for i := range issued {
		issued[i] = arrives(random)
	}
	slices.Sort(issued)
	for i := range cast {
		// At the end of voting nobody waits on; the smallest part of a wait keeps
		// those apart who cast then.
		cast[i], by[i] = min(issued[i]+w.draw(random), 72+random.Float64()/60), i
	}
	if w.middle > 0 {
		slices.SortFunc(by, func(x, y int) int { return cmp.Compare(cast[x], cast[y]) })
	}
	g := batched(n, n)
	order, batch := g.draw(random)
	for at, k := range order {
		order[at] = by[k]
	}
	return judge(g.newestIssued(issued, cast, by, w.middle), order, batch)
}

// newestIssued is newest for a guesser who knows when members were issued ballots
// and when each batch was published, and that the ballots in it come from the middle
// of a wait before.
func (g *pooled) newestIssued(issued, cast []float64, by []int, middle float64) (guess []int) {
	var pool []int
	issuances := 0
	for _, n := range g.batches {
		came := min(len(guess)+n+g.stay, len(by))
		published := cast[by[came-1]]
		for issuances < len(issued) && (issued[issuances] <= published-middle || len(pool) < n) {
			pool = append(pool, issuances)
			issuances++
		}
		guess, pool = append(guess, pool[len(pool)-n:]...), pool[:len(pool)-n]
	}
	return guess
}
