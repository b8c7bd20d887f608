package deployment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"strikevote/internal/platform/postgres"
)

// look looks for downtime at a moment, whenever the last look was. The caller
// holds looks, so that no other look comes between.
func (w *world) look(t *testing.T, e *running, ahead int64) error {
	t.Helper()
	w.ahead.Store(ahead)
	e.watch.next = time.Time{}
	return w.d.lookForDowntime(t.Context(), e)
}

// outages returns what is recorded, rounded to 10 seconds, and what it proposes.
func (w *world) outages(t *testing.T) (list []string, newClose int64, ok bool) {
	t.Helper()
	newClose, outages, ok, err := w.d.Extension(t.Context(), w.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outages {
		list = append(list, fmt.Sprintf("%s for %d s", o.Part, (o.To-o.From+5)/10*10))
	}
	return list, newClose, ok
}

// early is how long before the opening the service is down, and so what is
// recorded of it; what was before the opening proposes nothing.
const early = "registrar for 600 s"

// testDowntimeEarly has the service stop before the opening, and come back after
// it, and only then.
func testDowntimeEarly(t *testing.T, w *world) {
	e := w.d.running(w.id)
	e.looks.Lock()
	defer e.looks.Unlock()
	if err := os.Remove(w.d.beatPath(w.id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ahead int64
		want  []string
	}{{-900, nil}, {-600, nil}, {0, []string{early}}} {
		if err := w.look(t, e, tt.ahead); err != nil {
			t.Fatal(err)
		}
		if got, _, ok := w.outages(t); !slices.Equal(got, tt.want) || ok {
			t.Errorf("at %d: recorded are %q, want %q; it proposes something: %t", tt.ahead, got, tt.want, ok)
		}
	}
}

// testDowntime lets parts and the whole of the service be down, for a short and
// for a long time, and finds each recorded; the rule then proposes a later close.
func testDowntime(t *testing.T, w *world) {
	e := w.d.running(w.id)
	// The test took its time before this. Its own looks are the only ones.
	e.looks.Lock()
	if err := os.Remove(w.d.beatPath(w.id)); err != nil {
		t.Fatal(err)
	}
	const nowhere = "http://127.0.0.1:1"
	recorded := []string{early}
	if err := w.look(t, e, 70); err != nil {
		t.Fatal(err)
	}
	at := int64(80)
	for _, tt := range []struct {
		until int64
		box   string // where it is looked for, up to then
		more  string // what the last of these looks records
	}{
		{100, "", ""}, // a look that is late is no downtime
		{180, nowhere, ""},
		{200, "", "box for 80 s"},
		{220, nowhere, ""}, {240, "", ""}, // too short
		{560, nowhere, "box for 300 s"}, // it goes on
		{580, "", "box for 20 s"},       // the end of it
		{600, "", ""},
	} {
		w.d.c.Upstream.Box = tt.box
		for at = min(at+20, tt.until); ; at = min(at+20, tt.until) {
			if err := w.look(t, e, at); err != nil {
				t.Fatal(err)
			}
			if at == tt.until && tt.more != "" {
				recorded = append(recorded, tt.more)
			}
			if got, _, ok := w.outages(t); !slices.Equal(got, recorded) || ok {
				t.Fatalf("at %d: recorded are %q, want %q; it proposes something: %t", at, got, recorded, ok)
			}
			if at == tt.until {
				break
			}
		}
	}
	e.looks.Unlock()
	testDowntimeUnrecorded(t, w, recorded)
}

// testDowntimeUnrecorded takes away the box's database, then the whole service,
// and each time what takes the notes: they are made once it is back.
func testDowntimeUnrecorded(t *testing.T, w *world, before []string) {
	alter := func(sql string) {
		t.Helper()
		admin, err := postgres.Connect(t.Context(), w.c.Registrar.URL(committeeDatabase, "sv_admin"))
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close(t.Context())
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	// unrecorded looks once while nothing can be recorded, and then again.
	unrecorded := func(e *running, ahead int64, want ...string) (newClose int64, ok bool) {
		t.Helper()
		e.looks.Lock()
		defer e.looks.Unlock()
		if err := w.look(t, e, ahead); err == nil {
			t.Errorf("at %d: it is not said that nothing is recorded", ahead)
		}
		alter(`ALTER TABLE committee.kept RENAME TO outage`)
		if err := w.look(t, e, ahead+10); err != nil {
			t.Fatal(err)
		}
		got, newClose, ok := w.outages(t)
		if !slices.Equal(got, want) {
			t.Errorf("at %d: recorded are %q, want %q", ahead, got, want)
		}
		return newClose, ok
	}
	const away = `ALTER TABLE committee.outage RENAME TO kept`
	e := w.d.running(w.id)
	e.looks.Lock()
	e.boxPool.Close() // the box answers still, and cannot take a ballot
	for at := int64(620); at < 920; at += 20 {
		if err := w.look(t, e, at); err != nil {
			t.Fatal(err)
		}
	}
	e.looks.Unlock()
	alter(away)
	before = append(before, "box for 310 s")
	unrecorded(e, 920, before...)
	w.shut(t)
	alter(away)
	w.ahead.Store(1630)
	w.open(t)
	e = w.d.running(w.id)
	newClose, ok := unrecorded(e, 1630, append(before, "registrar for 710 s")...)
	if want := e.manifest.Schedule.Close + 1800; !ok || newClose != want {
		t.Errorf("proposed is %d, %v; want %d", newClose, ok, want)
	}
}
