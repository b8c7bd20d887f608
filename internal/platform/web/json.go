package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode"
)

// maxDepth is how deep a request's lists and objects may be nested. What the
// services read is two deep at most.
const maxDepth = 8

// DecodeJSON reads one JSON value of at most limit bytes and nothing after it.
// Unknown fields are refused, and so are a key that stands twice in one object
// and more than eight levels of nesting. Its errors are [*RequestError]s.
func DecodeJSON(r *http.Request, limit int64, v any) error {
	body, err := ReadBody(r, limit)
	if err != nil {
		return err
	}
	// Of a key that stands twice this package's decoder takes the last, a proxy
	// or another program perhaps the first: two readers of one request.
	if err := checkKeys(body); err != nil {
		return errMalformed
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errMalformed
	}
	return nil
}

var errJSON = errors.New("not one JSON value with distinct keys")

// checkKeys returns an error unless the text is one JSON value in which no
// object has a key twice, and which is not too deep. Keys that differ in case
// only count as one, because the decoder takes them for one.
func checkKeys(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errJSON
	}
	return nil
}

func checkValue(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return errJSON
	}
	seen := make(map[string]bool)
	for d.More() {
		if open == '{' {
			if err := checkKey(d, seen); err != nil {
				return err
			}
		}
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token() // the end
	return err
}

func checkKey(d *json.Decoder, seen map[string]bool) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	key, ok := t.(string)
	if !ok {
		return errJSON
	}
	if key = fold(key); seen[key] {
		return errJSON
	}
	seen[key] = true
	return nil
}

// fold returns one spelling for all that differ in case only, as
// [strings.EqualFold] sees it.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}
