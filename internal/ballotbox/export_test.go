package ballotbox

import (
	"context"

	"strikevote/internal/protocol/suite"
)

// Choose is choose.
var Choose = choose

// PendingRow returns the key under which a ballot is pending.
func PendingRow(pending [32]byte, mid suite.MID, id suite.BallotID) ([]byte, error) {
	s, err := newSealer(pending, mid)
	if err != nil {
		return nil, err
	}
	k := s.key(id)
	return k[:], nil
}

// Occupy takes n places at the gate and returns a function that leaves them.
func (b *Box) Occupy(ctx context.Context, n int) (leave func()) {
	b.gate.inside.Add(int64(n))
	return func() { b.gate.inside.Add(-int64(n)) }
}

// Status is the status of the answer to an error.
func Status(err error) int {
	status, _, _ := answer(err)
	return status
}
