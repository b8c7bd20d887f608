package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"strikevote/internal/agenda"
	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/deployment"
)

// What an election waits for, and whom: the service knows it, and who has to ask people
// for something has to know whom.

// waitsFor returns an error that says for whom a manifest waits before it can be proposed
// or, with seal, before the election can be sealed. It returns nil for one that is sealed.
func waitsFor(v *deployment.Overview, seal bool) error {
	if v.Phase != "draft" {
		return nil
	}
	var list []string
	if len(v.Roll) == 0 {
		list = append(list, "the roll: strikevote roll import")
	}
	if !v.Declared && !v.Manifest.Demo {
		list = append(list, "the declaration of the roll: "+signaturesOf(v, agenda.PaperDeclaration, "strikevote roll reconcile puts it before the committee"))
	}
	if !ceremony.Complete(v.Ceremony.Signatures) {
		list = append(list, "the tellers' ceremony: "+tellersWithout(v, func(i int) bool { return len(v.Ceremony.Signatures[i]) > 0 }))
	} else if seal && slices.Contains(v.Ceremony.Drilled, false) {
		list = append(list, "the tellers' drill: "+tellersWithout(v, func(i int) bool { return v.Ceremony.Drilled[i] }))
	}
	if p := paperOf(v, agenda.PaperManifest); seal && (p == nil || p.State == agenda.Open) {
		list = append(list, "the manifest: "+signaturesOf(v, agenda.PaperManifest, "strikevote election propose puts it before the committee"))
	}
	if len(list) == 0 {
		return nil
	}
	return errors.New("it has to wait for\n  " + strings.Join(list, "\n  "))
}

func paperOf(v *deployment.Overview, name string) *agenda.Paper {
	for i := range v.Papers {
		if v.Papers[i].Name == name {
			return &v.Papers[i]
		}
	}
	return nil
}

// signaturesOf says how many signatures a paper lacks and who has signed it.
func signaturesOf(v *deployment.Overview, name, unproposed string) string {
	p := paperOf(v, name)
	if p == nil {
		return unproposed
	}
	missing := max(0, int(v.Manifest.Committee.Quorum)-len(p.Signed))
	return fmt.Sprintf("%s missing, signed by %s: strikevote committee sign", count(missing, "signature"), members(v, p.Signed))
}

// members names members of the committee.
func members(v *deployment.Overview, signed []int) string {
	var names []string
	for _, i := range signed {
		if i < len(v.Manifest.Committee.Members) {
			names = append(names, v.Manifest.Committee.Members[i].Name)
		}
	}
	if len(names) == 0 {
		return "nobody yet"
	}
	return strings.Join(names, ", ")
}

// tellersWithout names the tellers who have not done something, with what they have done.
func tellersWithout(v *deployment.Overview, done func(i int) bool) string {
	var list []string
	for i, name := range v.Ceremony.Names {
		if !done(i) {
			list = append(list, fmt.Sprintf("%s (%s)", name, progressOf(v.Ceremony, i)))
		}
	}
	return strings.Join(list, ", ")
}

// progressOf says how far a teller has come.
func progressOf(st *ceremony.State, i int) string {
	switch {
	case st.Drilled[i]:
		return "drilled"
	case len(st.Signatures[i]) > 0:
		return "ceremony done"
	case len(st.Messages[i]) > 0:
		return "message sent"
	case len(st.Keys[i]) > 0:
		return "key sent"
	}
	return "not begun"
}

// showPapers says who has signed what has to be signed before sealing.
func showPapers(e *env, v *deployment.Overview) {
	for _, p := range v.Papers {
		fmt.Fprintf(e.out, "signed     %s: by %s; %d have to\n", p.Name, members(v, p.Signed), v.Manifest.Committee.Quorum)
	}
}

// showWitnesses says which witnesses follow.
func showWitnesses(e *env, list []deployment.Witness) {
	for _, w := range list {
		state := "has signed both logs, and their newest state"
		switch {
		case !w.Begun:
			state = "has not signed the beginning of both logs"
		case !w.Follows:
			state = "follows both logs, and has not signed their newest state yet"
		}
		fmt.Fprintf(e.out, "witness    %s %s\n", w.Name, state)
	}
}

// begun counts the witnesses who have signed the beginning of both logs.
func begun(list []deployment.Witness) int {
	n := 0
	for _, w := range list {
		if w.Begun {
			n++
		}
	}
	return n
}

// actName names an act. One that was taken back or refused leaves its number to the next
// one: of several with one number it says which.
func actName(all []committee.ProposedAct, a committee.ProposedAct) string {
	several := slices.ContainsFunc(all, func(b committee.ProposedAct) bool { return b.Sequence == a.Sequence && b.Attempt != a.Attempt })
	switch {
	case !several:
		return fmt.Sprintf("act %d", a.Sequence)
	case a.Attempt == 0:
		return fmt.Sprintf("act %d (that was applied)", a.Sequence)
	}
	return fmt.Sprintf("act %d (proposal %d with this number)", a.Sequence, a.Attempt)
}
