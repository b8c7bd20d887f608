package mailer_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// An office is an election whose members have tokens and addresses.
type office struct {
	t      testing.TB
	db     *pgtest.DB
	m      *election.Manifest
	k      electiontest.Keys
	mid    suite.MID
	minter *mailer.Minter
	now    atomic.Int64
	logged bytes.Buffer
	config mailer.Config
}

func newOffice(t testing.TB, members int, opts ...func(*electiontest.Plan)) *office {
	t.Helper()
	return officeOn(t, pgtest.Registrar(t), members, opts...)
}

// officeOn is newOffice with a database that the test brings.
func officeOn(t testing.TB, db *pgtest.DB, members int, opts ...func(*electiontest.Plan)) *office {
	t.Helper()
	o := &office{t: t, db: db}
	o.m, o.k = electiontest.Manifest(t, opts...)
	_, o.mid = electiontest.Encode(t, o.m)
	o.minter = mailer.NewMinter([32]byte(o.k.Token.Seed()), [32]byte{7})
	o.now.Store(electiontest.Open)
	for i := range members {
		o.exec(`INSERT INTO registrar.member (group_id, roll_index, member_no, unit, name, email, campus)
			VALUES (1, $1, $2, 'Unit 1', $3, $4, 'Davis')`, i, fmt.Sprint("no-", i), fmt.Sprintf("Canary Nuñez %d", i), fmt.Sprintf("canary%d@mail.example", i))
		b := o.body(i)
		tokenID, codeID := o.minter.IDs(b)
		o.exec(`INSERT INTO registrar.token (token_id, code_id, jti, group_id, roll_index) VALUES ($1, $2, $3, 1, $4)`, tokenID[:], codeID[:], b.JTI[:], i)
	}
	o.config = o.configOf(o.db.Service)
	return o
}

func (o *office) body(index int) token.Body {
	return token.Body{Kind: token.KindMember, Election: o.m.ElectionID, Group: 1, Index: uint32(index),
		JTI: token.JTI{9, byte(index), byte(index >> 8)}, Expires: o.m.Schedule.TokenExpires()}
}

func (o *office) configOf(pool *pgxpool.Pool) mailer.Config {
	return mailer.Config{Pool: pool, Manifest: o.m, MID: o.mid, Minter: o.minter,
		From: mailer.Address{Name: "Union Ballot", Address: "ballot@union.example"},
		Zone: time.FixedZone("PDT", -7*3600),
		Now:  func() time.Time { return time.Unix(o.now.Load(), 0) },
		Log:  slog.New(slog.NewTextHandler(&o.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))}
}

func (o *office) exec(query string, args ...any) {
	o.t.Helper()
	if _, err := o.db.Owner.Exec(context.Background(), query, args...); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) queue(kind string, index int) {
	o.t.Helper()
	o.exec(`INSERT INTO registrar.outbox (id, kind, group_id, roll_index, not_before) VALUES (uuid_send(gen_random_uuid()), $1, 1, $2, $3)`,
		kind, index, time.Unix(electiontest.Open, 0).UTC())
}

func (o *office) states() string {
	o.t.Helper()
	var s string
	err := o.db.Owner.QueryRow(o.t.Context(), `SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM
		(SELECT state, count(*) AS n FROM registrar.outbox GROUP BY 1) x`).Scan(&s)
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

func (o *office) mailer(s mailer.Sender) *mailer.Mailer {
	o.t.Helper()
	c := o.config
	c.Senders = []mailer.Sender{s}
	m, err := mailer.New(c)
	if err != nil {
		o.t.Fatal(err)
	}
	return m
}

// An inbox keeps mails in memory, and may refuse.
type inbox struct {
	mu    sync.Mutex
	mails []mailer.Mail
	says  func(n int) mailer.Answer // to the n-th mail, from 1; nil: it is accepted
	name  string
	n     int
}

func (b *inbox) Name() string { return cmp.Or(b.name, "inbox") }

func (b *inbox) Send(_ context.Context, mails []mailer.Mail) []mailer.Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	answers := make([]mailer.Answer, len(mails))
	for i, m := range mails {
		b.n++
		answers[i] = mailer.Answer{Verdict: mailer.Accepted}
		if b.says != nil {
			answers[i] = b.says(b.n)
		}
		// What is unknown may well have been taken.
		if v := answers[i].Verdict; v == mailer.Accepted || v == mailer.Unknown {
			b.mails = append(b.mails, m)
		}
	}
	return answers
}

// TestRoundTrip sends every linked kind into a directory, reads the files as a
// mail program would, and opens the links.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 5)
	kinds := []string{mailer.Invitation, mailer.Reminder, mailer.Closing, mailer.Resend, mailer.Corrected}
	for i, kind := range kinds {
		o.queue(kind, i)
	}
	dir := t.TempDir()
	n, err := o.mailer(&mailer.Directory{Path: dir}).Drain(t.Context())
	if err != nil || n != len(kinds) {
		t.Fatalf("%d sent, %v", n, err)
	}
	seen := map[string]bool{}
	for _, f := range eml(t, dir) {
		to, text, html := parse(t, f)
		var index int
		if _, err := fmt.Sscanf(to, "canary%d@mail.example", &index); err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
		seen[to] = true
		want, wantCode := o.minter.Mint(o.body(index))
		for part, words := range map[string]string{"text": text, "html": html} {
			link := linkIn(words)
			booth, tok, _, mid, err := token.ParseLink(link)
			if err != nil || booth != o.m.Origins.Booth || tok != want || mid != o.mid {
				t.Errorf("%s part to %d: the link is not the member's: %v", part, index, err)
			}
			if !strings.Contains(words, wantCode.Reveal()) || !strings.Contains(words, election.SixWords(o.mid)) {
				t.Errorf("%s part to %d lacks the code or the six words", part, index)
			}
			if !strings.Contains(words, fmt.Sprintf("Canary Nuñez %d", index)) {
				t.Errorf("%s part to %d lacks the name", part, index)
			}
		}
		if strings.Contains(filepath.Base(f), "canary") {
			t.Errorf("the file's name says whom it is for: %s", f)
		}
	}
	if len(seen) != len(kinds) || o.states() != "sent 5" {
		t.Errorf("%d recipients, states %s", len(seen), o.states())
	}
	if n, err := o.mailer(&mailer.Directory{Path: dir}).Drain(t.Context()); n != 0 || err != nil {
		t.Errorf("a second time: %d sent, %v", n, err)
	}
}

func linkIn(s string) string {
	at := strings.Index(s, "/v1/#t=")
	start := strings.LastIndexAny(s[:at], " \r\n\"><") + 1
	end := at + strings.IndexAny(s[at:], " \r\n\"><")
	return strings.ReplaceAll(s[start:end], "&amp;", "&")
}

// TestUnneeded: reminders go to whom no ballot was issued, found out when they
// leave; the struck get no link any more.
func TestUnneeded(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 4)
	o.exec(`INSERT INTO registrar.used (group_id, roll_index, kind, request_hash) VALUES (1, 0, 'issue', $1), (1, 2, 'strike', NULL)`, make([]byte, 32))
	o.exec(`UPDATE registrar.member SET email = NULL WHERE roll_index = 3`)
	for i := range 4 {
		o.queue(mailer.Reminder, i)
		o.queue(mailer.Resend, i)
	}
	b := new(inbox)
	if n, err := o.mailer(b).Drain(t.Context()); err != nil || n != 3 {
		t.Errorf("%d sent, %v", n, err)
	}
	got := map[string]int{}
	for _, m := range b.mails {
		got[m.To+" "+m.Subject]++
	}
	// 0 voted: the link again, no reminder. 1: both. 2 was struck, 3 has no address.
	if len(got) != 3 || len(b.mails) != 3 {
		t.Errorf("%d mails", len(b.mails))
	}
	for _, m := range b.mails {
		if strings.HasPrefix(m.To, "canary2@") || strings.HasPrefix(m.To, "canary0@") && strings.Contains(m.Subject, "open until") {
			t.Errorf("a mail that should not have left: %s", m.Subject)
		}
	}
	// Nobody who reads the states learns who needed no reminder.
	if o.states() != "failed 2, sent 6" {
		t.Errorf("states %s", o.states())
	}
}

// TestLastHour: a reminder that waited too long does not leave, whatever the
// close is by then; a link that somebody asked for does.
func TestLastHour(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ before, sent int }{{mailer.LastHour + 1, 3}, {mailer.LastHour, 3}, {mailer.LastHour - 1, 1}, {-1, 1}} {
		o := newOffice(t, 1, func(p *electiontest.Plan) { p.Real = true }) // with a grace
		o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, electiontest.Open+int64(tt.before))
		for _, kind := range []string{mailer.Reminder, mailer.Closing, mailer.Resend} {
			o.queue(kind, 0)
		}
		b := new(inbox)
		if n, err := o.mailer(b).Drain(t.Context()); err != nil || n != tt.sent {
			t.Errorf("%d seconds before the close: %d sent, %v", tt.before, n, err)
		}
		if o.states() != "sent 3" {
			t.Errorf("states %s", o.states())
		}
	}
}

// TestMovedUnneeded: word that the close was moved leaves to whom no ballot was issued, in
// the last hour too and until the close, and nobody sees to whom.
func TestMovedUnneeded(t *testing.T) {
	t.Parallel()
	for before, want := range map[int64]int{mailer.LastHour: 2, 1: 2, 0: 0} {
		o := newOffice(t, 4)
		at := o.m.Schedule.Close - 900
		o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, at)
		o.exec(`INSERT INTO registrar.used (group_id, roll_index, kind, request_hash) VALUES (1, 0, 'issue', $1), (1, 2, 'strike', NULL)`, make([]byte, 32))
		for i := range 4 {
			o.queue(mailer.Moved, i)
		}
		o.now.Store(at - before)
		b := new(inbox)
		if n, err := o.mailer(b).Drain(t.Context()); err != nil || n != want {
			t.Errorf("%d seconds before the close: %d sent, %v; want %d", before, n, err, want)
		}
		for _, m := range b.mails {
			if strings.HasPrefix(m.To, "canary0@") || strings.HasPrefix(m.To, "canary2@") || !strings.Contains(m.Text, "now closes") {
				t.Errorf("a mail that should not have left: %s", m.Subject)
			}
		}
		if o.states() != "sent 4" {
			t.Errorf("%d seconds before the close: %s", before, o.states())
		}
	}
}

// TestClosed: once voting has closed, no mail leaves with a link that is of no use: not to
// whoever got none before, and none but until the end of the grace. One that was asked for
// again says what it is for then, and not that one can vote. The negative control is the
// last second of the voting.
func TestClosed(t *testing.T) {
	t.Parallel()
	const at = electiontest.Open + 2*3600 // moved there by an act
	for _, tt := range []struct {
		now  int64
		want string
	}{
		{at - 1, "corrected invitation resend"},
		{at, "resend"},
		{at + 599, "resend"},
		{at + 600, ""},
	} {
		o := newOffice(t, 3, func(p *electiontest.Plan) { p.Real = true })
		if o.m.Schedule.Grace != 600 {
			t.Fatal("the grace is not ten minutes")
		}
		o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, at)
		for i, kind := range []string{mailer.Invitation, mailer.Corrected, mailer.Resend} {
			o.queue(kind, i)
		}
		o.now.Store(tt.now)
		var got []string
		o.config.Observe = func(kind string, _ mailer.Verdict) { got = append(got, kind) }
		b := new(inbox)
		o.drain(o.via(b))
		slices.Sort(got)
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%d seconds after the close: %v left, want %s", tt.now-at, got, tt.want)
		}
		for _, m := range b.mails {
			finishes := strings.Contains(m.Text, "you can finish it before") && strings.Contains(m.Text, "Your link:\n")
			votes := strings.Contains(m.Text, "Vote here:") && strings.Contains(m.Text, "Voting closes")
			if finishes != (tt.now >= at) || votes != (tt.now < at) {
				t.Errorf("%d seconds after the close:\n%s", tt.now-at, m.Text)
			}
		}
	}
}

// TestPhases: what has waited until it is of no use any more does not leave.
func TestPhases(t *testing.T) {
	t.Parallel()
	kinds := []string{mailer.Announcement, mailer.Invitation, mailer.Reminder, mailer.Resend, mailer.Issued}
	for phase, want := range map[string]string{
		"sealed":    "announcement invitation reminder resend issued",
		"open":      "invitation reminder resend issued",
		"closed":    "invitation reminder resend issued", // about reminders the clock decides
		"locked":    "issued",
		"cancelled": "issued",
	} {
		var got []string
		o := newOffice(t, len(kinds))
		o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', $2, $1)`, o.m.Schedule.Close, phase)
		for i, kind := range kinds {
			o.queue(kind, i)
		}
		o.config.Observe = func(kind string, _ mailer.Verdict) { got = append(got, kind) }
		o.drain(o.via(new(inbox)))
		slices.SortFunc(got, func(a, b string) int { return slices.Index(kinds, a) - slices.Index(kinds, b) })
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v left, want %s", phase, got, want)
		}
	}
}

// TestMovedClose sends mails after acts have moved the close: whoever reads the old
// one would come too late, or not hurry.
func TestMovedClose(t *testing.T) {
	t.Parallel()
	clock := func(at int64) string { return time.Unix(at, 0).In(time.FixedZone("PDT", -7*3600)).Format("3:04 ") }
	for _, moved := range []int64{-2*3600 - 11*60, 7*3600 + 13*60} {
		o := newOffice(t, 1)
		at := o.m.Schedule.Close + moved
		o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, at)
		for _, kind := range []string{mailer.Invitation, mailer.Reminder, mailer.Closing} {
			o.queue(kind, 0)
		}
		b := new(inbox)
		if n, err := o.mailer(b).Drain(t.Context()); err != nil || n != 3 {
			t.Fatalf("%d sent, %v", n, err)
		}
		for _, m := range b.mails {
			if text := m.Subject + m.Text; strings.Contains(text, clock(o.m.Schedule.Close)) || !strings.Contains(text, clock(at)) {
				t.Errorf("the close is not the one in force, %s: %s\n%s", clock(at), m.Subject, m.Text)
			}
		}
	}
}

// TestMovedEnvelope: that the close was moved is told, with their link, to somebody off the
// roll who has handed no envelope in, and to nobody who has.
func TestMovedEnvelope(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0)
	for i := range 2 {
		body := token.Body{Kind: token.KindEnvelope, Election: o.m.ElectionID, Group: 2, Index: uint32(i), JTI: token.JTI{4, byte(i)}, Expires: o.m.Schedule.TokenExpires()}
		tokenID, codeID := o.minter.IDs(body)
		o.exec(`INSERT INTO registrar.applicant (group_id, roll_index, name, email) VALUES (2, $1, 'Zoë Núñez', $2)`, i, fmt.Sprintf("off%d@mail.example", i))
		o.exec(`INSERT INTO registrar.token (token_id, code_id, jti, on_roll, group_id, roll_index) VALUES ($1, $2, $3, false, 2, $4)`, tokenID[:], codeID[:], body.JTI[:], i)
		o.exec(`INSERT INTO registrar.outbox (id, kind, on_roll, group_id, roll_index, not_before) VALUES (uuid_send(gen_random_uuid()), 'moved', false, 2, $1, $2)`,
			i, time.Unix(electiontest.Open, 0).UTC())
	}
	o.exec(`INSERT INTO registrar.envelope (ballot_id, on_roll, group_id, roll_index, reference, body) VALUES ($1, false, 2, 1, $1, '')`, make([]byte, 32))
	b := new(inbox)
	if n, err := o.mailer(b).Drain(t.Context()); err != nil || n != 1 || len(b.mails) != 1 {
		t.Fatalf("%d sent, %v\n%s", n, err, &o.logged)
	}
	if m := b.mails[0]; m.To != "off0@mail.example" || !strings.Contains(m.Text, "/v1/#t=") {
		t.Errorf("to %s:\n%s", m.To, m.Text)
	}
	if s := o.states(); s != "sent 2" {
		t.Errorf("somebody who has voted can be told from the others: %s", s)
	}
}

// TestEnvelope sends somebody who is not on the roll their link: it opens an
// envelope, and says how that is less secret.
func TestEnvelope(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0)
	body := token.Body{Kind: token.KindEnvelope, Election: o.m.ElectionID, Group: 2, Index: 5, JTI: token.JTI{4}, Expires: o.m.Schedule.TokenExpires()}
	tokenID, codeID := o.minter.IDs(body)
	o.exec(`INSERT INTO registrar.applicant (group_id, roll_index, name, email) VALUES (2, 5, 'Zoë Núñez', 'off@mail.example')`)
	o.exec(`INSERT INTO registrar.token (token_id, code_id, jti, on_roll, group_id, roll_index) VALUES ($1, $2, $3, false, 2, 5)`, tokenID[:], codeID[:], body.JTI[:])
	for _, kind := range []string{mailer.Envelope, mailer.Deposited, mailer.Result} {
		o.exec(`INSERT INTO registrar.outbox (id, kind, on_roll, group_id, roll_index, not_before) VALUES (uuid_send(gen_random_uuid()), $1, false, 2, 5, $2)`,
			kind, time.Unix(electiontest.Open, 0).UTC())
	}
	o.config.Outcome = func(context.Context) (*mailer.Outcome, error) { return certified(), nil }
	b := new(inbox)
	if n, err := o.mailer(b).Drain(t.Context()); err != nil || n != 3 {
		t.Fatalf("%d sent, %v\n%s", n, err, &o.logged)
	}
	for _, m := range b.mails {
		if m.To != "off@mail.example" {
			t.Errorf("%s went elsewhere", m.Subject)
		}
		linked := strings.Contains(m.Text, "/v1/#t=")
		if linked != strings.Contains(m.Subject, "vote in an envelope") {
			t.Errorf("%s: a link: %v", m.Subject, linked)
		}
		if !linked {
			continue
		}
		_, got, _, mid, err := token.ParseLink(link(t, m.Text))
		if want, _ := o.minter.Mint(body); err != nil || got != want || mid != o.mid {
			t.Errorf("another link, %v", err)
		}
		plain := strings.Join(strings.Fields(m.Text), " ")
		for _, says := range []string{"It is less secret", "2 of 3 tellers", "Refused or undecided, it is never opened", "Unit 2"} {
			if !strings.Contains(plain, says) {
				t.Errorf("the mail does not say %q:\n%s", says, m.Text)
			}
		}
	}
}

// link returns the voting link in a mail's text.
func link(t *testing.T, text string) string {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		if strings.Contains(word, "/v1/#t=") {
			return word
		}
	}
	t.Fatal("there is no link")
	return ""
}

// TestRetry: what fails is tried again after a pause, not for ever, and what
// is refused is not.
func TestRetry(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 3)
	for i := range 3 {
		o.queue(mailer.Invitation, i)
	}
	b := &inbox{says: func(n int) mailer.Answer {
		switch n {
		case 1:
			return mailer.Answer{Reason: mailer.ReasonFull}
		case 2:
			return mailer.Answer{Verdict: mailer.Refused, Reason: mailer.ReasonAddress}
		}
		return mailer.Answer{Verdict: mailer.Accepted}
	}}
	m := o.mailer(b)
	if n, err := m.Drain(t.Context()); n != 1 || err != nil || o.states() != "failed 1, queued 1, sent 1" {
		t.Fatalf("%d sent, %v, states %s", n, err, o.states())
	}
	if n, err := m.Drain(t.Context()); n != 0 || err != nil {
		t.Errorf("before the pause: %d sent, %v", n, err)
	}
	o.now.Add(19)
	if n, err := m.Drain(t.Context()); n != 1 || err != nil || o.states() != "failed 1, sent 2" {
		t.Errorf("after the pause: %d sent, %v, states %s", n, err, o.states())
	}
	if s := o.logged.String(); strings.Contains(s, "canary") || !strings.Contains(s, "answer=refused") {
		t.Errorf("the log says: %s", s)
	}
	never := o.mailer(&inbox{says: func(int) mailer.Answer { return mailer.Answer{Reason: mailer.ReasonDown} }})
	o.queue(mailer.Invitation, 0)
	for range 40 {
		if _, err := never.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.now.Add(3600 * 5 / 4)
	}
	if o.states() != "failed 2, sent 2" {
		t.Errorf("a sender that is always down: states %s", o.states())
	}
}

// TestManyMailers: processes that work at once send each mail once.
func TestManyMailers(t *testing.T) {
	t.Parallel()
	const n = 450
	o := newOffice(t, n)
	for i := range n {
		o.queue(mailer.Invitation, i)
	}
	b := new(inbox)
	var wg sync.WaitGroup
	for range 4 {
		m := o.mailer(b)
		wg.Go(func() {
			if _, err := m.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	to := map[string]bool{}
	for _, m := range b.mails {
		to[m.To] = true
	}
	if len(b.mails) != n || len(to) != n {
		t.Errorf("%d mails to %d members, want %d", len(b.mails), len(to), n)
	}
}

// TestIssuedAndResult: kinds without a link have none.
func TestIssuedAndResult(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 2)
	o.queue(mailer.Issued, 0)
	o.queue(mailer.Announcement, 0)
	o.queue(mailer.Result, 1)
	b := new(inbox)
	m := o.mailer(b)
	if n, err := m.Drain(t.Context()); n != 2 || err != nil || o.states() != "queued 1, sent 2" {
		t.Errorf("without a result: %d sent, %v, states %s", n, err, o.states())
	}
	o.config.Outcome = func(context.Context) (*mailer.Outcome, error) { return certified(), nil }
	o.now.Add(60)
	if n, err := o.mailer(b).Drain(t.Context()); n != 1 || err != nil {
		t.Errorf("with a result: %d sent, %v", n, err)
	}
	for _, m := range b.mails {
		if strings.Contains(m.Text+m.HTML, "#t=") {
			t.Errorf("%q has a link to a ballot", m.Subject)
		}
	}
}

// TestRedaction formats what holds a secret, in every way.
func TestRedaction(t *testing.T) {
	t.Parallel()
	m := mailer.Mail{To: "canary@x.example", Text: "canary", HTML: "canary", Subject: "canary"}
	minter := mailer.NewMinter([32]byte{0xca}, [32]byte{0xca})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		s := strings.ToLower(fmt.Sprintf(verb, m) + fmt.Sprintf(verb, &m) + fmt.Sprintf(verb, minter))
		if strings.Contains(s, "canary") || strings.Contains(s, "ca0000") || strings.Contains(s, "202 0 0") {
			t.Errorf("%s shows a secret: %s", verb, s)
		}
	}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "mail", m, "minter", minter)
	if strings.Contains(b.String(), "canary") || strings.Contains(b.String(), "202,0") {
		t.Errorf("logged: %s", b.String())
	}
}

// TestRun ends when it is told to.
func TestRun(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 1)
	o.queue(mailer.Invitation, 0)
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan struct{})
	b := &inbox{says: func(int) mailer.Answer { close(sent); return mailer.Answer{Verdict: mailer.Accepted} }}
	m := o.mailer(b)
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	<-sent
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if o.states() != "sent 1" {
		t.Errorf("states %s: a mail that left was not marked", o.states())
	}
}

func eml(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		if strings.HasSuffix(f, ".eml") {
			out = append(out, f)
		}
	}
	return out
}

func readMail(t testing.TB, path string) *mail.Message {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return msg
}
