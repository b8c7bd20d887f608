package roll_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"strikevote/internal/roll"
)

// faults returns what is wrong with a file, in short.
func faults(f *roll.File) []string {
	var list []string
	for _, x := range f.Faults {
		w := ""
		if x.Warning {
			w = "w"
		}
		list = append(list, fmt.Sprintf("%d%s %s %s: %s", x.Row, w, x.Column, x.Value, x.Problem))
	}
	return list
}

// writtenByLibrary returns a workbook with everything wrong with it, as a
// program of today writes it.
func writtenByLibrary(t *testing.T) []byte {
	t.Helper()
	book := excelize.NewFile()
	defer book.Close()
	const s = "Sheet1"
	date, err := book.NewStyle(&excelize.Style{NumFmt: 14})
	if err != nil {
		t.Fatal(err)
	}
	format := "d. mmm"
	custom, err := book.NewStyle(&excelize.Style{CustomNumFmt: &format})
	if err != nil {
		t.Fatal(err)
	}
	set := func(cell string, v any) {
		if err := book.SetCellValue(s, cell, v); err != nil {
			t.Fatal(err)
		}
	}
	// The header stands in line 3. Nobody reads the column Hired.
	for i, row := range [][]any{
		{"Member No", "Name", "E-mail", "Unit", "Campus", "Hired", "Factor"},
		{"0001", "Ann", "a@x.org", "HX", "Davis", time.Date(2019, 1, 2, 0, 0, 0, 0, time.UTC), "blue"},
		{2, "Ben", "b@x.org", "HX", "Davis", 2019, "blue"},
		{"0003", "Cleo", "c@x.org", "HX", 3, true, 1980},
		{"0004", "Dov", "d@x.org", "HX", 45000, "", "blue"},
		{"0005", "Eve", "e@x.org", "HX", 45000, "", "blue"},
		{"0006", nil, "f@x.org", "HX", true, "", "blue"},
		{"0007", "Gil", "", "HX", "Davis", "", "blue"},
		{"0008", "Hal", "h@x.org", "HX", "", "", "blue"},
		{"0009", "Ida", "i@x.org", "HX", "Davis", "", "blue"},
	} {
		for j, v := range row {
			set(fmt.Sprintf("%c%d", 'A'+j, i+3), v)
		}
	}
	err = errors.Join(
		book.SetCellStyle(s, "E7", "E7", date), book.SetCellStyle(s, "E8", "E8", custom),
		book.SetCellFormula(s, "B9", `A9&"x"`), book.MergeCell(s, "E10", "E11"), book.MergeCell(s, "F10", "F12"), book.MergeCell(s, "A1", "F1"),
		book.SetRowVisible(s, 12, false), book.SetCellRichText(s, "B4", []excelize.RichTextRun{{Text: "Ann "}, {Text: "Lee", Font: &excelize.Font{Bold: true}}}),
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := book.NewSheet("Old <list>"); err != nil {
		t.Fatal(err)
	}
	if err := book.SetCellStr("Old <list>", "C7", "x"); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := book.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWrittenByLibrary demands that all of it is named, and nothing else.
func TestWrittenByLibrary(t *testing.T) {
	t.Parallel()
	f := read(t, writtenByLibrary(t), roll.Options{})
	want := []string{
		`0w  "Old <list>": The workbook has data on other sheets too, which were not read.`,
		"2 Member No 2: The member number is stored as a number, not as a text.",
		"3 Factor 1980: The answer to the extra question is stored as a number, not as a text.",
		"4 Campus 45000: The cell holds a date, not a text.",
		"5 Campus 45000: The cell holds a date, not a text.",
		"6 Name : The cell is computed by a formula.",
		"6 Campus 1: The cell holds TRUE or FALSE, not a text.",
		"7 Campus E10:E11: Cells are merged, so that only one of them has a value.",
		"7w E-mail : The email address is missing.",
		"9w  : The row is hidden in the spreadsheet.",
	}
	if got := faults(f); !slices.Equal(got, want) {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
	if f.Encoding != "XLSX" || f.Separator != "Sheet1" || f.Rows != 9 || f.Faults[1].Line != 5 {
		t.Errorf("%s, %s, %d rows, line %d", f.Encoding, f.Separator, f.Rows, f.Faults[1].Line)
	}
	var report bytes.Buffer
	if err := f.WriteReport(&report); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"9 rows, read as XLSX, from the sheet \"Sheet1\".\n", "What to do: Only the sheet \"Sheet1\" was read.",
		"the whole file: \"Old <list>\"\n", "row 2 (line 5), column \"Member No\": 2\n",
	} {
		if !strings.Contains(report.String(), line) {
			t.Errorf("the report lacks %q:\n%s", line, report.String())
		}
	}
}

// TestSheets says which of several sheets is read.
func TestSheets(t *testing.T) {
	t.Parallel()
	other := [][]any{{"001", "Ann"}, {"002", "Ben"}}
	for _, tt := range []struct {
		name   string
		tabs   []tab
		want   string
		others string
	}{
		{"one", []tab{{name: "A", rows: small}}, "A", ""},
		{"empty ones do not count", []tab{{name: "A"}, {name: "B", rows: small}, {name: "C", rows: [][]any{{"", ""}}}}, "B", ""},
		{"the first that names columns", []tab{{name: "A", rows: other}, {name: "B", rows: small}, {name: "C", rows: small}}, "B", `"A", "C"`},
		{"a hidden one comes last", []tab{{name: "A", rows: small, state: "hidden"}, {name: "B", rows: small}}, "B", `"A"`},
		{"unless it alone names columns", []tab{{name: "A", rows: other}, {name: "B", rows: small, state: "veryHidden"}}, "B", `"A"`},
		{"many", append(make([]tab, 0, 9), tab{name: "A", rows: small}, tab{name: "B", rows: other}, tab{name: "C", rows: other}, tab{name: "D", rows: other},
			tab{name: "E", rows: other}, tab{name: "F", rows: other}, tab{name: "G", rows: other}), "A", `"B", "C", "D", "E", "F", and 1 more`},
	} {
		f := read(t, pack(t, parts(tt.tabs...)), roll.Options{})
		if f.Separator != tt.want || !f.OK() {
			t.Errorf("%s: read %q, OK %v", tt.name, f.Separator, f.OK())
		}
		got := ""
		for _, x := range f.Faults {
			got += x.Value
		}
		if got != tt.others {
			t.Errorf("%s: got %s", tt.name, got)
		}
	}
}

// TestWorkbookCells reads cells that programs write in their own ways.
func TestWorkbookCells(t *testing.T) {
	t.Parallel()
	head := []any{"Number", "Name", "E-mail", "Unit", "Notes"}
	for _, tt := range []struct {
		name string
		row  []any
		tail string
		want []string // nil: a good member Ann Lee, 001, HX
	}{
		{"plain", []any{"001", "Ann Lee", "a@x.org", "HX"}, "", nil},
		{"inline", []any{raw(` t="inlineStr"><is><t>001</t></is>`), raw(` t="inlineStr"><is><r><rPr><b/></rPr><t>Ann </t></r><r><t>Lee</t></r></is>`), "a@x.org", "HX"}, "", nil},
		{"phonetic", []any{"001", raw(` t="inlineStr"><is><t>Ann Lee</t><rPh sb="0" eb="1"><t>x</t></rPh></is>`), "a@x.org", "HX"}, "", nil},
		{"a text of a formula's type", []any{raw(` t="str"><v>001</v>`), "Ann Lee", "a@x.org", "HX"}, "", nil},
		{"blanks around", []any{" 001\n", "Ann Lee \n", "\ta@x.org", " hx"}, "", nil},
		{"a name in two lines", []any{"001", "Ann\nLee", "a@x.org", "HX"}, "", []string{"1w Name Ann<U+000A>Lee: The name stands in more than one line."}},
		{"anything in a column nobody reads", []any{"001", "Ann Lee", "a@x.org", "HX", raw(` t="e"><f>1/0</f><v>#DIV/0!</v>`)}, "", nil},
		{"merged where nobody reads", []any{"001", "Ann Lee", "a@x.org", "HX"}, `<mergeCells><mergeCell ref="E1:E2"/></mergeCells>`, nil},
		{"merged below the data", []any{"001", "Ann Lee", "a@x.org", "HX"}, `<mergeCells><mergeCell ref="A3:B9"/></mergeCells>`, nil},
		{"merged with itself", []any{"001", "Ann Lee", "a@x.org", "HX"}, `<mergeCells><mergeCell ref="A2"/></mergeCells>`, nil},
		{"merged in the first line", []any{"001", "Ann Lee", "a@x.org", "HX"}, `<mergeCells><mergeCell ref="D1:E1"/></mergeCells>`,
			[]string{"0 Unit D1:E1: Cells are merged, so that only one of them has a value."}},
		{"merged across", []any{"001", "Ann Lee", "", "HX"}, `<mergeCells><mergeCell ref="B2:C2"/></mergeCells>`,
			[]string{"1 Name B2:C2: Cells are merged, so that only one of them has a value."}},
		{"an array of formulas", []any{raw(` t="str"><f t="array" ref="A2:B2">X</f><v>001</v>`), "Ann Lee", "a@x.org", "HX"}, "",
			[]string{"1 Number 001: The cell is computed by a formula.", "1 Name Ann Lee: The cell is computed by a formula."}},
		{"a number that looks like a text", []any{raw(` s="3"><v>001</v>`), "Ann Lee", "a@x.org", "HX"}, "",
			[]string{"1 Number 001: The member number is stored as a number, not as a text."}},
		{"a stray cell", []any{"001", "Ann Lee", "a@x.org", "HX", "", "x"}, "",
			[]string{"1  6 cells, 5 columns: The row has more cells than the file has columns."}},
		{"a formula typed as a text", []any{"001", "=1+1", "a@x.org", "HX"}, "",
			[]string{"1 Name =1+1: The cell holds a formula, not a text."}},
	} {
		f := read(t, pack(t, parts(tab{name: "M", rows: [][]any{head, tt.row}, tail: tt.tail})), roll.Options{Groups: groups})
		if got := faults(f); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q", tt.name, got)
		}
		if tt.want == nil && (!f.OK() || f.Members[0] != roll.Member{Row: 1, Line: 2, Number: "001", Name: "Ann Lee", Email: "a@x.org", Group: "HX"}) {
			t.Errorf("%s: not the member that was meant", tt.name)
		}
	}
}

// TestPrefixed reads a workbook whose XML has a prefix at every element, and
// sheets that leave out where rows and cells stand.
func TestPrefixed(t *testing.T) {
	t.Parallel()
	p := parts(tab{name: "M", rows: small})
	want := read(t, pack(t, p), roll.Options{}).Members
	for _, part := range []string{sheetPart, stringsPart} {
		p[part] = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(p[part], "<", "<x:"), "<x:/", "</x:"), "xmlns=", "xmlns:x=")
	}
	for i := range small {
		for j := range small[0] {
			p[sheetPart] = strings.Replace(p[sheetPart], fmt.Sprintf(` r="%c%d"`, 'A'+j, i+1), "", 1)
		}
		p[sheetPart] = strings.Replace(p[sheetPart], fmt.Sprintf(` r="%d"`, i+1), "", 1)
	}
	if got := read(t, pack(t, p), roll.Options{}).Members; !slices.Equal(got, want) || len(got) != 3 {
		t.Errorf("%d members", len(got))
	}
}
