package mailer

import (
	"fmt"
	"strings"
	"time"

	"strikevote/internal/protocol/election"
)

// A wording writes moments as people in one zone say them.
type wording struct {
	zone *time.Location
	name string
}

func (w *wording) at(unix int64) time.Time { return time.Unix(unix, 0).In(w.zone) }

// moment writes "Thursday, October 2, 5:00 p.m. Pacific time".
func (w *wording) moment(unix int64) string { return w.date(unix) + ", " + w.clock(unix) }

// date writes "Thursday, October 2".
func (w *wording) date(unix int64) string { return w.at(unix).Format("Monday, January 2") }

// day writes "Thursday".
func (w *wording) day(unix int64) string { return w.at(unix).Format("Monday") }

// clock writes "5:00 p.m. Pacific time".
func (w *wording) clock(unix int64) string {
	t := w.at(unix)
	zone := w.name
	if zone == "" {
		zone, _ = t.Zone()
	}
	half := "a.m."
	if t.Hour() >= 12 {
		half = "p.m."
	}
	return t.Format("3:04 ") + half + " " + zone
}

// ruleSentence says in words when the leadership is authorized.
func ruleSentence(r election.Rule) string {
	share := "at least "
	if r.Strict {
		share = "more than "
	}
	basis := map[string]string{election.BasisDecided: "of yes and no votes", election.BasisCast: "of all votes cast",
		election.BasisEntitled: "of all entitled members"}[r.Basis]
	s := "It takes a yes from " + share + fraction(r.Numerator, r.Denominator) + " " + basis
	var more []string
	if r.QuorumNumerator > 0 {
		more = append(more, "at least "+fraction(r.QuorumNumerator, r.QuorumDenominator)+" of the members must vote")
	}
	if r.SupportNumerator > 0 {
		more = append(more, "at least "+fraction(r.SupportNumerator, r.SupportDenominator)+" of the members must say yes")
	}
	if len(more) > 0 {
		s += ", and " + strings.Join(more, ", and ")
	}
	if r.PerGroup {
		s += ", in each group by itself"
	}
	return s + "."
}

func fraction(numerator, denominator uint32) string {
	words := map[[2]uint32]string{{1, 2}: "half", {1, 3}: "a third", {2, 3}: "two thirds", {3, 5}: "three fifths",
		{2, 5}: "two fifths", {3, 4}: "three quarters", {1, 4}: "a quarter", {1, 1}: "all"}
	if w, ok := words[[2]uint32{numerator, denominator}]; ok {
		return w
	}
	return fmt.Sprintf("%d in %d", numerator, denominator)
}
