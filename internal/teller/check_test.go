package teller_test

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"strikevote/internal/audit/audittest"
	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// TestCheck lets a teller look whether the sealed election names its key, and
// shows it elections that do not.
func TestCheck(t *testing.T) {
	t.Parallel()
	e := past(t)
	files := e.Publish(t)
	s := serve(t, e, files)
	tt, path := s.keyOf(t, e, 2)
	before := read(t, path)
	sealed, err := tt.Check(t.Context(), &e.MID)
	if err != nil || sealed.MID != e.MID {
		t.Fatalf("got %v, %v", sealed, err)
	}
	if string(read(t, path)) != string(before) {
		t.Error("looking changed the key file")
	}

	// The same election, sealed after a second ceremony with other tellers.
	other := audittest.New(t, audittest.Options{Stage: layout.Locked, Ballots: 4})
	stranger, _ := s.keyOf(t, other, 2)
	without := maps.Clone(files)
	delete(without, layout.FirstCheckpoint(layout.Ledger))
	later := maps.Clone(files)
	later[layout.FirstCheckpoint(layout.Ledger)] = files[layout.Checkpoint(layout.Ledger)]
	broken := maps.Clone(files)
	broken[layout.Manifest] = &fstest.MapFile{Data: []byte("{}")}
	for _, c := range []struct {
		name, want string
		files      audittest.Files
		mid        *suite.MID
	}{
		{"another mid than expected", "another election than the one you mean", files, &suite.MID{1}},
		{"no manifest", "fetching the manifest", audittest.Files{}, nil},
		{"no manifest at all", "reading the manifest", broken, nil},
		{"not witnessed", "witnesses' signatures", without, nil},
		{"witnessed later", "another election than this one", later, nil},
	} {
		s.show(c.files)
		if _, err := tt.Check(t.Context(), c.mid); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	s.show(files)
	if _, err := stranger.Check(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "another key in this teller's place") && !strings.Contains(err.Error(), "another election") {
		t.Errorf("a key of another ceremony: got %v", err)
	}
	s.state = func(st *ceremony.State) { st.Record = "" }
	if _, err := tt.Check(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "not sealed yet") {
		t.Errorf("before sealing: got %v", err)
	}
}
