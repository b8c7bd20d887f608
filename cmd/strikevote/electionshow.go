package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

func showElection(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID) error {
	v, err := d.Overview(ctx, id)
	if err != nil {
		return err
	}
	var witnesses []deployment.Witness
	if v.Phase != "draft" {
		if witnesses, err = d.Witnesses(ctx, id); err != nil {
			// A box on another host, perhaps, that is not reached. The rest is shown.
			fmt.Fprintf(e.err, "How far the witnesses have come cannot be seen now: %v\n", err)
		}
	}
	show(e, d, v, witnesses)
	if v.Phase == "draft" {
		return nil
	}
	if err := showReports(ctx, e, d, id); err != nil {
		return err
	}
	return showDowntime(ctx, e, d, id)
}

func show(e *env, d *deployment.Deployment, v *deployment.Overview, witnesses []deployment.Witness) {
	watermark(e, v.Manifest)
	fmt.Fprintf(e.out, "%s\nnumber     %s\nphase      %s\n", v.Manifest.Title[0], v.ID, v.Phase)
	if v.MID != (suite.MID{}) {
		fmt.Fprintf(e.out, "six words  %s\nin full    %s\n", election.SixWords(v.MID), v.MID)
	}
	fmt.Fprintf(e.out, "opens      %s\n", momentAt(v.Manifest.Schedule.Open, v.Zone))
	if v.Close != 0 {
		fmt.Fprintf(e.out, "closes     %s\npages      %s\nrecord     %s/\n", momentAt(v.Close, v.Zone), d.Pages(v.ID), d.Record(v.ID))
	} else {
		fmt.Fprintf(e.out, "closes     %s\n", momentAt(v.Manifest.Schedule.Close, v.Zone))
	}
	fmt.Fprintf(e.out, "console    %s\n", d.Console(v.ID))
	showCeremony(e, v.Ceremony)
	describeRoll(e, v)
	showPapers(e, v)
	showWitnesses(e, witnesses)
	for _, g := range v.Counts {
		group := v.Manifest.Group(g.Group)
		entitled := g.Entitled(group.RollSize)
		fmt.Fprintf(e.out, "%-10s %d entitled, %d ballots issued, %d added, %d struck, %d envelopes (%d undecided)\n",
			group.Name, entitled, g.Issued, g.Added, g.Struck, g.Deposited(), g.Undecided())
	}
	showMails(e, v)
	for _, a := range v.Acts {
		if a.State != agenda.Applied && a.State != agenda.Withdrawn { // election acts has them all
			fmt.Fprintf(e.out, "%-10s %s\n", actName(v.Acts, a), describeAct(v, a))
		}
	}
	if v.Rests != nil {
		fmt.Fprintf(e.out, "rests      %v\nnext       nothing is signed, issued, taken or mailed: put back the newest state of its database, see Backups in deploy/README.md\n", v.Rests)
		return
	}
	fmt.Fprintf(e.out, "next       %s\n", next(v, witnesses, e.clock()))
}

// showDowntime says when a part of the service did not answer, and what the rule
// proposes for it.
func showDowntime(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID) error {
	to, outages, ok, err := d.Extension(ctx, id)
	if err != nil {
		return err
	}
	for _, o := range outages {
		fmt.Fprintf(e.out, "downtime   %s, %s for %s\n", o.Part, momentAt(o.From, d.Zone(id)), time.Duration(o.To-o.From)*time.Second)
	}
	if ok {
		at := time.Unix(to, 0).UTC().Format(momentForm + ":05")
		fmt.Fprintf(e.out, "proposed   by the rule for downtime, voting closes later: strikevote election extend -zone UTC '%s'\n", at)
	}
	return nil
}

func showCeremony(e *env, st *ceremony.State) {
	var done []string
	for i, name := range st.Names {
		done = append(done, fmt.Sprintf("%s (%s)", name, progressOf(st, i)))
	}
	fmt.Fprintf(e.out, "tellers    %s\n", strings.Join(done, ", "))
}

// describeAct says what an act does and how it stands.
func describeAct(v *deployment.Overview, a committee.ProposedAct) string {
	text := actWords(v, a) + ": " + a.State
	if a.State == agenda.Open {
		text += fmt.Sprintf(", signed by %d of %d", len(a.Signed), v.Manifest.Committee.Quorum)
	}
	if a.Reason != "" {
		text += " (" + a.Reason + ")"
	}
	if a.State == agenda.Withdrawn {
		text += "; propose it again if it is still wanted"
	}
	return text
}

func actWords(v *deployment.Overview, a committee.ProposedAct) string {
	payload, err := (&act.Act{Kind: a.Kind, Sequence: a.Sequence, Payload: a.Payload}).Decode()
	if err != nil {
		return "cannot be read"
	}
	switch p := payload.(type) {
	case act.Extend:
		return "voting closes later, " + momentAt(p.Close, v.Zone)
	case act.CloseEarly:
		return "voting closes earlier, " + momentAt(p.Close, v.Zone)
	case act.Cancel:
		return "the election is cancelled"
	case act.Amend:
		if p.Op == act.OpAdd {
			return "a member is added to " + groupName(v, p.Group)
		}
		return "a member of " + groupName(v, p.Group) + " is struck"
	case act.Decide:
		return fmt.Sprintf("envelopes of %s: %d accepted, %d rejected", groupName(v, p.Group), p.AcceptedOn+p.AcceptedOff, p.RejectedOn+p.RejectedOff)
	case act.ClientBundle:
		return "the ballot page is another, SHA-256 " + p.SHA256.String()
	case act.Replace:
		return "a member of the committee is replaced"
	}
	return "something this program does not know"
}

func groupName(v *deployment.Overview, id suite.GroupID) string {
	if g := v.Manifest.Group(id); g != nil {
		return g.Name
	}
	return fmt.Sprintf("group %d", id)
}

// describeRoll counts the roll by unit.
func describeRoll(e *env, v *deployment.Overview) {
	members, addresses := make(map[string]int), make(map[string]int)
	for _, c := range v.Roll {
		members[c.Unit] += c.Members
		addresses[c.Unit] += c.Addresses
	}
	for _, unit := range slices.Sorted(maps.Keys(members)) {
		fmt.Fprintf(e.out, "roll       %s: %d members, %d of them without an address\n", unit, members[unit], members[unit]-addresses[unit])
	}
}

func showMails(e *env, v *deployment.Overview) {
	for _, m := range v.Mails {
		state := m.State
		if !mailer.Neutral(m.Kind) && state != "queued" {
			state = "whose turn has come" // not each of them has left
		}
		fmt.Fprintf(e.out, "mail       %s: %d %s%s\n", m.Kind, m.Count, state, because(m.Reason))
	}
}

// because says why a mail did not arrive, where that is known.
func because(why mailer.Reason) string {
	if why == mailer.ReasonNone {
		return ""
	}
	what, _, _ := strings.Cut(mailReason(why), ":")
	return " (" + what + ")"
}

// next says what is to be done.
func next(v *deployment.Overview, witnesses []deployment.Witness, now time.Time) string {
	st := v.Ceremony
	switch {
	case v.Phase != "draft":
		return nextSealed(v, witnesses, now)
	case len(v.Roll) == 0:
		return "import the roll: strikevote roll import"
	case !ceremony.Complete(st.Signatures):
		return "the tellers go through the ceremony: strikevote teller init"
	case slices.Contains(st.Drilled, false):
		return "the tellers drill both copies: strikevote teller copy, strikevote teller drill"
	case !v.Declared && !v.Manifest.Demo:
		return fmt.Sprintf("compare the roll with a second list: strikevote roll reconcile; %d of the committee sign that: strikevote committee sign", v.Manifest.Committee.Quorum)
	case v.MID == (suite.MID{}):
		return "put the manifest before the committee: strikevote election propose"
	}
	return fmt.Sprintf("%d of the committee sign the manifest: strikevote committee sign; then strikevote election seal", v.Manifest.Committee.Quorum)
}

// nextClosed says when the election is locked, which is no earlier than the grace of
// those who have a ballot and the decision on envelopes allow.
func nextClosed(v *deployment.Overview, now time.Time) string {
	ends, decide := v.Close+v.Manifest.Schedule.Grace, v.Manifest.Schedule.DecideUntil
	for _, g := range v.Counts {
		if g.Undecided() > 0 && now.Unix() < decide {
			return fmt.Sprintf("decide on envelopes: strikevote election envelopes; once all are decided, not before %s and at the latest %s, the election is locked",
				momentAt(ends, v.Zone), momentAt(max(ends, decide), v.Zone))
		}
	}
	if now.Unix() < ends {
		return fmt.Sprintf("wait: ballots that were issued before the close are taken until %s; then the election is locked", momentAt(ends, v.Zone))
	}
	return "wait: the election is locked in a moment"
}

func nextSealed(v *deployment.Overview, witnesses []deployment.Witness, now time.Time) string {
	if slices.ContainsFunc(v.Acts, func(a committee.ProposedAct) bool { return a.State == agenda.Open }) {
		return "the committee signs what waits: strikevote committee sign"
	}
	const follow = "the witnesses must follow both logs before any mail leaves: strikevote witness"
	unwitnessed := witnesses != nil && begun(witnesses) < int(v.Manifest.Witnesses.Threshold)
	switch v.Phase {
	case election.PhaseSealed:
		switch {
		case unwitnessed:
			return "wait for the opening; " + follow
		case witnesses == nil:
			return "wait for the opening; the invitations leave then, if the witnesses follow both logs"
		}
		return "wait for the opening; the invitations leave then"
	case election.PhaseOpen:
		switch {
		case unwitnessed:
			return follow
		case now.Unix() > v.Close-mailer.LastHour:
			return "members vote, until the close; no reminder leaves in the last hour"
		}
		return "members vote; to remind those who did not, until an hour before the close: strikevote mail send -by YOU reminder"
	case election.PhaseClosed:
		return nextClosed(v, now)
	case election.PhaseLocked:
		return fmt.Sprintf("%d tellers open the totals: strikevote teller open", v.Manifest.Tellers.T)
	case election.PhaseTallied:
		return fmt.Sprintf("%d of the committee sign the certificate: strikevote committee sign", v.Manifest.Committee.Quorum)
	case election.PhaseCertified:
		return "the tellers destroy their keys: strikevote teller destroy; keep the record"
	}
	return "nothing"
}
