// Package webtest sends made-up requests to the handlers of a service, and says what
// every answer has to be, whatever was asked.
//
// It knows nothing of what a service does. Only tests may import it.
package webtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

// A Request is what a fuzzer begins with. Header holds lines without line ends of
// the last one, such as "Content-Type: application/json".
type Request struct{ Method, Target, Header, Body string }

// A Service is what is tried.
type Service struct {
	Handler http.Handler
	// Words stand in requests for what differs from run to run, an election's id
	// or a token. Fuzzers keep what they find, and it has to mean the same later.
	Words *strings.Replacer
	// Answer bounds an answer; 64 KiB if 0.
	Answer int
	// Plain services answer in plain text, without the headers of pages: those
	// that are no part of the service and no browser's.
	Plain bool
}

// Fuzz sends requests that grew from the given ones.
func (s Service) Fuzz(f *testing.F, seeds ...Request) {
	for _, r := range seeds {
		f.Add(r.Method, r.Target, r.Header, []byte(r.Body))
		f.Add("GET", r.Target, r.Header, []byte(nil))
		f.Add(r.Method, r.Target+"/", "Content-Encoding: gzip", []byte(r.Body[:len(r.Body)/2]))
	}
	f.Add("OPTIONS", "*", "", []byte(nil))
	f.Add("CONNECT", "elsewhere.example:443", "", []byte(nil))
	f.Add("POST", "http://elsewhere.example/%00/%ff//../", "Origin: null\r\nX-Forwarded-For: 192.0.2.1", []byte(strings.Repeat(`{"a":[`, 2000)))
	f.Fuzz(func(t *testing.T, method, target, header string, body []byte) {
		w := s.Send(method, target, header, body)
		if w == nil {
			return
		}
		if err := s.Check(w); err != nil {
			t.Errorf("%v\n%d %v\n%.2000s", err, w.Code, w.Header(), w.Body)
		}
	})
}

// Send sends a request, or returns nil if it is none that a server hands on.
func (s Service) Send(method, target, header string, body []byte) *httptest.ResponseRecorder {
	if s.Words != nil {
		target, header, body = s.Words.Replace(target), s.Words.Replace(header), []byte(s.Words.Replace(string(body)))
	}
	if header != "" {
		header += "\r\n"
	}
	text := method + " " + target + " HTTP/1.1\r\nHost: service.example\r\n" + header + "\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil || len(header) > 16<<10 {
		return nil
	}
	r.RemoteAddr = "127.0.0.1:1"
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if r.TransferEncoding = nil; r.Header.Get("X-Chunked") != "" {
		r.ContentLength = -1
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	return w
}

// Check returns what is wrong with an answer.
func (s Service) Check(w *httptest.ResponseRecorder) error {
	h, most := w.Header(), s.Answer
	if most == 0 {
		most = 64 << 10
	}
	switch location := h.Get("Location"); {
	case w.Code < 200 || w.Code >= 500:
		return fmt.Errorf("the status blames the service")
	case w.Body.Len() > most:
		return fmt.Errorf("the answer has %d bytes", w.Body.Len())
	case h.Get("Set-Cookie") != "":
		return fmt.Errorf("a cookie is set")
	case location != "" && (location[0] != '/' || strings.HasPrefix(location, "//") || strings.Contains(location, `\`)):
		return fmt.Errorf("it leads elsewhere")
	case s.Plain:
		return nil
	}
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy",
		"Cross-Origin-Resource-Policy", "Cross-Origin-Embedder-Policy", "Permissions-Policy", "Cache-Control", "Integrity-Policy"} {
		if h.Get(name) == "" {
			return fmt.Errorf("it has no %s", name)
		}
	}
	if w.Code >= 400 {
		return checkError(w.Body.Bytes())
	}
	return nil
}

// checkError demands the form of errors: a code for programs, a sentence for people.
func checkError(body []byte) error {
	var e struct{ Error, Message string }
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || !utf8.Valid(body) {
		return fmt.Errorf("the error is not in the form of errors")
	}
	if strings.Trim(e.Error, "abcdefghijklmnopqrstuvwxyz_") != "" || e.Error == "" || !strings.HasSuffix(e.Message, ".") {
		return fmt.Errorf("the error lacks a code or a sentence")
	}
	return nil
}
