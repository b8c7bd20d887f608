package outcome

import (
	"math/bits"

	"strikevote/internal/protocol/election"
)

// Material reports whether open questions could change the outcome of a unit:
// whether at most add more ballots and at most remove fewer, whatever was
// chosen on each, would turn authorized.
//
// A removed ballot is one of those cast; the entitled stay as they are. Of the
// ballots that might be added, strangers are from people who are not on the
// roll: each of those that is added raises the entitled by one, which can turn
// an outcome that its choice alone would not. More strangers than add count as
// add.
//
// There are far too many choices to try. No fraction of a rule is more than
// one, so every condition moves one way with each kind of ballot, and the
// extremes below decide for all choices; the tests enumerate them. Sums that do
// not fit 64 bits count as the largest number that does.
func Material(r election.Rule, u Unit, add, remove, strangers uint64) bool {
	strangers = min(strangers, add)
	if Judge(r, u).Authorized {
		return canLose(r, u, add, remove, strangers)
	}
	return canWin(r, u, add, remove, strangers)
}

// canLose breaks the conditions one at a time: one broken is enough.
//
// Nothing that is added breaks the quorum, not even a stranger's ballot: it
// raises what is cast by one, and what is needed by one at most. What breaks
// approval or support is the same: every yes that can go, gone, and everything
// added a no, strangers and all, because they raise what the support, and an
// approval out of the entitled, is a fraction of.
func canLose(r election.Rule, u Unit, add, remove, strangers uint64) bool {
	fewer := u
	fewer.Cast -= min(remove, u.Cast)
	if !Judge(r, fewer).Quorum {
		return true
	}
	taken := min(remove, u.Yes)
	against := u
	against.Entitled = saturate(u.Entitled, strangers)
	against.Yes -= taken
	against.No = saturate(u.No, add)
	against.Cast = saturate(u.Cast-min(taken, u.Cast), add)
	j := Judge(r, against)
	return !j.Approved || !j.Support
}

// canWin has to meet all conditions at once. A yes that is added hurts none of
// them, not even a stranger's: it raises what each of them counts by one, and
// what each of them needs by one at most. So everything added is a yes. Then it
// removes as many other ballots as the quorum allows: that helps the approval
// alone.
func canWin(r election.Rule, u Unit, add, remove, strangers uint64) bool {
	best := u
	best.Entitled = saturate(u.Entitled, strangers)
	best.Yes = saturate(u.Yes, add)
	best.Cast = saturate(u.Cast, add)
	need := quorum(r, best.Entitled)
	if best.Cast < need {
		return false
	}
	remove = min(remove, best.Cast-need)
	// A no vote weighs in every basis that another ballot weighs in, so those
	// go first; what is left over takes ballots that are neither.
	others := u.Cast - min(u.Cast, saturate(u.Yes, u.No))
	no := min(remove, u.No)
	best.No -= no
	best.Cast -= no + min(remove-no, others)
	return Judge(r, best).Authorized
}

// quorum returns the fewest ballots that satisfy the quorum.
func quorum(r election.Rule, entitled uint64) uint64 {
	hi, lo := bits.Mul64(uint64(r.QuorumNumerator), entitled)
	// The numerator is at most the denominator, so the quotient fits.
	q, rem := bits.Div64(hi, lo, uint64(r.QuorumDenominator))
	if rem > 0 {
		q++
	}
	return q
}

func saturate(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return 1<<64 - 1
	}
	return sum
}
