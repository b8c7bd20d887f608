package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strikevote/internal/audit"
	"strikevote/internal/deployment"
)

// serveEnv makes the test binary a service on the data folder that it names, so
// that a test can kill a service as kill -9 does.
const serveEnv = "STRIKEVOTE_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveEnv); dir != "" {
		if err := serveFolder(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func serveFolder(dir string) error {
	ctx := context.Background()
	d, err := deployment.Open(ctx, deployment.Config{Data: dir, Mail: filepath.Join(dir, "mail"), Pace: pace})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return d.Serve(ctx)
}

// run runs a small demo and returns its report and the folder of its record.
func run(t *testing.T, o Options) (*audit.Report, string) {
	t.Helper()
	if o.Out == "" {
		o.Out = filepath.Join(t.TempDir(), "record")
	}
	o.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Verified {
		var b bytes.Buffer
		_ = report.WriteText(&b)
		t.Fatalf("the record does not hold:\n%s", &b)
	}
	return report, o.Out
}

// TestElection runs the whole life of an election twice from one seed: the
// result is the seed's, and everything drawn by the people in it is not.
func TestElection(t *testing.T) {
	t.Parallel()
	first, dir := run(t, Options{Members: 90, Seed: 7})
	if first.Stage != "certified" || first.Ballots != 63 || first.Entitled != 90 || first.Issued != 63 {
		t.Errorf("got stage %s, %d ballots, %d entitled, %d issued", first.Stage, first.Ballots, first.Entitled, first.Issued)
	}
	second, _ := run(t, Options{Members: 90, Seed: 7})
	a, _ := json.Marshal(first.Sets)
	b, _ := json.Marshal(second.Sets)
	if !bytes.Equal(a, b) || first.Outcome != second.Outcome {
		t.Errorf("one seed gave %s and %s", a, b)
	}
	if first.MID == second.MID {
		t.Error("two elections share a manifest")
	}
	searchRecord(t, dir)
}

// searchRecord looks for what must never be published: names, addresses,
// member numbers.
func searchRecord(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, canary := range []string{"mail.example", memberNumber(0), memberNumber(5), "Alder Bay", "/v1/#t="} {
			if bytes.Contains(body, []byte(canary)) {
				t.Errorf("%s holds %q", path, canary)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRollFile runs an election on a messy but sound roll file.
func TestRollFile(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("Campus;E-MAIL;Name ;bargaining unit;Employee id;Notes\r\n")
	for i := range 60 {
		fmt.Fprintf(&b, "\"Elm\r\nHarbor\"; Person%d@Mail.Example ;M\u00fcller, Ana %d;%s;%s;\r\n", i, i, []string{"hx", "RX"}[i%2], memberNumber(i))
	}
	latin := []byte(strings.ReplaceAll(b.String(), "\u00fc", "\xfc")) // Windows-1252
	report, _ := run(t, Options{Roll: latin, Turnout: 0.8})
	if report.Entitled != 60 || report.Ballots != 48 {
		t.Errorf("got %d entitled, %d ballots", report.Entitled, report.Ballots)
	}
}

// TestFaultyRoll shows that nothing is started on a roll with a fault.
func TestFaultyRoll(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, err := Run(t.Context(), Options{Roll: []byte("Member number,Name,Email,Unit\n1,Ana,not an address,HX\n"), Data: filepath.Join(data, "demo")})
	if err == nil {
		t.Fatal("the roll was accepted")
	}
	if _, serr := os.Stat(filepath.Join(data, "demo")); serr == nil {
		t.Error("something was started for a roll that cannot be imported")
	}
}
