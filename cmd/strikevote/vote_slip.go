package main

import (
	"context"
	"errors"
	"strings"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
	"strikevote/internal/voter"
)

// openSlip opens the code of a slip. The code names no election, so the person
// compares what the address shows with the slip before the code is sent.
func openSlip(ctx context.Context, e *env, ask *questions, f voteFlags, address string) (*voter.Session, error) {
	booth, id, err := parseBooth(address)
	if err != nil {
		return nil, err
	}
	code := f.slip
	if code == "-" {
		if code, err = ask.line("Your code: "); err != nil {
			return nil, err
		}
	}
	s, err := voter.OpenCode(ctx, voter.NewClient(), booth, id, code, voter.FileForCode(f.state, id, code))
	if errors.Is(err, token.ErrCode) {
		return nil, errors.New("this is not a code: one character is wrong, or one is missing. Compare it with your slip; nothing was sent")
	}
	if err != nil {
		return nil, err
	}
	describe(e, s)
	if s.Group() != nil {
		return s, nil // confirmed by an earlier run
	}
	if err := confirm(ask, f, "Are these the title and the six check words on your slip? Type yes: "); err != nil {
		return nil, err
	}
	if _, err := s.Status(ctx, f.factor); err != nil {
		return nil, err
	}
	if _, err := e.out.Write([]byte("You vote in: " + s.Group().Name + "\n\n")); err != nil {
		return nil, err
	}
	return s, nil
}

// parseBooth reads the address on a slip: <booth>/v1/<election>.
func parseBooth(address string) (booth string, id suite.ElectionID, err error) {
	at := strings.LastIndex(address, "/v1/")
	if at > 0 && strings.Contains(address[:at], "://") {
		if id, err = suite.ParseElectionID(strings.TrimSuffix(address[at+len("/v1/"):], "/")); err == nil {
			return address[:at], id, nil
		}
	}
	return "", id, usageError("%q is not the address on a slip, as in https://vote.example/v1/0123456789abcdef0123456789abcdef", address)
}
