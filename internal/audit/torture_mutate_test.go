package audit_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
	"strikevote/internal/torture"
)

// TestTortureMutations changes a record at random in every way that needs no key,
// one change at a time: bits, bytes, parts of files, lines, files, folders, entries
// of the logs with their hashes made anew and without, and all of these moved from
// the record of another election by the same people. The long form has a record of
// 1,000 ballots. The control is an auditor who leaves out all checks but that of
// the files' names: it misses changes of every kind but one.
func TestTortureMutations(t *testing.T) {
	inTurn(t)
	// With one teller, a record without its statement is whole too.
	o := torture.Pick(audittest.Options{Ballots: 98, Single: true}, audittest.Options{Ballots: 998})
	_, files := audittest.Record(t, o)
	_, others := audittest.Record(t, o)
	m := &mutator{files: files, others: others, names: paths(files)}
	begun := time.Now()
	var done, noticed atomic.Int64
	spread(torture.Rounds(400, 10_000, 0.1), func(i int) {
		changed, name, what := m.mutate(i)
		done.Add(1)
		if judge(t, i, changed, name, what) {
			noticed.Add(1)
		}
	})
	took := time.Since(begun)
	tries, missed := m.naive(t)
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("random changes of %d kinds to a record of %d ballots", len(mutations), o.Ballots+3),
		Target:   "every change is found, and a rule named",
		Measured: fmt.Sprintf("%d changes, %d found; %s", done.Load(), noticed.Load(), pace(took, done.Load())),
		Control:  fmt.Sprintf("an auditor who looks at the names of the files alone misses one of %d kinds, of %d changes tried", missed, tries),
	})
}

// naive shows changes of every kind to an auditor who looks at the names of the
// files alone, until it misses one: it does, but for files taken out.
func (m *mutator) naive(t *testing.T) (tries, missed int) {
	for kind := range mutations {
		const enough = 50
		found := true
		for i := 0; i < enough && found && mutations[kind].kind != takenOut; i++ {
			changed, _, _ := m.mutate(kind + i*len(mutations))
			checks, err := audit.VerifySparing(t.Context(), changed, audit.Options{Workers: 1}, func(check, reason string) bool {
				return check != "files" || unchecked(reason)
			})
			tries++
			found = err != nil || faults(&audit.Report{Checks: checks}) != ""
		}
		switch {
		case !found:
			missed++
		case mutations[kind].kind != takenOut:
			t.Errorf("an auditor who looks at names alone misses no change of the kind %q", mutations[kind].kind)
		}
	}
	return tries, missed
}

// A mutator changes a record. It is safe for concurrent use.
type mutator struct {
	files  audittest.Files
	others audittest.Files // of another election
	names  []string
}

// mutate returns the changed record with this number, the file that was changed,
// and how.
func (m *mutator) mutate(i int) (files audittest.Files, name, how string) {
	random := rand.New(rand.NewPCG(9, uint64(i)))
	one := &mutations[i%len(mutations)]
	for {
		changed, name, what := one.do(m, random)
		if !same(changed, m.files) {
			return changed, name, one.kind + ": " + what
		}
	}
}

func same(a, b audittest.Files) bool {
	return maps.EqualFunc(a, b, func(x, y *fstest.MapFile) bool { return bytes.Equal(x.Data, y.Data) })
}

// name picks a file: large ones more often, but small ones too.
func (m *mutator) name(random *rand.Rand) string {
	if random.IntN(2) == 0 {
		return m.names[random.IntN(len(m.names))]
	}
	total := 0
	for _, name := range m.names {
		total += len(m.files[name].Data)
	}
	at := random.IntN(total)
	for _, name := range m.names {
		if at -= len(m.files[name].Data); at < 0 {
			return name
		}
	}
	return m.names[0]
}

// A mutation changes a record in one way. It may happen to change nothing.
type mutation struct {
	kind string
	do   func(m *mutator, random *rand.Rand) (changed audittest.Files, name, what string)
}

// inFile is a mutation of the bytes of one file.
func inFile(kind string, edit func(random *rand.Rand, b []byte) []byte) mutation {
	return mutation{kind, func(m *mutator, random *rand.Rand) (audittest.Files, string, string) {
		name := m.name(random)
		b := edit(random, slices.Clone(m.files[name].Data))
		if b == nil {
			b = []byte{} // an empty file, not a missing one
		}
		return with(m.files, name, b), name, fmt.Sprintf("%d bytes of %d", len(b), len(m.files[name].Data))
	}}
}

// part is a piece of n bytes.
func part(random *rand.Rand, n int) (from, to int) {
	from = random.IntN(n)
	return from, from + 1 + random.IntN(min(n-from, 100))
}

// takenOut is the kind that names alone show.
const takenOut = "a file taken out"

var mutations = []mutation{
	inFile("a bit flipped", func(random *rand.Rand, b []byte) []byte {
		b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		return b
	}),
	inFile("a byte set", func(random *rand.Rand, b []byte) []byte {
		b[random.IntN(len(b))] = byte(random.IntN(256))
		return b
	}),
	inFile("the end cut off", func(random *rand.Rand, b []byte) []byte { return b[:random.IntN(len(b))] }),
	inFile("bytes added at the end", func(random *rand.Rand, b []byte) []byte {
		for range 1 + random.IntN(40) {
			b = append(b, byte(random.IntN(256)))
		}
		return b
	}),
	inFile("a part twice", func(random *rand.Rand, b []byte) []byte {
		from, to := part(random, len(b))
		return slices.Insert(b, to, slices.Clone(b[from:to])...)
	}),
	inFile("a part taken out", func(random *rand.Rand, b []byte) []byte {
		from, to := part(random, len(b))
		return slices.Delete(b, from, to)
	}),
	inFile("two parts exchanged", func(random *rand.Rand, b []byte) []byte {
		from, to := part(random, len(b))
		n := to - from
		other := random.IntN(len(b) - n + 1)
		if other < to && from < other+n {
			return b
		}
		for i := range n {
			b[from+i], b[other+i] = b[other+i], b[from+i]
		}
		return b
	}),
	inFile("two lines exchanged, one twice, or one taken out", func(random *rand.Rand, b []byte) []byte {
		lines := slices.Collect(bytes.Lines(b))
		i, j := random.IntN(len(lines)), random.IntN(len(lines))
		switch random.IntN(3) {
		case 0:
			lines[i], lines[j] = lines[j], lines[i]
		case 1:
			lines = slices.Insert(lines, j, lines[i])
		case 2:
			lines = slices.Delete(lines, i, i+1)
		}
		return slices.Concat(lines...)
	}),
	{takenOut, func(m *mutator, random *rand.Rand) (audittest.Files, string, string) {
		name := m.names[random.IntN(len(m.names))]
		return with(m.files, name, nil), name, "removed"
	}},
	{"two files exchanged", func(m *mutator, random *rand.Rand) (audittest.Files, string, string) {
		one, other := m.names[random.IntN(len(m.names))], m.names[random.IntN(len(m.names))]
		if other == layout.Manifest {
			one, other = other, one
		}
		return with(with(m.files, one, m.files[other].Data), other, m.files[one].Data), one, "with " + other
	}},
	{"a file in the place of another", func(m *mutator, random *rand.Rand) (audittest.Files, string, string) {
		one, other := m.names[random.IntN(len(m.names))], m.names[random.IntN(len(m.names))]
		return with(m.files, one, m.files[other].Data), one, "holding " + other
	}},
	{"a file of the other election", func(m *mutator, random *rand.Rand) (audittest.Files, string, string) {
		name := m.names[random.IntN(len(m.names))]
		return with(m.files, name, m.others[name].Data), name, "moved"
	}},
	{"a folder of the other election", func(m *mutator, random *rand.Rand) (audittest.Files, string, string) {
		// All of one kind, and sometimes all of another with it.
		folders := []string{folder(m.names[random.IntN(len(m.names))]), folder(m.names[random.IntN(len(m.names))])}
		changed := maps.Clone(m.files)
		for _, name := range m.names {
			if slices.Contains(folders, folder(name)) {
				changed[name] = m.others[name]
			}
		}
		return changed, folders[0], strings.Join(folders, " and ")
	}},
	{"an entry moved, hashes as they were", func(m *mutator, random *rand.Rand) (audittest.Files, string, string) {
		return m.entry(random, false)
	}},
	{"an entry moved, hashes made anew", func(m *mutator, random *rand.Rand) (audittest.Files, string, string) {
		return m.entry(random, true)
	}},
}

func folder(name string) string {
	dir, _, _ := strings.Cut(name, "/")
	return dir
}

// entry takes an entry of a log out, puts it in twice, exchanges it with another,
// or puts one of the other election in its place or beside it.
func (m *mutator) entry(random *rand.Rand, anew bool) (audittest.Files, string, string) {
	log := []string{layout.Ledger, layout.Ballots}[random.IntN(2)]
	list, other := entriesOf(m.files, log), entriesOf(m.others, log)
	i, j := random.IntN(len(list)), random.IntN(len(list))
	foreign := other[random.IntN(len(other))]
	var what string
	switch random.IntN(5) {
	case 0:
		what, list = "taken out", slices.Delete(list, i, i+1)
	case 1:
		what, list = "twice", slices.Insert(list, j, list[i])
	case 2:
		what = "exchanged"
		list[i], list[j] = list[j], list[i]
	case 3:
		what = "of the other election, in its place"
		list[i] = foreign
	case 4:
		what, list = "of the other election, added", slices.Insert(list, i, foreign)
	}
	return publishEntries(m.files, log, list, anew), log, fmt.Sprintf("entry %d %s", i, what)
}

// entriesOf are the entries of a log.
func entriesOf(files audittest.Files, log string) (list [][]byte) {
	for index := int64(0); ; index++ {
		found := false
		for width := 1; width <= tlog.TileWidth && !found; width++ {
			f := files[layout.Tile(log, tlog.Tile{Level: tlog.Entries, Index: index, Width: width})]
			if f == nil {
				continue
			}
			found = true
			entries, err := tlog.DecodeBundle(f.Data, width)
			if err != nil {
				panic(err) // of an honest record
			}
			list = append(list, entries...)
		}
		if !found {
			return list
		}
	}
}

// publishEntries puts other entries into the files of a log, the tiles with them if
// the hashes are made anew. The checkpoint takes keys, and stays.
func publishEntries(files audittest.Files, log string, entries [][]byte, anew bool) audittest.Files {
	changed := maps.Clone(files)
	var tree tlog.Tree
	for _, b := range entries {
		tree.Append(tlog.LeafHash(b))
	}
	maps.DeleteFunc(changed, func(name string, _ *fstest.MapFile) bool {
		return strings.HasPrefix(name, log+"/tile/entries/") || anew && strings.HasPrefix(name, log+"/tile/")
	})
	for tile := range tlog.Tiles(tree.Size()) {
		path := layout.Tile(log, tile)
		switch {
		case tile.Level == tlog.Entries:
			from := tile.Index * tlog.TileWidth
			changed[path] = &fstest.MapFile{Data: tlog.EncodeBundle(entries[from : from+int64(tile.Width)])}
		case anew:
			b, err := tlog.ReadTile(tile, tree.Reader())
			if err != nil {
				panic(err) // of a tree that was just made
			}
			changed[path] = &fstest.MapFile{Data: b}
		}
	}
	return changed
}
