package roll_test

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"testing"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
)

// A table is a roll as an export writes it.
type table struct {
	header []string
	rows   [][]string
}

var groups = []string{"HX", "RX", "TX"}

// messy makes a roll of n good rows with everything that real exports have:
// odd headers in an odd order, columns nobody asked for, accents, quotation
// marks, line breaks in cells, spaces around, empty optional cells.
func messy(n int) *table {
	names := []string{"García, María", "O'Neill, Seán", "Müller \"Max\" Jr.", "Ångström, Åsa", "Nuñez, José Luis", "Zoë Brontë"}
	t := &table{header: []string{"Location", " E-mail ", "Hire Date", "Employee ID", "Bargaining-Unit", "Full Name", "Job Title", "Work Location", "LANG."}}
	for i := range n {
		worksite := "Main Hospital, Bldg 4"
		if i%7 == 0 {
			worksite = "Main Hospital\r\nBuilding 4"
		}
		t.rows = append(t.rows, []string{
			"Davis", fmt.Sprintf(" m%d@example.org ", i), "-01/02/2019", fmt.Sprintf("%07d", i+1),
			[]string{"HX", "rx", " TX "}[i%3], names[i%len(names)] + fmt.Sprintf(" %d", i), "", worksite, []string{"en", "", "Spanish"}[i%3],
		})
	}
	return t
}

// text writes the table as CSV.
func (t *table) text(comma rune) string {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma, w.UseCRLF = comma, true
	w.Write(t.header)
	w.WriteAll(t.rows)
	return b.String()
}

func windows1252(t testing.TB, s string) []byte {
	t.Helper()
	b, err := charmap.Windows1252.NewEncoder().Bytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func utf16Bytes(s string, order binary.AppendByteOrder, mark bool) []byte {
	var b []byte
	if mark {
		b = order.AppendUint16(b, 0xfeff)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return b
}
