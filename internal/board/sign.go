package board

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/tlog"
)

// recent is how many checkpoints a cosignature is tried on. A witness cosigns
// what it has just fetched; the bound keeps junk from costing a signature
// check for every checkpoint there is.
const recent = 32

// maxAhead is how far the clock of a witness may be ahead of this one. An act that
// moves the close comes at least ten minutes before it.
const maxAhead = 300 * time.Second

// Sign signs a checkpoint over the committed head, stores it and returns the
// note. It is called after the commit of an append, and once at start, which
// makes up for a crash in between: signatures are deterministic, so that the
// same head gives the same bytes.
//
// It never signs what a crash could take back: the head's row is locked, which
// waits for a commit under way and writes to the log of the database, so that
// the commit before the answer waits for whatever the append's commit waited
// for. It never signs a smaller head than before, or one that does not continue
// what [Config.Newest] keeps, for which it returns [ErrRollback], or a root that the
// stored nodes do not give.
func (l *Log) Sign(ctx context.Context) ([]byte, error) {
	if l.c.Signer == nil {
		return nil, errors.New("signing checkpoint: this process has no key of the log")
	}
	// The head is read and its commit confirmed in a transaction of its own: what
	// is kept outside of the database must not be ahead of it after a crash.
	var head Head
	err := postgres.InTx(ctx, l.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) (err error) {
		if head, err = l.readHead(ctx, tx, "FOR UPDATE"); err != nil {
			return err
		}
		if head.Size == 0 {
			return errors.New("the log has no entry")
		}
		return l.checkHead(ctx, tx, head)
	})
	if err != nil {
		return nil, fmt.Errorf("signing checkpoint: %w", err)
	}
	note := l.c.Signer.Sign(tlog.Checkpoint{Origin: l.Origin(), Size: head.Size, Root: head.Root})
	err = postgres.InTx(ctx, l.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		// The lock lets one process after the other keep what it signed.
		if _, err := l.readHead(ctx, tx, "FOR UPDATE"); err != nil {
			return err
		}
		if err := insertCheckpoint(ctx, tx, head.Size, note); err != nil {
			return err
		}
		// Before the commit, which publishes it: whoever has seen a checkpoint can
		// rely on this file.
		return l.keep(head, note)
	})
	if err != nil {
		return nil, fmt.Errorf("signing checkpoint: %w", restored(err))
	}
	l.mu.Lock()
	l.signed = max(l.signed, head.Size)
	l.mu.Unlock()
	return note, nil
}

// Unsigned reports whether the committed head has no checkpoint yet, as a crash
// between commit and signature leaves it.
func (l *Log) Unsigned(ctx context.Context) (bool, error) {
	var behind bool
	err := l.c.Pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM board.head WHERE size > 0 AND
			size > (SELECT coalesce(max(size), 0) FROM board.checkpoint))`).Scan(&behind)
	if err != nil {
		return false, fmt.Errorf("reading head of log: %w", err)
	}
	return behind, nil
}

// checkHead returns an error unless a head is fit to be signed.
func (l *Log) checkHead(ctx context.Context, tx pgx.Tx, head Head) error {
	var largest int64
	err := tx.QueryRow(ctx, `SELECT coalesce(max(size), 0) FROM board.checkpoint`).Scan(&largest)
	if err != nil {
		return fmt.Errorf("reading largest checkpoint: %w", err)
	}
	l.mu.Lock()
	largest = max(largest, l.signed)
	l.mu.Unlock()
	if head.Size < largest {
		return ErrRollback
	}
	if err := l.checkKept(ctx, tx, head); err != nil {
		return err
	}
	edge, err := readNodes(ctx, tx, rightEdge(head.Size))
	if err != nil {
		return fmt.Errorf("reading right edge: %w", err)
	}
	root, err := tlog.TreeHash(head.Size, edge.reader())
	if err != nil {
		return fmt.Errorf("computing root: %w", err)
	}
	if root != head.Root {
		return errors.New("the head's root is not the one of the stored nodes")
	}
	return nil
}

// insertCheckpoint keeps a checkpoint. Another one of the same size is refused:
// publishing both would be a fork.
func insertCheckpoint(ctx context.Context, tx pgx.Tx, size int64, note []byte) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO board.checkpoint (size, note) VALUES ($1, $2)
		ON CONFLICT (size) DO NOTHING`, size, note)
	if err != nil {
		return fmt.Errorf("keeping checkpoint: %w", err)
	}
	var kept []byte
	if err := tx.QueryRow(ctx, `SELECT note FROM board.checkpoint WHERE size = $1`, size).Scan(&kept); err != nil {
		return fmt.Errorf("reading checkpoint kept: %w", err)
	}
	if string(kept) != string(note) {
		return errors.New("another checkpoint of this size was signed before")
	}
	return nil
}

// SignText signs a statement with the log's key (SPEC 20).
func (l *Log) SignText(text string) ([]byte, error) {
	if l.c.Signer == nil {
		return nil, errors.New("signing statement: this process has no key of the log")
	}
	return l.c.Signer.SignText(text), nil
}

// Checkpoint returns the newest checkpoint with its cosignatures.
func (l *Log) Checkpoint(ctx context.Context) ([]byte, error) {
	note, _, err := l.checkpoint(ctx, `ORDER BY size DESC LIMIT 1`)
	return note, err
}

// CheckpointAt returns the checkpoint of a size with its cosignatures. Not
// every size has one.
func (l *Log) CheckpointAt(ctx context.Context, size int64) ([]byte, error) {
	if first := l.first.Load(); size == 1 && first != nil {
		return slices.Clone(*first), nil
	}
	note, signed, err := l.checkpoint(ctx, `WHERE size = $1`, size)
	if err != nil {
		return nil, err
	}
	if first := slices.Clone(note); size == 1 && signed == len(l.c.Policy.Witnesses) {
		l.first.Store(&first)
	}
	return note, nil
}

// CosignedCheckpoint returns the newest checkpoint that satisfies the policy,
// or [ErrNotCosigned].
func (l *Log) CosignedCheckpoint(ctx context.Context) ([]byte, error) {
	return l.cosigned(ctx, `DESC`, 0)
}

// FirstCosigned returns the smallest checkpoint that satisfies the policy and
// holds the entry, or [ErrNotCosigned]. Its moment says how early the witnesses
// had seen the entry, which decides whether an act came in time (SPEC 10).
func (l *Log) FirstCosigned(ctx context.Context, index int64) ([]byte, error) {
	return l.cosigned(ctx, `ASC`, index+1)
}

// cosigned returns the first checkpoint in an order of at least a size.
func (l *Log) cosigned(ctx context.Context, order string, size int64) ([]byte, error) {
	note, _, err := l.checkpoint(ctx, `
		WHERE size >= $1 AND size IN
			(SELECT size FROM board.cosignature GROUP BY size HAVING count(*) >= $2)
		ORDER BY size `+order+` LIMIT 1`, size, l.c.Policy.Threshold)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("reading checkpoint: %w", ErrNotCosigned)
	}
	if err != nil {
		return nil, err
	}
	// Rows are not proof: what a proof will be built on is opened as its
	// reader will open it.
	if _, err := l.c.Policy.Open(note); err != nil {
		return nil, fmt.Errorf("reading checkpoint: %w", err)
	}
	return note, nil
}

// checkpoint returns the checkpoint that a clause selects, with cosignatures in
// the order of the manifest's witnesses, and how many of them signed it.
func (l *Log) checkpoint(ctx context.Context, clause string, args ...any) (note []byte, signed int, err error) {
	rows, err := l.c.Pool.Query(ctx, `
		WITH chosen AS (SELECT size, note FROM board.checkpoint `+clause+`)
		SELECT chosen.note, c.witness, c.line
		FROM chosen LEFT JOIN board.cosignature AS c USING (size)`, args...)
	if err != nil {
		return nil, 0, fmt.Errorf("reading checkpoint: %w", err)
	}
	type line struct {
		place int
		text  string
	}
	var lines []line
	var witness, text *string
	_, err = pgx.ForEachRow(rows, []any{&note, &witness, &text}, func() error {
		if witness == nil {
			return nil
		}
		if place := l.place(*witness); place >= 0 {
			lines = append(lines, line{place, *text})
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading checkpoint: %w", err)
	}
	if note == nil {
		return nil, 0, fmt.Errorf("checkpoint: %w", ErrNotFound)
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.place, b.place) })
	for _, line := range lines {
		note = append(note, line.text...)
	}
	return note, len(lines), nil
}

// place is the witness's place in the manifest, or -1.
func (l *Log) place(name string) int {
	return slices.IndexFunc(l.c.Policy.Witnesses, func(w tlog.WitnessKey) bool { return w.Name() == name })
}

// AddCosignature keeps a cosignature of one of the recent checkpoints, or of
// the first, which everything waits for. A witness that cosigned it before
// keeps its first line: a moment once published never changes.
//
// It returns [ErrUnknownCosignature] if the line fits none, and [ErrAhead] for a
// moment more than [maxAhead] from now. Of two witnesses the later moment counts
// where the policy demands both: one whose clock is an hour ahead could make an
// act look late for ever that came in time (SPEC 9). One that is behind cannot.
func (l *Log) AddCosignature(ctx context.Context, line string) error {
	name, ok := cosigner(line)
	if !ok || l.place(name) < 0 {
		return ErrUnknownCosignature
	}
	rows, err := l.c.Pool.Query(ctx, `
		(SELECT size, note FROM board.checkpoint ORDER BY size DESC LIMIT $1)
		UNION SELECT size, note FROM board.checkpoint WHERE size = 1
		ORDER BY size DESC`, recent)
	if err != nil {
		return fmt.Errorf("reading recent checkpoints: %w", err)
	}
	type candidate struct {
		Size int64
		Note []byte
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[candidate])
	if err != nil {
		return fmt.Errorf("reading recent checkpoints: %w", err)
	}
	for _, c := range list {
		text, _, _ := strings.Cut(string(c.Note), "\n\n")
		cos, err := l.c.Policy.CheckLine(text+"\n", line)
		if err != nil {
			continue
		}
		if cos.Time > l.c.Now().Add(maxAhead).Unix() {
			return ErrAhead
		}
		return l.insertCosignature(ctx, c.Size, cos)
	}
	return ErrUnknownCosignature
}

func (l *Log) insertCosignature(ctx context.Context, size int64, c tlog.Cosignature) error {
	return postgres.InTx(ctx, l.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO board.cosignature (size, witness, line) VALUES ($1, $2, $3)
			ON CONFLICT (size, witness) DO NOTHING`, size, c.Witness, c.Line)
		if err != nil {
			return fmt.Errorf("keeping cosignature: %w", err)
		}
		return nil
	})
}

// cosigner returns the name that a signature line claims.
func cosigner(line string) (string, bool) {
	rest, ok := strings.CutPrefix(line, "— ")
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(rest, " ")
	return name, ok
}

// Proof returns a tlog-proof of an entry against the newest cosigned
// checkpoint, with the extra bytes in it, or [ErrNotCosigned] if that does not
// hold the entry yet.
func (l *Log) Proof(ctx context.Context, index int64, extra []byte) ([]byte, error) {
	note, err := l.cosigned(ctx, `DESC`, index+1)
	if err != nil {
		return nil, err
	}
	return l.proof(ctx, note, index, extra)
}

// FirstProof is [Log.Proof] against the smallest cosigned checkpoint that holds
// the entry, see [Log.FirstCosigned].
func (l *Log) FirstProof(ctx context.Context, index int64, extra []byte) ([]byte, error) {
	note, err := l.FirstCosigned(ctx, index)
	if err != nil {
		return nil, err
	}
	return l.proof(ctx, note, index, extra)
}

func (l *Log) proof(ctx context.Context, note []byte, index int64, extra []byte) ([]byte, error) {
	o, err := l.c.Policy.Open(note)
	if err != nil {
		return nil, fmt.Errorf("proving entry: %w", err)
	}
	p, err := tlog.Prove(o.Checkpoint.Size, index, hashReader(ctx, l.c.Pool), note, extra)
	if err != nil {
		return nil, fmt.Errorf("proving entry: %w", err)
	}
	return p.Bytes(), nil
}
