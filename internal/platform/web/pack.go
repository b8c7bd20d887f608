package web

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"sync"
)

// WritePacked answers with what was made for one reader, compressed if it is to be read
// and the reader takes that. As with a [Blob] there must be nothing secret in it: the
// length of a compressed text tells of what stands in it side by side, and so nothing
// may be served so to whoever a cookie or an address lets in. What answers anything but
// a GET is left as it is, since it may hold what was sent.
//
// It is gzip, which every browser takes: brotli, as tight as it is worth its while,
// would take longer than the page itself.
func WritePacked(w http.ResponseWriter, r *http.Request, status int, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		h.Add("Vary", "Accept-Encoding")
		if len(body) >= worthPacking && TakesGzip(r) {
			body = pack(body)
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the reader went away
	}
}

// worthPacking is the length that goes in one packet of a network in any case.
const worthPacking = 1400

// packers are kept, since each has a megabyte of tables.
var packers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func pack(body []byte) []byte {
	var b bytes.Buffer
	p := packers.Get().(*gzip.Writer)
	defer packers.Put(p)
	p.Reset(&b)
	_, _ = p.Write(body) // a buffer takes everything
	_ = p.Close()
	return b.Bytes()
}
