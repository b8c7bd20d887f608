package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/token"
	"strikevote/internal/voter"
)

// vote lets the share of the members that the turnout says vote, each with the
// link from their mail and a program of their own.
func (w *World) vote(ctx context.Context) error {
	letters, err := w.letters(ctx)
	if err != nil {
		return err
	}
	voters := w.turnout(letters)
	e, err := w.firstLook(ctx, voters[0].link)
	if err != nil {
		return err
	}
	const step = "members vote"
	w.o.Progress(step, 0, len(voters))
	next := make(chan letter)
	var mu sync.Mutex
	var first error
	done := 0
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for l := range next {
				err := w.castOne(ctx, e, l)
				mu.Lock()
				if err != nil && first == nil {
					first = err
					cancel()
				}
				done++
				w.o.Progress(step, done, len(voters))
				mu.Unlock()
			}
		})
	}
	for _, l := range voters {
		select {
		case next <- l:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	if first != nil {
		return fmt.Errorf("a member could not vote: %w", first)
	}
	return ctx.Err()
}

// client is one for all simulated voters: a connection for each would exhaust
// the ports of one computer.
var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// firstLook fetches and checks the election once; every member's own program
// does it for itself.
func (w *World) firstLook(ctx context.Context, link string) (*voter.Election, error) {
	booth, _, body, mid, err := token.ParseLink(link)
	if err != nil {
		return nil, fmt.Errorf("reading a link: %w", err)
	}
	return voter.Fetch(ctx, client, booth, body.Election, mid)
}

func (w *World) castOne(ctx context.Context, e *voter.Election, l letter) error {
	s, err := e.Session(l.link, voter.NoMemory{})
	if err != nil {
		return err
	}
	random := w.random("choice of " + l.address)
	if err := s.Seal(choose(s, random), ""); err != nil {
		return err
	}
	return s.Finish(ctx, "")
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

// A letter is a mail with a link, in a file. Two members may share an address.
type letter struct{ address, link, path string }

// turnout draws who votes. The late member always does.
func (w *World) turnout(letters []letter) []letter {
	slices.SortFunc(letters, func(a, b letter) int { return strings.Compare(a.address, b.address) })
	random := w.random("turnout")
	random.Shuffle(len(letters), func(i, j int) { letters[i], letters[j] = letters[j], letters[i] })
	n := min(max(int(w.o.Turnout*float64(len(letters))+0.5), 1), len(letters))
	late := slices.IndexFunc(letters, func(l letter) bool { return l.address == w.late.Email })
	if late >= n {
		letters[n-1], letters[late] = letters[late], letters[n-1]
	}
	for _, l := range letters[n:] {
		w.unused = append(w.unused, l.path)
	}
	return letters[:n]
}

// letters waits until everybody's mail is there, the late member's too, and
// reads all of it.
func (w *World) letters(ctx context.Context) ([]letter, error) {
	want := 0
	for _, m := range append(slices.Clone(w.members), w.late) {
		if m.Email != "" {
			want++
		}
	}
	err := until(ctx, "the late member's mail", func(ctx context.Context) (bool, error) {
		sent, err := w.d.MailsSent(ctx, w.id)
		return sent >= want, err
	})
	if err != nil {
		return nil, err
	}
	letters, err := readMails(w.Mail())
	if err == nil && len(letters) == 0 {
		err = errors.New("no member of this roll has an address, so nobody can vote in a demo")
	}
	return letters, err
}

func readMails(dir string) (letters []letter, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".eml" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		address, link, err := voter.ReadMail(f)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		if link != "" {
			letters = append(letters, letter{address, link, path})
		}
		return nil
	})
	return letters, err
}
