package witness

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

const (
	// maxAhead is what the board allows a moment to be in the future, and what the
	// record allows it to be before the close.
	maxAhead = 300 * time.Second
	// maxApart is how far the two clocks may be apart before the operator is
	// told: the moments that a witness signs decide whether an act came in time.
	maxApart = time.Minute
	// maxAge bounds what a cache may say of the age of its answer.
	maxAge = time.Hour
)

// compareClocks compares this computer's clock with the board's, as the Date of
// an answer has it. It tells the operator once when they come apart and once when
// they agree again.
func (w *Witness) compareClocks(ctx context.Context, h http.Header) {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	// What comes out of a cache was dated when it went in.
	if s, err := strconv.Atoi(h.Get("Age")); err == nil && s > 0 {
		at = at.Add(time.Duration(min(s, int(maxAge/time.Second))) * time.Second)
	}
	ahead := w.c.Now().Sub(at)
	w.ahead.Store(int64(ahead))
	apart := ahead.Abs() > maxApart
	if w.apart.Swap(apart) == apart {
		return
	}
	if apart {
		w.c.Log.WarnContext(ctx, "this computer's clock and the board's are more than a minute apart; set the one that is wrong",
			"ahead", ahead.Round(time.Second).String())
	} else {
		w.c.Log.InfoContext(ctx, "this computer's clock and the board's agree again")
	}
}
