package demo

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/voter"
)

// A Load is many voters who vote at once, each with the link from a mail of
// their own and a program of their own.
type Load struct {
	letters []Letter
	seed    uint64 // of the choices
	giveUp  bool   // at the first voter who fails
}

// Voters returns how many they are.
func (l *Load) Voters() int { return len(l.letters) }

// Votes say how a load went.
type Votes struct {
	// Took holds how long each voter with a valid promise took, from the start
	// of the program to the checked promise. It is sorted.
	Took []time.Duration
	// Seconds is how long all of it took.
	Seconds float64
	// Errors holds how many of the other voters ended with which sentence.
	Errors map[string]int

	first error
}

// Vote lets all voters vote, atOnce of them at a time: when one has finished
// the next begins. It returns an error only if ctx ends before they have.
func (l *Load) Vote(ctx context.Context, atOnce int, progress func(done, total int)) (*Votes, error) {
	working, giveUp := context.WithCancel(ctx)
	defer giveUp()
	var mu sync.Mutex // guards v and done
	v, done := &Votes{Errors: make(map[string]int)}, 0
	ended := func(took time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case working.Err() != nil:
			return // it says nothing about the service
		case err == nil:
			v.Took = append(v.Took, took)
		default:
			v.Errors[Reason(err)]++
			if v.first == nil {
				v.first = err
			}
			if l.giveUp {
				giveUp()
			}
		}
		done++
		progress(done, len(l.letters))
	}
	progress(0, len(l.letters))
	start := time.Now()
	next := make(chan Letter)
	var wg sync.WaitGroup
	for range min(atOnce, len(l.letters)) {
		wg.Go(func() {
			for one := range next {
				begin := time.Now()
				err := l.vote(working, one)
				ended(time.Since(begin), err)
			}
		})
	}
	feed(working, next, l.letters)
	wg.Wait()
	v.Seconds = time.Since(start).Seconds()
	slices.Sort(v.Took)
	return v, ctx.Err()
}

func feed(ctx context.Context, next chan<- Letter, letters []Letter) {
	defer close(next)
	for _, one := range letters {
		select {
		case next <- one:
		case <-ctx.Done():
			return
		}
	}
}

// vote is one voter's way from the link to the checked promise: the program
// fetches the election for itself and checks it, as every voter's does.
func (l *Load) vote(ctx context.Context, one Letter) error {
	client, leave := newClient()
	defer leave()
	s, err := voter.Open(ctx, client, one.Link, voter.NoMemory{})
	if err != nil {
		return err
	}
	status, err := s.Status(ctx, "")
	if err != nil {
		return err
	}
	if status.Issued {
		return errIssued
	}
	if err := s.Seal(choose(s, random(l.seed, "choice of "+one.Address)), ""); err != nil {
		return err
	}
	if err := s.Finish(ctx, ""); err != nil {
		return err
	}
	if s.Stage() != voter.StageReceived {
		return errors.New("the vote ended without a promise")
	}
	return nil
}

var errIssued = errors.New("a ballot was issued for this link before; every link votes once")

// newClient returns the client of one voter, and what ends its connections.
// Voters share none: a real one comes from a device of their own, whose browser
// opens a connection to each of the four origins, keeps it for the next request
// to the same origin, and closes it in the end.
func newClient() (client *http.Client, leave func()) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 1
	return &http.Client{Timeout: time.Minute, Transport: t}, t.CloseIdleConnections
}

// choose draws an answer. How many say yes differs a little between the units.
func choose(s *voter.Session, random *rand.Rand) ballot.Choices {
	yes := 0.72 + 0.05*float64(s.Group().ID%4)
	var ch ballot.Choices
	for _, q := range s.Manifest.Questions {
		x := random.Float64()
		switch {
		case x < yes:
			ch = append(ch, 0)
		case x < 0.97 || len(q.Options) < 3:
			ch = append(ch, 1)
		default:
			ch = append(ch, 2)
		}
	}
	return ch
}
