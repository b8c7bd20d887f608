package sendgrid_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"strikevote/internal/mailer/sendgrid"
)

func account(t *testing.T, h http.HandlerFunc) *sendgrid.Account {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	a, err := sendgrid.NewAccount(sendgrid.Config{Key: "SG.key", BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestEntries reads a list of several pages, of which one is asked for too early.
func TestEntries(t *testing.T) {
	t.Parallel()
	const all = 1234
	busy := true
	a := account(t, func(w http.ResponseWriter, r *http.Request) {
		if busy = !busy; !busy && r.URL.Query().Get("offset") == "500" {
			w.Header().Set("X-RateLimit-Reset", "1") // long ago
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		if limit < 1 || limit > 500 || r.URL.Path != "/v3/suppression/bounces" || r.Header.Get("Authorization") != "Bearer SG.key" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		list := []map[string]any{}
		for i := offset; i < min(all, offset+limit); i++ {
			list = append(list, map[string]any{"email": fmt.Sprintf("m%d@mail.example", i), "created": 1, "reason": "550 no"})
		}
		_ = json.NewEncoder(w).Encode(list)
	})
	seen := make(map[string]bool)
	err := a.Entries(t.Context(), sendgrid.Bounces, func(list []sendgrid.Entry) error {
		for _, e := range list {
			seen[e.Email] = true
		}
		return nil
	})
	if err != nil || len(seen) != all {
		t.Errorf("%d of %d entries, %v", len(seen), all, err)
	}
	stop := errors.New("stop")
	if err := a.Entries(t.Context(), sendgrid.Bounces, func([]sendgrid.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("it was to stop: %v", err)
	}
}

// TestClear takes addresses off lists: strange ones too, and none that is not there.
func TestClear(t *testing.T) {
	t.Parallel()
	var paths []string
	a := account(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Method+" "+r.URL.EscapedPath())
		if strings.Contains(r.URL.Path, "gone") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	for l, address := range map[sendgrid.List]string{
		sendgrid.Bounces: "a/b?c@mail.example", sendgrid.Unsubscribes: "x@mail.example", sendgrid.Blocks: "gone@mail.example",
	} {
		if err := a.Clear(t.Context(), l, address); err != nil {
			t.Errorf("%s: %v", l, err)
		}
	}
	all := strings.Join(paths, "\n")
	for _, want := range []string{"DELETE /v3/suppression/bounces/a%2Fb%3Fc@mail.example", "DELETE /v3/asm/suppressions/global/x@mail.example"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s was not asked:\n%s", want, all)
		}
	}
	if a.Clear(t.Context(), "../user", "x@mail.example") == nil {
		t.Error("there is no such list")
	}
}

// TestAccountSaysNothing has the account answer with what nobody is to read, and lets
// no error quote it. A redirect does not take the key elsewhere.
func TestAccountSaysNothing(t *testing.T) {
	t.Parallel()
	leaked := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked = leaked || r.Header.Get("Authorization") != ""
	}))
	t.Cleanup(elsewhere.Close)
	for name, h := range map[string]http.HandlerFunc{
		"garbage": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `[{"email":"vera@mail.example","created":`)
		},
		"an error": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "vera@mail.example SG.key", http.StatusInternalServerError)
		},
		"no right": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "vera@mail.example", http.StatusForbidden) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"the end":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		a := account(t, h)
		errs := []error{
			a.Clear(t.Context(), sendgrid.Bounces, "vera@mail.example"),
			a.Entries(t.Context(), sendgrid.Bounces, func([]sendgrid.Entry) error { return nil }),
		}
		for _, err := range errs {
			if err == nil && name != "garbage" { // a removal reads no answer
				t.Errorf("%s: no error", name)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "vera") || strings.Contains(text, "SG.key") {
				t.Errorf("%s: the error quotes: %s", name, text)
			}
		}
		if text := fmt.Sprintf("%v %+v %s", a, a, sendgrid.Entry{Email: "vera@mail.example"}); strings.Contains(text, "vera") || strings.Contains(text, "SG.") {
			t.Errorf("%s: it prints itself: %s", name, text)
		}
	}
	if leaked {
		t.Error("the key went elsewhere")
	}
}

// TestAccountEnds asks an account that always says later, until it is told to stop.
func TestAccountEnds(t *testing.T) {
	t.Parallel()
	a := account(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := a.Scopes(ctx); done <- err }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("it did not end: %v", err)
	}
}
