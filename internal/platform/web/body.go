package web

import (
	"io"
	"net/http"
	"sync/atomic"
)

// limitBody refuses a body that says it is too large before any of it is read,
// and stops reading one that turns out to be. Besides, all bodies together hold no
// more than held bytes: whoever sends the largest one that is allowed on each of a
// thousand connections would fill the memory, and sent slowly each stays there
// until its time is up. The first 16 KiB of a body are not counted, and what a
// voter sends is no longer: so those who send long ones keep no voter out.
func limitBody(limit, held int64) func(http.Handler) http.Handler {
	left := new(atomic.Int64)
	left.Store(held)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > limit {
				// Otherwise the server would read on to reuse the connection.
				w.Header().Set("Connection", "close")
				errTooLarge.write(w)
				return
			}
			b := &body{ReadCloser: http.MaxBytesReader(w, r.Body, limit), header: w.Header(), left: left, free: normalBody}
			defer func() { left.Add(b.held) }()
			r.Body = b
			next.ServeHTTP(w, r)
		})
	}
}

// A body counts what was read of it. Whoever reads it keeps it, until the request
// is answered.
type body struct {
	io.ReadCloser
	header http.Header   // of the answer
	left   *atomic.Int64 // for all bodies
	free   int64         // of this one
	held   int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	over := max(0, int64(n)-b.free)
	b.free -= int64(n) - over
	if over == 0 {
		return n, err
	}
	if b.left.Add(-over) < 0 {
		b.left.Add(over)
		b.header.Set("Connection", "close") // as above
		return 0, errBusy
	}
	b.held += over
	return n, err
}
