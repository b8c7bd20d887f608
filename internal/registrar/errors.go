package registrar

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What a member can be told. Each has a code and a sentence, see answer.
var (
	ErrUnknownLink   = errors.New("unknown link")           // also for a forged one
	ErrReplaced      = errors.New("the link was replaced")  // by a corrected address
	ErrExpired       = errors.New("the link is too old")    //
	ErrStruck        = errors.New("the member was struck")  // before anything was issued
	ErrNotOpen       = errors.New("voting is not open yet") //
	ErrClosed        = errors.New("voting is closed")       //
	ErrCancelled     = errors.New("the vote was cancelled") //
	ErrAlreadyIssued = errors.New("a ballot was issued")    // on another request
	ErrDeposited     = errors.New("an envelope was deposited")
	ErrEnvelopeOnly  = errors.New("only an envelope is open") // to a disputed person
	ErrFactorNeeded  = errors.New("the extra answer is missing")
	ErrRequest       = errors.New("the request is malformed")
	ErrNotBallot     = errors.New("the envelope holds no ballot") // of the person's group
	ErrBoxAway       = errors.New("the box does not answer")      // so that nothing was kept
	ErrTooOften      = errors.New("the link was used too often")
	ErrTooManyCodes  = errors.New("too many wrong codes")
	ErrWho           = errors.New("no address and no number")
	ErrBusy          = errors.New("too many requests at once")
	ErrSetBack       = errors.New("the election is for reading only") // see Halt
)

// A FactorError says that the extra answer was wrong.
type FactorError struct{ Left int } // tries

func (e *FactorError) Error() string { return "the extra answer is wrong" }

// A LockedError says that a link rests after five wrong answers.
type LockedError struct{ For time.Duration }

func (e *LockedError) Error() string { return "the link rests after wrong answers" }

// An ActError says why an act is refused. Its text is safe to show: an act
// names nobody.
type ActError struct{ Err error }

func (e *ActError) Error() string { return "act refused: " + e.Err.Error() }
func (e *ActError) Unwrap() error { return e.Err }

// scrub takes the values out of an error of the database: a server that refuses
// a row quotes it, with the name and the address in it.
func scrub(err error) error {
	if pg := new(pgconn.PgError); errors.As(err, &pg) {
		return fmt.Errorf("the database refused (%s, %s)", pg.Code, pg.ConstraintName)
	}
	return err
}
