package roll_test

import (
	"fmt"
	"strings"
	"testing"

	"strikevote/internal/roll"
)

// TestZerosTwice plants people who stand on the roll twice because a
// spreadsheet took the zeros from one of their rows.
func TestZerosTwice(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("Member number,Name,E-mail,Unit\n")
	for i := 1; i <= 6; i++ {
		fmt.Fprintf(&b, "%06d,Person %d,a%d@mail.example,HX\n", i, i, i)
	}
	for i := 3; i <= 8; i++ {
		fmt.Fprintf(&b, "%d,Person %d,b%d@mail.example,HX\n", i, i, i)
	}
	f, err := roll.Read([]byte(b.String()), roll.Options{})
	if err != nil {
		t.Fatal(err)
	}
	twice := 0
	for _, x := range f.Faults {
		if strings.Contains(x.Problem, "but for zeros") {
			twice++
		}
	}
	if f.OK() || twice != 4 {
		t.Errorf("%d people found twice, want 4: %+v", twice, f.Faults)
	}
}

// TestFirstSpelling demands one group of one name where the groups are taken
// from the roll itself, however its rows spell it.
func TestFirstSpelling(t *testing.T) {
	t.Parallel()
	f, err := roll.Read([]byte("Member number,Name,E-mail,Unit\n"+
		"000101,Ada,ada@mail.example,Hx\n000102,Ben,ben@mail.example, HX \n000103,Cleo,cleo@mail.example,RX\n000104,Dov,dov@mail.example,hx\n"), roll.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"Hx", "Hx", "RX", "Hx"} {
		if got := f.Members[i].Group; got != want {
			t.Errorf("member %d is in group %q, want %q", i+1, got, want)
		}
	}
}
