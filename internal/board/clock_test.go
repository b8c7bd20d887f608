package board_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"strikevote/internal/board"
	"strikevote/internal/protocol/tlog"
)

// TestOneBadClock lets one of three witnesses, two of whom are enough, have a
// wrong clock, with both others there and with one of them gone, whoever comes
// first. The moment of an entry, which decides whether an act came in time, is
// never moved by more than is allowed for clocks.
func TestOneBadClock(t *testing.T) {
	t.Parallel()
	const allowed = 300
	now := time.Unix(1_800_000_000, 0)
	for _, off := range []time.Duration{-24 * 365 * time.Hour, -time.Hour, 0, allowed * time.Second, (allowed + 1) * time.Second, time.Hour, 24 * 365 * time.Hour} {
		for _, order := range [][]int{{0, 1, 2}, {1, 0, 2}, {1, 2, 0}, {0, 1}, {1, 0}} {
			t.Run(fmt.Sprintf("%v %v", off, order), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				c := f.config(f.db.Service)
				c.Now = func() time.Time { return now }
				f.Log = board.New(c)
				f.mustAppend(t, f.first(), entry(1))
				f.mustSign(t)
				note, err := f.Checkpoint(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				opened, err := f.policy.OpenLog(note)
				if err != nil {
					t.Fatal(err)
				}
				taken := 0
				var first []byte // what is published as soon as it can be
				for _, i := range order {
					at := now
					if i == 0 {
						at = now.Add(off)
					}
					err := f.AddCosignature(t.Context(), f.witnesses[i].Cosign(opened.Checkpoint.Text(), at))
					if ahead := i == 0 && off > allowed*time.Second; ahead != errors.Is(err, board.ErrAhead) || !ahead && err != nil {
						t.Errorf("witness %d: got %v", i, err)
					}
					if err == nil {
						taken++
					}
					if first == nil {
						first, err = f.FirstProof(t.Context(), 1, nil)
						if enough := taken >= 2; enough != (err == nil) || !enough && !errors.Is(err, board.ErrNotCosigned) {
							t.Errorf("after %d: got %v", taken, err)
						}
					}
				}
				if first == nil {
					return // with one gone and one wrong, nothing is published at all
				}
				p, err := tlog.ParseProof(first)
				if err != nil {
					t.Fatal(err)
				}
				o, err := p.Check(f.policy, tlog.LeafHash(entry(1)))
				if err != nil {
					t.Fatal(err)
				}
				if m := o.Moment(2); m < now.Unix() || m > now.Unix()+allowed {
					t.Errorf("the moment is %d seconds off", m-now.Unix())
				}
			})
		}
	}
}

// TestLateClock takes a line once its moment has come.
func TestLateClock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := int64(1000)
	c := f.config(f.db.Service)
	c.Now = func() time.Time { return time.Unix(now, 0) }
	f.Log = board.New(c)
	f.mustAppend(t, f.first())
	f.mustSign(t)
	note, err := f.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := f.policy.OpenLog(note)
	if err != nil {
		t.Fatal(err)
	}
	line := f.witnesses[0].Cosign(opened.Checkpoint.Text(), time.Unix(4600, 0))
	if err := f.AddCosignature(t.Context(), line); !errors.Is(err, board.ErrAhead) {
		t.Errorf("got %v", err)
	}
	now = 4300
	if err := f.AddCosignature(t.Context(), line); err != nil {
		t.Error(err)
	}
}
