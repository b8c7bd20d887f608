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
	"strikevote/internal/protocol/tally"
)

// words say for a person what a signature would do. Every text in them comes
// from something that was parsed, so that none holds what a terminal obeys.
type words struct{ zone *time.Location }

// moment says a moment where the member is, and in UTC, in which others will
// read it.
func (w words) moment(at int64) string {
	t := time.Unix(at, 0)
	return t.In(w.zone).Format("Monday 2 January 2006, 15:04:05 MST") + " (" + t.UTC().Format("2006-01-02 15:04:05") + " UTC)"
}

func (w words) declaration(d *agenda.Declaration) string {
	var b strings.Builder
	b.WriteString("You would declare that the roll was compared with a second, independent list.\n\nThe roll:\n")
	for _, g := range d.Groups {
		fmt.Fprintf(&b, "  group %d, %s: %d members, root %s\n", g.ID, g.Name, g.Size, g.Root)
	}
	fmt.Fprintf(&b, "The second list: %s, %d rows, SHA-256 %s\n", d.Second.Name, d.Second.Rows, d.Second.SHA256)
	n := d.Differences
	fmt.Fprintf(&b, "Still different: %d only on the roll, %d only on the second list, %d in another group,\n  %d at another campus, %d at another worksite\n",
		n.OnlyRoll, n.OnlySecond, n.Group, n.Campus, n.Worksite)
	if d.Explanation != "" {
		fmt.Fprintf(&b, "Why that is right: %s\n", d.Explanation)
	}
	fmt.Fprintf(&b, "Compared: %s\n", w.moment(d.DeclaredAt))
	return b.String()
}

func (w words) manifest(m *election.Manifest, mid suite.MID) string {
	var b strings.Builder
	b.WriteString("You would seal this election. Nothing of it can change afterwards but by an act of the committee.\n\n")
	switch {
	case m.Demo:
		b.WriteString("DEMO. This is not a real vote.\n")
	case m.Rehearsal:
		b.WriteString("REHEARSAL. This is not a real vote.\n")
	}
	for i, tag := range m.Languages {
		fmt.Fprintf(&b, "Title (%s): %s\n", tag, m.Title[i])
	}
	for n, q := range m.Questions {
		fmt.Fprintf(&b, "\nQuestion %d:\n", n+1)
		for i, tag := range m.Languages {
			fmt.Fprintf(&b, "  (%s) %s\n", tag, q.Text[i])
		}
		for k, o := range q.Options {
			fmt.Fprintf(&b, "    %d. %s: counted as %s\n", k+1, strings.Join(o.Text, " / "), o.Role)
		}
	}
	fmt.Fprintf(&b, "\nRule: %s\n", rule(m.Rule))
	b.WriteString("\nGroups, each with the root of its roll:\n")
	var total uint64
	for _, g := range m.Groups {
		fmt.Fprintf(&b, "  %d, %s (%s): %d members\n     root %s\n", g.ID, g.Name, strings.Join(g.Units, ", "), g.RollSize, g.RollRoot)
		total += uint64(g.RollSize)
	}
	fmt.Fprintf(&b, "  in all %d members\n", total)
	w.people(&b, m)
	s := m.Schedule
	fmt.Fprintf(&b, "\nOpens:        %s\nCloses:       %s\nLatest close: %s, whatever extends it\nEnvelopes are decided until %s\n",
		w.moment(s.Open), w.moment(s.Close), w.moment(s.LatestClose), w.moment(s.DecideUntil))
	fmt.Fprintf(&b, "\nSix words: %s\nHash:      %s\nCompare the hash, all 64 digits, with the others of the committee.\n", election.SixWords(mid), mid)
	return b.String()
}

func (w words) people(b *strings.Builder, m *election.Manifest) {
	fmt.Fprintf(b, "\nTellers, any %d of %d open the total: %s\n", m.Tellers.T, m.Tellers.N, strings.Join(m.Tellers.Names, ", "))
	fmt.Fprintf(b, "Committee, any %d sign:\n", m.Committee.Quorum)
	for i, member := range m.Committee.Members {
		fmt.Fprintf(b, "  %d, %s:", i, member.Name)
		for _, k := range member.Keys {
			fmt.Fprintf(b, " %s %x", k.Kind, []byte(k.Key))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "Witnesses: %d, of whom %d must cosign\n", len(m.Witnesses.Keys), m.Witnesses.Threshold)
	fmt.Fprintf(b, "Members vote at %s\n", m.Origins.Booth)
	fmt.Fprintf(b, "Run on: %s; %s\n", m.Separation.Kind, strings.Join(m.Separation.Operators, "; "))
}

// rule says what authorizes.
func rule(r election.Rule) string {
	than := "at least"
	if r.Strict {
		than = "more than"
	}
	of := map[string]string{
		election.BasisDecided: "the yes and no votes", election.BasisCast: "all ballots cast", election.BasisEntitled: "everybody entitled",
	}[r.Basis]
	s := fmt.Sprintf("authorized if the yes votes to question %d are %s %d/%d of %s", r.Question+1, than, r.Numerator, r.Denominator, of)
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
		return fmt.Sprintf("CLOSE EARLY: voting would close\n  at         %s\n  instead of %s\nWhoever has not voted by then cannot.\n", w.moment(p.Close), w.moment(before.Close))
	case act.Cancel:
		return "CANCEL: the election would end without a result, for ever. No ballot is ever opened.\n"
	case act.Amend:
		if p.Op == act.OpStrike {
			return fmt.Sprintf("STRIKE: a member of group %s could not vote any more.\n  blinded leaf %s\nThe operator's list says whose leaf that is. Compare all 64 digits with it, and the member with your evidence.\n", group(p.Group), p.Hash)
		}
		return fmt.Sprintf("ADD: somebody would be added to the roll of group %s and may vote.\n  leaf %s\nThe operator's list of additions says who that is. Compare all 64 digits with it, and the person with your evidence.\n", group(p.Group), p.Hash)
	case act.Decide:
		return decide(group(p.Group), p)
	case act.ClientBundle:
		return fmt.Sprintf("BALLOT PAGE: members would get another ballot page.\n  from    %s\n  SHA-256 %s\n", p.URL, p.SHA256)
	case act.Replace:
		if int(p.Member) >= len(before.Committee.Members) {
			return fmt.Sprintf("REPLACE: there is no member %d to replace.\n", p.Member)
		}
		return fmt.Sprintf("REPLACE: %s (number %d) would sign nothing any more. In their place:\n  %s\n  %s key %x\nAsk the new member for these digits yourself.\n",
			before.Committee.Members[p.Member].Name, p.Member, p.Name, p.Kind, p.Key)
	}
	return ""
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
	return b.String()
}

func (w words) slips(s *agenda.Slips) string {
	return fmt.Sprintf("PRINT: %d sealed slips with voting codes would be printed, once.\n  why    %s\n  asked  %s\n  places %s\nWhoever prints them could vote with them. The operator's list of places has the same digits.\n",
		s.Count, s.Reason, w.moment(s.ProposedAt), s.Places)
}

func (w words) certificate(m *election.Manifest, c *tally.Certificate) string {
	var b strings.Builder
	b.WriteString("You would certify this result.\n\n")
	fmt.Fprintf(&b, "%s\n\n%-24s %9s %9s %9s %10s %9s\n", word(c.Sentence, 1<<20), "group", "entitled", "issued", "cast", "envelopes", "undecided")
	for i := range c.Groups {
		g := &c.Groups[i]
		name := fmt.Sprint(g.ID)
		if of := m.Group(g.ID); of != nil {
			name = of.Name
		}
		fmt.Fprintf(&b, "%-24s %9d %9d %9d %10d %9d\n", name, g.Entitled, g.Issued, g.Cast, g.Deposited, g.Undecided)
		if g.Added+g.Struck > 0 {
			fmt.Fprintf(&b, "  %d added to its roll, %d struck from it\n", g.Added, g.Struck)
		}
	}
	fmt.Fprintf(&b, "\nIssued or accepted and not cast: %d\nReports \"not me\" that you uphold: %d. This number is the committee's own word.\n", c.NotCast, c.Disputed)
	if c.Material {
		b.WriteString("MATERIAL: the open questions could change the outcome.\n")
	} else {
		b.WriteString("The open questions could not change the outcome.\n")
	}
	fmt.Fprintf(&b, "Certified: %s\nSix words: %s\n", w.moment(c.CertifiedAt), election.SixWords(c.MID))
	return b.String()
}
