package deployment

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strikevote/internal/platform/host"
	"strikevote/internal/platform/metrics"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// healthy is a machine with nothing to complain about.
func healthy() Machine {
	return Machine{
		Disk: func(string) (host.Disk, error) {
			return host.Disk{Size: 100 << 30, Free: 50 << 30, Files: 1000, FreeFiles: 900}, nil
		},
		CoreLimit:    func() (uint64, error) { return 0, nil },
		OpenFiles:    func() (uint64, error) { return 65536, nil },
		Swaps:        func() ([]string, error) { return nil, nil },
		Synchronized: func() (bool, error) { return true, nil },
	}
}

// found returns the findings of one check, as "STATE says; do".
func found(findings []Finding, check string) string {
	var list []string
	for _, f := range findings {
		if f.Check == check {
			list = append(list, fmt.Sprintf("%s %s; %s", f.State, f.Says, f.Do))
		}
	}
	return strings.Join(list, "\n")
}

func newExamination(c Checkup) *examination {
	c.Now = time.Now
	if c.Client == nil {
		c.Client = http.DefaultClient
	}
	if len(c.Parts) == 0 {
		c.Parts = Parts()
	}
	return &examination{Checkup: c, sealed: make(map[suite.ElectionID]bool), pages: make(map[suite.ElectionID]*election.Client), d: &Deployment{c: c.Config}}
}

// TestDoctorMachine breaks everything about a machine.
func TestDoctorMachine(t *testing.T) {
	t.Parallel()
	disk := func(d host.Disk) func(*Machine) {
		return func(m *Machine) { m.Disk = func(string) (host.Disk, error) { return d, nil } }
	}
	for _, tt := range []struct {
		name, check, want string
		broken            func(*Machine)
	}{
		{"full", "disk of the data", "FAIL", disk(host.Disk{Size: 1 << 40, Free: 9 << 30})},
		{"few bytes", "disk of the data", "FAIL", disk(host.Disk{Size: 1 << 30, Free: 63 << 20})},
		{"no files", "disk of the data", "FAIL", disk(host.Disk{Size: 1 << 40, Free: 1 << 39, Files: 1000, FreeFiles: 9})},
		{"filling", "disk of the data", "WARN", disk(host.Disk{Size: 1 << 40, Free: 1 << 36})},
		{"few files", "disk of the data", "WARN", disk(host.Disk{Size: 1 << 40, Free: 1 << 39, Files: 1000, FreeFiles: 99})},
		{"no fixed number of files", "disk of the data", "ok", disk(host.Disk{Size: 1 << 40, Free: 1 << 39})},
		{"no disk", "disk of the data", "WARN it cannot be found out", func(m *Machine) {
			m.Disk = func(string) (host.Disk, error) { return host.Disk{}, host.ErrUnknown }
		}},
		{"core dumps", "core dumps", "WARN", func(m *Machine) { m.CoreLimit = func() (uint64, error) { return math.MaxUint64, nil } }},
		{"swap", "swap", "WARN keys in memory may be written to /swap", func(m *Machine) { m.Swaps = func() ([]string, error) { return []string{"/swap"}, nil } }},
		{"few open files", "open files", "FAIL", func(m *Machine) { m.OpenFiles = func() (uint64, error) { return 256, nil } }},
		{"some open files", "open files", "WARN", func(m *Machine) { m.OpenFiles = func() (uint64, error) { return 1024, nil } }},
		{"clock", "clock", "WARN nothing keeps", func(m *Machine) { m.Synchronized = func() (bool, error) { return false, nil } }},
		{"unknown clock", "clock", "WARN it cannot be found out", func(m *Machine) { m.Synchronized = func() (bool, error) { return false, errors.New("x") } }},
	} {
		m := healthy()
		tt.broken(&m)
		x := newExamination(Checkup{Config: Config{Data: t.TempDir()}, Machine: m})
		x.machine()
		if got := found(x.findings, tt.check); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q", tt.name, got)
		}
	}
	for mail, looked := range map[string]bool{
		"/elsewhere": true, "/srv/data-mail": true, "/srv": true, "/srv/data/../mail": true,
		"/srv/data/mail": false, "/srv/data": false, "": false,
	} {
		x := newExamination(Checkup{Config: Config{Data: "/srv/data/", Mail: mail}, Machine: healthy()})
		x.machine()
		for _, f := range x.findings {
			if f.State != StateOK {
				t.Errorf("a healthy machine: %+v", f)
			}
		}
		if got := found(x.findings, "disk of the mails"); (got != "") != looked {
			t.Errorf("mails in %q: got %q", mail, got)
		}
	}
}

func TestDiskCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		disk host.Disk
		err  error
		ok   bool
	}{
		{"fine", host.Disk{Size: 1 << 40, Free: 1 << 35}, nil, true},
		{"nearly full", host.Disk{Size: 1 << 40, Free: 1<<40/100 - 1}, nil, false},
		{"small", host.Disk{Size: 1 << 27, Free: 1<<26 - 1}, nil, false},
		{"gone", host.Disk{}, errors.New("x"), false},
		{"unknown", host.Disk{}, host.ErrUnknown, true},
	} {
		err := diskCheck("/x", func(string) (host.Disk, error) { return tt.disk, tt.err })(t.Context())
		if (err == nil) != tt.ok {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	var check metrics.Check = DiskCheck(filepath.Join(t.TempDir(), "none"))
	if check(t.Context()) == nil {
		t.Error("a folder that is not there has room")
	}
}

// TestDoctorFolders lets others in, everywhere.
func TestDoctorFolders(t *testing.T) {
	t.Parallel()
	check := func(data string) string {
		x := newExamination(Checkup{Config: Config{Data: data, Mail: filepath.Join(data, "mail")}})
		x.folders()
		return found(x.findings, "permissions")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	empty := t.TempDir()
	must(os.Chmod(empty, 0o711))
	if got := check(empty); !strings.HasPrefix(got, "ok") {
		t.Errorf("an empty folder: %s", got)
	}
	data, _, _ := unsealed(t)
	must(os.Chmod(data, 0o711))
	must(os.Mkdir(filepath.Join(data, "mail"), 0o700))
	must(os.WriteFile(filepath.Join(data, "listen.json"), []byte("{}"), 0o600))
	if got := check(data); !strings.HasPrefix(got, "ok") {
		t.Errorf("got %s", got)
	}
	for path, mode := range map[string]os.FileMode{
		".": 0o731, "mail": 0o750, "listen.json": 0o644, "keys": 0o711, "keys/0011/box": 0o701, "keys/0011/box/pending.key": 0o640, "keys/0011/registrar/roll.key": 0o604,
	} {
		path = filepath.Join(data, path)
		info, err := os.Stat(path)
		must(err)
		must(os.Chmod(path, mode))
		if got := check(data); !strings.HasPrefix(got, "FAIL") || !strings.Contains(got, path) || !strings.Contains(got, "chmod") {
			t.Errorf("%s is %v: got %q", path, mode, got)
		}
		must(os.Chmod(path, info.Mode().Perm()))
	}
	must(os.Chmod(data, 0o755))
	if got := check(data); !strings.HasPrefix(got, "WARN others may see") {
		t.Errorf("got %s", got)
	}
	if os.Geteuid() == 0 {
		must(os.Lchown(filepath.Join(data, "keys/0011/box/pending.key"), 12345, -1))
		if got := check(data); !strings.Contains(got, "another account") {
			t.Errorf("got %s", got)
		}
	}
}

// TestDoctorKeys has every kind of key file that the service would refuse.
func TestDoctorKeys(t *testing.T) {
	t.Parallel()
	data, plain, _ := unsealed(t)
	check := func(c Config) string {
		x := newExamination(Checkup{Config: c})
		x.master()
		x.keyFiles()
		return found(x.findings, "master key") + "\n" + found(x.findings, "key files")
	}
	for _, tt := range []struct {
		name   string
		c      Config
		before func() error
		want   []string
	}{
		{"plain", Config{}, nil, []string{"WARN there is none", "ok 4 files"}},
		{"plain, with a master key", Config{Master: masterKey(1)}, nil, []string{"ok it is there", "FAIL 0011/box/pending.key: a key file is not sealed", "keys seal"}},
		{"sealed", Config{Master: masterKey(1)}, func() error { return SealKeys(data, masterKey(1), nil, true, quietly) }, []string{"ok it is there", "ok 4 files"}},
		{"another master key", Config{Master: masterKey(2)}, nil, []string{"FAIL 0011/mailer/token.key: it was sealed under another master key"}},
		{"no master key", Config{}, nil, []string{"FAIL 0011/registrar/roll.key: the key files are sealed, and no master key"}},
		{"a leftover", Config{Master: masterKey(1)}, func() error {
			return os.WriteFile(filepath.Join(plain.dir, "box", unfinished+"7"), nil, 0o600)
		}, []string{"WARN 0011/box/new-7 was left", "keys seal"}},
		{"a stranger", Config{Master: masterKey(1)}, func() error {
			return os.WriteFile(filepath.Join(plain.dir, "box", "notes"), nil, 0o600)
		}, []string{"FAIL 0011/box/notes: it is no key file"}},
		{"too high", Config{Master: masterKey(1)}, func() error {
			return os.WriteFile(filepath.Join(plain.dir, "notes"), nil, 0o600)
		}, []string{"does not belong in a folder of keys"}},
	} {
		if tt.before != nil {
			if err := tt.before(); err != nil {
				t.Fatal(err)
			}
		}
		tt.c.Data = data
		got := check(tt.c)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: got %s, want %s", tt.name, got, want)
			}
		}
	}
}

// TestDoctorWeb asks servers that are wrong in every way.
func TestDoctorWeb(t *testing.T) {
	t.Parallel()
	booth := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	for _, tt := range []struct {
		name, check, want string
		h                 http.HandlerFunc
	}{
		{"right", "origin of the booth", "ok", booth},
		{"something else", "origin of the booth", "FAIL", func(http.ResponseWriter, *http.Request) {}},
		{"an error", "origin of the booth", "FAIL", http.NotFound},
		{"a clock that is late", "clock", "FAIL", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat))
			booth(w, r)
		}},
		{"a clock that is early", "clock", "FAIL", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(10*time.Second).UTC().Format(http.TimeFormat))
			booth(w, r)
		}},
		{"a clock that is right", "clock", "", booth},
		{"cut off", "origin of the booth", "FAIL", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		s := httptest.NewServer(tt.h)
		x := newExamination(Checkup{Client: s.Client()})
		x.ask(t.Context(), "origin of the booth", s.URL, PartBooth)
		s.Close()
		if got := found(x.findings, tt.check); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: got %q", tt.name, got)
		}
	}
	data := t.TempDir()
	held, err := holdShared(data)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.release() }()
	for _, tt := range []struct{ name, check, ready, metrics, want string }{
		{"another folder's", "serve", "ready", "", "WARN it does not run on this data folder"},
		{"ready", "serve", "ready", "process_open_fds 20\nprocess_max_fds 65536\n", "ok"},
		{"not ready", "serve", "503", "", "FAIL not ready: disk, not ready: clock"},
		{"somebody else", "serve", "404", "", "FAIL /readyz answers 404"},
		{"open files", "open files of serve", "ready", "process_open_fds 20\nprocess_max_fds 65536\n", "ok 20 of 65536"},
		{"too many", "open files of serve", "ready", "process_open_fds 900\nprocess_max_fds 1.024e+03\n", "FAIL 900 of 1024"},
		{"too few", "open files of serve", "ready", "process_open_fds 20\nprocess_max_fds 256\n", "FAIL at most 256"},
		{"not told", "open files of serve", "ready", "", "WARN"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/metrics":
				_, _ = io.WriteString(w, tt.metrics)
			case tt.ready == "503":
				w.WriteHeader(503)
				_, _ = io.WriteString(w, "not ready: disk\nnot ready: clock\n")
			case tt.ready == "404":
				w.WriteHeader(404)
			}
		}))
		x := newExamination(Checkup{Client: s.Client(), Config: Config{Data: data}})
		if tt.name == "another folder's" {
			x.Data = t.TempDir()
		}
		x.service(t.Context(), strings.TrimPrefix(s.URL, "http://"))
		s.Close()
		if got := found(x.findings, tt.check); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q", tt.name, got)
		}
	}
}

// TestDoctorCertificate has certificates that end soon or are for others.
func TestDoctorCertificate(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(left time.Duration, hosts ...string) string {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: hosts, NotAfter: time.Now().Add(left)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "cert.pem")
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const day = 24 * time.Hour
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, file, want string }{
		{"none", "", ""},
		{"good", issue(60*day, "vote.example", "box.example"), "ok it ends"},
		{"any of a name", issue(60*day, "*.example"), "ok it ends"},
		{"soon", issue(13*day, "vote.example", "box.example"), "WARN its certificate ends"},
		{"now", issue(2*day, "vote.example", "box.example"), "FAIL its certificate ends"},
		{"over", issue(-day, "vote.example", "box.example"), "FAIL its certificate ends"},
		{"for one", issue(60*day, "vote.example"), "FAIL it is not for box.example"},
		{"not there", filepath.Join(t.TempDir(), "none"), "FAIL"},
		{"broken", broken, "FAIL"},
	} {
		x := newExamination(Checkup{CertFile: tt.file})
		x.certificate("https://vote.example", "", "https://box.example:8443", "http://127.0.0.1:1", "")
		if got := found(x.findings, "certificate file"); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: got %q", tt.name, got)
		}
	}
	// One that a server shows.
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") }))
	defer s.Close()
	x := newExamination(Checkup{Client: s.Client()})
	x.Now = func() time.Time { return s.Certificate().NotAfter.Add(-day) }
	x.ask(context.Background(), "origin of the booth", s.URL, PartBooth)
	if got := found(x.findings, "origin of the booth"); !strings.HasPrefix(got, "FAIL its certificate ends") {
		t.Errorf("got %q", got)
	}
	x = newExamination(Checkup{}) // trusts no such server
	x.ask(context.Background(), "origin of the booth", s.URL, PartBooth)
	if got := found(x.findings, "origin of the booth"); !strings.HasPrefix(got, "FAIL") || !strings.Contains(got, "certificate") {
		t.Errorf("got %q", got)
	}
}
