package ballot

import (
	"errors"
	"fmt"
	"slices"

	"strikevote/internal/protocol/proof"
)

// ErrBatch is what a [*BatchError] wraps.
var ErrBatch = errors.New("invalid ballots in a batch")

// A BatchError names the ballots of a batch that are not valid.
type BatchError struct {
	Bad []int // ascending; the n-th call of Add since the last Verify has index n
}

func (e *BatchError) Error() string { return fmt.Sprintf("%d invalid ballots in a batch", len(e.Bad)) }

// Unwrap returns [ErrBatch].
func (e *BatchError) Unwrap() error { return ErrBatch }

// A Batch checks many ballots, of any groups and elections, for a third of the
// price of single checks. It accepts exactly what [Check] accepts. Batches of
// about a thousand are best. It is not safe for concurrent use.
type Batch struct {
	added int
	bad   []int // refused by Add
	items []batchItem
}

type batchItem struct {
	index   int
	context *Context
	ballot  *Ballot
}

// NewBatch returns an empty batch.
func NewBatch() *Batch { return new(Batch) }

// Add takes one ballot in, after the checks that cost little. A ballot for
// which it returns an error keeps its index, and [Batch.Verify] names it too, so
// that an ignored error never becomes an accepted ballot.
func (t *Batch) Add(c *Context, b *Ballot) error {
	index := t.added
	t.added++
	if err := precheck(c, b); err != nil {
		t.bad = append(t.bad, index)
		return fmt.Errorf("checking ballot: %w", err)
	}
	t.items = append(t.items, batchItem{index: index, context: c, ballot: b})
	return nil
}

// Len returns how many ballots were added since the last Verify.
func (t *Batch) Len() int { return t.added }

// Verify decides all ballots added and empties the batch. The error is a
// [*BatchError] that names every ballot that is not valid and no other.
//
// The weights are drawn here, when every byte of every ballot is known.
func (t *Batch) Verify() error {
	bad := append(t.bad, invalid(t.items, false)...)
	*t = Batch{}
	if len(bad) == 0 {
		return nil
	}
	slices.Sort(bad)
	return &BatchError{Bad: bad}
}

// invalid returns the indexes of invalid items by halving. known says that
// there is one among them, so that checking them all would tell nothing.
func invalid(items []batchItem, known bool) []int {
	if len(items) == 0 || !known && sound(items) {
		return nil
	}
	if len(items) == 1 {
		return []int{items[0].index}
	}
	half := len(items) / 2
	left := invalid(items[:half], false)
	right := invalid(items[half:], len(left) == 0)
	return append(left, right...)
}

// sound checks the equations of all items at once, with fresh weights.
func sound(items []batchItem) bool {
	var q proof.Equations
	for _, it := range items {
		it.ballot.addTo(&q, it.context)
	}
	return q.Check() == nil
}
