package sendgrid_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/sendgrid"
)

// TestQuote repeats what SendGrid says of a test, and only where that is asked for.
func TestQuote(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"errors":[{"message":"The from address does not match a verified Sender Identity.","field":"from"}]}`)
	}))
	t.Cleanup(server.Close)
	for _, quote := range []bool{false, true} {
		s, err := sendgrid.New(sendgrid.Config{Key: "SG.x", BaseURL: server.URL, Log: slog.New(slog.DiscardHandler), Quote: quote})
		if err != nil {
			t.Fatal(err)
		}
		got := s.Send(t.Context(), samples(1))[0]
		want := ""
		if quote {
			want = "403 The from address does not match a verified Sender Identity."
		}
		if got.Said != want || got.Verdict != mailer.NotTaken || got.Reason != mailer.ReasonSettings {
			t.Errorf("quote %t: %+v", quote, got)
		}
	}
}
