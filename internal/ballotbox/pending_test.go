package ballotbox_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/ballotbox"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

// TestPendingHides searches all that the database holds of a pending ballot for
// anything of it. The negative control is the same search with the pending key.
func TestPendingHides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := w.ballots(1, 8)
	for _, m := range list {
		w.mustCast(m, ballotbox.Received)
	}
	dump := w.dump()
	for _, m := range list {
		for name, b := range map[string][]byte{
			"ballot_id": m.id[:], "nonce": m.body[36:68], "a point": m.body[69:101],
			"signature": m.sealed[len(m.body) : len(m.body)+32],
		} {
			if strings.Contains(dump, fmt.Sprintf("%x", b)) {
				t.Errorf("the database shows the %s of a pending ballot", name)
			}
		}
		key, err := ballotbox.ReceivedKey(w.pending, w.mid, m.id)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(dump, fmt.Sprintf("%x", key)) {
			t.Error("the search would not have found a row that is there")
		}
	}
	// All rows have one length: it says nothing either.
	var lengths int
	w.scan(`SELECT count(DISTINCT octet_length(sealed)) FROM ballotbox.pending`, &lengths)
	if lengths != 1 {
		t.Errorf("rows of %d lengths", lengths)
	}
}

// dump writes out every row of every table of the box's database but the
// manifest.
func (w *world) dump() string {
	w.t.Helper()
	ctx := context.Background()
	rows, err := w.owner.Query(ctx, `
		SELECT table_schema || '.' || table_name FROM information_schema.tables
		WHERE table_schema IN ('ballotbox', 'board') AND table_type = 'BASE TABLE'`)
	if err != nil {
		w.t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			w.t.Fatal(err)
		}
		tables = append(tables, s)
	}
	if rows.Err() != nil || len(tables) < 10 {
		w.t.Fatalf("%d tables, %v", len(tables), rows.Err())
	}
	var all strings.Builder
	for _, table := range tables {
		var s string
		w.scan(`SELECT coalesce(string_agg(t::text, E'\n'), '') FROM `+table+` AS t`, &s)
		all.WriteString(s)
	}
	return all.String()
}

// TestPendingKey refuses another key than the first, and none.
func TestPendingKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	open := func() error {
		_, err := ballotbox.New(t.Context(), w.config(w.service))
		return err
	}
	first := w.pending
	w.pending[31] ^= 1
	if open() == nil {
		t.Error("another pending key was accepted")
	}
	w.pending = [32]byte{}
	if open() == nil {
		t.Error("no pending key was accepted before the lock")
	}
	w.pending = first
	if err := open(); err != nil {
		t.Error(err)
	}
	w.mustLock()
	w.pending = [32]byte{}
	if err := open(); err != nil {
		t.Errorf("after the lock: %v", err)
	}
}

// TestPendingTampered moves and changes rows: nothing of it reaches the log.
func TestPendingTampered(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		`UPDATE ballotbox.pending SET sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1)`,
		`UPDATE ballotbox.pending SET key = set_byte(key, 0, get_byte(key, 0) # 1)`,
		`UPDATE ballotbox.pending SET group_id = 2`,
		`UPDATE ballotbox.pending SET group_id = 3`,
		`UPDATE ballotbox.pending SET sealed = ''`,
		`INSERT INTO ballotbox.pending (key, sealed, group_id) SELECT decode(repeat('00', 32), 'hex'), sealed, 1 FROM ballotbox.pending LIMIT 1`,
	} {
		w := newWorld(t)
		w.mustCast(w.ballot(1), ballotbox.Received)
		if _, err := w.owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		w.afterGrace()
		w.tick()
		if _, err := w.box.Lock(t.Context(), w.proof(nil)); err == nil {
			t.Errorf("locked after %s", sql)
		}
		if n := len(w.published()); n != 0 {
			t.Errorf("%d ballots in the log after %s", n, sql)
		}
	}
}

// TestNewRefused opens boxes whose parts do not belong together.
func TestNewRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := newWorld(t, func(p *electiontest.Plan) { p.Seed = "another" })
	for name, change := range map[string]func(*ballotbox.Config){
		"another promise key": func(c *ballotbox.Config) { c.Promise = other.keys.Promise },
		"no promise key":      func(c *ballotbox.Config) { c.Promise = nil },
		"another log":         func(c *ballotbox.Config) { c.Log = other.config(w.service).Log },
		"another database":    func(c *ballotbox.Config) { c.Pool = other.service },
		"another mid":         func(c *ballotbox.Config) { c.MID = suite.MID{1} },
	} {
		c := w.config(w.service)
		change(&c)
		if _, err := ballotbox.New(t.Context(), c); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// TestCreate creates twice, another election over the first, and with a sealing
// that is none.
func TestCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	if head, err := w.log().Head(t.Context()); err != nil || head.Size != 1 {
		t.Errorf("got %+v, %v", head, err)
	}
	note, err := w.log().CheckpointAt(t.Context(), 1)
	if err != nil || !bytes.HasPrefix(note, []byte(w.m.Ballots.Origin+"\n1\n")) {
		t.Errorf("the first checkpoint is %q, %v", note, err)
	}
	for path, want := range map[string][]byte{"manifest": w.bytes, "sealing": w.sealing} {
		if b, err := w.log().File(t.Context(), path); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	other := plan(t, func(p *electiontest.Plan) { p.Seed = "another" })
	if err := ballotbox.Create(t.Context(), w.owner, other.bytes, other.sealing); err == nil {
		t.Error("another election was created over the first")
	}
	if err := ballotbox.Create(t.Context(), w.owner, w.bytes, other.sealing); err == nil {
		t.Error("created with another sealing")
	}
	if err := ballotbox.Create(t.Context(), w.owner, append(w.bytes, '\n'), w.sealing); err == nil {
		t.Error("created with a manifest that is not canonical")
	}
}

// TestRedaction prints what holds keys, every way.
func TestRedaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, v := range []any{w.config(w.service), w.box, *ptr(w.config(w.service))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			got := fmt.Sprintf(verb, v)
			for _, secret := range [][]byte{w.pending[:], w.keys.Promise} {
				for _, form := range []string{"%x", "%v", "%s", "%d"} {
					if strings.Contains(got, strings.Trim(fmt.Sprintf(form, secret[:8]), "[]")) {
						t.Errorf("%s of %T shows a key", verb, v)
					}
				}
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

// TestStayingIsHidden compares the rows that wait before and after a batch: none of
// those that stay is one that was there, so nobody can tell from copies of the table,
// or from the database's log, who of those that came left in which batch.
func TestStayingIsHidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := w.ballots(1, 24)
	for _, m := range list {
		w.mustCast(m, ballotbox.Received)
	}
	other := w.ballot(2)
	w.mustCast(other, ballotbox.Received)
	keys := func(sql string) []string {
		var all []string
		w.scan(sql, &all)
		return all
	}
	const (
		waiting = `SELECT array_agg(encode(key, 'hex') ORDER BY ctid) FROM ballotbox.pending WHERE group_id = 1`
		parts   = `SELECT array_agg(encode(substr(sealed, n, 24), 'hex')) FROM ballotbox.pending, generate_series(1, 200, 24) n WHERE group_id = 1`
		came    = `SELECT array_agg(encode(key, 'hex') ORDER BY key) FROM ballotbox.received`
	)
	before, beforeParts, beforeCame := keys(waiting), keys(parts), keys(came)
	w.tick()
	after, afterParts := keys(waiting), keys(parts)
	if len(before) != 24 || len(after) != 10 || len(w.published()) != 14 {
		t.Fatalf("%d rows before, %d after, %d in the log", len(before), len(after), len(w.published()))
	}
	if !slices.IsSorted(after) {
		t.Error("those that stay were written in another order than that of their keys")
	}
	for _, k := range slices.Concat(after, afterParts) {
		if slices.Contains(before, k) || slices.Contains(beforeParts, k) {
			t.Error("a row that stayed shows what it was before")
		}
	}
	// The negative control: what is known to have come is found again.
	if got := keys(came); len(got) != 25 || !slices.Equal(got, beforeCame) {
		t.Error("the search would not have found a row that is there")
	}
	w.mustLock()
	w.mustHold(append(list, other)...)
}
