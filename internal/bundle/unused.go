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

// dropUnused drops the methods of the first name that nothing else has.
func dropUnused(module, others string) string {
	for line := range strings.SplitSeq(module, "\n") {
		m := method.FindStringSubmatch(line)
		if m == nil || called[m[2]] || statement.MatchString(m[2]) {
			continue
		}
		rest := withoutMethod(module, m[2])
		word := regexp.MustCompile(`(?:^|[^\w$])` + regexp.QuoteMeta(m[2]) + `(?:$|[^\w$])`)
		if !word.MatchString(comment.ReplaceAllString(rest, "")) && !word.MatchString(others) {
			return rest
		}
	}
	return module
}

// withoutMethod drops the methods of one name, from the comment to behind the brace.
// They go together, for some only pass a call on to another.
func withoutMethod(module, name string) string {
	lines := strings.SplitAfter(module, "\n")
	var rest []string
	for i := 0; i < len(lines); i++ {
		m := method.FindStringSubmatch(strings.TrimSuffix(lines[i], "\n"))
		if m == nil || m[2] != name {
			rest = append(rest, lines[i])
			continue
		}
		for len(rest) > 0 && comment.MatchString(strings.TrimSuffix(rest[len(rest)-1], "\n")) {
			rest = rest[:len(rest)-1]
		}
		for i < len(lines)-1 && lines[i] != m[1]+"}\n" {
			i++
		}
	}
	return strings.Join(rest, "")
}
