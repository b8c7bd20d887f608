package pages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/suite"
)

// A turnout is what the side that knows names tells everybody of how many ballots
// were issued: a JSON file that it made for this and nothing else. Small places are
// combined in it already, and its numbers move in steps; the pages add nothing to it
// and never ask for more.
type turnout struct {
	At     int64          `json:"at"`
	Final  bool           `json:"final"`
	Floor  uint32         `json:"floor"`
	Groups []groupTurnout `json:"groups"`
	Places []placeTurnout `json:"places"`
	Other  *placeTurnout  `json:"other"`
}

type groupTurnout struct {
	ID       suite.GroupID `json:"id"`
	Issued   uint64        `json:"issued"`
	Entitled uint64        `json:"entitled"`
}

type placeTurnout struct {
	Name     string `json:"name"`
	Issued   uint64 `json:"issued"`
	Entitled uint64 `json:"entitled"`
}

// maxTurnout bounds the file: a thousand groups and more places than a union has.
const maxTurnout = 1 << 20

// askTurnout returns what asks for the turnout once and keeps the answer, as long as
// the facts that it belongs to are kept. Where it comes from is where ballots are
// issued: a crowd that watches the numbers must not keep members waiting.
func (s *Site) askTurnout(ctx context.Context, id suite.ElectionID) func() ([]byte, error) {
	return sync.OnceValues(func() ([]byte, error) {
		if s.Turnout == nil {
			return nil, ErrNotFound
		}
		// Whoever asks first may go away, and it is kept for all.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnoutTime)
		defer cancel()
		return s.Turnout(ctx, id)
	})
}

const turnoutTime = 5 * time.Second

// readTurnout reads what is told of an election, or nil while nothing is.
func (f *facts) readTurnout() (*turnout, error) {
	b, err := f.turnout()
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t := new(turnout)
	if err := json.Unmarshal(b, t); err != nil {
		return nil, fmt.Errorf("reading the turnout: %w", err)
	}
	return t, nil
}

// getTurnout serves the file to a board in another process.
func (s *Site) getTurnout(w http.ResponseWriter, r *http.Request) error {
	id, err := s.find(r)
	if err != nil {
		return err
	}
	b, err := s.askTurnout(r.Context(), id)()
	if err != nil {
		return err
	}
	return writeTurnout(w, r, b)
}

// getKeptTurnout serves it to everybody else, who may draw a line of it.
func (s *Site) getKeptTurnout(w http.ResponseWriter, r *http.Request) error {
	id, err := s.find(r)
	if err != nil {
		return err
	}
	f, err := s.facts(r.Context(), id)
	if err != nil {
		return err
	}
	b, err := f.turnout()
	if err != nil {
		return err
	}
	return writeTurnout(w, r, b)
}

func writeTurnout(w http.ResponseWriter, r *http.Request, b []byte) error {
	w.Header().Set("Cache-Control", brief)
	web.WritePacked(w, r, http.StatusOK, "application/json", b)
	return nil
}

// RemoteTurnout asks another process of the service for the turnout.
func RemoteTurnout(client *http.Client, origin string) func(context.Context, suite.ElectionID) ([]byte, error) {
	return func(ctx context.Context, id suite.ElectionID) ([]byte, error) {
		return remote{client: client}.ask(ctx, origin+"/e/"+id.String()+"/turnout.json", maxTurnout)
	}
}

// A turnoutPage says how many ballots were issued, by group and by campus.
type turnoutPage struct {
	*view
	Told   bool
	Final  bool
	Step   int64 // when a number moved last
	Floor  uint32
	Added  bool     // some were issued a ballot who do not stand on the sealed roll
	Sums   []string // how the last numbers follow from each other
	Less   string   // why the places are fewer than the groups
	All    *turnoutRow
	Groups []turnoutRow
	Places []turnoutRow
}

type turnoutRow struct {
	Name                      string
	Issued, Entitled, Percent string
	Cast, Absent              string // from the lock on
	Plot                      *plot
}

func turnoutOf(s *Site, ctx context.Context, v *view) (any, error) {
	p := &turnoutPage{view: v}
	t, err := v.readTurnout()
	if err != nil {
		return nil, err
	}
	f, err := s.figures(ctx, v)
	if err != nil {
		return nil, err
	}
	if f.final != nil {
		// From the lock on the record itself counts every group.
		t = f.lastTurnout(t)
	}
	if t == nil {
		return p, nil
	}
	p.Told, p.Final, p.Floor = true, f.final != nil, t.Floor
	// The first look is told as of the quarter hour before it, in which voting may not
	// have been open yet.
	p.Step = max(t.At, v.Manifest.Schedule.Open)
	p.Added = t.raise(p.Final)
	var all groupTurnout
	var cast uint64
	for _, g := range t.Groups {
		group := v.Manifest.Group(g.ID)
		if group == nil {
			return nil, errors.New("reading the turnout: it is another election's")
		}
		row := p.row(group.Name, g.Issued, g.Entitled)
		if p.Final {
			p.end(&row, f.final[g.ID].Accepted()+g.Issued, f.cast[g.ID])
			cast += f.cast[g.ID]
		}
		p.Groups = append(p.Groups, row)
		all.Issued, all.Entitled = all.Issued+g.Issued, all.Entitled+g.Entitled
	}
	total := p.row(v.Text("results.overall"), all.Issued, all.Entitled)
	p.All = &total
	if p.Final {
		_, notCast := f.open()
		p.All.Cast, p.All.Absent = v.Number(cast), v.Number(notCast)
		say := speaker{f, v.Words}
		p.Sums = append([]string{say.turnout(cast, all.Entitled)}, say.counted(f.counts())...)
		p.Less = p.less(t, all.Entitled)
	}
	for _, c := range t.Places {
		p.Places = append(p.Places, p.row(c.Name, c.Issued, c.Entitled))
	}
	if t.Other != nil {
		p.Places = append(p.Places, p.row(v.Text("results.turnout.other"), t.Other.Issued, t.Other.Entitled))
	}
	return p, nil
}

// less says why fewer are entitled by place than by group, and nothing while the places
// are not the last ones: who is on no roll is at no place.
func (p *turnoutPage) less(t *turnout, groups uint64) string {
	if !t.Final || len(t.Places) == 0 {
		return ""
	}
	var places uint64
	for _, c := range t.Places {
		places += c.Entitled
	}
	if t.Other != nil {
		places += t.Other.Entitled
	}
	if places >= groups {
		return ""
	}
	return p.Text("results.turnout.less", "groups", p.Number(groups), "places", p.Number(places))
}

// lastTurnout takes the numbers of the groups from the ends of the logs, and of the
// places what was told last.
func (f *figures) lastTurnout(told *turnout) *turnout {
	t := new(turnout)
	if told != nil {
		*t = *told
		t.Groups = nil
	}
	for i := range f.manifest.Groups {
		g := &f.manifest.Groups[i]
		n := f.final[g.ID]
		t.Groups = append(t.Groups, groupTurnout{ID: g.ID, Issued: uint64(n.Issued), Entitled: n.Entitled(g.RollSize)})
	}
	return t
}

// raise counts as entitled whoever was issued a ballot, and reports whether that raised
// a number. Until the ledger has ended those are told as entitled who stand on the
// sealed roll, and members who were added to it vote as well: nobody is to read of more
// ballots than people. The record's own counts of the groups, once it has ended, are
// left as they are; what is wrong with them an audit has to find.
func (t *turnout) raise(ended bool) (raised bool) {
	one := func(issued uint64, entitled *uint64) {
		if issued > *entitled {
			*entitled, raised = issued, true
		}
	}
	for i := range t.Groups {
		if !ended {
			one(t.Groups[i].Issued, &t.Groups[i].Entitled)
		}
	}
	for i := range t.Places {
		one(t.Places[i].Issued, &t.Places[i].Entitled)
	}
	if t.Other != nil {
		one(t.Other.Issued, &t.Other.Entitled)
	}
	return raised
}

func (p *turnoutPage) row(name string, issued, entitled uint64) turnoutRow {
	return turnoutRow{
		Name: name, Issued: p.Number(issued), Entitled: p.Number(entitled),
		Percent: p.Percent(issued, entitled), Plot: plotOf(min(issued, entitled), entitled),
	}
}

// end adds what is known when the box is closed.
func (p *turnoutPage) end(row *turnoutRow, given, cast uint64) {
	row.Cast, row.Absent = p.Number(cast), p.Number(given-min(given, cast))
}
