package booth

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"strikevote/internal/language"
)

// TestTexts looks every text up by number, as the script does: by the longest of the
// names that it begins with, and by each that only a word is put behind. A number
// that led elsewhere would show a member another sentence than was meant.
func TestTexts(t *testing.T) {
	t.Parallel()
	names := textNames()
	used := make(map[string]bool)
	for _, tag := range language.Tags() {
		var all map[string]string
		if err := json.Unmarshal(language.Of(tag.Code).JSON(parts...), &all); err != nil {
			t.Fatal(err)
		}
		var list []any
		if err := json.Unmarshal(whole().words[tag.Code].Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		for key, text := range all {
			longest := -1
			for i, name := range names {
				rest, below := strings.CutPrefix(key, name+".")
				if key != name && !below {
					continue
				}
				used[name] = true
				if longest < 0 || len(name) > len(names[longest]) {
					longest = i
				}
				if key != name && strings.Contains(rest, ".") {
					continue
				}
				if got := find(list, strconv.Itoa(i+1)+key[len(name):]); got != text {
					t.Errorf("%s: %s of %s is %q, want %q", tag.Code, key, name, got, text)
				}
			}
			if longest >= 0 {
				if got := find(list, strconv.Itoa(longest+1)+key[len(names[longest]):]); got != text {
					t.Errorf("%s: %s is %q, want %q", tag.Code, key, got, text)
				}
			}
		}
	}
	for _, name := range names {
		if !used[name] {
			t.Errorf("the script shows %s, which no text begins with", name)
		}
	}
	if len(names) < 100 || slices.Contains(names, "") {
		t.Errorf("%d names", len(names))
	}
}

// find is the one of words.js.
func find(list []any, key string) string {
	first, rest, _ := strings.Cut(key, ".")
	n, _ := strconv.Atoi(first)
	switch found := list[n].(type) {
	case string:
		if rest == "" {
			return found
		}
	case map[string]any:
		switch text := found[rest].(type) {
		case string:
			return text
		case float64:
			return find(list, strconv.Itoa(int(text)))
		}
	}
	return ""
}
