package roll

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// perKind is how many faults of a kind the report spells out.
const perKind = 50

func (r *reader) sortFaults() {
	slices.SortStableFunc(r.file.Faults, func(a, b Fault) int { return cmp.Compare(a.Row, b.Row) })
}

// WriteReport writes what was found, in plain words, faults before warnings,
// grouped by kind.
func (f *File) WriteReport(w io.Writer) error {
	b := bufio.NewWriter(w)
	faults, warnings := f.Count()
	how := "cells separated by " + f.Separator
	if f.Encoding == xlsx {
		how = "from the sheet " + strconv.Quote(f.Separator)
	}
	fmt.Fprintf(b, "%s, read as %s, %s.\n", plural(f.Rows, "row"), f.Encoding, how)
	f.writeColumns(b)
	switch {
	case faults > 0:
		fmt.Fprintf(b, "\nNothing was %s. There %s to correct", f.used(), plural(faults, "problem", "is", "are"))
	case f.list:
		fmt.Fprintf(b, "\nThe list can be compared with the roll")
	default:
		fmt.Fprintf(b, "\nThe roll can be imported")
	}
	switch {
	case faults > 0 && warnings > 0:
		fmt.Fprintf(b, ", and %s to look at", plural(warnings, "warning"))
	case warnings > 0:
		fmt.Fprintf(b, "; there %s to look at", plural(warnings, "warning", "is", "are"))
	case faults == 0 && !f.list:
		fmt.Fprint(b, ". Every row is complete")
	}
	fmt.Fprint(b, ".\n")
	if f.Rewritten > 0 {
		fmt.Fprintf(b, "\nAddresses with letters outside a-z after the @: %d. Such a one is kept as mail services write it,\n"+
			"münchen.example as xn--mnchen-3ya.example. The member is found under both.\n", f.Rewritten)
	}
	for _, kind := range f.kinds() {
		writeKind(b, kind)
	}
	return b.Flush()
}

func (f *File) used() string {
	if f.list {
		return "compared"
	}
	return "imported"
}

func (f *File) writeColumns(w io.Writer) {
	var unread []string
	for _, c := range f.Columns {
		if c.Field == "" {
			unread = append(unread, strconv.Quote(c.Header))
		} else {
			fmt.Fprintf(w, "  %-16s from column %q\n", c.Field, c.Header)
		}
	}
	if len(unread) > 0 {
		fmt.Fprintf(w, "  not read: %s\n", strings.Join(unread, ", "))
	}
}

// kinds returns the faults by kind: faults first, then warnings, each in order
// of the first of its kind.
func (f *File) kinds() [][]Fault {
	type kind struct {
		problem string
		warning bool
	}
	at := map[kind]int{}
	var kinds [][]Fault
	for _, x := range f.Faults {
		k := kind{x.Problem, x.Warning}
		i, ok := at[k]
		if !ok {
			i = len(kinds)
			at[k] = i
			kinds = append(kinds, nil)
		}
		kinds[i] = append(kinds[i], x)
	}
	slices.SortStableFunc(kinds, func(a, b []Fault) int {
		return cmp.Compare(boolInt(a[0].Warning), boolInt(b[0].Warning))
	})
	return kinds
}

func writeKind(w io.Writer, kind []Fault) {
	label := "Problem"
	if kind[0].Warning {
		label = "Warning"
	}
	fmt.Fprintf(w, "\n%s: %s (%s)\n  What to do: %s\n", label, kind[0].Problem, plural(len(kind), "time"), kind[0].Remedy)
	shown := 0
	for i, same := range alike(kind) {
		if i == perKind {
			fmt.Fprintf(w, "  and %d more; the full list is in the table of problems\n", len(kind)-shown)
			break
		}
		shown += len(same)
		fmt.Fprintf(w, "  %s\n", same[0].where())
		if len(same) == 1 {
			continue
		}
		for _, x := range same[1:perValue] {
			fmt.Fprintf(w, "  %s\n", x.where())
		}
		fmt.Fprintf(w, "  and %s with the same\n", plural(len(same)-perValue, "more row"))
	}
}

// perValue is how many rows are named of those in which one value has one warning.
const perValue = 3

// alike puts together the warnings of a kind that say the same of the same value, where
// they are more than a few. Which rows have it says no more than how many; a cell that
// is empty, as a missing address, is another thing in each row, and so is every fault.
func alike(kind []Fault) [][]Fault {
	type cell struct{ column, value string }
	rows := make(map[cell][]Fault)
	for _, x := range kind {
		rows[cell{x.Column, x.Value}] = append(rows[cell{x.Column, x.Value}], x)
	}
	var list [][]Fault
	for _, x := range kind {
		at := cell{x.Column, x.Value}
		same := rows[at]
		switch {
		case !x.Warning || x.Value == "" || x.See != 0 || len(same) <= perValue+1:
			list = append(list, []Fault{x})
		case same[0] == x:
			list = append(list, same)
		}
	}
	return list
}

// where says where a fault is, in words.
func (x Fault) where() string {
	s := fmt.Sprintf("row %d (line %d)", x.Row, x.Line)
	switch {
	case x.Line == 0:
		s = "the whole file"
	case x.Row == 0:
		s = "first line"
	}
	if x.Column != "" {
		s += fmt.Sprintf(", column %q", x.Column)
	}
	if x.Value != "" {
		s += ": " + x.Value
	}
	if x.See != 0 {
		s += fmt.Sprintf(" (see row %d)", x.See)
	}
	return s
}

// WriteFaultsCSV writes every fault as a table that a spreadsheet opens.
func (f *File) WriteFaultsCSV(w io.Writer) error {
	// The mark tells spreadsheets that the table is UTF-8.
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return fmt.Errorf("writing the table of problems: %w", err)
	}
	c := csv.NewWriter(w)
	c.Write([]string{"Kind", "Row", "Line", "Column", "Value", "See row", "Problem", "What to do"})
	for _, x := range f.Faults {
		kind := "problem"
		if x.Warning {
			kind = "warning"
		}
		c.Write([]string{kind, rowNumber(x.Row), rowNumber(x.Line), safe(x.Column), safe(x.Value), rowNumber(x.See), x.Problem, safe(x.Remedy)})
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("writing the table of problems: %w", err)
	}
	return nil
}

// safe keeps a spreadsheet from running a cell that came from an upload.
func safe(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}

func rowNumber(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// plural writes "1 row", "2 rows", or with a verb "is 1 row", "are 2 rows".
func plural(n int, noun string, verbs ...string) string {
	s := strconv.Itoa(n) + " " + noun
	if n != 1 {
		s += "s"
	}
	if len(verbs) == 2 {
		if n == 1 {
			return verbs[0] + " " + s
		}
		return verbs[1] + " " + s
	}
	return s
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
