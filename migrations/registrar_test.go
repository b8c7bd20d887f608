package migrations_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/pgtest"
)

// seal brings an election from draft to sealed.
func seal(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	must(t, pool, `UPDATE registrar.election SET phase = 'sealed', manifest = 'm', sealing = 's', close_at = 1`)
}

func addMember(t *testing.T, pool *pgxpool.Pool, index int, added bool) error {
	t.Helper()
	_, err := pool.Exec(t.Context(), `INSERT INTO registrar.member (group_id, roll_index, member_no, name, leaf, added)
		VALUES (1, $1, $2, 'n', $3, $4)`, index, string(rune('a'+index)), h(byte(index)), added)
	return err
}

// TestRoll checks that the roll is open in the draft and shut by the sealing.
func TestRoll(t *testing.T) {
	t.Parallel()
	db := pgtest.Registrar(t)
	s := db.Service
	must(t, s, `INSERT INTO registrar.election DEFAULT VALUES`)
	for i := range 3 {
		if err := addMember(t, s, i, false); err != nil {
			t.Fatal(err)
		}
	}
	must(t, s, `DELETE FROM registrar.member WHERE roll_index = 2`)
	must(t, s, `UPDATE registrar.member SET leaf = $1 WHERE roll_index = 1`, h(9))
	if _, err := s.Exec(t.Context(), `UPDATE registrar.election SET phase = 'sealed'`); !postgres.Violates(err, "election_check") {
		t.Errorf("sealed without a manifest: got %v", err)
	}
	seal(t, s)

	for _, pool := range []*pgxpool.Pool{s, db.Owner} {
		refused(t, pool, `DELETE FROM registrar.member WHERE roll_index = 1`)
		refused(t, pool, `UPDATE registrar.member SET leaf = $1 WHERE roll_index = 1`, h(8))
		refused(t, pool, `INSERT INTO registrar.member (group_id, roll_index, member_no, name) VALUES (1, 7, 'g', 'n')`)
		refused(t, pool, `UPDATE registrar.election SET manifest = 'other'`)
		refused(t, pool, `UPDATE registrar.election SET sealing = 'other'`)
		refused(t, pool, `UPDATE registrar.election SET phase = 'draft'`)
	}
	if err := addMember(t, s, 5, true); err != nil {
		t.Errorf("an added member: %v", err)
	}
	must(t, s, `UPDATE registrar.member SET email = 'x' WHERE roll_index = 1`)
	must(t, s, `UPDATE registrar.election SET phase = 'open', next_act = 2, close_at = 5`)
	refused(t, db.Owner, `TRUNCATE registrar.member CASCADE`)
}

// TestSealingWaits checks that an import cannot slip past a sealing that is
// under way: it waits for it, and is refused then.
func TestSealingWaits(t *testing.T) {
	t.Parallel()
	db := pgtest.Registrar(t)
	must(t, db.Service, `INSERT INTO registrar.election DEFAULT VALUES`)
	tx, err := db.Service.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(t.Context(), `UPDATE registrar.election SET phase = 'sealed', manifest = 'm', sealing = 's', close_at = 1`)
	if err != nil {
		t.Fatal(err)
	}
	late := make(chan error)
	go func() { late <- addMember(t, db.Service, 1, false) }()
	for waiting := false; !waiting; {
		err := db.Owner.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
			AND locktype = 'transactionid')`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-late; err == nil {
		t.Error("a member came on the roll after it was sealed")
	}
}

// TestUsedOnce lets sixteen try to use up one member, in three ways.
func TestUsedOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.Registrar(t)
	must(t, db.Service, `INSERT INTO registrar.election DEFAULT VALUES`)
	if err := addMember(t, db.Service, 1, false); err != nil {
		t.Fatal(err)
	}
	const n = 16
	done := make(chan error, n)
	for i := range n {
		kind, hash := "issue", h(byte(i))
		switch i % 3 {
		case 1:
			kind = "deposit"
		case 2:
			kind, hash = "strike", nil
		}
		go func() {
			_, err := db.Service.Exec(t.Context(), `INSERT INTO registrar.used (group_id, roll_index, kind, request_hash)
				VALUES (1, 1, $1, $2)`, kind, hash)
			done <- err
		}()
	}
	wins := 0
	for range n {
		if err := <-done; err == nil {
			wins++
		} else if !postgres.Violates(err, "used_pkey") {
			t.Error(err)
		}
	}
	if wins != 1 {
		t.Errorf("%d won, want 1", wins)
	}
	if _, err := db.Service.Exec(t.Context(), `INSERT INTO registrar.used (group_id, roll_index, kind, request_hash)
		VALUES (1, 99, 'issue', $1)`, h(99)); !postgres.Violates(err, "used_group_id_roll_index_fkey") {
		t.Errorf("an issuance to nobody: got %v", err)
	}
}
