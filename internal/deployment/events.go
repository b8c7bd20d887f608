package deployment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/platform/web"
)

// A Webhook reads what a carrier of mails posts of their fate. It returns
// [mailer.ErrUnsigned] for what is not the carrier's, and [mailer.ErrEvents] for what is
// and cannot be read. It is safe for concurrent use.
type Webhook interface {
	Events(header http.Header, body []byte) ([]mailer.Event, error)
}

const (
	// EventsPath is where a carrier posts, on the registrar's origin.
	EventsPath = "/v1/mail/events"
	// maxEventsBody is far above what a carrier posts at once.
	maxEventsBody = 4 << 20
	// eventsAtOnce are read at once, and as many wait: each fills some memory and a
	// transaction, and members come first.
	eventsAtOnce = 2
)

var (
	errUnsigned = &web.RequestError{Status: http.StatusForbidden, Code: "not_signed", Message: "This is not signed by the service that carries our mails."}
	errEvents   = &web.RequestError{Status: http.StatusBadRequest, Code: "bad_request", Message: "These could not be read as events of mails."}
)

// registrarHandler is the registrar's and, beside it, what a carrier of mails posts to.
// A program posts there and no page, and it says so by its signature: what the
// registrar asks of browsers, and its limits for members, are not for it.
func (d *Deployment) registrarHandler() http.Handler {
	members := d.registrars.Handler()
	if d.c.Webhook == nil {
		return members
	}
	events := d.eventsHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == EventsPath {
			events.ServeHTTP(w, r)
			return
		}
		members.ServeHTTP(w, r)
	})
}

// eventsHandler takes what a carrier of mails tells. Its requests are not among those
// that are observed: a notice that a ballot was issued is mailed in that moment and
// told of in the next, so their number would be a clock.
func (d *Deployment) eventsHandler() http.Handler {
	router := web.NewRouter(web.Chain(web.Config{Log: d.c.Log, Body: maxEventsBody, Held: 4 * maxEventsBody})...)
	// Many machines of the carrier post, so a network's share is that of a crowd.
	limit := web.NewLimiter(20*time.Millisecond, 2000, time.Now)
	e := web.Endpoints{Faults: web.NewFaults(d.c.Log), Answer: func(error) (int, string, string) {
		return http.StatusServiceUnavailable, "unavailable", "This cannot be taken at the moment: post it again later."
	}}
	router.With(limit.ByAddress(d.c.Front.Proxies.Client), web.AtMost(eventsAtOnce, maxEventsBody)).Post(EventsPath, e.Handle(d.postEvents))
	return router
}

// postEvents counts what a carrier tells, each event in the election whose mail it is
// of. What is of no mail is taken too, or the carrier would post it for a day: its
// account may carry other mails, and elections come to an end.
func (d *Deployment) postEvents(w http.ResponseWriter, r *http.Request) error {
	body, err := web.ReadBody(r, maxEventsBody)
	if err != nil {
		return err
	}
	events, err := d.c.Webhook.Events(r.Header, body)
	switch {
	case errors.Is(err, mailer.ErrUnsigned):
		d.mailCounts.refused("unsigned")
		return errUnsigned
	case err != nil:
		d.mailCounts.refused("unreadable")
		return errEvents
	}
	known, err := d.countEvents(r.Context(), events)
	if err != nil {
		w.Header().Set("Retry-After", "60")
		return fmt.Errorf("events of mails wait: %w", err)
	}
	d.mailCounts.unknown(len(events) - known)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// countEvents counts events in every election that is not for reading only, and returns
// how many are of a mail of one. After an error they are to be told again: where they
// were counted, they count no more.
func (d *Deployment) countEvents(ctx context.Context, events []mailer.Event) (known int, err error) {
	for _, id := range d.ids() {
		e := d.running(id)
		if e == nil || e.registrarPool == nil || d.haltedBy(e) != nil {
			continue
		}
		c, err := mailer.Count(ctx, e.registrarPool, events)
		if err != nil {
			return 0, err
		}
		known += c.New + c.Again
	}
	return known, nil
}
