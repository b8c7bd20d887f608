package roll

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"strings"
)

const (
	xlsx     = "XLSX"
	zipMagic = "PK\x03\x04"
)

// Limits of a workbook.
const (
	maxParts    = 5000
	maxSheets   = 100
	maxUnpacked = 2 * MaxBytes
	maxIndex    = 1 << 20 // bytes of a part that says where others are
)

var errUnpacked = &NotRollError{fmt.Sprintf("The workbook unpacks to more than %d MB. Copy the table of members alone into a new workbook, "+
	"or save it as \"CSV UTF-8\".", maxUnpacked>>20)}

// A container is a workbook's file: a zip file of XML parts.
type container struct {
	parts           map[string]*zip.File // by name in small letters
	sheets          []sheetPart          // in the order of the workbook
	strings, styles *zip.File            // nil if there are none
	unpacked        uint64               // bytes of the parts that were opened
}

type sheetPart struct {
	name   string
	hidden bool
	part   *zip.File
}

// openContainer opens a workbook and finds its sheets. It unpacks nothing but
// the three small parts that say where they are.
func openContainer(data []byte) (*container, error) {
	// The reader of zip files makes an object of each part there is before
	// anybody can count them.
	if bytes.Count(data, []byte("PK\x01\x02")) > maxParts {
		return nil, &NotRollError{fmt.Sprintf("The file holds more than %d files, so it is no table of members.", maxParts)}
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, errDamaged
	}
	c := &container{parts: map[string]*zip.File{}}
	for _, f := range z.File {
		if f.Flags&1 != 0 {
			return nil, &NotRollError{"The file is protected by a password. Save it again without one."}
		}
		name := partName(f.Name)
		if _, twice := c.parts[name]; twice {
			return nil, errDamaged // which of the two is meant depends on the reader
		}
		c.parts[name] = f
	}
	if err := c.findSheets(); err != nil {
		return nil, err
	}
	return c, nil
}

func partName(s string) string {
	return strings.ToLower(strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(s, "\\", "/")), "/"))
}

// open opens a part for reading, if all that was opened is not too much.
func (c *container) open(f *zip.File) (io.ReadCloser, error) {
	// A part that unpacks to more than it says is an error of its reader.
	if c.unpacked += f.UncompressedSize64; f.UncompressedSize64 > maxUnpacked || c.unpacked > maxUnpacked {
		return nil, errUnpacked
	}
	r, err := f.Open()
	if err != nil {
		return nil, errDamaged
	}
	return r, nil
}

// scan opens a part and hands it to a function that reads it to its end.
func (c *container) scan(f *zip.File, read func(io.Reader) error) error {
	r, err := c.open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	return read(r)
}

// index reads a small part into v, a struct.
func (c *container) index(name string, v any) error {
	f := c.parts[name]
	if f == nil || f.UncompressedSize64 > maxIndex {
		return errDamaged
	}
	var b []byte
	err := c.scan(f, func(r io.Reader) (err error) {
		b, err = io.ReadAll(r)
		return err
	})
	if err != nil {
		return errDamaged
	}
	// No declarations, no depths: only then may it be decoded.
	if err := walk(bytes.NewReader(b), func(int, xml.StartElement) error { return nil }, nil, nil); err != nil {
		return err
	}
	if xml.Unmarshal(b, v) != nil {
		return errDamaged
	}
	return nil
}

type relationships struct {
	List []struct {
		ID     string `xml:"Id,attr"`
		Type   string `xml:"Type,attr"`
		Target string `xml:"Target,attr"`
	} `xml:"Relationship"`
}

// targets returns the parts, by id, to which a part relates in one way.
func (c *container) targets(of, kind string) (map[string]string, error) {
	dir, base := path.Split(of)
	var rels relationships
	if err := c.index(dir+"_rels/"+base+".rels", &rels); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, r := range rels.List {
		if !strings.HasSuffix(r.Type, "/relationships/"+kind) {
			continue
		}
		target := r.Target
		if !strings.HasPrefix(target, "/") {
			target = dir + target
		}
		if _, twice := found[r.ID]; twice {
			return nil, errDamaged
		}
		found[r.ID] = partName(target)
	}
	return found, nil
}

// single returns the one part to which a part relates in one way, or nil.
func (c *container) single(of, kind string) (*zip.File, error) {
	found, err := c.targets(of, kind)
	if err != nil {
		return nil, err
	}
	for _, name := range found {
		if len(found) > 1 || c.parts[name] == nil {
			return nil, errDamaged
		}
		return c.parts[name], nil
	}
	return nil, nil
}

// findSheets finds the parts of the workbook.
func (c *container) findSheets() error {
	if c.parts["_rels/.rels"] == nil {
		return c.notWorkbook()
	}
	document, err := c.single("", "officeDocument")
	if err != nil {
		return err
	}
	if document == nil || !strings.HasPrefix(partName(document.Name), "xl/") || path.Ext(document.Name) != ".xml" {
		return c.notWorkbook()
	}
	book := partName(document.Name)
	var list struct {
		Sheets []struct {
			Name  string `xml:"name,attr"`
			State string `xml:"state,attr"`
			ID    string `xml:"id,attr"`
		} `xml:"sheets>sheet"`
	}
	if err := c.index(book, &list); err != nil {
		return err
	}
	if len(list.Sheets) > maxSheets {
		return &NotRollError{fmt.Sprintf("The workbook has more than %d sheets. Copy the table of members alone into a new workbook.", maxSheets)}
	}
	targets, err := c.targets(book, "worksheet")
	if err != nil {
		return err
	}
	if c.strings, err = c.single(book, "sharedStrings"); err != nil {
		return err
	}
	if c.styles, err = c.single(book, "styles"); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, s := range list.Sheets {
		target, ok := targets[s.ID]
		if !ok {
			continue // a chart
		}
		if c.parts[target] == nil || seen[target] {
			return errDamaged
		}
		seen[target] = true
		c.sheets = append(c.sheets, sheetPart{s.Name, s.State != "" && s.State != "visible", c.parts[target]})
	}
	return nil
}

// notWorkbook says what a zip file is that is no workbook.
func (c *container) notWorkbook() error {
	const saveAs = " Open it, choose \"Save as\", and save it as XLSX or as \"CSV UTF-8\"."
	for _, x := range []struct{ part, sentence string }{
		{"word/document.xml", "This is a Word document. A roll must be a table saved as XLSX or CSV."},
		{"ppt/presentation.xml", "These are slides. A roll must be a table saved as XLSX or CSV."},
		{"xl/workbook.bin", "This is a binary Excel workbook (XLSB)." + saveAs},
		{"content.xml", "This is an OpenDocument file." + saveAs},
		{"index/document.iwa", "This is an Apple Numbers document. Open it, and export it as XLSX or CSV."},
	} {
		if c.parts[x.part] != nil {
			return &NotRollError{x.sentence}
		}
	}
	if c.parts["xl/workbook.xml"] != nil {
		return errDamaged
	}
	return &NotRollError{"This is a zip file, not a workbook. Unpack it first."}
}
