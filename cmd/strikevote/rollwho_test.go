package main

import (
	"strings"
	"testing"

	"strikevote/internal/registrar"
)

// TestPersonWords: at a terminal a number shows whom it means, and where mails go and went.
// Elsewhere there is no name and no address.
func TestPersonWords(t *testing.T) {
	t.Parallel()
	m := registrar.Member{Number: "HX001", Name: "Ann Early", Unit: "HX", Email: "ann@mail.example"}
	for _, tt := range []struct{ got, want string }{
		{personWords(true, m), "Member HX001: Ann Early, HX, ann@mail.example"},
		{personWords(true, registrar.Member{Number: "HX002", Name: "Bob", Unit: "HX"}), "Member HX002: Bob, HX, no address"},
		{personWords(true, registrar.Member{Name: "Dora", Email: "dora@mail.example"}), "A disputed person: Dora, dora@mail.example"},
		{personWords(false, m), "Member HX001"},
		{personWords(false, registrar.Member{Name: "Dora"}), "A disputed person"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
	if said := newLinkWords(true, m, "new@mail.example"); !strings.Contains(said, "new@mail.example, in place of ann@mail.example") {
		t.Error(said)
	}
	if said := newLinkWords(false, m, "new@mail.example"); strings.Contains(said, "@") {
		t.Error(said)
	}
	m.Email = ""
	if said := newLinkWords(true, m, ""); strings.Contains(said, "keep the address") || !strings.Contains(said, "roll slips") || !strings.Contains(said, "the old one ends") {
		t.Error(said)
	}
	m.Email = "ann@mail.example"
	for address, want := range map[string]string{"": "keep the address", "ann@mail.example": "have this address already"} {
		if said := newLinkWords(true, m, address); !strings.Contains(said, want) || !strings.Contains(said, "the old one ends") {
			t.Error(said)
		}
	}
}
