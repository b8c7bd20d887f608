package audit_test

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/fstest"

	"strikevote/internal/audit/audittest"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// TestThousandTries changes the committed record in 1,000 ways, one at a time,
// and demands that the auditor finds every one and names it.
func TestThousandTries(t *testing.T) {
	t.Parallel()
	record := committed(t)
	names := slices.Sorted(maps.Keys(record))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		changed, what := tamperOnce(record, names, random, i)
		judge(t, i, changed, what.name, what.what)
	}
}

// committed reads the committed record into memory.
func committed(t *testing.T) audittest.Files {
	t.Helper()
	fsys, closer, err := record.Open(t.Context(), exampleRecord)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	files := make(audittest.Files)
	err = fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(fsys, path)
		files[path] = &fstest.MapFile{Data: body}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A change is what was done to a record.
type change struct{ what, name string }

// tamperOnce returns a copy of the record with one change: mostly one bit of one
// byte anywhere, else a file deleted, added, exchanged with another, cut or
// lengthened.
func tamperOnce(record fstest.MapFS, names []string, random *rand.Rand, i int) (fstest.MapFS, change) {
	changed := maps.Clone(record)
	name := names[random.IntN(len(names))]
	body := slices.Clone(record[name].Data)
	put := func(b []byte) { changed[name] = &fstest.MapFile{Data: b} }
	switch i % 10 {
	case 0:
		delete(changed, name)
		return changed, change{"deleted", name}
	case 1:
		extra := name + "-more"
		changed[extra] = &fstest.MapFile{Data: body}
		return changed, change{"added", extra}
	case 2:
		other := names[random.IntN(len(names))]
		for slices.Equal(record[other].Data, body) {
			other = names[random.IntN(len(names))]
		}
		changed[name], changed[other] = record[other], record[name]
		if other == layout.Manifest {
			name, other = other, name
		}
		return changed, change{"exchanged with " + other, name}
	case 3:
		put(body[:random.IntN(len(body))])
		return changed, change{"cut", name}
	case 4:
		put(append(body, byte(random.IntN(256))))
		return changed, change{"lengthened", name}
	}
	at, bit := random.IntN(len(body)), random.IntN(8)
	body[at] ^= 1 << bit
	put(body)
	return changed, change{fmt.Sprintf("bit %d of byte %d flipped", bit, at), name}
}
