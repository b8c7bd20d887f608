package registrar

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// How the turnout is shown to everybody.
const (
	// turnoutEvery is how often it is looked at, in seconds, on the quarter hour.
	turnoutEvery = 15 * 60
	// PlaceFloor is the fewest members that a place must have to be shown by its name.
	PlaceFloor = 25
)

// A Turnout is what everybody may know of how many ballots were issued: never by
// person, never as they are issued, and never a number in which one person stands
// out. It is the JSON file that a board shows as `turnout`, beside the record.
type Turnout struct {
	At     int64          `json:"at"`    // the quarter hour of the last step of any number
	Final  bool           `json:"final"` // the ledger has ended: these are the last numbers
	Floor  uint32         `json:"floor"`
	Groups []GroupTurnout `json:"groups"`
	Places []PlaceTurnout `json:"places"` // by name; empty where there are too few to tell apart
	Other  *PlaceTurnout  `json:"other"`  // all other places together; null: there are none

	cells []cell // all of the above are sums of these
}

// A cell counts a group's members of one place, or of all that are not shown by name.
// It is never shown itself.
type cell struct {
	Group suite.GroupID `json:"group"`
	Place string        `json:"place"` // "": the others
	Issues
}

// A GroupTurnout counts a group of the manifest.
type GroupTurnout struct {
	ID suite.GroupID `json:"id"`
	Issues
}

// A PlaceTurnout counts a campus.
type PlaceTurnout struct {
	Name string `json:"name"`
	Issues
}

// Issues are the ballots issued among those who may have one.
type Issues struct {
	Issued   uint32 `json:"issued"`
	Entitled uint32 `json:"entitled"`
}

// Turnout returns what is shown now, as [Registrar.Tick] found it last. It returns
// [ErrNotYet] before voting opens.
func (r *Registrar) Turnout(ctx context.Context) ([]byte, error) {
	var body []byte
	err := r.c.Pool.QueryRow(ctx, `SELECT body FROM registrar.turnout`).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotYet
	}
	if err != nil {
		return nil, fmt.Errorf("reading the turnout: %w", err)
	}
	return body, nil
}

// turnoutLock keeps two processes from looking at the turnout at once.
const turnoutLock = 0x7475726e // "turn"

// turnout looks at the turnout on the quarter hour, and once more when the ledger
// has ended.
//
// What is shown is a public clock of issuances otherwise: whoever sees one number
// move by one knows when somebody of that group and campus was issued a ballot, which
// the batches of both logs go to length to hide (SPEC 8). So a number stays as it is
// until as many people stand behind its step as behind a batch.
//
// It is not enough to hold every shown number so. Groups and places count the same
// people: where all groups and all places but one have just moved, what the groups have
// more than those places is the very number of the last one, and moves by one person on
// the next quarter hour. So it is each group's part of each place that is held, and all
// that is shown is a sum of these: no difference of sums has a smaller step than they.
//
// The last numbers are exact: the ledger's end counts every group for everybody.
func (r *Registrar) turnout(ctx context.Context, phase election.Phase) error {
	now := r.c.Now().Unix()
	at := now - now%turnoutEvery
	looked, ended := r.looked.Load(), phase != election.PhaseOpen && phase != election.PhaseClosed
	if looked == math.MaxInt64 || !ended && at <= looked {
		return nil
	}
	err := postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		final, err := finished(ctx, tx)
		if err != nil || ended && !final {
			return err
		}
		var mine bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, int64(turnoutLock)).Scan(&mine); err != nil || !mine {
			return err // another process is at it
		}
		last, err := readTurnout(ctx, tx)
		if err != nil {
			return err
		}
		if looked = at; final {
			looked = math.MaxInt64
		}
		if last != nil && last.Final {
			return nil
		}
		next, err := r.countTurnout(ctx, tx, final)
		if err != nil {
			return err
		}
		if !next.hold(last) && last != nil {
			return nil
		}
		next.sum()
		next.At = at
		return keepTurnout(ctx, tx, next)
	})
	if err != nil {
		return fmt.Errorf("counting the turnout: %w", err)
	}
	r.looked.Store(looked)
	return nil
}

func readTurnout(ctx context.Context, tx pgx.Tx) (*Turnout, error) {
	var body, cells []byte
	err := tx.QueryRow(ctx, `SELECT body, cells FROM registrar.turnout`).Scan(&body, &cells)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t := new(Turnout)
	return t, errors.Join(json.Unmarshal(body, t), json.Unmarshal(cells, &t.cells))
}

func keepTurnout(ctx context.Context, tx pgx.Tx, t *Turnout) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	cells, err := json.Marshal(t.cells)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO registrar.turnout (body, cells) VALUES ($1, $2)
		ON CONFLICT (one) DO UPDATE SET body = EXCLUDED.body, cells = EXCLUDED.cells`, body, cells)
	return err
}

// countTurnout counts all members at one moment. Until the ledger has ended those are
// entitled who stand on the sealed roll: who was added or struck is told by acts that
// wait for the end, and a number that moves by one would tell it before.
func (r *Registrar) countTurnout(ctx context.Context, tx pgx.Tx, final bool) (*Turnout, error) {
	rows, err := tx.Query(ctx, `
		SELECT m.group_id, m.campus, count(*) FILTER (WHERE NOT m.added),
			count(*) FILTER (WHERE u.kind IS DISTINCT FROM 'strike'), count(*) FILTER (WHERE u.kind = 'issue')
		FROM registrar.member m LEFT JOIN registrar.used u USING (group_id, roll_index) GROUP BY 1, 2`)
	if err != nil {
		return nil, err
	}
	t := &Turnout{Final: final, Floor: PlaceFloor, Places: []PlaceTurnout{}}
	for _, g := range r.manifest.Groups {
		t.Groups = append(t.Groups, GroupTurnout{ID: g.ID})
	}
	places := make(map[string]uint32)
	var g suite.GroupID
	var name string
	var sealed, entitled, issued uint32
	_, err = pgx.ForEachRow(rows, []any{&g, &name, &sealed, &entitled, &issued}, func() error {
		if r.manifest.Group(g) == nil {
			return fmt.Errorf("there is no group %d", g)
		}
		places[name] += sealed
		if !final {
			entitled = sealed
		}
		t.cells = append(t.cells, cell{g, name, Issues{issued, entitled}})
		return nil
	})
	shown, others := combine(places)
	for _, name := range shown {
		t.Places = append(t.Places, PlaceTurnout{Name: name})
	}
	if others {
		t.Other = new(PlaceTurnout)
	}
	t.cells = t.together()
	return t, err
}

// together makes one cell of those of a group whose places are not shown by name.
func (t *Turnout) together() []cell {
	shown := make(map[string]bool)
	for _, p := range t.Places {
		shown[p.Name] = true
	}
	type key struct {
		group suite.GroupID
		place string
	}
	at := make(map[key]int)
	var list []cell
	for _, c := range t.cells {
		if !shown[c.Place] {
			c.Place = ""
		}
		i, ok := at[key{c.Group, c.Place}]
		if !ok {
			at[key{c.Group, c.Place}] = len(list)
			list = append(list, c)
			continue
		}
		list[i].add(c.Issues)
	}
	return list
}

// sum makes of the cells what is shown.
func (t *Turnout) sum() {
	for _, c := range t.cells {
		for i := range t.Groups {
			if t.Groups[i].ID == c.Group {
				t.Groups[i].add(c.Issues)
			}
		}
		for i := range t.Places {
			if t.Places[i].Name == c.Place {
				t.Places[i].add(c.Issues)
			}
		}
		if c.Place == "" && t.Other != nil {
			t.Other.add(c.Issues)
		}
	}
}

func (i *Issues) add(more Issues) {
	i.Issued += more.Issued
	i.Entitled += more.Entitled
}

// combine returns the places that are shown by name, in order, and whether all others
// are shown as one. sealed is how many members of the sealed roll a place has. A place
// below the floor is not shown, nor is one without a name. One such place alone would
// be what is left when all others are taken from the whole, and so would two that are
// small: then the next larger ones are counted with them until nobody stands out.
//
// It is decided by the sealed roll, so that no place comes and goes: the difference
// would be its number. A place of which somebody was only added later is none.
func combine(sealed map[string]uint32) (shown []string, others bool) {
	var list []string
	for name, n := range sealed {
		if n > 0 {
			list = append(list, name)
		}
	}
	// One without a name is smaller than any: its members are not known to be in one
	// place.
	size := func(name string) uint32 {
		if name == "" {
			return 0
		}
		return sealed[name]
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(size(a), size(b)), cmp.Compare(a, b)) })
	hidden, members := 0, uint32(0)
	for _, name := range list {
		if size(name) >= PlaceFloor && (hidden == 0 || hidden > 1 && members >= PlaceFloor) {
			break
		}
		hidden++
		members += sealed[name]
	}
	shown = slices.Sorted(slices.Values(list[hidden:]))
	// All of them as one is what the groups say already.
	return shown, len(shown) > 0 && hidden > 0
}

// hold keeps every cell as it was last, or as nothing, unless enough people stand
// behind its step. It reports whether any moved. last may be nil.
func (t *Turnout) hold(last *Turnout) bool {
	if t.Final {
		return true
	}
	if last == nil {
		last = new(Turnout)
	}
	moved := false
	for i := range t.cells {
		now, was := &t.cells[i], uint32(0)
		for _, c := range last.cells {
			if c.Group == now.Group && c.Place == now.Place {
				was = c.Issued
			}
		}
		if now.Issued < was+election.BatchMin(now.Entitled) {
			now.Issued = was
		} else {
			moved = true
		}
	}
	return moved
}
