package signer

import (
	"fmt"
	"strings"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// manifest shows everything in a manifest that a person can judge. What is left
// out are keys and addresses that programs compare; the hash binds them too.
func (w words) manifest(m *election.Manifest, mid suite.MID) string {
	var b strings.Builder
	b.WriteString("You would seal this election. Nothing of it can change afterwards but by an act of the committee.\n\n")
	b.WriteString(watermark(m))
	w.asked(&b, m)
	fmt.Fprintf(&b, "\nRule: %s\n", rule(m.Rule))
	w.groups(&b, m)
	w.people(&b, m)
	w.schedule(&b, &m.Schedule)
	fmt.Fprintf(&b, "\nSix words: %s\nHash:      %s\nCompare the hash, all 64 digits, with the others of the committee.\n", election.SixWords(mid), mid)
	return b.String()
}

// watermark says what is not a real vote.
func watermark(m *election.Manifest) string {
	switch {
	case m.Demo:
		return "DEMO. This is not a real vote.\n"
	case m.Rehearsal:
		return "REHEARSAL. This is not a real vote.\n"
	}
	return ""
}

func (w words) asked(b *strings.Builder, m *election.Manifest) {
	for i, tag := range m.Languages {
		fmt.Fprintf(b, "Title (%s): %s\n", tag, m.Title[i])
	}
	for i, tag := range m.Languages {
		if m.Statement[i] == "" {
			fmt.Fprintf(b, "Statement (%s): none\n", tag)
			continue
		}
		fmt.Fprintf(b, "Statement (%s): %s\n", tag, m.Statement[i])
	}
	for n, q := range m.Questions {
		fmt.Fprintf(b, "\nQuestion %d:\n", n+1)
		for i, tag := range m.Languages {
			fmt.Fprintf(b, "  (%s) %s\n", tag, q.Text[i])
		}
		for k, o := range q.Options {
			fmt.Fprintf(b, "    %d. %s: counted as %s\n", k+1, strings.Join(o.Text, " / "), o.Role)
		}
	}
}

func (w words) groups(b *strings.Builder, m *election.Manifest) {
	b.WriteString("\nGroups, each with the check digits of its roll:\n")
	var total uint64
	for _, g := range m.Groups {
		fmt.Fprintf(b, "  %d, %s (%s): %d members\n     check digits of the roll %s\n     ballots are published at least %d at a time\n",
			g.ID, g.Name, strings.Join(g.Units, ", "), g.RollSize, g.RollRoot, g.BatchMin)
		total += uint64(g.RollSize)
	}
	fmt.Fprintf(b, "  in all %d members\n", total)
	if m.KMin > 1 {
		fmt.Fprintf(b, "Smallest count: a group with fewer than %d ballots is counted together with another,\nso that a small total shows nobody's answer.\n", m.KMin)
	} else {
		b.WriteString("Smallest count: 1 ballot. The total of a small group can show somebody's answer.\n")
	}
}

func (w words) people(b *strings.Builder, m *election.Manifest) {
	fmt.Fprintf(b, "\nTellers, any %d of %d open the total: %s\n", m.Tellers.T, m.Tellers.N, strings.Join(m.Tellers.Names, ", "))
	fmt.Fprintf(b, "  six words of their ceremony: %s\n  Ask one of them, by phone, whether these are theirs.\n", election.SixWords(suite.MID(m.Tellers.Certificate)))
	fmt.Fprintf(b, "Committee, any %d sign:\n", m.Committee.Quorum)
	for i, member := range m.Committee.Members {
		fmt.Fprintf(b, "  %d, %s:", i, member.Name)
		for _, k := range member.Keys {
			fmt.Fprintf(b, " %s %x", k.Kind, []byte(k.Key))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "Witnesses: %d, of whom %d must sign:\n", len(m.Witnesses.Keys), m.Witnesses.Threshold)
	for _, k := range m.Witnesses.Keys {
		name, _, _ := strings.Cut(k, "+") // of a key in its written form
		fmt.Fprintf(b, "  %s\n", name)
	}
	fmt.Fprintf(b, "\nMembers vote at %s\n", m.Origins.Booth)
	if election.OnlyThere(m.Origins.Booth) && !m.Demo {
		b.WriteString("  CAREFUL: only the service's own computer reaches this address. Members cannot vote from others.\n")
	}
	if m.Client != nil {
		fmt.Fprintf(b, "  with the ballot page %s\n  SHA-256 %s\n", m.Client.URL, m.Client.SHA256)
	}
	fmt.Fprintf(b, "The public record is at %s\n", m.Origins.Board)
	fmt.Fprintf(b, "Help: %s, %s\n", m.Help.Email, m.Help.Phone)
	if m.Factor == nil {
		b.WriteString("Second question that members are asked: none\n")
	} else {
		for i, tag := range m.Languages {
			fmt.Fprintf(b, "Second question that members are asked (%s): %s\n", tag, m.Factor.Label[i])
		}
	}
	fmt.Fprintf(b, "Who runs it: %s\n", separation(m.Separation.Kind))
	for _, text := range m.Separation.Operators {
		fmt.Fprintf(b, "  %s\n", text)
	}
}

// separation says how far the side that knows names is from the one that has the
// ballots.
func separation(kind string) string {
	switch kind {
	case election.OneMachine:
		return "the roll and the ballot box are on one machine (one-machine)"
	case election.TwoMachines:
		return "the roll and the ballot box are on two machines (two-machines)"
	case election.TwoOperators:
		return "the roll and the ballot box are run by two operators (two-operators)"
	}
	return kind
}

func (w words) schedule(b *strings.Builder, s *election.Schedule) {
	fmt.Fprintf(b, "\nOpens:        %s\nCloses:       %s\nLatest close: %s, whatever extends it\n", w.moment(s.Open), w.moment(s.Close), w.moment(s.LatestClose))
	if s.Grace > 0 {
		fmt.Fprintf(b, "Grace:        a ballot that was issued before the close can be cast for %s after it\n", span(s.Grace))
	} else {
		b.WriteString("Grace:        none; casting ends with the close\n")
	}
	fmt.Fprintf(b, "Envelopes are decided until %s; one that is undecided then stays sealed\n", w.moment(s.DecideUntil))
}

// span says a number of seconds.
func span(seconds int64) string {
	switch {
	case seconds == 60:
		return "1 minute"
	case seconds%60 == 0:
		return fmt.Sprintf("%d minutes", seconds/60)
	}
	return fmt.Sprintf("%d seconds", seconds)
}
