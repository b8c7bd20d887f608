package roll

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Limits of one XML part.
const (
	maxToken = 1 << 20 // bytes of one tag or text; a cell holds at most 32,767 letters
	maxDepth = 64
)

var errDamaged = &NotRollError{"The workbook is damaged, or was not written by a spreadsheet program. " +
	"Open it in one, and save it again as XLSX or as \"CSV UTF-8\"."}

// A leash lets a decoder read only so far without arriving at the end of a tag
// or text: the decoder keeps the whole of one in memory, with all attributes.
type leash struct {
	r    io.Reader
	left int
}

func (l *leash) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errors.New("a tag or text is too long")
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// walk reads an XML document to its end, and calls start, text and end for each
// element. A document type declaration, the home of entities that expand, is
// refused, and so is any encoding but UTF-8. depth counts from 1.
func walk(r io.Reader, start func(depth int, e xml.StartElement) error, text func(xml.CharData), end func(depth int, name string) error) error {
	l := &leash{r: r, left: maxToken}
	d := xml.NewDecoder(l)
	var open [maxDepth]xml.Name
	depth := 0
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) && depth == 0 {
			return nil
		}
		if err != nil {
			return errDamaged
		}
		l.left = maxToken
		switch t := t.(type) {
		case xml.Directive:
			return errDamaged
		case xml.StartElement:
			if depth == maxDepth {
				return errDamaged
			}
			open[depth] = t.Name
			depth++
			if err := start(depth, t); err != nil {
				return err
			}
		case xml.EndElement:
			if depth == 0 || open[depth-1] != t.Name {
				return errDamaged // whoever reads on would stop here, without a word
			}
			if end != nil {
				if err := end(depth, t.Name.Local); err != nil {
					return err
				}
			}
			depth--
		case xml.CharData:
			if text != nil {
				text(t)
			}
		}
	}
}

// attr returns an attribute by its local name.
func attr(e xml.StartElement, name string) string {
	for i := range e.Attr {
		if e.Attr[i].Name.Local == name {
			return e.Attr[i].Value
		}
	}
	return ""
}

// countStrings returns how many shared strings there are.
func countStrings(r io.Reader) (int, error) {
	n, all := 0, 0
	err := walk(r, func(depth int, e xml.StartElement) error {
		if depth == 2 && e.Name.Local == "si" {
			n++
		}
		// Every element becomes an object in memory.
		if all++; all > maxStrings {
			return &NotRollError{"The workbook holds too many texts. Copy the table of members into a new workbook, or save it as \"CSV UTF-8\"."}
		}
		return nil
	}, nil, nil)
	return n, err
}

// dateStyles returns which cell styles, by their place, show numbers as dates.
func dateStyles(r io.Reader) ([]bool, error) {
	const maxStyles = 1 << 16
	formats := map[int]bool{}
	var styles []bool
	section := ""
	err := walk(r, func(depth int, e xml.StartElement) error {
		switch {
		case depth == 2:
			section = e.Name.Local
		case depth == 3 && section == "numFmts" && len(formats) < maxStyles:
			if id, err := strconv.Atoi(attr(e, "numFmtId")); err == nil {
				formats[id] = dateFormat(attr(e, "formatCode"))
			}
		case depth == 3 && section == "cellXfs" && len(styles) < maxStyles:
			id, _ := strconv.Atoi(attr(e, "numFmtId"))
			date, own := formats[id]
			styles = append(styles, date || !own && builtInDate(id))
		}
		return nil
	}, nil, nil)
	return styles, err
}

// builtInDate reports number formats that every spreadsheet knows by number.
func builtInDate(id int) bool {
	return id >= 14 && id <= 22 || id >= 27 && id <= 36 || id >= 45 && id <= 47 || id >= 50 && id <= 58 || id >= 71 && id <= 81
}

// dateFormat reports a number format with a year, month, day, hour or second in
// it, outside of quoted text.
func dateFormat(code string) bool {
	for i := 0; i < len(code); i++ {
		switch c := code[i]; {
		case c == '\\' || c == '_' || c == '*':
			i++ // the next sign stands for itself
		case c == '"':
			n := strings.IndexByte(code[i+1:], '"')
			if n < 0 {
				return false
			}
			i += n + 1
		case c == '[': // a color, a condition or a language; or elapsed time
			n := strings.IndexByte(code[i:], ']')
			if n < 0 {
				return false
			}
			if in := strings.ToLower(code[i+1 : i+n]); in != "" && strings.Trim(in, "hms") == "" {
				return true
			}
			i += n
		case strings.IndexByte("ymdhsYMDHS", c) >= 0:
			return true
		}
	}
	return false
}
