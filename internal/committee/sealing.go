package committee

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
)

// Propose keeps the manifest that the committee is asked to sign. Another one
// is refused: what two people sign must be one thing.
func (s *Service) Propose(ctx context.Context, id suite.ElectionID, manifest []byte) error {
	m, err := election.Parse(manifest)
	if err != nil {
		return &RefusedError{err}
	}
	if m.ElectionID != id {
		return &RefusedError{fmt.Errorf("the manifest is of another election")}
	}
	return s.store.put(ctx, id, 0, roundManifest, 0, manifest)
}

// Proposal returns the manifest to be signed, or [ErrNotYet].
func (s *Service) Proposal(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	return s.store.get(ctx, id, 0, roundManifest, 0)
}

// SignSeal keeps one member's signature over the proposed manifest.
func (s *Service) SignSeal(ctx context.Context, id suite.ElectionID, sig election.MemberSignature) error {
	manifest, err := s.Proposal(ctx, id)
	if err != nil {
		return err
	}
	m, err := election.Parse(manifest)
	if err != nil {
		return fmt.Errorf("reading the proposed manifest: %w", err)
	}
	mid := election.MID(manifest)
	if err := checkMember(m, election.SealMessage(mid), sig); err != nil {
		return &RefusedError{err}
	}
	return s.putSignature(ctx, id, roundSeal, sig)
}

// Sealing returns the file of the signatures over the manifest, or [ErrNotYet]
// while there are fewer than the quorum.
func (s *Service) Sealing(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	manifest, err := s.Proposal(ctx, id)
	if err != nil {
		return nil, err
	}
	m, err := election.Parse(manifest)
	if err != nil {
		return nil, fmt.Errorf("reading the proposed manifest: %w", err)
	}
	return s.signatures(ctx, id, roundSeal, m.Committee.Quorum)
}

// ProposeCertificate keeps the certificate that the committee is asked to sign.
func (s *Service) ProposeCertificate(ctx context.Context, id suite.ElectionID, certificate []byte) error {
	return s.store.put(ctx, id, 0, roundCertificate, 0, certificate)
}

// Certificate returns the certificate to be signed, or [ErrNotYet].
func (s *Service) Certificate(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	return s.store.get(ctx, id, 0, roundCertificate, 0)
}

// SignCertificate keeps one member's signature over the certificate.
func (s *Service) SignCertificate(ctx context.Context, id suite.ElectionID, sig election.MemberSignature) error {
	status, ok := s.c.Status(ctx, id)
	if !ok {
		return ErrNotYet
	}
	certificate, err := s.Certificate(ctx, id)
	if err != nil {
		return err
	}
	message := tally.CertificateMessage(status.MID, certificate)
	if err := checkMember(status.Manifest, message, sig); err != nil {
		return &RefusedError{err}
	}
	return s.putSignature(ctx, id, roundCertify, sig)
}

// Certification returns the file of the signatures over the certificate, or
// [ErrNotYet] while there are fewer than the quorum.
func (s *Service) Certification(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	status, ok := s.c.Status(ctx, id)
	if !ok {
		return nil, ErrNotYet
	}
	return s.signatures(ctx, id, roundCertify, status.Manifest.Committee.Quorum)
}

// checkMember checks one member's signature, where a quorum is not there yet.
func checkMember(m *election.Manifest, signed []byte, sig election.MemberSignature) error {
	alone := m.Committee
	alone.Quorum = 1
	return alone.Verify(signed, []election.MemberSignature{sig})
}

// putSignature keeps a signature under its member: one for each, so that two
// keys of one person are still one person.
func (s *Service) putSignature(ctx context.Context, id suite.ElectionID, round string, sig election.MemberSignature) error {
	body, err := suite.EncodeJSON(&sig)
	if err != nil {
		return &RefusedError{err}
	}
	return s.store.put(ctx, id, 0, round, sig.Member, body)
}

// signatures returns the file of the first quorum of signatures, by member.
func (s *Service) signatures(ctx context.Context, id suite.ElectionID, round string, quorum uint8) ([]byte, error) {
	got, err := s.store.all(ctx, id, 0, round)
	if err != nil {
		return nil, err
	}
	if len(got) < int(quorum) {
		return nil, ErrNotYet
	}
	var list []election.MemberSignature
	for _, member := range slices.Sorted(maps.Keys(got))[:quorum] {
		var sig election.MemberSignature
		if err := suite.DecodeJSON(got[member], &sig); err != nil {
			return nil, fmt.Errorf("reading signature: %w", err)
		}
		list = append(list, sig)
	}
	return election.EncodeSignatures(list)
}
