package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// TestWritePacked: whoever takes gzip gets it, of what is long enough and was asked for
// with a GET; what comes back is the same for all.
func TestWritePacked(t *testing.T) {
	t.Parallel()
	long, short := strings.Repeat("A page of words. ", 500), "short"
	for _, tt := range []struct {
		method, accept, body string
		packed, varies       bool
	}{
		{"GET", "gzip, deflate, br", long, true, true},
		{"GET", "br", long, false, true},
		{"GET", "", long, false, true},
		{"GET", "gzip;q=0", long, false, true},
		{"GET", "*", long, true, true},
		{"GET", "gzip", short, false, true},
		{"HEAD", "gzip", long, true, true},
		{"POST", "gzip", long, false, false},
	} {
		r := httptest.NewRequest(tt.method, "/", nil)
		r.Header.Set("Accept-Encoding", tt.accept)
		w := httptest.NewRecorder()
		WritePacked(w, r, 404, "text/html; charset=utf-8", []byte(tt.body))
		h := w.Result().Header
		packed := h.Get("Content-Encoding") == "gzip"
		if w.Code != 404 || packed != tt.packed || (h.Get("Vary") == "Accept-Encoding") != tt.varies || h.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s, %q: got %d, %v", tt.method, tt.accept, w.Code, h)
		}
		if tt.method == "HEAD" {
			if w.Body.Len() > 0 || h.Get("Content-Length") == strconv.Itoa(len(long)) {
				t.Errorf("HEAD: %d bytes, %v", w.Body.Len(), h)
			}
			continue
		}
		if h.Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%s, %q: %d bytes, said to be %s", tt.method, tt.accept, w.Body.Len(), h.Get("Content-Length"))
		}
		body := io.Reader(bytes.NewReader(w.Body.Bytes()))
		if packed {
			var err error
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := io.ReadAll(body); err != nil || string(got) != tt.body {
			t.Errorf("%s, %q: %v, %d bytes", tt.method, tt.accept, err, len(got))
		}
	}
}
