package deployment

import (
	"errors"
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/registrar"
)

// dispute reports, at the last moment, that somebody else used a link. Two of the
// committee uphold it, and the certificate that was proposed makes way for one that
// says so. Nothing that was written goes into the log.
func (w *world) dispute(t *testing.T, before []byte) []byte {
	t.Helper()
	ctx := t.Context()
	at := w.d.Origins().Registrar + "/v1/" + w.id.String() + "/report"
	_, tok, _ := strings.Cut(w.links(t)[0], "#t=")
	tok, _, _ = strings.Cut(tok, "&")
	for _, sent := range []struct{ kind, body string }{
		{"application/json", `{"token":"` + tok + `","happened":"Canary report"}`},
		{"application/x-www-form-urlencoded", "happened=Another+canary&phone=555-0101"},
	} {
		if a := w.ask(t, at, sent.kind, []byte(sent.body)); a.status != 200 || !strings.Contains(a.body, "Two people look at it.") {
			t.Fatalf("reporting: %d %s", a.status, a.body)
		}
	}
	members := w.d.running(w.id).manifest.Committee.Members
	for i, m := range members[:2] {
		if err := w.d.DecideDispute(ctx, w.id, 1, m.Name, true); err != nil {
			t.Fatal(err)
		}
		if err := w.d.DecideDispute(ctx, w.id, 2, m.Name, i == 0); err != nil { // they do not agree
			t.Fatal(err)
		}
	}
	list, err := w.d.Disputes(ctx, w.id)
	if err != nil || len(list) != 2 || list[0].State != registrar.DisputeUpheld || list[1].State != registrar.DisputeOpen || list[0].Member == "" {
		t.Fatalf("got %d reports, %v", len(list), err)
	}
	w.turn(t)
	after, err := w.d.committee.Certificate(ctx, w.id)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]uint64{string(before): 0, string(after): 1} {
		if c, err := tally.ParseCertificate([]byte(body)); err != nil || c.Disputed != want {
			t.Errorf("the certificate says that %d reports are upheld, want %d (%v)", c.Disputed, want, err)
		}
	}
	return after
}

// lateDispute reports once more when enough have signed the certificate. Whoever would
// decide hears that it stands, what it counts and what it would count; and where another
// process let two of them decide in that very moment, every round says so.
func (w *world) lateDispute(t *testing.T) {
	t.Helper()
	ctx, e := t.Context(), w.d.running(w.id)
	if _, err := w.d.committee.Certification(ctx, w.id); err != nil {
		t.Fatal(err)
	}
	number, err := e.registrar.Report(ctx, registrar.Report{Happened: "Canary too late"}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	names := e.manifest.Committee.Members
	late := func(what string, err error, says ...string) {
		t.Helper()
		if !errors.Is(err, ErrDecideLate) {
			t.Fatalf("%s: got %v", what, err)
		}
		for _, part := range append(says, "It counts 1 upheld report") {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is missing in %q", what, part, err)
			}
		}
	}
	const would, remedy = "it would count 2, and the open questions could", "tell everybody"
	late("a look", w.d.CheckDispute(ctx, w.id, number, names[0].Name, true), would, remedy)
	late("a decision", w.d.DecideDispute(ctx, w.id, number, names[0].Name, true), would, remedy)
	if err := w.d.CheckDispute(ctx, w.id, number+1, names[0].Name, true); !errors.Is(err, registrar.ErrNoDispute) {
		t.Errorf("a report that nobody made: got %v, want ErrNoDispute", err)
	}
	late("a rejection", w.d.DecideDispute(ctx, w.id, number, names[0].Name, false))
	if list, err := w.d.Disputes(ctx, w.id); err != nil || len(list[number-1].Upheld)+len(list[number-1].Rejected) > 0 {
		t.Errorf("words too late were recorded (%v)", err)
	}
	if err := w.d.compareUpheld(ctx, e); err != nil {
		t.Errorf("nothing is wrong yet: %v", err)
	}
	for _, m := range names[:2] {
		if err := e.registrar.DecideDispute(ctx, number, m.Name, true); err != nil {
			t.Fatal(err)
		}
	}
	late("the round before", w.d.publishResult(ctx, e), would, remedy)
	w.until(t, election.PhaseCertified)
	late("the round after", w.d.publishResult(ctx, e), would, remedy)
	if !strings.Contains(w.log.String(), ErrDecideLate.Error()) {
		t.Error("the operator is not told that a report is not counted")
	}
}
