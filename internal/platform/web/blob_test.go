package web_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"strikevote/internal/platform/web"
)

// TestBlob asks for an answer with each way to say what a reader takes.
func TestBlob(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("the same for everybody, ", 100))
	long, short := web.NewBlob("text/plain", text), web.NewBlob("text/plain", []byte("x"))
	for accept, small := range map[string]bool{
		"":                        false,
		"gzip":                    true,
		"GZip":                    true,
		"x-gzip":                  true,
		"deflate, gzip;q=0.5, br": true,
		"gzip; q=1.000":           true,
		"gzip;q=0":                false,
		"gzip;q=0.000, *":         false,
		"*;q=0.1":                 true,
		"*;q=0":                   false,
		"*;q=0, gzip":             true,
		"br":                      false,
		"identity":                false,
		"gzip;q=none":             false,
		"gzip;q=2":                false,
		"gzip;q=NaN":              false,
		"gzip;q=-1":               false,
		"nogzip":                  false,
		";;,q=1,":                 false,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := httptest.NewRequest(method, "/", nil)
			r.Header.Set("Accept-Encoding", accept)
			w := httptest.NewRecorder()
			w.Header().Set("Vary", "Origin")
			long.Write(w, r)
			h := w.Result().Header
			if got := h.Get("Content-Encoding") == "gzip"; got != small {
				t.Errorf("%s %q: compressed %v, want %v", method, accept, got, small)
			}
			if got := strings.Join(h.Values("Vary"), ", "); got != "Origin, Accept-Encoding" {
				t.Errorf("%s %q: Vary is %s", method, accept, got)
			}
			if method == "HEAD" {
				if w.Body.Len() > 0 || h.Get("Content-Length") == "0" {
					t.Errorf("HEAD %q: %d bytes, Content-Length %s", accept, w.Body.Len(), h.Get("Content-Length"))
				}
				continue
			}
			if h.Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
				t.Errorf("%q: Content-Length %s of %d", accept, h.Get("Content-Length"), w.Body.Len())
			}
			got := w.Body.Bytes()
			if small {
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				if got, err = io.ReadAll(z); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, text) || !bytes.Equal(long.Bytes(), text) {
				t.Errorf("%q: got %d bytes of another text", accept, len(got))
			}
		}
	}
	// What does not become shorter is left as it is.
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	short.Write(w, r)
	if w.Body.String() != "x" || w.Result().Header.Get("Content-Encoding") != "" {
		t.Errorf("one byte: got %q", w.Body)
	}
}

func TestInline(t *testing.T) {
	t.Parallel()
	const rest = "form-action 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
	// The example of CSP Level 2: alert('Hello, world.');
	got := web.Inline([][]byte{[]byte("alert('Hello, world.');"), nil}, nil)("https://box.example")
	if want := "default-src 'none'; script-src 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; " +
		"style-src 'none'; img-src 'none'; connect-src 'self' https://box.example; " + rest; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
