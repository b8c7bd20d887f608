package roll_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/roll"
)

func readList(t testing.TB, data []byte) *roll.List {
	t.Helper()
	l, err := roll.ReadList(data, roll.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !l.OK() {
		t.Fatalf("%+v", l.Faults)
	}
	return l
}

func compare(t testing.TB, first []roll.Member, second *roll.List) *roll.Differences {
	t.Helper()
	d, err := roll.Compare(first, second)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// found returns the differences in short.
func found(d *roll.Differences) []string {
	var list []string
	for _, x := range d.List {
		list = append(list, fmt.Sprintf("%s %s %q %q %d %d %s", x.Kind, x.Number, x.Roll, x.Second, x.RollRow, x.SecondRow, x.Near))
	}
	return list
}

var fromDatabase = []roll.Member{
	{Number: "001", Name: "Ann", Group: "HX", Campus: "Davis", Worksite: "Lab 1"},
	{Number: "002", Name: "Ben", Group: "RX", Campus: "Davis", Worksite: "Lab 2"},
	{Number: "003", Name: "=Cleo", Group: "HX", Campus: "Irvine", Worksite: "Lab 3"},
	{Number: "004", Name: "Dov", Group: "TX", Campus: "Irvine", Worksite: "Lab 4"},
	{Number: "5a", Name: "Eve", Group: "HX", Campus: "", Worksite: "Lab 5"},
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
		counts     roll.Counts
	}{
		{"the same, in another order, case and spacing",
			"Worksite,Bargaining Unit,Location,Member #\nlab 5,hx,,5a\nLab 4, tx ,IRVINE,004\nLab  3,Hx,irvine,003\nLAB 2,rx,davis,002\nLab 1,HX,Davis,001\n",
			nil, roll.Counts{Roll: 5, Second: 5, Both: 5, Groups: true, Campuses: true, Worksites: true}},
		{"numbers alone", "Member #\n001\n002\n003\n004\n5a\n", nil, roll.Counts{Roll: 5, Second: 5, Both: 5}},
		{"every kind",
			"Member #,Name,Unit,Campus,Worksite\n001,Ann,RX,Davis,Lab 1\n002,Ben,RX,Irvine,Lab 9\n003,Cleo,HX,Irvine,\n009,Zoe,NX,Merced,Lab 9\n0004,Dov,TX,Irvine,Lab 4\n",
			[]string{
				`only in the roll 004 "TX, Irvine, Lab 4" "" 0 0 0004`, `only in the roll 5a "HX, Lab 5" "" 0 0 `,
				`only in the second list 0004 "" "TX, Irvine, Lab 4" 0 5 004`, `only in the second list 009 "" "NX, Merced, Lab 9" 0 4 `,
				`another group 001 "HX" "RX" 0 1 `, `another campus 002 "Davis" "Irvine" 0 2 `,
				`another worksite 002 "Lab 2" "Lab 9" 0 2 `, `another worksite 003 "Lab 3" "" 0 3 `,
			},
			roll.Counts{Roll: 5, Second: 5, Both: 3, OnlyRoll: 2, OnlySecond: 2, Group: 1, Campus: 1, Worksite: 2, Groups: true, Campuses: true, Worksites: true}},
		{"numbers are exact", "Number,Unit\n001,HX\n002,RX\n003,HX\n004,TX\n5A,HX\n",
			[]string{`only in the roll 5a "HX, Lab 5" "" 0 0 5A`, `only in the second list 5A "" "HX" 0 5 5a`},
			roll.Counts{Roll: 5, Second: 5, Both: 4, OnlyRoll: 1, OnlySecond: 1, Groups: true}},
	} {
		d := compare(t, fromDatabase, readList(t, []byte(tt.text)))
		if got := found(d); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q", tt.name, got)
		}
		if got := d.Counts(); got != tt.counts || got.Total() != len(tt.want) {
			t.Errorf("%s: got %+v", tt.name, got)
		}
	}
}

// TestCompareEveryChange changes each compared value of each row, one at a
// time, and demands exactly one difference; and none where nothing changes.
func TestCompareEveryChange(t *testing.T) {
	t.Parallel()
	header := []string{"Number", "Unit", "Campus", "Worksite"}
	rows := func() [][]any {
		list := [][]any{{header[0], header[1], header[2], header[3]}}
		for _, m := range fromDatabase {
			list = append(list, []any{m.Number, m.Group, m.Campus, m.Worksite})
		}
		return list
	}
	if d := compare(t, fromDatabase, readList(t, pack(t, parts(tab{name: "L", rows: rows()})))); len(d.List) != 0 {
		t.Fatalf("got %q", found(d))
	}
	kinds := []roll.Kind{roll.OnlyRoll, roll.GroupDiffers, roll.CampusDiffers, roll.WorksiteDiffers}
	for i := range fromDatabase {
		for column, kind := range kinds {
			changed := rows()
			changed[i+1][column] = changed[i+1][column].(string) + "x"
			d := compare(t, fromDatabase, readList(t, pack(t, parts(tab{name: "L", rows: changed}))))
			want := 1
			if column == 0 {
				want = 2 // missing here, too many there
			}
			if len(d.List) != want || d.List[0].Kind != kind || d.List[0].Number != fromDatabase[i].Number {
				t.Errorf("row %d, %s changed: got %q", i+1, header[column], found(d))
			}
		}
	}
}

func TestCompareRefuses(t *testing.T) {
	t.Parallel()
	good := readList(t, []byte("number\n1\n"))
	bad, err := roll.ReadList([]byte("number\n1\n1\n"), roll.Options{})
	if err != nil || bad.OK() {
		t.Fatalf("a number twice: %v", err)
	}
	for name, tt := range map[string]struct {
		first  []roll.Member
		second *roll.List
	}{
		"faults":          {fromDatabase, bad},
		"a number twice":  {[]roll.Member{{Number: "1"}, {Number: "1"}}, good},
		"an empty number": {[]roll.Member{{}}, good},
	} {
		if _, err := roll.Compare(tt.first, tt.second); !errors.Is(err, roll.ErrNotComparable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	var b bytes.Buffer
	if err := bad.WriteReport(&b); err != nil || !strings.Contains(b.String(), "Nothing was compared. There is 1 problem to correct.") {
		t.Errorf("got %v:\n%s", err, b.String())
	}
	if _, err := roll.ReadList([]byte("name,unit\nAnn,HX\n"), roll.Options{}); err != nil {
		t.Error(err)
	}
}

// TestList demands that a list has faults only where it matters.
func TestList(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"number,email,name,unit,group of friends\n1,nonsense,,,x\n2,nonsense,=A1,HX,x\n": 0,
		"name,unit\nAnn,HX\n":                 2, // no column, hence no number
		"number,unit\n1,=A1\n":                1,
		"number,unit\n1.0E+05,HX\n":           1,
		"number,unit\n001,HX\n002,HX\n3,HX\n": 1,
	} {
		l, err := roll.ReadList([]byte(text), roll.Options{Groups: []string{"RX"}})
		if err != nil {
			t.Fatal(err)
		}
		if faults, warnings := l.Count(); faults != min(want, 1) || warnings != 0 {
			t.Errorf("%q: got %+v", text, l.Faults)
		}
	}
}

func TestCompareReport(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("Number,Name,Unit\n001,Ann,HX\n002,Ben,HX\n0004,Dov,TX\n")
	for i := range 60 {
		fmt.Fprintf(&text, "N%03d,\"Ma\x1b[2Jx %d\",HX\n", i, i)
	}
	d := compare(t, fromDatabase, readList(t, []byte(text.String())))
	var b bytes.Buffer
	if err := d.WriteReport(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"The roll has 5 members, the second list 63. 2 stand on both.\n",
		"Not compared: campuses, because the second list has none.\n", "Not compared: worksites, because the second list has none.\n",
		"Roll  Second list  Difference  Group and campus\n", "   3           62         +59  HX\n", "   1            0          -1  RX\n",
		"   1            1        none  TX\n", "   5           63         +58  in all\n",
		"There are 65 differences.\n", "Only in the roll: 3\n", "Only in the second list: 61\n",
		"spaces or capital letters: 1.\n", "004 Dov, TX, Irvine, Lab 4; the other list has 0004\n",
		"N001 Ma<U+001B>[2Jx 1, HX (second list row 5)\n", "and 11 more; -csv writes all\n",
		"002 Ben: roll \"RX\", second list \"HX\" (row 2)\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
	var table bytes.Buffer
	if err := d.WriteCSV(&table); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != 66 {
		t.Fatalf("got %d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a formula in the table of differences: %q", cell)
			}
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", d.List[0], d.List, d.List[0]); strings.Contains(s, "Cleo") || strings.Contains(s, "003") {
		t.Errorf("a difference shows itself: %s", s)
	}
}
