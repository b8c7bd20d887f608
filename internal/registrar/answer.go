package registrar

import (
	"errors"
	"fmt"
	"net/http"
	"time"
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
	{ErrCancelled, http.StatusForbidden, "closed", "This vote was cancelled: you need to do nothing."},
	{ErrAlreadyIssued, http.StatusConflict, "already_issued", "A ballot was already issued with this link: finish on the device where you began, or enter your recovery code."},
	{ErrEnvelopeOnly, http.StatusForbidden, "envelope_only", "This link opens an envelope, which the committee decides on after the close: use the page for envelopes."},
	{ErrFactorNeeded, http.StatusUnauthorized, "factor_required", "An answer is missing that shows that it is you: enter it and go on."},
	{ErrRequest, http.StatusBadRequest, "bad_request", "This request could not be read: reload the page and try again."},
	{ErrBusy, http.StatusServiceUnavailable, "busy", "Many people are voting at the moment: try again in a few seconds, nothing is lost."},
}

// answer returns what to tell a member about an error; status 0 for one that is
// nobody's business.
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
	return 0, "", ""
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
