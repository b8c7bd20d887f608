package roll

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// readWorkbook reads a roll from an XLSX workbook. Each part that is used is
// scanned to its end first. The library that reads the values would read part
// of a damaged workbook without an error, and so half a roll; it takes what
// memory a hostile one asks for; and it does not tell numbers from texts.
func (r *reader) readWorkbook(data []byte) error {
	c, err := openContainer(data)
	if err != nil {
		return err
	}
	sheets, pack, err := c.scanAll()
	if err != nil {
		return err
	}
	if len(sheets) == 0 {
		return errEmpty
	}
	return r.readScanned(sheets, pack)
}

// scanAll scans what the workbook's sheets need, and returns those that have
// data, with a small workbook that holds nothing else: no pictures, macros,
// links or styles reach the library.
func (c *container) scanAll() ([]*sheet, []byte, error) {
	w := newRepacker()
	stringCount := 0
	if f := c.strings; f != nil {
		err := c.scan(f, func(r io.Reader) (err error) {
			stringCount, err = countStrings(r)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		w.copy(f, "xl/sharedStrings.xml")
	}
	var dates []bool
	if f := c.styles; f != nil {
		err := c.scan(f, func(r io.Reader) (err error) {
			dates, err = dateStyles(r)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	var sheets []*sheet
	for _, p := range c.sheets {
		var s *sheet
		err := c.scan(p.part, func(r io.Reader) (err error) {
			s, err = scanSheet(r, p.name, stringCount, dates)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		if s.hidden = p.hidden; s.last > 0 {
			sheets = append(sheets, s)
			w.copy(p.part, fmt.Sprintf("xl/worksheets/sheet%d.xml", len(sheets)))
		}
	}
	return sheets, w.finish(len(sheets)), nil
}

// readScanned reads the sheet that looks most like a roll.
func (r *reader) readScanned(sheets []*sheet, pack []byte) error {
	book, err := openLibrary(pack)
	if err != nil {
		return err
	}
	defer book.Close()
	at, err := chooseSheet(book, sheets)
	if err != nil {
		return err
	}
	s := sheets[at]
	r.file.Encoding, r.file.Separator = xlsx, s.name
	if s.width > MaxColumns {
		return &NotRollError{fmt.Sprintf("The sheet %q has cells beyond its column number %d. Delete the columns that are not needed.",
			shorten(s.name), MaxColumns)}
	}
	if err := r.readSheet(book, sheetName(at), s); err != nil {
		return err
	}
	r.otherSheets(sheets, at)
	return nil
}

// sheetName is what the small workbook calls a sheet.
func sheetName(i int) string { return "s" + strconv.Itoa(i+1) }

// chooseSheet returns the first sheet whose first line names a column,
// or else the first one; those that are not hidden come first.
func chooseSheet(book *excelize.File, sheets []*sheet) (int, error) {
	first := -1
	for _, hidden := range []bool{false, true} {
		for i, s := range sheets {
			if s.hidden != hidden {
				continue
			}
			header, err := firstLine(book, sheetName(i), s.last)
			if err != nil {
				return 0, err
			}
			for _, h := range header {
				if _, ok := recognize(h); ok {
					return i, nil
				}
			}
			if first < 0 {
				first = i
			}
		}
	}
	return first, nil
}

func firstLine(book *excelize.File, name string, last int) ([]string, error) {
	var line []string
	err := eachRow(book, name, last, func(_ int, cells []string) (bool, error) {
		line = cells
		return blank(cells), nil
	})
	return line, err
}

// eachRow calls f for each row of a sheet until it returns false.
func eachRow(book *excelize.File, name string, last int, f func(n int, cells []string) (bool, error)) error {
	rows, err := book.Rows(name)
	if err != nil {
		return errDamaged
	}
	defer rows.Close()
	for n := 1; n <= last; n++ {
		cells, err := nextRow(rows)
		if err != nil {
			return err
		}
		if more, err := f(n, cells); err != nil || !more {
			return err
		}
	}
	return nil
}

func openLibrary(pack []byte) (book *excelize.File, err error) {
	defer notPanic(&err)
	// Equal limits keep it from writing names to temporary files.
	const limit = maxUnpacked + maxIndex
	book, err = excelize.OpenReader(bytes.NewReader(pack), excelize.Options{RawCellValue: true, UnzipSizeLimit: limit, UnzipXMLSizeLimit: limit})
	if err != nil {
		return nil, errDamaged
	}
	return book, nil
}

func nextRow(rows *excelize.Rows) (cells []string, err error) {
	defer notPanic(&err)
	if !rows.Next() {
		return nil, errDamaged // the scan saw more
	}
	if cells, err = rows.Columns(); err != nil {
		return nil, errDamaged
	}
	return cells, nil
}

// notPanic makes an error of a panic: if the library stumbles over a workbook
// that passed the scan, it must not take the service with it.
func notPanic(err *error) {
	if recover() != nil {
		*err = errDamaged
	}
}

func (r *reader) readSheet(book *excelize.File, name string, s *sheet) error {
	marks := s.marks
	kinds := make([]kind, MaxColumns)
	err := eachRow(book, name, s.last, func(n int, cells []string) (bool, error) {
		if r.headerLine == 0 {
			if blank(cells) {
				return true, nil
			}
			return true, r.readSheetHeader(s, n, cells)
		}
		if r.row, r.line = n-r.headerLine, n; r.row > MaxRows {
			return false, tooManyRows()
		}
		if blank(cells) {
			return true, nil
		}
		r.file.Rows++
		var hidden bool
		if marks, hidden = s.kinds(kinds, n, marks); hidden {
			r.add(Fault{Problem: "The row is hidden in the spreadsheet.", Warning: true,
				Remedy: "It was read all the same. Show all rows (clear the filter), and check that it belongs on the list."})
		}
		r.readRow(cells, kinds, "Delete what stands to the right of the last named column, or name its column in the first line.")
		return true, nil
	})
	if err == nil && r.headerLine == 0 {
		err = errEmpty
	}
	return err
}

func (r *reader) readSheetHeader(s *sheet, line int, cells []string) error {
	if err := r.readHeader(cells, line); err != nil {
		return err
	}
	for _, a := range s.merged {
		if a.bottom < line || a.top > s.last {
			continue
		}
		for f, at := range r.columns {
			if at+1 < a.left || at+1 > a.right {
				continue
			}
			line := max(line, a.top)
			r.add(Fault{Row: line - r.headerLine, Line: line, Column: r.header(field(f)), Value: a.ref,
				Problem: "Cells are merged, so that only one of them has a value.",
				Remedy:  "Unmerge the cells, and fill in each of them."})
			break
		}
	}
	return nil
}

// otherSheets warns of data that was not read.
func (r *reader) otherSheets(sheets []*sheet, read int) {
	var names []string
	for i, s := range sheets {
		if i != read {
			names = append(names, strconv.Quote(shorten(s.name)))
		}
	}
	if len(names) == 0 {
		return
	}
	if n := len(names); n > 5 {
		names = append(names[:5], fmt.Sprintf("and %d more", n-5))
	}
	r.file.Faults = append(r.file.Faults, Fault{Value: strings.Join(names, ", "), Warning: true,
		Problem: "The workbook has data on other sheets too, which were not read.",
		Remedy: fmt.Sprintf("Only the sheet %q was read. If members stand on another one, put all of them on one sheet.",
			shorten(sheets[read].name))})
}

// A repacker makes a workbook of the parts that were scanned.
type repacker struct {
	b   bytes.Buffer
	z   *zip.Writer
	err error
}

func newRepacker() *repacker {
	w := new(repacker)
	w.z = zip.NewWriter(&w.b)
	return w
}

// copy copies a part as it is, packed.
func (w *repacker) copy(f *zip.File, name string) {
	h := f.FileHeader
	h.Name, h.Extra = name, nil
	from, err := f.OpenRaw()
	if err == nil {
		var to io.Writer
		if to, err = w.z.CreateRaw(&h); err == nil {
			_, err = io.Copy(to, from)
		}
	}
	if w.err == nil {
		w.err = err
	}
}

// finish writes the parts that say where the others are.
func (w *repacker) finish(sheets int) []byte {
	const office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	const relations = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
	var list, rels strings.Builder
	for i := range sheets {
		fmt.Fprintf(&list, `<sheet name="%s" sheetId="%d" r:id="r%d"/>`, sheetName(i), i+1, i)
		fmt.Fprintf(&rels, `<Relationship Id="r%d" Type="%s/worksheet" Target="worksheets/sheet%d.xml"/>`, i, office, i+1)
	}
	w.write("[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"></Types>`)
	w.write("_rels/.rels", relations+`<Relationship Id="r0" Type="`+office+`/officeDocument" Target="xl/workbook.xml"/></Relationships>`)
	w.write("xl/workbook.xml", `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="`+office+`"><sheets>`+
		list.String()+`</sheets></workbook>`)
	w.write("xl/_rels/workbook.xml.rels", relations+rels.String()+`</Relationships>`)
	if err := w.z.Close(); w.err != nil || err != nil {
		return nil // the library says that it is no workbook
	}
	return w.b.Bytes()
}

func (w *repacker) write(name, text string) {
	to, err := w.z.Create(name)
	if err == nil {
		_, err = io.WriteString(to, xml.Header+text)
	}
	if w.err == nil {
		w.err = err
	}
}
