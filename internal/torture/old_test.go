package torture_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/demo"
	"strikevote/internal/record/layout"
	"strikevote/internal/torture"
	"strikevote/internal/voter"
)

// A setBack is a side whose cluster is put back to an older state, with what a
// member sends it and the log that it signs.
type setBack struct{ cluster, log, origin, path string }

// TestTortureOldDatabase stops the service, keeps a copy of one side's cluster,
// lets the vote and its log move on, and puts the copy in its place. Whatever the
// database says of itself, nothing is signed, issued or taken, and members are told
// that it is the service that was set back. With the newer state in its place again
// everything goes on.
func TestTortureOldDatabase(t *testing.T) {
	t.Parallel()
	s := newStand(t, demo.Options{Members: torture.Pick(120, 900)})
	letters, err := demo.ReadLetters(s.p.Mail)
	if err != nil {
		t.Fatal(err)
	}
	// Those of one group come first, so that batches are filled for certain.
	slices.SortFunc(letters, func(a, b demo.Letter) int { return cmp.Compare(a.Address, b.Address) })
	v, err := voter.Open(t.Context(), newClient(), letters[0].Link, voter.NoMemory{})
	if err != nil {
		t.Fatal(err)
	}
	id, o := v.Manifest.ElectionID.String(), v.Manifest.Origins
	sides := []setBack{
		{registrarCluster, layout.Ledger, o.Registrar + "/v1/" + id, "/issue"},
		{boxCluster, layout.Ballots, o.Box + "/v1/" + id, "/ballots"},
	}
	c := newCrowd(t, nil)
	close(c.over)
	record := o.Board + "/" + id + "/"
	done, control := 0, ""
	for round := range torture.Rounds(1, 20, 0.05) {
		side := sides[round%len(sides)]
		old := s.copyOf(side.cluster)
		before := fetch(t, record+layout.Checkpoint(side.log))
		for fetch(t, record+layout.Checkpoint(side.log)) == before {
			if len(letters) == 0 {
				t.Fatalf("everybody has voted, and the log does not grow:\n%s", s.log.tail())
			}
			c.queue, letters = letters[:1], letters[1:]
			c.run(t.Context(), 1)
		}
		current := s.exchange(side.cluster, old)
		s.mustRest(side)
		if got := fetch(t, record+layout.Checkpoint(side.log)); got != before {
			t.Errorf("round %d: the %s signed another history:\n%s", round, side.cluster, got)
		}
		if round == 0 {
			control = s.forget(side)
		}
		s.exchange(side.cluster, current)
		done++
	}
	out := filepath.Join(t.TempDir(), "record")
	report := s.finish(out)
	for _, err := range c.failed {
		t.Error(err)
	}
	if lost := c.acks.lost(trackers(t, out, report)); len(lost) > 0 || int(report.Ballots) != len(c.done) {
		t.Errorf("%d voters, %d ballots counted, %d lost", len(c.done), report.Ballots, len(lost))
	}
	torture.Report(t, torture.Row{
		What:     "a side's database is put back to an older copy of its folder, beside a log that moved on",
		Target:   "refuses to sign, issue and take each time; goes on from the newer one",
		Measured: fmt.Sprintf("refused %d of %d times; %d of %d ballots counted in the end", done, done, report.Ballots, len(c.done)),
		Control:  control,
	})
}

func (s *stand) folder(cluster string) string { return filepath.Join(s.p.Data, "postgres", cluster) }

// copyOf keeps a copy of a cluster that has stopped in order, and starts everything
// again.
func (s *stand) copyOf(cluster string) (folder string) {
	s.t.Helper()
	s.stop()
	folder = s.folder(cluster) + ".old"
	if out, err := exec.Command("cp", "-a", s.folder(cluster), folder).CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	s.startAll()
	return folder
}

// exchange puts another state of a cluster in its place, and starts everything
// again. It returns the folder of the one that stood there; the other's is gone.
func (s *stand) exchange(cluster, other string) (aside string) {
	s.t.Helper()
	s.stop()
	aside = s.folder(cluster) + ".aside"
	if filepath.Ext(other) == ".aside" {
		if err := os.RemoveAll(s.folder(cluster)); err != nil {
			s.t.Fatal(err)
		}
	} else if err := os.Rename(s.folder(cluster), aside); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(other, s.folder(cluster)); err != nil {
		s.t.Fatal(err)
	}
	s.startAll()
	return aside
}

func (s *stand) startAll() {
	s.t.Helper()
	s.startCluster(registrarCluster)
	s.startCluster(boxCluster)
	for _, name := range []string{registrarService, boxService, boardService} {
		s.startService(name)
	}
}

// mustRest checks that a side takes nothing and says why, to members and in the log.
func (s *stand) mustRest(side setBack) {
	s.t.Helper()
	if status, body := post(s.t, side.origin+side.path); status != http.StatusConflict || !strings.Contains(body, `"set_back"`) {
		s.t.Errorf("the %s answers %d %s", side.cluster, status, body)
	}
	if !strings.Contains(s.log.text(), "it does not hold what was signed before") {
		s.t.Errorf("the log does not say what happened:\n%s", s.log.tail())
	}
}

// forget starts everything without what is kept beside the databases of the
// checkpoints that were signed: the control.
func (s *stand) forget(side setBack) string {
	s.t.Helper()
	s.stop()
	kept := filepath.Join(s.p.Data, "signed")
	if err := os.Rename(kept, kept+".aside"); err != nil {
		s.t.Fatal(err)
	}
	s.startAll()
	if status, body := post(s.t, side.origin+side.path); strings.Contains(body, `"set_back"`) {
		s.t.Errorf("the control: without a newer checkpoint the %s answers %d %s", side.cluster, status, body)
	}
	s.stop()
	if err := os.RemoveAll(kept); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(kept+".aside", kept); err != nil {
		s.t.Fatal(err)
	}
	return "without the newest checkpoint beside it, the old database goes on as if nothing had been"
}

func post(t testing.TB, url string) (int, string) {
	t.Helper()
	resp, err := newClient().Post(url, "application/octet-stream", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, resp)
}

// fetch reads what somebody publishes, as soon as it is there.
func fetch(t testing.TB, url string) string {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		resp, err := newClient().Get(url)
		if err != nil {
			t.Fatal(err)
		}
		status, body := read(t, resp)
		if status == http.StatusOK {
			return body
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %d %s", url, status, body)
		}
	}
}

func read(t testing.TB, resp *http.Response) (int, string) {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
