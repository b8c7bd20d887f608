package roll

// A kind is what a cell of a workbook holds. Every cell of a text table is a
// plain text.
type kind uint8

const (
	plain     kind = iota
	numeric        // a number: zeros at its start are gone, and digits after the fifteenth
	dated          // a number that is shown as a date
	truth          // TRUE or FALSE
	errored        // #N/A and the like
	computed       // a formula; the value beside it may be stale
	covered        // under a merged cell, which has a fault of its own
	hiddenRow      // no cell: the row is hidden
)

// kindFaults are the kinds that no column may have.
var kindFaults = map[kind]Fault{
	dated: {Problem: "The cell holds a date, not a text.",
		Remedy: "The spreadsheet took the text for a date. Format the column as text, then type the value again."},
	truth: {Problem: "The cell holds TRUE or FALSE, not a text.",
		Remedy: "Format the column as text, then type the value again."},
	errored: {Problem: "The cell holds a spreadsheet's error, not a text.", Remedy: "Type the value."},
	computed: {Problem: "The cell is computed by a formula.",
		Remedy: "Its value may be old or come from another file. Copy the column, paste it in place as values only, and save again."},
}

// exactFaults are for columns in which a number cannot stand in for a text.
var exactFaults = map[field]Fault{
	number: {Problem: "The member number is stored as a number, not as a text.",
		Remedy: "A number loses the zeros at its start and is rounded after 15 digits. " +
			"Format the column as text, then enter the numbers again from their source."},
	factor: {Problem: "The answer to the extra question is stored as a number, not as a text.",
		Remedy: "A number loses the zeros at its start. Format the column as text, then enter the answers again from their source."},
}

// kind adds a fault if a cell is of a kind that its column may not have, and
// reports whether its value is of no use.
func (c *checker) kind(f field, s string, k kind) bool {
	if k == plain {
		return false
	}
	if k == covered {
		c.bad[f], c.any = true, true
		return true
	}
	x, bad := kindFaults[k]
	if k == numeric {
		x, bad = exactFaults[f]
	}
	if bad {
		c.fault(f, s, x.Problem, x.Remedy)
	}
	return bad
}
