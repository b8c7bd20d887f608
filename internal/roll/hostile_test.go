package roll_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"strikevote/internal/roll"
)

var small = [][]any{{"Number", "Name", "E-mail", "Unit"}, {"001", "Ann", "a@x.org", "HX"}, {"002", "Ben", "b@x.org", "RX"}, {"003", "Cleo", "c@x.org", "HX"}}

// change returns the parts of a small good workbook with one of them changed.
func change(part, old, new string) map[string]string {
	p := parts(tab{name: "M", rows: small})
	if old == "" {
		p[part] = new
	} else {
		p[part] = strings.Replace(p[part], old, new, 1)
	}
	return p
}

const (
	sheetPart   = "xl/worksheets/w0.xml"
	stringsPart = "xl/sharedStrings.xml"
	entities    = `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>`
)

// declared packs a sheet that unpacks to 4 MB and says that it has another size.
func declared(t testing.TB, size uint64) []byte {
	t.Helper()
	var b, packed bytes.Buffer
	z := zip.NewWriter(&b)
	p := parts(tab{name: "M", rows: small})
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if name != sheetPart {
			w, err := z.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(w, p[name])
		}
	}
	f, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	io.CopyN(f, zeros{}, 4<<20)
	f.Close()
	w, err := z.CreateRaw(&zip.FileHeader{Name: sheetPart, Method: zip.Deflate, CompressedSize64: uint64(packed.Len()), UncompressedSize64: size})
	if err != nil {
		t.Fatal(err)
	}
	w.Write(packed.Bytes())
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func manySheets(n int) map[string]string {
	tabs := make([]tab, n)
	for i := range tabs {
		tabs[i] = tab{name: fmt.Sprint("S", i), rows: small}
	}
	return parts(tabs...)
}

func manyParts(n int) map[string]string {
	p := parts(tab{name: "M", rows: small})
	for i := range n {
		p[fmt.Sprint("xl/media/", i)] = ""
	}
	return p
}

// twice packs a part two times, with another text.
func twice(t testing.TB) []byte {
	t.Helper()
	p := parts(tab{name: "M", rows: small})
	p["xl/worksheets/wX.xml"] = strings.Replace(p[sheetPart], `r="A2"`, `r="A3"`, 1)
	return bytes.ReplaceAll(pack(t, p), []byte("wX.xml"), []byte("w0.xml"))
}

// A bomb is a workbook that is made to hurt, and a word of what is said of it.
type bomb struct {
	want string
	make func() []byte
}

// bombs returns them all. They are made one by one, as they are large.
func bombs(t testing.TB) map[string]bomb {
	t.Helper()
	of := func(want string, parts func() map[string]string) bomb {
		return bomb{want, func() []byte { return pack(t, parts()) }}
	}
	one := func(want, part, old, new string) bomb {
		return of(want, func() map[string]string { return change(part, old, new) })
	}
	long := func(want, part, old, unit string, n int, tail string) bomb {
		return of(want, func() map[string]string { return change(part, old, strings.Repeat(unit, n)+tail) })
	}
	return map[string]bomb{
		"zip bomb":             bomb{"unpacks to more", func() []byte { return declared(t, 1<<40) }},
		"lying size":           bomb{"damaged", func() []byte { return declared(t, 100) }},
		"nested zip":           of("Unpack it", func() map[string]string { return map[string]string{"roll.xlsx": string(pack(t, change("x", "", "")))} }),
		"many sheets":          of("sheets", func() map[string]string { return manySheets(101) }),
		"many parts":           of("more than 5000 files", func() map[string]string { return manyParts(5000) }),
		"one part twice":       bomb{"damaged", func() []byte { return twice(t) }},
		"many texts":           long("too many texts", stringsPart, "</sst>", "<si/>", 1_800_000, "</sst>"),
		"entities in a sheet":  one("damaged", sheetPart, "<worksheet", entities+"<worksheet"),
		"entities in texts":    one("damaged", stringsPart, "<sst", entities+"<sst"),
		"entities in the book": one("damaged", "xl/workbook.xml", "<workbook", entities+"<workbook"),
		"unknown entity":       one("damaged", stringsPart, "Ann", "&c;"),
		"depth":                long("damaged", sheetPart, "<sheetData>", "<a>", 100_000, "<sheetData>"),
		"depth in the book":    long("damaged", "xl/workbook.xml", "<sheets>", "<a>", 100_000, "<sheets>"),
		"large index":          long("damaged", "xl/workbook.xml", "<sheets>", " ", 2<<20, "<sheets>"),
		"a long tag":           long("damaged", sheetPart, "<sheetData>", " a=''", 400_000, "<sheetData>"),
		"a long text":          long("damaged", stringsPart, "Ann", "A", 2<<20, ""),
		"attributes": of("damaged", func() map[string]string {
			return change(sheetPart, "<sheetData", "<sheetData"+strings.Repeat(` a=""`, 300_000))
		}),
		"many merged cells": long("merged", sheetPart, "</sheetData>", "", 0, "</sheetData>"+strings.Repeat(`<mergeCell ref="A1:B2"/>`, 1_001)),
		"a far row":         one("more than 200000 rows", sheetPart, "</sheetData>", `<row r="1048576"><c r="A1048576"><v>1</v></c></row></sheetData>`),
		"a far column":      one("beyond its column number 64", sheetPart, `</row>`, `<c r="XFD1"><v>1</v></c></row>`),
		"a row too far":     one("damaged", sheetPart, "</sheetData>", `<row r="1048577"/></sheetData>`),
		"a row without end": one("damaged", sheetPart, "</sheetData>", `<row r="99999999999999999999"/></sheetData>`),
		"password":          bomb{"password", func() []byte { return encrypted(t) }},
	}
}

func encrypted(t testing.TB) []byte {
	t.Helper()
	b := pack(t, change("x", "", ""))
	i := bytes.Index(b, []byte("PK\x01\x02"))
	b[i+8] |= 1
	return b
}

// TestBombs reads workbooks that are made to hurt, in a process of its own that
// may take 200 MB of memory for the worst of them.
func TestBombs(t *testing.T) {
	t.Parallel()
	dir, child := os.LookupEnv("ROLL_TEST_BOMBS")
	if child {
		for name, bomb := range bombs(t) {
			checkBomb(t, filepath.Join(dir, name), bomb.want)
		}
		return
	}
	dir = t.TempDir()
	for name, bomb := range bombs(t) {
		if err := os.WriteFile(filepath.Join(dir, name), bomb.make(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBombs$")
	c.Env = append(os.Environ(), "ROLL_TEST_BOMBS="+dir)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func checkBomb(t *testing.T, name, want string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = roll.Read(data, roll.Options{})
	if bad := new(roll.NotRollError); !errors.As(err, &bad) || !strings.Contains(bad.Sentence, want) {
		t.Errorf("%s: got %v", name, err)
	}
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}} // it never shrinks
	metrics.Read(s)
	if n := s[0].Value.Uint64(); n > 200<<20 {
		t.Errorf("%s, or one before it, took %d MB", name, n>>20)
	}
}

// TestDamaged breaks a small workbook in many ways, each of which a lenient
// reader would put up with.
func TestDamaged(t *testing.T) {
	t.Parallel()
	if f := read(t, pack(t, change("x", "", "")), roll.Options{}); !f.OK() || len(f.Members) != 3 || f.Members[2].Number != "003" {
		t.Fatalf("the good one: %+v", f.Faults)
	}
	for name, tt := range map[string]struct{ part, old, new string }{
		"cut off":               {sheetPart, `<row r="3">`, ``},
		"ends early":            {sheetPart, `<row r="4">`, `</sheetData></worksheet><row r="4">`},
		"another end":           {sheetPart, `</row>`, `</raw>`},
		"rows out of order":     {sheetPart, `<row r="4">`, `<row r="2">`},
		"a row of no number":    {sheetPart, `<row r="4">`, `<row r="four">`},
		"cells out of order":    {sheetPart, `r="B2"`, `r="A2"`},
		"a cell of another row": {sheetPart, `r="B2"`, `r="B3"`},
		"a cell of no place":    {sheetPart, `r="B2"`, `r="2B"`},
		"a cell with dollars":   {sheetPart, `r="B2"`, `r="$B$2"`},
		"an unknown type":       {sheetPart, `r="B2" t="s"`, `r="B2" t="x"`},
		"a text that is not":    {sheetPart, `<v>4</v>`, `<v>400</v>`},
		"a text below none":     {sheetPart, `<v>4</v>`, `<v>-1</v>`},
		"a text of words":       {sheetPart, `<v>4</v>`, `<v>four</v>`},
		"rows in rows":          {sheetPart, `<row r="3">`, `<x><row r="3"/></x><row r="3">`},
		"a value elsewhere":     {sheetPart, `<row r="3">`, `<v>9</v><row r="3">`},
		"merged nonsense":       {sheetPart, `</sheetData>`, `</sheetData><mergeCell ref="B4:A2"/>`},
		"texts cut off":         {stringsPart, `</sst>`, ``},
		"styles cut off":        {"xl/styles.xml", `</styleSheet>`, ``},
		"no texts":              {stringsPart, `<si>`, `<no>`},
		"another encoding":      {sheetPart, `<worksheet`, `<?xml version="1.0" encoding="ISO-8859-1"?><worksheet`},
		"no such sheet":         {"xl/_rels/workbook.xml.rels", `w0.xml`, `w7.xml`},
		"no relations":          {"xl/_rels/workbook.xml.rels", ``, ``},
		"no XML":                {"xl/workbook.xml", ``, `{}`},
		"two of one id":         {"xl/_rels/workbook.xml.rels", `</Relationships>`, `<Relationship Id="x0" Type="` + relType + `/worksheet" Target="styles.xml"/></Relationships>`},
		"other names of XML":    {stringsPart, mainSpace, `xmlns="urn:x"`},
	} {
		_, err := roll.Read(pack(t, change(tt.part, tt.old, tt.new)), roll.Options{})
		if bad := new(roll.NotRollError); !errors.As(err, &bad) || !strings.Contains(bad.Sentence, "damaged") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestHalfARoll is the negative control of TestDamaged: the library that reads
// the values takes the first rows of a damaged sheet for the whole.
func TestHalfARoll(t *testing.T) {
	t.Parallel()
	p := parts(tab{name: "M", rows: small})
	before, _, _ := strings.Cut(p[sheetPart], `<row r="4">`)
	p[sheetPart] = before
	book, err := excelize.OpenReader(bytes.NewReader(pack(t, p)))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	if rows, err := book.GetRows("M"); err != nil || len(rows) != 3 {
		t.Errorf("the control does not hold: %d rows, %v", len(rows), err)
	}
}

// TestFlipped flips bytes all over a workbook. What is read must be refused, or
// be what it was.
func TestFlipped(t *testing.T) {
	t.Parallel()
	data := pack(t, change("x", "", ""))
	want := read(t, data, roll.Options{}).Members
	for i := 0; i < len(data); i += 7 {
		bad := bytes.Clone(data)
		bad[i] ^= 0x10
		if f, err := roll.Read(bad, roll.Options{}); err == nil && !slices.Equal(f.Members, want) && f.OK() {
			t.Errorf("byte %d flipped: other members were read", i)
		}
	}
}

func TestNotAWorkbook(t *testing.T) {
	t.Parallel()
	word := `<Relationships ` + relSpace + `><Relationship Id="r" Type="` + relType + `/officeDocument" Target="word/document.xml"/></Relationships>`
	for want, p := range map[string]map[string]string{
		"Word document": {"_rels/.rels": word, "word/document.xml": "<x/>"},
		"slides":        {"ppt/presentation.xml": "<x/>"},
		"XLSB":          {"_rels/.rels": strings.Replace(word, "word/document.xml", "xl/workbook.bin", 1), "xl/workbook.bin": "x"},
		"OpenDocument":  {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<x/>"},
		"Numbers":       {"Index/Document.iwa": "x"},
		"zip file":      {"roll.csv": "number\n1\n"},
		"empty":         parts(tab{name: "M", rows: [][]any{{"", " "}, {""}}}),
		"No column":     parts(tab{name: "M", rows: [][]any{{"001", "Ann"}}}),
		"no rows":       parts(tab{name: "M", rows: small[:1]}),
	} {
		_, err := roll.Read(pack(t, p), roll.Options{})
		if bad := new(roll.NotRollError); !errors.As(err, &bad) || !strings.Contains(bad.Sentence, want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func FuzzWorkbook(f *testing.F) {
	p := parts(tab{name: "M", rows: small})
	f.Add(p[sheetPart], p[stringsPart], p["xl/styles.xml"], p["xl/workbook.xml"])
	p = parts(tab{name: "M", rows: [][]any{small[0], {raw(` s="1"><v>1</v>`), raw(` t="inlineStr"><is><r><t>A</t></r></is>`), raw(` t="e"><f t="array" ref="C2:D2">A</f><v>#N/A</v>`), "HX"}},
		attrs: map[int]string{2: ` hidden="1"`}, tail: `<mergeCells><mergeCell ref="A2:B3"/></mergeCells>`})
	f.Add(p[sheetPart], p[stringsPart], p["xl/styles.xml"], p["xl/workbook.xml"])
	f.Fuzz(func(t *testing.T, sheet, texts, styles, book string) {
		p := change("xl/workbook.xml", "", book)
		p[sheetPart], p[stringsPart], p["xl/styles.xml"] = sheet, texts, styles
		checkRead(t, pack(t, p))
	})
}
