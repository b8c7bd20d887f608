package pages_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/pages"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/suite"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestStore keeps every edition, and lets nobody change one.
func TestStore(t *testing.T) {
	t.Parallel()
	db := pgtest.Registrar(t)
	writer, reader := pages.NewStore(db.Service), pages.NewStore(db.Pool("sv_board"))
	if e, err := reader.Newest(t.Context()); err != nil || e.Number != 0 {
		t.Errorf("of nothing: got %v, %+v", err, e)
	}
	if _, err := reader.Edition(t.Context(), 0); !errors.Is(err, pages.ErrNotFound) {
		t.Errorf("of nothing: got %v", err)
	}
	document := []byte("an offer")
	hash := suite.Hash(sha256.Sum256(document))
	now := time.Unix(1_900_000_000, 0)
	for i, text := range []string{"first", "second"} {
		f := &pages.Folder{
			Content:   pages.Content{View: pages.Text{"en": text}, For: pages.Text{"en": "yes"}, Against: pages.Text{"en": "no"}},
			Documents: map[suite.Hash][]byte{hash: document},
		}
		e, err := writer.Add(t.Context(), f, now)
		if err != nil || e.Number != i+1 || e.Content.Lot == nil {
			t.Fatalf("got %v, %+v", err, e)
		}
	}
	lots := make(map[bool]bool)
	for number, want := range map[int]string{0: "second", 1: "first", 2: "second"} {
		b, err := reader.Edition(t.Context(), number)
		var e pages.Edition
		if err == nil {
			err = json.Unmarshal(b, &e)
		}
		if err != nil || e.Content.View["en"] != want || !e.Stored.Equal(now) {
			t.Errorf("edition %d: got %v, %s", number, err, b)
		}
		lots[e.Content.Lot.AgainstFirst] = true
	}
	if len(lots) != 1 {
		t.Error("the lot was drawn twice")
	}
	if b, err := reader.Document(t.Context(), hash); err != nil || string(b) != "an offer" {
		t.Errorf("got %v, %q", err, b)
	}
	if _, err := reader.Document(t.Context(), suite.Hash{1}); !errors.Is(err, pages.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := reader.Add(t.Context(), new(pages.Folder), now); err == nil {
		t.Error("the board's role adds an edition")
	}
	for _, sql := range []string{
		`UPDATE content.edition SET body = 'x'`, `DELETE FROM content.edition`, `TRUNCATE content.edition`,
		`UPDATE content.document SET body = 'x'`, `DELETE FROM content.document`,
		`INSERT INTO content.document VALUES ('\x01', 'x')`,
	} {
		if _, err := db.Owner.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: even the owner must not", sql)
		}
	}
	long := &pages.Folder{Content: pages.Content{View: pages.Text{"en": strings.Repeat("x", 3<<20)}}}
	if _, err := writer.Add(t.Context(), long, now); err == nil {
		t.Error("an edition of any size is stored")
	}
}

// TestStoreRace adds from several processes at once: each edition has its number.
func TestStoreRace(t *testing.T) {
	t.Parallel()
	db := pgtest.Registrar(t)
	store := pages.NewStore(db.Service)
	const n = 8
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := make(map[int]bool)
	for range n {
		wg.Go(func() {
			e, err := store.Add(t.Context(), new(pages.Folder), time.Unix(1, 0))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			seen[e.Number] = true
		})
	}
	wg.Wait()
	if len(seen) != n || !seen[n] {
		t.Errorf("got %v", seen)
	}
}
