package main

import (
	"fmt"
	"strings"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election"
)

// untold says of an earlier close that members hold mails with a later one, who would
// come too late by them, and what can be done. Only mails are counted whose number says
// nothing of who has voted.
func untold(v *deployment.Overview, to int64, now time.Time) string {
	left := 0
	for _, m := range v.Mails {
		if mailer.Neutral(m.Kind) && m.Kind != mailer.Result && m.Left() {
			left += m.Count
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CAREFUL: no member is told of this by mail, and whoever comes later cannot vote.\n"+
		"Mails that have left with the time before, %s, or an older one: %d; printed slips say it too. The pages say the new one once two have signed.\n", momentAt(v.Close, v.Zone), left)
	switch {
	case v.Phase == election.PhaseSealed:
		b.WriteString("The invitations, which leave at the opening, say the new one.")
	case now.Unix() < to-mailer.LastHour:
		fmt.Fprintf(&b, "Once it is in force, and until an hour before the new close, remind those to whom no ballot was issued:\n"+
			"strikevote mail send -by YOU closing. Whoever was reminded shortly before gets none: tell everybody by other ways too.")
	default:
		b.WriteString("In the last hour before the close no reminder leaves, so none would: name a later moment, or be sure to reach everybody by other ways.")
	}
	return b.String()
}
