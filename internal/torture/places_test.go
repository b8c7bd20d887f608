package torture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A place is where something could have been written to: how to read all of it, what
// must not be in it, and how to write something into it.
type place struct {
	name  string
	kinds []kind
	read  func(each func(where string, content []byte))
	plant func(text []byte)
}

// places lists everything that is left of a run.
func (w *watched) places(t *testing.T) []place {
	t.Helper()
	all, atBox, nowhere := []kind{ofRoll, ofVoter, ofBallot}, []kind{ofRoll, ofVoter}, []kind{ofVoter, ofBallot}
	folder := func(name string, kinds []kind, dir string, leave ...string) place {
		return place{name, kinds, func(each func(string, []byte)) {
			files(t, dir, func(path string, _ fs.FileInfo, content []byte) {
				if !slices.ContainsFunc(leave, func(l string) bool { return strings.HasPrefix(path, l+"/") }) {
					each(path, content)
				}
			})
		}, func(text []byte) {
			if err := os.WriteFile(filepath.Join(dir, "planted"), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}}
	}
	data := func(name string) string { return filepath.Join(w.p.Data, "postgres", name) }
	var scraped []byte
	for line := range w.metrics {
		scraped = append(scraped, line...)
	}
	list := []place{
		{"what services and databases logged", all, func(each func(string, []byte)) { each("log", []byte(w.log.text()+w.before.text())) },
			func(text []byte) { _, _ = w.log.Write(text) }},
		{"metrics", all, func(each func(string, []byte)) { each("metrics", scraped) }, func(text []byte) { scraped = append(scraped, text...) }},
		w.dumps("dump of the registrar's cluster without the roll", registrarCluster, all),
		w.dumps("dump of the box's cluster", boxCluster, atBox),
		folder("the registrar's data directory", nowhere, data(registrarCluster)),
		folder("the box's data directory", atBox, data(boxCluster)),
		folder("data folder without databases and mails", all, w.p.Data, filepath.Join(w.p.Data, "postgres"), w.p.Mail),
		folder("the folder for temporary files", all, w.tmp),
		folder("the record", atBox, w.record),
	}
	return list
}

// dumps reads all databases of a cluster as text. The roll is where it has to be.
func (w *watched) dumps(name, cluster string, kinds []kind) place {
	c := w.clusters[cluster]
	return place{name, kinds, func(each func(string, []byte)) {
		conn := open(w.t, c, "postgres")
		defer conn.Close(context.Background())
		for _, database := range texts(w.t, conn, `SELECT datname FROM pg_database WHERE datallowconn AND datname <> 'template1'`) {
			text := dump(w.t, c, database)
			if before, rest, ok := bytes.Cut(text, []byte("COPY registrar.member ")); ok {
				_, after, _ := bytes.Cut(rest, []byte("\n\\.\n"))
				text = slices.Concat(before, after)
			}
			each("database "+database, text)
		}
	}, func(text []byte) {
		conn := open(w.t, c, "postgres")
		defer conn.Close(context.Background())
		for _, sql := range []string{`CREATE TABLE public.planted (content bytea)`, `INSERT INTO public.planted SELECT $1`, `CHECKPOINT`} {
			var args []any
			if strings.Contains(sql, "$1") {
				args = append(args, text)
			}
			if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
				w.t.Fatal(err)
			}
		}
	}}
}

// search looks for marks in all places, then plants some in each and looks again. It
// returns where it looked, and how many were planted.
func (w *watched) search(t *testing.T) (where string, planted int) {
	t.Helper()
	w.known(t)
	var names []string
	for _, p := range w.places(t) {
		hits, size := 0, 0
		look := func(where string, content []byte) {
			size += len(content)
			for _, said := range w.marks.find(content, p.kinds...) {
				if hits++; hits <= 5 {
					t.Errorf("%s, %s: %s", p.name, filepath.Base(where), said)
				}
			}
		}
		p.read(look)
		if hits > 5 {
			t.Errorf("%s: %d marks in all", p.name, hits)
		}
		names = append(names, fmt.Sprintf("%s (%d kB)", p.name, size>>10))
	}
	for _, p := range w.places(t) {
		planted += w.plant(t, p)
	}
	return strings.Join(names, ", "), planted
}

// known finds every mark where it has to be: the roll in the registrar's database,
// links and addresses in the mails. So it is the right marks that are looked for.
func (w *watched) known(t *testing.T) {
	t.Helper()
	rolls, links := w.marks.seen(dump(t, w.clusters[registrarCluster], w.database(registrarCluster))), make(map[int]bool)
	files(t, w.p.Mail, func(_ string, _ fs.FileInfo, content []byte) {
		for name := range w.marks.seen(bytes.ReplaceAll(content, []byte("=\r\n"), nil)) {
			links[name] = true
		}
	})
	for name, says := range w.marks.says {
		switch {
		case w.marks.kind[name] == ofRoll && !rolls[name]:
			t.Fatalf("%s is not on the roll", says)
		case (says == "a link" || says == "an address") && !links[name]:
			t.Fatalf("%s is in no mail", says)
		}
	}
}

// plant writes a mark of each kind into a place, in every form, and demands that the
// search finds each.
func (w *watched) plant(t *testing.T, p place) (planted int) {
	t.Helper()
	var text []byte
	marks := w.marks.some(p.kinds)
	for _, name := range marks {
		for _, f := range w.marks.form[name] {
			text = append(append(text, f...), '\n')
		}
		planted += len(w.marks.form[name])
	}
	p.plant(text)
	for _, k := range p.kinds {
		found := 0
		p.read(func(_ string, content []byte) { found += len(w.marks.find(content, k)) })
		// A dump shows the bytes of what was planted in hexadecimal: all forms but one
		// are then another.
		name, want := marks[slices.Index(p.kinds, k)], 1
		if !strings.HasPrefix(p.name, "dump") {
			want = len(w.marks.form[name])
		}
		if found < want {
			t.Errorf("%s: of %s in %d forms %d were found: the search is blind", p.name, w.marks.says[name], want, found)
		}
	}
	return planted
}

// creations hears of every file that is made in a folder, also of one that is removed
// at once.
type creations struct {
	fd  int
	dir string
}

func newCreations(t *testing.T, dir string) *creations {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if _, err := syscall.InotifyAddWatch(fd, dir, syscall.IN_CREATE|syscall.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	return &creations{fd, dir}
}

// created returns the names. The control makes a file and demands to hear of it.
func (c *creations) created(t *testing.T) (names []string) {
	t.Helper()
	const own = "control"
	path := filepath.Join(c.dir, own)
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := syscall.Read(c.fd, buf)
		if n <= 0 || err != nil {
			break
		}
		for b := buf[:n]; len(b) >= syscall.SizeofInotifyEvent; {
			size := int(b[12]) | int(b[13])<<8
			names = append(names, string(bytes.TrimRight(b[syscall.SizeofInotifyEvent:syscall.SizeofInotifyEvent+size], "\x00")))
			b = b[syscall.SizeofInotifyEvent+size:]
		}
	}
	i := slices.Index(names, own)
	if i < 0 {
		t.Fatal("no file that is made is heard of")
	}
	return slices.Delete(names, i, i+1)
}
