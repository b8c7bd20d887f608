package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/registrar"
)

// TestApplicant: a disputed person is checked like a row of a roll.
func TestApplicant(t *testing.T) {
	t.Parallel()
	m := &election.Manifest{Languages: []string{"en", "es"}, Factor: new(election.Factor),
		Groups: []election.Group{{ID: 1, Name: "Academic", Units: []string{"AX"}}, {ID: 2, Name: "Research", Units: []string{"RX", "RY"}}}}
	good := newcomer{name: " Dora Disputed ", email: "dora@mail.example", unit: "ry", language: "Spanish"}
	got, err := applicant(m, good)
	if want := (registrar.Applicant{Name: "Dora Disputed", Email: "dora@mail.example", Language: "es", Group: 2}); err != nil || got != want {
		t.Errorf("got %#v, %v", got.Name, err)
	}
	for name, change := range map[string]func(*newcomer){
		"no name":           func(p *newcomer) { p.name = "" },
		"a name of spaces":  func(p *newcomer) { p.name = " \t " },
		"a control":         func(p *newcomer) { p.name = "Dora\x1b[2J" },
		"a mark":            func(p *newcomer) { p.name = "Dora\u202eevil" },
		"a long name":       func(p *newcomer) { p.name = strings.Repeat("x", 300) },
		"a formula":         func(p *newcomer) { p.name = "=1+1" },
		"two addresses":     func(p *newcomer) { p.email = "a@x.example, b@x.example" },
		"a unit of nobody":  func(p *newcomer) { p.unit = "XX" },
		"no unit":           func(p *newcomer) { p.unit = "" },
		"a campus's escape": func(p *newcomer) { p.campus = "\x07" },
	} {
		p := good
		change(&p)
		if got, err := applicant(m, p); err == nil {
			t.Errorf("%s: got %#v", name, got.Name)
		}
	}
}

// TestCheckAddress: a corrected address is kept as one of a roll is, and refused with what
// is wrong with it.
func TestCheckAddress(t *testing.T) {
	t.Parallel()
	m := &election.Manifest{Languages: []string{"en"}, Groups: []election.Group{{ID: 1, Name: "Academic", Units: []string{"AX"}}}}
	for typed, want := range map[string]string{
		"":                           "",
		" zoe@mail.example ":         "zoe@mail.example",
		"zoe@MÜNCHEN.example":        "zoe@xn--mnchen-3ya.example",
		"zoe@xn--mnchen-3ya.example": "zoe@xn--mnchen-3ya.example",
	} {
		if got, err := checkAddress(m, typed); err != nil || got != want {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
	for typed, want := range map[string]string{
		"zoë@mail.example":                          "before the @",
		"用户@例子.example":                             "before the @",
		"zoe@mün_chen.example":                      "not an email address",
		"zoe@münchen.example,ann@mail.example":      "not an email address",
		strings.Repeat("x", 300):                    "not an email address",
		"a@" + strings.Repeat("a2345.", 50) + "org": "too long",
	} {
		if got, err := checkAddress(m, typed); err == nil || got != "" || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), typed) {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
}

// TestWritePrivate writes over a file that everybody may read: it names members.
func TestWritePrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "faults.csv")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writePrivate(path, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 3 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}
