package deployment

import (
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"strikevote/internal/platform/postgres/cluster"
	"strikevote/internal/protocol/election"
)

// TestPrivate runs the service on servers of its own, which it starts and stops:
// a restart finds the same ports and elections, a second service on the same
// folder is refused, and when a server dies the service ends and says so.
func TestPrivate(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := Config{Data: filepath.Join(dir, "data"), Mail: filepath.Join(dir, "mail"), Pace: time.Hour}
	open := func() *Deployment {
		t.Helper()
		d, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	closed := func(d *Deployment) {
		t.Helper()
		for range 2 {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	create := func(d *Deployment, number byte) election.Manifest {
		t.Helper()
		draft := election.Manifest{Tellers: election.Tellers{N: 1, T: 1, Names: []string{"Teller"}}, Title: []string{"A vote"}, Origins: d.Origins()}
		draft.ElectionID[0] = number
		if _, err := d.Create(t.Context(), &draft); err != nil {
			t.Fatal(err)
		}
		return draft
	}

	d := open()
	origins, admin := d.Origins(), d.AdminAddress()
	first := create(d, 1)
	second, err := Open(t.Context(), c)
	if second != nil || !errors.Is(err, syscall.EADDRINUSE) || !errors.Is(err, ErrServed) {
		t.Errorf("a second service on the same folder and addresses: %v", err)
	}
	// On other addresses it shares the databases, and an operator's command has no
	// address at all.
	elsewhere := c
	elsewhere.Listen = make(map[string]string)
	for _, name := range ListenerNames() {
		elsewhere.Listen[name] = "127.0.0.1:0"
	}
	for what, open := range map[string]func() (*Deployment, error){
		"a second service": func() (*Deployment, error) { return Open(t.Context(), elsewhere) },
		"an operator":      func() (*Deployment, error) { return Operate(t.Context(), c) },
	} {
		other, err := open()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if _, err := other.committee.Draft(t.Context(), first.ElectionID); err != nil {
			t.Errorf("%s does not see the election: %v", what, err)
		}
		if what == "an operator" && other.Origins() != origins {
			t.Errorf("an operator's addresses are %v", other.Origins())
		}
		closed(other)
	}
	if err := Migrate(t.Context(), c, func(string, ...any) {}); !errors.Is(err, cluster.ErrInUse) {
		t.Errorf("migrated under a running service: %v", err)
	}
	if _, err := d.committee.Draft(t.Context(), first.ElectionID); err != nil {
		t.Errorf("the first service was disturbed: %v", err)
	}
	closed(d)

	d = open()
	if d.Origins() != origins || d.AdminAddress() != admin {
		t.Errorf("after a restart the addresses are %v", d.Origins())
	}
	end := serve(d)
	last := create(d, 2)
	// What was acknowledged a moment ago is to survive this.
	if err := syscall.Kill(d.servers.private[sideRegistrar].PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-d.servers.private[sideRegistrar].Done()
	// The service ends by itself; the listener that refuses shows it.
	for {
		conn, err := net.Dial("tcp", admin)
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	if err := end(); err == nil || !strings.Contains(err.Error(), "the database of the registrar stopped by itself") {
		t.Errorf("got %v", err)
	}
	closed(d)

	d = open()
	ids, err := d.committee.Elections(t.Context())
	if err != nil || len(ids) != 2 {
		t.Errorf("%d elections are there, %v", len(ids), err)
	}
	for _, want := range []election.Manifest{first, last} {
		if got, err := d.committee.Draft(t.Context(), want.ElectionID); err != nil || got.Origins != origins {
			t.Errorf("an election is gone: %v", err)
		}
	}
	closed(d)

	// A note of the addresses that cannot be read is not guessed at.
	if err := os.WriteFile(filepath.Join(c.Data, "listen.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := &Deployment{c: c}
	if err := bad.listen(); err == nil || !strings.Contains(err.Error(), "listen.json") {
		t.Errorf("got %v", err)
	}
}

// TestListen opens listeners without the rest.
func TestListen(t *testing.T) {
	t.Parallel()
	listen := func(c Config) (*Deployment, error) {
		c.Parts = Parts()
		d := &Deployment{c: c}
		err := d.listen()
		t.Cleanup(func() {
			for _, l := range d.listeners {
				_ = l.Close()
			}
		})
		return d, err
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, addr := range map[string]string{
		"everybody": ":0", "everybody, by number": "0.0.0.0:0", "a name": "example.org:80", "no port": "127.0.0.1",
		"taken": taken.Addr().String(), "nothing": "?",
	} {
		_, err := listen(Config{Data: t.TempDir(), Listen: map[string]string{listenBox: addr}})
		if err == nil || !strings.Contains(err.Error(), "box") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	c := Config{Data: t.TempDir(), Origins: election.Origins{Booth: "https://vote.example"}}
	d, err := listen(c)
	if err != nil {
		t.Fatal(err)
	}
	if o := d.Origins(); o.Booth != "https://vote.example" || o.Box != "http://"+d.listeners[listenBox].Addr().String() {
		t.Errorf("got %v", o)
	}
	seen := make(map[string]bool)
	for _, l := range d.listeners {
		seen[l.Addr().String()] = true
		_ = l.Close()
	}
	if len(seen) != len(d.listenerNames()) {
		t.Errorf("%d addresses", len(seen))
	}
	again, err := listen(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range again.listeners {
		delete(seen, l.Addr().String())
	}
	if len(seen) > 0 {
		t.Errorf("after a restart these are others: %v", maps.Keys(seen))
	}
	if files, err := os.ReadDir(c.Data); err != nil || len(files) != 2 {
		t.Errorf("%d files, %v", len(files), err)
	}
}

// TestServing lets processes of one folder serve parts of it. An operator's command
// has all of them, and leaves alone what has gone elsewhere.
func TestServing(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	serve := func(parts ...Part) (*Deployment, func()) {
		t.Helper()
		d := &Deployment{c: Config{Data: data, Parts: parts, Listen: map[string]string{listenAdmin: "127.0.0.1:0"}}}
		if err := d.listen(); err != nil {
			t.Fatal(err)
		}
		end := func() {
			for _, l := range d.listeners {
				_ = l.Close()
			}
		}
		t.Cleanup(end)
		return d, end
	}
	operator := func() *Deployment {
		t.Helper()
		d := &Deployment{c: Config{Data: data}}
		if err := d.readServing(); err != nil {
			t.Fatal(err)
		}
		return d
	}
	names, endNames := serve(PartRegistrar, PartConsole, PartBooth)
	box, endBox := serve(PartBox)
	board, _ := serve(PartBoard)
	d := operator()
	if len(d.c.Parts) != len(Parts()) || !d.names() || !d.votes() {
		t.Errorf("with three processes an operator has %v", d.c.Parts)
	}
	want := election.Origins{Booth: names.origins.Booth, Registrar: names.origins.Registrar, Console: names.origins.Console,
		Box: box.origins.Box, Board: board.origins.Board}
	if d.origins != want {
		t.Errorf("an operator's addresses are %v, want %v", d.origins, want)
	}
	// A second process of the same parts is not told to anybody.
	second := &Deployment{c: Config{Data: data, Parts: []Part{PartBox}, Listen: map[string]string{listenBox: "127.0.0.1:0", listenAdmin: "127.0.0.1:0", listenBallots: "127.0.0.1:0"}}}
	if err := second.listen(); err != nil {
		t.Fatal(err)
	}
	if d := operator(); d.origins != want {
		t.Errorf("with a second box they are %v", d.origins)
	}
	for _, l := range second.listeners {
		_ = l.Close()
	}
	// The service is stopped: what was served stays known, until one starts without it.
	endBox()
	endNames()
	if d := operator(); len(d.c.Parts) != len(Parts()) {
		t.Errorf("after the end an operator has %v", d.c.Parts)
	}
	serve(PartRegistrar, PartConsole, PartBooth)
	if d := operator(); d.votes() || !d.names() {
		t.Errorf("with the box elsewhere an operator has %v", d.c.Parts)
	}
}
