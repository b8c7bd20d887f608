package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// esbuild leaves out functions that nothing calls, but no methods: somebody might call
// one by a name that is put together. The library does not, and neither do the page's
// modules, so a method whose name stands nowhere else goes too.

// method finds the first line of one in what esbuild writes: its end is the next line
// that is a brace, as far in.
var method = regexp.MustCompile(`^( +)(?:static |async |get |set )*([A-Za-z_$][\w$]*)\(.*\) \{$`)

// called are methods that the language calls by itself.
var called = map[string]bool{"constructor": true, "toString": true, "toJSON": true, "valueOf": true, "then": true}

// statement are words that look like the name of a method.
var statement = regexp.MustCompile(`^(?:if|for|while|switch|catch|function)$`)

// comment finds one that is not behind code.
var comment = regexp.MustCompile(`(?m)^\s*(?://|/?\*).*$`)

// withoutUnused returns the library without the methods that neither it nor a module
// of assets names.
func withoutUnused(assets, module string) (string, error) {
	files, err := filepath.Glob(filepath.Join(assets, "*.js"))
	if err != nil {
		return "", err
	}
	var others strings.Builder
	for _, file := range files {
		if filepath.Base(file) == library {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		others.WriteString(comment.ReplaceAllString(string(b), ""))
	}
	for {
		next := dropUnused(module, others.String())
		if next == module {
			return module, nil
		}
		module = next
	}
}

// dropUnused drops the methods of the first name that nothing else has. Those of one
// name go together, for some only pass a call on to another.
func dropUnused(module, others string) string {
	lines := strings.SplitAfter(module, "\n")
	var names []string
	spans := make(map[string][][2]int) // from a method's comment to behind its brace
	for i, line := range lines {
		m := method.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil || called[m[2]] || statement.MatchString(m[2]) {
			continue
		}
		begin, end := i, i+1
		for end < len(lines) && lines[end] != m[1]+"}\n" {
			end++
		}
		for begin > 0 && comment.MatchString(strings.TrimSuffix(lines[begin-1], "\n")) {
			begin--
		}
		names = append(names, m[2])
		spans[m[2]] = append(spans[m[2]], [2]int{begin, min(end+1, len(lines))})
	}
	for _, name := range names {
		var rest strings.Builder
		at := 0
		for _, span := range spans[name] {
			rest.WriteString(strings.Join(lines[at:span[0]], ""))
			at = span[1]
		}
		rest.WriteString(strings.Join(lines[at:], ""))
		word := regexp.MustCompile(`(?:^|[^\w$])` + regexp.QuoteMeta(name) + `(?:$|[^\w$])`)
		if !word.MatchString(comment.ReplaceAllString(rest.String(), "")) && !word.MatchString(others) {
			return rest.String()
		}
	}
	return module
}
