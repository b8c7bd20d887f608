package ballotbox

import (
	"context"
	"sync/atomic"
)

// A gate lets a bounded number of goroutines work and a bounded number wait.
// Checking a ballot takes about half a millisecond of a processor; without a
// bound, a flood of them would make every voter time out instead of some wait.
type gate struct {
	slots   chan struct{}
	inside  atomic.Int64 // working or waiting
	largest int64
}

func newGate(workers, queue int) *gate {
	return &gate{slots: make(chan struct{}, workers), largest: int64(workers + queue)}
}

// enter waits for a slot. It returns [ErrBusy] if too many wait already.
func (g *gate) enter(ctx context.Context) error {
	if g.inside.Add(1) > g.largest {
		g.inside.Add(-1)
		return ErrBusy
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		g.inside.Add(-1)
		return ctx.Err()
	}
}

func (g *gate) leave() {
	<-g.slots
	g.inside.Add(-1)
}
