package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"strikevote/internal/committee"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

// A committeeWorld is an election whose two members work with the program.
type committeeWorld struct {
	t       *testing.T
	dir     string
	m       *election.Manifest
	service *committee.Service
	url     string
	acts    [][]byte
}

// program runs the program and demands its exit code.
func (w *committeeWorld) program(code int, args ...string) (out string) {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	e := &env{in: strings.NewReader(""), out: &stdout, err: &stderr, getenv: func(string) string { return "" }}
	if got := run(context.Background(), e, append([]string{"committee"}, args...)); got != code {
		w.t.Fatalf("committee %v: exit %d, want %d\n%s%s", args, got, code, &stdout, &stderr)
	}
	return stdout.String() + stderr.String()
}

func (w *committeeWorld) says(out string, want ...string) {
	w.t.Helper()
	for _, s := range want {
		if !strings.Contains(out, s) {
			w.t.Errorf("it does not say %q:\n%s", s, out)
		}
	}
}

func (w *committeeWorld) key(member int) string {
	return filepath.Join(w.dir, fmt.Sprintf("member-%d.key", member))
}

// sign runs committee sign as a member.
func (w *committeeWorld) sign(code, member int, args ...string) string {
	w.t.Helper()
	return w.program(code, append([]string{"sign", "-key", w.key(member), "-passphrase", filepath.Join(w.dir, "pass")}, append(args, w.url)...)...)
}

func (w *committeeWorld) propose(kind act.Kind, payload []byte) {
	w.t.Helper()
	if _, err := w.service.ProposeAct(w.t.Context(), w.m.ElectionID, kind, payload, "Olga"); err != nil {
		w.t.Fatal(err)
	}
}

func newCommitteeWorld(t *testing.T) *committeeWorld {
	t.Helper()
	w := &committeeWorld{t: t, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(w.dir, "pass"), []byte("four or more random words\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.m, _ = electiontest.Manifest(t)
	for i := range w.m.Committee.Members {
		out := w.program(exitOK, "key", "-key", w.key(i), "-passphrase", filepath.Join(w.dir, "pass"))
		public, err := hex.DecodeString(regexp.MustCompile(`[0-9a-f]{64}`).FindString(out))
		if err != nil || len(public) != 32 {
			t.Fatalf("no public half in %s", out)
		}
		if again := w.program(exitOK, "key", "-key", w.key(i)); !strings.Contains(again, hex.EncodeToString(public)) {
			t.Errorf("run again it shows another: %s", again)
		}
		w.m.Committee.Members[i].Keys = []election.Key{{Kind: election.KindEd25519, Key: suite.Bytes(public)}}
	}
	raw, mid := electiontest.Encode(t, w.m)
	db := pgtest.Committee(t)
	w.service = committee.New(committee.Config{
		Pool: db.Service, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Unix(electiontest.Open+60, 0) },
		Status: func(context.Context, suite.ElectionID) (committee.Status, bool) {
			return committee.Status{Manifest: w.m, MID: mid, Phase: "open", Acts: func(context.Context) ([][]byte, error) { return w.acts, nil }}, true
		},
	})
	if _, err := w.service.Create(t.Context(), w.m); err != nil {
		t.Fatal(err)
	}
	id := w.m.ElectionID
	for round, body := range map[string][]byte{"manifest": raw, "sealing": {}} {
		_, err := db.Service.Exec(t.Context(), `
			INSERT INTO committee.message (election_id, session, round, number, body) VALUES ($1, 1, $2, 0, $3)`, id[:], round, body)
		if err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(w.service.Handler(nil))
	t.Cleanup(server.Close)
	w.url = server.URL + "/v1/" + id.String()
	return w
}

// TestCommittee takes acts through the program as two members would, and a third
// who is asked wrongly.
func TestCommittee(t *testing.T) {
	t.Parallel()
	w := newCommitteeWorld(t)
	w.says(w.program(exitOK, "list", w.url), w.m.Title[0], "manifest", "applied", "Nothing waits")
	w.says(w.sign(exitOK, 0), "Nothing waits")
	w.propose(act.KindExtend, act.Extend{Close: electiontest.Close + 900}.Bytes())
	w.propose(act.KindCancel, nil)
	w.says(w.program(exitOK, "list", w.url), "act:1", "act:2", "0 of 2 signatures")

	out := w.sign(exitOK, 0, "-only", "act:1")
	w.says(out, "voting would close", time.Unix(electiontest.Close+900, 0).Format("Monday 2 January 2006, 15:04:05 MST"), "Nothing was signed")
	if strings.Contains(out, "CANCEL") {
		t.Errorf("it shows what was not asked for:\n%s", out)
	}
	precise := regexp.MustCompile(`act:1@[0-9a-f]{16}`).FindString(out)
	w.says(w.program(exitOK, "list", w.url), "0 of 2 signatures")

	w.says(w.sign(exitOK, 0, "-yes", "-only", precise), "Your signature over act:1 is sent.")
	w.says(w.sign(exitOK, 0, "-yes", "-only", precise), "You have signed this already.", "nothing left")
	w.says(w.sign(exitOK, 0), "You have signed this already.", "-yes -only act:2@")
	w.says(w.program(exitOK, "list", w.url), "1 of 2 signatures: Member 1")
	w.says(w.sign(exitOK, 1, "-yes", "-as", "Member 2"), "act:1 is sent", "act:2 is sent")
	w.says(w.program(exitOK, "list", w.url), "signed", "2 of 2 signatures: Member 1, Member 2")

	// Asked wrongly.
	w.says(w.sign(exitFailed, 0, "-only", "act:9"), "no act:9 waits")
	w.says(w.sign(exitFailed, 0, "-only", "act:2@0000000000000000"), "looked at does not wait any more")
	w.says(w.sign(exitFailed, 0, "-as", "Member 2"), "this key is that of Member 1 (number 0)")
	w.says(w.sign(exitFailed, 0, "-mid", strings.Repeat("0", 64)), "another election")
	w.says(w.sign(exitUsage, 0, "-mid", "12"), "64 hexadecimal digits")
	w.says(w.program(exitUsage, "sign", w.url), "-key")
	w.says(w.program(exitUsage, "list"), "address of the election")
	w.says(w.program(exitUsage, "list", "https://console.example"), "it looks like")
	w.says(w.program(exitUsage, "lend"), `there is no "lend"`)
	w.says(w.program(exitUsage, "key"), "-key")
	w.says(w.program(exitFailed, "sign", "-key", filepath.Join(w.dir, "none"), w.url), "committee key makes one")
	w.says(w.program(exitFailed, "list", strings.Replace(w.url, "/v1/"+w.m.ElectionID.String(), "/v1/"+strings.Repeat("0", 32), 1)), "no such election")
	wrong := filepath.Join(w.dir, "wrong")
	if err := os.WriteFile(wrong, []byte("another passphrase"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.says(w.program(exitFailed, "sign", "-key", w.key(2), "-passphrase", wrong, "-yes", w.url), "passphrase is wrong")
	stranger := filepath.Join(w.dir, "stranger.key")
	w.program(exitOK, "key", "-key", stranger, "-passphrase", filepath.Join(w.dir, "pass"))
	w.says(w.program(exitFailed, "sign", "-key", stranger, w.url), "none of the committee's")
	short := filepath.Join(w.dir, "short")
	if err := os.WriteFile(short, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.says(w.program(exitFailed, "key", "-key", filepath.Join(w.dir, "new.key"), "-passphrase", short), "at least 12")
	if _, err := os.Stat(filepath.Join(w.dir, "new.key")); err == nil {
		t.Error("a key was made all the same")
	}

	a, err := w.service.ReadyAct(t.Context(), w.m.ElectionID)
	if err != nil || len(a.Signatures) != 2 {
		t.Errorf("got %v, %v", a, err)
	}
}

// TestCommitteeAway asks a console that does not answer.
func TestCommitteeAway(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	w := &committeeWorld{t: t}
	host := strings.TrimPrefix(closed.URL, "http://")
	out := w.program(exitFailed, "list", closed.URL+"/v1/0123456789abcdef0123456789abcdef")
	w.says(out, "the service at "+host+" does not answer now (connection refused); nothing is lost, run this again")
	if strings.Contains(out, "agenda") {
		t.Errorf("it shows the request:\n%s", out)
	}
}
