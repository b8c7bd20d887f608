package deployment

import (
	"strings"

	"strikevote/internal/pages"
	"strikevote/internal/protocol/election"
)

// A Caution is something with which members do not get what a real vote has to give them.
// None of it is refused: people try things out. Who was not told would seal a vote like
// that, and what is sealed cannot be changed.
type Caution struct{ Check, Says, Do string }

// Cautions are those of an election, or of a deployment, that has these addresses.
// carried says whether the settings name who sends the mails.
func (d *Deployment) Cautions(o election.Origins, carried bool) ([]Caution, error) {
	var list []Caution
	var here []string
	for _, x := range byName(&o) {
		if election.OnlyThere(*x.origin) {
			here = append(here, *x.origin)
		}
	}
	if len(here) > 0 {
		list = append(list, Caution{"addresses", "only this computer itself reaches " + strings.Join(here, ", ") + ": nobody votes from another one",
			"before election new, set STRIKEVOTE_ORIGIN_BOOTH and the other four to addresses that members reach: they stand in the manifest"})
	}
	if d.names() && !carried {
		all, err := d.readServings()
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			carried = carried || s.Carried
		}
		if !carried {
			list = append(list, Caution{"mail", "no sender of mails is set: they stay in a folder of this computer, and no member gets one",
				"set STRIKEVOTE_MAIL_SENDERS, see Mail in deploy/README.md, and run strikevote doctor mail"})
		}
	}
	if d.runs(PartBoard) && !pages.CheckBuilt() {
		list = append(list, Caution{"check in the browser", "this program was built without it: the page on which everybody can check the result offers the command only",
			"build it with make audit before, as README.md says, for serve too"})
	}
	return list, nil
}

// cautions are what the doctor says of this.
func (x *examination) cautions(o election.Origins) error {
	list, err := x.d.Cautions(o, x.Carried)
	for _, c := range list {
		x.warn(c.Check, c.Do, "%s", c.Says)
	}
	return err
}
