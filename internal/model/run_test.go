package model_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/torture"
)

// stories are told under each rule, more in the long form.
var stories = torture.Pick(300, 500)

const (
	length = 24 // steps of a story, at most
	audits = 5  // one story of so many goes through the whole audit
)

// seen counts what the stories were about: a comparison in which nothing
// happens shows nothing.
var seen struct{ all, audited, material, undecided, notCast, accepted, rejected atomic.Int64 }

// TestTortureStories tells random stories, 1,000 in the long form. STRIKEVOTE_STORY names
// one to be told alone, as a failure prints it.
func TestTortureStories(t *testing.T) {
	only, _ := strconv.Atoi(os.Getenv("STRIKEVOTE_STORY"))
	t.Run("all", func(t *testing.T) {
		list := rules(t)
		for i, rule := range list {
			t.Run(fmt.Sprint("rule ", i), func(t *testing.T) {
				t.Parallel()
				s := newStage(t, rule)
				for n := range stories {
					if seed := n*len(list) + i + 1; only == 0 || seed == only {
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
	want := int64(2 * stories)
	if seen.all.Load() != want || seen.audited.Load() != want/audits {
		t.Errorf("%d stories were told, %d audited", seen.all.Load(), seen.audited.Load())
	}
	for what, n := range map[string]int64{"material": seen.material.Load(), "immaterial": want - seen.material.Load(), "accepted": seen.accepted.Load(),
		"rejected": seen.rejected.Load(), "undecided": seen.undecided.Load(), "not cast": seen.notCast.Load()} {
		if n < want/8 {
			t.Errorf("only %d are %s: the stories are about something else", n, what)
		}
	}
	torture.Report(t, torture.Row{
		What:     "random elections with envelopes, decisions, strikes and additions, next to a model that counts by hand",
		Target:   "every count and every outcome is the model's",
		Measured: fmt.Sprintf("%d elections, %d of them through the whole audit", seen.all.Load(), seen.audited.Load()),
		Control:  "TestModelNotices: a model with one thing changed differs",
	})
}

func (s *stage) tell(t *testing.T, seed uint64) {
	w := s.play(t, seed)
	w.compare(seed%audits == 0)
}

// play tells a story to its end.
func (s *stage) play(t *testing.T, seed uint64) *show {
	w := s.begin(t, seed)
	for range 8 + w.random.IntN(length-7) {
		choose(w.model, steps)(w)
	}
	w.finish()
	return w
}

// TestModelNotices is the negative control: at the end of a story a model that is
// wrong about one thing disagrees with the services.
func TestModelNotices(t *testing.T) {
	t.Parallel()
	s := newStage(t, rules(t)[0])
	seed := uint64(0)
	for _, wrong := range []struct {
		about string
		spoil func(*show, *paper)
	}{
		{"nothing", func(*show, *paper) {}},
		{"choice", func(_ *show, p *paper) { p.choice = (p.choice + 1) % 3 }},
		{"in box", func(_ *show, p *paper) { p.inBox = false }},
		{"envelope", func(_ *show, p *paper) { p.envelope = true }},
		{"struck", func(_ *show, p *paper) { p.of.struck = true }},
		{"group", func(w *show, p *paper) { p.of.group = p.of.group%suite.GroupID(len(w.model.m.Groups)) + 1 }},
		{"added", func(w *show, p *paper) { w.added[p.of.group]++ }},
		{"id", func(_ *show, p *paper) { p.id[0] ^= 1 }},
	} {
		t.Run(wrong.about, func(t *testing.T) {
			var w *show
			cast := func(p *paper) bool { return p.inBox && !p.envelope }
			for at := -1; at < 0; { // a story in which somebody has voted
				seed++
				w = s.play(t, seed)
				if at = slices.IndexFunc(w.papers, cast); at >= 0 {
					wrong.spoil(w, w.papers[at])
				}
			}
			w.spoiled = true
			w.compare(false)
			if (w.differences > 0) != (wrong.about != "nothing") {
				t.Errorf("%d differences", w.differences)
			}
		})
	}
}
