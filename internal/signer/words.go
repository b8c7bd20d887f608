package signer

import (
	"fmt"
	"strings"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
)

// words say for a person what a signature would do. Every text in them comes
// from something that was parsed, so that none holds what a terminal obeys.
type words struct{ zone *time.Location }

// moment says a moment where the member is, and in UTC, in which others will
// read it, unless that is the same.
func (w words) moment(at int64) string {
	t := time.Unix(at, 0)
	if _, offset := t.In(w.zone).Zone(); offset == 0 {
		return t.In(w.zone).Format("Monday 2 January 2006, 15:04:05 MST")
	}
	return t.In(w.zone).Format("Monday 2 January 2006, 15:04:05 MST") + " (" + t.UTC().Format("2006-01-02 15:04:05") + " UTC)"
}

func (w words) declaration(d *agenda.Declaration) string {
	var b strings.Builder
	b.WriteString("You would declare that the roll was compared with a second, independent list.\n\nThe roll:\n")
	for _, g := range d.Groups {
		fmt.Fprintf(&b, "  group %d, %s: %d members\n     check digits of the roll %s\n", g.ID, g.Name, g.Size, g.Root)
	}
	fmt.Fprintf(&b, "The second list: %s, %d rows, SHA-256 %s\n", d.Second.Name, d.Second.Rows, d.Second.SHA256)
	n := d.Differences
	fmt.Fprintf(&b, "Still different: %d only on the roll, %d only on the second list\n", n.OnlyRoll, n.OnlySecond)
	for _, x := range []struct {
		compared bool
		count    uint32
		where    string
	}{{d.Compared.Group, n.Group, "in another group"}, {d.Compared.Campus, n.Campus, "at another campus"}, {d.Compared.Worksite, n.Worksite, "at another worksite"}} {
		if x.compared {
			fmt.Fprintf(&b, "  %d %s\n", x.count, x.where)
		} else {
			fmt.Fprintf(&b, "  %s: NOT COMPARED\n", x.where)
		}
	}
	if d.Explanation != "" {
		fmt.Fprintf(&b, "Why that is right: %s\n", d.Explanation)
	}
	fmt.Fprintf(&b, "Compared: %s\n", w.moment(d.DeclaredAt))
	return b.String()
}

// rule says what authorizes.
func rule(r election.Rule) string {
	than := "at least"
	if r.Strict {
		than = "more than"
	}
	s := fmt.Sprintf("authorized if the yes votes to question %d are %s %d/%d of %s", r.Question+1, than, r.Numerator, r.Denominator, basis(r.Basis))
	if r.QuorumNumerator > 0 {
		s += fmt.Sprintf(", and at least %d/%d of those entitled cast a ballot", r.QuorumNumerator, r.QuorumDenominator)
	}
	if r.SupportNumerator > 0 {
		s += fmt.Sprintf(", and the yes votes are at least %d/%d of those entitled", r.SupportNumerator, r.SupportDenominator)
	}
	if r.PerGroup {
		return s + "; each group for itself, small ones together"
	}
	return s + "; all groups together"
}

// basis says of what a rule's fraction is.
func basis(of string) string {
	return map[string]string{
		election.BasisDecided: "the yes and no votes", election.BasisCast: "all ballots cast", election.BasisEntitled: "everybody entitled",
	}[of]
}

// compare says what the digits of an act are to be compared with: this program
// has no list of members.
const compare = "Ask the operator for the list that strikevote election acts prints, by a separate way, and compare the digits"

// act says what an act would do to the election as it is before it.
func (w words) act(m *election.Manifest, before *act.State, payload any) string {
	group := func(id suite.GroupID) string {
		if g := m.Group(id); g != nil {
			return g.Name
		}
		return fmt.Sprintf("%d, which there is none of", id)
	}
	switch p := payload.(type) {
	case act.Extend:
		return fmt.Sprintf("EXTEND: voting would close\n  at         %s\n  instead of %s\n", w.moment(p.Close), w.moment(before.Close))
	case act.CloseEarly:
		return fmt.Sprintf("CLOSE EARLY: voting would close\n  at         %s\n  instead of %s\nWhoever has not voted by then cannot.\n"+
			"CAREFUL: mails and slips that went out say the time before. No member is told of the new one by mail before\n"+
			"the operator sends one (strikevote mail send moved). Ask how many have left (strikevote mail status), and who\n"+
			"tells the members.\n", w.moment(p.Close), w.moment(before.Close))
	case act.Cancel:
		return "CANCEL: the election would end without a result, for ever. No ballot is ever opened.\n"
	case act.Amend:
		if p.Op == act.OpStrike {
			return fmt.Sprintf("STRIKE: a member of group %s could not vote any more.\n  the member's mark on the roll (64 digits) %s\n%s, all of them,\nand the member with your evidence.\n", group(p.Group), p.Hash, compare)
		}
		return fmt.Sprintf("ADD: somebody would be added to the roll of group %s and may vote.\n  their mark on the roll (64 digits) %s\n%s, all of them,\nand the person with your evidence.\n", group(p.Group), p.Hash, compare)
	case act.Decide:
		return decide(group(p.Group), p)
	case act.ClientBundle:
		return fmt.Sprintf("BALLOT PAGE: members would get another ballot page.\n  from    %s\n  SHA-256 %s\n%sWhoever makes this page could show members another question than the one that is sealed, or\nlearn their answers. Sign only a program that somebody you trust has built from its source:\nit prints the same SHA-256 with strikevote version -assets.\n", p.URL, p.SHA256, instead(before.Client))
	case act.Replace:
		if int(p.Member) >= len(before.Committee.Members) {
			return fmt.Sprintf("REPLACE: there is no member %d to replace.\n", p.Member)
		}
		return fmt.Sprintf("REPLACE: %s (number %d) would sign nothing any more. In their place:\n  %s\n  %s key %x\nAsk the new member for these digits yourself.\n",
			before.Committee.Members[p.Member].Name, p.Member, p.Name, p.Kind, p.Key)
	}
	return ""
}

// instead says which ballot page was named before.
func instead(c *election.Client) string {
	if c == nil {
		return "None was named before.\n"
	}
	return fmt.Sprintf("  instead of  %s\n  SHA-256 %s\n", c.URL, c.SHA256)
}

func decide(group string, p act.Decide) string {
	var b strings.Builder
	fmt.Fprintf(&b, "DECIDE: of the envelopes of group %s\n  accepted: %d of people on the roll, %d of people off it\n  rejected: %d of people on the roll, %d of people off it\n",
		group, p.AcceptedOn, p.AcceptedOff, p.RejectedOn, p.RejectedOff)
	if len(p.Accepted) > 0 {
		b.WriteString("The accepted ones have these trackers:\n")
	}
	for _, id := range p.Accepted {
		fmt.Fprintf(&b, "  %s\n", receipt.Tracker(id))
	}
	if p.RejectedOn+p.RejectedOff > 0 {
		b.WriteString("The rejected ones are only counted here: the act does not name them.\n")
	}
	fmt.Fprintf(&b, "%s: the\ntrackers of the accepted ones, and who is accepted and who rejected.\n", compare)
	return b.String()
}

func (w words) slips(s *agenda.Slips) string {
	return fmt.Sprintf("PRINT: %d sealed slips with voting codes would be printed, once.\n  why    %s\n  asked  %s\n  check digits of the list of members (64) %s\nWhoever prints them could vote with them. Ask the operator for the list of\nmembers that strikevote roll slips prints, by a separate way, and compare the digits.\n",
		s.Count, s.Reason, w.moment(s.ProposedAt), s.Places)
}
