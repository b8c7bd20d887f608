package mailer_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
)

const (
	crashURL = "MAILER_TEST_URL"
	crashDir = "MAILER_TEST_DIR"
	crashMan = "MAILER_TEST_MANIFEST"
)

// A suicide sends, and kills its process after a number of mails.
type suicide struct {
	mailer.Directory
	left atomic.Int64
}

func (s *suicide) Send(ctx context.Context, mails []mailer.Mail) []mailer.Answer {
	for _, m := range mails {
		s.Directory.Send(ctx, []mailer.Mail{m})
		if s.left.Add(-1) == 0 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	return nil
}

// TestCrash kills a process between sending mails and marking them: nobody is
// left out, at most a batch is sent twice, and both mails have one link.
func TestCrash(t *testing.T) {
	t.Parallel()
	if url := os.Getenv(crashURL); url != "" {
		crash(t, url, os.Getenv(crashDir))
		return
	}
	const n = 230
	o := newOffice(t, n)
	for i := range n {
		o.queue(mailer.Invitation, i)
	}
	dir := t.TempDir()
	manifest, _ := electiontest.Encode(t, o.m) // another process would make another one
	path := filepath.Join(t.TempDir(), "manifest")
	if err := os.WriteFile(path, manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrash$")
	child.Env = append(os.Environ(), crashURL+"="+o.db.URL("sv_registrar"), crashDir+"="+dir, crashMan+"="+path)
	out, err := child.CombinedOutput()
	exit, ok := child.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || exit.Signal() != syscall.SIGKILL {
		t.Fatalf("the process was not killed: %v\n%s", err, out)
	}
	if s := o.states(); !strings.Contains(s, "leased 100") {
		t.Fatalf("states after the kill: %s", s)
	}
	m := o.mailer(&mailer.Directory{Path: dir})
	if _, err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := o.states(); s != "leased 100, sent 130" {
		t.Errorf("before the lease is over: %s", s)
	}
	o.now.Add(3600)
	if _, err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	links := map[string]string{}
	files := eml(t, dir)
	for _, f := range files {
		to, text, _ := parse(t, f)
		link := linkIn(text)
		if before, ok := links[to]; ok && before != link {
			t.Error("a member has two links")
		}
		links[to] = link
	}
	if o.states() != "sent 230" || len(links) != n {
		t.Errorf("%d members have mail, states %s", len(links), o.states())
	}
	if twice := len(files) - n; twice < 1 || twice > mailer.Batch {
		t.Errorf("%d mails were sent twice, want 1 to %d", twice, mailer.Batch)
	}
}

// crash is the process that is killed.
func crash(t *testing.T, url, dir string) {
	pool, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(os.Getenv(crashMan))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, mid: election.MID(manifest)}
	if o.m, err = election.Parse(manifest); err != nil {
		t.Fatal(err)
	}
	_, o.k = electiontest.Manifest(t) // the token key is the same in every process
	o.minter = mailer.NewMinter([32]byte(o.k.Token.Seed()), [32]byte{7})
	o.now.Store(electiontest.Open)
	o.config = o.configOf(pool)
	s := &suicide{Directory: mailer.Directory{Path: dir}}
	s.left.Store(40)
	_, _ = o.mailer(s).Drain(t.Context())
	t.Fatal("still alive")
}
