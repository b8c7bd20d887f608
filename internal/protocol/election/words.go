package election

import (
	_ "embed"
	"strings"

	"strikevote/internal/protocol/suite"
)

//go:embed words.txt
var wordsFile string

var words = strings.Fields(wordsFile)

// bitsPerWord fits the 2,048 words of the list.
const bitsPerWord = 11

// SixWords returns six words for the first 66 bits of a mid, which people
// compare with their mail or a notice board. Whoever wants another manifest
// with the same words must try about 2^66 of them.
func SixWords(mid suite.MID) string {
	six := make([]string, 6)
	for i := range six {
		index := 0
		for b := i * bitsPerWord; b < (i+1)*bitsPerWord; b++ {
			index = index<<1 | int(mid[b/8]>>(7-b%8)&1)
		}
		six[i] = words[index]
	}
	return strings.Join(six, " ")
}

// WordList returns the list of which [SixWords] are, one a line, for clients in
// other languages.
func WordList() []byte { return []byte(wordsFile) }
