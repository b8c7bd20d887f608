package main

import (
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
)

// TestElectionLanguages names the languages that there are to whoever writes another.
func TestElectionLanguages(t *testing.T) {
	t.Parallel()
	for text, bad := range map[string]bool{`"en"`: false, `"zh-hans"`: false, `"es-mx"`: false, `"EN"`: true, `"spanish"`: true, `"fr"`: true, `""`: true} {
		_, _, err := parseElectionFile([]byte(strings.Replace(string(sample), `"languages": ["en"]`, `"languages": [`+text+`]`, 1)), election.Origins{}, false)
		if told := err != nil && strings.Contains(err.Error(), "write en, es, "); told != bad {
			t.Errorf("%s: %v", text, err)
		}
	}
}
