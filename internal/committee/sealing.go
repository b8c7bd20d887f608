package committee

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
)

// Propose keeps the manifest that the committee is asked to sign. It may be
// corrected, and is then signed again, until [Service.Sealing] has answered;
// after that another one is refused: what two people sign must be one thing.
func (s *Service) Propose(ctx context.Context, id suite.ElectionID, manifest []byte) error {
	m, err := election.Parse(manifest)
	if err != nil {
		return &RefusedError{err}
	}
	if m.ElectionID != id {
		return &RefusedError{errors.New("the manifest is of another election")}
	}
	c, err := s.Ceremony(ctx, id)
	if err != nil {
		return err
	}
	draft, err := s.Draft(ctx, id)
	if err != nil {
		return err
	}
	// What is sealed to a key that these tellers do not hold is never opened.
	if !reflect.DeepEqual(m.Tellers, c.Tellers(draft.Tellers)) {
		return &RefusedError{errors.New("the manifest's tellers are not those of the ceremony")}
	}
	// If the ceremony was started again by now, nobody is asked to sign this.
	return s.store.alone(ctx, id, func(tx store) error {
		if err := checkRoll(ctx, tx, m); err != nil {
			return err
		}
		return s.propose(ctx, tx, id, c.session, manifestPaper, manifest, byOperator)
	})
}

// Proposal returns the manifest to be signed, or [ErrNotYet].
func (s *Service) Proposal(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	return s.store.proposal(ctx, id, manifestPaper)
}

// SignSeal keeps one member's signature over the proposed manifest.
func (s *Service) SignSeal(ctx context.Context, id suite.ElectionID, sig election.MemberSignature) error {
	return s.sign(ctx, id, manifestPaper, sig, func(_ store, manifest []byte) (string, error) {
		m, err := readManifest(manifest)
		if err != nil {
			return "", err
		}
		return checkMember(m.Committee, election.SealMessage(election.MID(manifest)), sig)
	})
}

// errNoRollCheck is returned where the program that was asked has no roll.
var errNoRollCheck = errors.New("nothing is sealed here: the roll cannot be compared with the manifest")

func readManifest(manifest []byte) (*election.Manifest, error) {
	m, err := election.Parse(manifest)
	if err != nil {
		return nil, fmt.Errorf("reading the proposed manifest: %w", err)
	}
	return m, nil
}

// Sealing returns the file of the signatures over the manifest, or [ErrNotYet]
// while there are fewer than the quorum or a teller has not drilled: a key that
// cannot open is found now or too late. Once it has answered, neither the
// manifest nor the ceremony changes any more.
func (s *Service) Sealing(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	c, err := s.Ceremony(ctx, id)
	if err != nil {
		return nil, err
	}
	for i, drill := range c.Drills {
		if drill == nil {
			return nil, fmt.Errorf("teller %d has not drilled: %w", i+1, ErrNotYet)
		}
	}
	return s.fix(ctx, id, manifestPaper, func(tx store, manifest []byte) (uint8, error) {
		m, err := readManifest(manifest)
		if err != nil {
			return 0, err
		}
		// Another declaration may have taken the place of the one before.
		if err := checkRoll(ctx, tx, m); err != nil {
			return 0, err
		}
		// A manifest over another roll would be fixed for good, and never sealed.
		if s.c.Roll == nil {
			return 0, errNoRollCheck
		}
		return m.Committee.Quorum, s.c.Roll(ctx, m)
	})
}

// DraftCertificate proposes the certificate that the committee is asked to
// sign, unless one is proposed already.
func (s *Service) DraftCertificate(ctx context.Context, id suite.ElectionID, result []byte, disputed uint64, at int64) error {
	if _, err := s.Certificate(ctx, id); !errors.Is(err, ErrNotYet) {
		return err
	}
	return s.ProposeCertificate(ctx, id, result, disputed, at)
}

// ProposeCertificate proposes the certificate over a result, also in place of
// one that was proposed before, until [Service.Certification] has answered.
// disputed is how many reports "not me" the committee upholds.
func (s *Service) ProposeCertificate(ctx context.Context, id suite.ElectionID, result []byte, disputed uint64, at int64) error {
	l, err := s.locked(ctx, id)
	if err != nil {
		return err
	}
	final := *l.Final
	final.Result = result
	c, err := final.Certificate(disputed, at)
	if err != nil {
		return fmt.Errorf("making the certificate: %w", err)
	}
	body, err := c.Encode()
	if err != nil {
		return fmt.Errorf("making the certificate: %w", err)
	}
	return s.store.alone(ctx, id, func(tx store) error {
		session, _, err := tx.session(ctx, id)
		if err != nil {
			return err
		}
		return s.propose(ctx, tx, id, session, certificatePaper, body, byOperator)
	})
}

// Certificate returns the certificate to be signed, or [ErrNotYet].
func (s *Service) Certificate(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	return s.store.proposal(ctx, id, certificatePaper)
}

// SignCertificate keeps one member's signature over the certificate. It counts
// the committee that is in force after all acts.
func (s *Service) SignCertificate(ctx context.Context, id suite.ElectionID, sig election.MemberSignature) error {
	if _, err := s.Certificate(ctx, id); err != nil {
		return err
	}
	l, err := s.locked(ctx, id)
	if err != nil {
		return err
	}
	return s.sign(ctx, id, certificatePaper, sig, func(_ store, certificate []byte) (string, error) {
		return checkMember(l.Committee, tally.CertificateMessage(l.MID, certificate), sig)
	})
}

// Certification returns the file of the signatures over the certificate, or
// [ErrNotYet] while there are fewer than the quorum.
func (s *Service) Certification(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	status, ok := s.c.Status(ctx, id)
	if !ok {
		return nil, ErrNotYet
	}
	return s.fix(ctx, id, certificatePaper, func(store, []byte) (uint8, error) { return status.Manifest.Committee.Quorum, nil })
}

// Certified returns the certificate once its signatures were given out, from when on
// nothing takes its place any more, or [ErrNotYet].
func (s *Service) Certified(ctx context.Context, id suite.ElectionID) (*tally.Certificate, error) {
	session, err := s.store.sessionOf(ctx, id, certificatePaper)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.get(ctx, place{id, session, certificatePaper.fixed, 0}); err != nil {
		return nil, err
	}
	_, body, err := s.store.last(ctx, id, session, certificatePaper.proposed)
	if err != nil {
		return nil, err
	}
	return tally.ParseCertificate(body)
}

// checkMember checks one member's signature, where a quorum is not there yet, and
// returns whose it is.
func checkMember(c election.Committee, signed []byte, sig election.MemberSignature) (who string, err error) {
	c.Quorum = 1
	if err := c.Verify(signed, []election.MemberSignature{sig}); err != nil {
		return "", &signerError{err}
	}
	return c.Members[sig.Member].Name, nil
}

// A signerError says that somebody's signature does not hold.
type signerError struct{ Err error }

func (e *signerError) Error() string { return e.Err.Error() }
func (e *signerError) Unwrap() error { return e.Err }

// signerRefused says in a sentence why a signature is not accepted.
func signerRefused(err error, what string) error {
	if errors.Is(err, election.ErrSignature) {
		return &RefusedError{fmt.Errorf("this signature is not one of this member's key over this %s; it may be of another key, of another election, or of what was proposed before", what)}
	}
	if e := new(signerError); errors.As(err, &e) {
		return &RefusedError{e}
	}
	return err
}
