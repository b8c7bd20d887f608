package roll

import (
	"bytes"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
)

// Limits of one sheet.
const (
	sheetRows  = 1 << 20 // what Excel allows
	sheetCols  = 1 << 14
	maxAreas   = 1000
	maxStrings = 3 * MaxRows * 3
)

// A sheet is what a scan of its XML found: where there is data, and which cells
// hold anything but a text.
type sheet struct {
	name        string
	hidden      bool
	first, last int // rows with data, from 1; 0 if there are none
	width       int // the last column with data
	marks       []mark
	merged      []area
	arrays      []area // each computed by one formula
}

// A mark says the kind of one cell. Marks stand in the order of rows and
// columns.
type mark struct {
	row uint32
	col uint16 // from 1; 0 is the row itself
	of  kind
}

// An area is a block of cells, its corners included.
type area struct {
	ref                      string
	top, left, bottom, right int
}

// A sheetScan reads a sheet's XML. It demands that rows and cells stand in
// order and say so: a reader that puts up with less might see other cells than
// this scan, and so a number where this scan saw a text.
type sheetScan struct {
	*sheet
	strings  int
	dates    []bool
	row, col int

	// of the cell at hand
	of    kind
	isRef bool
	value []byte
	data  bool
	in    string // the element whose text counts, or ""
	done  bool   // the rows are over
}

// scanSheet scans a sheet. strings is how many shared strings there are.
func scanSheet(r io.Reader, name string, strings int, dates []bool) (*sheet, error) {
	s := &sheetScan{sheet: &sheet{name: name}, strings: strings, dates: dates}
	if err := walk(r, s.start, s.text, s.end); err != nil {
		return nil, err
	}
	return s.sheet, nil
}

func (s *sheetScan) start(depth int, e xml.StartElement) error {
	name := e.Name.Local
	if name == "mergeCell" && s.done {
		return s.add(&s.merged, attr(e, "ref"))
	}
	if s.done {
		return nil
	}
	want := 0
	switch name {
	case "sheetData":
		want = 2
	case "row":
		want = 3
	case "c":
		want = 4
	case "v", "f", "is":
		want = 5
	case "t":
		want = depth // within is, in a run or not
	}
	switch {
	case want == 0:
		return nil
	case want != depth:
		return errDamaged
	case name == "row":
		return s.startRow(e)
	case name == "c":
		return s.startCell(e)
	case name == "f":
		return s.startFormula(e)
	case name == "v", name == "t" && s.in == "is":
		s.in = name
	case name == "is":
		s.in = name
	}
	return nil
}

func (s *sheetScan) startRow(e xml.StartElement) error {
	n := s.row + 1
	if r := attr(e, "r"); r != "" {
		var err error
		if n, err = strconv.Atoi(r); err != nil || n <= s.row {
			return errDamaged
		}
	}
	if n > sheetRows {
		return errDamaged
	}
	s.row, s.col = n, 0
	if h := attr(e, "hidden"); h == "1" || h == "true" {
		s.marks = append(s.marks, mark{row: uint32(n), of: hiddenRow})
	}
	return nil
}

func (s *sheetScan) startCell(e xml.StartElement) error {
	n := s.col + 1
	if ref := attr(e, "r"); ref != "" {
		row, col, ok := parseRef(ref)
		if !ok || row != s.row || col <= s.col {
			return errDamaged
		}
		n = col
	}
	if n > sheetCols {
		return errDamaged
	}
	s.col, s.value, s.data, s.isRef = n, s.value[:0], false, false
	switch attr(e, "t") {
	case "", "n":
		s.of = numeric
		if style, err := strconv.Atoi(attr(e, "s")); err == nil && style >= 0 && style < len(s.dates) && s.dates[style] {
			s.of = dated
		}
	case "s":
		s.of, s.isRef = plain, true
	case "str", "inlineStr":
		s.of = plain
	case "b":
		s.of = truth
	case "d":
		s.of = dated
	case "e":
		s.of = errored
	default:
		return errDamaged
	}
	return nil
}

func (s *sheetScan) startFormula(e xml.StartElement) error {
	s.of, s.data = computed, true
	if ref := attr(e, "ref"); ref != "" && attr(e, "t") != "shared" {
		return s.add(&s.arrays, ref) // the other cells of it hold values only
	}
	return nil
}

func (s *sheetScan) text(t xml.CharData) {
	if s.in == "v" || s.in == "t" {
		if t = bytes.TrimSpace(t); len(t) > 0 {
			s.data = true
			if s.isRef && len(s.value) < 16 {
				s.value = append(s.value, t...)
			}
		}
	}
}

func (s *sheetScan) end(_ int, name string) error {
	switch name {
	case "v", "is":
		s.in = ""
	case "t":
		if s.in == "t" {
			s.in = "is"
		}
	case "sheetData":
		s.done = true
	case "c":
		if s.done || !s.data {
			return nil
		}
		if s.isRef && len(s.value) > 0 {
			if n, err := strconv.Atoi(string(s.value)); err != nil || n < 0 || n >= s.strings {
				return errDamaged // the library would read an empty cell
			}
		}
		if s.first == 0 {
			s.first = s.row
		}
		s.last, s.width, s.data = s.row, max(s.width, s.col), false
		if s.of != plain && s.col <= MaxColumns {
			s.marks = append(s.marks, mark{uint32(s.row), uint16(s.col), s.of})
		}
	}
	return nil
}

func (s *sheetScan) add(list *[]area, ref string) error {
	first, last, ok := strings.Cut(ref, ":")
	if !ok {
		last = first
	}
	a := area{ref: ref}
	var ok1, ok2 bool
	a.top, a.left, ok1 = parseRef(first)
	a.bottom, a.right, ok2 = parseRef(last)
	if !ok1 || !ok2 || a.bottom < a.top || a.right < a.left {
		return errDamaged
	}
	if len(*list) == maxAreas {
		return &NotRollError{"The workbook has very many merged or computed cells. " +
			"Select all, unmerge the cells, paste everything as values only, and save again."}
	}
	if a.top != a.bottom || a.left != a.right {
		*list = append(*list, a)
	}
	return nil
}

// parseRef reads a reference to a cell, such as "AB12".
func parseRef(ref string) (row, col int, ok bool) {
	i := 0
	for ; i < len(ref) && i < 4 && ref[i] >= 'A' && ref[i] <= 'Z'; i++ {
		col = col*26 + int(ref[i]-'A') + 1
	}
	if i == 0 || !digits(ref[i:]) || ref[i] == '0' {
		return 0, 0, false
	}
	row, err := strconv.Atoi(ref[i:])
	return row, col, err == nil && row <= sheetRows && col <= sheetCols
}

// kinds fills the kinds of a row's cells, whose marks are the first of those
// given, and returns the marks of the rows below. It says too whether the row
// is hidden.
func (s *sheet) kinds(of []kind, row int, marks []mark) (rest []mark, hidden bool) {
	clear(of)
	for len(marks) > 0 && int(marks[0].row) <= row {
		if m := marks[0]; int(m.row) == row {
			if m.col == 0 {
				hidden = true
			} else {
				of[m.col-1] = m.of
			}
		}
		marks = marks[1:]
	}
	cover(of, row, s.arrays, computed)
	cover(of, row, s.merged, covered)
	return marks, hidden
}

// cover gives every cell of a row that lies in an area a kind.
func cover(of []kind, row int, areas []area, k kind) {
	for _, a := range areas {
		if row < a.top || row > a.bottom {
			continue
		}
		for col := a.left; col <= min(a.right, len(of)); col++ {
			of[col-1] = k
		}
	}
}
