package committee_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"strikevote/internal/committee"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

func TestOutages(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	ctx := t.Context()
	record := func(part string, from, to int64) error {
		return s.service.RecordOutage(ctx, s.id(), part, from, to, "Olga")
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := record("box", s.now-50, s.now-10); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.must(record("mail", s.now-60, s.now))
	got, err := s.service.Outages(ctx, s.id())
	if want := []committee.Outage{{Part: "mail", From: s.now - 60, To: s.now}, {Part: "box", From: s.now - 50, To: s.now - 10}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	wantRefused(t, "another part", record("ledger", 1, 2), "name booth")
	wantRefused(t, "no time", record("box", 5, 5), "before it begins")
	wantRefused(t, "backwards", record("box", 5, 4), "before it begins")
	wantRefused(t, "before 1970", record("box", -5, 4), "before it begins")
	wantRefused(t, "not over", record("box", 5, s.now+1), "in the future")
	wantRefused(t, "by nobody", s.service.RecordOutage(ctx, s.id(), "box", 1, 2, ""), "by whom")
	if err := s.service.RecordOutage(ctx, suite.ElectionID{}, "box", 1, 2, "Olga"); !errors.Is(err, committee.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	if _, err := s.service.Outages(ctx, suite.ElectionID{}); !errors.Is(err, committee.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	log, err := s.service.Log(ctx, s.id())
	if err != nil || len(log) != 3 || log[1].What != "downtime recorded" {
		t.Errorf("got %v, %v", log, err)
	}
}

func TestProposedExtension(t *testing.T) {
	t.Parallel()
	const (
		open, end, latest = electiontest.Open, electiontest.Close, electiontest.LatestClose
		mid               = open + 1000
	)
	m := &election.Manifest{Schedule: election.Schedule{Open: open, Close: end, LatestClose: latest}}
	box := func(from, to int64) committee.Outage { return committee.Outage{Part: "box", From: from, To: to} }
	for _, tt := range []struct {
		name    string
		inForce int64
		now     int64
		list    []committee.Outage
		want    int64 // 0: nothing
	}{
		{"none", end, end - 1, nil, 0},
		{"a second too short", end, end - 1, []committee.Outage{box(mid, mid+599)}, 0},
		{"ten minutes", end, end - 1, []committee.Outage{box(mid, mid+600)}, end + 900},
		{"fifteen", end, end - 1, []committee.Outage{box(mid, mid+900)}, end + 900},
		{"a second more", end, end - 1, []committee.Outage{box(mid, mid+901)}, end + 1800},
		{"two short ones", end, end - 1, []committee.Outage{box(mid, mid+300), box(mid+400, mid+700)}, end + 900},
		{"of two parts at once", end, end - 1, []committee.Outage{box(mid, mid+599), {Part: "booth", From: mid, To: mid + 599}}, 0},
		{"overlapping", end, end - 1, []committee.Outage{box(mid, mid+500), {Part: "registrar", From: mid + 400, To: mid + 600}}, end + 900},
		{"one in another", end, end - 1, []committee.Outage{box(mid, mid+900), {Part: "registrar", From: mid + 1, To: mid + 2}}, end + 900},
		{"in any order", end, end - 1, []committee.Outage{box(mid+400, mid+700), box(mid, mid+300)}, end + 900},
		{"voting does not need it", end, end - 1, []committee.Outage{{Part: "mail", From: mid, To: mid + 9000}, {Part: "board", From: mid, To: mid + 9000}}, 0},
		{"an unknown part", end, end - 1, []committee.Outage{{Part: "x", From: mid, To: mid + 9000}}, 0},
		{"before the opening", end, end - 1, []committee.Outage{box(open-9000, open+599)}, 0},
		{"over the opening", end, end - 1, []committee.Outage{box(open-9000, open+600)}, end + 900},
		{"not yet over", end, mid + 599, []committee.Outage{box(mid, mid+9000)}, 0},
		{"granted before", end + 900, end - 1, []committee.Outage{box(mid, mid+600)}, 0},
		{"granted, and more since", end + 900, end + 700, []committee.Outage{box(mid, mid+600), box(end, end+600)}, end + 1800},
		{"granted more than needed", end + 9000, end - 1, []committee.Outage{box(mid, mid+600)}, 0},
		{"at most to the latest", end, end - 1, []committee.Outage{box(open, end-1)}, latest},
		{"the latest is granted", latest, latest - 1, []committee.Outage{box(open, end)}, 0},
		{"closed", end, end, []committee.Outage{box(mid, mid+900)}, 0},
		{"not open", end, open - 1, []committee.Outage{box(mid, mid+900)}, 0},
		{"closed early", end - 100, end - 200, []committee.Outage{box(mid, mid+900)}, 0},
	} {
		got, ok := committee.ProposedExtension(m, tt.inForce, tt.list, tt.now)
		if ok != (tt.want != 0) || ok && got != tt.want {
			t.Errorf("%s: got %d, %v, want %d", tt.name, got-end, ok, tt.want-end)
		}
	}
}

// TestDowntime compares the sum with one that counts every second.
func TestDowntime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const open, end = 10_000, 20_000
		m := &election.Manifest{Schedule: election.Schedule{Open: open, Close: end, LatestClose: 1 << 40}}
		second := make(map[int64]bool)
		var list []committee.Outage
		for range rapid.IntRange(0, 6).Draw(t, "n") {
			from := rapid.Int64Range(9_000, 21_000).Draw(t, "from")
			o := committee.Outage{
				Part: rapid.SampledFrom([]string{"booth", "registrar", "box", "mail"}).Draw(t, "part"),
				From: from, To: from + rapid.Int64Range(1, 3000).Draw(t, "length"),
			}
			list = append(list, o)
			for at := max(o.From, open); at < min(o.To, end-1) && o.Part != "mail"; at++ {
				second[at] = true
			}
		}
		want := int64(end + (len(second)+899)/900*900)
		got, ok := committee.ProposedExtension(m, end, list, end-1)
		if ok != (len(second) >= 600) || ok && got != want {
			t.Errorf("%d seconds: got %d, %v, want %d", len(second), got, ok, want)
		}
	})
}
