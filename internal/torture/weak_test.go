package torture_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/platform/metrics"
)

// weakEnv names the addresses of a weak service, which this program is then.
const weakEnv = "TORTURE_WEAK"

// malformedControl shoots at a service that has all faults that are looked for, and
// demands that each is found.
func malformedControl(t *testing.T) string {
	t.Helper()
	addr, admin := freeAddress(t), freeAddress(t)
	cmd, log := exec.Command(os.Args[0]), new(lines)
	cmd.Env, cmd.Stderr = append(os.Environ(), weakEnv+"="+addr+" "+admin), log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	if _, err := out.Read(make([]byte, 1)); err != nil { // it listens
		t.Fatal(err, log.text())
	}
	a := &assault{samples: []sample{newSample("weak", "POST", "http://"+addr+"/v1/E/x", "0", "application/json", []byte(`{"a":"b"}`))},
		subjects: []subject{{"weak service", cmd.Process.Pid, admin}}, log: log}
	a.begin(t)
	for i := range 2 {
		a.round(t, i)
	}
	found := a.findings()
	for _, want := range []string{"answers", "panics", "memory", "files", "goroutines"} {
		if !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, want+":") }) {
			t.Errorf("negative control: %s are not found: %q", want, found)
		}
	}
	return "a service that panics, answers 500, leaks memory, files and goroutines: all found"
}

// weak is a service with faults. It never returns.
func weak(addresses string) {
	addr, admin, _ := strings.Cut(addresses, " ")
	log := slog.NewLogLogger(slog.NewTextHandler(os.Stderr, nil), slog.LevelError)
	var mu sync.Mutex
	var kept [][]byte
	var files []*os.File
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := new(bytes.Buffer)
		_, _ = body.ReadFrom(r.Body)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		mu.Lock()
		kept = append(kept, bytes.Repeat([]byte{1}, 200_000))
		f, _ := os.Open(os.DevNull)
		files = append(files, f)
		mu.Unlock()
		go func() { select {} }()
		switch {
		case bytes.Contains(body.Bytes(), []byte{0}):
			panic("a zero byte")
		case body.Len() > 500:
			http.Error(w, "oh", http.StatusInternalServerError)
		}
	})
	l, err := net.Listen("tcp", addr)
	if err != nil {
		os.Exit(1)
	}
	o, err := net.Listen("tcp", admin)
	if err != nil {
		os.Exit(1)
	}
	go func() { _ = http.Serve(o, metrics.Admin{Registry: metrics.NewRegistry()}.Handler()) }()
	_, _ = os.Stdout.WriteString("\n")
	_ = (&http.Server{Handler: h, ErrorLog: log}).Serve(l)
}
