package committee_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/committee"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

const sealPath = "/manifest/signatures"

// ready takes a world to where the manifest can be signed and sealed.
func ready(t *testing.T, change ...func(*election.Manifest)) (*world, []byte) {
	t.Helper()
	w := newWorld(t, 2, 2)
	for _, c := range change {
		c(w.m)
	}
	w.ceremony()
	w.sendDrills()
	manifest := w.manifest(nil)
	w.propose(manifest)
	return w, manifest
}

// TestForget takes a draft that is ready to be sealed off the list: nobody seals
// it any more, and it can be forgotten again.
func TestForget(t *testing.T) {
	t.Parallel()
	w, manifest := ready(t)
	for member := range 2 {
		w.fine("seal", w.ask("POST", sealPath, w.signSeal(member, manifest)))
	}
	for range 2 {
		if err := w.service.Forget(t.Context(), w.id(), "Olga"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.service.Sealing(t.Context(), w.id()); !errors.Is(err, committee.ErrUnknown) {
		t.Errorf("sealing one that is forgotten: got %v", err)
	}
	if list, err := w.service.Elections(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v", list, err)
	}
}

// TestSealing collects signatures over a manifest.
func TestSealing(t *testing.T) {
	t.Parallel()
	w, manifest := ready(t)
	if got := w.ask("GET", "/manifest", nil); got.status != 200 || got.text != string(manifest) {
		t.Errorf("got %v, want the bytes to sign", got)
	}
	mid := election.MID(manifest)
	for name, body := range map[string][]byte{
		"by another's hand":   signature(t, 1, election.SignSeal(w.keys.Committee[0], mid)),
		"over another":        signature(t, 1, election.SignSeal(w.keys.Committee[1], suite.MID{})),
		"no signature":        signature(t, 1, nil),
		"a short one":         signature(t, 1, make([]byte, 63)),
		"a member too many":   signature(t, 3, election.SignSeal(w.keys.Committee[1], mid)),
		"of member 255":       signature(t, 255, election.SignSeal(w.keys.Committee[1], mid)),
		"by a key too many":   bytes.Replace(w.signSeal(1, manifest), []byte(`"key":0`), []byte(`"key":1`), 1),
		"a byte of it is off": bytes.Replace(w.signSeal(1, manifest), []byte(`"signature":"`), []byte(`"signature":"00`), 1),
	} {
		got := w.ask("POST", sealPath, body)
		if got.status != 422 || got.code != "refused" || !strings.HasPrefix(got.text, "This was refused: ") {
			t.Errorf("%s: got %v", name, got)
		}
	}
	w.want("member 256", w.ask("POST", sealPath, []byte(`{"member":256,"key":0,"signature":""}`)), 400, "malformed")
	for range 2 {
		w.fine("a member, again", w.ask("POST", sealPath, w.signSeal(1, manifest)))
		if _, err := w.service.Sealing(t.Context(), w.id()); !errors.Is(err, committee.ErrNotYet) {
			t.Errorf("one member sealed: %v", err)
		}
	}
	w.fine("another member", w.ask("POST", sealPath, w.signSeal(2, manifest)))
	sealing, err := w.service.Sealing(t.Context(), w.id())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.m.VerifySealing(mid, sealing); err != nil {
		t.Error(err)
	}
	// It may be published half-way by now: one more signature, which would come
	// first in the file, changes nothing, nor does a restart of the program.
	w.fine("the third member", w.ask("POST", sealPath, w.signSeal(0, manifest)))
	w.restartService()
	if again, err := w.service.Sealing(t.Context(), w.id()); err != nil || !bytes.Equal(again, sealing) {
		t.Errorf("got another sealing: %s, %v", again, err)
	}
	if err := w.service.Propose(t.Context(), w.id(), manifest); err != nil {
		t.Errorf("the same manifest again: %v", err)
	}
	if err := w.service.Propose(t.Context(), w.id(), w.corrected(1)); !errors.Is(err, committee.ErrConflict) {
		t.Errorf("another manifest after sealing: got %v", err)
	}
	if got := w.ask("GET", "/manifest", nil); got.text != string(manifest) {
		t.Error("the manifest was replaced")
	}
}

// corrected is a manifest that differs in something harmless.
func (w *world) corrected(n int) []byte {
	return w.manifest(func(m *election.Manifest) { m.Help.Phone = fmt.Sprintf("555 01%02d", n) })
}

// TestTwoKeys lets a member sign with two keys, one of them a passkey, which
// never signs the same way twice. It is one member.
func TestTwoKeys(t *testing.T) {
	t.Parallel()
	p := electiontest.NewPasskey(t, "union.example")
	w, manifest := ready(t, func(m *election.Manifest) {
		m.Committee.RPID = "union.example"
		m.Committee.Members[0].Keys = append(m.Committee.Members[0].Keys, p.Key(t))
	})
	message := election.SealMessage(election.MID(manifest))
	for range 3 {
		body := bytes.Replace(signature(t, 0, p.Sign(t, message)), []byte(`"key":0`), []byte(`"key":1`), 1)
		w.fine("a passkey", w.ask("POST", sealPath, body))
	}
	w.fine("the other key", w.ask("POST", sealPath, w.signSeal(0, manifest)))
	if _, err := w.service.Sealing(t.Context(), w.id()); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("one member sealed with two keys: %v", err)
	}
	w.fine("another member", w.ask("POST", sealPath, w.signSeal(1, manifest)))
	sealing, err := w.service.Sealing(t.Context(), w.id())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.m.VerifySealing(election.MID(manifest), sealing); err != nil {
		t.Error(err)
	}
}

// TestCorrection replaces a manifest that one member has signed.
func TestCorrection(t *testing.T) {
	t.Parallel()
	w, first := ready(t)
	w.fine("a signature over the first", w.ask("POST", sealPath, w.signSeal(0, first)))
	second := w.corrected(1)
	w.propose(second)
	w.propose(second)
	w.want("a late signature over the first", w.ask("POST", sealPath, w.signSeal(1, first)), 422, "refused")
	w.fine("a signature over the second", w.ask("POST", sealPath, w.signSeal(1, second)))
	if _, err := w.service.Sealing(t.Context(), w.id()); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("signatures over two manifests were put together: %v", err)
	}
	// Back to the first: it is another proposal, and is signed anew.
	w.propose(first)
	w.fine("a signature over the first", w.ask("POST", sealPath, w.signSeal(1, first)))
	if _, err := w.service.Sealing(t.Context(), w.id()); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("a signature over an earlier proposal counted: %v", err)
	}
	w.fine("a signature over the first", w.ask("POST", sealPath, w.signSeal(0, first)))
	sealing, err := w.service.Sealing(t.Context(), w.id())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.m.VerifySealing(election.MID(first), sealing); err != nil {
		t.Error(err)
	}
}

// TestCorrectionRace corrects the manifest, signs it and seals at once. However
// it ends, what is signed is what is there to be published.
func TestCorrectionRace(t *testing.T) {
	t.Parallel()
	w, _ := ready(t)
	manifests := make([][]byte, 4)
	for i := range manifests {
		manifests[i] = w.corrected(i)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		manifest := manifests[i%4]
		wg.Go(func() {
			if err := w.service.Propose(t.Context(), w.id(), manifest); err != nil && !errors.Is(err, committee.ErrConflict) {
				t.Errorf("proposing: %v", err)
			}
			for member := range 2 {
				// Refused if another one is proposed by now.
				w.ask("POST", sealPath, w.signSeal(member, manifest))
			}
			if _, err := w.service.Sealing(t.Context(), w.id()); err != nil && !errors.Is(err, committee.ErrNotYet) {
				t.Errorf("sealing: %v", err)
			}
		})
	}
	wg.Wait()
	manifest, err := w.service.Proposal(t.Context(), w.id())
	if err != nil {
		t.Fatal(err)
	}
	for member := range 2 {
		w.fine("signature", w.ask("POST", sealPath, w.signSeal(member, manifest)))
	}
	sealing, err := w.service.Sealing(t.Context(), w.id())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.m.VerifySealing(election.MID(manifest), sealing); err != nil {
		t.Errorf("the signatures are not over the manifest: %v", err)
	}
}

// TestProposeRefused proposes what must not be signed.
func TestProposeRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, 2, 2)
	w.sendKeys()
	w.sendMessages()
	early, err := w.m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.service.Propose(ctx, w.id(), early); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("before the ceremony: got %v", err)
	}
	w.sendSignatures()
	refused := func(name string, manifest []byte) {
		t.Helper()
		var r *committee.RefusedError
		if err := w.service.Propose(ctx, w.id(), manifest); !errors.As(err, &r) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	good := w.manifest(nil)
	refused("nothing", nil)
	refused("a byte less", good[:len(good)-1])
	refused("another election", w.manifest(func(m *election.Manifest) { m.ElectionID[0]++ }))
	refused("tellers of no ceremony", early)
	refused("another threshold", w.manifest(func(m *election.Manifest) { m.Tellers.T = 1 }))
	refused("another name", w.manifest(func(m *election.Manifest) { m.Tellers.Names = []string{"A", "B"} }))
	refused("another certificate", w.manifest(func(m *election.Manifest) { m.Tellers.Certificate[0]++ }))
	refused("another key", w.manifest(func(m *election.Manifest) { m.Tellers.Key = m.Tellers.Shares[0] }))
	w.want("signing none", w.ask("POST", sealPath, []byte("{}")), 425, "not_yet")
	w.propose(good)
	for member := range 2 {
		w.fine("signature", w.ask("POST", sealPath, w.signSeal(member, good)))
	}
	w.fine("drill", w.post(1, "drill", w.drill(1)))
	if _, err := w.service.Sealing(ctx, w.id()); !errors.Is(err, committee.ErrNotYet) || !strings.Contains(err.Error(), "teller 2 has not drilled") {
		t.Errorf("sealing before the drill: got %v", err)
	}
	// Nothing is fixed by that.
	w.propose(w.corrected(1))
}

// TestOtherRoll: a manifest over another roll is not fixed, and once one is fixed
// no roll is imported any more, not even by who began before.
func TestOtherRoll(t *testing.T) {
	t.Parallel()
	w, manifest := ready(t)
	ctx := t.Context()
	for member := range 2 {
		w.fine("signature", w.ask("POST", sealPath, w.signSeal(member, manifest)))
	}
	other := errors.New("another roll")
	w.roll = func(*election.Manifest) error { return other }
	if _, err := w.service.Sealing(ctx, w.id()); !errors.Is(err, other) {
		t.Errorf("fixed over another roll: %v", err)
	}
	without := committee.New(committee.Config{Pool: w.db.Service, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Status: func(context.Context, suite.ElectionID) (committee.Status, bool) { return committee.Status{}, false }})
	if _, err := without.Sealing(ctx, w.id()); err == nil || !strings.Contains(err.Error(), "the roll cannot be compared") {
		t.Errorf("fixed by a program that has no roll: %v", err)
	}
	imported := 0
	imports := func(groups []election.Group) ([]election.Group, error) {
		imported++
		return groups, nil
	}
	if err := w.service.Regroup(ctx, w.id(), "Olga", imports); err != nil || imported != 1 {
		t.Errorf("a roll that comes in time: %d, %v", imported, err)
	}
	var wg sync.WaitGroup
	w.roll = func(m *election.Manifest) error {
		wg.Go(func() {
			if err := w.second().Regroup(context.WithoutCancel(ctx), w.id(), "Olga", imports); !errors.Is(err, committee.ErrFixed) {
				t.Errorf("while the roll was compared: %v", err)
			}
		})
		if m.ElectionID != w.id() {
			t.Errorf("asked about %s", m.ElectionID)
		}
		return nil
	}
	sealing, err := w.service.Sealing(ctx, w.id())
	wg.Wait()
	if err != nil || imported != 1 {
		t.Errorf("%d rolls were imported; %v", imported, err)
	}
	w.roll = func(*election.Manifest) error { return other }
	if again, err := w.service.Sealing(ctx, w.id()); err != nil || !bytes.Equal(again, sealing) {
		t.Errorf("it cannot be repeated: %v", err)
	}
}

// TestManyCorrections ends at what the database takes.
func TestManyCorrections(t *testing.T) {
	t.Parallel()
	w, _ := ready(t)
	_, err := w.db.Service.Exec(t.Context(), `
		INSERT INTO committee.message (election_id, session, round, number, body)
		SELECT election_id, session, round, n, body FROM committee.message, generate_series(1, 31) n WHERE round = 'manifest'`)
	if err != nil {
		t.Fatal(err)
	}
	manifest := w.corrected(1)
	w.propose(manifest)
	var refused *committee.RefusedError
	if err := w.service.Propose(t.Context(), w.id(), w.corrected(2)); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
	for member := range 2 {
		w.fine("signature", w.ask("POST", sealPath, w.signSeal(member, manifest)))
	}
	if _, err := w.service.Sealing(t.Context(), w.id()); err != nil {
		t.Error(err)
	}
}
