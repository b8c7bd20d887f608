package roll

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Kind is a way in which two lists differ.
type Kind string

// The kinds of differences.
const (
	OnlyRoll        Kind = "only in the roll"
	OnlySecond      Kind = "only in the second list"
	GroupDiffers    Kind = "another group"
	CampusDiffers   Kind = "another campus"
	WorksiteDiffers Kind = "another worksite"
)

// Kinds returns every kind of difference, in the order of reports.
func Kinds() []Kind {
	return []Kind{OnlyRoll, OnlySecond, GroupDiffers, CampusDiffers, WorksiteDiffers}
}

// A Difference is one thing that two lists say differently of one member
// number. It redacts itself.
type Difference struct {
	Kind         Kind
	Number, Name string // the name as the roll has it, or else the second list
	// Roll and Second are what each list says: of a member who stands on one
	// list only, group, campus and worksite; empty on the other.
	Roll, Second string
	// RollRow and SecondRow are data rows of the files; 0 if it stands in none,
	// or if the roll did not come from a file.
	RollRow, SecondRow int
	// Near is a number that stands on the other list only and is the same but
	// for case, spaces, or zeros at its start. One person may be meant.
	Near string
}

// Format keeps a difference out of logs and error texts.
func (d Difference) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[difference]") }

// A Cell is a line of the table of numbers: how many members each list has in
// one group and campus.
type Cell struct {
	Group, Campus string // as the roll spells them; empty if not compared, or if the list says none
	Roll, Second  int
}

// Differences are all differences between a roll and a second list.
type Differences struct {
	List  []Difference // by kind, then by member number
	Table []Cell       // by group, then by campus

	// Groups, Campuses and Worksites say whether these were compared: only
	// where both lists have any.
	Groups, Campuses, Worksites bool

	left   []string // what was not compared, and why
	counts Counts
}

// Counts say how many there are of everything.
type Counts struct {
	Roll       int
	Second     int
	Both       int // members who stand on both lists
	OnlyRoll   int
	OnlySecond int
	Group      int
	Campus     int
	Worksite   int
	Groups     bool
	Campuses   bool
	Worksites  bool
}

// Total returns how many differences there are.
func (c Counts) Total() int { return c.OnlyRoll + c.OnlySecond + c.Group + c.Campus + c.Worksite }

// ErrNotComparable is returned for lists that cannot be compared: one has
// faults, or a member number twice.
var ErrNotComparable = errors.New("a list has faults, or a member number twice")

// Compare compares a roll, which may come from a file or a database, with a
// second list. Member numbers must be the same to the letter; groups, campuses
// and worksites may differ in case and spaces. It returns [ErrNotComparable].
func Compare(first []Member, second *List) (*Differences, error) {
	if !second.OK() {
		return nil, fmt.Errorf("comparing lists: %w", ErrNotComparable)
	}
	c := &comparison{d: &Differences{}, second: make(map[string]*Member, len(second.Members)), both: make(map[string]bool, len(first))}
	for i := range second.Members {
		c.second[second.Members[i].Number] = &second.Members[i]
	}
	c.decide(first, second.Members)
	for i := range first {
		m := &first[i]
		if _, twice := c.both[m.Number]; twice || m.Number == "" {
			return nil, fmt.Errorf("comparing lists: %w", ErrNotComparable)
		}
		other := c.second[m.Number]
		c.both[m.Number] = other != nil
		if other != nil {
			c.pair(m, other)
		} else {
			c.d.List = append(c.d.List, Difference{Kind: OnlyRoll, Number: m.Number, Name: m.Name, Roll: places(m), RollRow: m.Row})
		}
	}
	for i := range second.Members {
		if m := &second.Members[i]; !c.both[m.Number] {
			c.d.List = append(c.d.List, Difference{Kind: OnlySecond, Number: m.Number, Name: m.Name, Second: places(m), SecondRow: m.Row})
		}
	}
	c.d.finish()
	c.d.Table = table(c.d, first, second.Members)
	c.d.counts = c.d.count(len(first), len(second.Members))
	return c.d, nil
}

// A comparison is what Compare works on.
type comparison struct {
	d      *Differences
	second map[string]*Member
	both   map[string]bool // numbers of the roll; whether they stand on the second list too
}

// decide finds out what can be compared. A column that is empty throughout says
// nothing.
func (c *comparison) decide(first, second []Member) {
	has := func(list []Member, get func(*Member) string) bool {
		for i := range list {
			if strings.TrimSpace(get(&list[i])) != "" {
				return true
			}
		}
		return false
	}
	for _, x := range []struct {
		on   *bool
		what string
		get  func(*Member) string
	}{{&c.d.Groups, "groups", groupOf}, {&c.d.Campuses, "campuses", campusOf}, {&c.d.Worksites, "worksites", worksiteOf}} {
		switch {
		case !has(second, x.get):
			c.d.left = append(c.d.left, x.what+", because the second list has none")
		case !has(first, x.get):
			c.d.left = append(c.d.left, x.what+", because the roll has none")
		default:
			*x.on = true
		}
	}
}

func groupOf(m *Member) string    { return m.Group }
func campusOf(m *Member) string   { return m.Campus }
func worksiteOf(m *Member) string { return m.Worksite }

// pair compares what two lists say of one member.
func (c *comparison) pair(a, b *Member) {
	for _, x := range []struct {
		on   bool
		kind Kind
		get  func(*Member) string
	}{{c.d.Groups, GroupDiffers, groupOf}, {c.d.Campuses, CampusDiffers, campusOf}, {c.d.Worksites, WorksiteDiffers, worksiteOf}} {
		if v, w := x.get(a), x.get(b); x.on && fold(v) != fold(w) {
			c.d.List = append(c.d.List, Difference{Kind: x.kind, Number: a.Number, Name: cmp.Or(a.Name, b.Name),
				Roll: v, Second: w, RollRow: a.Row, SecondRow: b.Row})
		}
	}
}

// places says where a member of one list only belongs.
func places(m *Member) string {
	var parts []string
	for _, s := range []string{m.Group, m.Campus, m.Worksite} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

// finish sorts the list and finds numbers that are nearly the same.
func (d *Differences) finish() {
	order := map[Kind]int{}
	for i, k := range Kinds() {
		order[k] = i
	}
	slices.SortFunc(d.List, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(order[a.Kind], order[b.Kind]), cmp.Compare(a.Number, b.Number))
	})
	near := map[string]int{}
	for i, x := range d.List {
		if x.Kind == OnlyRoll {
			near[loose(x.Number)] = i
		}
	}
	for i, x := range d.List {
		if x.Kind != OnlySecond {
			continue
		}
		if j, ok := near[loose(x.Number)]; ok && d.List[j].Near == "" {
			d.List[i].Near, d.List[j].Near = d.List[j].Number, x.Number
		}
	}
}

// loose makes numbers equal that a spreadsheet or a typist would confuse.
func loose(number string) string {
	return strings.TrimLeft(strings.ToLower(strings.Join(strings.Fields(number), "")), "0")
}

// table counts both lists by what they can be compared by.
func table(d *Differences, first, second []Member) []Cell {
	type key struct{ group, campus string }
	at := map[key]*Cell{}
	spelled := map[string]string{}
	count := func(list []Member, side func(*Cell) *int) {
		for i := range list {
			var k key
			if d.Groups {
				k.group = spell(spelled, "g", list[i].Group)
			}
			if d.Campuses {
				k.campus = spell(spelled, "c", list[i].Campus)
			}
			if at[k] == nil {
				at[k] = &Cell{Group: k.group, Campus: k.campus}
			}
			*side(at[k])++
		}
	}
	count(first, func(c *Cell) *int { return &c.Roll })
	count(second, func(c *Cell) *int { return &c.Second })
	cells := make([]Cell, 0, len(at))
	for _, c := range at {
		cells = append(cells, *c)
	}
	slices.SortFunc(cells, func(a, b Cell) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Campus, b.Campus))
	})
	return cells
}

// spell returns the first spelling that was seen of a text.
func spell(spelled map[string]string, what, s string) string {
	k := what + fold(s)
	if first, ok := spelled[k]; ok {
		return first
	}
	spelled[k] = strings.TrimSpace(s)
	return spelled[k]
}

func (d *Differences) count(roll, second int) Counts {
	n := map[Kind]int{}
	for _, x := range d.List {
		n[x.Kind]++
	}
	return Counts{Roll: roll, Second: second, Both: roll - n[OnlyRoll], OnlyRoll: n[OnlyRoll], OnlySecond: n[OnlySecond],
		Group: n[GroupDiffers], Campus: n[CampusDiffers], Worksite: n[WorksiteDiffers],
		Groups: d.Groups, Campuses: d.Campuses, Worksites: d.Worksites}
}

// Counts returns how many there are of everything.
func (d *Differences) Counts() Counts { return d.counts }
