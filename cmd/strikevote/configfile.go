package main

import (
	"errors"
	"fmt"
	"strings"
)

// A line is one KEY=VALUE of a file.
type line struct {
	key, value string
	number     int
}

// parseFile reads lines of KEY=VALUE, as systemd's EnvironmentFile does: empty
// lines and those that begin with # or ; are nothing, a value may stand in single
// or double quotes. What systemd, shells and compose read in different ways is
// refused, so that one file means one thing to all of them.
func parseFile(text string) ([]line, []error) {
	var lines []line
	var errs []error
	seen := make(map[string]int)
	n := 0
	for l := range strings.Lines(text) {
		n++
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' || l[0] == ';' {
			continue
		}
		key, value, err := parseLine(l)
		if first, twice := seen[key]; err == nil && twice {
			err = fmt.Errorf("%s stands in line %d already; remove one of them", key, first)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		seen[key] = n
		lines = append(lines, line{key, value, n})
	}
	return lines, errs
}

// parseLine reads KEY=VALUE. Its errors do not repeat the value, which could be
// anything that was put there by mistake.
func parseLine(l string) (key, value string, err error) {
	key, value, ok := strings.Cut(l, "=")
	if !ok {
		return "", "", errors.New("it is not KEY=VALUE; begin a comment with #")
	}
	if strings.HasPrefix(key, "export ") {
		return "", "", errors.New("it begins with export; write KEY=VALUE only")
	}
	if key == "" || strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return "", "", errors.New("before = there is no name in upper case without spaces; write STRIKEVOTE_DATA=…")
	}
	value, err = unquote(strings.TrimSpace(value))
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", key, err)
	}
	return key, value, nil
}

// unquote returns what a value stands for.
func unquote(v string) (string, error) {
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("it holds a character that cannot be seen")
	}
	if v == "" || v[0] != '\'' && v[0] != '"' {
		if strings.ContainsAny(v, "'\"\\$`") || strings.Contains(v, " #") {
			return "", errors.New(`it holds a quote, a backslash, a dollar sign or " #"; put the whole value in single quotes`)
		}
		return v, nil
	}
	quote := v[:1]
	inside, ok := strings.CutSuffix(v[1:], quote)
	if !ok || len(v) < 2 {
		return "", fmt.Errorf("it begins with %s and does not end with one", quote)
	}
	// In double quotes programs differ over $ and backslashes, in single ones
	// over nothing.
	if strings.Contains(inside, quote) || quote == `"` && strings.ContainsAny(inside, "\\$`") {
		return "", errors.New("it holds what programs read in different ways; put it in single quotes, without such a quote in it")
	}
	return inside, nil
}
