package deployment

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election"
)

// testDoctor examines the running service of a sealed election on servers of
// somebody else, and then breaks it.
func testDoctor(t *testing.T, w *world) {
	examine := func(broken func(*Checkup)) []Finding {
		t.Helper()
		c := Checkup{Config: w.c, Machine: healthy()}
		if broken != nil {
			broken(&c)
		}
		findings, err := Examine(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return findings
	}
	if err := os.Chmod(w.c.Data, 0o711); err != nil {
		t.Fatal(err)
	}
	findings := examine(nil)
	for _, f := range findings {
		if f.State == StateFail {
			t.Errorf("a service that runs: %+v", f)
		}
	}
	for _, check := range []string{"serve", "open files of serve", "key files", "list of elections", "database of the box", "origin of the registrar", "origin of the box",
		"origin of the board", "origin of the booth", "origin of the console", "election " + w.id.String() + ", box", "election " + w.id.String() + ", registrar",
		"election " + w.id.String() + ", ballot page"} {
		if got := found(findings, check); !strings.HasPrefix(got, "ok") {
			t.Errorf("%s: got %q", check, got)
		}
	}
	keys := w.d.keys(w.id)
	for _, key := range [][2]string{{sideRegistrar, keyRoll}, {sideRegistrar, issuerName(1)}, {sideMailer, keyToken}, {sideBox, keyPending}, {sideBox, keyBallots}} {
		path := keys.path(key[0], key[1])
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		findings := examine(nil)
		if got := found(findings, "key files"); !strings.Contains(got, key[1]+" of the "+key[0]+" is missing") {
			t.Errorf("without %s: got %s", key[1], got)
		}
		for _, side := range []string{sideRegistrar, sideBox} {
			ill := key[0] == side || key[0] == sideMailer && side == sideRegistrar
			if got := found(findings, "election "+w.id.String()+", "+side); ill == strings.Contains(got, "keys are there") {
				t.Errorf("without %s of the %s: the %s: got %q", key[1], key[0], side, got)
			}
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
	// Where a proxy leads to the wrong part.
	o := w.d.Origins()
	for part, into := range map[string]func(*election.Origins, string){
		"registrar": func(o *election.Origins, s string) { o.Registrar = s }, "box": func(o *election.Origins, s string) { o.Box = s },
		"board": func(o *election.Origins, s string) { o.Board = s }, "booth": func(o *election.Origins, s string) { o.Booth = s },
		"console": func(o *election.Origins, s string) { o.Console = s },
	} {
		for _, other := range []string{o.Registrar, o.Box, o.Board, o.Booth, o.Console} {
			mixed := o
			into(&mixed, other)
			got := found(examine(func(c *Checkup) { c.Origins = mixed }), "origin of the "+part)
			if right := mixed == o; right != strings.HasPrefix(got, "ok") || !right && !strings.Contains(got, "mixed up") {
				t.Errorf("%s at %s: got %s", part, other, got)
			}
		}
	}
	testDoctorServers(t, w, examine)
}

// testDoctorServers changes a server's settings and schema, and stops it.
func testDoctorServers(t *testing.T, w *world, examine func(func(*Checkup)) []Finding) {
	do := func(s postgres.Server, database, sql string) {
		t.Helper()
		conn, err := postgres.Connect(t.Context(), s.URL(database, "sv_admin"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	do(w.c.Box, "postgres", `ALTER ROLE sv_ballotbox SET log_statement = 'all'`)
	if got := found(examine(nil), "settings of the box"); !strings.Contains(got, `FAIL as sv_ballotbox: log_statement is "all", it must be none`) {
		t.Errorf("got %s", got)
	}
	do(w.c.Box, "postgres", `ALTER ROLE sv_ballotbox RESET log_statement`)
	if got := found(examine(nil), "settings of the box"); strings.Contains(got, "FAIL") || !strings.Contains(got, "WARN there is no second copy") {
		t.Errorf("got %s", got)
	}
	database := databaseName(w.id)
	do(w.c.Box, database, `ALTER TABLE migration.applied RENAME TO kept`)
	if got := found(examine(nil), "election "+w.id.String()+", box"); !strings.HasPrefix(got, "FAIL") || !strings.Contains(got, "strikevote migrate") {
		t.Errorf("got %s", got)
	}
	do(w.c.Box, database, `ALTER TABLE migration.kept RENAME TO applied`)
	nowhere := elsewhere{folder(t)}
	for side, broken := range map[string]func(*Checkup){
		"registrar": func(c *Checkup) { c.Registrar = nowhere }, "box": func(c *Checkup) { c.Box = nowhere },
	} {
		if got := found(examine(broken), ofSide(side)); !strings.HasPrefix(got, "FAIL") {
			t.Errorf("without the %s's server: got %s", side, got)
		}
	}
}

// elsewhere is a server that there is not.
type elsewhere struct{ dir string }

func (e elsewhere) URL(database, role string) string {
	return "postgres://" + role + "@/" + database + "?host=" + e.dir
}

// testDoctorAtEnd examines an election whose keys are destroyed.
func testDoctorAtEnd(t *testing.T, w *world) {
	c := w.c
	c.Now = nil // the world's clock is ahead of the answers'
	findings, err := Examine(t.Context(), Checkup{Config: c, Machine: healthy()})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.State == StateFail {
			t.Errorf("a service that runs: %+v", f)
		}
	}
}

// TestDoctorPrivate examines private servers while serve runs, and while it does
// not, and leaves them as they were.
func TestDoctorPrivate(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := Config{Data: filepath.Join(dir, "data"), Mail: filepath.Join(dir, "mail"), Pace: time.Hour}
	examine := func() []Finding {
		t.Helper()
		findings, err := Examine(t.Context(), Checkup{Config: c, Machine: healthy()})
		if err != nil {
			t.Fatal(err)
		}
		return findings
	}
	if _, err := Examine(t.Context(), Checkup{Config: c, Machine: healthy()}); err == nil {
		t.Error("a folder that is not there was examined")
	}
	if err := os.Mkdir(c.Data, 0o711); err != nil {
		t.Fatal(err)
	}
	if got := found(examine(), "database of the box"); got != "ok there is none yet; serve makes it; " {
		t.Errorf("got %q", got)
	}
	if files, err := os.ReadDir(c.Data); err != nil || len(files) > 0 {
		t.Errorf("examining made %v, %v", files, err)
	}
	d, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	end := serve(d)
	findings := examine()
	if err := end(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	for _, f := range findings {
		if f.State == StateFail || f.State == StateWarn && !slices.Contains([]string{"master key", "addresses", "mail", "check in the browser"}, f.Check) {
			t.Errorf("while it runs: %+v", f)
		}
	}
	for check, want := range map[string]string{"addresses": "WARN only this computer itself reaches http://127.0.0.1:", "mail": "WARN no sender of mails is set"} {
		if got := found(findings, check); !strings.HasPrefix(got, want) {
			t.Errorf("while it runs: %s: got %q", check, got)
		}
	}
	findings = examine()
	for check, want := range map[string]string{
		"serve": "WARN it does not run here", "database of the box": "ok it answers", "database of the registrar": "ok it answers",
		"list of elections": "ok 0 elections", "origin of the booth": "WARN serve does not run here",
	} {
		if got := found(findings, check); !strings.HasPrefix(got, want) {
			t.Errorf("while it does not: %s: got %q", check, got)
		}
	}
	// What was started for it is stopped again.
	if d, err = Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
