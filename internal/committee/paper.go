package committee

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// A paper is what the committee signs. It is proposed; a corrected one takes its
// place, and the signatures over the one before count no more; once a quorum has
// signed and the signatures were given out, both are fixed. All of it belongs to
// a session of the ceremony: a manifest with a key that is dead is not there to
// be signed any more.
type paper struct {
	name     string
	proposed string // round of the proposals, numbered from 0; the last one counts
	signed   string // round of signatures, with the proposal's number behind it; by member
	fixed    string // round of the file of signatures; empty where a later one may always take its place
	done     string // what the log says then
	lasting  bool   // whether it outlives a restart of the ceremony
}

var (
	manifestPaper    = paper{name: agenda.PaperManifest, proposed: "manifest", signed: "seal", fixed: "sealing", done: "sealed"}
	certificatePaper = paper{name: agenda.PaperCertificate, proposed: "certificate", signed: "certify", fixed: "certification", done: "complete"}
	declarationPaper = paper{name: agenda.PaperDeclaration, proposed: "declaration", signed: "declare", lasting: true}
)

// maxProposals is what the database takes of them.
const maxProposals = 33

func (p paper) signatures(proposal uint8) string { return fmt.Sprintf("%s/%d", p.signed, proposal) }

// sessionOf returns the session that a paper belongs to now.
func (s store) sessionOf(ctx context.Context, id suite.ElectionID, p paper) (uint32, error) {
	session, _, err := s.session(ctx, id)
	if p.lasting {
		session = 1
	}
	return session, err
}

// propose keeps a paper to be signed and reports whether it is another one than
// before. It returns [ErrConflict] once another is fixed.
func (s store) propose(ctx context.Context, id suite.ElectionID, session uint32, p paper, body []byte) (bool, error) {
	number, kept, err := s.last(ctx, id, session, p.proposed)
	switch {
	case errors.Is(err, ErrNotYet):
		return true, s.put(ctx, place{id, session, p.proposed, 0}, body)
	case err != nil || bytes.Equal(kept, body):
		return false, err
	}
	_, err = s.get(ctx, place{id, session, p.fixed, 0})
	switch {
	case err == nil:
		return false, ErrConflict
	case !errors.Is(err, ErrNotYet):
		return false, err
	case number+1 == maxProposals:
		return false, &RefusedError{errors.New("it was proposed and corrected too often")}
	}
	return true, s.put(ctx, place{id, session, p.proposed, number + 1}, body)
}

// propose keeps a paper and says so in the log.
func (s *Service) propose(ctx context.Context, tx store, id suite.ElectionID, session uint32, p paper, body []byte, by string) error {
	changed, err := tx.propose(ctx, id, session, p, body)
	if err != nil || !changed {
		return err
	}
	return s.note(ctx, tx, id, by, p.name+" proposed", named(body))
}

// named says which paper it is: the first digits of its SHA-256.
func named(body []byte) string {
	h := sha256.Sum256(body)
	return fmt.Sprintf("sha256 %x…", h[:8])
}

// proposal returns the paper to be signed, or [ErrNotYet].
func (s store) proposal(ctx context.Context, id suite.ElectionID, p paper) ([]byte, error) {
	session, err := s.sessionOf(ctx, id, p)
	if err != nil {
		return nil, err
	}
	_, body, err := s.last(ctx, id, session, p.proposed)
	return body, err
}

// sign keeps a member's signature over the paper: one for each member, so that
// two keys of one person are still one person. Another signature of the same
// member is as good as the first: a passkey never signs the same way twice.
// check returns whose signature it is.
func (s *Service) sign(ctx context.Context, id suite.ElectionID, p paper, sig election.MemberSignature, check func(tx store, body []byte) (who string, err error)) error {
	return s.store.alone(ctx, id, func(tx store) error {
		session, err := tx.sessionOf(ctx, id, p)
		if err != nil {
			return err
		}
		number, body, err := tx.last(ctx, id, session, p.proposed)
		if err != nil {
			return err
		}
		who, err := check(tx, body)
		if err != nil {
			return signerRefused(err, p.name)
		}
		b, err := suite.EncodeJSON(&sig)
		if err != nil {
			return &RefusedError{err}
		}
		fresh, err := tx.add(ctx, place{id, session, p.signatures(number), sig.Member}, b)
		if err != nil || !fresh {
			return err
		}
		return s.note(ctx, tx, id, who, p.name+" signed", named(body))
	})
}

// fix returns the file of signatures over the paper: the first quorum of them,
// by member. From then on both stay as they are, whoever signs later: they may
// have been published half-way when the program was interrupted.
func (s *Service) fix(ctx context.Context, id suite.ElectionID, p paper, quorum func(tx store, body []byte) (uint8, error)) (file []byte, err error) {
	err = s.store.alone(ctx, id, func(tx store) error {
		session, _, err := tx.session(ctx, id)
		if err != nil {
			return err
		}
		if file, err = tx.get(ctx, place{id, session, p.fixed, 0}); !errors.Is(err, ErrNotYet) {
			return err
		}
		number, body, err := tx.last(ctx, id, session, p.proposed)
		if err != nil {
			return err
		}
		n, err := quorum(tx, body)
		if err != nil {
			return err
		}
		got, err := tx.all(ctx, id, session, p.signatures(number))
		if err != nil {
			return err
		}
		if file, err = firstOf(got, n); err != nil {
			return err
		}
		if err := tx.put(ctx, place{id, session, p.fixed, 0}, file); err != nil {
			return err
		}
		return s.note(ctx, tx, id, byOperator, p.name+" "+p.done, named(body))
	})
	return file, err
}

// firstOf returns the file of the first quorum of signatures, or [ErrNotYet].
func firstOf(got map[uint8][]byte, quorum uint8) ([]byte, error) {
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
