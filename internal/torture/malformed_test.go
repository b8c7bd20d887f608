package torture_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"strikevote/internal/demo"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/token"
	"strikevote/internal/torture"
	"strikevote/internal/voter"
)

// castWith takes one voter from the link to the promise.
func castWith(ctx context.Context, client *http.Client, link string) error {
	defer client.CloseIdleConnections()
	v, err := voter.Open(ctx, client, link, voter.NoMemory{})
	if err != nil {
		return err
	}
	if _, err := v.Status(ctx, ""); err != nil {
		return err
	}
	if err := v.Seal(ballot.Choices{1}, ""); err != nil {
		return err
	}
	if err := v.Finish(ctx, ""); err != nil {
		return err
	}
	if v.Stage() != voter.StageReceived {
		return errors.New("no promise")
	}
	return nil
}

// validSamples returns a valid request of every route of the service. A real voter
// sends those of a voter; the link is used up.
func (s *stand) validSamples(link string) []sample {
	s.t.Helper()
	_, tok, _, _, err := token.ParseLink(link)
	if err != nil {
		s.t.Fatal(err)
	}
	o := s.p.Origins
	origins := map[string]string{"booth": o.Booth, "registrar": o.Registrar, "box": o.Box, "board": o.Board, "console": o.Console,
		"ledger": "http://" + s.ledger, "ballots": "http://" + s.ballots}
	id := electionIn(link)
	seen := &samples{election: id, services: make(map[string]string), seen: make(map[string]sample)}
	for name, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil {
			s.t.Fatal(err)
		}
		seen.services[u.Host] = name
	}
	if err := castWith(s.t.Context(), &http.Client{Transport: seen}, link); err != nil {
		s.t.Fatal(err)
	}
	list := slices.Collect(maps.Values(seen.seen))
	add := func(service, method, path, kind, body string) {
		list = append(list, newSample(service, method, origins[service]+path, id, kind, []byte(body)))
	}
	const octets, jsons, plain, forms = "application/octet-stream", "application/json", "text/plain", "application/x-www-form-urlencoded"
	add("registrar", "POST", "/v1/E/deposit", jsons, `{"token":"`+tok.Base64()+`","ballot":"AAAA"}`)
	add("registrar", "POST", "/v1/E/resend", jsons, `{"to":"nobody@mail.example"}`)
	add("registrar", "POST", "/v1/E/report", jsons, `{"happened":"It was not me.","phone":"555-0101"}`)
	add("registrar", "GET", "/v1/E/report", "", "")
	add("registrar", "GET", "/v1/E/phase", "", "")
	add("registrar", "GET", "/v1/E/link", "", "")
	add("registrar", "POST", "/v1/E/link", forms, "to=nobody%40mail.example")
	add("registrar", "POST", "/v1/E/acts", octets, "\x00\x00\x00\x01\x05")
	add("box", "POST", "/v1/E/check", octets, strings.Repeat("b", 800))
	add("box", "POST", "/v1/E/find", jsons, `{"ballot_id":"`+strings.Repeat("0", 64)+`"}`)
	add("box", "POST", "/v1/E/acts", octets, "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 1\n\nx\n2\n")
	add("box", "POST", "/v1/E/lock", plain, "c2sp.org/tlog-proof@v1\nindex 1\n\nx\n2\n")
	for _, path := range []string{"/v1/", "/v1/E", "/v1/client", "/v1/words.txt", "/v1/words/en.json", "/v1/licences.txt"} {
		add("booth", "GET", path, "", "")
	}
	for _, half := range []string{"board", "ledger", "ballots"} {
		for _, path := range []string{"/", "/elections", "/E", "/E/", "/E/files", "/E/manifest", "/E/sealing", "/E/ledger/checkpoint", "/E/ballots/checkpoint-1", "/E/ballots/tile/0/000.p/1",
			"/E/ballots/tile/entries/000.p/1", "/E/ledger/tile/entries/000.p/1"} {
			add(half, "GET", path, "", "")
		}
		add(half, "POST", "/E/ledger/cosignatures", plain, "— witness.example/1 AAAA\n")
		add(half, "POST", "/E/ballots/cosignatures", plain, strings.Repeat("a", 1023)+"\n")
	}
	for _, path := range []string{"", "E", "E/", "E/who", "E/secrecy", "E/questions", "E/box", "E/turnout", "E/result", "E/certificate", "E/check", "E/view", "E/documents",
		"E/contacts", "E/who?lang=ko", "E/turnout.json", "E/result.csv", "E/record.zip", "E/documents/offer.pdf", "E/content", "E/content/1",
		"E/content/files/" + strings.Repeat("0", 64), "assets/licences.txt"} {
		add("board", "GET", "/e/"+path, "", "")
	}
	add("board", "POST", "/e/E/box", forms, "tracker=0000-0000-0000-0000-0000")
	for _, path := range []string{"turnout.json", "content", "content/1", "content/files/" + strings.Repeat("0", 64)} {
		add("ledger", "GET", "/e/E/"+path, "", "")
	}
	add("booth", "GET", "/", "", "")
	add("console", "GET", "/", "", "")
	for _, path := range []string{"", "tellers/1", "ceremony", "manifest", "certificate", "declaration", "agenda", "acts", "slips"} {
		add("console", "GET", "/v1/E/"+path, "", "")
	}
	for _, path := range []string{"manifest", "certificate", "declaration", "acts/1", "slips/1"} {
		add("console", "POST", "/v1/E/"+path+"/signatures", jsons, `{"member":0,"key":0,"signature":"`+strings.Repeat("00", 64)+`"}`)
	}
	for _, round := range []string{"key", "message", "signature", "drill", "shares", "statement"} {
		add("console", "POST", "/v1/E/tellers/1/"+round, jsons, `{"session":1,"enrollment":"aaaa-bbbb","body":"`+hex.EncodeToString(bytes.Repeat([]byte{7}, 200))+`"}`)
	}
	for name, addr := range s.admin {
		origins[name+" admin"] = "http://" + addr
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			add(name+" admin", "GET", path, "", "")
		}
	}
	slices.SortFunc(list, func(a, b sample) int { return strings.Compare(a.route, b.route) })
	return list
}

// electionIn returns the id of the election that a link is for.
func electionIn(link string) string {
	_, _, body, _, err := token.ParseLink(link)
	if err != nil {
		panic("torture: " + err.Error())
	}
	return body.Election.String()
}

// A subject is a process that is shot at.
type subject struct {
	name  string
	pid   int
	admin string
}

// An assault shoots at subjects and watches them.
type assault struct {
	subjects []subject
	samples  []sample
	log      *lines

	counts count
	worst  map[string][]byte // a shot at each route that was answered with a fault
	taken  [][]footprint     // after each round, of all subjects
	rest   []int             // goroutines before
	files  []int             // open before
}

const perRound = 500

// begin notes what the subjects hold at rest.
func (a *assault) begin(t testing.TB) {
	t.Helper()
	a.counts, a.worst = make(count), make(map[string][]byte)
	a.rest, a.files = make([]int, len(a.subjects)), make([]int, len(a.subjects))
	for i, s := range a.subjects {
		n, err := goroutines(s.admin)
		if err != nil {
			t.Fatal(err)
		}
		f, err := footprintOf(s.pid)
		if err != nil {
			t.Fatal(err)
		}
		a.rest[i], a.files[i] = n, f.files
	}
}

// round fires many shots from eight hands at once.
func (a *assault) round(t testing.TB, number int) {
	t.Helper()
	var mu sync.Mutex
	var hands sync.WaitGroup
	var shots atomic.Int64
	for hand := range 8 {
		hands.Go(func() {
			r := rand.New(rand.NewPCG(uint64(number), uint64(hand)))
			mine := make(count)
			for shots.Add(1) <= perRound {
				s := a.samples[r.IntN(len(a.samples))]
				method, raw := mutate(r, s)
				statuses := strike(s.addr, method, raw)
				mine.add(s.route, statuses...)
				if slices.ContainsFunc(statuses, fault) {
					mu.Lock()
					a.worst[s.route] = raw
					mu.Unlock()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			a.counts.merge(mine)
		})
	}
	hands.Wait()
	now := make([]footprint, len(a.subjects))
	for i, s := range a.subjects {
		f, err := footprintOf(s.pid)
		if err != nil {
			t.Fatalf("the %s is gone: %v", s.name, err)
		}
		now[i] = f
	}
	a.taken = append(a.taken, now)
}

// What may grow: memory by 30 % and 20 MB, and what serves other requests, which a
// pool of connections to the database does.
const (
	growthPart  = 0.3
	growthKB    = 20 << 10
	growthFiles = 40 // two pools of 16, and what goes on
	growthTasks = 40
)

// fault reports whether a status blames the service.
func fault(status int) bool {
	return status >= 500 || status == hung || status == marred || status == bare
}

// findings says what is wrong: answers that blame the service, panics, memory,
// files and goroutines that do not come back.
func (a *assault) findings() (list []string) {
	for route, of := range a.counts {
		for status, n := range of {
			if fault(status) {
				list = append(list, fmt.Sprintf("answers: %s: %d of %d %s, such as to %.400q", route, n, status, ends[status], a.worst[route]))
			}
		}
	}
	if text := a.log.text(); strings.Contains(text, "panic") {
		list = append(list, "panics: "+text[strings.Index(text, "panic"):][:min(2000, len(text)-strings.Index(text, "panic"))])
	}
	first, last := a.taken[max(0, len(a.taken)/10-1)], a.taken[len(a.taken)-1]
	for i, s := range a.subjects {
		if grown := last[i].rss - first[i].rss; float64(grown) > growthPart*float64(first[i].rss)+growthKB {
			list = append(list, fmt.Sprintf("memory: the %s held %d kB after the first tenth and %d kB at the end", s.name, first[i].rss, last[i].rss))
		}
		// Connections end a moment after their last byte.
		var f footprint
		tasks := 0
		for range 200 {
			var err error
			if tasks, err = goroutines(s.admin); err != nil {
				list = append(list, fmt.Sprintf("life: the %s: %v", s.name, err))
				break
			}
			if f, err = footprintOf(s.pid); err != nil || f.files <= a.files[i]+growthFiles && tasks <= a.rest[i]+growthTasks {
				break
			}
		}
		if f.files > a.files[i]+growthFiles {
			list = append(list, fmt.Sprintf("files: the %s had %d open before and %d after", s.name, a.files[i], f.files))
		}
		if tasks > a.rest[i]+growthTasks {
			list = append(list, fmt.Sprintf("goroutines: the %s had %d before and %d after", s.name, a.rest[i], tasks))
		}
	}
	return list
}

// memory says how the subjects' memory went, in MB.
func (a *assault) memory() string {
	var b strings.Builder
	first, last := a.taken[max(0, len(a.taken)/10-1)], a.taken[len(a.taken)-1]
	for i, s := range a.subjects {
		fmt.Fprintf(&b, " %s %d→%d MB,", s.name, first[i].rss>>10, last[i].rss>>10)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// TestTortureMalformed asks every route of every listener for what it must refuse, and
// then sends requests that no client sends, while members vote. Nothing may be answered with a fault, not even with
// busy: eight hands are fewer than may send acts or proofs at once.
func TestTortureMalformed(t *testing.T) {
	t.Parallel()
	s := newStand(t, demo.Options{Members: torture.Pick(60, 600)})
	letters, err := demo.ReadLetters(s.p.Mail)
	if err != nil {
		t.Fatal(err)
	}
	a := &assault{samples: s.validSamples(letters[0].Link), log: s.log}
	for name, p := range s.services {
		a.subjects = append(a.subjects, subject{name, p.cmd.Process.Pid, s.admin[name]})
	}
	checkComplete(t, a.samples)
	checkRoutes(t, a.samples)
	a.begin(t)
	ctx, end := context.WithCancel(t.Context())
	voted := make(chan int)
	go func() { voted <- voteUntil(ctx, t, letters[1:]) }()
	rounds := 0
	for i := range torture.Rounds(10, 2000, 0.08) {
		a.round(t, i)
		rounds++
	}
	end()
	votes := <-voted
	for _, f := range a.findings() {
		t.Error(f)
	}
	if t.Failed() {
		t.Log(s.log.tail())
	}
	t.Logf("statuses by route:\n%v", a.counts)
	if r := s.finish(filepath.Join(t.TempDir(), "record")); r.Ballots != uint64(votes+1) {
		t.Errorf("the record holds %d ballots, and %d were cast", r.Ballots, votes+1)
	}
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("%d malformed requests to %d routes of 10 listeners, while members vote", rounds*perRound, len(a.samples)),
		Target:   "no 5xx, no panic, nothing hangs; memory, files, goroutines flat; all voters succeed",
		Measured: fmt.Sprintf("%v;%s; %d of %d voters", a.counts.classes(), a.memory(), votes, votes),
		Control:  malformedControl(t),
	})
}

// voteUntil lets members vote one after another until the context ends or all have,
// but at least some, and returns how many did.
func voteUntil(ctx context.Context, t *testing.T, letters []demo.Letter) (votes int) {
	for _, l := range letters {
		if ctx.Err() != nil && votes >= 10 {
			break
		}
		if err := castWith(t.Context(), newClient(), l.Link); err != nil {
			t.Errorf("voter %d: %s", votes, demo.Reason(err))
			continue
		}
		votes++
	}
	return votes
}
