package roll_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/roll"
)

const (
	badLocal = "Many mail services carry only a-z, digits and plain signs before the @."
	twoRows  = "The email address stands in two rows."
	mixed    = "The address mixes letters of alphabets that look alike."
	employer = "The address belongs to the employer."
	long     = "The text is too long."
)

// TestAddresses: an address whose domain has letters outside ASCII is kept in xn-- form
// and compared in it; one with such letters before the @ is refused for what it is.
func TestAddresses(t *testing.T) {
	t.Parallel()
	shared := roll.Options{SharedEmails: true}
	clinic := roll.Options{EmployerDomains: []string{"@Klinik-München.example"}}
	for _, tt := range []struct {
		name    string
		emails  []string
		options roll.Options
		want    []string // as they are kept, if there is no fault
		faults  []string
		written int
	}{
		{"plain", []string{"Ann@Mail.example", "ben@mail.example"}, roll.Options{}, []string{"Ann@Mail.example", "ben@mail.example"}, nil, 0},
		{"umlaut", []string{"zoe@münchen.example", "zoe@mail.example", "li@例子.中国"}, roll.Options{},
			[]string{"zoe@xn--mnchen-3ya.example", "zoe@mail.example", "li@xn--fsqu00a.xn--fiqs8s"}, nil, 2},
		{"xn-- as it is", []string{"zoe@xn--mnchen-3ya.example"}, roll.Options{}, []string{"zoe@xn--mnchen-3ya.example"}, nil, 0},
		{"two become one", []string{"zoe@xn--mnchen-3ya.example", "Zoe@MÜNCHEN.example"}, roll.Options{}, nil, []string{"2 see 1: " + twoRows}, 1},
		{"two become one that they share", []string{"zoe@mu\u0308nchen.example", "zoe@XN--MNCHEN-3YA.example", "x@mail.example"}, shared,
			[]string{"zoe@xn--mnchen-3ya.example", "zoe@XN--MNCHEN-3YA.example", "x@mail.example"}, []string{"2w see 1: " + twoRows}, 1},
		{"letters before the @", []string{"zoë@mail.example", "ann@mail.example", "用户@例子.example", "no address", "ANN@mail.example", "o’neill@mail.example"}, roll.Options{}, nil,
			[]string{"1: " + badLocal, "3: " + badLocal, "4: " + badAddress, "5 see 2: " + twoRows, "6: " + badLocal}, 0},
		{"no domain", []string{"zoe@mün_chen.example", "zoe@münchen", "zoe@" + strings.Repeat("ü", 60) + ".example"}, roll.Options{}, nil,
			[]string{"1: " + badAddress, "2: " + badAddress, "3: " + badAddress}, 0},
		{"garbled once", []string{"zoe@mÃ¼nchen.example"}, roll.Options{}, nil, []string{"1: Letters with accents were garbled by an earlier export."}, 0},
		{"cannot be seen", []string{"zoe@mün\u00adchen.example"}, roll.Options{}, nil, []string{"1: " + hidden}, 0},
		{"alphabets mixed", []string{"zoe@m\u0430il.example", "zoe@xn--exmple-4nf.example", "a@пример.example"}, roll.Options{},
			[]string{"zoe@xn--mil-6cd.example", "zoe@xn--exmple-4nf.example", "a@xn--e1afmkfd.example"}, []string{"1w: " + mixed, "2w: " + mixed}, 2},
		{"employer", []string{"a@klinik-münchen.example", "b@haus.xn--klinik-mnchen-3ob.example", "c@münchen.example"}, clinic,
			[]string{"a@xn--klinik-mnchen-3ob.example", "b@haus.xn--klinik-mnchen-3ob.example", "c@xn--mnchen-3ya.example"}, []string{"1w: " + employer, "2w: " + employer}, 2},
		{"too long", []string{"a@" + strings.Repeat("a23456789.", 25) + "example", strings.Repeat("x", 5000)}, roll.Options{}, nil, []string{"1: " + long, "2: " + long}, 0},
		{"too long in xn-- form", []string{"a@" + strings.Repeat("ü23456789.", 18) + "example"}, roll.Options{}, nil, []string{"1: " + badAddress}, 0},
		{"long as typed only", []string{"a@" + strings.Repeat(strings.Repeat("中", 30)+".", 4) + "example"}, roll.Options{}, nil, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			b.WriteString("number,name,email,group\n")
			for i, e := range tt.emails {
				fmt.Fprintf(&b, "M%d,Ann,%s,A\n", i, e)
			}
			f := read(t, utf16Bytes(b.String(), binary.LittleEndian, true), tt.options)
			var faults, got []string
			for _, x := range f.Faults {
				s := fmt.Sprint(x.Row)
				if x.Warning {
					s += "w"
				}
				if x.See != 0 {
					s += fmt.Sprintf(" see %d", x.See)
				}
				faults = append(faults, s+": "+x.Problem)
			}
			if !slices.Equal(faults, tt.faults) || f.Rewritten != tt.written {
				t.Errorf("%d written, faults %q, want %d, %q", f.Rewritten, faults, tt.written, tt.faults)
			}
			for _, m := range f.Members {
				got = append(got, m.Email)
			}
			if tt.want != nil && !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestAddressReport: the report says how many addresses are kept in another form, and
// what to do about those that are refused.
func TestAddressReport(t *testing.T) {
	t.Parallel()
	const head, good = "number,name,email,group\n", "1,Ann,ann@mail.example,A\n"
	for text, want := range map[string]string{
		good:                                   "",
		good + "2,Zoe,zoe@münchen.example,A\n": "Addresses with letters outside a-z after the @: 1. Such a one is kept",
		"1,Li,li@例子.example,A\n2,Zoe,zoe@münchen.example,A\n":                      "Addresses with letters outside a-z after the @: 2. Such a one is kept",
		good + "2,Zoe,zoë@mail.example,A\n":                                        "Problem: " + badLocal + " (1 time)\n  What to do: If a letter there was mistyped, correct it. Otherwise ask the member for another address.\n  row 2 (line 3), column \"email\": zoë@mail.example\n",
		"1,Li,li@例子.example,A\n2,Zoe,zoë@mail.example,A\n3,Bob,b@mail.example,B\n": "Nothing was imported. There is 1 problem to correct",
	} {
		var b bytes.Buffer
		if err := read(t, []byte(head+text), roll.Options{}).WriteReport(&b); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) || want == "" && strings.Contains(b.String(), "xn--") {
			t.Errorf("%q:\n%s", text, &b)
		}
	}
}
