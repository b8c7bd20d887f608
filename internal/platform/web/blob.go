package web

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/andybalholm/brotli"
)

// A Blob is an answer that is the same for everybody, compressed once. What is
// served so must hold nothing that is secret, nor anything of the request: the
// length of a compressed text tells of what stands in it side by side.
type Blob struct {
	kind     string
	plain    []byte
	small    func() []byte // by gzip, made for the first who needs it; nil if it is no shorter
	begin    sync.Once
	smallest atomic.Pointer[[]byte] // nil until it is made
}

// NewBlob returns an answer of some content type.
func NewBlob(kind string, body []byte) *Blob {
	return &Blob{kind: kind, plain: body, small: sync.OnceValue(func() []byte {
		var buf bytes.Buffer
		w, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression) // it is a level
		_, _ = w.Write(body)                                    // a buffer takes everything
		if w.Close() != nil || buf.Len() >= len(body) {
			return nil
		}
		return bytes.Clone(buf.Bytes())
	})}
}

// Bytes returns what is served, not compressed. It is not to be changed.
func (b *Blob) Bytes() []byte { return b.plain }

// Write answers a GET or HEAD.
func (b *Blob) Write(w http.ResponseWriter, r *http.Request) { b.WriteStatus(w, r, http.StatusOK) }

// WriteStatus is Write with another status than 200.
func (b *Blob) WriteStatus(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	h.Set("Content-Type", b.kind)
	h.Add("Vary", "Accept-Encoding")
	body, coding := b.take(r.Header.Values("Accept-Encoding"))
	if coding != "" {
		h.Set("Content-Encoding", coding)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the reader went away
	}
}

// take returns the form of an answer that a reader takes, and the name of its coding.
func (b *Blob) take(accept []string) (body []byte, coding string) {
	br, gz := weighs(accept, "br"), weighs(accept, "gzip", "x-gzip")
	if (br <= 0 && gz <= 0) || b.small() == nil {
		return b.plain, ""
	}
	if br > 0 && br >= gz {
		// It takes a second of a processor for each hundred kilobytes, so it is made
		// for the first who can read it, and neither this reader nor the start of the
		// program waits for it.
		b.begin.Do(func() { go b.pack() })
		if smallest := b.smallest.Load(); smallest != nil {
			return *smallest, "br"
		}
	}
	if gz > 0 {
		return b.small(), "gzip"
	}
	return b.plain, ""
}

// Pack makes the smallest form of an answer now, if nobody has asked for it yet.
func (b *Blob) Pack() { b.begin.Do(b.pack) }

// large is the length from which on packing as tightly as can be would take a
// processor for many seconds.
const large = 1 << 20

// packing lets one answer at a time be packed: members who are served come first.
var packing sync.Mutex

func (b *Blob) pack() {
	packing.Lock()
	defer packing.Unlock()
	level := brotli.BestCompression
	if len(b.plain) >= large {
		level = brotli.DefaultCompression
	}
	var buf bytes.Buffer
	w := brotli.NewWriterLevel(&buf, level)
	_, _ = w.Write(b.plain) // a buffer takes everything
	if w.Close() == nil && buf.Len() < len(b.small()) {
		out := bytes.Clone(buf.Bytes())
		b.smallest.Store(&out)
	}
	// The packer's 50 MB are needed once and would otherwise stay for minutes.
	debug.FreeOSMemory()
}

// TakesGzip reports whether the sender of a request can unpack an answer.
func TakesGzip(r *http.Request) bool {
	return weighs(r.Header.Values("Accept-Encoding"), "gzip", "x-gzip") > 0
}

// weighs reads from Accept-Encoding how much a reader wants a coding, by any of its
// names: what has a weight of 0 is refused, and a star stands for whatever is not named.
func weighs(fields []string, names ...string) float64 {
	star := 0.0
	for field := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		name, params, _ := strings.Cut(field, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if slices.Contains(names, name) {
			return weight(params)
		}
		if name == "*" {
			star = weight(params)
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
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}
