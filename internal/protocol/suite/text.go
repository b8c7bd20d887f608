package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// MaxFile is the largest JSON file of a record, in bytes. The shares of 1,000
// sets with 8 questions each take 2.5 million.
const MaxFile = 8 << 20

// maxInt is the largest number in a JSON file: the largest integer that
// JavaScript holds exactly.
const maxInt = 1<<53 - 1

// CheckText returns an error unless s is a text of SPEC.md section 2: not empty,
// at most max bytes, without control or invisible characters, which make two
// texts look alike, and without a space at either end.
func CheckText(s string, max int) error {
	if s == "" {
		return errors.New("empty")
	}
	return CheckTextOrEmpty(s, max)
}

// CheckTextOrEmpty is [CheckText], with the empty text allowed.
func CheckTextOrEmpty(s string, max int) error {
	if len(s) > max {
		return fmt.Errorf("longer than %d bytes", max)
	}
	if !utf8.ValidString(s) {
		return errors.New("not valid UTF-8")
	}
	if strings.Trim(s, " \u00a0\u3000") != s {
		return errors.New("space at the start or end")
	}
	for _, r := range s {
		if Invisible(r) {
			return fmt.Errorf("character %U is not allowed", r)
		}
	}
	return nil
}

// Invisible reports whether a code point is refused in texts: controls, marks
// of direction, spaces of no width, noncharacters.
func Invisible(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0xad, r == 0x61c, r == 0x180e,
		r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e,
		r >= 0x2060 && r <= 0x206f, r == 0xfeff, r >= 0xfff9 && r <= 0xfffd,
		r >= 0xfdd0 && r <= 0xfdef, r&0xfffe == 0xfffe:
		return true
	}
	return false
}

// EncodeJSON returns the one encoding of a JSON file: compact, keys in the
// order of the struct's fields, one final line end. It fails on what a file may
// not hold: a number out of range, a text that is not one.
func EncodeJSON(v any) ([]byte, error) {
	if err := checkValues(reflect.ValueOf(v)); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	// HTML escaping would spell "<" in a second way.
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding JSON: %w", err)
	}
	if buf.Len() > MaxFile {
		return nil, fmt.Errorf("encoding JSON: larger than %d bytes", MaxFile)
	}
	return buf.Bytes(), nil
}

// DecodeJSON reads a JSON file into v, a pointer to a struct. It accepts
// exactly what [EncodeJSON] makes: by encoding again and comparing it refuses
// duplicate, missing, unknown and misplaced keys, other white space, other
// escapes and other spellings of numbers, in one rule.
func DecodeJSON(b []byte, v any) error {
	if len(b) > MaxFile {
		return fmt.Errorf("larger than %d bytes", MaxFile)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("reading JSON: %w", err)
	}
	again, err := EncodeJSON(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("not in the one encoding: differs at byte %d", firstDifference(again, b))
	}
	return nil
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// checkValues walks a value and refuses numbers and strings that a JSON file
// may not hold. A nil slice is refused, since it would be written null.
func checkValues(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return checkValues(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if err := checkValues(v.Field(i)); err != nil {
				return fmt.Errorf("%s: %w", v.Type().Field(i).Name, err)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		if v.IsNil() {
			return errors.New("a list is missing")
		}
		for i := range v.Len() {
			if err := checkValues(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.String:
		return checkString(v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if v.Int() < 0 || v.Int() > maxInt {
			return errors.New("number out of range")
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() > maxInt {
			return errors.New("number out of range")
		}
	case reflect.Float32, reflect.Float64, reflect.Map:
		return fmt.Errorf("a %s cannot stand in a JSON file", v.Kind())
	}
	return nil
}

// checkString refuses strings that encoding/json would escape in its own way.
func checkString(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("not valid UTF-8")
	}
	for _, r := range s {
		if Invisible(r) {
			return fmt.Errorf("character %U is not allowed", r)
		}
	}
	return nil
}
