package main

import (
	"fmt"
	"regexp"
	"strconv"
)

// named finds the names of texts in what esbuild writes: a whole name, or the
// beginning of one that is put together, as in `format.month.${n}`.
var named = regexp.MustCompile("\"((?:common|booth|format)(?:\\.[a-z0-9]+)+)\"|`((?:common|booth|format)(?:\\.[a-z0-9]+)+)\\.\\$\\{")

// unnamed finds what begins like a name and is none that could be numbered.
var unnamed = regexp.MustCompile("[\"'`](?:common|booth|format)\\.")

// number puts numbers in the place of the names of texts, which would be an eighth of
// what a phone loads, in a script and once more beside every text. It returns the
// names by number, from 1 on: a 0 would count as none in a condition. The booth gives
// texts to a page under these numbers; see find in words.js.
func number(script []byte) (numbered []byte, names []string, err error) {
	numbers := make(map[string]int)
	numbered = named.ReplaceAllFunc(script, func(found []byte) []byte {
		parts := named.FindSubmatch(found)
		name := string(parts[1]) + string(parts[2])
		if numbers[name] == 0 {
			names = append(names, name)
			numbers[name] = len(names)
		}
		n := strconv.Itoa(numbers[name])
		if len(parts[1]) == 0 {
			return []byte("`" + n + ".${")
		}
		return []byte(n)
	})
	if at := unnamed.FindIndex(numbered); at != nil {
		return nil, nil, fmt.Errorf("the name of a text that is put together from its first word on: %q", numbered[at[0]:min(at[1]+20, len(numbered))])
	}
	return numbered, names, nil
}
