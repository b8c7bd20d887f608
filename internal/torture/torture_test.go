package torture_test

import (
	"path/filepath"
	"testing"

	"strikevote/internal/demo"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/voter"
)

// TestStand votes, kills each kind of part once, and finishes.
func TestStand(t *testing.T) {
	t.Parallel()
	s := newStand(t, demo.Options{Members: 30})
	letters, err := demo.ReadLetters(s.p.Mail)
	if err != nil {
		t.Fatal(err)
	}
	vote := func(link string) {
		t.Helper()
		v, err := voter.Open(t.Context(), newClient(), link, voter.NoMemory{})
		if err != nil {
			t.Fatal(err, s.log.tail())
		}
		if _, err := v.Status(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		if err := v.Seal(ballot.Choices{1}, ""); err != nil {
			t.Fatal(err)
		}
		if err := v.Finish(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	vote(letters[0].Link)
	s.killService(boxService)
	s.startService(boxService)
	vote(letters[1].Link)
	s.killCluster(boxCluster)
	s.killService(boxService)
	s.startCluster(boxCluster)
	s.startService(boxService)
	vote(letters[2].Link)
	r := s.finish(filepath.Join(t.TempDir(), "record"))
	if r.Ballots != 3 {
		t.Errorf("%d", r.Ballots)
	}
}
