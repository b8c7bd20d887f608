package roll_test

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

const (
	mainSpace = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
	relType   = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	relSpace  = `xmlns="http://schemas.openxmlformats.org/package/2006/relationships"`
)

// A raw is what stands between "<c r=.." and "</c>" of a cell.
type raw string

// A tab is one sheet of a workbook: its cells are strings or raw.
type tab struct {
	name, state string
	rows        [][]any
	attrs       map[int]string // of rows, by number
	tail        string         // after the rows
}

// parts returns the parts of a workbook. Texts are shared, as spreadsheets keep
// them.
func parts(tabs ...tab) map[string]string {
	var list, rels strings.Builder
	shared := &sharedTexts{at: map[string]int{}}
	p := map[string]string{
		"_rels/.rels": `<Relationships ` + relSpace + `><Relationship Id="r" Type="` + relType + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/styles.xml": `<styleSheet ` + mainSpace + `><numFmts><numFmt numFmtId="200" formatCode="yyyy&quot;x&quot;"/><numFmt numFmtId="201" formatCode="[Red]0 &quot;days&quot;"/></numFmts>` +
			`<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="200"/><xf numFmtId="201"/></cellXfs></styleSheet>`,
	}
	for i, t := range tabs {
		fmt.Fprintf(&list, `<sheet name="%s" sheetId="%d" state="%s" r:id="x%d"/>`, t.name, i+1, t.state, i)
		fmt.Fprintf(&rels, `<Relationship Id="x%d" Type="%s/worksheet" Target="worksheets/w%d.xml"/>`, i, relType, i)
		p[fmt.Sprintf("xl/worksheets/w%d.xml", i)] = t.xml(shared)
	}
	fmt.Fprintf(&rels, `<Relationship Id="ss" Type="%s/sharedStrings" Target="/xl/sharedStrings.xml"/><Relationship Id="st" Type="%[1]s/styles" Target="styles.xml"/>`, relType)
	p["xl/sharedStrings.xml"] = `<sst ` + mainSpace + `>` + shared.b.String() + `</sst>`
	p["xl/workbook.xml"] = `<workbook ` + mainSpace + ` xmlns:r="` + relType + `"><sheets>` + list.String() + `</sheets></workbook>`
	p["xl/_rels/workbook.xml.rels"] = `<Relationships ` + relSpace + `>` + rels.String() + `</Relationships>`
	return p
}

type sharedTexts struct {
	at map[string]int
	b  strings.Builder
}

func (s *sharedTexts) index(text string) int {
	i, ok := s.at[text]
	if !ok {
		i = len(s.at)
		s.at[text] = i
		s.b.WriteString(`<si><t xml:space="preserve">`)
		xml.EscapeText(&s.b, []byte(text))
		s.b.WriteString(`</t></si>`)
	}
	return i
}

func (t *tab) xml(shared *sharedTexts) string {
	var b strings.Builder
	b.WriteString(`<worksheet ` + mainSpace + `><sheetData>`)
	for i, row := range t.rows {
		fmt.Fprintf(&b, `<row r="%d"%s>`, i+1, t.attrs[i+1])
		for j, v := range row {
			fmt.Fprintf(&b, `<c r="%c%d"`, 'A'+j, i+1)
			switch v := v.(type) {
			case raw:
				b.WriteString(string(v))
			case string:
				if v != "" {
					fmt.Fprintf(&b, ` t="s"><v>%d</v>`, shared.index(v))
				} else {
					b.WriteString(` s="3">`)
				}
			}
			b.WriteString(`</c>`)
		}
		b.WriteString(`</row>`)
	}
	return b.String() + `</sheetData>` + t.tail + `</worksheet>`
}

// pack makes a zip file of parts.
func pack(t testing.TB, parts map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, parts[name])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sheet returns the table as rows of a sheet.
func (t *table) sheet() [][]any {
	rows := make([][]any, 0, len(t.rows)+1)
	for _, row := range append([][]string{t.header}, t.rows...) {
		cells := make([]any, len(row))
		for i, c := range row {
			cells[i] = c
		}
		rows = append(rows, cells)
	}
	return rows
}
