package demo

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// vote lets the share of the members that the turnout says vote.
func (w *World) vote(ctx context.Context) error {
	letters, err := w.letters(ctx)
	if err != nil {
		return err
	}
	l := &Load{letters: w.turnout(letters), seed: w.o.Seed, giveUp: true}
	v, err := l.Vote(ctx, 4*runtime.GOMAXPROCS(0), func(done, total int) { w.o.Progress("members vote", done, total) })
	if err != nil {
		return err
	}
	if v.first != nil {
		return fmt.Errorf("a member could not vote: %w", v.first)
	}
	return nil
}

// turnout draws who votes. The late member always does.
func (w *World) turnout(letters []Letter) []Letter {
	slices.SortFunc(letters, func(a, b Letter) int { return strings.Compare(a.Address, b.Address) })
	random := w.random("turnout")
	random.Shuffle(len(letters), func(i, j int) { letters[i], letters[j] = letters[j], letters[i] })
	n := min(max(int(w.o.Turnout*float64(len(letters))+0.5), 1), len(letters))
	late := slices.IndexFunc(letters, func(l Letter) bool { return l.Address == w.late.Email })
	if late >= n {
		letters[n-1], letters[late] = letters[late], letters[n-1]
	}
	for _, l := range letters[n:] {
		w.unused = append(w.unused, l.Path)
	}
	return letters[:n]
}

// letters waits until everybody's mail is there, the late member's too, and
// reads all of it.
func (w *World) letters(ctx context.Context) ([]Letter, error) {
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
	letters, err := ReadLetters(w.Mail())
	if err == nil && len(letters) == 0 {
		err = errors.New("no member of this roll has an address, so nobody can vote in a demo")
	}
	return letters, err
}
