package mailer_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/sendgrid"
	"strikevote/internal/mailer/sendgrid/sendgridtest"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/cluster"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/torture"
	"strikevote/migrations"
)

const (
	workerURL   = "MAIL_WORKER_DATABASE"
	workerMan   = "MAIL_WORKER_MANIFEST"
	workerAPI   = "MAIL_WORKER_SENDGRID"
	workerSince = "MAIL_WORKER_SINCE"
	workerAs    = "MAIL_WORKER_AS"
	workerSeed  = "MAIL_WORKER_TOKEN_SEED" // of a key that no election has

	// The clock of mails goes faster than ours, so that pauses of quarters of a minute
	// and leases of two minutes are no hindrance. A batch takes a part of a second.
	faster = 100
)

// A posting is a mailing to everybody.
type posting struct {
	members, kills int
	faults         sendgridtest.Options
	told           bool   // SendGrid's webhook tells what it took
	as             string // a weakened sender, see [weakened]; empty: the real one
	watched        bool   // whether what the database server says is kept
}

// An outcome of a posting.
type posted struct {
	office   *office
	server   *sendgridtest.Server
	counts   sendgridtest.Counts
	log      string
	database lines // what its server said, if it is watched
	kills    int
	skipped  int // members without a mail
	twice    int // mails beyond the first, for the same row of the outbox
	wrong    int // mails whose link, code or name is not the member's in both parts
	unmarked int // rows of the outbox that are not marked as sent
}

// lost is how many calls were taken without an answer that says so.
func (p *posted) lost() int { return p.counts.FailedAfter + p.counts.Lost }

// bound is how many mails may have left twice. On a slow computer processes that live
// may not wait for an answer either.
func (p *posted) bound() int { return mailer.Batch * (p.lost() + max(p.kills, p.counts.Gone)) }

// wrongs says what is wrong with a posting.
func (p *posted) wrongs() (list []string) {
	for what, n := range map[string]int{"members were skipped": p.skipped, "mails had another's link, code or name": p.wrong, "mails are not marked as sent": p.unmarked,
		"mails were refused": p.counts.Rejected, "mails left twice, beyond what kills and lost answers explain": max(0, p.twice-p.bound())} {
		if n > 0 {
			list = append(list, fmt.Sprintf("%d %s", n, what))
		}
	}
	return list
}

// TestTortureMail mails to everybody through a SendGrid that limits, fails, and
// forgets, from processes that are killed at moments of chance, and then reads what
// arrived. Every request is held against SendGrid's schema and against what is promised
// about tracking; see sendgridtest. The negative controls are senders that call lost
// answers a success, or send twice.
func TestTortureMail(t *testing.T) {
	t.Parallel()
	if os.Getenv(workerURL) != "" {
		work(t)
		return
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	faults := sendgridtest.Options{Limited: 0.05, Failed: 0.005, FailedAfter: 0.005, Lost: 0.01, Seed: seed, Latency: 20 * time.Millisecond}
	if !torture.Long() { // so few calls that chance would spare them
		faults.Limited, faults.Failed, faults.FailedAfter, faults.Lost = 0.15, 0.03, 0.06, 0.06
		// The last mails would wait, each with pauses that double, for minutes.
		faults.Until = 50
	}
	members, kills := torture.Pick(2200, 22000), torture.Pick(6, 50)
	clean := post(t, posting{members: torture.Pick(500, members)})
	var mine, told, blind, double *posted
	var hits []string
	var planted int
	t.Run("all", func(t *testing.T) {
		for name, do := range map[string]func(*testing.T){
			"killed": func(t *testing.T) {
				mine = post(t, posting{members: members, kills: kills, faults: faults, watched: true})
				hits, planted = canaries(t, mine)
			},
			"told": func(t *testing.T) {
				told = post(t, posting{members: members / torture.Pick(2, 1), kills: kills / torture.Pick(2, 1), faults: faults, told: true})
			},
			"blind": func(t *testing.T) {
				blind = post(t, posting{members: 300, as: "blind", faults: sendgridtest.Options{Answer: func(n int, _ sendgridtest.Request) sendgridtest.Reply {
					if n == 2 {
						return sendgridtest.Reply{Status: http.StatusInternalServerError}
					}
					return sendgridtest.Reply{Status: http.StatusAccepted, Accept: true}
				}}})
			},
			"double": func(t *testing.T) { double = post(t, posting{members: 300, as: "double"}) },
		} {
			t.Run(name, func(t *testing.T) { t.Parallel(); do(t) })
		}
	})
	if t.Failed() {
		return
	}
	for what, p := range map[string]*posted{"killed": mine, "killed, and told": told, "undisturbed": clean} {
		if w := p.wrongs(); len(w) > 0 {
			t.Errorf("%s: %s", what, strings.Join(w, "; "))
		}
	}
	if c := mine.counts; c.Limited+mine.lost() == 0 || torture.Long() && c.Limited*mine.lost() == 0 || mine.kills != kills || mine.twice == 0 {
		t.Errorf("nothing happened: %+v, %d kills, %d twice", c, mine.kills, mine.twice)
	}
	// A mail with too large a part of its own would cost a call of its own. Couples do:
	// of a batch in which two share a mailbox, one goes in a second call.
	if c := clean.counts; c.LargestPersonalization > 9_000 || c.Calls > 2*(len(clean.server.Kept())/mailer.Batch+c.Gone) {
		t.Errorf("%d calls; the largest mail has %d bytes", c.Calls, c.LargestPersonalization)
	}
	// What is told may come a moment too late, for one call.
	if told.twice > mailer.Batch || clean.twice > clean.bound() {
		t.Errorf("%d mails left twice although SendGrid told of them; %d where nothing went wrong", told.twice, clean.twice)
	}
	for _, h := range hits {
		t.Error(h)
	}
	if blind.skipped == 0 || double.twice < 300 || len(blind.wrongs()) == 0 || len(double.wrongs()) == 0 {
		t.Errorf("negative controls: %d skipped, %d twice", blind.skipped, double.twice)
	}
	torture.Report(t, torture.Row{
		What: fmt.Sprintf("%d mails through SendGrid's API: %d calls, %d limited, %d failed, %d accepted and failed, %d never answered; %d kills at random moments",
			members, mine.counts.Calls, mine.counts.Limited, mine.counts.Failed, mine.counts.FailedAfter, mine.counts.Lost, mine.kills),
		Target: fmt.Sprintf("0 skipped, one link each, all tracking off; at most %d twice, %d if told; 0 canaries", mine.bound(), mailer.Batch),
		Measured: fmt.Sprintf("%d skipped, %d wrong, %d twice, %d where the webhook told; %.0f mails a second undisturbed, %.0f with kills; %d canaries",
			mine.skipped+told.skipped, mine.wrong+told.wrong, mine.twice, told.twice, clean.rate(), mine.rate(), len(hits)),
		Control: fmt.Sprintf("lost answers taken for a yes: %d skipped; each call twice: %d twice; %d canaries planted and found", blind.skipped, double.twice, planted),
	})
}

func (p *posted) rate() float64 {
	kept := p.server.Kept()
	return float64(len(kept)-p.twice) / kept[len(kept)-1].At.Sub(kept[0].At).Seconds()
}

// post mails to everybody and reads what arrived.
func post(t *testing.T, p posting) *posted {
	t.Helper()
	out := &posted{}
	var db *pgtest.DB
	if p.watched {
		db = watched(t, &out.database)
	} else {
		db = pgtest.Registrar(t)
	}
	o := officeOn(t, db, 0)
	o.hire(p.members)
	manifest, _ := electiontest.Encode(t, o.m)
	path := filepath.Join(t.TempDir(), "manifest")
	if err := os.WriteFile(path, manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	server := sendgridtest.New(t, p.faults)
	out.office, out.server = o, server
	tell := func() {}
	if p.told {
		tell = teller(t, o, server)
	}
	env := append(os.Environ(), workerURL+"="+o.db.URL("sv_registrar"), workerMan+"="+path, workerAPI+"="+server.URL(),
		workerSince+"="+time.Now().Format(time.RFC3339Nano), workerAs+"="+p.as, workerSeed+"="+hex.EncodeToString(o.k.Token.Seed()))
	var log bytes.Buffer
	chance := rand.New(rand.NewPCG(p.faults.Seed, 2))
	for done := false; !done; {
		// The next kill is due when a further part of the mails has left, and a moment.
		due := -1
		if out.kills < p.kills {
			due = p.members * (out.kills + 1) / (p.kills + 2)
		}
		var killed bool
		// Every other one ends by a crash that writes down what the process was doing.
		signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGABRT}[out.kills%2]
		done, killed = life(t, env, &log, server, due, time.Duration(chance.Int64N(int64(100*time.Millisecond))), signal, tell)
		if killed {
			out.kills++
		}
	}
	tell()
	out.log, out.counts = log.String(), server.Counts()
	out.read(t, p.members)
	return out
}

// life is one process, which is killed a moment after so many mails have left. It
// reports whether all is done.
func life(t *testing.T, env []string, log io.Writer, server *sendgridtest.Server, due int, moment time.Duration, signal syscall.Signal, tell func()) (done, killed bool) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTortureMail$", "-test.v")
	child.Env, child.Stdout, child.Stderr = env, log, log
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- child.Wait() }()
	var strike <-chan time.Time
	for {
		changed := server.Changed()
		tell()
		if strike == nil && due >= 0 && len(server.Kept()) >= due {
			strike = time.After(moment)
		}
		select {
		case err := <-exited:
			if killed && ended(child.ProcessState, signal) {
				return false, true
			}
			if err != nil {
				t.Fatalf("a process that sends mails ended: %v\n%s", err, log)
			}
			return true, false
		case <-strike:
			killed, strike, due = true, nil, -1
			if err := child.Process.Signal(signal); err != nil {
				killed = false // it has just ended by itself
			}
		case <-changed:
		}
	}
}

// ended reports whether a process ended by a signal. Go's run-time system makes of one
// that asks for a core dump the report of a crash and the status 2, and asks the kernel
// for none. While it writes that, other threads run on, and it may come to a bad end.
func ended(s *os.ProcessState, by syscall.Signal) bool {
	status, ok := s.Sys().(syscall.WaitStatus)
	if by == syscall.SIGABRT {
		return ok && (status.Signaled() || status.ExitStatus() == 2)
	}
	return ok && status.Signaled() && status.Signal() == by
}

// watched is a database on a server of its own, whose every word is kept.
func watched(t *testing.T, said *lines) *pgtest.DB {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Dir: t.TempDir(), Name: "registrar", Roles: migrations.RegistrarRoles, Scratch: true,
		Log: slog.New(slog.NewJSONHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return pgtest.On(t, c, migrations.Registrar)
}

// lines is a log that several write to.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// teller returns a function that plays to the webhook what SendGrid has taken since it
// was called last.
func teller(t *testing.T, o *office, server *sendgridtest.Server) func() {
	key, err := sendgrid.ParseKey(server.WebhookKey())
	if err != nil {
		t.Fatal(err)
	}
	hook := sendgrid.Webhook{Key: key}
	told := 0
	return func() {
		kept := server.Kept()
		var list []sendgridtest.Happening
		for _, m := range kept[told:] {
			list = append(list, sendgridtest.Happening{Of: m, Event: "processed"})
		}
		told = len(kept)
		for some := range slices.Chunk(list, mailer.Batch) {
			header, body := server.Events(time.Now(), some...)
			events, err := hook.Events(header, body)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := mailer.Count(t.Context(), o.db.Service, events); err != nil || c.New != len(some) {
				t.Fatalf("%d of %d counted, %v", c.New, len(some), err)
			}
		}
	}
}

// hire puts members on the roll, with tokens and an invitation each. Every fiftieth
// shares a mailbox with the one before, spelled in capital letters.
func (o *office) hire(n int) {
	o.t.Helper()
	ctx := o.t.Context()
	at := time.Unix(electiontest.Open, 0).UTC()
	var members, tokens, mails [][]any
	for i := range n {
		members = append(members, []any{1, i, fmt.Sprint("no-", i), "Unit 1", nameOf(i), addressOf(i), "Davis"})
		b := o.body(i)
		tokenID, codeID := o.minter.IDs(b)
		tokens = append(tokens, []any{tokenID[:], codeID[:], b.JTI[:], 1, i})
		id := make([]byte, 16)
		for j := range id {
			id[j] = byte(rand.Uint32())
		}
		mails = append(mails, []any{id, mailer.Invitation, 1, i, at})
	}
	for _, c := range []struct {
		table   string
		columns string
		rows    [][]any
	}{
		{"member", "group_id roll_index member_no unit name email campus", members},
		{"token", "token_id code_id jti group_id roll_index", tokens},
		{"outbox", "id kind group_id roll_index not_before", mails},
	} {
		if _, err := o.db.Owner.CopyFrom(ctx, pgx.Identifier{"registrar", c.table}, strings.Fields(c.columns), pgx.CopyFromRows(c.rows)); err != nil {
			o.t.Fatal(err)
		}
	}
}

func nameOf(i int) string { return fmt.Sprintf("Zqxcanary Núñez %05d", i) }

func addressOf(i int) string {
	if i%50 == 49 {
		return strings.ToUpper(addressOf(i - 1))
	}
	return fmt.Sprintf("zqx%05d@canary.example", i)
}

// read compares what arrived with what was to be sent.
func (p *posted) read(t *testing.T, members int) {
	t.Helper()
	rows, err := p.office.db.Owner.Query(t.Context(), `SELECT id, roll_index, state FROM registrar.outbox`)
	if err != nil {
		t.Fatal(err)
	}
	whose := make(map[[16]byte]int)
	var id []byte
	var index int
	var state string
	if _, err := pgx.ForEachRow(rows, []any{&id, &index, &state}, func() error {
		whose[[16]byte(id)] = index
		if state != "sent" {
			p.unmarked++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	arrived := make(map[[16]byte]int)
	for _, m := range p.server.Kept() {
		arrived[m.ID]++
		i, ok := whose[m.ID]
		token, code := p.office.minter.Mint(p.office.body(i))
		if !ok || !strings.EqualFold(m.To, addressOf(i)) || m.Headers["Message-ID"] == "" {
			p.wrong++
			continue
		}
		for _, part := range []string{m.Text, m.HTML} {
			if strings.Count(part, "#t=") < 1 || strings.Count(part, "#t=") != strings.Count(part, "#t="+token.Base64()) ||
				!strings.Contains(part, code.Reveal()) || !strings.Contains(part, nameOf(i)) {
				p.wrong++
			}
		}
	}
	p.skipped = members - len(arrived)
	p.twice = len(p.server.Kept()) - len(arrived)
}

// work is a process that sends mails until there are none left.
func work(t *testing.T) {
	pool, err := postgres.Open(t.Context(), os.Getenv(workerURL))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	manifest, err := os.ReadFile(os.Getenv(workerMan))
	if err != nil {
		t.Fatal(err)
	}
	since, err := time.Parse(time.RFC3339Nano, os.Getenv(workerSince))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, mid: election.MID(manifest)}
	if o.m, err = election.Parse(manifest); err != nil {
		t.Fatal(err)
	}
	seed, err := hex.DecodeString(os.Getenv(workerSeed))
	if err != nil {
		t.Fatal(err)
	}
	o.minter = mailer.NewMinter([32]byte(seed), [32]byte{7})
	c := o.configOf(pool)
	c.Log = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.Now = func() time.Time { return time.Unix(electiontest.Open, 0).Add(faster * time.Since(since)) }
	c.Lease = faster * 5 * time.Second
	s, err := sendgrid.New(sendgrid.Config{Key: "SG.test", BaseURL: os.Getenv(workerAPI), Timeout: 2 * time.Second, Log: c.Log})
	if err != nil {
		t.Fatal(err)
	}
	c.Senders = []mailer.Sender{weakened{s, os.Getenv(workerAs)}}
	m, err := mailer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for left := 1; left > 0; <-tick.C {
		if _, err := m.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM registrar.outbox WHERE state IN ('queued', 'leased')`).Scan(&left); err != nil {
			t.Fatal(err)
		}
	}
}

// weakened is a sender with a fault, or none.
type weakened struct {
	mailer.Sender
	as string
}

func (w weakened) Send(ctx context.Context, mails []mailer.Mail) []mailer.Answer {
	answers := w.Sender.Send(ctx, mails)
	switch w.as {
	case "blind": // no answer is a good answer
		for i := range answers {
			if answers[i].Verdict == mailer.Unknown {
				answers[i].Verdict = mailer.Accepted
			}
		}
	case "double":
		answers = w.Sender.Send(ctx, mails)
	}
	return answers
}

// canaries looks for names, addresses, links and codes in every place where a posting
// could have left them: the log, the tables beside the roll, and what SendGrid keeps
// beside the mails. It returns what it found, and how many it found of those that it
// plants in each place: one of each kind.
func canaries(t *testing.T, p *posted) (hits []string, planted int) {
	t.Helper()
	marks := make(marks)
	for i := range 1 + len(p.server.Kept())/2 {
		token, code := p.office.minter.Mint(p.office.body(i))
		marks.add("a link", token.Base64()[80:], fmt.Sprintf("%x", token[60:]))
		marks.add("a code", code.Reveal(), strings.ReplaceAll(code.Reveal(), "-", ""), fmt.Sprintf("%x", code[:]))
	}
	token, code := p.office.minter.Mint(p.office.body(0))
	if p.kills > 1 && !strings.Contains(p.log, "SIGABRT") {
		t.Error("no process crashed with a report")
	}
	places := map[string]string{"the log and the reports of crashes": p.log, "the database server's log": p.database.String(), "the tables": p.office.tables(false), "what SendGrid keeps": strings.Join(p.server.Records(), "\n")}
	for place, hay := range places {
		if hay == "" {
			t.Errorf("there is nothing in %s to search", place)
		}
		for _, found := range marks.find(hay) {
			hits = append(hits, place+" has "+found)
		}
		for _, plant := range []string{nameOf(7), addressOf(49), token.Base64(), fmt.Sprintf("%x", token[:]), code.Reveal(), fmt.Sprintf("\\x%x", code[:]), fmt.Sprintf("%x", nameOf(7))} {
			if at := len(hay) / 2; len(marks.find(hay[:at]+plant+hay[at:])) == 0 {
				t.Errorf("%s: what was planted was not found", place)
			} else {
				planted++
			}
		}
	}
	if len(marks.find(p.office.tables(true))) == 0 {
		t.Error("the roll has no names: the search of the tables is blind")
	}
	return hits, planted
}

// marks are the beginnings of what must not be anywhere, by what they are of.
type marks map[string]string

const window = 16

// add marks the beginnings of texts.
func (m marks) add(what string, texts ...string) {
	for _, s := range texts {
		m[strings.ToLower(s[:window])] = what
	}
}

// find says what of them is in a text. Names and addresses have one word in common.
func (m marks) find(hay string) (found []string) {
	hay = strings.ToLower(hay)
	for _, word := range []string{"zqx", fmt.Sprintf("%x", "zqx"), fmt.Sprintf("%x", "Zqx"), fmt.Sprintf("%x", "ZQX"), "canary"} {
		if strings.Contains(hay, word) {
			found = append(found, "a name or an address")
		}
	}
	for i := 0; i+window <= len(hay); i++ {
		if what, ok := m[hay[i:i+window]]; ok {
			found = append(found, what)
		}
	}
	return found
}

// tables returns what is in the tables of the roll, or in the others.
func (o *office) tables(roll bool) string {
	return o.db.Text(func(_, table string) bool { return (table == "member" || table == "applicant") == roll })
}
