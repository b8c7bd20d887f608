package board

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// chunk bounds the rows of one INSERT, so that a batch of twenty thousand
// ballots does not become one message of twenty megabytes.
const chunk = 2000

// A querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// lockHead locks the head's row until the end of the transaction and returns
// it with the type of the last entry.
func (l *Log) lockHead(ctx context.Context, tx pgx.Tx) (Head, byte, error) {
	first := empty(l.c.MID)
	// The first append of all finds no row to lock, so it makes one; of two
	// that do, one waits here for the other.
	_, err := tx.Exec(ctx, `
		INSERT INTO board.head (size, root, chain)
		SELECT 0, $1, $2 WHERE NOT EXISTS (SELECT FROM board.head)
		ON CONFLICT DO NOTHING`, first.Root[:], first.Chain[:])
	if err != nil {
		return Head{}, 0, fmt.Errorf("making the first head: %w", err)
	}
	head, err := l.readHead(ctx, tx, "FOR UPDATE")
	if err != nil || head.Size == 0 {
		return head, 0, err
	}
	// A statement of its own: in READ COMMITTED it sees what the transaction
	// that we waited for has committed.
	last, err := typeOf(ctx, tx, head.Size-1)
	return head, last, err
}

func typeOf(ctx context.Context, q querier, index int64) (byte, error) {
	var t int
	err := q.QueryRow(ctx, `SELECT get_byte(body, 0) FROM board.entry WHERE index = $1`, index).Scan(&t)
	if err != nil {
		return 0, fmt.Errorf("reading type of entry %d: %w", index, err)
	}
	return byte(t), nil
}

// readHead reads the head; lock is a locking clause or empty.
func (l *Log) readHead(ctx context.Context, q querier, lock string) (Head, error) {
	var h Head
	var root, chain []byte
	err := q.QueryRow(ctx, `SELECT size, root, chain FROM board.head `+lock).Scan(&h.Size, &root, &chain)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && h.Size == 0 {
		return empty(l.c.MID), nil
	}
	if err != nil {
		return Head{}, err
	}
	if len(root) != len(h.Root) || len(chain) != len(h.Chain) {
		return Head{}, errors.New("the head's hashes have another length")
	}
	copy(h.Root[:], root)
	copy(h.Chain[:], chain)
	return h, nil
}

// nodes are hashes of the tree by their stored index.
type nodes map[int64]suite.Hash

func (n nodes) reader() tlog.HashReader {
	return func(indexes []int64) ([]suite.Hash, error) {
		out := make([]suite.Hash, len(indexes))
		for i, x := range indexes {
			h, ok := n[x]
			if !ok {
				return nil, fmt.Errorf("node %d is missing", x)
			}
			out[i] = h
		}
		return out, nil
	}
}

// rightEdge lists the nodes from which a tree of that size is continued and its
// root computed: the roots of its complete subtrees, one for each bit set in
// the size.
func rightEdge(size int64) []int64 {
	var edge []int64
	_, _ = tlog.TreeHash(size, func(indexes []int64) ([]suite.Hash, error) {
		edge = append(edge, indexes...)
		return make([]suite.Hash, len(indexes)), nil
	})
	return edge
}

func readNodes(ctx context.Context, q querier, indexes []int64) (nodes, error) {
	out := make(nodes, len(indexes))
	if len(indexes) == 0 {
		return out, nil
	}
	rows, err := q.Query(ctx, `SELECT index, hash FROM board.node WHERE index = ANY($1)`, indexes)
	if err != nil {
		return nil, err
	}
	var index int64
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&index, &hash}, func() error {
		if len(hash) != len(suite.Hash{}) {
			return fmt.Errorf("node %d has another length", index)
		}
		out[index] = suite.Hash(hash)
		return nil
	})
	return out, err
}

// hashReader reads nodes from the database as they are asked for.
func hashReader(ctx context.Context, q querier) tlog.HashReader {
	return func(indexes []int64) ([]suite.Hash, error) {
		n, err := readNodes(ctx, q, indexes)
		if err != nil {
			return nil, err
		}
		return n.reader()(indexes)
	}
}

// store writes an append in one round trip.
func store(ctx context.Context, tx pgx.Tx, old Head, g growth, entries [][]byte) error {
	b := new(pgx.Batch)
	for from := 0; from < len(entries); from += chunk {
		part := entries[from:min(from+chunk, len(entries))]
		index := make([]int64, len(part))
		for i := range part {
			index[i] = old.Size + int64(from+i)
		}
		b.Queue(`
			INSERT INTO board.entry (index, body)
			SELECT * FROM unnest($1::bigint[], $2::bytea[])`, index, part)
	}
	for from := 0; from < len(g.index); from += chunk {
		to := min(from+chunk, len(g.index))
		b.Queue(`
			INSERT INTO board.node (index, hash)
			SELECT * FROM unnest($1::bigint[], $2::bytea[])`, g.index[from:to], g.node[from:to])
	}
	// The row is locked and the condition can only fail if somebody writes
	// past the lock; then nothing of this is kept.
	moved := int64(0)
	b.Queue(`UPDATE board.head SET size = $1, root = $2, chain = $3 WHERE size = $4`,
		g.head.Size, g.head.Root[:], g.head.Chain[:], old.Size).
		Exec(func(tag pgconn.CommandTag) error { moved = tag.RowsAffected(); return nil })
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if moved != 1 {
		return errors.New("the head moved although it was locked")
	}
	return nil
}

// Head returns the committed head.
func (l *Log) Head(ctx context.Context) (Head, error) {
	h, err := l.readHead(ctx, l.c.Pool, "")
	if err != nil {
		return Head{}, fmt.Errorf("reading head of log: %w", err)
	}
	return h, nil
}

// Final reports whether the log's last entry is its final one.
func (l *Log) Final(ctx context.Context) (bool, error) {
	l.mu.Lock()
	final := l.final
	l.mu.Unlock()
	if final {
		return true, nil
	}
	h, err := l.Head(ctx)
	if err != nil || h.Size == 0 {
		return false, err
	}
	t, err := typeOf(ctx, l.c.Pool, h.Size-1)
	if err != nil {
		return false, fmt.Errorf("reading end of log: %w", err)
	}
	if t == typeFinal {
		l.mu.Lock()
		l.final = true
		l.mu.Unlock()
	}
	return t == typeFinal, nil
}

// Entry returns one entry.
func (l *Log) Entry(ctx context.Context, index int64) ([]byte, error) {
	var body []byte
	err := l.c.Pool.QueryRow(ctx, `SELECT body FROM board.entry WHERE index = $1`, index).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("entry %d: %w", index, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("reading entry of log: %w", err)
	}
	return body, nil
}

// Entries yields the entries from one index up to and not including another,
// or up to the first error.
func (l *Log) Entries(ctx context.Context, from, to int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for at := from; at < to; at += tlog.TileWidth {
			part, err := l.readEntries(ctx, at, min(at+tlog.TileWidth, to))
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range part {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func (l *Log) readEntries(ctx context.Context, from, to int64) ([][]byte, error) {
	rows, err := l.c.Pool.Query(ctx, `
		SELECT body FROM board.entry WHERE index >= $1 AND index < $2 ORDER BY index`, from, to)
	if err != nil {
		return nil, fmt.Errorf("reading entries of log: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return nil, fmt.Errorf("reading entries of log: %w", err)
	}
	if int64(len(list)) != to-from {
		return nil, fmt.Errorf("entries %d to %d: %w", from, to, ErrNotFound)
	}
	return list, nil
}

// Count returns how many entries of a type the log has.
func (l *Log) Count(ctx context.Context, entryType byte) (int64, error) {
	var n int64
	err := l.c.Pool.QueryRow(ctx,
		`SELECT count(*) FROM board.entry WHERE get_byte(body, 0) = $1`, int(entryType)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting entries of log: %w", err)
	}
	return n, nil
}

// Tile returns a tile of hashes or a bundle of entries. A partial tile may
// have any width that the log has grown to: a client asks for those of the
// checkpoint it holds, which need not be the newest.
func (l *Log) Tile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	h, err := l.Head(ctx)
	if err != nil {
		return nil, err
	}
	if !reaches(h.Size, t) {
		return nil, fmt.Errorf("tile: %w", ErrNotFound)
	}
	if t.Level == tlog.Entries {
		from := t.Index * tlog.TileWidth
		entries, err := l.readEntries(ctx, from, from+int64(t.Width))
		if err != nil {
			return nil, err
		}
		return tlog.EncodeBundle(entries), nil
	}
	return tlog.ReadTile(t, hashReader(ctx, l.c.Pool))
}

// reaches reports whether a log of that size has all of a tile.
func reaches(size int64, t tlog.Tile) bool {
	if t.Level > 0 {
		// 8 levels of 256 are more than a log can have; shifting further
		// would wrap around.
		if t.Level > 6 {
			return false
		}
		size >>= 8 * t.Level
	}
	if t.Width < 1 || t.Width > tlog.TileWidth || t.Index < 0 || t.Index > size/tlog.TileWidth {
		return false
	}
	return t.Index*tlog.TileWidth+int64(t.Width) <= size
}

// Prove returns the inclusion proof of an entry in the log as it was at a size.
func (l *Log) Prove(ctx context.Context, index, size int64) ([]suite.Hash, error) {
	h, err := l.Head(ctx)
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= size || size > h.Size {
		return nil, fmt.Errorf("proving entry %d of %d: %w", index, size, ErrNotFound)
	}
	return tlog.ProveInclusion(size, index, hashReader(ctx, l.c.Pool))
}
