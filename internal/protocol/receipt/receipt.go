// Package receipt holds what a voter keeps after casting: the tracker, by which
// the ballot is found in the published log, and the ballot box's promise to put
// it there.
//
// It knows a ballot only by its id and must never learn what is in it or whose
// it is. Neither tracker nor promise shows how anybody voted.
//
// The bytes are those of SPEC.md sections 6 and 8.
package receipt

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"strikevote/internal/protocol/suite"
)

const (
	trackerBits = 100

	// maxTyped bounds what a person typed before it is looked at.
	maxTyped = 200
)

// ErrTracker is returned for what cannot be a tracker.
var ErrTracker = errors.New("not a tracker: a character is wrong or missing")

// ErrPromise is returned for a promise that the promise key did not make for
// that ballot.
var ErrPromise = errors.New("promise is not valid")

// Tracker returns the first 100 bits of a ballot's id as a person reads them.
// It is computed on the voter's device and never taken from a server, which
// could show one tracker to two voters.
func Tracker(id suite.BallotID) string {
	return suite.Group4(suite.Base32(id[:], trackerBits))
}

// ParseTracker reads what a person typed and returns the 13 bytes with which
// the ballot's id begins, the last four bits zero; see [Match]. It returns
// [ErrTracker].
func ParseTracker(typed string) (prefix []byte, err error) {
	if len(typed) > maxTyped {
		return nil, ErrTracker
	}
	prefix, err = suite.ParseBase32(suite.CleanBase32(typed), trackerBits)
	if err != nil {
		return nil, ErrTracker
	}
	return prefix, nil
}

// Match reports whether a ballot's id begins with the bits of a tracker.
func Match(id suite.BallotID, prefix []byte) bool {
	const whole = trackerBits / 8
	return len(prefix) == whole+1 && string(id[:whole]) == string(prefix[:whole]) && id[whole]&0xf0 == prefix[whole]
}

// A Promise is the ballot box's signed statement that a ballot is in the log
// which the close record pins. It is made after the ballot is durable, and the
// same ballot has the same promise for ever.
type Promise [ed25519.SignatureSize]byte

func message(mid suite.MID, id suite.BallotID) []byte {
	return suite.Message("promise", mid[:], id[:])
}

// SignPromise makes the promise for a ballot.
func SignPromise(key ed25519.PrivateKey, mid suite.MID, id suite.BallotID) Promise {
	return Promise(ed25519.Sign(key, message(mid, id)))
}

// VerifyPromise returns an error wrapping [ErrPromise] unless p is the promise
// for that ballot.
func VerifyPromise(key ed25519.PublicKey, mid suite.MID, id suite.BallotID, p []byte) error {
	if len(key) != ed25519.PublicKeySize || len(p) != ed25519.SignatureSize || !ed25519.Verify(key, message(mid, id), p) {
		return fmt.Errorf("verifying promise: %w", ErrPromise)
	}
	return nil
}
