package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strikevote/internal/demo"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	to := func(n int) (list []time.Duration) {
		for i := range n {
			list = append(list, time.Duration(i+1))
		}
		return list
	}
	for _, tt := range []struct {
		values        []time.Duration
		p50, p95, p99 time.Duration
	}{
		{nil, 0, 0, 0},
		{to(1), 1, 1, 1},
		{to(2), 1, 2, 2},
		{to(20), 10, 19, 20},
		{to(21), 11, 20, 21},
		{to(100), 50, 95, 99},
		{to(101), 51, 96, 100},
		{to(1000), 500, 950, 990},
		{[]time.Duration{7, 7, 7, 9}, 7, 9, 9},
	} {
		for p, want := range map[int]time.Duration{50: tt.p50, 95: tt.p95, 99: tt.p99} {
			if got := percentile(tt.values, p); got != want {
				t.Errorf("p%d of %d values: got %d, want %d", p, len(tt.values), got, want)
			}
		}
		// What the number means, said the other way around.
		for p := 1; p <= 100 && len(tt.values) > 0; p++ {
			v, within := percentile(tt.values, p), 0
			for _, x := range tt.values {
				if x <= v {
					within++
				}
			}
			if within*100 < p*len(tt.values) {
				t.Errorf("p%d of %d values is %d, and only %d are within", p, len(tt.values), v, within)
			}
		}
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	v := &demo.Votes{
		Took: []time.Duration{1234567, 2 * time.Millisecond, 3 * time.Millisecond}, Seconds: 1.5,
		Errors: map[string]int{"a": 2, "b": 1},
	}
	f := newFigures(v, 4, cpuTime{voters: 12 * time.Millisecond, service: 6 * time.Millisecond, databases: 3 * time.Millisecond}, 1<<20)
	var out bytes.Buffer
	if err := f.print(&out, true); err != nil {
		t.Fatal(err)
	}
	const want = `{"voters":6,"seconds":1.5,"voters_per_second":2,"p50_ms":2,"p95_ms":3,"p99_ms":3,"server_rss_bytes":1048576,"errors":3}` + "\n"
	if out.String() != want {
		t.Errorf("got %s", &out)
	}
	out.Reset()
	if err := f.print(&out, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"6, 4 at once, in 1.5 s", "3.50 ms: voter's program 2.00, serve 1.00, databases 0.50", "1 MB", "errors              3\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	// Nobody voted, and nothing is divided by it.
	if got := newFigures(&demo.Votes{}, 1, cpuTime{}, 0); got.PerSecond != 0 || got.P99 != 0 || got.Voters != 0 {
		t.Errorf("got %+v of nobody", got)
	}
}

// A benched service is one that bench is pointed at.
type benched struct {
	person
	url, mail string
}

func (b benched) bench(want int, args ...string) string {
	b.t.Helper()
	return b.command(want, "", append([]string{"bench", "-url", b.url, "-mail", b.mail, "-concurrency", "2"}, args...)...)
}

// TestBenchOfService points bench at a service that runs already, while voting
// is open and after it.
func TestBenchOfService(t *testing.T) {
	t.Parallel()
	data, err := os.MkdirTemp("", "strikevote-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	b := benched{person: person{t}, mail: t.TempDir()}
	var record string
	_, err = demo.Run(t.Context(), demo.Options{
		Members: 40, Turnout: 0.1, Data: data, Out: filepath.Join(t.TempDir(), "record"),
		Serve: func(_ context.Context, w *demo.World) error {
			record = w.Origins().Board + "/" + w.Election().String()
			b.url = w.Origins().Booth
			for _, path := range w.Unused()[:6] {
				copyFile(t, path, b.mail)
			}
			benchOpen(b, record)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := startService(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.bench(exitFailed); !strings.Contains(got, "voting is not open: the election is locked") {
		t.Errorf("after the end: %s", got)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func copyFile(t *testing.T, path, dir string) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, filepath.Base(path)), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// benchOpen is bench while voting is open, on six links.
func benchOpen(b benched, record string) {
	b.t.Helper()
	var out bytes.Buffer
	e := &env{in: strings.NewReader(""), out: &out, err: io.Discard, getenv: func(string) string { return "" }}
	if code := run(b.t.Context(), e, []string{"bench", "-url", b.url + "/v1/", "-mail", b.mail, "-voters", "4", "-json"}); code != exitOK {
		b.t.Fatalf("exit %d: %s", code, &out)
	}
	var f figures
	dec := json.NewDecoder(&out)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil || f.Voters != 4 || f.Errors != 0 || f.Memory != 0 || f.P50 <= 0 || f.PerSecond <= 0 {
		b.t.Errorf("got %+v, %v", f, err)
	}
	onRecord := b
	onRecord.url = record
	got := onRecord.bench(exitFailed)
	for _, want := range []string{"4 voters: a ballot was issued for this link before", "4 of 6 voters did not end with a valid promise", "errors              4"} {
		if !strings.Contains(got, want) {
			b.t.Errorf("links that were used: %q is not in\n%s", want, got)
		}
	}
	for _, secret := range append(links(b.t, b.mail), "#t=", "mail.example", "127.0.0.1") {
		if strings.Contains(got, secret) {
			b.t.Errorf("a link or an address is shown:\n%s", got)
		}
	}
	benchRefusals(b, record)
}

// benchRefusals hands bench what it cannot use.
func benchRefusals(b benched, record string) {
	b.t.Helper()
	refused := func(what string, b benched, want string, args ...string) {
		b.t.Helper()
		if got := b.bench(exitFailed, args...); !strings.Contains(got, want) || strings.Contains(got, "#t=") {
			b.t.Errorf("%s: got %s", what, got)
		}
	}
	refused("more voters than mails", b, "7 voters need a link each, and the mails hold 6", "-voters", "7")
	elsewhere := b
	elsewhere.url = record[:strings.LastIndexByte(record, '/')] + "/" + strings.Repeat("0", len(suite.ElectionID{}.String()))
	refused("the record of another election", elsewhere, "are of another election than the one at the address")
	elsewhere.url = "http://127.0.0.1:1"
	refused("nothing listens", elsewhere, "the service cannot be reached: connection refused")

	link := links(b.t, b.mail)[0]
	booth, tok, _, _, err := token.ParseLink(link)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, tt := range []struct{ what, link, want string }{
		{"a damaged link", link[:len(link)-4], "a link in the mails is damaged"},
		{"a link of another election", token.Link(booth, tok, suite.MID{1}), "links of more than one election"},
	} {
		mixed := b
		mixed.mail = b.t.TempDir()
		for i, l := range []string{link, tt.link} {
			writeMail(b.t, mixed.mail, i, l)
		}
		refused(tt.what, mixed, tt.want)
	}
	alone := b
	alone.mail = b.t.TempDir()
	writeMail(b.t, alone.mail, 0, token.Link(booth, tok, suite.MID{1}))
	refused("only links of another election", alone, "another election than your link names")
}

func writeMail(t *testing.T, dir string, i int, link string) {
	t.Helper()
	text := fmt.Sprintf("From: a@union.example\nTo: b%d@mail.example\nContent-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/plain\n\n%s\n--x--\n", i, link)
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.eml", i)), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLastLine(t *testing.T) {
	t.Parallel()
	var l lastLine
	for _, text := range []string{"first\n", "strikevote serve: the ", "port is", " taken\n"} {
		if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
	if got := l.String(); got != "the port is taken" {
		t.Errorf("got %q", got)
	}
	_, _ = l.Write(bytes.Repeat([]byte("x"), 5*maxLine))
	if got := l.String(); len(got) > maxLine {
		t.Errorf("%d bytes are kept", len(got))
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	got := withoutSettings([]string{"PATH=/bin", "STRIKEVOTE_BOX_DATABASE_URL" + "=postgres://a/", "HOME=/"})
	if strings.Join(got, " ") != "PATH=/bin HOME=/" {
		t.Errorf("got %v", got)
	}
}
