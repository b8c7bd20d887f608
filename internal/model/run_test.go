package model_test

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/suite"
)

// stories are told under each rule, of so many steps at most.
const (
	stories = 500
	length  = 24
	audits  = 5 // one story of so many goes through the whole audit
)

// seen counts what the stories were about: a comparison in which nothing
// happens shows nothing.
var seen struct{ all, audited, material, undecided, notCast, accepted, rejected atomic.Int64 }

// TestStories tells 1,000 random stories. STRIKEVOTE_STORY names one to be told
// alone, as a failure prints it.
func TestStories(t *testing.T) {
	only, _ := strconv.Atoi(os.Getenv("STRIKEVOTE_STORY"))
	t.Run("all", func(t *testing.T) {
		for i, rule := range rules(t) {
			t.Run(fmt.Sprint("rule ", i), func(t *testing.T) {
				t.Parallel()
				s := newStage(t, rule)
				for n := range stories {
					if seed := i*stories + n + 1; only == 0 || seed == only {
						t.Run(fmt.Sprint("story ", seed), func(t *testing.T) { s.tell(t, uint64(seed)) })
					}
				}
			})
		}
	})
	t.Logf("%d stories: %d material, %d envelopes accepted, %d rejected, %d undecided, %d ballots not cast", seen.all.Load(), seen.material.Load(),
		seen.accepted.Load(), seen.rejected.Load(), seen.undecided.Load(), seen.notCast.Load())
	if only != 0 {
		return
	}
	if seen.all.Load() != 2*stories || seen.audited.Load() != 2*stories/audits {
		t.Errorf("%d stories were told, %d audited", seen.all.Load(), seen.audited.Load())
	}
	for what, n := range map[string]int64{"material": seen.material.Load(), "immaterial": 2*stories - seen.material.Load(), "accepted": seen.accepted.Load(),
		"rejected": seen.rejected.Load(), "undecided": seen.undecided.Load(), "not cast": seen.notCast.Load()} {
		if n < stories/4 {
			t.Errorf("only %d are %s: the stories are about something else", n, what)
		}
	}
}

func (s *stage) tell(t *testing.T, seed uint64) {
	w := s.begin(t, seed)
	for range 8 + w.random.IntN(length-7) {
		choose(w.model, steps)(w)
	}
	w.finish()
	w.compare(seed%audits == 0)
}

// TestModelNotices is the negative control: a model that is wrong about one
// thing disagrees with the services.
func TestModelNotices(t *testing.T) {
	t.Parallel()
	yes := &paper{of: &person{group: 1, onRoll: true}, choice: 0, inBox: true}
	x := &model{m: audittest.New(t, audittest.Options{Nobody: true}).Manifest, added: map[suite.GroupID]uint32{}, papers: []*paper{yes}, people: []*person{yes.of}}
	before := fmt.Sprint(x.counts(), x.votes(1), x.entitled(1))
	for name, change := range map[string]func(){
		"choice":   func() { yes.choice = 1 },
		"in box":   func() { yes.inBox = false },
		"envelope": func() { yes.envelope = true },
		"struck":   func() { yes.of.struck = true },
		"group":    func() { yes.of.group = 2 },
		"added":    func() { x.added[1] = 1 },
	} {
		paper, person := *yes, *yes.of
		change()
		if fmt.Sprint(x.counts(), x.votes(1), x.entitled(1)) == before {
			t.Errorf("%s: nothing follows from it", name)
		}
		*yes, x.added = paper, map[suite.GroupID]uint32{}
		*yes.of = person
	}
}
