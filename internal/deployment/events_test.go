package deployment

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/sendgrid"
	"strikevote/internal/mailer/sendgrid/sendgridtest"
	"strikevote/internal/platform/metrics"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/migrations"
)

// A desk is the registrar's origin of a service whose elections have nothing but mails,
// over TCP, and a carrier that tells of them.
type desk struct {
	t    testing.TB
	d    *Deployment
	log  *lines
	url  string
	sent *sendgridtest.Server
	dbs  []*pgtest.DB
	hc   *http.Client
}

func newDesk(t testing.TB, elections int) *desk {
	t.Helper()
	s := &desk{t: t, log: new(lines), sent: sendgridtest.New(t, sendgridtest.Options{}), hc: &http.Client{Transport: new(http.Transport)}}
	key, err := sendgrid.ParseKey(s.sent.WebhookKey())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	s.d = &Deployment{c: Config{Webhook: sendgrid.Webhook{Key: key}, Log: log, Now: time.Now, Parts: Parts()}, elections: make(map[suite.ElectionID]*running), registry: metrics.NewRegistry()}
	s.d.mailCounts = newMailCounts(s.d.registry)
	s.d.registrars = registrar.NewService(log, metrics.HTTP(s.d.registry, listenRegistrar))
	for range elections {
		s.add(pgtest.Registrar(t))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	h, limits := s.d.handler(listenRegistrar)
	go func() { done <- web.Serve(ctx, web.Server("", s.d.c.Front.before(listenRegistrar, h), limits), l) }()
	t.Cleanup(func() {
		s.hc.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// add has the service run one more election.
func (s *desk) add(db *pgtest.DB) {
	s.d.elections[suite.ElectionID{byte(len(s.dbs))}] = &running{registrarPool: db.Service}
	s.dbs = append(s.dbs, db)
}

// mails writes mails of a kind that have left, and returns them as the carrier has them.
func (s *desk) mails(db *pgtest.DB, kind string, n int) []sendgridtest.Message {
	s.t.Helper()
	rows, err := db.Owner.Query(context.Background(), `INSERT INTO registrar.outbox (id, kind, group_id, roll_index, state, sender, attempts, not_before)
		SELECT uuid_send(gen_random_uuid()), $1, 1, i, 'sent', 'sendgrid', 1, now() FROM generate_series(1, $2) i RETURNING id`, kind, n)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	var list []sendgridtest.Message
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			s.t.Fatal(err)
		}
		list = append(list, sendgridtest.Message{ID: [16]byte(id), To: "canary" + hex.EncodeToString(id[:4]) + "@mail.example"})
	}
	if len(list) != n {
		s.t.Fatal(len(list), rows.Err())
	}
	return list
}

func (s *desk) post(h http.Header, body io.Reader) answer {
	s.t.Helper()
	return s.ask(http.MethodPost, EventsPath, h, body)
}

func (s *desk) ask(method, path string, h http.Header, body io.Reader) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	maps.Copy(r.Header, h)
	resp, err := s.hc.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Error(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// tell posts what happened, signed now.
func (s *desk) tell(list ...sendgridtest.Happening) answer {
	s.t.Helper()
	h, body := s.sent.Events(time.Now(), list...)
	return s.post(h, bytes.NewReader(body))
}

// known says what an election has of its mails.
func (s *desk) known(db *pgtest.DB) string {
	s.t.Helper()
	var text string
	err := db.Owner.QueryRow(context.Background(), `SELECT COALESCE(string_agg(what || ' ' || n, ', ' ORDER BY what), '') FROM
		(SELECT COALESCE(NULLIF(concat_ws(' ', delivery, reason), ''), 'nothing') AS what, count(*) AS n FROM registrar.outbox GROUP BY 1) x`).Scan(&text)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// TestEvents tells of the mails of three elections, one of which rests: in and out of
// order, again, and of mails that nobody has.
func TestEvents(t *testing.T) {
	t.Parallel()
	s := newDesk(t, 3)
	s.d.elections[suite.ElectionID{2}].halted = registrar.ErrSetBack
	var all [][]sendgridtest.Message
	for _, db := range s.dbs {
		all = append(all, s.mails(db, mailer.Invitation, 4))
	}
	var list []sendgridtest.Happening
	for _, mails := range all {
		list = append(list, sendgridtest.Happening{Of: mails[0], Event: "delivered"}, sendgridtest.Happening{Of: mails[0], Event: "processed"},
			sendgridtest.Happening{Of: mails[1], Event: "bounce", Type: "bounce", Reason: "550 5.1.1 <canary@mail.example> unknown"}, sendgridtest.Happening{Of: mails[1], Event: "delivered"},
			sendgridtest.Happening{Of: mails[2], Event: "dropped", Reason: "Bounced Address"}, sendgridtest.Happening{Of: mails[2], Event: "open"})
	}
	list = append(list, sendgridtest.Happening{Of: sendgridtest.Message{ID: [16]byte{1}, To: "canary@mail.example"}, Event: "bounce"})
	h, body := s.sent.Events(time.Now(), list...)
	for range 3 {
		if a := s.post(h, bytes.NewReader(body)); a.status != http.StatusNoContent || a.body != "" {
			t.Fatalf("got %d %s", a.status, a.body)
		}
	}
	for i, want := range []string{"bounced address 1, bounced suppressed 1, delivered 1, nothing 1", "bounced address 1, bounced suppressed 1, delivered 1, nothing 1", "nothing 4"} {
		if got := s.known(s.dbs[i]); got != want {
			t.Errorf("election %d: %s, want %s", i, got, want)
		}
	}
	if a := s.tell(); a.status != http.StatusNoContent {
		t.Errorf("of nothing: %d %s", a.status, a.body)
	}
	// Six of three posts are of the election that rests or of nobody's mail.
	shown := s.shown()
	if !strings.Contains(shown, `strikevote_mail_events_total unknown 18`) || strings.Contains(shown, "http_request") {
		t.Errorf("shown: %s", shown)
	}
	if said := s.log.String() + shown; strings.Contains(said, "canary") || strings.Contains(said, hex.EncodeToString(all[0][0].ID[:])) {
		t.Errorf("said: %s", said)
	}
}

// shown returns the metrics.
func (s *desk) shown() string {
	s.t.Helper()
	families, err := s.d.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range families {
		for _, m := range f.Metric {
			if !strings.HasPrefix(f.GetName(), "strikevote_") || f.GetName() == "strikevote_build_info" {
				continue
			}
			text.WriteString(f.GetName())
			for _, l := range m.Label {
				text.WriteString(" " + l.GetValue())
			}
			fmt.Fprintf(&text, " %v\n", m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	return text.String()
}

// TestEventsRefused posts what is not the carrier's, not signed now, too long or no
// list. None of it is counted, and the answers are constant.
func TestEventsRefused(t *testing.T) {
	t.Parallel()
	s := newDesk(t, 1)
	mails := s.mails(s.dbs[0], mailer.Invitation, 1)
	happened := sendgridtest.Happening{Of: mails[0], Event: "bounce"}
	good, body := s.sent.Events(time.Now(), happened)
	changed := bytes.Replace(body, []byte("bounce"), []byte("dropped"), 1)
	old, oldBody := s.sent.Events(time.Now().Add(-26*time.Hour), happened)
	unsigned := answer{status: http.StatusForbidden, body: `{"error":"not_signed","message":"This is not signed by the service that carries our mails."}` + "\n"}
	unreadable := answer{status: http.StatusBadRequest, body: `{"error":"bad_request","message":"These could not be read as events of mails."}` + "\n"}
	large := answer{status: http.StatusRequestEntityTooLarge, body: `{"error":"too_large","message":"This is larger than anything that is expected here."}` + "\n"}
	signed := func(text string) (http.Header, io.Reader) {
		return s.sent.Sign(time.Now(), []byte(text)), strings.NewReader(text)
	}
	for what, tt := range map[string]struct {
		do   func() (http.Header, io.Reader)
		want answer
	}{
		"no signature":         {func() (http.Header, io.Reader) { return nil, bytes.NewReader(body) }, unsigned},
		"a changed body":       {func() (http.Header, io.Reader) { return good, bytes.NewReader(changed) }, unsigned},
		"without its end":      {func() (http.Header, io.Reader) { return good, bytes.NewReader(bytes.TrimSpace(body)) }, unsigned},
		"old":                  {func() (http.Header, io.Reader) { return old, bytes.NewReader(oldBody) }, unsigned},
		"no list":              {func() (http.Header, io.Reader) { return signed("{}") }, unreadable},
		"nothing":              {func() (http.Header, io.Reader) { return signed("") }, unreadable},
		"a million events":     {func() (http.Header, io.Reader) { return signed("[" + strings.Repeat("{},", 1_000_000) + "{}]") }, unreadable},
		"ten megabytes":        {func() (http.Header, io.Reader) { return signed("[" + strings.Repeat(" ", 10<<20) + "]") }, large},
		"four megabytes and 1": {func() (http.Header, io.Reader) { return signed("[" + strings.Repeat(" ", 4<<20-1) + "]") }, large},
		"ten, of unknown length": {func() (http.Header, io.Reader) {
			return nil, io.MultiReader(strings.NewReader("["), bytes.NewReader(make([]byte, 10<<20)))
		}, large},
	} {
		h, b := tt.do()
		if a := s.post(h, b); a.status != tt.want.status || a.body != tt.want.body || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: got %d %s", what, a.status, a.body)
		}
	}
	h, b := signed("[" + strings.Repeat(" ", 4<<20-2) + "]")
	if a := s.post(h, b); a.status != http.StatusNoContent {
		t.Errorf("four megabytes: got %d %s", a.status, a.body)
	}
	if got := s.known(s.dbs[0]); got != "nothing 1" {
		t.Errorf("counted: %s", got)
	}
	if shown := s.shown(); !strings.Contains(shown, "strikevote_mail_events_total unsigned 4") || !strings.Contains(shown, "strikevote_mail_events_total unreadable 3") {
		t.Errorf("shown: %s", shown)
	}
	// Browsers find nothing here: no page may read the answer, and asking first is no use.
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut} {
		a := s.ask(method, EventsPath, http.Header{"Origin": {"https://evil.example"}, "Access-Control-Request-Method": {"POST"}}, nil)
		if a.status != http.StatusMethodNotAllowed || a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s: got %d %v", method, a.status, a.header)
		}
	}
	// The negative control, as a browser of some site would send it.
	good.Set("Origin", "https://evil.example")
	good.Set("Sec-Fetch-Site", "cross-site")
	if a := s.post(good, bytes.NewReader(body)); a.status != http.StatusNoContent || s.known(s.dbs[0]) != "bounced other 1" {
		t.Errorf("got %d %s, %s", a.status, a.body, s.known(s.dbs[0]))
	}
	// Only this path takes so much, and there is none where nobody carries mails.
	if a := s.ask(http.MethodPost, "/v1/mail/event", nil, strings.NewReader("{}")); a.status != http.StatusNotFound {
		t.Errorf("another path: got %d", a.status)
	}
	s.d.c.Webhook = nil
	rec := httptest.NewRecorder()
	s.d.registrarHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, EventsPath, bytes.NewReader(body)))
	if rec.Code != http.StatusNotFound {
		t.Errorf("without a carrier: got %d", rec.Code)
	}
}

// TestEventsAway answers that the carrier is to come again while one of the databases
// is away, and counts nothing twice when it has come.
func TestEventsAway(t *testing.T) {
	t.Parallel()
	s := newDesk(t, 2)
	first, second := s.mails(s.dbs[0], mailer.Invitation, 5), s.mails(s.dbs[1], mailer.Invitation, 5)
	var list []sendgridtest.Happening
	for _, m := range slices.Concat(first, second) {
		list = append(list, sendgridtest.Happening{Of: m, Event: "delivered"})
	}
	pool, err := postgres.Open(t.Context(), s.dbs[1].URL("sv_registrar"))
	if err != nil {
		t.Fatal(err)
	}
	pool.Close()
	e := s.d.elections[suite.ElectionID{1}]
	there := e.registrarPool
	e.registrarPool = pool
	h, body := s.sent.Events(time.Now(), list...)
	for range 3 {
		a := s.post(h, bytes.NewReader(body))
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
			t.Errorf("got %d %s", a.status, a.body)
		}
		a.sentence(t, "away")
	}
	e.registrarPool = there
	if a := s.post(h, bytes.NewReader(body)); a.status != http.StatusNoContent {
		t.Errorf("got %d %s", a.status, a.body)
	}
	for _, db := range s.dbs {
		var n int
		if err := db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM registrar.mail_event`).Scan(&n); err != nil || n != 5 || s.known(db) != "delivered 5" {
			t.Errorf("%d events, %s, %v", n, s.known(db), err)
		}
	}
}

// TestEventsCrowd refuses a network that posts without end, and no other.
func TestEventsCrowd(t *testing.T) {
	t.Parallel()
	s := newDesk(t, 0)
	h := s.d.registrarHandler()
	from := func(address string) int {
		r := httptest.NewRequest(http.MethodPost, EventsPath, strings.NewReader("[]"))
		r.RemoteAddr = address + ":1"
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Code
	}
	refused := 0
	for range 4000 {
		if from("192.0.2.1") == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 || from("192.0.2.2") != http.StatusForbidden {
		t.Errorf("%d refused", refused)
	}
}

// BenchmarkEvents posts that each of 22,000 mails was delivered, a thousand at once and
// two at a time, to a service of two elections whose databases wait for the disk.
func BenchmarkEvents(b *testing.B) {
	server := pgtest.Durable(b, "registrar", migrations.RegistrarRoles)
	for b.Loop() {
		b.StopTimer()
		s := newDesk(b, 0)
		s.add(pgtest.On(b, server, migrations.Registrar))
		s.add(pgtest.On(b, server, migrations.Registrar))
		mails := s.mails(s.dbs[0], mailer.Invitation, 22_000)
		posts := make(chan func(), 30)
		for part := range slices.Chunk(mails, 1000) {
			var list []sendgridtest.Happening
			for _, m := range part {
				list = append(list, sendgridtest.Happening{Of: m, Event: "delivered"})
			}
			h, body := s.sent.Events(time.Now(), list...)
			posts <- func() {
				if a := s.post(h, bytes.NewReader(body)); a.status != http.StatusNoContent {
					b.Errorf("got %d %s", a.status, a.body)
				}
			}
		}
		close(posts)
		b.StartTimer()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for post := range posts {
					post()
				}
			})
		}
		wg.Wait()
		b.StopTimer()
		if got := s.known(s.dbs[0]); got != "delivered 22000" {
			b.Errorf("got %s", got)
		}
		b.StartTimer()
	}
}
