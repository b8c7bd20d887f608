package main

import (
	"fmt"
	"strings"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election"
)

// untold says of an earlier close that members hold mails with a later one, who would
// come too late by them, and what can be done. Only mails are counted whose number says
// nothing of who has voted.
func untold(v *deployment.Overview) string {
	left := 0
	for _, m := range v.Mails {
		if mailer.Neutral(m.Kind) && m.Kind != mailer.Result && m.Left() {
			left += m.Count
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CAREFUL: no member is told of this by mail before you send one, and whoever comes later cannot vote.\n"+
		"Mails that have left with the time before, %s, or an older one: %d; printed slips say it too. The pages say the new one once two have signed.\n", momentAt(v.Close, v.Zone), left)
	if v.Phase == election.PhaseSealed {
		b.WriteString("The invitations, which leave at the opening, say the new one.")
	} else {
		b.WriteString("Once it is in force, and until the new close, tell those to whom no ballot was issued:\n" +
			"strikevote mail send -by YOU moved. Not everybody reads a mail in time: tell everybody by other ways too.")
	}
	return b.String()
}
