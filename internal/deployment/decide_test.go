package deployment

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/committee"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/internal/voter"
)

// envelopes admits people off the roll and has them deposit. Their mails are taken
// away again, so that those of the members keep their places.
func (w *world) envelopes(t *testing.T, n int) (ids []suite.BallotID) {
	t.Helper()
	ctx := t.Context()
	old, err := filepath.Glob(filepath.Join(w.c.Mail, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	before := w.links(t)
	for i := range n {
		a := registrar.Applicant{Name: fmt.Sprintf("CanaryX%d", i), Email: fmt.Sprintf("canaryx%d@mail.example", i), Group: 1, Reason: "retired"}
		if err := w.d.Admit(ctx, w.id, a, "Olga"); err != nil {
			t.Fatal(err)
		}
	}
	w.turn(t)
	for _, link := range w.links(t) {
		if slices.Contains(before, link) {
			continue
		}
		s, err := voter.Open(ctx, w.client, link, voter.NoMemory{})
		if err == nil {
			err = s.Seal(ballot.Choices{0}, "")
		}
		if err == nil {
			err = s.Deposit(ctx, "")
		}
		if err != nil {
			t.Fatal(err)
		}
		id, _ := s.Tracker()
		ids = append(ids, id)
	}
	now, err := filepath.Glob(filepath.Join(w.c.Mail, "*.eml"))
	if err != nil || len(ids) != n {
		t.Fatalf("%d envelopes, want %d: %v", len(ids), n, err)
	}
	for _, path := range now {
		if slices.Contains(old, path) {
			continue
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// A deciding shows decisions by the letters of the envelopes that they name.
type deciding struct {
	*world
	t   *testing.T
	ids []suite.BallotID // A, B, ...
}

func (s *deciding) reject(letters string) (sequence uint32, err error) {
	return s.d.Decide(s.t.Context(), s.id, nil, s.named(letters), "Olga")
}

func (s *deciding) named(letters string) (list []suite.BallotID) {
	for _, letter := range letters {
		list = append(list, s.ids[letter-'A'])
	}
	return list
}

func (s *deciding) letters(list []registrar.Depositor, of registrar.Decision) string {
	var out []string
	for _, x := range list {
		if x.Decision == of {
			out = append(out, string(rune('A'+slices.Index(s.ids, x.BallotID))))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "")
}

// last returns the last attempt at the last act.
func (s *deciding) last() committee.ProposedAct {
	s.t.Helper()
	acts, err := s.d.Acts(s.t.Context(), s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	return acts[len(acts)-1]
}

// want checks what a decision shows to those who sign it, and what is rejected.
func (s *deciding) want(what string, a committee.ProposedAct, shown, rejected string) {
	s.t.Helper()
	list, err := s.d.DecidedBy(s.t.Context(), s.id, a)
	if err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
	if got := s.letters(list, registrar.Rejected); got != shown || len(list) != len(shown) {
		s.t.Errorf("%s: the act shows %q of %d, want %q", what, got, len(list), shown)
	}
	all, err := s.d.Deposits(s.t.Context(), s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	if got := s.letters(all, registrar.Rejected); got != rejected {
		s.t.Errorf("%s: rejected are %q, want %q", what, got, rejected)
	}
}

// apply has two members sign the last act, which then takes effect.
func (s *deciding) apply() {
	s.t.Helper()
	a := s.last()
	for i, key := range s.committee[:2] {
		sig := election.MemberSignature{Member: uint8(i), Signature: act.SignEd25519(ed25519.PrivateKey(key), s.mid, a.Kind, a.Sequence, a.Payload)}
		if err := s.d.committee.SignAct(s.t.Context(), s.id, a.Sequence, sig); err != nil {
			s.t.Fatal(err)
		}
	}
	s.turn(s.t)
	s.turn(s.t) // the box hears of it
}

// testDecide rejects envelopes by acts that have the same bytes, as those with the
// same numbers have. Each has its own list.
func testDecide(t *testing.T, w *world) {
	s := &deciding{w, t, w.envelopes(t, 5)}
	propose := func(letters string) committee.ProposedAct {
		t.Helper()
		n, err := s.reject(letters)
		a := s.last()
		if err != nil || a.Sequence != n {
			t.Fatalf("rejecting %s: act %d, last %d: %v", letters, n, a.Sequence, err)
		}
		return a
	}
	first := propose("A")
	s.want("A waits", first, "A", "")
	if again := propose("A"); again.Sequence != first.Sequence || again.Attempt != first.Attempt {
		t.Error("the same decision again is another act")
	}
	for _, beside := range []string{"B", "AB"} {
		if _, err := s.reject(beside); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("act %d, which waits", first.Sequence)) {
			t.Errorf("%s beside A, which waits: %v", beside, err)
		}
	}
	if _, err := w.d.WithdrawAct(t.Context(), w.id, first.Sequence, "Olga"); err != nil {
		t.Fatal(err)
	}
	second := propose("B")
	s.want("A withdrawn", first, "A", "")
	s.want("B after A was withdrawn", second, "B", "")
	s.apply()
	s.want("B applied", second, "B", "B")
	third := propose("C")
	s.want("C beside B, which is applied", third, "C", "B")
	s.apply()
	s.want("C applied", third, "C", "BC")
	testDecideCrash(s)
}

// testDecideCrash stops between proposing and noting. Until somebody decides again,
// which envelopes are meant is unknown, whatever was noted for the same bytes.
func testDecideCrash(s *deciding) {
	t, ctx := s.t, s.t.Context()
	if _, err := s.reject("A"); err != nil {
		t.Fatal(err)
	}
	n := s.last().Sequence
	if _, err := s.d.WithdrawAct(ctx, s.id, n, "Olga"); err != nil {
		t.Fatal(err)
	}
	p, err := s.d.Decision(ctx, s.id, nil, s.named("D"))
	if err == nil {
		_, err = s.d.ProposeAct(ctx, s.id, act.KindDecide, p.Bytes(), "Olga")
	}
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.d.DecidedBy(ctx, s.id, s.last()); !errors.Is(err, registrar.ErrNotNoted) || len(list) != 0 {
		t.Errorf("%d are shown for an act whose list is not known: %v", len(list), err)
	}
	if _, err := s.reject("DE"); err == nil {
		t.Error("decided beside an act whose list is not known")
	}
	if err := s.d.CheckAct(ctx, s.id, act.KindDecide, p.Bytes()); err != nil {
		t.Errorf("the same act again: %v", err)
	}
	if again, err := s.reject("D"); err != nil || again != n {
		t.Fatalf("again: act %d, want %d: %v", again, n, err)
	}
	s.want("noted after the crash", s.last(), "D", "BC")
	// Another who proposed the same bytes at the same moment comes too late.
	at := registrar.Proposal{Sequence: n, Attempt: s.last().Attempt}
	if err := s.d.running(s.id).registrar.NoteRejected(ctx, at, s.named("E")); !errors.Is(err, registrar.ErrOtherNoted) {
		t.Errorf("two lists for one act: %v", err)
	}
	s.apply()
	s.want("D applied", s.last(), "D", "BCD")
	if _, err := s.reject("AE"); err != nil {
		t.Fatal(err)
	}
	s.apply()
	s.want("all", s.last(), "AE", "ABCDE")
}
