package outcome

import (
	"math/bits"

	"strikevote/internal/protocol/election"
)

// Material reports whether open questions could change the outcome of a unit:
// whether at most add more ballots and at most remove fewer, whatever was
// chosen on each, would turn authorized. The entitled stay as they are.
//
// A removed ballot is one of those cast. An added one is never worth more to a
// side than a vote for it, and a removed one never worth more than a vote
// against it: each condition of a rule only moves one way with each kind of
// ballot. So the extremes below decide for all choices; the test enumerates
// them.
func Material(r election.Rule, u Unit, add, remove uint64) bool {
	if Judge(r, u).Authorized {
		return canLose(r, u, add, remove)
	}
	return canWin(r, u, add, remove)
}

// canLose breaks the conditions one at a time: removing yes votes hurts each of
// them, and adding no votes only ever hurts the approval.
func canLose(r election.Rule, u Unit, add, remove uint64) bool {
	fewer := u
	fewer.Yes -= min(remove, u.Yes)
	fewer.Cast -= min(remove, u.Cast)
	if j := Judge(r, fewer); !j.Quorum || !j.Support {
		return true
	}
	against := u
	taken := min(remove, u.Yes)
	against.Yes -= taken
	against.Cast = saturate(u.Cast-min(taken, u.Cast), add)
	against.No = saturate(u.No, add)
	return !Judge(r, against).Approved
}

// canWin adds yes votes, which help every condition, and removes as many other
// ballots as the quorum allows: that helps the approval alone.
func canWin(r election.Rule, u Unit, add, remove uint64) bool {
	best := u
	best.Yes = saturate(u.Yes, add)
	best.Cast = saturate(u.Cast, add)
	need := quorum(r, u.Entitled)
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
