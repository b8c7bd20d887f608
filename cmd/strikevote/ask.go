package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"strikevote/internal/voter"
)

// questions asks a person and reads lines. Reading goes on in a goroutine of
// its own, so that Ctrl-C ends the program at a prompt too.
type questions struct {
	ctx   context.Context
	e     *env
	lines chan string // closed at the end of the input
}

func newQuestions(ctx context.Context, e *env) *questions {
	q := &questions{ctx: ctx, e: e, lines: make(chan string)}
	go func() {
		defer close(q.lines)
		for in := bufio.NewScanner(e.in); in.Scan(); {
			select {
			case q.lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return q
}

// line asks a question and returns the answer without white space around it.
func (q *questions) line(question string) (string, error) {
	fmt.Fprint(q.e.out, question)
	select {
	case <-q.ctx.Done():
		fmt.Fprintln(q.e.out)
		return "", q.ctx.Err()
	case line, ok := <-q.lines:
		if !ok {
			fmt.Fprintln(q.e.out)
			return "", errors.New("nothing was answered and nothing was cast")
		}
		return strings.TrimSpace(line), nil
	}
}

// linkOf returns the link that an argument is, or that the mail in the file of
// that name holds: in a mail file a link is broken over lines and escaped.
func linkOf(arg string) (string, error) {
	if strings.Contains(arg, "://") {
		return arg, nil
	}
	f, err := os.Open(arg)
	if err != nil {
		return "", usageError("%q is neither a link nor a mail that can be read; put the link in quotes", arg)
	}
	defer f.Close()
	_, link, err := voter.ReadMail(f)
	if err == nil && link == "" {
		err = errors.New("there is no voting link in it")
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w. Give the link from your mail, in quotes, or the whole mail, saved as it was sent (.eml)", arg, err)
	}
	return link, nil
}
