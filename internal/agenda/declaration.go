package agenda

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// A Declaration says that the roll was compared with a second, independent
// list, and stands for what the comparison left over. Two members of the
// committee sign it before there is a manifest to sign. It is no part of the
// public record, which has the sizes and roots; it binds them to the second
// list for whoever keeps both.
type Declaration struct {
	ElectionID  suite.ElectionID `json:"election_id"`
	Groups      []DeclaredGroup  `json:"groups"` // all of them, ascending
	Second      SecondList       `json:"second"`
	Compared    Compared         `json:"compared"`
	Differences Differences      `json:"differences"`
	Explanation string           `json:"explanation"` // may be empty where nothing differs
	DeclaredAt  int64            `json:"declared_at"`
}

// A DeclaredGroup is a group's roll, as the manifest will have it.
type DeclaredGroup struct {
	ID   suite.GroupID `json:"id"`
	Name string        `json:"name"`
	Size uint32        `json:"size"`
	Root suite.Hash    `json:"root"`
}

// A SecondList is the list that the roll was compared with.
type SecondList struct {
	Name   string     `json:"name"` // what it is, in the committee's words
	SHA256 suite.Hash `json:"sha256"`
	Rows   uint32     `json:"rows"`
}

// Compared says what of the members on both lists was compared. A list without a
// column says nothing, and a zero for it would say that all is well.
type Compared struct {
	Group    bool `json:"group"`
	Campus   bool `json:"campus"`
	Worksite bool `json:"worksite"`
}

// Differences count the members in which the two lists still differ.
type Differences struct {
	OnlyRoll   uint32 `json:"only_roll"`
	OnlySecond uint32 `json:"only_second"`
	Group      uint32 `json:"group"` // on both, in another group
	Campus     uint32 `json:"campus"`
	Worksite   uint32 `json:"worksite"`
}

func (d Differences) any() bool { return d != Differences{} }

// ParseDeclaration reads what [Declaration.Encode] makes, and nothing else.
func ParseDeclaration(b []byte) (*Declaration, error) {
	d := new(Declaration)
	if err := suite.DecodeJSON(b, d); err != nil {
		return nil, fmt.Errorf("reading the roll's declaration: %w", err)
	}
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("checking the roll's declaration: %w", err)
	}
	return d, nil
}

// Encode returns the bytes that are signed. It fails for a declaration that
// says too little.
func (d *Declaration) Encode() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("checking the roll's declaration: %w", err)
	}
	b, err := suite.EncodeJSON(d)
	if err != nil {
		return nil, fmt.Errorf("writing the roll's declaration: %w", err)
	}
	return b, nil
}

func (d *Declaration) check() error {
	if len(d.Groups) == 0 || len(d.Groups) > 1000 {
		return errors.New("it names no group, or more than 1,000")
	}
	last := suite.GroupID(0)
	for _, g := range d.Groups {
		if g.ID <= last {
			return errors.New("groups do not ascend")
		}
		last = g.ID
		if err := suite.CheckText(g.Name, 80); err != nil {
			return fmt.Errorf("name of group %d: %w", g.ID, err)
		}
		if g.Size == 0 {
			return fmt.Errorf("group %d is empty", g.ID)
		}
	}
	if err := suite.CheckText(d.Second.Name, 200); err != nil {
		return fmt.Errorf("name of the second list: %w", err)
	}
	if d.Second.Rows == 0 {
		return errors.New("the second list is empty")
	}
	n := d.Differences
	if !d.Compared.Group && n.Group != 0 || !d.Compared.Campus && n.Campus != 0 || !d.Compared.Worksite && n.Worksite != 0 {
		return errors.New("it counts differences in what was not compared")
	}
	if err := suite.CheckTextOrEmpty(d.Explanation, 4000); err != nil {
		return fmt.Errorf("explanation: %w", err)
	}
	if d.Differences.any() && d.Explanation == "" {
		return errors.New("the two lists differ, and nothing explains it; say in the explanation why each kind of difference is right")
	}
	if d.DeclaredAt <= 0 {
		return errors.New("the moment is missing")
	}
	return nil
}

// Fits returns an error unless the manifest's groups are the declared ones.
func (d *Declaration) Fits(groups []election.Group) error {
	if len(groups) != len(d.Groups) {
		return errChanged
	}
	for i, g := range groups {
		if (d.Groups[i] != DeclaredGroup{ID: g.ID, Name: g.Name, Size: g.RollSize, Root: g.RollRoot}) {
			return errChanged
		}
	}
	return nil
}

var errChanged = errors.New("the roll was changed after the declaration: reconcile and declare again")

// DeclarationMessage is what a member of the committee signs. The election is
// named in the declaration itself.
func DeclarationMessage(declaration []byte) []byte {
	h := sha256.Sum256(declaration)
	return suite.Message("roll-declaration", h[:])
}
