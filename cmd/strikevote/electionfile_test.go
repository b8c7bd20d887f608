package main

import (
	"encoding/json"
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

// TestElectionFields: what is wrong is named as the file names it.
func TestElectionFields(t *testing.T) {
	t.Parallel()
	var file map[string]any
	if err := decodeNotes(sample, &file); err != nil {
		t.Fatal(err)
	}
	set := func(part, field string, value any) { file[part].(map[string]any)[field] = value }
	set("tellers", "needed", 9)
	set("witnesses", "needed", 9)
	set("schedule", "grace_minutes", 0)
	set("schedule", "zone", "UTC")
	set("committee", "passkey_domain", "\n")
	file["smallest_count"] = 1
	keys := file["committee"].(map[string]any)["members"].([]any)
	for i, m := range keys {
		m.(map[string]any)["keys"] = []string{strings.Repeat("0", 63) + string(rune('1'+i))}
	}
	b, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = parseElectionFile(b, election.Origins{}, false)
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, want := range []string{"witnesses.needed: ", "tellers.needed: ", "schedule.grace_minutes: ", "committee.passkey_domain: ", "smallest_count: "} {
		if !strings.Contains(err.Error(), "\n"+want) && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("it does not say %q:\n%v", want, err)
		}
	}
	for _, not := range []string{"threshold", "k_min", "rp_id"} {
		if strings.Contains(err.Error(), not) {
			t.Errorf("it says %q:\n%v", not, err)
		}
	}
}
