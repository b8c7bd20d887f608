package committee_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"strikevote/internal/committee"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// TestLog writes what was done, once each, in order.
func TestLog(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newSealed(t)
	s.propose(1, act.KindExtend, extend(900))
	s.propose(1, act.KindExtend, extend(900))
	s.propose(2, act.KindCancel, act.Cancel{})
	s.sign(1, 0, 0, 1)
	s.want("one that is refused", s.post(1, s.body(3, s.find(2))), 422, "refused")
	s.must(s.round())
	s.must(s.service.Note(ctx, s.id(), "Olga", "an address was corrected"))
	s.must(s.service.NoteAct(ctx, s.id(), 2, false, "too late"))
	log, err := s.service.Log(ctx, s.id())
	s.must(err)
	var got []string
	for i, e := range log {
		if i > 0 && e.At.Unix() != s.now {
			t.Errorf("%v is at %v", e, e.At)
		}
		got = append(got, fmt.Sprintf("%s: %s: %s", e.Who, e.What, e.Detail))
	}
	want := []string{
		"operator: election made: ",
		"Olga: act proposed: act 1, extend",
		"Olga: act proposed: act 2, cancel",
		"Member 1: act signed: act 1, extend",
		"Member 2: act signed: act 1, extend",
		"registrar: act applied: act 1, extend",
		"Olga: an address was corrected: ",
		"registrar: act refused: act 2, cancel: too late",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for who, what := range map[string]string{"": "x", "Olga": "", "O\n": "x", "Olga ": "x", "Olg": strings.Repeat("x", 501)} {
		wantRefused(t, who+what, s.service.Note(ctx, s.id(), who, what), "")
	}
	if err := s.service.Note(ctx, suite.ElectionID{}, "Olga", "x"); !errors.Is(err, committee.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	if _, err := s.service.Log(ctx, suite.ElectionID{}); !errors.Is(err, committee.ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

// TestLogOfPapers says who signed which paper, and which one it was.
func TestLogOfPapers(t *testing.T) {
	t.Parallel()
	w, manifest := ready(t)
	w.propose(manifest)
	for range 2 {
		w.fine("seal", w.ask("POST", sealPath, w.signSeal(1, manifest)))
	}
	log, err := w.service.Log(t.Context(), w.id())
	if err != nil || len(log) != 3 || log[0].What != "election made" || log[1].What != "manifest proposed" || log[2].What != "manifest signed" ||
		log[2].Who != "Member 2" || log[1].Detail != log[2].Detail || !strings.HasPrefix(log[1].Detail, "sha256 ") {
		t.Fatalf("got %v, %v", log, err)
	}
	if mid := election.MID(manifest).String(); strings.Contains(log[1].Detail, mid[:8]) {
		t.Error("the log calls the hash of the file what is the mid")
	}
}
