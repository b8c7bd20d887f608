package main

import (
	"strings"
	"testing"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

// drafted is an election of two tellers, of whom the first has done all and the second
// nothing, and of a committee that has begun to sign.
func drafted() *deployment.Overview {
	return &deployment.Overview{
		Phase: "draft", Roll: make([]registrar.UnitCount, 1),
		Manifest: &election.Manifest{Committee: election.Committee{Quorum: 2, Members: []election.Member{{Name: "Fay"}, {Name: "Gus"}}}},
		Ceremony: &ceremony.State{
			Names: []string{"Ada", "Ben"}, Keys: []suite.Bytes{{1}, {}}, Messages: []suite.Bytes{{1}, {}},
			Signatures: []suite.Bytes{{1}, {}}, Drilled: []bool{true, false},
		},
		Papers: []agenda.Paper{{Name: agenda.PaperDeclaration, State: agenda.Open, Signed: []int{1}}},
	}
}

// TestWaitsFor names everybody for whom a manifest waits, and its sealing.
func TestWaitsFor(t *testing.T) {
	t.Parallel()
	v := drafted()
	says := func(seal bool, want ...string) {
		t.Helper()
		text := ""
		if err := waitsFor(v, seal); err != nil {
			text = err.Error()
		}
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%q is missing in %q", part, text)
			}
		}
		if len(want) == 0 && text != "" {
			t.Errorf("it waits for nobody: %q", text)
		}
	}
	says(false, "1 signature missing, signed by Gus", "ceremony: Ben (not begun)")
	v.Roll = nil
	says(false, "strikevote roll import")
	v = drafted()
	v.Declared, v.Ceremony.Signatures[1] = true, suite.Bytes{1}
	says(false)
	says(true, "drill: Ben (ceremony done)", "strikevote election propose")
	v.Ceremony.Drilled[1] = true
	v.Papers = append(v.Papers, agenda.Paper{Name: agenda.PaperManifest, State: agenda.Open, Signed: []int{}})
	says(true, "the manifest: 2 signatures missing, signed by nobody yet")
	v.Papers[1].State = agenda.Signed
	says(true)
}

// TestNextSealed tells operators nothing that is no longer so, or too late.
func TestNextSealed(t *testing.T) {
	t.Parallel()
	closes := time.Unix(1_800_000_000, 0)
	last := closes.Add(-mailer.LastHour * time.Second)
	none, one := []deployment.Witness{{Name: "w"}}, []deployment.Witness{{Name: "w", Begun: true}}
	for _, tt := range []struct {
		phase     election.Phase
		witnesses []deployment.Witness
		now       time.Time
		want, not string
	}{
		{election.PhaseSealed, none, last, "must follow", "invitations"},
		{election.PhaseSealed, one, last, "invitations leave then", "must follow"},
		{election.PhaseOpen, none, last, "must follow", "mail send"},
		{election.PhaseOpen, one, last, "mail send -by YOU reminder", "must follow"},
		{election.PhaseOpen, nil, last, "mail send -by YOU reminder", "must follow"},
		{election.PhaseOpen, one, last.Add(time.Second), "no reminder leaves", "mail send"},
	} {
		v := &deployment.Overview{Phase: tt.phase, Close: closes.Unix(), Manifest: &election.Manifest{Witnesses: election.Witnesses{Threshold: 1}}}
		if got := next(v, tt.witnesses, tt.now); !strings.Contains(got, tt.want) || strings.Contains(got, tt.not) {
			t.Errorf("%s, %v: got %q", tt.phase, tt.witnesses, got)
		}
	}
}

// TestNextClosed says when the election is locked.
func TestNextClosed(t *testing.T) {
	t.Parallel()
	const closes = 1_800_000_000 // 15 January 2027, 08:00 UTC
	open := []ledger.FinalGroup{{DepositedOn: 1, UndecidedOn: 1}}
	for _, tt := range []struct {
		counts    []ledger.FinalGroup
		after     time.Duration
		want, not string
	}{
		{nil, 0, "until Friday, January 15 2027, 08:10 UTC; then the election is locked", "moment"},
		{nil, 10 * time.Minute, "in a moment", "until"},
		{open, 0, "not before Friday, January 15 2027, 08:10 UTC and at the latest Friday, January 15 2027, 10:00 UTC", "wait"},
		{open, time.Hour, "strikevote election envelopes", "wait"},
		{open, 2 * time.Hour, "in a moment", "envelopes"},
	} {
		v := &deployment.Overview{Phase: election.PhaseClosed, Close: closes, Zone: time.UTC, Counts: tt.counts,
			Manifest: &election.Manifest{Schedule: election.Schedule{Grace: 600, DecideUntil: closes + 7200}}}
		if got := next(v, nil, time.Unix(closes, 0).Add(tt.after)); !strings.Contains(got, tt.want) || strings.Contains(got, tt.not) {
			t.Errorf("%s after: got %q", tt.after, got)
		}
	}
}

// TestActName tells acts apart that had the same number one after the other.
func TestActName(t *testing.T) {
	t.Parallel()
	all := []committee.ProposedAct{{Sequence: 1, Attempt: 1}, {Sequence: 3, Attempt: 1}, {Sequence: 3, Attempt: 2}, {Sequence: 3}}
	names := make(map[string]bool)
	for _, a := range all {
		names[actName(all, a)] = true
	}
	if len(names) != len(all) || !names["act 1"] || names["act 3"] {
		t.Errorf("got %v", names)
	}
	if got := actNumbers([]uint32{3, 4, 5}); got != "act 3, and what was proposed after it: act 4, act 5" {
		t.Errorf("got %q", got)
	}
}
