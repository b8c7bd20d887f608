package registrar

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/mailbox"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/roll"
)

// A Member is a person on the roll, as imported. It redacts itself.
type Member struct {
	Number, Name            string
	Email                   string // may be empty: such members get a slip with the code
	Unit                    string // decides the group
	Campus, Worksite, Title string
	Language                string // empty: the election's default
	Factor                  string // the answer to the extra question; kept as a hash only
}

// Format keeps a member out of logs and error texts.
func (Member) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[member]") }

// FromRoll returns the members of a roll file that has no faults.
func FromRoll(f *roll.File) []Member {
	members := make([]Member, len(f.Members))
	for i, m := range f.Members {
		members[i] = Member{Number: m.Number, Name: m.Name, Email: m.Email, Unit: m.Group, Campus: m.Campus, Worksite: m.Worksite,
			Title: m.Title, Language: m.Language, Factor: m.Factor}
	}
	return members
}

// ErrSealed is returned for a change of the roll that only a draft allows.
var ErrSealed = errors.New("the election is sealed: its roll changes only by acts of the committee")

// A Draft is an election whose roll may still be imported again.
type Draft struct {
	Pool     *pgxpool.Pool // role sv_registrar; must come from postgres.Open
	Election suite.ElectionID
	Keys     Keys // the roll key and the factor key
}

// Import replaces the whole roll, in one transaction. Each unit is a group of
// its own until [Draft.Prepare]. It returns [ErrSealed].
func (d *Draft) Import(ctx context.Context, members []Member) error {
	units := map[string]suite.GroupID{}
	for _, m := range members {
		if _, ok := units[m.Unit]; !ok {
			if len(units) == 1000 {
				return errors.New("importing the roll: there are more than 1,000 units")
			}
			units[m.Unit] = suite.GroupID(len(units) + 1)
		}
	}
	next := map[suite.GroupID]uint32{}
	rows := make([]person, len(members))
	for i, m := range members {
		g := units[m.Unit]
		rows[i] = person{Member: m, group: g, index: next[g], factor: factorHash(d.Keys.FactorKey, d.Election, m.Number, m.Factor)}
		next[g]++
	}
	err := alone(ctx, d.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO registrar.election DEFAULT VALUES ON CONFLICT DO NOTHING`); err != nil {
			return err
		}
		return replaceRoll(ctx, tx, rows)
	})
	if err != nil {
		return fmt.Errorf("importing the roll: %w", scrub(err))
	}
	return nil
}

// A RollGroup is a group of the manifest and which units of the roll it holds.
type RollGroup struct {
	ID    suite.GroupID
	Units []string
}

// A RollRoot is what the manifest says of a group's roll.
type RollRoot struct {
	ID   suite.GroupID
	Size uint32
	Root suite.Hash
}

// Prepare gives every member a group and an index and computes the leaves and
// roots (SPEC 4). It may be called again, with other groups. It returns
// [ErrSealed], and an error if a unit of the roll is in no group.
func (d *Draft) Prepare(ctx context.Context, groups []RollGroup) ([]RollRoot, error) {
	groupOf := map[string]suite.GroupID{}
	for _, g := range groups {
		for _, u := range g.Units {
			if _, ok := groupOf[u]; ok {
				return nil, fmt.Errorf("preparing the roll: unit %q is in two groups", u)
			}
			groupOf[u] = g.ID
		}
	}
	var roots []RollRoot
	err := alone(ctx, d.Pool, func(tx pgx.Tx) error {
		rows, err := readRoll(ctx, tx)
		if err != nil {
			return err
		}
		leaves := map[suite.GroupID][]suite.Hash{}
		for i := range rows {
			p := &rows[i]
			g, ok := groupOf[p.Unit]
			if !ok {
				return fmt.Errorf("unit %q of the roll is in no group", p.Unit)
			}
			p.group, p.index = g, uint32(len(leaves[g]))
			p.leaf = leafOf(d.Keys.RollKey, d.Election, g, p.index, p.Number)
			leaves[g] = append(leaves[g], suite.Hash(p.leaf))
		}
		roots = roots[:0] // the transaction may run again
		for _, g := range groups {
			if len(leaves[g.ID]) == 0 {
				return fmt.Errorf("nobody on the roll has a unit of group %d (%s): correct the roll, or the groups in the election's file", g.ID, strings.Join(g.Units, ", "))
			}
			roots = append(roots, RollRoot{g.ID, uint32(len(leaves[g.ID])), ledger.Root(leaves[g.ID])})
		}
		return replaceRoll(ctx, tx, rows)
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the roll: %w", scrub(err))
	}
	return roots, nil
}

// A UnitCount counts a unit's members on a campus. It is what two lists are
// reconciled by.
type UnitCount struct {
	Unit, Campus       string
	Members, Addresses int
}

// Members returns the roll as far as a second list is compared with it: numbers,
// units, campuses and worksites.
func (d *Draft) Members(ctx context.Context) ([]Member, error) {
	rows, err := d.Pool.Query(ctx, `SELECT member_no, unit, campus, worksite FROM registrar.member ORDER BY member_no COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("reading the roll: %w", err)
	}
	members, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Member, err error) {
		err = row.Scan(&m.Number, &m.Unit, &m.Campus, &m.Worksite)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the roll: %w", err)
	}
	return members, nil
}

// Summary counts the roll by unit and campus.
func (d *Draft) Summary(ctx context.Context) ([]UnitCount, error) {
	rows, err := d.Pool.Query(ctx, `SELECT unit, campus, count(*), count(email) FROM registrar.member GROUP BY 1, 2 ORDER BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("counting the roll: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[UnitCount])
	if err != nil {
		return nil, fmt.Errorf("counting the roll: %w", err)
	}
	return counts, nil
}

// A person is a row of the member table.
type person struct {
	Member
	group  suite.GroupID
	index  uint32
	factor []byte
	leaf   []byte
}

var memberColumns = []string{"group_id", "roll_index", "member_no", "unit", "name", "email", "campus", "worksite", "title",
	"language", "factor_hmac", "leaf"}

func (p *person) values() []any {
	return []any{p.group, p.index, p.Number, p.Unit, p.Name, kept(p.Email), p.Campus, p.Worksite, p.Title, p.Language, p.factor, p.leaf}
}

func readRoll(ctx context.Context, tx pgx.Tx) ([]person, error) {
	rows, err := tx.Query(ctx, `SELECT member_no, unit, name, COALESCE(email, ''), campus, worksite, title, language, factor_hmac
		FROM registrar.member ORDER BY group_id, roll_index`)
	if err != nil {
		return nil, fmt.Errorf("reading the roll: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p person, err error) {
		err = row.Scan(&p.Number, &p.Unit, &p.Name, &p.Email, &p.Campus, &p.Worksite, &p.Title, &p.Language, &p.factor)
		return p, err
	})
}

// replaceRoll needs the phase lock. A trigger refuses the change too, once the
// election is sealed.
func replaceRoll(ctx context.Context, tx pgx.Tx, people []person) error {
	e, err := readRow(ctx, tx)
	if err != nil {
		return err
	}
	if e.phase != phaseDraft {
		return ErrSealed
	}
	if _, err := tx.Exec(ctx, `DELETE FROM registrar.member`); err != nil {
		return err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"registrar", "member"}, memberColumns,
		pgx.CopyFromSlice(len(people), func(i int) ([]any, error) { return people[i].values(), nil }))
	return err
}

const phaseDraft = "draft"

func leafOf(rollKey [32]byte, id suite.ElectionID, g suite.GroupID, index uint32, number string) []byte {
	leaf := ledger.Leaf(g, index, ledger.Salt(rollKey, id, g, index), number)
	return leaf[:]
}

// factorHash is what is kept of an answer; nil for no answer. Spaces, dots and
// case do not matter: people write dates and numbers in many ways.
func factorHash(key [32]byte, id suite.ElectionID, number, answer string) []byte {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, answer)
	if plain == "" {
		return nil
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write(suite.Frame([]byte("factor"), id[:], []byte(number), []byte(plain)))
	return mac.Sum(nil)
}

// kept returns an address in the form in which it is kept, or nil for none. Whoever calls
// has checked it; but one that were kept as typed would be found by nobody.
func kept(address string) *string {
	if address == "" {
		return nil
	}
	address = mailbox.Kept(address)
	return &address
}

// rollOf returns the sorted leaves of every group.
func rollOf(ctx context.Context, tx pgx.Tx) (map[suite.GroupID][]suite.Hash, error) {
	rows, err := tx.Query(ctx, `SELECT group_id, leaf FROM registrar.member WHERE NOT added AND leaf IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("reading the leaves: %w", err)
	}
	leaves := map[suite.GroupID][]suite.Hash{}
	var g suite.GroupID
	var leaf []byte
	_, err = pgx.ForEachRow(rows, []any{&g, &leaf}, func() error {
		leaves[g] = append(leaves[g], suite.Hash(leaf))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the leaves: %w", err)
	}
	for _, l := range leaves {
		slices.SortFunc(l, func(a, b suite.Hash) int { return cmp.Compare(string(a[:]), string(b[:])) })
	}
	return leaves, nil
}
