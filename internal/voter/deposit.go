package voter

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// ErrEnvelopeOnly is returned where an ordinary ballot is asked for with a link
// that opens an envelope only.
var ErrEnvelopeOnly = errors.New("this link opens an envelope only, on which the committee decides after the close; deposit your ballot in one, or call the committee")

// Deposit hands the sealed ballot to the registrar's side in an envelope, which
// waits there, with the person's name on it, until the committee decides (SPEC.md
// section 12). There is no blind signature in between: whoever runs that side
// can tie the person to the sealed ballot, and only the tellers' rule keeps the
// choice. The voter is to be told so before.
//
// It can be repeated, also after an interruption; a person never has both an
// envelope and an ordinary ballot. Once it is deposited the choice is erased.
func (s *Session) Deposit(ctx context.Context, factor string) error {
	switch s.state.Stage {
	case StageNew:
		return errors.New("there is no sealed ballot yet")
	case StageDeposited:
		return nil
	case StageIssued, StageReceived:
		return errors.New("an ordinary ballot was issued for this link; it cannot be put into an envelope any more")
	}
	if !s.state.Envelope && s.kept == s.state.BallotID && !s.unissued {
		return errBegun
	}
	// Written down before it is sent, like an ordinary ballot: a later run must
	// go on with the envelope, and not ask for a ballot that it cannot get.
	s.state.Envelope = true
	if err := s.saveBefore(); err != nil {
		return err
	}
	var out struct {
		BallotID suite.BallotID `json:"ballot_id"`
		State    string         `json:"state"`
	}
	in := struct {
		credentials
		Ballot string `json:"ballot"`
	}{s.credentials(factor), base64.RawURLEncoding.EncodeToString(s.state.Body)}
	if err := post(ctx, s.client, s.registrar("/deposit"), in, &out); err != nil {
		return fmt.Errorf("depositing your envelope: %w", err)
	}
	if out.BallotID != s.state.BallotID || out.State != "deposited" {
		return errors.New("depositing your envelope: the service's answer makes no sense")
	}
	s.state.Stage = StageDeposited
	s.erase()
	if err := s.save(); err != nil {
		return fmt.Errorf("your envelope is deposited, but your choice is not erased from this device: %w; run this again", err)
	}
	return nil
}

// checkEntry checks that an entry of the log is this envelope's ballot with a
// credential, which it was given when it was accepted and which only the box
// can show.
func (s *Session) checkEntry(entry []byte) ([]byte, error) {
	parsed, err := ledger.ParseBallots(entry)
	if err != nil {
		return nil, err
	}
	b, ok := parsed.(ledger.Ballot)
	if !ok {
		return nil, errors.New("the entry is no ballot")
	}
	body, sig, err := ballot.ParseCast(b.Cast, s.Manifest.Options())
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(body, s.state.Body) {
		return nil, errors.New("the entry is another ballot")
	}
	pk, err := s.Manifest.IssuerKey(s.group)
	if err != nil {
		return nil, fmt.Errorf("reading the election: %w", err)
	}
	if err := credential.Verify(pk, credential.Message(s.MID, s.group, s.state.BallotID), sig); err != nil {
		return nil, err
	}
	return entry, nil
}
