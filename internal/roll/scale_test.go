package roll_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/roll"
)

// A plant is one fault put into a good roll.
type plant struct {
	column  string // which cell to write
	value   any    // a text; or, in workbooks only, a raw cell
	problem string // of the fault expected
	warning bool
	see     int  // the row it collides with, counted from its own
	whole   bool // the fault is the row's, not a cell's
}

const (
	tooWide    = "The row has more cells than the file has columns."
	hiddenRow  = "The row is hidden in the spreadsheet."
	mergedRows = "Cells are merged, so that only one of them has a value."
	badQuote   = "A quotation mark is in the wrong place, so the row cannot be read."
	badAddress = "This is not an email address."
	formula    = "The cell holds a formula, not a text."
	hidden     = "The cell holds a character that cannot be seen or was garbled."
	rounded    = "The spreadsheet turned the member number into a rounded number."
)

// plants returns every kind of fault that a row can have.
func plants(workbook bool) []plant {
	list := []plant{
		{column: "E-mail", value: "maria.example.org", problem: badAddress},
		{column: "E-mail", value: "a@example.org; b@example.org", problem: badAddress},
		{column: "E-mail", value: "Maria <m@example.org>", problem: badAddress},
		{column: "E-mail", value: "maria@localhost", problem: badAddress},
		{column: "E-mail", value: "", problem: "The email address is missing.", warning: true},
		{column: "E-mail", value: "nurse%d@med.hospital.edu", problem: "The address belongs to the employer.", warning: true},
		{column: "E-mail", value: "m%d@EXAMPLE.org", problem: "The email address stands in two rows.", see: -1},
		{column: "Employee ID", value: "%07d", problem: "The member number stands in two rows.", see: -2},
		{column: "Employee ID", value: "00%07d", problem: "The member number is that of another row but for zeros at its start.", see: -3},
		{column: "Employee ID", value: "", problem: "The member number is missing."},
		{column: "Employee ID", value: "1.2E+05", problem: rounded},
		{column: "Employee ID", value: "%d.0", problem: rounded},
		{column: "Employee ID", value: "%d", problem: "The member number seems to have lost zeros at its start."},
		{column: "Bargaining-Unit", value: "NX", problem: "This group does not exist in this vote."},
		{column: "Bargaining-Unit", value: " ", problem: "The group is missing."},
		{column: "Full Name", value: "=HYPERLINK(\"http://x.example\")", problem: formula},
		{column: "Full Name", value: "@SUM(A1)", problem: formula},
		{column: "Full Name", value: "-2+3+cmd|' /C calc'!A0", problem: formula},
		{column: "Full Name", value: "+A1", problem: formula},
		{column: "Full Name", value: "", problem: "The name is missing."},
		{column: "Full Name", value: "Ma\u200bria", problem: hidden},
		{column: "Full Name", value: "Ma\u202eria", problem: hidden},
		{column: "Full Name", value: strings.Repeat("long ", 60), problem: "The text is too long."},
		{column: "Full Name", value: "JosÃ© GarcÃ\u00ada", problem: hidden},
		{column: "Full Name", value: "JosÃ© Nu√", problem: "Letters with accents were garbled by an earlier export."},
		{column: "Location", value: "#N/A", problem: "The cell holds a spreadsheet's error, not a text."},
		{column: "LANG.", value: "Klingon", problem: "This vote has no mails in this language.", warning: true},
		{column: "Answer", value: "", problem: "The answer to the extra question is missing."},
		{problem: tooWide, whole: true},
	}
	if !workbook {
		return append(list, plant{column: "Full Name", value: "Mar\x07ia", problem: hidden},
			plant{column: "Full Name", value: "QUOTE", problem: badQuote, whole: true})
	}
	return append(list,
		plant{column: "Employee ID", value: raw(`><v>%d</v>`), problem: "The member number is stored as a number, not as a text."},
		plant{column: "Employee ID", value: raw(` t="n"><v>1.2345678901234E+16</v>`), problem: "The member number is stored as a number, not as a text."},
		plant{column: "Employee ID", value: raw(` s="1"><v>45678</v>`), problem: "The cell holds a date, not a text."},
		plant{column: "Answer", value: raw(` s="3"><v>1980</v>`), problem: "The answer to the extra question is stored as a number, not as a text."},
		plant{column: "Full Name", value: raw(` t="str"><f>A2&amp;B2</f><v>Ann Lee</v>`), problem: "The cell is computed by a formula."},
		plant{column: "Full Name", value: raw(`><f>A2&amp;B2</f>`), problem: "The cell is computed by a formula."},
		plant{column: "Bargaining-Unit", value: raw(` s="2"><v>2.5</v>`), problem: "The cell holds a date, not a text."},
		plant{column: "Location", value: raw(` t="d"><v>2026-01-02</v>`), problem: "The cell holds a date, not a text."},
		plant{column: "Location", value: raw(` t="b"><v>1</v>`), problem: "The cell holds TRUE or FALSE, not a text."},
		plant{column: "Location", value: raw(` t="e"><v>#SPILL!</v>`), problem: "The cell holds a spreadsheet's error, not a text."},
		plant{problem: hiddenRow, whole: true, warning: true},
		plant{column: "Bargaining-Unit", problem: mergedRows},
	)
}

// write writes a plant into the data row of a table that is given as a sheet.
func (p plant) write(s *tab, row int) {
	cells := &s.rows[row]
	at := slices.IndexFunc(s.rows[0], func(h any) bool { return strings.TrimSpace(h.(string)) == p.column })
	switch v := p.value.(type) {
	case string:
		if strings.Contains(v, "%") {
			n := row + p.see
			if p.column == "E-mail" {
				n--
			}
			v = fmt.Sprintf(v, n)
		}
		(*cells)[at] = v
	case raw:
		if strings.Contains(string(v), "%d") {
			v = raw(fmt.Sprintf(string(v), row))
		}
		(*cells)[at] = v
	}
	switch p.problem {
	case tooWide:
		*cells = append(*cells, "one more")
	case hiddenRow:
		s.attrs[row+1] = ` hidden="1"`
	case mergedRows:
		s.rows[row+1][at] = ""
		s.tail += fmt.Sprintf(`<mergeCell ref="%c%d:%c%d"/>`, 'A'+at, row+1, 'A'+at, row+2)
	}
}

// planted makes a roll with 200 faults in it, and says where they are.
func planted(workbook bool) (*tab, map[int]plant) {
	t := messy(22_000)
	t.header = append(t.header, "Answer")
	for i := range t.rows {
		t.rows[i] = append(t.rows[i], "1980")
	}
	s := &tab{name: "Members", rows: t.sheet(), attrs: map[int]string{}}
	kinds := plants(workbook)
	where := map[int]plant{}
	for i := range 200 {
		row := 109*(i+1) + i%2
		if row%7 == 1 { // messy has a line break in this row
			row++
		}
		where[row] = kinds[i%len(kinds)]
		where[row].write(s, row)
	}
	s.tail = `<mergeCells>` + s.tail + `</mergeCells>`
	return s, where
}

var scaleOptions = roll.Options{Groups: groups, Languages: []string{"en", "es"}, EmployerDomains: []string{"hospital.edu"}, NeedFactor: true}

// file returns the planted roll as a file.
func (s *tab) file(t testing.TB, workbook bool) []byte {
	t.Helper()
	if workbook {
		return pack(t, parts(tab{name: "About", rows: [][]any{{"Exported on Monday"}}}, *s))
	}
	lines := &table{}
	for _, row := range s.rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = c.(string)
		}
		lines.rows = append(lines.rows, cells)
	}
	lines.header, lines.rows = lines.rows[0], lines.rows[1:]
	return []byte(strings.ReplaceAll(lines.text(';'), "QUOTE", "Mari\"a"))
}

// TestScale reads rolls of 22,000 members with 200 faults in them. Every one
// must be named, and nothing else, in a process of its own that may take 200 MB
// of memory.
func TestScale(t *testing.T) {
	t.Parallel()
	const limit = 200 << 20
	how, name, child := strings.Cut(os.Getenv("ROLL_TEST_SCALE"), ":")
	if child {
		if how == "control" {
			hog = make([]byte, limit)
		} else {
			checkScale(t, name, how == "xlsx")
		}
		s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}} // it never shrinks
		metrics.Read(s)
		if n := s[0].Value.Uint64(); n > limit {
			t.Fatalf("it took %d MB", n>>20)
		}
		return
	}
	for _, how := range []string{"csv", "xlsx", "control"} {
		name := filepath.Join(t.TempDir(), "roll")
		if how != "control" {
			s, _ := planted(how == "xlsx")
			if err := os.WriteFile(name, s.file(t, how == "xlsx"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestScale$")
		c.Env = append(os.Environ(), "ROLL_TEST_SCALE="+how+":"+name)
		if out, err := c.CombinedOutput(); (err == nil) != (how != "control") {
			t.Errorf("%s: got %v\n%s", how, err, out)
		}
	}
}

var hog []byte // so that the compiler keeps it

func checkScale(t *testing.T, name string, workbook bool) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f := read(t, data, scaleOptions)
	s, where := planted(workbook)
	if f.OK() || f.Rows != 22_000 {
		t.Errorf("%d rows, OK %v", f.Rows, f.OK())
	}
	lines := strings.Split(string(data), "\n")
	seen := map[int]bool{}
	for _, x := range f.Faults {
		if x.Line == 0 && workbook && x.Warning && x.Value == `"About"` && !seen[0] {
			seen[0] = true
			continue
		}
		p, ok := where[x.Row]
		if !ok || seen[x.Row] {
			t.Errorf("a fault that nobody planted: %+v", x)
			continue
		}
		seen[x.Row] = true
		p.check(t, x)
		if workbook && x.Line != x.Row+1 || !workbook && x.Value != "" && x.Problem != tooWide && !strings.Contains(x.Value, "<U+") &&
			!strings.Contains(lines[x.Line-1], strings.TrimSuffix(strings.ReplaceAll(x.Value, `"`, `""`), "…")) {
			t.Errorf("row %d does not stand in line %d", x.Row, x.Line)
		}
	}
	for row, p := range where {
		if !seen[row] {
			t.Errorf("row %d: nobody noticed %q, %s", row, p.value, p.problem)
		}
	}
	if workbook && (!seen[0] || f.Separator != s.name) {
		t.Errorf("read the sheet %q, warned of others %v", f.Separator, seen[0])
	}
	if _, warnings := f.Count(); len(where) != 200 || warnings == 0 {
		t.Errorf("%d planted, %d warnings", len(where), warnings)
	}
}

// check compares a fault with what was planted.
func (p plant) check(t *testing.T, x roll.Fault) {
	t.Helper()
	see := 0
	if p.see != 0 {
		see = x.Row + p.see
	}
	if x.Problem != p.problem || x.Column != p.column && !p.whole || x.Warning != p.warning || x.See != see || x.Remedy == "" {
		t.Errorf("row %d: got %+v, want %+v", x.Row, x, p)
	}
	if v := fmt.Sprint(p.value); p.value != nil && v != "" && v != " " && !p.whole && x.Value == "" && !strings.HasSuffix(v, "</f>") {
		t.Errorf("row %d: the value is not shown", x.Row)
	}
}

func BenchmarkScale(b *testing.B) {
	for _, how := range []string{"csv", "xlsx"} {
		b.Run(how, func(b *testing.B) {
			s, _ := planted(how == "xlsx")
			data := s.file(b, how == "xlsx")
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				read(b, data, scaleOptions)
			}
		})
	}
}
