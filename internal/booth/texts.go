package booth

import (
	"encoding/json"
	"slices"
	"strings"
)

// textNames returns the names that the page's script has numbers for, in their order.
// Some are of a text, and some are what the names of several begin with.
func textNames() []string {
	return strings.Split(strings.TrimSuffix(asset("dist/texts.txt"), "\n"), "\n")
}

// numbered returns texts, a JSON object by name, as the script looks them up: a list by
// number, from 1 on, of texts and of objects. An object holds by the rest of its name
// each text whose name begins so, or the number that this text has itself; under the
// empty rest it holds the text of the name that all begin with. A script puts one word
// behind a beginning, and perhaps a form for a number: texts that are further below,
// and below a longer beginning, stand with that one only.
func numbered(texts []byte, names []string) []byte {
	var all map[string]string
	if err := json.Unmarshal(texts, &all); err != nil {
		panic(err) // it was written by this program
	}
	list := []any{0}
	for _, name := range names {
		group := make(map[string]any)
		for key, text := range all {
			if key == name {
				group[""] = text
			}
			rest, below := strings.CutPrefix(key, name+".")
			if !below || strings.Contains(rest, ".") && slices.ContainsFunc(names, func(longer string) bool {
				return len(longer) > len(name) && (key == longer || strings.HasPrefix(key, longer+"."))
			}) {
				continue
			}
			if at := slices.Index(names, key); at >= 0 {
				group[rest] = at + 1
			} else {
				group[rest] = text
			}
		}
		text, whole := group[""]
		if whole && len(group) == 1 {
			list = append(list, text)
		} else {
			list = append(list, group)
		}
	}
	b, err := json.Marshal(list) // sorted by key, with <, > and & escaped
	if err != nil {
		panic(err) // texts can be written
	}
	return b
}
