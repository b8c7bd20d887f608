package tally

import (
	"errors"
	"fmt"
	"slices"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
)

// A Close names the state of the ballot log that is opened: the root and size
// with the close record in.
type Close struct {
	MID  suite.MID
	Root suite.Hash
	Size uint64
}

// An Opening is everything that partial decryptions of one election are about.
// The caller has verified the record that the sums and the close come from.
type Opening struct {
	Manifest *election.Manifest
	Close    Close
	Sums     *Sums
}

// Sets returns the partition of the groups.
func (o *Opening) Sets() []Set {
	return Sets(o.Manifest.Groups, o.Sums.Cast(), o.Manifest.KMin)
}

// statements lists what a teller's share file answers, in its order.
func (o *Opening) statements(teller uint8) ([]*share.Statement, error) {
	key, err := o.Manifest.TellerKey(int(teller))
	if err != nil {
		return nil, err
	}
	var list []*share.Statement
	for _, set := range o.Sets() {
		for q := range o.Manifest.Questions {
			list = append(list, &share.Statement{
				MID: o.Close.MID, Set: set.ID, Question: uint8(q), Teller: teller, TellerKey: key,
				CloseRoot: o.Close.Root, CloseSize: o.Close.Size, Count: set.Count, Sum: o.Sums.Sum(set, q),
			})
		}
	}
	return list, nil
}

// Shares makes the share file of a teller whose share of the key is x. The
// sums must be the teller's own, of a record that it verified; this is the
// only place where a teller's share meets ballots.
func (o *Opening) Shares(teller uint8, x *group.Scalar) (*share.File, error) {
	list, err := o.statements(teller)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 && !group.BaseMul(x).Equal(list[0].TellerKey) {
		return nil, fmt.Errorf("opening the sums: the share of the key is not that of teller %d", teller)
	}
	f := &share.File{Teller: teller, MID: o.Close.MID, CloseRoot: o.Close.Root, CloseSize: o.Close.Size}
	for _, st := range list {
		f.Shares = append(f.Shares, share.Item{Set: st.Set, Question: st.Question, Share: *share.Decrypt(x, st)})
	}
	return f, nil
}

// VerifyShares checks that a share file opens every set and question of this
// election and nothing else, and every proof in it.
func (o *Opening) VerifyShares(f *share.File) error {
	if f.MID != o.Close.MID || f.CloseRoot != o.Close.Root || f.CloseSize != o.Close.Size {
		return errors.New("checking shares: they are of another election or another close")
	}
	list, err := o.statements(f.Teller)
	if err != nil {
		return fmt.Errorf("checking shares: %w", err)
	}
	if len(f.Shares) != len(list) {
		return fmt.Errorf("checking shares of teller %d: %d shares, want %d", f.Teller, len(f.Shares), len(list))
	}
	for i, st := range list {
		it := &f.Shares[i]
		if it.Set != st.Set || it.Question != st.Question {
			return fmt.Errorf("checking shares of teller %d: set %d, question %d is not to be opened", f.Teller, it.Set, it.Question)
		}
		if err := share.Verify(st, &it.Share); err != nil {
			return fmt.Errorf("checking share of teller %d, set %d, question %d: %w", f.Teller, it.Set, it.Question, err)
		}
	}
	return nil
}

// open checks all share files, of at least t tellers, and returns their
// numbers and T of every question of every set. Of more than t tellers the t
// lowest numbers count.
func (o *Opening) open(files []*share.File) (tellers []int, points [][]*group.Element, err error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b *share.File) int { return int(a.Teller) - int(b.Teller) })
	for i, f := range files {
		if i > 0 && f.Teller == files[i-1].Teller {
			return nil, nil, fmt.Errorf("opening the sums: two files of teller %d", f.Teller)
		}
		if err := o.VerifyShares(f); err != nil {
			return nil, nil, err
		}
		tellers = append(tellers, int(f.Teller))
	}
	t := int(o.Manifest.Tellers.T)
	if len(files) < t {
		return nil, nil, fmt.Errorf("opening the sums: files of %d tellers, want %d", len(files), t)
	}
	questions := len(o.Manifest.Questions)
	for i, set := range o.Sets() {
		row := make([]*group.Element, questions)
		for q := range row {
			d := make(map[uint8]*group.Element, t)
			for _, f := range files[:t] {
				d[f.Teller] = f.Shares[i*questions+q].D
			}
			row[q] = Combine(d, o.Sums.Sum(set, q))
		}
		points = append(points, row)
	}
	return tellers, points, nil
}
