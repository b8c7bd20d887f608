package voter

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"

	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// A Status is what the registrar says about a link.
type Status struct {
	Title  string `json:"title"`
	Group  uint16 `json:"group"`
	Phase  string `json:"phase"`
	Close  int64  `json:"close"`
	Issued bool   `json:"issued"`
	Salt   string `json:"salt"`
	Index  uint32 `json:"index"`
}

// credentials are what a request shows, one of link and code.
type credentials struct {
	Token  string `json:"token,omitempty"`
	Code   string `json:"code,omitempty"`
	Factor string `json:"factor,omitempty"`
}

func (s *Session) credentials(factor string) credentials {
	if s.shown.byCode() {
		return credentials{Code: s.shown.code.Reveal(), Factor: factor}
	}
	return credentials{Token: s.shown.token.Base64(), Factor: factor}
}

// Status asks the registrar about this link. factor is the committee's second
// question, empty where it asks none.
func (s *Session) Status(ctx context.Context, factor string) (*Status, error) {
	out := new(Status)
	err := post(ctx, s.client, s.registrar("/status"), s.credentials(factor), out)
	if err != nil {
		return nil, fmt.Errorf("asking about your link: %w", err)
	}
	// No other moment can be the close in force, and a voter who is told of a later one
	// comes too late (SPEC.md section 10).
	if when := s.Manifest.Schedule; out.Close <= when.Open || out.Close > when.LatestClose {
		return nil, errors.New("asking about your link: the service names a close that this vote cannot have; call the committee")
	}
	if s.shown.byCode() {
		if err := s.learn(out); err != nil {
			return nil, err
		}
	}
	s.unissued = !out.Issued
	return out, nil
}

// Finish takes the sealed ballot to the box, from wherever an earlier run was
// interrupted: it asks for the blind signature, casts, and checks the promise.
// Every step can be repeated; none makes a second ballot. One that was begun as an
// envelope is deposited.
func (s *Session) Finish(ctx context.Context, factor string) error {
	if s.state.Stage == StageNew {
		return errors.New("there is no sealed ballot yet")
	}
	if s.state.Envelope {
		return s.Deposit(ctx, factor)
	}
	if s.state.Stage == StageSealed {
		if s.only {
			return ErrEnvelopeOnly
		}
		if err := s.issue(ctx, factor); err != nil {
			return err
		}
	}
	if s.state.Stage == StageIssued {
		return s.cast(ctx)
	}
	return nil
}

func (s *Session) issue(ctx context.Context, factor string) error {
	if err := s.saveBefore(); err != nil {
		return err
	}
	req, err := s.request()
	if err != nil {
		return err
	}
	var out struct {
		S string `json:"s"`
	}
	in := struct {
		credentials
		Z string `json:"z"`
	}{s.credentials(factor), base64.RawURLEncoding.EncodeToString(req.Z[:])}
	if err := post(ctx, s.client, s.registrar("/issue"), in, &out); err != nil {
		return fmt.Errorf("getting your ballot issued: %w", err)
	}
	answer, err := base64.RawURLEncoding.Strict().DecodeString(out.S)
	if err != nil {
		return errors.New("getting your ballot issued: the service's answer makes no sense")
	}
	sig, err := req.Finalize(answer)
	if err != nil {
		// A wrong blind signature is evidence against the registrar.
		return fmt.Errorf("getting your ballot issued: %w; call the committee", err)
	}
	s.state.Stage, s.state.Sig = StageIssued, sig[:]
	return s.save()
}

// saveBefore keeps the ballot before it is asked for: if the answer is lost,
// only this secret can use it. For the same reason another ballot that is kept
// stays until this one is answered for: the voter has a recovery code for this
// one, and perhaps mistyped it.
func (s *Session) saveBefore() error {
	if s.kept == (suite.BallotID{}) || s.kept == s.state.BallotID || s.unissued {
		if err := s.save(); err != nil {
			return err
		}
	}
	s.unissued = false
	return nil
}

// sealedBallot is what the box is sent: it holds no secret.
func (s *Session) sealedBallot() []byte {
	return append(append([]byte(nil), s.state.Body...), s.state.Sig...)
}

func (s *Session) cast(ctx context.Context) error {
	var out struct {
		Promise suite.Bytes `json:"promise"`
		State   string      `json:"state"`
	}
	if err := postBytes(ctx, s.client, s.box("/ballots"), s.sealedBallot(), &out); err != nil {
		return fmt.Errorf("casting your ballot: %w", err)
	}
	key := ed25519.PublicKey(s.Manifest.PromiseKey[:])
	if err := receipt.VerifyPromise(key, s.MID, s.state.BallotID, out.Promise); err != nil {
		return fmt.Errorf("the box's promise does not hold: %w; keep your tracker and call the committee", err)
	}
	s.state.Stage, s.state.Promise = StageReceived, out.Promise
	s.erase()
	if err := s.save(); err != nil {
		return fmt.Errorf("your ballot is received, but your choice is not erased from this device: %w; run this again", err)
	}
	return nil
}

// erase forgets the choice and what could prove it (SPEC.md section 6): what is
// left is a tracker.
func (s *Session) erase() {
	clear(s.state.Secret)
	clear(s.state.Choices)
	s.sealed = nil
	s.state.Secret, s.state.Choices, s.state.Typed = nil, nil, ""
}

// A Found is where the box says the ballot is. An envelope is unknown to it
// until the committee has accepted it, and for ever if it does not.
type Found struct {
	State string // "received", "in the log" or "unknown"
	Index int64  // in the log
	Proof []byte // tlog-proof, where it is in the log and witnessed
}

// Find asks the box where this voter's ballot is, and checks the proof.
func (s *Session) Find(ctx context.Context) (*Found, error) {
	if s.state.Stage != StageReceived && s.state.Stage != StageIssued && s.state.Stage != StageDeposited {
		return nil, errors.New("no ballot was cast from this device")
	}
	var out struct {
		State string `json:"state"`
		Proof string `json:"proof"`
	}
	in := struct {
		ID suite.BallotID `json:"ballot_id"`
	}{s.state.BallotID}
	if err := post(ctx, s.client, s.box("/find"), in, &out); err != nil {
		return nil, fmt.Errorf("looking for your ballot: %w", err)
	}
	f := &Found{State: out.State}
	switch f.State {
	case "received", "in the log", "unknown":
	default:
		return nil, errors.New("looking for your ballot: the service's answer makes no sense")
	}
	if out.Proof == "" {
		return f, nil
	}
	policy, err := s.Manifest.BallotsPolicy()
	if err != nil {
		return nil, fmt.Errorf("reading the election: %w", err)
	}
	proof, err := tlog.ParseProof([]byte(out.Proof))
	if err != nil {
		return nil, fmt.Errorf("checking the proof: %w", err)
	}
	entry := ledger.BallotEntry(s.sealedBallot())
	if s.state.Stage == StageDeposited {
		if entry, err = s.checkEntry(proof.Extra); err != nil {
			return nil, fmt.Errorf("checking the proof: %w; keep it and call the committee", err)
		}
	}
	if _, err := proof.Check(policy, tlog.LeafHash(entry)); err != nil {
		return nil, fmt.Errorf("checking the proof: %w; keep it and call the committee", err)
	}
	f.Index, f.Proof = proof.Index, []byte(out.Proof)
	return f, nil
}

func (s *Session) registrar(path string) place {
	return place{theRegistrar, s.Manifest.Origins.Registrar + "/v1/" + s.Manifest.ElectionID.String() + path}
}

func (s *Session) box(path string) place {
	return place{theBox, s.Manifest.Origins.Box + "/v1/" + s.Manifest.ElectionID.String() + path}
}
