// Package roll reads the lists of members that unions export: text tables and
// Excel workbooks from spreadsheets and membership systems, in whatever
// encoding, separator and order of columns they come. It compares a roll with a
// second, independent list.
//
// It never imports half a file: either every row is good and [File.Members]
// holds them all, or it holds none and every problem is named by its row,
// column, value and remedy. It opens no file, keeps nothing, and writes no log:
// what it reads are names and addresses, and only the committee sees them, in
// the report. It computes nothing of the protocol; the member number it hands
// on is what section 4 of SPEC.md hashes, the cell's text without white space
// at both ends.
package roll

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of a roll file. They are far above any union's roll and keep a wrong
// upload from eating the machine. A workbook may unpack to twice MaxBytes.
const (
	MaxBytes   = 64 << 20
	MaxRows    = 200_000
	MaxColumns = 64
)

// A Member is one row of a roll that has no fault.
type Member struct {
	Row, Line int // where it stands: data row (1 is the first below the header), line of the file or of the sheet

	Number, Name, Email     string // Email is as [mailbox.Read] keeps it; it may be empty: such members get a sealed slip
	Group                   string // as [Options.Groups] spells it, or else its first row
	Campus, Worksite, Title string // may be empty
	Language                string // empty: the election's default
	Factor                  string // the member's answer to the extra question; may be empty
}

// Format keeps a member out of logs and error texts.
func (m Member) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "member of row %d", m.Row) }

// A Fault is a problem of the file. With a Warning the roll can still be
// imported.
type Fault struct {
	Row, Line int    // 0 and the header's line where a whole column is meant; both 0 for the whole file
	Column    string // the header as the file writes it
	Value     string // shortened, made visible
	See       int    // another row it collides with, or 0
	Problem   string // the same sentence for every fault of a kind
	Remedy    string
	Warning   bool
}

// Options say what the election expects of its roll. The zero value accepts
// any group and any language.
type Options struct {
	Groups          []string // group names or units that exist; a cell may differ in case and spaces
	SharedEmails    bool     // an address on two member numbers is a warning, not a fault (couples)
	EmployerDomains []string // addresses there, or in a domain below, are warned about
	Languages       []string // tags the election speaks
	NeedFactor      bool     // every row must answer the extra question
}

// A File is what was read.
type File struct {
	Encoding  string   // "UTF-8", "UTF-16 LE", "UTF-16 BE", "Windows-1252", "XLSX"
	Separator string   // "comma", "semicolon", "tab"; of a workbook, the name of the sheet that was read
	Columns   []Column // in the file's order
	Rows      int      // data rows that are not blank
	Members   []Member // nil if there is any fault that is not a warning
	Faults    []Fault  // in the order of rows
	Rewritten int      // addresses whose domain has letters outside ASCII, and is kept in xn-- form

	list bool // read by ReadList: it need not be a roll
}

// A Column says how a column was understood; Field is empty if it was not
// read.
type Column struct{ Header, Field string }

// OK reports whether the roll can be imported.
func (f *File) OK() bool { return f.Members != nil }

// Count returns how many faults and warnings there are.
func (f *File) Count() (faults, warnings int) {
	for _, x := range f.Faults {
		if x.Warning {
			warnings++
		} else {
			faults++
		}
	}
	return faults, warnings
}

// A NotRollError says in a sentence for the committee why a file cannot be
// read as a roll at all.
type NotRollError struct{ Sentence string }

var errEmpty = &NotRollError{"The file is empty."}

func (e *NotRollError) Error() string { return e.Sentence }

// Read reads a roll, a text table or an XLSX workbook. Its error is a
// [*NotRollError]; all that is wrong within a table is in [File.Faults].
func Read(data []byte, o Options) (*File, error) {
	return read(data, o, &File{})
}

func read(data []byte, o Options, f *File) (*File, error) {
	if err := checkKind(data); err != nil {
		return nil, err
	}
	r := &reader{file: f}
	r.check = newChecker(o, r)
	readTable := r.readText
	if bytes.HasPrefix(data, []byte(zipMagic)) {
		readTable = r.readWorkbook
	}
	if err := readTable(data); err != nil {
		return nil, err
	}
	if f.Rows == 0 {
		return nil, &NotRollError{"The file names its columns but has no rows below them."}
	}
	r.check.wholeFile()
	r.sortFaults()
	if faults, _ := f.Count(); faults == 0 {
		f.Members = r.members
	}
	return f, nil
}

// A reader holds what Read works on.
type reader struct {
	file       *File
	csv        *csv.Reader
	columns    [numFields]int // position in a row, or -1
	headerLine int
	row, line  int // where it is
	members    []Member
	check      *checker
}

func (r *reader) readText(data []byte) error {
	text, encoding, err := decode(data)
	if err != nil {
		return err
	}
	text, comma := separator(text)
	r.file.Encoding, r.file.Separator = encoding, separatorNames[comma]
	r.csv = csv.NewReader(strings.NewReader(text))
	r.csv.Comma = comma
	r.csv.FieldsPerRecord = -1
	header, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return errEmpty
	}
	if err != nil {
		return &NotRollError{"The first line cannot be read: a quotation mark is not closed. " +
			"The first line must name the columns."}
	}
	line, _ := r.csv.FieldPos(0)
	if err := r.readHeader(header, line); err != nil {
		return err
	}
	return r.readRows()
}

func (r *reader) readHeader(header []string, line int) error {
	if len(header) > MaxColumns {
		return &NotRollError{fmt.Sprintf("The file has more than %d columns. Delete the columns that are not needed.", MaxColumns)}
	}
	r.headerLine, r.line = line, line
	if r.mapColumns(header) == 0 {
		return &NotRollError{"No column was recognized. The first line must name the columns: " +
			"member number, name, email, group; and, if you have them, campus, worksite, title, language."}
	}
	return nil
}

func (r *reader) readRows() error {
	for {
		record, err := r.csv.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if bad := new(csv.ParseError); errors.As(err, &bad) {
			r.row, r.line = r.row+1, bad.StartLine
			r.file.Rows++
			r.add(Fault{Problem: "A quotation mark is in the wrong place, so the row cannot be read.",
				Remedy: "Delete the quotation mark, or export the file again."})
			if r.row > MaxRows {
				return tooManyRows()
			}
			continue
		}
		if err != nil {
			return &NotRollError{"The file cannot be read as a table."}
		}
		r.row++
		r.line, _ = r.csv.FieldPos(0)
		if r.row > MaxRows {
			return tooManyRows()
		}
		if blank(record) {
			continue // spreadsheets export rows that were emptied
		}
		r.file.Rows++
		r.readRow(record, nil, "A separator stands inside a cell: put the cell in quotation marks, or export the file again.")
	}
	return nil
}

// readRow reads the cells of one row. Of a text table they are all text, and
// kinds is nil.
func (r *reader) readRow(record []string, kinds []kind, tooWide string) {
	if n := len(r.file.Columns); len(record) > n && !blank(record[n:]) {
		r.add(Fault{Value: fmt.Sprintf("%d cells, %d columns", len(record), n),
			Problem: "The row has more cells than the file has columns.", Remedy: tooWide})
		return // its cells stand under wrong columns: naming them too would only confuse
	}
	var cells [numFields]string
	var of [numFields]kind
	for f, at := range r.columns {
		if at >= 0 && at < len(record) {
			cells[f] = record[at]
		}
		if at >= 0 && at < len(kinds) {
			of[f] = kinds[at]
		}
	}
	if m, ok := r.check.row(&cells, &of); ok {
		r.members = append(r.members, m)
	}
}

func (r *reader) add(f Fault) {
	if f.Line == 0 {
		f.Row, f.Line = r.row, r.line
	}
	r.file.Faults = append(r.file.Faults, f)
}

func tooManyRows() error {
	return &NotRollError{fmt.Sprintf("The file has more than %d rows.", MaxRows)}
}

func blank(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}
