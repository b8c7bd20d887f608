// Package outcome applies the rule of an election to counts: whether the
// leadership is authorized, the sentence that says so, and whether open
// questions could have changed it.
//
// It must never see a ballot; counts are arguments. All arithmetic is exact:
// an outcome that hangs on one vote must not hang on a rounding. The rules are
// those of SPEC.md section 15.
package outcome

import (
	"math/big"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// A Unit is what a rule is applied to: all groups together, or one set.
type Unit struct {
	Groups   []suite.GroupID // ascending
	Entitled uint64
	Cast     uint64 // all ballots
	Yes      uint64 // votes for options with role yes
	No       uint64
}

// A Judgement is what the rule says of a unit.
type Judgement struct {
	Approved   bool // enough yes
	Quorum     bool // enough ballots
	Support    bool // enough yes of all entitled
	Authorized bool // all three
}

// Judge applies a rule. The rule is one that a valid manifest holds.
func Judge(r election.Rule, u Unit) Judgement {
	j := Judgement{
		Approved: approved(r, u),
		Quorum:   atLeast(u.Cast, r.QuorumNumerator, r.QuorumDenominator, u.Entitled),
		Support:  atLeast(u.Yes, r.SupportNumerator, r.SupportDenominator, u.Entitled),
	}
	j.Authorized = j.Approved && j.Quorum && j.Support
	return j
}

func approved(r election.Rule, u Unit) bool {
	base := natural(u.Cast)
	switch r.Basis {
	case election.BasisDecided:
		// The sum of two counts may need 65 bits.
		base = new(big.Int).Add(natural(u.Yes), natural(u.No))
	case election.BasisEntitled:
		base = natural(u.Entitled)
	}
	// Without a single yes nothing is approved, whatever the fraction.
	if base.Sign() == 0 || u.Yes == 0 {
		return false
	}
	order := compare(natural(u.Yes), r.Numerator, r.Denominator, base)
	return order > 0 || order == 0 && !r.Strict
}

// atLeast reports whether part is at least the fraction of whole.
func atLeast(part uint64, numerator, denominator uint32, whole uint64) bool {
	return compare(natural(part), numerator, denominator, natural(whole)) >= 0
}

// compare compares part with the fraction of whole.
func compare(part *big.Int, numerator, denominator uint32, whole *big.Int) int {
	a := new(big.Int).Mul(part, natural(uint64(denominator)))
	b := new(big.Int).Mul(whole, natural(uint64(numerator)))
	return a.Cmp(b)
}

func natural(v uint64) *big.Int { return new(big.Int).SetUint64(v) }

// Votes adds the votes of a question by the roles of its options. votes has one
// count for each option.
func Votes(q election.Question, votes []uint64) (yes, no uint64) {
	for i, o := range q.Options {
		switch o.Role {
		case election.RoleYes:
			yes += votes[i]
		case election.RoleNo:
			no += votes[i]
		}
	}
	return yes, no
}
