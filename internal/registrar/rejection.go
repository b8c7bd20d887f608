package registrar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/suite"
)

// A Proposal is one attempt of the committee at the act with a sequence. The
// payload does not tell two decisions apart: it only counts what it rejects.
type Proposal struct {
	Sequence uint32
	Attempt  int
}

var (
	// ErrNotNoted is returned where it is not known which envelopes a proposal
	// rejects: whoever proposed it did not come to noting it.
	ErrNotNoted = errors.New("it is not noted which envelopes the act rejects")
	// ErrOtherNoted is returned where a proposal rejects other envelopes.
	ErrOtherNoted = errors.New("the act rejects other envelopes")
)

// Rejected returns which envelopes a proposal rejects, or [ErrNotNoted].
func (r *Registrar) Rejected(ctx context.Context, p Proposal) (list []suite.BallotID, err error) {
	err = postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		list, err = readRejected(ctx, tx, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading what is rejected: %w", scrub(err))
	}
	return list, nil
}

func readRejected(ctx context.Context, tx pgx.Tx, p Proposal) ([]suite.BallotID, error) {
	var rows [][]byte
	err := tx.QueryRow(ctx, `SELECT ballots FROM registrar.rejection WHERE sequence = $1 AND attempt = $2`, p.Sequence, p.Attempt).Scan(&rows)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotNoted
	}
	if err != nil {
		return nil, err
	}
	list := make([]suite.BallotID, len(rows))
	for i, id := range rows {
		copy(list[i][:], id)
	}
	return list, nil
}

// NoteRejected keeps which envelopes a proposal rejects, once for all. It returns
// [ErrOtherNoted] where others were noted for it before: two who propose decisions
// with the same numbers at once propose one act.
func (r *Registrar) NoteRejected(ctx context.Context, p Proposal, rejected []suite.BallotID) error {
	sorted := slices.SortedFunc(slices.Values(rejected), func(a, b suite.BallotID) int { return bytes.Compare(a[:], b[:]) })
	ids := make([][]byte, len(sorted))
	for i := range sorted {
		ids[i] = sorted[i][:]
	}
	err := postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		// The key decides between two, and what lost reads what won.
		_, err := tx.Exec(ctx, `INSERT INTO registrar.rejection (sequence, attempt, ballots) VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING`, p.Sequence, p.Attempt, ids)
		if err != nil {
			return err
		}
		kept, err := readRejected(ctx, tx, p)
		if err == nil && !slices.Equal(kept, sorted) {
			err = ErrOtherNoted
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("noting what is rejected: %w", scrub(err))
	}
	return nil
}
