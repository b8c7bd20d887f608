package deployment

import (
	"fmt"
	"slices"
	"strings"
)

// A Part is one of the five parts of the service. All of them run in one process
// unless it is told otherwise; apart, each has a host, keys and rights of its own.
type Part string

// The parts.
const (
	PartRegistrar Part = "registrar" // names and links; the eligibility ledger; mail
	PartBox       Part = "box"       // sealed ballots; the ballot log
	PartBoard     Part = "board"     // the public record
	PartBooth     Part = "booth"     // the voter's pages
	PartConsole   Part = "console"   // tellers and committee
)

// Parts lists all parts.
func Parts() []Part { return []Part{PartBooth, PartRegistrar, PartBox, PartBoard, PartConsole} }

// ParseParts reads a list such as "box,board". Nothing means all parts.
func ParseParts(s string) ([]Part, error) {
	if strings.TrimSpace(s) == "" {
		return Parts(), nil
	}
	var list []Part
	for name := range strings.SplitSeq(s, ",") {
		p := Part(strings.TrimSpace(name))
		if !slices.Contains(Parts(), p) {
			return nil, fmt.Errorf("there is no part %q; the parts are registrar, box, board, booth and console", name)
		}
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list, nil
}

func (d *Deployment) runs(p Part) bool { return slices.Contains(d.c.Parts, p) }

// names reports whether this process has the registrar's database: it then knows
// who may vote.
func (d *Deployment) names() bool { return d.runs(PartRegistrar) || d.runs(PartConsole) }

// votes reports whether this process has the box's database.
func (d *Deployment) votes() bool { return d.runs(PartBox) }

// listenerNames returns the names of this process's listeners. The two halves of the record
// have one of their own where the board that shows them is another process.
func (d *Deployment) listenerNames() []string {
	var list []string
	for _, p := range Parts() {
		if d.runs(p) {
			list = append(list, string(p))
		}
	}
	if d.runs(PartRegistrar) && (!d.runs(PartBoard) || d.c.Listen[listenLedger] != "") {
		list = append(list, listenLedger)
	}
	if d.runs(PartBox) && (!d.runs(PartBoard) || d.c.Listen[listenBallots] != "") {
		list = append(list, listenBallots)
	}
	return append(list, listenAdmin)
}
