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
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

var places = []agenda.Place{{Group: 1, Index: 4}, {Group: 2, Index: 0}}

func (s *sealed) proposeSlips(want uint32, list []agenda.Place) {
	s.t.Helper()
	got, err := s.service.ProposeSlips(s.t.Context(), s.id(), list, "No address.", "Olga")
	if err != nil || got != want {
		s.t.Fatalf("got %d, %v, want %d", got, err, want)
	}
}

func (s *sealed) slips(number uint32) *committee.ProposedSlips {
	s.t.Helper()
	list, err := s.service.Slips(s.t.Context(), s.id())
	s.must(err)
	return list[number-1]
}

func (s *sealed) slipsBody(member, hand int, mid suite.MID, body []byte) []byte {
	return signature(s.t, member, ed25519.Sign(s.keys.Committee[hand], agenda.SlipsMessage(mid, body)))
}

func (s *sealed) postSlips(number uint32, body []byte) answer {
	return s.ask("POST", fmt.Sprintf("/slips/%d/signatures", number), body)
}

// TestSlips lets two members permit to print, once, for one list.
func TestSlips(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	ctx := t.Context()
	s.proposeSlips(1, places)
	s.proposeSlips(1, places)
	s.proposeSlips(2, places[:1])
	var list agenda.AllSlips
	a := s.ask("GET", "/slips", nil)
	if err := json.Unmarshal([]byte(a.text), &list); err != nil || len(list.Slips) != 2 || list.Slips[0].State != agenda.Open {
		t.Fatalf("got %v, %v", a, err)
	}
	one := s.slips(1)
	if !bytes.Equal(list.Slips[0].Body, one.Body) || one.Count != 2 || one.Places != agenda.Places(places) || one.MID != s.mid {
		t.Errorf("got %v", one)
	}
	for name, body := range map[string][]byte{
		"by another's hand":   s.slipsBody(1, 0, s.mid, one.Body),
		"of another election": s.slipsBody(1, 1, suite.MID{}, one.Body),
		"of another number":   s.slipsBody(1, 1, s.mid, s.slips(2).Body),
		"a member too many":   s.slipsBody(4, 1, s.mid, one.Body),
		"nothing":             signature(t, 1, nil),
		"too long":            signature(t, 1, make([]byte, 2049)),
	} {
		s.want(name, s.postSlips(1, body), 422, "refused")
	}
	s.want("no such number", s.postSlips(3, s.slipsBody(1, 1, s.mid, one.Body)), 404, "unknown")
	for range 2 {
		s.fine("one member", s.postSlips(1, s.slipsBody(1, 1, s.mid, one.Body)))
		if _, err := s.service.SlipsApproved(ctx, s.id(), 1, places); !errors.Is(err, committee.ErrNotYet) {
			t.Errorf("one member is enough: %v", err)
		}
	}
	if err := s.service.SlipsPrinted(ctx, s.id(), 1, places, "Olga"); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("printed with one signature: %v", err)
	}
	s.fine("another", s.postSlips(1, s.slipsBody(3, 3, s.mid, one.Body)))
	got, err := s.service.SlipsApproved(ctx, s.id(), 1, places)
	if err != nil || !slices.Equal(got.Signed, []int{1, 3}) {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = s.service.SlipsApproved(ctx, s.id(), 1, []agenda.Place{places[1], places[0]})
	wantRefused(t, "another order", err, "for other members")
	wantRefused(t, "fewer", s.service.SlipsPrinted(ctx, s.id(), 1, places[:1], "Olga"), "ask for a new permission")
	s.must(s.service.SlipsPrinted(ctx, s.id(), 1, places, "Olga"))
	wantRefused(t, "twice", s.service.SlipsPrinted(ctx, s.id(), 1, places, "Olga"), "printed before")
	s.want("a signature after it", s.postSlips(1, s.slipsBody(0, 0, s.mid, one.Body)), 422, "refused")
	s.proposeSlips(3, places) // the same list once more is another permission
	s.want("signatures over the first", s.postSlips(3, s.slipsBody(0, 0, s.mid, one.Body)), 422, "refused")
	s.must(s.service.WithdrawSlips(ctx, s.id(), 2, "Olga"))
	wantRefused(t, "a withdrawn one", s.service.WithdrawSlips(ctx, s.id(), 2, "Olga"), "withdrawn")
	s.status.Phase = string(election.PhaseClosed)
	_, err = s.service.ProposeSlips(ctx, s.id(), places, "No address.", "Olga")
	wantRefused(t, "after the close", err, "voting has closed")
	s.status.Phase = string(election.PhaseOpen)
	for name, propose := range map[string]func() (uint32, error){
		"none":      func() (uint32, error) { return s.service.ProposeSlips(ctx, s.id(), nil, "No address.", "Olga") },
		"no reason": func() (uint32, error) { return s.service.ProposeSlips(ctx, s.id(), places, "", "Olga") },
		"nobody":    func() (uint32, error) { return s.service.ProposeSlips(ctx, s.id(), places, "No address.", "") },
	} {
		_, err := propose()
		wantRefused(t, name, err, "")
	}
}

// TestSlipsAfterReplacement shows that a dead key does not count.
func TestSlipsAfterReplacement(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	s.proposeSlips(1, places)
	body := s.slips(1).Body
	for _, member := range []int{1, 2} {
		s.fine("sign", s.postSlips(1, s.slipsBody(member, member, s.mid, body)))
	}
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)).Public().(ed25519.PublicKey)
	s.propose(1, act.KindReplace, act.Replace{Member: 2, Kind: election.KindEd25519, Key: key, Name: "Mariana"})
	s.sign(1, 0, 1)
	s.must(s.round())
	if _, err := s.service.SlipsApproved(t.Context(), s.id(), 1, places); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("a dead key prints: %v", err)
	}
}

// TestSlipsRace prints on one permission from sixteen sides.
func TestSlipsRace(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	ctx := t.Context()
	services := []*committee.Service{s.service, s.second()}
	var mu sync.Mutex
	numbers, printed := make(map[uint32]bool), 0
	parallel := func(do func(service *committee.Service, i int)) {
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() { do(services[i%2], i) })
		}
		wg.Wait()
	}
	parallel(func(service *committee.Service, _ int) {
		n, err := service.ProposeSlips(ctx, s.id(), places, "No address.", "Olga")
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		numbers[n] = true
	})
	body := s.slips(1).Body
	parallel(func(service *committee.Service, i int) {
		var sig election.MemberSignature
		if err := json.Unmarshal(s.slipsBody(i%4, i%4, s.mid, body), &sig); err != nil {
			t.Error(err)
		}
		if err := service.SignSlips(ctx, s.id(), 1, sig); err != nil && !strings.Contains(err.Error(), "printed before") {
			t.Error(err)
		}
		err := service.SlipsPrinted(ctx, s.id(), 1, places, "Olga")
		var r *committee.RefusedError
		switch {
		case err == nil:
			mu.Lock()
			printed++
			mu.Unlock()
		case !errors.As(err, &r) && !errors.Is(err, committee.ErrNotYet):
			t.Error(err)
		}
	})
	if len(numbers) != 1 || printed != 1 {
		t.Errorf("%d permissions, printed %d times", len(numbers), printed)
	}
}
