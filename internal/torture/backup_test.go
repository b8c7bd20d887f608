package torture_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/demo"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/token"
	"strikevote/internal/torture"
	"strikevote/internal/voter"
)

// A rescue is a stand with what its operator does when a disk is lost.
type rescue struct {
	*stand
	id      string
	folder  string        // for backups
	letters []demo.Letter // of members who have not voted
	all     []demo.Letter
}

func newRescue(t *testing.T, members int) *rescue {
	t.Helper()
	r := &rescue{stand: newStand(t, demo.Options{Members: members}), folder: t.TempDir()}
	var err error
	if r.letters, err = demo.ReadLetters(r.p.Mail); err != nil {
		t.Fatal(err)
	}
	// Those of one group come first, so that a batch is filled for certain.
	slices.SortFunc(r.letters, func(a, b demo.Letter) int { return strings.Compare(a.Address, b.Address) })
	r.all = r.letters
	list, err := os.ReadDir(filepath.Join(r.p.Data, "keys"))
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	r.id = list[0].Name()
	return r
}

// vote casts the ballots of the next n members.
func (r *rescue) vote(n int) {
	r.t.Helper()
	for _, l := range r.letters[:n] {
		v, err := voter.Open(r.t.Context(), newClient(), l.Link, voter.NoMemory{})
		if err != nil {
			r.t.Fatal(err, r.log.tail())
		}
		if _, err := v.Status(r.t.Context(), ""); err != nil {
			r.t.Fatal(err)
		}
		if err := v.Seal(ballot.Choices{1}, ""); err != nil {
			r.t.Fatal(err)
		}
		if err := v.Finish(r.t.Context(), ""); err != nil {
			r.t.Fatal(err, r.log.tail())
		}
	}
	r.letters = r.letters[n:]
}

// run runs the program to its end and returns what it says and its exit code.
func (r *rescue) run(args ...string) (string, int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = withoutSettings(os.Environ())
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// must runs the program, which has to succeed.
func (r *rescue) must(args ...string) string {
	r.t.Helper()
	out, code := r.run(args...)
	if code != 0 {
		r.t.Fatalf("%s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// refuses runs the program, which has to fail and say why.
func (r *rescue) refuses(says string, args ...string) {
	r.t.Helper()
	if out, code := r.run(args...); code != 1 || !strings.Contains(out, says) {
		r.t.Errorf("%s: exit %d, and %q is not said:\n%s", strings.Join(args, " "), code, says, out)
	}
}

// backup copies a side and returns the archive's folder.
func (r *rescue) backup(side, name string) string {
	r.t.Helper()
	out := filepath.Join(r.folder, name+"-"+side)
	r.must("backup", "-data", r.p.Data, "-side", side, "-out", out)
	return out
}

// published returns the newest checkpoint of the ballot log.
func (r *rescue) published() string {
	r.t.Helper()
	resp, err := newClient().Get(r.p.Origins.Board + "/" + r.id + "/ballots/checkpoint")
	if err != nil {
		r.t.Fatal(err, r.log.tail())
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatal(resp.Status, err)
	}
	return string(b)
}

// moves waits until the ballot log has another checkpoint.
func (r *rescue) moves(from string) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); r.published() == from; {
		if time.Now().After(end) {
			r.t.Fatal("no batch came\n", r.log.tail())
		}
	}
}

// rests checks that the box takes nothing.
func (r *rescue) rests() {
	r.t.Helper()
	resp, err := newClient().Post(r.p.Origins.Box+"/v1/"+r.id+"/ballots", "application/octet-stream", strings.NewReader("x"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusConflict || !strings.Contains(string(b), `"set_back"`) {
		r.t.Errorf("the box answers %s %s", resp.Status, b)
	}
}

// down ends services and databases in order, as an operator does.
func (r *rescue) down() { r.stop() }

func (r *rescue) up() {
	r.startCluster(registrarCluster)
	r.startService(registrarService)
	r.boxUp()
}

// boxUp starts the box with its database, and the board, which shows its half of the
// record.
func (r *rescue) boxUp() {
	r.startCluster(boxCluster)
	r.startService(boxService)
	r.startService(boardService)
}

// cluster is the folder of the box's cluster.
func (r *rescue) cluster() string { return filepath.Join(r.p.Data, "postgres", boxCluster) }

// move renames a file or folder.
func (r *rescue) move(from, to string) {
	r.t.Helper()
	if err := os.Rename(from, to); err != nil {
		r.t.Fatal(err)
	}
}

// duplicate copies a folder with its owners, as a snapshot does.
func (r *rescue) duplicate(from, to string) {
	r.t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
}

// TestTortureBackup loses disks: an old state of the box is never gone on from,
// however it came back, and the last one is, without the loss of a ballot.
func TestTortureBackup(t *testing.T) {
	t.Parallel()
	r := newRescue(t, 120)
	r.vote(12)
	old := r.backup("box", "old")
	r.backup("registrar", "old")
	r.down()
	snapshot := filepath.Join(filepath.Dir(r.cluster()), "snapshot")
	r.duplicate(r.cluster(), snapshot)
	r.up()
	before := r.published()
	r.vote(20)
	r.moves(before)
	after := r.published()
	r.down()

	current := r.cluster() + ".current"
	r.move(r.cluster(), current)
	r.restoredOld(old, before, after)
	rounds, control := r.snapshotBack(snapshot, before)
	if err := os.RemoveAll(r.cluster()); err != nil {
		t.Fatal(err)
	}

	r.move(current, r.cluster())
	r.pendingKey()
	box, registrar := r.backup("box", "last"), r.backup("registrar", "last")
	r.searched(box, registrar)
	flipped := r.flipped(box)
	r.interrupted()
	r.moved(box, registrar)
	r.up()
	r.vote(5)
	report := r.finish(filepath.Join(t.TempDir(), "record"))
	if report.Ballots != 37 {
		t.Errorf("%d ballots of 37 that were acknowledged", report.Ballots)
	}
	torture.Report(t, torture.Row{
		What:     "the box's database set back to an old backup, and to an old copy of its disk; then both sides restored from their last backup",
		Target:   "an old state signs, issues and takes nothing; the last one goes on; of the backup each flipped byte is found",
		Measured: fmt.Sprintf("old states refused %[1]d of %[1]d", 1+rounds) + "; 37 of 37 ballots counted after the last backup; flipped bytes found in " + flipped,
		Control:  control,
	})
}

// restoredOld puts the old backup in the place of the newer database.
func (r *rescue) restoredOld(old, before, after string) {
	r.t.Helper()
	restore := []string{"restore", "-data", r.p.Data, "-from", old}
	r.refuses("the service ran while it was made", append(restore, "-last")...)
	newest := filepath.Join(r.t.TempDir(), "checkpoint")
	if err := os.WriteFile(newest, []byte(after), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if out := r.must(append(restore, "-newest", newest)...); !strings.Contains(out, "the log moved on after this backup was made") ||
		!strings.Contains(out, "Nothing was changed") {
		r.t.Errorf("a dry run says:\n%s", out)
	}
	if _, err := os.Stat(r.cluster()); !errors.Is(err, fs.ErrNotExist) {
		r.t.Fatal("a dry run made a database")
	}
	out := r.must(append(restore, "-yes")...)
	if !strings.Contains(out, "for reading only") || !strings.Contains(out, "hold a promise") {
		r.t.Errorf("the restore does not say what is lost:\n%s", out)
	}
	r.refuses("holds a database already", append(restore, "-yes")...)
	r.boxUp()
	r.rests()
	if r.published() != before {
		r.t.Error("something was published from the old state")
	}
	doctor, code := r.run("doctor", "-data", r.p.Data, "-only", "box", "-admin", r.admin[boxService])
	if code != 3 || !strings.Contains(doctor, "its database is an old state") || !strings.Contains(doctor, "hold a promise") {
		r.t.Errorf("doctor: exit %d\n%s", code, doctor)
	}
	if log := r.log.tail(); !strings.Contains(log, "for reading only") {
		r.t.Errorf("the service does not say that it rests:\n%s", log)
	}
	r.down()
}

// snapshotBack puts an old copy of the cluster's folder in its place. The database
// knows nothing of it, the file beside it does. It returns how often, and what happens
// without that file: the control.
func (r *rescue) snapshotBack(snapshot, before string) (rounds int, control string) {
	r.t.Helper()
	for range torture.Rounds(1, 20, 0.05) {
		if err := os.RemoveAll(r.cluster()); err != nil {
			r.t.Fatal(err)
		}
		r.duplicate(snapshot, r.cluster())
		r.boxUp()
		r.rests()
		if r.published() != before {
			r.t.Error("something was published from the old state")
		}
		r.down()
		rounds++
	}
	signed, aside := filepath.Join(r.p.Data, "signed"), filepath.Join(r.folder, "signed")
	r.move(signed, aside)
	r.up()
	r.vote(15) // another history: the log gets ballots that the first one does not have there
	r.moves(before)
	r.down()
	if err := os.RemoveAll(signed); err != nil {
		r.t.Fatal(err)
	}
	r.move(aside, signed)
	return rounds, "without the file that keeps the newest checkpoint, a second history was signed and published"
}

// pendingKey starts the box without its pending key, with another one, and with the
// copy of its own.
func (r *rescue) pendingKey() {
	r.t.Helper()
	path := filepath.Join(r.p.Data, "keys", r.id, "box", "pending.key")
	own, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	box := r.arguments(boxService)
	if err := os.Remove(path); err != nil {
		r.t.Fatal(err)
	}
	r.refuses(path, box...)
	if out, _ := r.run("doctor", "-data", r.p.Data, "-only", "box", "-admin", r.admin[boxService]); !strings.Contains(out, "pending of the box is missing") {
		r.t.Errorf("doctor does not miss the key:\n%s", out)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("5a", 32)+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.refuses("pending key is not the one", box...)
	if err := os.WriteFile(path, own, 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.startCluster(boxCluster)
	r.startService(boxService)
	r.down()
}

// searched looks in the backups for what must not be in them. The registrar's holds
// the roll: that its addresses are found there shows that the search can find.
func (r *rescue) searched(box, registrar string) {
	r.t.Helper()
	var secrets, addresses []string
	for _, l := range r.all {
		addresses = append(addresses, l.Address)
		_, t, _, _, err := token.ParseLink(l.Link)
		if err != nil {
			r.t.Fatal(err)
		}
		secrets = append(secrets, t.Base64(), hex.EncodeToString(t[:]), string(t[:]))
	}
	err := filepath.WalkDir(filepath.Join(r.p.Data, "keys"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		text := strings.TrimSpace(string(b))
		secrets = append(secrets, text, hex.EncodeToString(b))
		return err
	})
	if err != nil || len(secrets) < 20 {
		r.t.Fatal(len(secrets), err)
	}
	if found := search(r.t, box, slices.Concat(secrets, addresses)); found != 0 {
		r.t.Errorf("%d secrets or addresses are in the box's backup", found)
	}
	if found := search(r.t, registrar, secrets); found != 0 {
		r.t.Errorf("%d secrets are in the registrar's backup", found)
	}
	if found := search(r.t, registrar, addresses); found != len(addresses) {
		r.t.Errorf("control: %d of %d addresses are found in the registrar's backup", found, len(addresses))
	}
	planted := filepath.Join(r.folder, "planted")
	r.duplicate(box, planted)
	if err := os.WriteFile(filepath.Join(planted, "more"), []byte("\\x"+secrets[1]), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if found := search(r.t, planted, secrets); found != 1 {
		r.t.Errorf("control: %d secrets are found where one was planted", found)
	}
	r.ordered(box)
	r.untimed(registrar)
}

// untimed checks that the rows of members to whom a ballot was issued bear no time of
// their own.
func (r *rescue) untimed(registrar string) {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(registrar, "sv_"+r.id, "registrar.outbox"))
	if err != nil {
		r.t.Fatal(err)
	}
	times := make(map[string]int)
	for row := range strings.Lines(string(b)) {
		if strings.Contains(row, "\tissued\t") {
			times[row[strings.LastIndexByte(row, '\t'):]]++
		}
	}
	for _, n := range times {
		if len(times) != 1 || n < 20 {
			r.t.Errorf("notices of issuances bear the times %v", times)
		}
	}
	if len(times) == 0 {
		r.t.Error("there is no notice of an issuance")
	}
}

// search counts which of some texts are in the files of a folder.
func search(t testing.TB, dir string, texts []string) int {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, b...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, text := range texts {
		if text != "" && bytes.Contains(all, []byte(text)) {
			found++
		}
	}
	return found
}

// ordered checks that ballots that came stand in the order of their keys. As they lie
// on the disk they stand in the order in which they came: the control.
func (r *rescue) ordered(box string) {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(box, "sv_"+r.id, "ballotbox.received"))
	if err != nil {
		r.t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(rows) < 10 || !slices.IsSorted(rows) {
		r.t.Errorf("%d ballots that came are not in the order of their keys", len(rows))
	}
	r.startCluster(boxCluster)
	defer r.down()
	conn, err := pgx.Connect(r.t.Context(), r.clusters[boxCluster].AdminURL("sv_"+r.id))
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	lying, err := conn.Query(r.t.Context(), `SELECT encode(key, 'hex') FROM ballotbox.received ORDER BY ctid`)
	if err != nil {
		r.t.Fatal(err)
	}
	keys, err := pgx.CollectRows(lying, pgx.RowTo[string])
	if err != nil || len(keys) != len(rows) || slices.IsSorted(keys) {
		r.t.Errorf("control: %d rows lie on the disk in the order of their keys, %v", len(keys), err)
	}
}

// flipped flips a byte in every file of a copy of a backup, and lets somebody write a
// new hash of a changed log. It returns how many were found.
func (r *rescue) flipped(archive string) string {
	r.t.Helper()
	copied := filepath.Join(r.folder, "flipped")
	r.duplicate(archive, copied)
	restore := []string{"restore", "-data", filepath.Join(r.folder, "new"), "-from", copied}
	r.must(restore...)
	files, found := 0, 0
	err := filepath.WalkDir(copied, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		was, err := os.ReadFile(path)
		if err != nil || len(was) == 0 {
			return err
		}
		files++
		now := slices.Clone(was)
		now[len(now)/2] ^= 1
		if err := os.WriteFile(path, now, 0o600); err != nil {
			return err
		}
		if out, code := r.run(restore...); code == 1 {
			found++
		} else {
			r.t.Errorf("%s: a flipped byte is not found:\n%s", path, out)
		}
		return os.WriteFile(path, was, 0o600)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.rewritten(copied, restore)
	return fmt.Sprintf("%d of %d files", found, files)
}

// rewritten changes an entry and every hash that the archive has of its file: what is
// left to find it is the log itself.
func (r *rescue) rewritten(copied string, restore []string) {
	r.t.Helper()
	path := filepath.Join(copied, "sv_"+r.id, "board.entry")
	was, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	now := slices.Clone(was)
	at := len(now) - 3
	if now[at] = '0'; was[at] == '0' {
		now[at] = '1'
	}
	manifest := filepath.Join(copied, "manifest.json")
	m, err := os.ReadFile(manifest)
	if err != nil {
		r.t.Fatal(err)
	}
	changed := strings.Replace(string(m), sumOf(was), sumOf(now), 1)
	if changed == string(m) {
		r.t.Fatal("the manifest has no hash of the entries")
	}
	for name, b := range map[string][]byte{path: now, manifest: []byte(changed)} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	r.refuses("is not that of the entries", restore...)
}

func sumOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// interrupted ends a backup in the middle, by a file that may not grow: once the
// program gets an error, as from a full disk, and once it is killed. Neither leaves
// something under the backup's name.
func (r *rescue) interrupted() {
	r.t.Helper()
	out := filepath.Join(r.folder, "interrupted")
	r.startCluster(boxCluster) // its own files may grow
	defer r.down()
	for _, signal := range []string{"trap '' XFSZ", "trap - XFSZ"} {
		cmd := exec.CommandContext(r.t.Context(), "sh", "-c", signal+`; ulimit -c 0; ulimit -f 8; exec "$@"`, "sh",
			program, "backup", "-data", r.p.Data, "-side", "box", "-out", out)
		cmd.Env = withoutSettings(os.Environ())
		said, err := cmd.CombinedOutput()
		if err == nil {
			r.t.Errorf("%s: the backup ended well\n%s", signal, said)
		}
		if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
			r.t.Errorf("%s: half a backup has the name of one: %v", signal, err)
		}
	}
}

// killedRestore kills a restore while it fills its database. Nothing is found by serve
// then, and another restore says what to delete.
func (r *rescue) killedRestore(from string) {
	r.t.Helper()
	args := []string{"restore", "-data", r.p.Data, "-from", from, "-last", "-yes"}
	cmd := exec.Command(program, args...)
	cmd.Env = withoutSettings(os.Environ())
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	filling := filepath.Join(r.p.Data, "postgres", registrarCluster+".restoring")
	server := filepath.Join(filling, "data", "postmaster.pid")
	exists := func(path string) bool { _, err := os.Lstat(path); return err == nil }
	until := func(what string, done func() bool) {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(time.Minute); !done(); <-tick.C {
			if time.Now().After(end) {
				r.t.Fatal(what)
			}
		}
	}
	until("no restore began", func() bool { return exists(server) })
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if exists(filepath.Join(r.p.Data, "postgres", registrarCluster)) {
		r.t.Error("half a restore would be found by serve")
	}
	r.refuses(filling+" was left by a restore that was interrupted", args...)
	until("the server does not end", func() bool { return !exists(server) })
	if err := os.RemoveAll(filling); err != nil {
		r.t.Fatal(err)
	}
}

// moved restores both sides into a new folder under the old name, as on a new machine,
// and copies there what is no database: keys and the rest.
func (r *rescue) moved(box, registrar string) {
	r.t.Helper()
	was := r.p.Data + ".old"
	r.move(r.p.Data, was)
	r.t.Cleanup(func() { _ = os.RemoveAll(was) })
	r.killedRestore(registrar)
	out := r.must("restore", "-data", r.p.Data, "-from", registrar, "-last", "-yes")
	out += r.must("restore", "-data", r.p.Data, "-from", box, "-last", "-yes")
	for _, says := range []string{"box/pending.key", "registrar/ledger.key", "mailer/token.key", "row by row"} {
		if !strings.Contains(out, says) {
			r.t.Errorf("%s is not said:\n%s", says, out)
		}
	}
	if strings.Contains(out, "for reading only") {
		r.t.Errorf("the last state does not go on:\n%s", out)
	}
	list, err := os.ReadDir(was)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, entry := range list {
		if name := entry.Name(); name != "postgres" && name != "signed" && name != "listen.json" {
			r.duplicate(filepath.Join(was, name), filepath.Join(r.p.Data, name))
		}
	}
}
