package signer

import (
	"fmt"
	"slices"
	"strings"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
)

// certificate shows a certificate and the result that it names. Where that could
// not be read, r is nil and why says so.
func (w words) certificate(m *election.Manifest, c *tally.Certificate, r *tally.Result, why string) string {
	var b strings.Builder
	b.WriteString("You would certify this result. With -yes the public record is downloaded and verified first;\nuntil then the numbers are the service's word.\n\n")
	b.WriteString(watermark(m))
	fmt.Fprintf(&b, "%s\n", word(c.Sentence, 1<<20))
	if r == nil {
		fmt.Fprintf(&b, "\n%s\n", why)
	} else {
		totals(&b, m, r)
		judged(&b, m, r)
	}
	turnout(&b, m, c)
	open(&b, c)
	fmt.Fprintf(&b, "\nCertified: %s\nSix words: %s\n", w.moment(c.CertifiedAt), election.SixWords(c.MID))
	return b.String()
}

// totals shows the opened totals, each percentage with what it is of.
func totals(b *strings.Builder, m *election.Manifest, r *tally.Result) {
	if len(r.Sets) == 0 {
		b.WriteString("\nNobody voted: there is no total.\n")
	}
	for _, s := range r.Sets {
		for q, votes := range s.Votes {
			table(b, m, names(m, s.Groups), q, s.Count, votes)
		}
	}
	if len(r.Sets) < 2 {
		return
	}
	for q := range m.Questions {
		var count uint64
		sum := make([]uint64, len(m.Questions[q].Options))
		for _, s := range r.Sets {
			count += s.Count
			for i, n := range s.Votes[q] {
				sum[i] += n
			}
		}
		table(b, m, "In all", q, count, sum)
	}
}

func table(b *strings.Builder, m *election.Manifest, who string, q int, count uint64, votes []uint64) {
	question := &m.Questions[q]
	fmt.Fprintf(b, "\n%s: %s\n", who, question.Text[0])
	for i, n := range votes {
		fmt.Fprintf(b, "  %8d of %d ballots (%s of the ballots)  %s (%s)\n", n, count, percent(n, count), question.Options[i].Text[0], question.Options[i].Role)
	}
}

// counted says what the whole is that a rule's fraction is of.
var counted = map[string]string{
	election.BasisDecided: "yes and no votes", election.BasisCast: "ballots cast", election.BasisEntitled: "people entitled",
}

// judged shows what the rule made of the totals.
func judged(b *strings.Builder, m *election.Manifest, r *tally.Result) {
	fmt.Fprintf(b, "\nRule: %s\n", rule(m.Rule))
	for i := range r.Units {
		u := &r.Units[i]
		whole := map[string]uint64{election.BasisDecided: u.Yes + u.No, election.BasisCast: u.Cast, election.BasisEntitled: u.Entitled}[m.Rule.Basis]
		fmt.Fprintf(b, "  %s: %d yes of %d %s (%s of the %[4]s)", names(m, u.Groups), u.Yes, whole, counted[m.Rule.Basis], percent(u.Yes, whole))
		for _, part := range []struct {
			met   bool
			unmet string
		}{{u.Approved, "too few of these"}, {u.Quorum, "too few of those entitled cast a ballot"}, {u.Support, "too few of those entitled said yes"}} {
			if !part.met {
				fmt.Fprintf(b, "; %s", part.unmet)
			}
		}
		if u.Authorized {
			b.WriteString(": authorized\n")
		} else {
			b.WriteString(": not authorized\n")
		}
	}
}

// turnout shows who could vote, who did, and what came in envelopes.
func turnout(b *strings.Builder, m *election.Manifest, c *tally.Certificate) {
	var entitled, cast, accepted, rejected, undecided uint64
	fmt.Fprintf(b, "\n%-24s %9s %9s %9s %8s %10s\n", "group", "entitled", "issued", "cast", "turnout", "envelopes")
	for i := range c.Groups {
		g := &c.Groups[i]
		fmt.Fprintf(b, "%-24s %9d %9d %9d %8s %10d\n", names(m, []suite.GroupID{g.ID}), g.Entitled, g.Issued, g.Cast, percent(g.Cast, g.Entitled), g.Deposited)
		if g.Added+g.Struck > 0 {
			fmt.Fprintf(b, "  %d added to its roll, %d struck from it\n", g.Added, g.Struck)
		}
		entitled, cast = entitled+g.Entitled, cast+g.Cast
		accepted, rejected, undecided = accepted+g.Accepted, rejected+g.Rejected, undecided+g.Undecided
	}
	fmt.Fprintf(b, "Turnout: %d of %d people entitled cast a ballot (%s).\n", cast, entitled, percent(cast, entitled))
	fmt.Fprintf(b, "Envelopes: %d handed in; %d accepted and counted, %d rejected, %d undecided. The last two stay sealed.\n",
		accepted+rejected+undecided, accepted, rejected, undecided)
}

// open shows the open questions and what they could do.
func open(b *strings.Builder, c *tally.Certificate) {
	fmt.Fprintf(b, "\nIssued or accepted and not cast: %d\nMembers whose report \"not me\" you uphold: %d. This number is the committee's own word.\n", c.NotCast, c.Disputed)
	b.WriteString("  \"Not me\" is the report of a member who heard that a ballot was issued in their name and did\n  not ask for one; two of you uphold it, by name and not by signature, if you believe it, and such a\n  ballot cannot be taken out again. Once you have signed, the number stands.\n")
	if c.Material {
		b.WriteString("MATERIAL: the open questions could change the outcome. It means that the outcome could be another\n  if the ballots not cast and the undecided envelopes were added, or the upheld ones taken away.\n")
		return
	}
	b.WriteString("The open questions could not change the outcome. It means that whatever was chosen on the ballots\n  not cast, in the undecided envelopes and on the upheld ones, the outcome would be the same.\n")
}

// fits reports whether a result has the manifest's groups, questions and options.
func fits(m *election.Manifest, r *tally.Result) bool {
	known := func(groups []suite.GroupID) bool {
		return !slices.ContainsFunc(groups, func(id suite.GroupID) bool { return m.Group(id) == nil })
	}
	for i := range r.Units {
		if !known(r.Units[i].Groups) {
			return false
		}
	}
	for _, s := range r.Sets {
		if !known(s.Groups) || len(s.Votes) != len(m.Questions) {
			return false
		}
		for q, votes := range s.Votes {
			if len(votes) != len(m.Questions[q].Options) {
				return false
			}
		}
	}
	return true
}

func names(m *election.Manifest, groups []suite.GroupID) string {
	var list []string
	for _, id := range groups {
		if g := m.Group(id); g != nil {
			list = append(list, g.Name)
		} else {
			list = append(list, fmt.Sprintf("group %d, which there is none of", id))
		}
	}
	return strings.Join(list, ", ")
}

func percent(part, whole uint64) string {
	if whole == 0 {
		return "0.0%"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(part)/float64(whole))
}
