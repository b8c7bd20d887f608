package main

import (
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
)

// TestSampleLanguages: the sample lists the languages that a file takes.
func TestSampleLanguages(t *testing.T) {
	t.Parallel()
	notes := strings.Join(strings.Fields(strings.ReplaceAll(string(sample), "//", "")), " ")
	if want := "some of " + languageList() + "."; !strings.Contains(notes, want) {
		t.Errorf("the sample does not say %q", want)
	}
}

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
