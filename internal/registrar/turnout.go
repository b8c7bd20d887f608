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
// until as many people stand behind its step as behind a batch. The last numbers are
// exact: the ledger's end counts every group for everybody.
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
	var body []byte
	err := tx.QueryRow(ctx, `SELECT body FROM registrar.turnout`).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t := new(Turnout)
	return t, json.Unmarshal(body, t)
}

func keepTurnout(ctx context.Context, tx pgx.Tx, t *Turnout) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO registrar.turnout (body) VALUES ($1) ON CONFLICT (one) DO UPDATE SET body = EXCLUDED.body`, body)
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
	groups := make(map[suite.GroupID]*Issues)
	for _, g := range r.manifest.Groups {
		t.Groups = append(t.Groups, GroupTurnout{ID: g.ID})
	}
	for i := range t.Groups {
		groups[t.Groups[i].ID] = &t.Groups[i].Issues
	}
	places := make(map[string]*place)
	var g suite.GroupID
	var name string
	var sealed, entitled, issued uint32
	_, err = pgx.ForEachRow(rows, []any{&g, &name, &sealed, &entitled, &issued}, func() error {
		if groups[g] == nil {
			return fmt.Errorf("there is no group %d", g)
		}
		if places[name] == nil {
			places[name] = &place{PlaceTurnout: PlaceTurnout{Name: name}}
		}
		places[name].sealed += sealed
		if !final {
			entitled = sealed
		}
		groups[g].add(Issues{issued, entitled})
		places[name].add(Issues{issued, entitled})
		return nil
	})
	t.Places, t.Other = combine(places)
	return t, err
}

func (i *Issues) add(more Issues) {
	i.Issued += more.Issued
	i.Entitled += more.Entitled
}

// A place is a campus with the members that the sealed roll has there.
type place struct {
	PlaceTurnout
	sealed uint32
}

// combine returns the places that are shown by name and all others as one. A place
// below the floor is not shown, nor is one without a name. One such place alone would
// be what is left when all others are taken from the whole, and so would two that are
// small: then the next larger ones are counted with them until nobody stands out.
//
// It is decided by the sealed roll, so that no place comes and goes: the difference
// would be its number.
func combine(all map[string]*place) ([]PlaceTurnout, *PlaceTurnout) {
	var list []*place
	for _, p := range all {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *place) int {
		return cmp.Or(cmp.Compare(a.size(), b.size()), cmp.Compare(a.Name, b.Name))
	})
	other, hidden, members := new(PlaceTurnout), 0, uint32(0)
	for _, p := range list {
		if p.size() >= PlaceFloor && (hidden == 0 || hidden > 1 && members >= PlaceFloor) {
			break
		}
		other.add(p.Issues)
		hidden++
		members += p.sealed
	}
	shown := []PlaceTurnout{}
	for _, p := range list[hidden:] {
		shown = append(shown, p.PlaceTurnout)
	}
	if len(shown) == 0 {
		return shown, nil // all of them as one is what the groups say already
	}
	slices.SortFunc(shown, func(a, b PlaceTurnout) int { return cmp.Compare(a.Name, b.Name) })
	if hidden == 0 {
		return shown, nil
	}
	return shown, other
}

// size orders places. One without a name is smaller than any: its members are not
// known to be in one place.
func (p *place) size() uint32 {
	if p.Name == "" {
		return 0
	}
	return p.sealed
}

// hold keeps every number as it was shown last, or as nothing, unless enough people
// stand behind its step. It reports whether any moved. last may be nil.
func (t *Turnout) hold(last *Turnout) bool {
	if t.Final {
		return true
	}
	if last == nil {
		last = new(Turnout)
	}
	groups, places := make(map[suite.GroupID]uint32), make(map[string]uint32)
	for _, g := range last.Groups {
		groups[g.ID] = g.Issued
	}
	for _, p := range last.Places {
		places[p.Name] = p.Issued
	}
	moved := false
	keep := func(now *Issues, was uint32) {
		if now.Issued < was+election.BatchMin(now.Entitled) {
			now.Issued = was
		} else {
			moved = true
		}
	}
	for i := range t.Groups {
		keep(&t.Groups[i].Issues, groups[t.Groups[i].ID])
	}
	for i := range t.Places {
		keep(&t.Places[i].Issues, places[t.Places[i].Name])
	}
	if t.Other != nil {
		was := uint32(0)
		if last.Other != nil {
			was = last.Other.Issued
		}
		keep(&t.Other.Issues, was)
	}
	return moved
}
