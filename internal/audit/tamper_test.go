package audit_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/record/layout"
)

// small is an election whose record is verified quickly.
var small = audittest.Options{Ballots: 8, Single: true}

// tampered verifies a record after a change and returns what was found wrong,
// which must be something.
func tampered(t *testing.T, files audittest.Files, what string) string {
	t.Helper()
	r, err := audit.Verify(t.Context(), files, audit.Options{Workers: 1})
	if err != nil {
		return err.Error()
	}
	if r.Verified {
		t.Errorf("%s: the record holds", what)
	}
	if r.Outcome != "" && !r.Verified || len(r.Sets) > 0 && !r.Verified {
		t.Errorf("%s: a record that does not hold has a result", what)
	}
	return faults(r)
}

// with returns the record with one file changed; nil removes it.
func with(files audittest.Files, path string, content []byte) audittest.Files {
	changed := maps.Clone(files)
	delete(changed, path)
	if content != nil {
		changed[path] = &fstest.MapFile{Data: content}
	}
	return changed
}

func paths(files audittest.Files) []string { return slices.Sorted(maps.Keys(files)) }

// positions are all of a short file, and some of a long one: its ends, and
// enough between them to meet every field.
func positions(n int) []int {
	const all, step = 40, 12
	var list []int
	for i := range n {
		if n <= all || i < 2 || i >= n-2 || i%(n/step) == 0 {
			list = append(list, i)
		}
	}
	return list
}

// TestFlip changes bits in every file: none is there that does not count.
func TestFlip(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, small)
	for _, path := range paths(files) {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			content := files[path].Data
			for n, i := range positions(len(content)) {
				bad := bytes.Clone(content)
				bad[i] ^= 1 << (n % 8)
				judge(t, n, with(files, path, bad), path, fmt.Sprintf("byte %d of %d changed", i, len(content)))
			}
			judge(t, 1, with(files, path, append(bytes.Clone(content), 0)), path, "a byte added")
			judge(t, 1, with(files, path, append(bytes.Clone(content), '\n')), path, "a line end added")
			judge(t, 1, with(files, path, content[:len(content)-1]), path, "a byte cut off")
			judge(t, 1, with(files, path, []byte{}), path, "emptied")
		})
	}
}

// TestRemove takes every file away: the report names it.
func TestRemove(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, small)
	for _, path := range paths(files) {
		if strings.HasPrefix(path, "statements/teller-") {
			continue // demanded of nobody
		}
		found := tampered(t, with(files, path, nil), path+" removed")
		own, _, _ := strings.Cut(found, "files: ")                                  // the check that reads it, not the list
		if named := strings.TrimRight(path, "123"); !strings.Contains(own, named) { // shares/ of any two will do
			t.Errorf("%s removed: it is not named in\n%s", path, found)
		}
	}
}

// TestAdd puts files into the record that do not belong there.
func TestAdd(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, small)
	for path, from := range map[string]string{
		"readme":                        "manifest",
		"Manifest":                      "manifest",
		"acts/0006":                     "acts/0005",
		"acts/1":                        "acts/0001",
		"drill/4":                       "drill/1",
		"roll/00004":                    "roll/00001",
		"shares/2":                      "shares/1",
		"shares/4":                      "shares/1",
		"statements/teller-3":           "statements/teller-1",
		"ballots/tile/entries/000":      "ballots/checkpoint",
		"ballots/tile/0/000.p/3":        "ballots/checkpoint",
		"ledger/tile/1/000.p/1":         "ledger/tile/0/000.p/22",
		"ceremony/bundle/of/secrets":    "ceremony/fresh",
		"ballots/checkpoint-2":          "ballots/checkpoint-1",
		"ledger/checkpoint.bak":         "ledger/checkpoint",
		"tile/entries/000":              "ledger/checkpoint",
		"certificate.pdf":               "certificate",
		"\x1b[2Jcertified by everybody": "certificate",
	} {
		source := files[from]
		if source == nil {
			t.Fatalf("there is no %s", from)
		}
		found := tampered(t, with(files, path, source.Data), path+" added")
		if layout.Late(path) == layout.Locked && !strings.Contains(found, "files: ") {
			t.Errorf("%q added: found was\n%s", path, found)
		}
		if strings.ContainsRune(found, '\x1b') {
			t.Errorf("%q added: the report repeats a control character", path)
		}
	}
}

// TestExchange puts into the place of every file those that are most like it,
// and one that is not.
func TestExchange(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, small)
	for _, path := range paths(files) {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			dir, _, _ := strings.Cut(path, "/")
			for _, other := range paths(files) {
				if like := strings.HasPrefix(other, dir) || other == "ballots/"+strings.TrimPrefix(path, "ledger/"); other != path && (like || other == "ledger/checkpoint") {
					judge(t, 1, with(files, path, files[other].Data), path, "holding "+other)
				}
			}
		})
	}
}

// TestOtherElection puts every file of another record, made by the same people,
// in the place of this record's.
func TestOtherElection(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, small)
	_, others := audittest.Record(t, small)
	for path, other := range others {
		if !bytes.Equal(other.Data, files[path].Data) {
			judge(t, 1, with(files, path, other.Data), path, "of another election")
		}
	}
}

// TestManyTiles changes a log that has full tiles and a second level.
func TestManyTiles(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, audittest.Options{Ballots: 300, Single: true, Stage: layout.Locked})
	for _, path := range paths(files) {
		if !strings.HasPrefix(path, "ballots/") {
			continue
		}
		content := files[path].Data
		for _, i := range []int{1, len(content) / 2} {
			bad := bytes.Clone(content)
			bad[i] ^= 4
			found := tampered(t, with(files, path, bad), fmt.Sprintf("%s, byte %d changed", path, i))
			if !strings.Contains(found, path) {
				t.Errorf("%s changed: it is not named in\n%s", path, found)
			}
		}
		if found := tampered(t, with(files, path, nil), path+" removed"); !strings.Contains(found, path) {
			t.Errorf("%s removed: it is not named in\n%s", path, found)
		}
	}
}
