package registrar_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

// shownTurnout returns what everybody is shown, and the text of it.
func (w *world) shownTurnout() (t registrar.Turnout) {
	w.t.Helper()
	body, err := w.r.Turnout(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(body, &t); err != nil {
		w.t.Fatal(err)
	}
	return t
}

// use uses up members of a group, as issuing does.
func (w *world) use(g suite.GroupID, from, to uint32) {
	w.t.Helper()
	_, err := w.db.Owner.Exec(w.t.Context(), `INSERT INTO registrar.used (group_id, roll_index, kind, request_hash)
		SELECT $1::int, i, 'issue', sha256(convert_to($1::int || ' ' || i, 'UTF8')) FROM generate_series($2::int, $3::int - 1) i`, g, from, to)
	if err != nil {
		w.t.Fatal(err)
	}
}

func issues(issued, entitled uint32) registrar.Issues {
	return registrar.Issues{Issued: issued, Entitled: entitled}
}

// TestTurnout follows what everybody is shown: numbers move on the quarter hour only,
// by ten people at the least, and the last ones are exact.
func TestTurnout(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t)
	ctx := t.Context()
	// Davis has all 30 of group 1, Merced 25 of group 2, and 15 work in two small places.
	_, err := w.db.Owner.Exec(ctx, `UPDATE registrar.member SET campus = CASE WHEN group_id = 1 THEN 'Davis'
		WHEN roll_index < 25 THEN 'Merced' WHEN roll_index < 35 THEN 'Lick' ELSE '' END`)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.draft.Seal(ctx, w.manifest, w.sealing, w.minter, registrar.LedgerOf(w.log)); err != nil {
		t.Fatal(err)
	}
	w.open()
	if _, err := w.r.Turnout(ctx); !errors.Is(err, registrar.ErrNotYet) {
		t.Errorf("before voting: %v", err)
	}
	open := w.m.Schedule.Open - w.m.Schedule.Open%900 + 900 // a quarter hour after voting opens
	check := func(when string, at int64, final bool, groups [2]registrar.Issues, davis, other registrar.Issues) {
		t.Helper()
		want := registrar.Turnout{At: at, Final: final, Floor: 25, Groups: []registrar.GroupTurnout{{ID: 1, Issues: groups[0]}, {ID: 2, Issues: groups[1]}},
			Places: []registrar.PlaceTurnout{{Name: "Davis", Issues: davis}}, Other: &registrar.PlaceTurnout{Issues: other}}
		if diff := cmp.Diff(want, w.shownTurnout(), cmpopts.IgnoreUnexported(want)); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	// The two small places have 15 together: Merced, the next larger one, is with them.
	w.use(1, 0, 9)
	w.at(open)
	check("nine", open, false, [2]registrar.Issues{issues(0, 30), issues(0, 40)}, issues(0, 30), issues(0, 40))
	w.use(1, 9, 12)
	w.use(2, 0, 9)
	w.at(open + 899)
	check("before the quarter", open, false, [2]registrar.Issues{issues(0, 30), issues(0, 40)}, issues(0, 30), issues(0, 40))
	w.at(open + 1000)
	check("on the quarter", open+900, false, [2]registrar.Issues{issues(12, 30), issues(0, 40)}, issues(12, 30), issues(0, 40))
	w.use(1, 12, 21)
	w.at(open + 1900)
	check("nine more", open+900, false, [2]registrar.Issues{issues(12, 30), issues(0, 40)}, issues(12, 30), issues(0, 40))
	// A service that starts anew shows the same.
	w.open()
	w.at(open + 1901)
	check("started anew", open+900, false, [2]registrar.Issues{issues(12, 30), issues(0, 40)}, issues(12, 30), issues(0, 40))
	w.use(2, 9, 10)
	w.at(open + 2800)
	check("ten of the others", open+2700, false, [2]registrar.Issues{issues(12, 30), issues(10, 40)}, issues(12, 30), issues(10, 40))

	end := w.m.Schedule.LockFrom(w.m.Schedule.Close)
	w.at(end)
	if err := w.r.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	w.at(end + 1)
	check("at the end", end-end%900, true, [2]registrar.Issues{issues(21, 30), issues(10, 40)}, issues(21, 30), issues(10, 40))
	w.at(end + 9000)
	check("long after", end-end%900, true, [2]registrar.Issues{issues(21, 30), issues(10, 40)}, issues(21, 30), issues(10, 40))
}

// TestTurnoutDifferences takes what is shown of places from what is shown of groups: the
// difference must not be a place whose own number stays as it is.
func TestTurnoutDifferences(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t)
	ctx := t.Context()
	// Both groups work at both places: 28 at Davis, 42 at Merced.
	_, err := w.db.Owner.Exec(ctx, `UPDATE registrar.member SET campus = CASE WHEN roll_index % 5 < 2 THEN 'Davis' ELSE 'Merced' END`)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.draft.Seal(ctx, w.manifest, w.sealing, w.minter, registrar.LedgerOf(w.log)); err != nil {
		t.Fatal(err)
	}
	w.open()
	quarter := w.m.Schedule.Open - w.m.Schedule.Open%900 + 900
	moved := false
	// One after the other is issued a ballot, and everybody looks after each.
	for i := range uint32(30) {
		w.use(1, i, i+1)
		w.use(2, i, i+1)
		w.at(quarter + int64(i)*900)
		now := w.shownTurnout()
		difference := now.Groups[0].Issued + now.Groups[1].Issued
		for _, p := range now.Places {
			difference -= p.Issued
		}
		if difference != 0 || now.Other != nil {
			t.Fatalf("after %d of each group, groups have %d more than places: %+v", i+1, difference, now)
		}
		moved = moved || now.Places[0].Issued > 0 && now.Places[1].Issued > 0
	}
	if !moved {
		t.Error("negative control: no place moved")
	}
}

// TestTurnoutPlaces combines places so that no difference of what is shown is a place
// below the floor.
func TestTurnoutPlaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		places map[string]uint32
		shown  []string
		other  uint32
	}{
		{"all large", map[string]uint32{"A": 25, "B": 300}, []string{"A", "B"}, 0},
		{"one small takes the next", map[string]uint32{"A": 24, "B": 30, "C": 300}, []string{"C"}, 54},
		{"two small that are enough", map[string]uint32{"A": 24, "B": 2, "C": 30, "D": 300}, []string{"C", "D"}, 26},
		{"two small that are not", map[string]uint32{"A": 4, "B": 2, "C": 30, "D": 300}, []string{"D"}, 36},
		{"nothing is left", map[string]uint32{"A": 4, "B": 300}, nil, 0},
		{"one", map[string]uint32{"A": 300}, []string{"A"}, 0},
		{"without a name", map[string]uint32{"": 200, "B": 300, "C": 400}, []string{"C"}, 500},
		{"somebody who was added elsewhere", map[string]uint32{"A": 25, "B": 300, "C": 0}, []string{"A", "B"}, 0},
		{"none", nil, nil, 0},
	} {
		shown, others := registrar.CombinePlaces(tt.places)
		left := uint32(0)
		for _, n := range tt.places {
			left += n
		}
		for _, name := range shown {
			left -= tt.places[name]
			if tt.places[name] < registrar.PlaceFloor || name == "" {
				t.Errorf("%s: %q is shown", tt.name, name)
			}
		}
		if fmt.Sprint(shown) != fmt.Sprint(tt.shown) || others != (tt.other > 0) || others && left != tt.other {
			t.Errorf("%s: shown %q, %d others", tt.name, shown, left)
		}
		if len(shown) > 0 && left > 0 && left < registrar.PlaceFloor {
			t.Errorf("%s: %d are what is left when all shown are taken away", tt.name, left)
		}
	}
}
