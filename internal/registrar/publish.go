package registrar

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
)

// A Publisher is the board beside the ledger. Both methods may be repeated with
// the same arguments.
type Publisher interface {
	// FirstProof returns the proof of an entry in the earliest checkpoint that
	// enough witnesses have cosigned, or an error if there is none yet.
	FirstProof(ctx context.Context, index int64, extra []byte) ([]byte, error)
	PutFile(ctx context.Context, path string, body []byte) error
}

// An ActProof is an act with its proof in the ledger, as it is published.
type ActProof struct {
	Sequence uint32
	Late     bool // published only when the ledger has ended
	Proof    []byte
}

// Proven returns the acts after the first skip ones with their proofs, up to the
// first that the witnesses have not signed for yet; the error then says so, and
// the acts before it are returned all the same.
func (r *Registrar) Proven(ctx context.Context, p Publisher, skip int) (proven []ActProof, err error) {
	var acts [][]byte
	var at []int64
	err = postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if acts, err = readActs(ctx, tx); err != nil {
			return err
		}
		acts = acts[min(skip, len(acts)):]
		at = make([]int64, len(acts))
		for i, body := range acts {
			if err := tx.QueryRow(ctx, `SELECT index FROM board.entry WHERE body = $1`, ledger.ActEntry(body)).Scan(&at[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("proving acts: %w", err)
	}
	for i, body := range acts {
		a, err := act.Parse(body)
		if err != nil {
			return proven, fmt.Errorf("proving acts: %w", err)
		}
		proof, err := p.FirstProof(ctx, at[i], ledger.ActEntry(body))
		if err != nil {
			return proven, fmt.Errorf("proving acts: %w", err)
		}
		proven = append(proven, ActProof{a.Sequence, a.Kind == act.KindAmend || a.Kind == act.KindDecide, proof})
	}
	return proven, nil
}

// PublishActs publishes the acts as files of the record, each with its proof
// (SPEC 9). Amendments and decisions, which say something about persons, wait
// for the end of the ledger. An act whose checkpoint the witnesses have not
// cosigned yet is left for the next call.
func (r *Registrar) PublishActs(ctx context.Context, p Publisher) (published int, err error) {
	var done bool
	err = postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		done, err = finished(ctx, tx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("publishing acts: %w", err)
	}
	proven, missing := r.Proven(ctx, p, 0)
	for _, x := range proven {
		if x.Late && !done {
			continue
		}
		if err := p.PutFile(ctx, layout.Act(int(x.Sequence)), x.Proof); err != nil {
			return published, fmt.Errorf("publishing acts: %w", err)
		}
		published++
	}
	if missing != nil {
		return published, fmt.Errorf("publishing acts: %w", missing)
	}
	return published, nil
}

// PublishStart publishes what a sealed election begins with: the manifest and
// the signatures that sealed it.
func (r *Registrar) PublishStart(ctx context.Context, p Publisher) error {
	var manifest, sealing []byte
	err := r.c.Pool.QueryRow(ctx, `SELECT manifest, sealing FROM registrar.election`).Scan(&manifest, &sealing)
	if err != nil {
		return fmt.Errorf("publishing the manifest: %w", err)
	}
	if err := p.PutFile(ctx, layout.Manifest, manifest); err != nil {
		return fmt.Errorf("publishing the manifest: %w", err)
	}
	if err := p.PutFile(ctx, layout.Sealing, sealing); err != nil {
		return fmt.Errorf("publishing the sealing: %w", err)
	}
	return nil
}

// PublishEnd is called after [Registrar.Lock]: it wipes the issuer keys and
// publishes the rolls and the statement that the keys are gone (SPEC 4, 20).
// sign signs a text with the ledger's key. Files that hold the keys are the
// caller's, who deletes them first.
func (r *Registrar) PublishEnd(ctx context.Context, p Publisher, sign func(text string) ([]byte, error)) error {
	var leaves map[suite.GroupID][]suite.Hash
	err := postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		done, err := finished(ctx, tx)
		if err == nil && !done {
			err = ErrNotYet
		}
		if err == nil {
			leaves, err = rollOf(ctx, tx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("publishing the rolls: %w", err)
	}
	for _, g := range r.manifest.Groups {
		if err := p.PutFile(ctx, layout.Roll(g.ID), ledger.EncodeRoll(leaves[g.ID])); err != nil {
			return fmt.Errorf("publishing a roll: %w", err)
		}
	}
	r.Wipe()
	note, err := sign(statement.Text(r.mid, statement.IssuerKeys))
	if err != nil {
		return fmt.Errorf("stating that the issuer keys are gone: %w", err)
	}
	if err := p.PutFile(ctx, layout.StatementRegistrar, note); err != nil {
		return fmt.Errorf("stating that the issuer keys are gone: %w", err)
	}
	return nil
}
