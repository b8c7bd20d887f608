package ballotbox

import (
	"context"
)

// A writer keeps ballots that were checked.
type writer struct {
	b *Box
}

func newWriter(b *Box) *writer { return &writer{b: b} }

// keep makes a ballot durable and says where it is.
func (w *writer) keep(ctx context.Context, c *cast) (State, error) {
	out, err := w.b.store(ctx, []*cast{c})
	if err != nil {
		return "", err
	}
	if out[0].state == InTheLog {
		// The transaction rolled back and so waited for nothing.
		return InTheLog, w.b.confirm(ctx)
	}
	return out[0].state, out[0].err
}
