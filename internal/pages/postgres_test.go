package pages_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
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

// TestWithdraw takes back what was shown: nobody is given it any more in any edition, a
// list says so, and the database keeps it.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	db := pgtest.Registrar(t)
	store := pages.NewStore(db.Service)
	w := newWorld(t)
	w.site.Content = func(context.Context, suite.ElectionID) (pages.Source, error) { return store, nil }
	now := time.Unix(1_900_000_000, 0)
	files := make(map[suite.Hash][]byte)
	document := func(name, body string) pages.Document {
		hash := suite.Hash(sha256.Sum256([]byte(body)))
		files[hash] = []byte(body)
		return pages.Document{Date: "2027-01-15", Title: "Title of " + name, From: "Both", Language: "en", File: name, Size: int64(len(body)), SHA256: hash}
	}
	story := func(title, text string) pages.Story {
		return pages.Story{Language: "en", Title: title, Campus: "Davis", Text: text}
	}
	show := func(c pages.Content) {
		t.Helper()
		now = now.Add(time.Hour)
		if _, err := store.Add(t.Context(), &pages.Folder{Content: c, Documents: files}, now); err != nil {
			t.Fatal(err)
		}
	}
	sides := pages.Content{For: pages.Text{"en": "yes"}, Against: pages.Text{"en": "no"}}
	first := sides
	first.View = pages.Text{"en": "CANARY view"}
	first.Documents = []pages.Document{document("offer.pdf", "CANARY offer"), document("other.pdf", "another")}
	first.Stories = []pages.Story{story("Nurse", "CANARY first words"), story("Clerk", "stays"), story("Cook", "CANARY left out since")}
	show(first)
	second := sides
	second.View = pages.Text{"en": "CANARY view, mended", "es": "queda"}
	second.Documents = []pages.Document{document("offer.pdf", "CANARY offer, mended"), document("other.pdf", "another")}
	second.Stories = []pages.Story{story("Clerk", "stays"), story("Nurse", "CANARY other words")}
	show(second)
	names := []string{"documents/offer.pdf", "en/view.md", "en/stories/2", "en/stories/3@1"}
	for bad, why := range map[string]string{"documents/none.pdf": "what is shown: documents/offer.pdf, documents/other.pdf, en/against.md", "en/for.md": "stand alone", "settings.json": "nothing is shown as",
		"en/stories/3": "en/stories/2, en/stories/3@1, en/view.md", "en/stories/4@1": "nothing is shown as", "en/stories/1@3": "nothing is shown as"} {
		if _, err := store.Withdraw(t.Context(), []string{bad}, now, true); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	if e, err := store.Withdraw(t.Context(), names, now, false); err != nil || e.Number != 3 {
		t.Fatalf("got %v", err)
	}
	if e, err := store.Newest(t.Context()); err != nil || e.Number != 2 {
		t.Errorf("a look withdraws something: %v", err)
	}
	get := func(path string) string {
		t.Helper()
		resp := w.get(path)
		return fmt.Sprint(resp.StatusCode, " ", read(t, resp))
	}
	offers := []string{first.Documents[0].SHA256.String(), second.Documents[0].SHA256.String()}
	open := []string{"view", "documents", "content", "content/1", "content/2", "documents/offer.pdf", "content/files/" + offers[0], "content/files/" + offers[1]}
	for _, path := range open {
		if got := get(path); !strings.HasPrefix(got, "200") || path != "documents" && !strings.Contains(got, "CANARY") {
			t.Errorf("negative control, %s: %s", path, got)
		}
	}
	e, err := store.Withdraw(t.Context(), names, now.Add(time.Hour), true)
	if err != nil || e.Number != 3 || len(e.Withdrawn) != 4 {
		t.Fatalf("got %v, %+v", err, e)
	}
	for _, path := range append(open, "content/3") {
		got := get(path)
		if strings.Contains(got, "CANARY") {
			t.Errorf("%s shows what was withdrawn: %s", path, got)
		}
		if gone := strings.Contains(path, "offer") || strings.Contains(path, "files/"); gone != strings.HasPrefix(got, "404") {
			t.Errorf("%s: %.80s", path, got)
		}
		if strings.HasPrefix(path, "content") && strings.HasPrefix(got, "200") && (!strings.Contains(got, `"name":"documents/offer.pdf","title":"Title of offer.pdf"`) ||
			!strings.Contains(got, "stays") || path != "content/1" && !strings.Contains(got, "queda") || strings.Contains(got, offers[0]) || strings.Contains(got, `"parts"`)) {
			t.Errorf("%s: %s", path, got)
		}
	}
	for path, want := range map[string]string{"documents": "Title of offer.pdf (offer.pdf), withdrawn on", "documents?lang=es": "Retirado", "documents/other.pdf": "200 another", "view": "stays"} {
		if got := get(path); !strings.Contains(got, want) {
			t.Errorf("%s does not say %q: %s", path, want, got)
		}
	}
	if got := get("documents"); strings.Count(got, "A text of the page “The union’s view”") != 3 {
		t.Errorf("the texts are not named: %s", got)
	}
	// The database keeps it, and the lot.
	for number, want := range map[int]string{1: "CANARY view", 2: "CANARY view, mended"} {
		if b, err := store.Edition(t.Context(), number); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("edition %d is not kept: %v", number, err)
		}
	}
	if b, err := store.Document(t.Context(), first.Documents[0].SHA256); err != nil || string(b) != "CANARY offer" {
		t.Errorf("the document is not kept: %v", err)
	}
	// What is shown again is shown, from then on; whoever does it is told.
	kept, err := store.Newest(t.Context())
	if err != nil || kept.Content.Lot == nil {
		t.Fatalf("got %v", err)
	}
	if again := pages.Again(kept, second); len(again) != 3 {
		t.Errorf("only %v would be shown again", again)
	}
	if again := pages.Again(kept, kept.Content); len(again) != 0 {
		t.Errorf("%v would be shown again", again)
	}
	show(second)
	for path, want := range map[string]string{"documents/offer.pdf": "200 CANARY", "content/4": "200 {", "content/files/" + offers[1]: "200 CANARY", "content/files/" + offers[0]: "404", "documents": "withdrawn on"} {
		if got := get(path); !strings.HasPrefix(got, want) && !strings.Contains(got, want) {
			t.Errorf("shown again, %s: %.80s", path, got)
		}
	}
	for path, want := range map[string]int{"content/2": 0, "content/4": 3} {
		got := get(path)
		if path == "content/2" && strings.Contains(got, "CANARY") || strings.Count(got, `"shown_again":true`) != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := get("documents"); !regexp.MustCompile(`offer\.pdf\), withdrawn on .{40,80} and later shown again</li>`).MatchString(got) || strings.Count(got, "not given out") != 1 || strings.Count(got, "later shown again") != 3 {
		t.Errorf("what is shown again is said to be withdrawn: %s", got)
	}
	// Both opinions together may go, and their order stays drawn.
	if e, err := store.Withdraw(t.Context(), []string{"en/for.md", "en/against.md"}, now.Add(2*time.Hour), true); err != nil || e.Content.Lot == nil || len(e.Withdrawn) != 6 {
		t.Errorf("got %v, %+v", err, e)
	}
}
