package ballotbox

import (
	"strikevote/internal/protocol/suite"
)

// PhaseLock is phaseLock.
const PhaseLock = phaseLock

// Choose is choose.
var Choose = choose[[]byte]

// ReceivedKey returns the key under which a ballot is known to have come.
func ReceivedKey(pending [32]byte, mid suite.MID, id suite.BallotID) ([]byte, error) {
	s, err := newSealer(pending, mid)
	if err != nil {
		return nil, err
	}
	k := s.key(id)
	return k[:], nil
}

// Occupy makes a station full, and returns a function that empties it.
func (b *Box) Occupy(station string) (leave func()) {
	move := func(n int) {
		switch station {
		case "lookups":
			b.lookups.leave(n)
		case "checks":
			b.checks.leave(n)
		case "inserts":
			b.inserts.leave(n)
		case "bodies":
			b.bodies.leave(n)
		}
	}
	move(-b.c.Queue)
	return func() { move(b.c.Queue) }
}

// Status is the status of the answer to an error.
func Status(err error) int {
	status, _, _ := answer(err)
	return status
}

// PendingRows seals a ballot for its row, and opens rows.
func PendingRows(pending [32]byte, mid suite.MID, id suite.BallotID, ballot []byte) (row []byte, open func(row []byte) ([]byte, error), err error) {
	s, err := newSealer(pending, mid)
	if err != nil {
		return nil, nil, err
	}
	key := s.key(id)
	return s.seal(key, ballot), func(row []byte) ([]byte, error) { return s.open(key, row) }, nil
}
