package monitor

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"

	"strikevote/internal/protocol/election"
)

// never are what no answer of a booth carries: a cookie ties what one person opens
// together, a refresh leads elsewhere, and the others fetch from, or report to, some
// other address, which the body does not show.
var never = []string{"Set-Cookie", "Refresh", "Link", "Report-To", "Reporting-Endpoints", "Nel", "Content-Security-Policy-Report-Only",
	"Sourcemap", "X-Sourcemap", "Service-Worker-Allowed", "Speculation-Rules"}

// checkHeader returns what is wrong with the header of an answer. Two answers with the
// same bytes are two different pages if their headers are.
func checkHeader(path string, a *answer, o election.Origins) []string {
	var faults []string
	for _, name := range never {
		if len(a.header.Values(name)) > 0 {
			faults = append(faults, "it has the header "+name)
		}
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := a.header.Values(name); len(got) != 1 || got[0] != want {
			faults = append(faults, fmt.Sprintf("%s is %q, it must be %s", name, got, want))
		}
	}
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	if page := isPage(path); page != (kind == "text/html") {
		faults = append(faults, fmt.Sprintf("Content-Type is %q", a.header.Get("Content-Type")))
	} else if page {
		faults = append(faults, checkPolicy(a, o)...)
	} else {
		faults = append(faults, checkBare(a)...)
	}
	slices.Sort(faults)
	return faults
}

// isPage reports whether a path of the booth is the page.
func isPage(path string) bool {
	rest, _ := strings.CutPrefix(path, pathPage)
	return rest == "" || rest[0] == '?' || len(rest) == 32 && !strings.ContainsAny(rest, "/.?")
}

// checkPolicy compares a page's Content-Security-Policy with what it must be: nothing
// runs but what stands in the page, and it sends to the election's services alone.
func checkPolicy(a *answer, o election.Origins) []string {
	want := map[string]string{
		"default-src": "'none'", "img-src": "'none'", "form-action": "'none'", "base-uri": "'none'", "object-src": "'none'",
		"frame-ancestors": "'none'", "require-trusted-types-for": "'script'", "trusted-types": "'none'",
		"script-src":  sources(a.body, "script"),
		"style-src":   sources(a.body, "style"),
		"connect-src": set([]string{"'self'", o.Registrar, o.Box, o.Board}),
	}
	got, fault := policyOf(a)
	if fault != "" {
		return []string{fault}
	}
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			faults = append(faults, fmt.Sprintf("Content-Security-Policy has %s %q, it must be %q", name, got[name], want[name]))
		}
		delete(got, name)
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		faults = append(faults, "Content-Security-Policy has "+name+", which it must not have")
	}
	return faults
}

// checkBare compares the policy of what is no page, whose parts a booth chooses, with
// what it must be: whatever a browser takes it for, nothing of it runs or is sent.
func checkBare(a *answer) []string {
	got, fault := policyOf(a)
	if fault != "" {
		return []string{fault}
	}
	var faults []string
	if got["default-src"] == "" {
		faults = append(faults, "Content-Security-Policy has no default-src")
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if got[name] != "'none'" {
			faults = append(faults, fmt.Sprintf("Content-Security-Policy has %s %q, it must be \"'none'\"", name, got[name]))
		}
	}
	return faults
}

// policyOf reads an answer's Content-Security-Policy, by directive, or says what is
// wrong with it.
func policyOf(a *answer) (got map[string]string, fault string) {
	values := a.header.Values("Content-Security-Policy")
	if len(values) != 1 {
		return nil, fmt.Sprintf("Content-Security-Policy stands there %d times", len(values))
	}
	got = make(map[string]string)
	for directive := range strings.SplitSeq(values[0], ";") {
		fields := strings.Fields(directive)
		if len(fields) == 0 {
			continue
		}
		name := strings.ToLower(fields[0])
		if _, twice := got[name]; twice {
			return nil, "Content-Security-Policy has " + name + " twice"
		}
		got[name] = set(fields[1:])
	}
	return got, ""
}

// set writes a list without order and repetition.
func set(list []string) string {
	list = slices.Sorted(slices.Values(list))
	return strings.Join(slices.Compact(list), " ")
}

// sources names the SHA-256 of every element of a kind that a browser runs or lays out:
// a script with a type is data here, and one that is no data would be refused by the
// policy, which does not name it.
func sources(page []byte, element string) string {
	var list []string
	for {
		_, rest, found := bytes.Cut(page, []byte("<"+element+">"))
		text, after, ends := bytes.Cut(rest, []byte("</"+element+">"))
		if !found || !ends {
			break
		}
		sum := sha256.Sum256(text)
		list = append(list, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
		page = after
	}
	if len(list) == 0 {
		return "'none'"
	}
	return set(list)
}
