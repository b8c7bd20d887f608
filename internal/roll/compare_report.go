package roll

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// explained says of each kind of difference what it means and what to do.
var explained = map[Kind]string{
	OnlyRoll: "These would get a ballot, and the second list does not know them.\n" +
		"  Has each of them joined lately? If somebody may not vote, take them off the roll.",
	OnlySecond: "These would get no ballot. Has each of them left? If somebody may vote, add them to the roll.",
	GroupDiffers: "They would vote in the group that the roll says. A ballot in a wrong group cannot be moved later.\n" +
		"  Find out which is right.",
	CampusDiffers:   "This changes only where they count in the turnout of a campus.",
	WorksiteDiffers: "This changes only where they count in the turnout of a worksite.",
}

// WriteReport writes the comparison in plain words: the numbers by group and
// campus, then each difference.
func (d *Differences) WriteReport(w io.Writer) error {
	b := bufio.NewWriter(w)
	c := d.Counts()
	fmt.Fprintf(b, "The roll has %s, the second list %d. %d stand on both.\n", plural(c.Roll, "member"), c.Second, c.Both)
	for _, what := range d.left {
		fmt.Fprintf(b, "Not compared: %s.\n", what)
	}
	d.writeTable(b)
	if c.Total() == 0 {
		fmt.Fprint(b, "\nThe two lists agree in everything that was compared.\n")
	} else {
		fmt.Fprintf(b, "\nThere %s.\n", plural(c.Total(), "difference", "is", "are"))
	}
	for _, k := range Kinds() {
		d.writeKind(b, k)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	return nil
}

func (d *Differences) writeTable(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	// A cell that begins a line is aligned to the right too, so the names
	// stand last.
	fmt.Fprintf(t, "\nRoll\tSecond list\tDifference\t  Group and campus\n")
	line := func(c Cell, name string) {
		difference := "none"
		if c.Roll != c.Second {
			difference = fmt.Sprintf("%+d", c.Second-c.Roll)
		}
		fmt.Fprintf(t, "%d\t%d\t%s\t  %s\n", c.Roll, c.Second, difference, name)
	}
	all := Cell{}
	for _, c := range d.Table {
		all.Roll, all.Second = all.Roll+c.Roll, all.Second+c.Second
		if d.Groups || d.Campuses {
			line(c, d.label(c))
		}
	}
	line(all, "in all")
	t.Flush()
}

func (d *Differences) label(c Cell) string {
	var parts []string
	if d.Groups {
		parts = append(parts, orNone(c.Group, "no group"))
	}
	if d.Campuses {
		parts = append(parts, orNone(c.Campus, "no campus"))
	}
	return strings.Join(parts, ", ")
}

func (d *Differences) writeKind(w io.Writer, k Kind) {
	n, near := 0, 0
	for _, x := range d.List {
		if x.Kind == k {
			n++
			if x.Near != "" {
				near++
			}
		}
	}
	if n == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s: %d\n  %s\n", strings.ToUpper(string(k[:1]))+string(k[1:]), n, explained[k])
	if near > 0 {
		fmt.Fprintf(w, "  Numbers that the other list has but for zeros at the start, spaces or capital letters: %d.\n"+
			"  A spreadsheet takes such zeros away. Correct the numbers, and compare again.\n", near)
	}
	shown := 0
	for _, x := range d.List {
		if x.Kind != k {
			continue
		}
		if shown++; shown > perKind {
			fmt.Fprintf(w, "  and %d more; -csv writes all\n", n-perKind)
			return
		}
		fmt.Fprintf(w, "  %s\n", x.line())
	}
}

// line says a difference in words. Lists may hold anything: what cannot be seen
// is made visible, or it could move the cursor of a terminal.
func (d *Difference) line() string {
	s := shorten(d.Number)
	if d.Name != "" {
		s += " " + shorten(d.Name)
	}
	switch d.Kind {
	case OnlyRoll:
		s += at(d.Roll) + rowOf("roll", d.RollRow)
	case OnlySecond:
		s += at(d.Second) + rowOf("second list", d.SecondRow)
	default:
		s += fmt.Sprintf(": roll %q%s, second list %q%s", shorten(d.Roll), rowOf("", d.RollRow), shorten(d.Second), rowOf("", d.SecondRow))
	}
	if d.Near != "" {
		s += "; the other list has " + shorten(d.Near)
	}
	return s
}

func at(place string) string {
	if place == "" {
		return ""
	}
	var parts []string
	for p := range strings.SplitSeq(place, ", ") {
		parts = append(parts, shorten(p))
	}
	return ", " + strings.Join(parts, ", ")
}

func rowOf(list string, row int) string {
	if row == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", strings.TrimSpace(fmt.Sprintf("%s row %d", list, row)))
}

func orNone(s, none string) string {
	if s == "" {
		return none
	}
	return shorten(s)
}

// WriteCSV writes every difference as a table that a spreadsheet opens.
func (d *Differences) WriteCSV(w io.Writer) error {
	// The mark tells spreadsheets that the table is UTF-8.
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return fmt.Errorf("writing the differences: %w", err)
	}
	c := csv.NewWriter(w)
	c.Write([]string{"Difference", "Member number", "Name", "Roll says", "Second list says", "Roll row", "Second row", "Number on the other list"})
	for _, x := range d.List {
		c.Write([]string{string(x.Kind), safe(x.Number), safe(x.Name), safe(x.Roll), safe(x.Second),
			rowNumber(x.RollRow), rowNumber(x.SecondRow), safe(x.Near)})
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("writing the differences: %w", err)
	}
	return nil
}
