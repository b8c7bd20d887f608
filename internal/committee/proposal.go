package committee

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// What members sign one by one, beside the papers.
const (
	whatAct   = "act"
	whatSlips = "slips"
)

// A proposal is one act, or one list of slips, that members sign. At most one of
// the attempts at a number has no end.
type proposal struct {
	number     uint32
	attempt    int
	kind       uint8
	body       []byte
	by         string
	at         time.Time
	signatures []election.MemberSignature // in the order in which they came
	end        string                     // a state; empty while it waits
	reason     string
}

// signers returns who has signed.
func (p *proposal) signers() []int {
	out := make([]int, len(p.signatures))
	for i, sig := range p.signatures {
		out[i] = int(sig.Member)
	}
	return out
}

// first returns the signatures that are handed on, by member: the first quorum
// that came, so that it is the same whoever signs later.
func (p *proposal) first(quorum uint8) []election.MemberSignature {
	if len(p.signatures) < int(quorum) {
		return nil
	}
	list := slices.Clone(p.signatures[:quorum])
	slices.SortFunc(list, func(a, b election.MemberSignature) int { return int(a.Member) - int(b.Member) })
	return list
}

// proposals returns all of one kind by number and attempt.
func (s store) proposals(ctx context.Context, id suite.ElectionID, what string) ([]*proposal, error) {
	rows, err := s.Query(ctx, `
		SELECT p.number, p.attempt, p.kind, p.body, p.proposed_by, p.proposed_at, coalesce(e.state, ''), coalesce(e.reason, '')
		FROM committee.proposal p LEFT JOIN committee.proposal_end e USING (election_id, what, number, attempt)
		WHERE p.election_id = $1 AND p.what = $2 ORDER BY p.number, p.attempt`, id[:], what)
	if err != nil {
		return nil, fmt.Errorf("selecting proposals: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*proposal, error) {
		p := new(proposal)
		err := row.Scan(&p.number, &p.attempt, &p.kind, &p.body, &p.by, &p.at, &p.end, &p.reason)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("selecting proposals: %w", err)
	}
	return list, s.addSignatures(ctx, id, what, list)
}

func (s store) addSignatures(ctx context.Context, id suite.ElectionID, what string, list []*proposal) error {
	type key struct {
		number  uint32
		attempt int
	}
	by := make(map[key]*proposal, len(list))
	for _, p := range list {
		by[key{p.number, p.attempt}] = p
	}
	rows, err := s.Query(ctx, `
		SELECT number, attempt, member, key, signature FROM committee.proposal_signature
		WHERE election_id = $1 AND what = $2 ORDER BY number, attempt, place`, id[:], what)
	if err != nil {
		return fmt.Errorf("selecting signatures: %w", err)
	}
	var k key
	var sig election.MemberSignature
	_, err = pgx.ForEachRow(rows, []any{&k.number, &k.attempt, &sig.Member, &sig.Key, (*[]byte)(&sig.Signature)}, func() error {
		// One that was proposed since the list was read has no signatures yet
		// that anybody has seen.
		if p := by[k]; p != nil {
			one := sig
			one.Signature = slices.Clone(sig.Signature)
			p.signatures = append(p.signatures, one)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("selecting signatures: %w", err)
	}
	return nil
}

// addProposal keeps a proposal. The primary key decides between two: the caller
// holds the election alone, and another program that does not is refused here.
func (s store) addProposal(ctx context.Context, id suite.ElectionID, what string, p *proposal) error {
	err := s.QueryRow(ctx, `
		INSERT INTO committee.proposal (election_id, what, number, attempt, kind, body, proposed_by, proposed_at)
		SELECT $1, $2, $3, 1 + count(*), $4, $5, $6, $7 FROM committee.proposal
		WHERE election_id = $1 AND what = $2 AND number = $3
		ON CONFLICT DO NOTHING RETURNING attempt`,
		id[:], what, p.number, p.kind, p.body, p.by, p.at).Scan(&p.attempt)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrConflict
	}
	if err != nil {
		return fmt.Errorf("inserting proposal: %w", err)
	}
	return nil
}

// addSignature keeps a member's signature and reports whether it is the first of
// theirs. Another one is as good: a passkey never signs the same way twice.
func (s store) addSignature(ctx context.Context, id suite.ElectionID, what string, p *proposal, sig election.MemberSignature) (bool, error) {
	tag, err := s.Exec(ctx, `
		INSERT INTO committee.proposal_signature (election_id, what, number, attempt, member, place, key, signature)
		SELECT $1, $2, $3, $4, $5, 1 + count(*), $6, $7 FROM committee.proposal_signature
		WHERE election_id = $1 AND what = $2 AND number = $3 AND attempt = $4
		ON CONFLICT (election_id, what, number, attempt, member) DO NOTHING`,
		id[:], what, p.number, p.attempt, sig.Member, sig.Key, []byte(sig.Signature))
	if err != nil {
		return false, fmt.Errorf("inserting signature: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// end notes how a proposal ended, unless it has ended.
func (s store) end(ctx context.Context, id suite.ElectionID, what string, p *proposal, state, reason string) error {
	_, err := s.Exec(ctx, `
		INSERT INTO committee.proposal_end (election_id, what, number, attempt, state, reason)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, id[:], what, p.number, p.attempt, state, reason)
	if err != nil {
		return fmt.Errorf("inserting end of a proposal: %w", err)
	}
	p.end, p.reason = state, reason
	return nil
}

// waiting reports whether a proposal waits for signatures, or to take effect.
func (p *proposal) waiting() bool { return p.end == "" }

// state returns the state of one that waits, or how it ended.
func (p *proposal) state(quorum uint8) string {
	switch {
	case !p.waiting():
		return p.end
	case len(p.signatures) >= int(quorum):
		return agenda.Signed
	}
	return agenda.Open
}

// checkWho refuses a name that would not stand in the log of the committee.
func checkWho(by string) error {
	if err := suite.CheckText(by, 80); err != nil {
		return &RefusedError{fmt.Errorf("it must be said by whom, in at most 80 bytes: %w", err)}
	}
	return nil
}
