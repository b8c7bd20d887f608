package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strikevote/internal/voter"
)

// TestReason asks servers that fail in every way: what is said of it names
// neither an address nor a link, and is the same for everybody.
func TestReason(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/stuck":
			<-stuck
		case "/half":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
		}
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(stuck) })
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	ask := func(url string) error {
		client := &http.Client{Timeout: time.Minute}
		if strings.HasSuffix(url, "/stuck") {
			client.Timeout = time.Millisecond
		}
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = resp.Body.Read(make([]byte, 4))
		for err == nil {
			_, err = resp.Body.Read(make([]byte, 4))
		}
		return err
	}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"nothing listens", ask(gone.URL), "the service cannot be reached: connection refused"},
		{"ends the connection", ask(server.URL), "the service ended the connection without an answer"},
		{"ends in the middle", ask(server.URL + "/half"), "the service ended the connection without an answer"},
		{"does not answer", ask(server.URL + "/stuck"), "the service did not answer in time"},
		{"no such host", ask("http://[::1%25nothing]:1"), "the service cannot be reached"},
		{"the service says no", &voter.ServiceError{Status: 403, Message: "Voting has ended."}, "Voting has ended."},
		{"the program says no", voter.ErrNotWitnessed, voter.ErrNotWitnessed.Error()},
	} {
		got := Reason(fmt.Errorf("casting your ballot: %w", tt.err))
		if !strings.Contains(got, tt.want) || strings.Contains(got, "127.0.0.1") || strings.Contains(got, "http") {
			t.Errorf("%s: got %q of %v", tt.name, got, tt.err)
		}
	}
}

// TestLetter prints a letter in every way and looks for what it holds.
func TestLetter(t *testing.T) {
	t.Parallel()
	l := Letter{"ana@mail.example", "http://booth.example/v1/#t=AAAA", "a.eml"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, got := range []string{fmt.Sprintf(verb, l), fmt.Sprintf(verb, &l), fmt.Sprintf(verb, []Letter{l})} {
			if strings.Contains(got, "ana@") || strings.Contains(got, "AAAA") || strings.Contains(got, "616e61") {
				t.Errorf("%s shows %q", verb, got)
			}
		}
	}
}

// TestReadLoad reads a folder as a service leaves it: mails without a link, one
// link in two mails, and files that are no mails.
func TestReadLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, to, text string) {
		t.Helper()
		mail := "From: a@union.example\nTo: " + to + "@mail.example\nContent-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/plain\n\n" + text + "\n--x--\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(mail), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadLoad(dir, 0, 1); err == nil {
		t.Error("an empty folder was taken")
	}
	for i := range 20 {
		link := fmt.Sprintf("https://vote.example/v1/#t=%d", i)
		put(fmt.Sprintf("%d.eml", i), fmt.Sprintf("m%d", i), "Your link: "+link)
		put(fmt.Sprintf("%d-again.eml", i), fmt.Sprintf("m%d", i), "Once more: "+link)
		put(fmt.Sprintf("%d-issued.eml", i), fmt.Sprintf("m%d", i), "A ballot was issued.")
	}
	put("draft.txt", "z", "https://vote.example/v1/#t=99")
	all, err := ReadLoad(dir, 0, 1)
	if err != nil || len(all.letters) != 20 {
		t.Fatalf("got %d voters, %v", len(all.letters), err)
	}
	some, err := ReadLoad(dir, 5, 1)
	if err != nil || len(some.letters) != 5 {
		t.Fatalf("got %d voters, %v", len(some.letters), err)
	}
	for i, l := range some.letters {
		if l.Link != all.letters[i].Link {
			t.Error("one seed gave two orders")
		}
	}
	if _, err := ReadLoad(dir, 21, 1); err == nil || !strings.Contains(err.Error(), "21 voters") {
		t.Errorf("got %v", err)
	}
	put("broken.eml", "a@b, c", "")
	if _, err := ReadLoad(dir, 0, 1); err == nil {
		t.Error("a mail to nobody was taken")
	}
}

// TestPrepareRefuses names no folder, and one that is taken.
func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	if _, err := Prepare(t.Context(), Options{}); err == nil {
		t.Error("an election was prepared nowhere")
	}
	for _, taken := range []string{"keys", "postgres", "listen.json"} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, taken), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Prepare(t.Context(), Options{Data: dir}); err == nil || !strings.Contains(err.Error(), "is the folder of a service") {
			t.Errorf("a folder with %s: got %v", taken, err)
		}
		if _, err := Run(t.Context(), Options{Data: dir}); err == nil || !strings.Contains(err.Error(), "is the folder of a service") {
			t.Errorf("a folder with %s: got %v", taken, err)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
			t.Errorf("a service's folder was touched: %v, %v", files, err)
		}
		if err := markFolder(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Prepare(t.Context(), Options{Data: dir}); err == nil || !strings.Contains(err.Error(), "holds a demo already") {
			t.Errorf("a demo's folder with %s: got %v", taken, err)
		}
	}
	other, dir := filepath.Join(t.TempDir(), "other"), t.TempDir()
	if err := errors.Join(os.WriteFile(other, []byte("precious"), 0o600), os.Symlink(other, filepath.Join(dir, mark))); err != nil {
		t.Fatal(err)
	}
	if err := markFolder(dir); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(other); string(b) != "precious" {
		t.Errorf("the file behind a link was written over: %q, %v", b, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Prepare(ctx, Options{Data: filepath.Join(t.TempDir(), "new")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestLoadGivesUp ends a load whose context ends, and counts nobody for it.
func TestLoadGivesUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	l := &Load{letters: make([]Letter, 50)}
	v, err := l.Vote(ctx, 3, func(done, _ int) {
		if done == 10 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || len(v.Took) > 0 || v.Errors["not a voting link"] != 10 {
		t.Errorf("got %v, %v", v.Errors, err)
	}
	l.giveUp = true
	if v, err = l.Vote(t.Context(), 1, func(int, int) {}); err != nil || v.Errors["not a voting link"] != 1 || v.first == nil {
		t.Errorf("got %v, %v", v.Errors, err)
	}
}
