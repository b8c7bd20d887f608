package web

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
)

// A Blob is an answer that is the same for everybody, compressed once. What is
// served so must hold nothing that is secret, nor anything of the request: the
// length of a compressed text tells of what stands in it side by side.
type Blob struct {
	kind         string
	plain, small []byte
}

// NewBlob returns an answer of some content type.
func NewBlob(kind string, body []byte) *Blob {
	b := &Blob{kind: kind, plain: body}
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression) // it is a level
	_, _ = w.Write(body)                                    // a buffer takes everything
	if w.Close() == nil && buf.Len() < len(body) {
		b.small = buf.Bytes()
	}
	return b
}

// Bytes returns what is served, not compressed. It is not to be changed.
func (b *Blob) Bytes() []byte { return b.plain }

// Write answers a GET or HEAD.
func (b *Blob) Write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", b.kind)
	h.Add("Vary", "Accept-Encoding")
	body := b.plain
	if b.small != nil && takesGzip(r.Header.Values("Accept-Encoding")) {
		body = b.small
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the reader went away
	}
}

// takesGzip reads Accept-Encoding: what it names with a weight of 0 is refused, and
// a star stands for whatever is not named.
func takesGzip(fields []string) bool {
	star := false
	for field := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		name, params, _ := strings.Cut(field, ";")
		takes := weight(params) > 0 // which is false of what is no number
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			return takes
		case "*":
			star = takes
		}
	}
	return star
}

// weight returns the q of a list's element: 1 if it has none, 0 if it cannot be read.
func weight(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || q > 1 {
			return 0
		}
		return q
	}
	return 1
}
