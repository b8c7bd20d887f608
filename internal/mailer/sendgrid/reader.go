package sendgrid

import (
	"bytes"
	"encoding/json"

	"strikevote/internal/mailer"
)

const (
	// maxEvents bounds a list. SendGrid's are of some hundred kilobytes, which are
	// about a thousand events.
	maxEvents = 20_000
	// maxDepth is how deep lists and objects may stand in each other. In SendGrid's
	// there are three: the list, an event, its categories.
	maxDepth = 6
	// maxKeys bounds an object. An event has some twenty.
	maxKeys = 100
)

// A reader goes through JSON that is whole and looks at it where it stands: what an
// event says of a person is passed over and copied nowhere.
type reader struct {
	text  []byte // what is left; empty after anything that is refused
	count int
	twice bool // a key stood twice in what was read
}

// newReader returns a reader of one JSON value. One that is not whole is an empty
// text, which no method takes for anything.
func newReader(body []byte) *reader {
	if !json.Valid(body) {
		return new(reader)
	}
	r := &reader{text: body}
	r.space()
	return r
}

func (r *reader) space() { r.text = bytes.TrimLeft(r.text, " \t\r\n") }

// next returns the first byte of what is left, 0 if nothing is.
func (r *reader) next() byte {
	if len(r.text) == 0 {
		return 0
	}
	return r.text[0]
}

// take goes on if what is left begins with a byte.
func (r *reader) take(b byte) bool {
	if r.next() != b {
		return false
	}
	r.text = r.text[1:]
	r.space()
	return true
}

// list reads a list; each reads one of its values.
func (r *reader) list(each func() error) error {
	if !r.take('[') {
		return mailer.ErrEvents
	}
	for more := !r.take(']'); more; {
		if err := each(); err != nil {
			return err
		}
		if more = r.take(','); !more && !r.take(']') {
			return mailer.ErrEvents
		}
	}
	return nil
}

// object reads an object; each reads the value of a key. That a key stands twice is
// noted: two programs would read two different objects.
func (r *reader) object(each func(key []byte) error) error {
	if !r.take('{') {
		return mailer.ErrEvents
	}
	keys, seen := 0, make(map[string]bool)
	for more := !r.take('}'); more; {
		key, err := r.string()
		if err != nil {
			return err
		}
		if keys++; keys > maxKeys || !r.take(':') {
			return mailer.ErrEvents
		}
		r.twice = r.twice || seen[string(key)]
		seen[string(key)] = true
		if err := each(key); err != nil {
			return err
		}
		if more = r.take(','); !more && !r.take('}') {
			return mailer.ErrEvents
		}
	}
	return nil
}

// string reads a string. It stays in the body unless something in it is written as an
// escape.
func (r *reader) string() ([]byte, error) {
	raw, err := r.raw()
	if err != nil {
		return nil, err
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, mailer.ErrEvents
	}
	return []byte(s), nil
}

// raw passes over a string and returns it as it is written.
func (r *reader) raw() ([]byte, error) {
	if r.next() != '"' {
		return nil, mailer.ErrEvents
	}
	for i := 1; i < len(r.text); i++ {
		switch r.text[i] {
		case '\\':
			i++
		case '"':
			raw := r.text[:i+1]
			r.text = r.text[i+1:]
			r.space()
			return raw, nil
		}
	}
	return nil, mailer.ErrEvents
}

// skip passes over a value.
func (r *reader) skip(depth int) error {
	if depth > maxDepth {
		return mailer.ErrEvents
	}
	switch r.next() {
	case '"':
		_, err := r.raw()
		return err
	case '{':
		return r.object(func([]byte) error { return r.skip(depth + 1) })
	case '[':
		return r.list(func() error { return r.skip(depth + 1) })
	}
	// A number or a word, which ends where the next sign stands.
	n := bytes.IndexAny(r.text, ",]} \t\r\n")
	if n <= 0 {
		return mailer.ErrEvents
	}
	r.text = r.text[n:]
	r.space()
	return nil
}

// event reads one event; ok is false for what is none: no object, or one that has a key
// twice. It is passed over, as is what is no text where a text is read: hundreds of events
// stand beside it, and the provider would send them all again for a day and then no more.
func (r *reader) event() (t told, ok bool, err error) {
	if r.next() != '{' {
		return told{}, false, r.skip(2)
	}
	r.twice = false
	err = r.object(func(key []byte) error {
		field := t.field(key)
		if field == nil || r.next() != '"' {
			return r.skip(3)
		}
		text, err := r.string()
		*field = text
		return err
	})
	return t, !r.twice, err
}
