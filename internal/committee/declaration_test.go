package committee_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/agenda"
	"strikevote/internal/committee"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

const declarePath = "/declaration/signatures"

// newReal creates an election that counts, so that its roll is to be declared.
func newReal(t *testing.T) *world {
	t.Helper()
	m, keys := electiontest.Manifest(t, func(p *electiontest.Plan) { p.Real, p.Tellers, p.Threshold = true, 2, 2 })
	w := &world{m: m, keys: keys, session: 1}
	w.open(t, m)
	return w
}

// declaration declares the roll of the manifest.
func (w *world) declaration(change func(*agenda.Declaration)) []byte {
	w.t.Helper()
	d := &agenda.Declaration{
		ElectionID: w.id(), Second: agenda.SecondList{Name: "Dues of March", Rows: 70}, DeclaredAt: electiontest.Open - 1000,
	}
	for _, g := range w.m.Groups {
		d.Groups = append(d.Groups, agenda.DeclaredGroup{ID: g.ID, Name: g.Name, Size: g.RollSize, Root: g.RollRoot})
	}
	if change != nil {
		change(d)
	}
	b, err := d.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) declare(b []byte) {
	w.t.Helper()
	if err := w.service.ProposeDeclaration(w.t.Context(), w.id(), b, "Olga"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) signDeclaration(member, hand int, b []byte) []byte {
	return signature(w.t, member, ed25519.Sign(w.keys.Committee[hand], agenda.DeclarationMessage(b)))
}

// wantRefused demands a refusal whose text says why.
func wantRefused(t *testing.T, what string, err error, why string) {
	t.Helper()
	var r *committee.RefusedError
	if !errors.As(err, &r) || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: got %v, want %q", what, err, why)
	}
}

// TestRollGate shows that nothing leads to a sealed roll that two have not
// declared.
func TestRollGate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newReal(t)
	w.ceremony()
	w.sendDrills()
	manifest := w.manifest(nil)
	propose := func() error { return w.service.Propose(ctx, w.id(), manifest) }
	w.want("none is proposed", w.ask("GET", "/declaration", nil), 425, "not_yet")
	w.want("none to sign", w.ask("POST", declarePath, []byte(`{"member":0,"key":0,"signature":""}`)), 425, "not_yet")
	wantRefused(t, "no declaration", propose(), "the roll is not declared")
	d := w.declaration(nil)
	w.declare(d)
	w.declare(d)
	if got := w.ask("GET", "/declaration", nil); got.status != 200 || got.text != string(d) {
		t.Errorf("got %v", got)
	}
	wantRefused(t, "nobody has signed", propose(), "the roll is not declared")
	for name, body := range map[string][]byte{
		"by another's hand": w.signDeclaration(1, 0, d),
		"over another":      w.signDeclaration(1, 1, w.declaration(func(d *agenda.Declaration) { d.Second.Rows++ })),
		"a seal":            signature(t, 1, election.SignSeal(w.keys.Committee[1], election.MID(manifest))),
		"a member too many": w.signDeclaration(3, 1, d),
		"nothing":           signature(t, 1, nil),
	} {
		w.want(name, w.ask("POST", declarePath, body), 422, "refused")
	}
	for range 2 {
		w.fine("one member", w.ask("POST", declarePath, w.signDeclaration(1, 1, d)))
		wantRefused(t, "one has signed", propose(), "the roll is not declared")
	}
	if _, _, err := w.service.Declaration(ctx, w.id()); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("one has signed: got %v", err)
	}
	w.fine("another", w.ask("POST", declarePath, w.signDeclaration(2, 2, d)))
	got, signatures, err := w.service.Declaration(ctx, w.id())
	if err != nil || !bytes.Equal(got, d) {
		t.Fatalf("got %s, %v", got, err)
	}
	list, err := election.ParseSignatures(signatures)
	if err != nil || w.m.Committee.Verify(agenda.DeclarationMessage(d), list.Signatures) != nil {
		t.Errorf("got %s, %v", signatures, err)
	}
	if err := propose(); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "another committee", w.service.Propose(ctx, w.id(), w.manifest(func(m *election.Manifest) {
		m.Committee.Members = slices.Clone(m.Committee.Members)
		m.Committee.Members[2].Name = "Somebody"
	})), "the manifest's committee")
	for name, change := range map[string]func(*election.Group){
		"size": func(g *election.Group) { g.RollSize, g.BatchMin = g.RollSize+1, election.BatchMin(g.RollSize+1) },
		"root": func(g *election.Group) { g.RollRoot[0]++ },
	} {
		other := w.manifest(func(m *election.Manifest) {
			m.Groups = slices.Clone(m.Groups)
			change(&m.Groups[1])
		})
		wantRefused(t, name, w.service.Propose(ctx, w.id(), other), "the roll was changed after the declaration")
	}
	// The gate stands at sealing too: another declaration takes the place of the
	// first, after the manifest was signed.
	for member := range 2 {
		w.fine("seal", w.ask("POST", sealPath, w.signSeal(member, manifest)))
	}
	other := w.declaration(func(d *agenda.Declaration) { d.Groups[0].Size++ })
	w.declare(other)
	_, err = w.service.Sealing(ctx, w.id())
	wantRefused(t, "sealing, not declared", err, "the roll is not declared")
	w.want("a signature over the first", w.ask("POST", declarePath, w.signDeclaration(0, 0, d)), 422, "refused")
	for member := range 2 {
		w.fine("declare", w.ask("POST", declarePath, w.signDeclaration(member, member, other)))
	}
	_, err = w.service.Sealing(ctx, w.id())
	wantRefused(t, "sealing, another roll", err, "the roll was changed after the declaration")
	w.declare(d)
	for member := range 2 {
		w.fine("declare", w.ask("POST", declarePath, w.signDeclaration(member, member, d)))
	}
	if _, err := w.service.Sealing(ctx, w.id()); err != nil {
		t.Error(err)
	}
	wantRefused(t, "after sealing", w.service.ProposeDeclaration(ctx, w.id(), other, "Olga"), "the election is sealed")
	wantRefused(t, "forgotten", w.service.Forget(ctx, w.id(), "Olga"), "a real election that was sealed")
	if list, err := w.service.Elections(ctx); err != nil || len(list) != 1 {
		t.Errorf("got %v, %v", list, err)
	}
}

// TestDeclarationOutlivesRestart restarts the ceremony: the roll is still the
// one that was declared.
func TestDeclarationOutlivesRestart(t *testing.T) {
	t.Parallel()
	w := newReal(t)
	d := w.declaration(nil)
	w.declare(d)
	for member := range 2 {
		w.fine("declare", w.ask("POST", declarePath, w.signDeclaration(member, member, d)))
	}
	if err := w.service.Restart(t.Context(), w.id()); err != nil {
		t.Fatal(err)
	}
	if got, _, err := w.service.Declaration(t.Context(), w.id()); err != nil || !bytes.Equal(got, d) {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestDemoNeedsNoDeclaration is the other half of the gate.
func TestDemoNeedsNoDeclaration(t *testing.T) {
	t.Parallel()
	if w, _ := ready(t); !w.m.Demo { // ready has proposed a manifest
		t.Error("the manifest is not a demo's")
	}
}

func TestProposeDeclarationRefused(t *testing.T) {
	t.Parallel()
	w := newReal(t)
	good := w.declaration(nil)
	for name, body := range map[string][]byte{
		"nothing":          nil,
		"a byte less":      good[:len(good)-1],
		"a space more":     append([]byte(" "), good...),
		"another election": w.declaration(func(d *agenda.Declaration) { d.ElectionID[0]++ }),
		"a group less":     w.declaration(func(d *agenda.Declaration) { d.Groups = d.Groups[:1] }),
		"another group":    w.declaration(func(d *agenda.Declaration) { d.Groups[1].ID = 9 }),
		"another name":     w.declaration(func(d *agenda.Declaration) { d.Groups[0].Name = "TX" }),
	} {
		wantRefused(t, name, w.service.ProposeDeclaration(t.Context(), w.id(), body, "Olga"), "")
	}
	wantRefused(t, "by nobody", w.service.ProposeDeclaration(t.Context(), w.id(), good, ""), "by whom")
	if err := w.service.ProposeDeclaration(t.Context(), suite.ElectionID{}, bytes.Replace(good, []byte(w.id().String()), make32('0'), 1), "Olga"); !errors.Is(err, committee.ErrUnknown) {
		t.Errorf("no such election: got %v", err)
	}
}

func make32(c byte) []byte { return bytes.Repeat([]byte{c}, 32) }

// TestDeclarationRace proposes and signs from sixteen sides. Signatures count
// for the declaration that they are over.
func TestDeclarationRace(t *testing.T) {
	t.Parallel()
	w := newReal(t)
	ctx := t.Context()
	var all [][]byte
	for i := range 4 {
		all = append(all, w.declaration(func(d *agenda.Declaration) { d.Second.Rows += uint32(i) }))
	}
	other := w.second()
	var wg sync.WaitGroup
	for i := range 16 {
		service, d := []*committee.Service{w.service, other}[i%2], all[i%4]
		wg.Go(func() {
			if err := service.ProposeDeclaration(ctx, w.id(), d, "Olga"); err != nil {
				t.Errorf("proposing: %v", err)
			}
			for member := range 3 {
				var sig election.MemberSignature
				if err := json.Unmarshal(w.signDeclaration(member, member, d), &sig); err != nil {
					t.Error(err)
				}
				var r *committee.RefusedError
				if err := service.SignDeclaration(ctx, w.id(), sig); err != nil && !errors.As(err, &r) {
					t.Errorf("signing: %v", err)
				}
			}
		})
	}
	wg.Wait()
	last, err := w.service.ProposedDeclaration(ctx, w.id())
	if err != nil {
		t.Fatal(err)
	}
	for member := range 2 {
		w.fine("declare", w.ask("POST", declarePath, w.signDeclaration(member, member, last)))
	}
	if got, _, err := w.service.Declaration(ctx, w.id()); err != nil || !bytes.Equal(got, last) {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestOverview reads what a member's program shows first.
func TestOverview(t *testing.T) {
	t.Parallel()
	w := newReal(t)
	read := func() agenda.Overview {
		t.Helper()
		var o agenda.Overview
		a := w.ask("GET", "/agenda", nil)
		if err := json.Unmarshal([]byte(a.text), &o); err != nil || a.status != 200 || strings.Contains(a.text, "null") {
			t.Fatalf("got %v, %v", a, err)
		}
		return o
	}
	if o := read(); o.Phase != "draft" || len(o.Papers) != 0 || len(o.Committee.Members) != 3 || o.Title != w.m.Title[0] {
		t.Errorf("got %+v", o)
	}
	d := w.declaration(nil)
	w.declare(d)
	w.fine("declare", w.ask("POST", declarePath, w.signDeclaration(2, 2, d)))
	if got := fmt.Sprint(read().Papers); !strings.Contains(got, "declaration") || !strings.Contains(got, "open [2]") {
		t.Errorf("got %s", got)
	}
	w.fine("declare", w.ask("POST", declarePath, w.signDeclaration(0, 0, d)))
	w.ceremony()
	w.sendDrills()
	manifest := w.manifest(nil)
	w.propose(manifest)
	for member := range 2 {
		w.fine("seal", w.ask("POST", sealPath, w.signSeal(member, manifest)))
	}
	if got := fmt.Sprint(read().Papers); !strings.Contains(got, "signed [0 2]") || !strings.Contains(got, "signed [0 1]") {
		t.Errorf("got %s", got)
	}
	if _, err := w.service.Sealing(t.Context(), w.id()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(read().Papers); !strings.Contains(got, "applied [0 1]") {
		t.Errorf("got %s", got)
	}
	w.want("no such election", w.askFor(strings.Repeat("0", 32), "GET", "/agenda", nil), 404, "unknown")
}
