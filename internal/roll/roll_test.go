package roll_test

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/roll"
)

func read(t testing.TB, data []byte, o roll.Options) *roll.File {
	t.Helper()
	f, err := roll.Read(data, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestMessy reads one roll in every encoding and separator, and as a workbook;
// all must give the same members.
func TestMessy(t *testing.T) {
	t.Parallel()
	const n = 3_000
	table := messy(n)
	o := roll.Options{Groups: groups, Languages: []string{"en", "es"}}
	var want []roll.Member
	for _, tt := range []struct {
		name, encoding, separator string
		data                      []byte
	}{
		{"utf-8 comma", "UTF-8", "comma", []byte(table.text(','))},
		{"utf-8 mark tab", "UTF-8", "tab", []byte("\ufeff" + table.text('\t'))},
		{"windows-1252 semicolon", "Windows-1252", "semicolon", windows1252(t, table.text(';'))},
		{"utf-16 le tab", "UTF-16 LE", "tab", utf16Bytes(table.text('\t'), binary.LittleEndian, true)},
		{"utf-16 be comma", "UTF-16 BE", "comma", utf16Bytes(table.text(','), binary.BigEndian, true)},
		{"utf-16 le without mark", "UTF-16 LE", "comma", utf16Bytes(table.text(','), binary.LittleEndian, false)},
		{"sep line", "UTF-8", "semicolon", []byte("sep=;\r\n" + table.text(';'))},
		{"workbook", "XLSX", "Members", pack(t, parts(tab{name: "Members", rows: table.sheet()}))},
		{"blank rows at the end", "UTF-8", "comma", []byte(table.text(',') + ",,,,,,,,\r\n\r\n,,,,,,,,\r\n")},
	} {
		f := read(t, tt.data, o)
		if f.Encoding != tt.encoding || f.Separator != tt.separator || f.Rows != n {
			t.Errorf("%s: got %s, %s, %d rows", tt.name, f.Encoding, f.Separator, f.Rows)
		}
		if len(f.Faults) > 0 || !f.OK() {
			t.Errorf("%s: got %d faults, first %+v", tt.name, len(f.Faults), f.Faults[0])
			continue
		}
		for i := range f.Members {
			f.Members[i].Line = 0 // the line "sep=;" moves them all
		}
		if want == nil {
			want = f.Members
		} else if !slices.Equal(f.Members, want) {
			t.Errorf("%s: members differ from those of the first file", tt.name)
		}
	}
	m := want[7]
	m.Row = 0
	if wantM := (roll.Member{Number: "0000008", Name: "O'Neill, Seán 7", Email: "m7@example.org", Group: "RX",
		Campus: "Davis", Worksite: "Main Hospital Building 4"}); m != wantM {
		t.Errorf("got %#v", [...]string{m.Number, m.Name, m.Email, m.Group, m.Campus, m.Worksite, m.Title, m.Language, m.Factor})
	}
}

func TestCells(t *testing.T) {
	t.Parallel()
	const head = "number,name,email,group,factor\n"
	for _, tt := range []struct {
		name, text string
		options    roll.Options
		want       []string // row: problem, or "-" for good
	}{
		{"good", head + "1,Ann,ann@x.org,A,\n", roll.Options{}, nil},
		{"first and last name", "Last,First,Member #,Mail,Unit\nLee,Ann,1,a@x.org,A\n", roll.Options{}, nil},
		{"last name alone is enough of a name", "Last,First,Member #,Mail,Unit\nLee,,1,a@x.org,A\n", roll.Options{}, nil},
		{"shared address allowed", head + "1,Ann,a@x.org,A,\n2,Bob,A@x.org,A,\n", roll.Options{SharedEmails: true}, []string{"2w: The email address stands in two rows."}},
		{"shared address", head + "1,Ann,a@x.org,A,\n2,Bob,A@x.org,A,\n", roll.Options{}, []string{"2: The email address stands in two rows."}},
		{"one person twice is said once", head + "1,Ann,a@x.org,A,\n1,Ann,a@x.org,A,\n", roll.Options{}, []string{"2: The member number stands in two rows."}},
		{"numbers that differ in case", head + "a1,Ann,a@x.org,A,\nA1,Bob,b@x.org,A,\n", roll.Options{}, []string{"2: The member number stands in two rows."}},
		{"factor missing", head + "1,Ann,a@x.org,A,\n", roll.Options{NeedFactor: true}, []string{"1: The answer to the extra question is missing."}},
		{"a phone number is no formula", head + "1,Ann,a@x.org,A,+1 (510) 555-0100\n", roll.Options{}, nil},
		{"a negative number is no formula", head + "1,Ann,a@x.org,A,-5\n", roll.Options{}, nil},
		{"too many cells", head + "1,Lee, Ann,a@x.org,A,9\n", roll.Options{}, []string{"1: The row has more cells than the file has columns."}},
		{"too few cells", head + "1,Ann,a@x.org\n", roll.Options{}, []string{"1: The group is missing."}},
		{"stray quotation mark", head + "1,An\"n,a@x.org,A,\n2,Bob,b@x.org,A,\n", roll.Options{}, []string{"1: A quotation mark is in the wrong place, so the row cannot be read."}},
		{"open quotation mark", head + "1,\"Ann,a@x.org,A,\n2,Bob,b@x.org,A,\n", roll.Options{}, []string{"1: A quotation mark is in the wrong place, so the row cannot be read."}},
		{"no zeros were lost", head + "12,Ann,a@x.org,A,\n123,Bob,b@x.org,A,\n124,C,c@x.org,A,\n", roll.Options{}, nil},
		{"a number with letters may be short", head + "012,Ann,a@x.org,A,\n123,Bob,b@x.org,A,\nA4,C,c@x.org,A,\n", roll.Options{}, nil},
		{"a column is missing", "number,name,group\n1,Ann,A\n", roll.Options{}, []string{"0: A column is missing."}},
		{"two numbers", "number,Employee ID,name,email,group\n1,2,Ann,a@x.org,A\n", roll.Options{}, []string{"0: Two columns mean the same."}},
		{"two campuses", "number,name,email,group,campus,location\n1,Ann,a@x.org,A,C,L\n", roll.Options{}, nil},
		{"lone carriage return and line end in a cell", head + "\"1\n2\",Ann,a@x.org,A,\n", roll.Options{}, []string{"1: The cell holds a character that cannot be seen or was garbled."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := read(t, []byte(tt.text), tt.options)
			var got []string
			for _, x := range f.Faults {
				w := ""
				if x.Warning {
					w = "w"
				}
				got = append(got, fmt.Sprintf("%d%s: %s", x.Row, w, x.Problem))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNotARoll(t *testing.T) {
	t.Parallel()
	wide := strings.Repeat("number,", roll.MaxColumns) + "x\n1\n"
	long := "number,name,email,group\n" + strings.Repeat("1,a,a@x.org,A\n", roll.MaxRows+1)
	for name, tt := range map[string]struct {
		data, want string
	}{
		"empty":                {"", "empty"},
		"no rows":              {"number,name,email,group\n", "no rows"},
		"no header":            {"1,Ann,ann@x.org,A\n2,Bob,b@x.org,A\n", "No column was recognized"},
		"pdf":                  {"%PDF-1.7\n", "PDF"},
		"cut zip":              {"PK\x03\x04\x14\x00", "damaged"},
		"broken head of a zip": {"XX\x03\x04\x14\x00" + strings.Repeat("José\xe9 ", 9) + "PK\x01\x02\x14", "workbook is damaged"},
		"broken workbook":      {"XX\x00\x04" + strings.Repeat("José\xe9 ", 9), "it is damaged"},
		"empty zip":            {"PK\x05\x06" + strings.Repeat("\x00", 18), "empty zip"},
		"password":             {"\xd0\xcf\x11\xe0\xa1\xb1" + "E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00", "password"},
		"xls":                  {"\xd0\xcf\x11\xe0\xa1\xb1", "Excel"},
		"web page":             {"\n <!DOCTYPE html><html>", "web page"},
		"binary":               {"number,name\n1,\x00\x00\x00", "not a text file"},
		"too wide":             {wide, "columns"},
		"too long":             {long, "rows"},
		"cut utf-16":           {"\xff\xfen", "cut off"},
		"mixed":                {"number,name\n1,Jos\xe9\n2," + strings.Repeat("José ", 9), "two encodings"},
		"broken head":          {"\"number,name\n1,2\n", "first line"},
		"too large":            {strings.Repeat(" ", roll.MaxBytes+1), "larger"},
	} {
		_, err := roll.Read([]byte(tt.data), roll.Options{})
		if bad := new(roll.NotRollError); !errors.As(err, &bad) || !strings.Contains(bad.Sentence, tt.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestReportAlike: one warning about one value is not said of each of many rows. What
// stands in a row alone, or is missing there, is named for each.
func TestReportAlike(t *testing.T) {
	t.Parallel()
	text := "Member No;Name;E-Mail;Unit;Language\n"
	for i := range 42 {
		mail := fmt.Sprintf("m%d@work.example", i)
		if i%2 == 1 {
			mail = ""
		}
		text += fmt.Sprintf("M%02d;Name %d;%s;A;%s\n", i, i, mail, []string{"French", "Dutch"}[i/40])
	}
	f := read(t, []byte(text), roll.Options{Languages: []string{"en"}, EmployerDomains: []string{"work.example"}})
	var b bytes.Buffer
	if err := f.WriteReport(&b); err != nil {
		t.Fatal(err)
	}
	said := b.String()
	for want, times := range map[string]int{
		"The roll can be imported; there are 84 warnings to look at.\n": 1,
		"Every row is complete":         0,
		"in this language. (42 times)":  1,
		"column \"Language\": French\n": 3,
		"  row 3 (line 4), column \"Language\": French\n  and 37 more rows with the same\n": 1,
		"column \"Language\": Dutch\n": 2,
		"@work.example\n":              21,
		", column \"E-Mail\"\n":        21,
		"in the table of problems":     0,
	} {
		if n := strings.Count(said, want); n != times {
			t.Errorf("%q is said %d times, want %d:\n%s", want, n, times, said)
		}
	}
	b.Reset()
	if err := read(t, []byte("Member No;Name;E-Mail;Unit\n1;Ann;ann@mail.example;A\n"), roll.Options{}).WriteReport(&b); err != nil || !strings.Contains(b.String(), "\nThe roll can be imported. Every row is complete.\n") {
		t.Errorf("%v: %s", err, &b)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	text := "Member No;Name;E-Mail;Unit;Salary\n"
	for i := range 60 {
		text += fmt.Sprintf("%d;=Name %d;;A;1\n", i, i)
	}
	f := read(t, []byte(text), roll.Options{})
	var b bytes.Buffer
	if err := f.WriteReport(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"60 rows, read as UTF-8, cells separated by semicolon.",
		"member number    from column \"Member No\"", "not read: \"Salary\"",
		"Nothing was imported. There are 60 problems to correct, and 60 warnings to look at.",
		"Problem: The cell holds a formula, not a text. (60 times)",
		"row 1 (line 2), column \"Name\": =Name 0\n",
		"and 10 more; the full list is in the table of problems",
		"Warning: The email address is missing. (60 times)",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
	var table bytes.Buffer
	if err := f.WriteFaultsCSV(&table); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != 121 {
		t.Fatalf("got %d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				t.Fatalf("a formula in the table of problems: %q", cell)
			}
		}
	}
}

func TestMemberRedactsItself(t *testing.T) {
	t.Parallel()
	m := roll.Member{Row: 3, Number: "4711", Name: "CANARY", Email: "canary@x.org"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if s := strings.ToLower(fmt.Sprintf(verb, m) + fmt.Sprintf(verb, []roll.Member{m})); strings.Contains(s, "canary") || strings.Contains(s, "4711") {
			t.Errorf("%s shows the member: %s", verb, s)
		}
	}
}

func FuzzRead(f *testing.F) {
	few := messy(5)
	f.Add([]byte(few.text(',')))
	f.Add(windows1252(f, few.text(';')))
	f.Add(utf16Bytes(few.text('\t'), binary.LittleEndian, true))
	f.Add([]byte("sep=;\nnumber;name;email;group\n1;\"a;b@c.de;A\n"))
	f.Add([]byte("number,name,email,group\n1,a,z@m\u00fcnchen.example,A\n2,b,Z@XN--MNCHEN-3YA.example,A\n3,c,\u7528@\u4f8b.example,A\n4,d,a@m\u0430il\u3002example,A\n"))
	f.Add(pack(f, parts(tab{name: "M", rows: few.sheet()})))
	f.Fuzz(func(t *testing.T, data []byte) { checkRead(t, data) })
}

// checkRead demands of whatever is read that it holds together.
func checkRead(t *testing.T, data []byte) {
	t.Helper()
	file, err := roll.Read(data, roll.Options{})
	if err != nil {
		return
	}
	faults, _ := file.Count()
	if file.OK() != (faults == 0) {
		t.Fatalf("%d faults, OK %v", faults, file.OK())
	}
	numbers := map[string]bool{}
	for _, m := range file.Members {
		if m.Number == "" || m.Name == "" || m.Group == "" || numbers[m.Number] {
			t.Fatalf("a member without number, name or group, or a number twice, in row %d", m.Row)
		}
		if m.Email != "" && (strings.Count(m.Email, "@") != 1 || strings.ContainsFunc(m.Email, func(r rune) bool { return r > '~' })) || strings.ContainsAny(m.Name+m.Number+m.Email+m.Group, "\r\n\x00") {
			t.Fatalf("an unclean cell in row %d", m.Row)
		}
		numbers[m.Number] = true
	}
	if err := errors.Join(file.WriteReport(new(bytes.Buffer)), file.WriteFaultsCSV(new(bytes.Buffer))); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkRead(b *testing.B) {
	data := windows1252(b, messy(22_000).text(';'))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		read(b, data, roll.Options{Groups: groups})
	}
}
