package registrar_test

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
)

// forms are ways to write one address; keptForm is the one in which it is kept.
var forms = []string{"zoe@münchen.example", "zoe@xn--mnchen-3ya.example", " Zoe@MÜNCHEN.Example ", "ZOE@XN--MNCHEN-3YA.EXAMPLE", "zoe@mu\u0308nchen.example"}

const keptForm = "zoe@xn--mnchen-3ya.example"

func (w *world) emailOf(number string) (email string) {
	w.t.Helper()
	if err := w.db.Owner.QueryRow(w.t.Context(), `SELECT email FROM registrar.member WHERE member_no = $1`, number).Scan(&email); err != nil {
		w.t.Fatal(err)
	}
	return email
}

// TestResendForms: a member whose domain has letters outside ASCII gets the link again
// however the address is written, listed or corrected, over HTTP and with the form; and
// nobody learns by the answer, or by what is written, that there is such a member.
func TestResendForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f := w.front()
	if err := w.r.NewLink(t.Context(), "M-1-3", forms[0], "Ann", "corrected"); err != nil {
		t.Fatal(err)
	}
	if got := w.emailOf("M-1-3"); got != keptForm {
		t.Fatalf("kept as %q", got)
	}
	rows := func(kind string) int {
		return w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = $1 AND ($1 = 'nobody' OR roll_index = 3)`, kind)
	}
	form := func(who string) *httptest.ResponseRecorder {
		return f.ask("192.0.2.1", "/link", url.Values{"to": {who}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	}
	known := slices.Concat(forms, []string{"M-1-3"})
	unknown := []string{"nobody@münchen.example", "zoë@münchen.example", "zoe@münchen", "zoe@münchen.example.org", "zoe@\u0308.example", "münchen", "zoe@munchen.example", "nobody@mail.example"}
	answers := make(map[string]bool)
	for i, who := range slices.Concat(known, unknown) {
		kind, other := "resend", "nobody"
		if i >= len(known) {
			kind, other = other, kind
		}
		for _, ask := range []func() *httptest.ResponseRecorder{
			func() *httptest.ResponseRecorder { return f.ask("192.0.2.1", "/resend", `{"to":"`+who+`"}`) },
			func() *httptest.ResponseRecorder { return form(who) },
		} {
			w.tried()
			w.now.Add(601)
			before, beside := rows(kind), rows(other)
			rec := ask()
			answers[rec.Body.String()] = true
			if rec.Code != 200 || rows(kind) != before+1 || rows(other) != beside {
				t.Errorf("%q: %d, %d more of %s, %d of %s", who, rec.Code, rows(kind)-before, kind, rows(other)-beside, other)
			}
		}
	}
	if len(answers) != 2 { // of the API and of the form
		t.Errorf("%d different answers", len(answers))
	}
}

// TestResendNumber: a number that looks like an address is a number.
func TestResendNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const number = "7@münchen.example"
	for _, statement := range []string{
		`ALTER TABLE registrar.member DISABLE TRIGGER USER`, // it keeps a sealed roll as it is
		`UPDATE registrar.member SET member_no = '` + number + `' WHERE member_no = 'M-1-3'`,
	} {
		if _, err := w.db.Owner.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	w.at(electiontest.Open)
	if err := w.r.Resend(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'resend'`); n != 1 {
		t.Errorf("%d links are sent again, want 1", n)
	}
}

// TestAddressForms: one address in two forms is one mailbox to corrections, to people who
// are added or admitted, and to what looks for two who share one.
func TestAddressForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	for i, typed := range forms {
		typed = strings.TrimSpace(typed) // as the command line hands it on
		if err := w.r.NewLink(ctx, "M-1-3", typed, "Ann", "corrected"); err != nil {
			t.Fatal(err)
		}
		if got := w.emailOf("M-1-3"); !strings.EqualFold(got, keptForm) {
			t.Errorf("%q is kept as %q", typed, got)
		}
		taken, err := w.r.AddressTaken(ctx, typed, "M-1-4")
		if own, err2 := w.r.AddressTaken(ctx, typed, "M-1-3"); !taken || own || errors.Join(err, err2) != nil {
			t.Errorf("%q: taken %v, by the member %v, %v, %v", typed, taken, own, err, err2)
		}
		_, err = w.r.Admit(ctx, registrar.Applicant{Name: "CANARY", Email: typed, Group: 1})
		if !errors.Is(err, registrar.ErrAddressTaken) {
			t.Errorf("%q: somebody is admitted: %v", typed, err)
		}
		if i == 1 { // the same as before: only the address before both hears of it, once
			if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'replaced'`); n != 1 {
				t.Errorf("%d mails to former addresses, want 1", n)
			}
		}
	}
	if _, err := w.r.Admit(ctx, registrar.Applicant{Name: "CANARY", Email: "off@例子.example", Group: 1}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.r.Stage(ctx, registrar.Member{Number: "L-1", Name: "CANARY", Email: "late@例子.example", Unit: w.m.Groups[0].Units[0], Factor: "x"}); err != nil {
		t.Fatal(err)
	}
	for _, typed := range []string{"off@xn--fsqu00a.example", "late@xn--fsqu00a.example", "LATE@例子.example"} {
		if taken, err := w.r.AddressTaken(ctx, typed, "M-1-4"); err != nil || !taken {
			t.Errorf("%q is free, %v", typed, err)
		}
	}
}

// TestImportForms: the roll is kept in the form in which addresses are looked up, and its
// roots are the same, for no address enters them.
func TestImportForms(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t)
	roots, err := w.draft.Prepare(t.Context(), rollGroups(w.m))
	if err != nil {
		t.Fatal(err)
	}
	roll := members(w.m)
	for i := range roll {
		roll[i].Email = strings.Replace(roll[i].Email, "mail.", "münchen.", 1)
	}
	if err := w.draft.Import(t.Context(), roll); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM registrar.member WHERE email LIKE 'canary-%@xn--mnchen-3ya.example'`); n != len(roll) {
		t.Errorf("%d of %d", n, len(roll))
	}
	again, err := w.draft.Prepare(t.Context(), rollGroups(w.m))
	if err != nil || !slices.Equal(again, roots) {
		t.Errorf("other roots, %v", err)
	}
}
