package registrar

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/token"
)

// Seal makes the draft the election of a manifest: it checks that the roll is
// the one the manifest declares, mints everybody's token, appends entry 0 of
// the ledger and signs its checkpoint. All but the last is one transaction.
// Sealing again with the same files only signs again; with others it returns
// [ErrSealed].
func (d *Draft) Seal(ctx context.Context, manifest, sealing []byte, minter Minter, l Ledger) error {
	m, err := election.Parse(manifest)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	mid := election.MID(manifest)
	if err := m.VerifySealing(mid, sealing); err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	if m.ElectionID != d.Election {
		return errors.New("sealing: the manifest is another election's")
	}
	if _, err := newSigner(m, d.Keys.Issuers, 1); err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	if !bytes.Equal(minter.Public(), m.TokenKey[:]) {
		return errors.New("sealing: the token key is not the manifest's")
	}
	err = alone(ctx, d.Pool, func(tx pgx.Tx) error {
		sealed, err := alreadySealed(ctx, tx, manifest, sealing)
		if err != nil || sealed {
			return err
		}
		if err := checkRoll(ctx, tx, m); err != nil {
			return err
		}
		if err := mintAll(ctx, tx, m, minter); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE registrar.election SET manifest = $1, sealing = $2, phase = 'sealed', close_at = $3`,
			manifest, sealing, m.Schedule.Close)
		if err != nil {
			return err
		}
		return l.AppendTx(ctx, tx, [][]byte{ledger.ManifestEntry(mid)})
	})
	if err != nil {
		return fmt.Errorf("sealing: %w", scrub(err))
	}
	if _, err := l.Sign(ctx); err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	return nil
}

func alreadySealed(ctx context.Context, tx pgx.Tx, manifest, sealing []byte) (bool, error) {
	var phase string
	var haveManifest, haveSealing []byte
	err := tx.QueryRow(ctx, `SELECT phase, manifest, sealing FROM registrar.election`).Scan(&phase, &haveManifest, &haveSealing)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, errors.New("no roll was imported")
	case err != nil:
		return false, err
	case phase == phaseDraft:
		return false, nil
	case bytes.Equal(manifest, haveManifest) && bytes.Equal(sealing, haveSealing):
		return true, nil
	}
	return false, ErrSealed
}

// checkRoll compares the roll with what the manifest says of it: a manifest
// over another import must not be sealed.
func checkRoll(ctx context.Context, tx pgx.Tx, m *election.Manifest) error {
	leaves, err := rollOf(ctx, tx)
	if err != nil {
		return err
	}
	var members int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM registrar.member`).Scan(&members); err != nil {
		return err
	}
	for _, g := range m.Groups {
		l := leaves[g.ID]
		if uint32(len(l)) != g.RollSize || ledger.Root(l) != g.RollRoot {
			return fmt.Errorf("the roll of group %d is not the manifest's", g.ID)
		}
		members -= len(l)
	}
	if members != 0 {
		return fmt.Errorf("%d members are in no group of the manifest", members)
	}
	return nil
}

var tokenColumns = []string{"token_id", "code_id", "jti", "on_roll", "group_id", "roll_index", "version"}

// mintAll mints a token for everybody on the roll and keeps the hashes.
func mintAll(ctx context.Context, tx pgx.Tx, m *election.Manifest, minter Minter) error {
	rows, err := tx.Query(ctx, `SELECT group_id, roll_index FROM registrar.member ORDER BY group_id, roll_index`)
	if err != nil {
		return err
	}
	places, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Place])
	if err != nil {
		return err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"registrar", "token"}, tokenColumns,
		pgx.CopyFromSlice(len(places), func(i int) ([]any, error) {
			return mint(m, minter, token.KindMember, places[i], 1), nil
		}))
	if err != nil {
		return fmt.Errorf("keeping tokens: %w", err)
	}
	return nil
}

// mint draws a token's random part, has the token made, and returns the row
// that is kept of it.
func mint(m *election.Manifest, minter Minter, kind token.Kind, p Place, version int) []any {
	var jti token.JTI
	rand.Read(jti[:]) // never fails
	tokenID, codeID := minter.IDs(token.Body{Kind: kind, Election: m.ElectionID, Group: p.Group, Index: p.Index,
		JTI: jti, Expires: m.Schedule.TokenExpires()})
	return []any{tokenID[:], codeID[:], jti[:], kind == token.KindMember, p.Group, p.Index, version}
}

// keepToken inserts one token.
func keepToken(ctx context.Context, tx pgx.Tx, row []any) error {
	_, err := tx.Exec(ctx, `INSERT INTO registrar.token (token_id, code_id, jti, on_roll, group_id, roll_index, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, row...)
	return err
}
