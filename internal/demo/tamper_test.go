package demo

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"strikevote/internal/audit"
)

// TestTamper changes the record of a real election in 1,000 ways, one at a
// time, and demands that the auditor finds every one and names it.
func TestTamper(t *testing.T) {
	t.Parallel()
	_, dir := run(t, Options{Members: 60, Turnout: 0.5, Seed: 3})
	record := readRecord(t, dir)
	names := slices.Sorted(maps.Keys(record))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		changed, what := tamper(record, names, random, i)
		report, err := audit.Verify(context.Background(), changed, audit.Options{Workers: 2})
		if err != nil {
			// Only an unreadable manifest may keep a record from being checked.
			if what.name != "manifest" {
				t.Errorf("%s: could not be checked: %v", what, err)
			}
			continue
		}
		if report.Verified {
			t.Errorf("%s: not found", what)
			continue
		}
		if !slices.ContainsFunc(report.Checks, func(c audit.Check) bool { return !c.OK && c.Name != "" && c.Detail != "" }) {
			t.Errorf("%s: no rule is named", what)
		}
	}
}

func readRecord(t *testing.T, dir string) fstest.MapFS {
	t.Helper()
	record := make(fstest.MapFS)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		record[filepath.ToSlash(name)] = &fstest.MapFile{Data: body}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// A change is what was done to a record.
type change struct{ what, name string }

func (c change) String() string { return fmt.Sprintf("%s: %s", c.name, c.what) }

// tamper returns a copy of the record with one change: mostly one bit of one
// byte anywhere, else a file deleted, added, exchanged with another, cut or
// lengthened.
func tamper(record fstest.MapFS, names []string, random *rand.Rand, i int) (fstest.MapFS, change) {
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
