package registrar

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/suite"
)

// batchLock keeps two processes from making a batch of one queue.
const batchLock = 0x6261746368 // "batch"

// batch moves entries of every group that has enough of them into the ledger
// (SPEC 8): all but a random batch_min, sorted, in one transaction a group. So
// neither the time at which a batch appears nor its order says who was issued a
// ballot when, and those who stay behind are not the last.
func (r *Registrar) batch(ctx context.Context) error {
	rows, err := r.c.Pool.Query(ctx, `SELECT group_id, count(*) FROM registrar.queue GROUP BY 1`)
	if err != nil {
		return fmt.Errorf("counting the queue: %w", err)
	}
	waiting := map[suite.GroupID]int{}
	var g suite.GroupID
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&g, &n}, func() error { waiting[g] = n; return nil }); err != nil {
		return fmt.Errorf("counting the queue: %w", err)
	}
	for _, g := range r.manifest.Groups {
		if waiting[g.ID] < 2*int(g.BatchMin) {
			continue
		}
		if err := r.batchGroup(ctx, g.ID, int(g.BatchMin)); err != nil {
			return fmt.Errorf("moving a batch into the ledger: %w", err)
		}
	}
	return nil
}

// sign signs what is committed and has no checkpoint: a batch, and whatever a
// process that was killed, this or another, has appended and could not sign any
// more. An act that nobody has signed never comes to the box, and voting would end
// there at another time than here.
func (r *Registrar) sign(ctx context.Context) error {
	behind, err := r.c.Ledger.Unsigned(ctx)
	if err == nil && behind {
		_, err = r.c.Ledger.Sign(ctx)
	}
	if err != nil {
		return fmt.Errorf("signing the ledger: %w", err)
	}
	return nil
}

func (r *Registrar) batchGroup(ctx context.Context, g suite.GroupID, keep int) error {
	return postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, int64(batchLock)).Scan(&mine); err != nil || !mine {
			return err // another process is at it
		}
		rows, err := tx.Query(ctx, `SELECT entry FROM registrar.queue WHERE group_id = $1`, g)
		if err != nil {
			return err
		}
		entries, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if err != nil {
			return err
		}
		if len(entries) < 2*keep {
			return nil
		}
		leave(entries, keep)
		entries = entries[keep:]
		slices.SortFunc(entries, bytes.Compare)
		if _, err := tx.Exec(ctx, `DELETE FROM registrar.queue WHERE entry = ANY($1)`, entries); err != nil {
			return err
		}
		return r.c.Ledger.AppendTx(ctx, tx, entries)
	})
}

// leave puts n entries, chosen at random, first.
func leave(entries [][]byte, n int) {
	for i := range n {
		j := i + below(len(entries)-i)
		entries[i], entries[j] = entries[j], entries[i]
	}
}

// below returns a random number from 0 to n-1, each as likely as any other.
func below(n int) int {
	limit := ^uint64(0) - ^uint64(0)%uint64(n)
	for {
		var b [8]byte
		rand.Read(b[:]) // never fails
		if v := binary.BigEndian.Uint64(b[:]); v < limit {
			return int(v % uint64(n))
		}
	}
}
