package torture_test

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// needles are byte strings to be looked for in everything that was left behind, all
// of them at once: what is searched is large, and there are many.
type needles struct {
	filter [1 << 16]uint64     // one bit for each hash of a beginning
	from   map[uint64][]needle // by the first eight bytes
}

type needle struct {
	text string
	name int // of whoever looks; two needles may have one
}

const beginning = 8

func newNeedles() *needles { return &needles{from: make(map[uint64][]needle)} }

func slot(x uint64) (word, bit uint64) {
	h := x * 0x9e3779b97f4a7c15 >> 42
	return h >> 6, h & 63
}

// add looks for text too. A shorter one than eight bytes is found everywhere.
func (n *needles) add(name int, text []byte) {
	if len(text) < beginning {
		panic("a needle is too short")
	}
	x := binary.LittleEndian.Uint64(text)
	word, bit := slot(x)
	n.filter[word] |= 1 << bit
	n.from[x] = append(n.from[x], needle{string(text), name})
}

// find yields where needles are, in order of place.
func (n *needles) find(hay []byte, yield func(at, name int)) {
	for at := 0; at+beginning <= len(hay); at++ {
		x := binary.LittleEndian.Uint64(hay[at:])
		word, bit := slot(x)
		if n.filter[word]>>bit&1 == 0 {
			continue
		}
		for _, one := range n.from[x] {
			if len(hay)-at >= len(one.text) && string(hay[at:at+len(one.text)]) == one.text {
				yield(at, one.name)
			}
		}
	}
}

// files reads every file below a folder, in order of name, symbolic links left out.
// A file that goes away meanwhile is none.
func files(t testing.TB, dir string, each func(path string, info fs.FileInfo, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return ignoreGone(err)
		}
		each(path, info, b)
		return nil
	})
	if err != nil {
		t.Fatal(fmt.Errorf("reading what is left in %s: %w", dir, err))
	}
}

func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
