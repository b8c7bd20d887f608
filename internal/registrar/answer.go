package registrar

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"strikevote/internal/platform/web"
)

// answers are what a member reads about an error.
var answers = []struct {
	err     error
	status  int
	code    string
	message string
}{
	{ErrUnknownLink, http.StatusNotFound, "unknown_link", "This link does not work. Mail programs sometimes cut links: enter your code, or have your link sent again."},
	{ErrReplaced, http.StatusGone, "link_replaced", "This link was replaced by a newer one: use the newest mail."},
	{ErrExpired, http.StatusGone, "expired", "This link is too old: voting has closed, look at the result."},
	{ErrStruck, http.StatusGone, "struck", "You are not on the roll for this vote: if that is wrong, call the committee before voting closes."},
	{ErrNotOpen, http.StatusForbidden, "not_open", "Voting has not opened yet: your link is good, use it then."},
	{ErrClosed, http.StatusForbidden, "closed", "Voting has closed: no ballot is issued any more."},
	{ErrCancelled, http.StatusForbidden, "cancelled", "This vote was cancelled: you need to do nothing."},
	{ErrReportEmpty, http.StatusBadRequest, "bad_request", "Write what happened."},
	{ErrReportLong, http.StatusBadRequest, "too_large", "This is too long: write it in fewer words."},
	{ErrReportsFull, http.StatusTooManyRequests, "too_often", "Many reports came from your network: wait, or call the committee."},
	{ErrAlreadyIssued, http.StatusConflict, "already_issued", "A ballot was already issued with this link: finish on the device where you began, or enter your recovery code."},
	{ErrDeposited, http.StatusConflict, "already_deposited", "An envelope was deposited with this link: nobody has both an envelope and an ordinary ballot, so there is nothing more to do."},
	{ErrEnvelopeOnly, http.StatusForbidden, "envelope_only", "This link opens an envelope, on which two of the committee decide: use the page for envelopes."},
	{ErrFactorNeeded, http.StatusUnauthorized, "factor_required", "An answer is missing that shows that it is you: enter it and go on."},
	{ErrRequest, http.StatusBadRequest, "bad_request", "This request could not be read: reload the page and try again."},
	{ErrNotBallot, http.StatusUnprocessableEntity, "not_a_ballot", "This is not a sealed ballot of your group, so it was not taken: reload the page and seal your ballot again."},
	{ErrBoxAway, http.StatusServiceUnavailable, "box_away", "The ballot box does not answer, so your envelope was not taken: try again in a minute, nothing is lost."},
	{ErrTooOften, http.StatusTooManyRequests, "too_often", "This link was used very often just now: wait a minute and try again, nothing is lost."},
	{ErrTooManyCodes, http.StatusTooManyRequests, "too_many_codes", "Too many wrong codes were entered: use the link in your mail, or try again in ten minutes."},
	{ErrWho, http.StatusBadRequest, "bad_request", "Enter an email address or a member number."},
	{ErrSetBack, http.StatusConflict, "set_back", "This vote rests: the service was set back to an older state, and issues nothing until the committee has decided. Keep your tracker and leave this device as it is; please call the committee."},
	{ErrBusy, http.StatusServiceUnavailable, "busy", "Many people are voting at the moment: try again in a few seconds, nothing is lost."},
}

// answer returns what to tell a member about an error. One that is nobody's
// business is on this side, most often a database that is away for a moment:
// whatever was asked can be asked again, and is answered as if it were the first
// time.
func answer(err error) (status int, code, message string) {
	wrong, locked, refused := new(FactorError), new(LockedError), new(ActError)
	switch {
	case errors.As(err, &wrong):
		return http.StatusUnauthorized, "factor_wrong", fmt.Sprintf("That is not what the union has for you: try again, you have %s left.", plural(wrong.Left, "try", "tries"))
	case errors.As(err, &locked):
		return http.StatusTooManyRequests, "factor_locked", fmt.Sprintf("There were five wrong tries, so this link rests: try again in %s, or call the committee.",
			plural(int((locked.For+time.Minute-1)/time.Minute), "minute", "minutes"))
	case errors.As(err, &refused):
		return http.StatusConflict, "act_refused", "This act is refused: " + refused.Err.Error() + "."
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.status, a.code, a.message
		}
	}
	return http.StatusServiceUnavailable, "unavailable", "The service cannot answer at the moment: try again in a few seconds, nothing is lost."
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// retryAfter says in a header when to come back, and passes the error on.
func retryAfter(w http.ResponseWriter, err error) error {
	if p := new(web.RequestError); err == nil || errors.As(err, &p) {
		return err
	}
	locked := new(LockedError)
	switch status, _, _ := answer(err); {
	case errors.As(err, &locked):
		w.Header().Set("Retry-After", strconv.Itoa(int(locked.For.Seconds())+1))
	case errors.Is(err, ErrBusy):
		w.Header().Set("Retry-After", "2")
	case status == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "60")
	case status >= http.StatusInternalServerError:
		w.Header().Set("Retry-After", "5")
	}
	return err
}
