package web_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"strikevote/internal/platform/web"
)

// ways lists what a reader may say, and in which coding an answer then comes.
var ways = map[string]string{
	"":                        "",
	"gzip":                    "gzip",
	"GZip":                    "gzip",
	"x-gzip":                  "gzip",
	"deflate, gzip;q=0.5, br": "br",
	"gzip, deflate, br, zstd": "br",
	"BR":                      "br",
	"br;q=0.5, gzip;q=0.5":    "br",
	"br;q=0.4, gzip;q=0.5":    "gzip",
	"br;q=0, gzip":            "gzip",
	"br;q=0":                  "",
	"br;q=0, *":               "gzip",
	"br;q=no, *;q=0.1":        "gzip",
	"gzip; q=1.000":           "gzip",
	"gzip;q=0":                "",
	"gzip;q=0.000, *":         "br",
	"*;q=0.1":                 "br",
	"*;q=0":                   "",
	"*;q=0, gzip":             "gzip",
	"br":                      "br",
	"identity":                "",
	"gzip;q=none":             "",
	"gzip;q=2":                "",
	"gzip;q=NaN":              "",
	"gzip;q=-1":               "",
	"nogzip, brr":             "",
	";;,q=1,":                 "",
}

// request asks for an answer.
func request(b *web.Blob, method, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	r.Header.Set("Accept-Encoding", accept)
	w := httptest.NewRecorder()
	w.Header().Set("Vary", "Origin")
	b.Write(w, r)
	return w
}

// packed waits until an answer is there in its smallest form. Until then it comes in
// another one: nobody waits for it.
func packed(t *testing.T, b *web.Blob) {
	t.Helper()
	if got := request(b, "GET", "br, gzip").Result().Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("the first answer has the coding %q", got)
	}
	for request(b, "HEAD", "br").Result().Header.Get("Content-Encoding") != "br" {
		runtime.Gosched()
	}
}

func unpack(t *testing.T, coding string, r io.Reader) []byte {
	t.Helper()
	switch coding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case "br":
		r = brotli.NewReader(r)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestBlob asks for an answer with each way to say what a reader takes.
func TestBlob(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("the same for everybody, ", 100))
	b := web.NewBlob("text/plain", text)
	packed(t, b)
	for accept, coding := range ways {
		for _, method := range []string{"GET", "HEAD"} {
			w := request(b, method, accept)
			h := w.Result().Header
			if got := h.Get("Content-Encoding"); got != coding {
				t.Errorf("%s %q: coding %q, want %q", method, accept, got, coding)
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
			if got := unpack(t, coding, w.Body); !bytes.Equal(got, text) || !bytes.Equal(b.Bytes(), text) {
				t.Errorf("%q: got %d bytes of another text", accept, len(got))
			}
		}
	}
}

// TestBlobPack packs an answer before anybody asks: the first reader has it too.
func TestBlobPack(t *testing.T) {
	t.Parallel()
	b := web.NewBlob("text/plain", []byte(strings.Repeat("the same for everybody, ", 100)))
	b.Pack()
	b.Pack()
	if got := request(b, "GET", "br").Result().Header.Get("Content-Encoding"); got != "br" {
		t.Errorf("the first answer has the coding %q", got)
	}
}

// TestBlobSizes packs what becomes no shorter, which is left as it is, and what is too
// large to be packed as tightly as can be.
func TestBlobSizes(t *testing.T) {
	t.Parallel()
	w := request(web.NewBlob("text/plain", []byte("x")), "GET", "gzip, br")
	if w.Body.String() != "x" || w.Result().Header.Get("Content-Encoding") != "" {
		t.Errorf("one byte: got %q", w.Body)
	}
	text := []byte(strings.Repeat("the same for everybody, ", 1<<16))
	b := web.NewBlob("text/plain", text)
	packed(t, b)
	if got := unpack(t, "br", request(b, "GET", "br").Body); !bytes.Equal(got, text) {
		t.Errorf("got %d bytes of another text", len(got))
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
