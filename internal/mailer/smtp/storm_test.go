package smtp_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/smtp"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/token"
)

const (
	stormURL   = "SMTP_TEST_URL"
	stormPort  = "SMTP_TEST_PORT"
	stormFiles = "SMTP_TEST_FILES" // the manifest, the authority, when it began
	// haste is how much faster a worker's clock runs, so that what waits for a minute
	// comes again in seconds.
	haste = 30
	// stormLease is 15 seconds of the test's time: far more than a batch takes.
	stormLease = haste * 15 * time.Second
)

// A storm is an election whose invitations leave by a bad mail server.
type storm struct {
	t      testing.TB
	db     *pgtest.DB
	m      *election.Manifest
	raw    []byte
	minter *mailer.Minter
	began  time.Time
}

func newStorm(t testing.TB, members int) *storm {
	t.Helper()
	s := &storm{t: t, db: pgtest.Registrar(t), began: time.Now()}
	var k electiontest.Keys
	s.m, k = electiontest.Manifest(t)
	s.raw, _ = electiontest.Encode(t, s.m)
	s.minter = mailer.NewMinter([32]byte(k.Token.Seed()), [32]byte{7})
	var people, tokens, mails [][]any
	for i := range members {
		people = append(people, []any{1, i, fmt.Sprint("no-", i), "Unit 1", fmt.Sprintf("Canary Nuñez %d", i), address(i), "Davis"})
		tokenID, codeID := s.minter.IDs(s.body(i))
		jti := s.body(i).JTI
		tokens = append(tokens, []any{tokenID[:], codeID[:], jti[:], 1, i})
		id := mailID(i)
		mails = append(mails, []any{id[:], mailer.Invitation, 1, i, time.Unix(electiontest.Open, 0).UTC()})
	}
	for table, rows := range map[string]struct {
		columns string
		rows    [][]any
	}{
		"member": {"group_id roll_index member_no unit name email campus", people},
		"token":  {"token_id code_id jti group_id roll_index", tokens},
		"outbox": {"id kind group_id roll_index not_before", mails},
	} {
		n, err := s.db.Owner.CopyFrom(t.Context(), pgx.Identifier{"registrar", table}, strings.Fields(rows.columns), pgx.CopyFromRows(rows.rows))
		if err != nil || n != int64(members) {
			t.Fatal(n, err)
		}
	}
	// An act has moved the close far away: storms last for days.
	if _, err := s.db.Owner.Exec(context.Background(), `INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, s.m.Schedule.Close+100*86400); err != nil {
		t.Fatal(err)
	}
	return s
}

func address(i int) string { return fmt.Sprintf("canary%d@mail.example", i) }

// mailID is as good as random, and the same in every run.
func mailID(i int) [16]byte {
	sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
	return [16]byte(sum[:16])
}

func (s *storm) body(i int) token.Body {
	return token.Body{Kind: token.KindMember, Election: s.m.ElectionID, Group: 1, Index: uint32(i),
		JTI: token.JTI{9, byte(i), byte(i >> 8)}, Expires: s.m.Schedule.TokenExpires()}
}

func (s *storm) mailer(pool *pgxpool.Pool, sender mailer.Sender, log *slog.Logger) *mailer.Mailer {
	s.t.Helper()
	return s.mailerOf(pool, sender, log, func() time.Time { return time.Unix(electiontest.Open, 0).Add(haste * time.Since(s.began)) })
}

func (s *storm) mailerOf(pool *pgxpool.Pool, sender mailer.Sender, log *slog.Logger, now func() time.Time) *mailer.Mailer {
	s.t.Helper()
	m, err := mailer.New(mailer.Config{Pool: pool, Manifest: s.m, MID: election.MID(s.raw), Minter: s.minter, Senders: []mailer.Sender{sender},
		From: mailer.Address{Name: "Union Ballot", Address: "ballot@union.example"}, Zone: time.UTC, Lease: stormLease, Now: now, Log: log})
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

func (s *storm) rows(query string) map[string]int {
	s.t.Helper()
	rows, err := s.db.Owner.Query(context.Background(), query)
	if err != nil {
		s.t.Fatal(err)
	}
	m := map[string]int{}
	var key string
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&key, &n}, func() error { m[key] = n; return nil }); err != nil {
		s.t.Fatal(err)
	}
	return m
}

// faults are what the server does wrong: to some recipients for ever, to others the
// first time, and to connections now and then.
type faults struct {
	mu    sync.Mutex
	tried map[string]int // by recipient and step
	kept  map[int]int    // letters, by member
	links map[int]map[string]bool
	lost  int // taken, and the answer lost
	bad   int // letters that could not be read
}

// first counts how often something happened, from 1.
func (f *faults) first(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried[what]++
	return f.tried[what]
}

func member(to string) int {
	local, _, _ := strings.Cut(strings.TrimPrefix(to, "canary"), "@")
	n, err := strconv.Atoi(local)
	if err != nil {
		return -1
	}
	return n
}

// refused says which members are refused for good, and why.
func refused(i int) mailer.Reason {
	switch i % 50 {
	case 10:
		return mailer.ReasonAddress
	case 11:
		return mailer.ReasonFull
	case 12:
		return mailer.ReasonPolicy
	}
	return mailer.ReasonNone
}

func (f *faults) post() *post {
	return &post{
		accept: func(n int) error {
			switch {
			case n%17 == 0:
				return errDrop
			case n%23 == 0:
				return fmt.Errorf("421 4.7.0 too many connections")
			}
			return nil
		},
		mail: func(from string) error {
			if strings.HasPrefix(from, "bounce+7") && f.first("mail "+from) == 1 {
				return errDrop
			}
			return nil
		},
		rcpt: f.rcpt,
		begin: func(l letter) error {
			if member(l.to)%50 == 20 && f.first("begin "+l.to) == 1 {
				return errDrop
			}
			return nil
		},
		end: f.end,
	}
}

func (f *faults) rcpt(_, to string) error {
	i := member(to)
	switch n := f.first("rcpt " + to); {
	case refused(i) == mailer.ReasonAddress:
		return says(550, 5, 1, 1, "<"+to+">: no such user")
	case refused(i) == mailer.ReasonFull:
		return says(552, 5, 2, 2, "<"+to+"> is over quota")
	case i%50 == 13 && n == 1:
		return says(451, 4, 7, 1, "<"+to+">: Greylisted, try again later")
	case i%50 == 14 && n <= 2:
		return says(450, 4, 2, 1, "<"+to+">: try again later")
	case i%50 == 15 && n == 1:
		return errDrop
	case i%700 == 16 && n == 1:
		return says(421, 4, 7, 0, "busy")
	case i%100 == 17 && n == 1:
		slow(50 * time.Millisecond)
	}
	return nil
}

// slow answers late.
func slow(d time.Duration) { <-time.NewTimer(d).C }

func (f *faults) end(l letter) (bool, error) {
	i := member(l.to)
	n := f.first("end " + l.to)
	switch {
	case refused(i) == mailer.ReasonPolicy:
		return false, says(554, 5, 7, 1, "<"+l.to+"> does not want this")
	case i%50 == 21 && n == 1: // it was not taken, and who sent it cannot know
		return false, errDrop
	case i%50 == 22 && n == 1:
		return false, says(452, 4, 2, 2, "<"+l.to+"> is full for now")
	}
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(l.body)))
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.bad++
	}
	if f.kept[i]++; f.links[i] == nil {
		f.links[i] = map[string]bool{}
	}
	for word := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return strings.ContainsRune(" \r\n\"<>", r) }) {
		if strings.Contains(word, "/v1/#t=") {
			f.links[i][strings.ReplaceAll(word, "&amp;", "&")] = true
		}
	}
	if i%50 == 23 && n == 1 { // it was taken, and who sent it cannot know
		f.lost++
		return false, errDrop
	}
	return false, nil // counted here; a post need not keep them
}

func (f *faults) letters() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, k := range f.kept {
		n += k
	}
	return n
}

// TestStorm sends an election's invitations over a server that fails in every way, with
// workers that are killed: nobody is left out, nobody has two links, and few get a
// second mail. MAIL_LONG=1 does so with as many as there are.
func TestStorm(t *testing.T) {
	t.Parallel()
	if url := os.Getenv(stormURL); url != "" {
		work(t, url)
		return
	}
	members, kills := 1500, 5
	if os.Getenv("MAIL_LONG") == "1" {
		members, kills = 22_000, 50
	}
	s := newStorm(t, members)
	a := newAuthority(t)
	f := &faults{tried: map[string]int{}, kept: map[int]int{}, links: map[int]map[string]bool{}}
	p := f.post().start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	dir := t.TempDir()
	for name, b := range map[string][]byte{"manifest": s.raw, "authority": a.pem, "began": []byte(strconv.FormatInt(s.began.UnixNano(), 10))} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	workers := newWorkers(t, s, p.port, dir)
	for k := range kills {
		want := (k + 1) * members * 8 / 10 / kills
		wait(t, fmt.Sprint("letters before kill ", k), func() bool { return f.letters() >= want })
		workers.kill(k % 2)
	}
	killed := time.Since(began)
	sent := f.letters()
	wait(t, "all mails are settled", func() bool {
		states := s.rows(`SELECT state::text, count(*)::int FROM registrar.outbox GROUP BY 1`)
		return states["queued"]+states["leased"] == 0
	})
	workers.end()
	p.stop() // nobody counts any more
	p.mu.Lock()
	defer p.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Logf("%d letters until the last of %d kills, %.0f a second; all %d settled after %.1f s over %d connections; %d answers lost", sent, kills,
		float64(sent)/killed.Seconds(), members, time.Since(began).Seconds(), p.connections, f.lost)
	f.check(t, s, members, kills)
	s.canary(workers.output())
}

// check looks at what arrived, and at what the outbox says.
func (f *faults) check(t *testing.T, s *storm, members, kills int) {
	t.Helper()
	skipped, twice, wrong := 0, 0, 0
	want := map[string]int{}
	for i := range members {
		if r := refused(i); r != mailer.ReasonNone {
			want["failed "+string(r)]++
			if f.kept[i] > 0 {
				t.Errorf("member %d was refused and has a mail", i)
			}
			continue
		}
		want["sent "]++
		if f.kept[i] == 0 {
			skipped++
			continue
		}
		twice += f.kept[i] - 1
		tok, _ := s.minter.Mint(s.body(i))
		if !f.links[i][token.Link(s.m.Origins.Booth, tok, election.MID(s.raw))] || len(f.links[i]) != 1 {
			wrong++
		}
	}
	got := s.rows(`SELECT state || ' ' || COALESCE(reason, ''), count(*)::int FROM registrar.outbox GROUP BY 1`)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the outbox says %v, want %v", got, want)
	}
	t.Logf("%d members, %d skipped, %d with other links, %d letters twice", members, skipped, wrong, twice)
	if skipped > 0 || wrong > 0 || f.bad > 0 {
		t.Errorf("%d members have no mail, %d have not their one link, %d mails were broken", skipped, wrong, f.bad)
	}
	// A kill leaves a batch that nobody knows of, and a lost answer one mail.
	if most := mailer.Batch*kills + f.lost; twice > most {
		t.Errorf("%d mails arrived twice, more than %d", twice, most)
	}
	if f.lost == 0 || len(f.tried) == 0 {
		t.Error("the server had no fault: this proves nothing")
	}
}

// canary looks for addresses, names and links where none may be.
func (s *storm) canary(output string) {
	s.t.Helper()
	marks := []string{"canary", "@mail.example", "#t=", password}
	rows, err := s.db.Owner.Query(context.Background(), `SELECT row_to_json(o)::text FROM registrar.outbox o
		UNION ALL SELECT row_to_json(e)::text FROM registrar.mail_event e`)
	if err != nil {
		s.t.Fatal(err)
	}
	kept, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	find := func(text string) string {
		text = strings.ToLower(text)
		for _, m := range marks {
			if strings.Contains(text, m) || strings.Contains(text, hex.EncodeToString([]byte(m))) {
				return m
			}
		}
		return ""
	}
	if m := find(output); m != "" {
		s.t.Errorf("a log holds %q", m)
	}
	if m := find(strings.Join(kept, "\n")); m != "" {
		s.t.Errorf("the outbox holds %q", m)
	}
	if len(kept) == 0 || !strings.Contains(output, "mails were not sent") {
		s.t.Error("there was nothing to look at")
	}
	for _, planted := range []string{`msg="550 5.1.1 <Canary7@mail.example>"`, "0x" + hex.EncodeToString([]byte("canary7"))} {
		if find(output+planted) == "" {
			s.t.Error("a planted address is not found")
		}
	}
}

// workers are the processes that send, two at a time.
type workers struct {
	t    testing.TB
	env  []string
	now  [2]*exec.Cmd
	mu   sync.Mutex
	logs bytes.Buffer
}

func newWorkers(t testing.TB, s *storm, port int, dir string) *workers {
	t.Helper()
	w := &workers{t: t, env: append(os.Environ(), stormURL+"="+s.db.URL("sv_registrar"), stormPort+"="+strconv.Itoa(port), stormFiles+"="+dir)}
	for i := range w.now {
		w.start(i)
	}
	t.Cleanup(w.end)
	return w
}

func (w *workers) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs.Write(b)
}

func (w *workers) output() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs.String()
}

func (w *workers) start(i int) {
	w.t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestStorm$")
	c.Env, c.Stdout, c.Stderr = w.env, w, w
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.now[i] = c
}

// kill ends one without a warning and starts another in its place.
func (w *workers) kill(i int) {
	w.t.Helper()
	w.now[i].Process.Kill()
	w.now[i].Wait()
	if exit, ok := w.now[i].ProcessState.Sys().(syscall.WaitStatus); !ok || exit.Signal() != syscall.SIGKILL {
		w.t.Fatalf("a worker ended by itself:\n%s", w.output())
	}
	w.start(i)
}

func (w *workers) end() {
	for i, c := range w.now {
		if c != nil {
			c.Process.Kill()
			c.Wait()
			w.now[i] = nil
		}
	}
}

// work is the process that is killed.
func work(t *testing.T, url string) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(os.Getenv(stormFiles), name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pool, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	at, err := strconv.ParseInt(string(read("began")), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	s := &storm{t: t, raw: read("manifest"), began: time.Unix(0, at)}
	if s.m, err = election.Parse(s.raw); err != nil {
		t.Fatal(err)
	}
	_, k := electiontest.Manifest(t) // the token key is the same in every process
	s.minter = mailer.NewMinter([32]byte(k.Token.Seed()), [32]byte{7})
	p := &post{}
	if p.port, err = strconv.Atoi(os.Getenv(stormPort)); err != nil {
		t.Fatal(err)
	}
	a := &authority{pool: x509.NewCertPool()}
	a.pool.AppendCertsFromPEM(read("authority"))
	sender := p.sender(t, a, func(c *smtp.Config) { c.Connections = 4 })
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	t.Fatal("it ended by itself: ", s.mailer(pool, sender, log).Run(t.Context()))
}
