package browser_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/demo"
	"strikevote/internal/deployment"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/voter"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stopShared()
	if err := pictures.index(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// A stand is an election that is open for voting, with its members' mails. It is
// safe for concurrent use.
type stand struct {
	origins  election.Origins
	id       suite.ElectionID
	manifest *election.Manifest
	mu       sync.Mutex
	unused   []letter        // guarded by mu
	trackers map[string]bool // of ballots that were cast; guarded by mu

	// Of a demo's whole life, see newDemo.
	goOn      chan struct{} // closed to go on after voting
	certified chan struct{} // closed when the election is at its end
	leave     chan struct{} // closed to end it
	ended     chan struct{} // closed after that; report and err are final
	report    *audit.Report
	err       error
	record    string
}

// A letter is a member's mail.
type letter struct{ address, link, code string }

// Format redacts the letter under every verb: a link is a vote.
func (letter) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[a member's mail]")) }

var codeLine = regexp.MustCompile(`enter your code ([0-9A-Z -]+) at`)

func readLetter(t testing.TB, path string) letter {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	address, link, err := voter.ReadMail(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	l := letter{address: address, link: link}
	if m := codeLine.FindStringSubmatch(flat(strings.ReplaceAll(string(b), "=\r\n", ""))); m != nil {
		l.code = m[1]
	}
	if _, err := mail.ReadMessage(strings.NewReader(string(b))); err != nil || l.code == "" || l.link == "" {
		t.Fatalf("a mail lacks its code or link (%v)", err)
	}
	return l
}

// letter takes the mail of a member who has not voted.
func (s *stand) letter(t testing.TB) letter {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unused) == 0 {
		t.Fatal("all members of the stand have been used; give it more")
	}
	l := s.unused[0]
	s.unused = s.unused[1:]
	return l
}

// simulated is how many members of a demo vote without a browser.
const simulated = 30

// newDemo runs a whole election in this process, which stays open for voting until
// finish is called, and answers until the test ends.
func newDemo(t testing.TB, members int) *stand {
	t.Helper()
	s := &stand{goOn: make(chan struct{}), certified: make(chan struct{}), leave: make(chan struct{}), ended: make(chan struct{}),
		record: filepath.Join(t.TempDir(), "record")}
	opened := make(chan *demo.World, 1)
	ctx, cancel := context.WithCancel(context.Background())
	pause := func(until chan struct{}) error {
		select {
		case <-until:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	o := demo.Options{Members: members, Turnout: float64(simulated) / float64(members), Seed: 5, Out: s.record,
		Log:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Serve:     func(_ context.Context, w *demo.World) error { opened <- w; return pause(s.goOn) },
		Certified: func(context.Context, *demo.World) error { close(s.certified); return pause(s.leave) },
	}
	go func() {
		defer close(s.ended)
		s.report, s.err = demo.Run(ctx, o)
	}()
	t.Cleanup(func() {
		cancel()
		<-s.ended
	})
	select {
	case w := <-opened:
		s.origins, s.id = w.Origins(), w.Election()
		for _, path := range w.Unused() {
			s.unused = append(s.unused, readLetter(t, path))
		}
	case <-s.ended:
		t.Fatalf("the election did not open: %v", s.err)
	}
	s.read(t)
	return s
}

// read fetches the manifest as a member's page does.
func (s *stand) read(t testing.TB) {
	t.Helper()
	v, err := voter.Open(t.Context(), voter.NewClient(), s.unused[0].link, voter.NoMemory{})
	if err != nil {
		t.Fatal(err)
	}
	s.manifest = v.Manifest
}

// finish closes the vote, has the totals opened and certified, and returns while
// the service still answers.
func (s *stand) finish(t testing.TB) {
	t.Helper()
	close(s.goOn)
	select {
	case <-s.certified:
	case <-s.ended:
		t.Fatalf("the election did not end: %v", s.err)
	}
}

// audit ends the service and returns what the auditor says about the record.
func (s *stand) audit(t testing.TB) *audit.Report {
	t.Helper()
	close(s.leave)
	<-s.ended
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.report
}

// newFactor opens an election that asks members for something that only they know,
// and has two questions in two languages. It stays open until the test ends. It
// returns the answer of every member.
func newFactor(t testing.TB, members int) (s *stand, answer string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "strikevote-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	answer = "Mar 7"
	p, err := demo.Prepare(t.Context(), demo.Options{Data: dir, Roll: factorRoll(t, members, answer), Draft: twoQuestions})
	if err != nil {
		t.Fatal(err)
	}
	d, err := deployment.Open(t.Context(), deployment.Config{Data: p.Data, Mail: p.Mail, Pace: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- d.Serve(ctx) }()
	go func() { ended <- p.Follow(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the service: %v", err)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	letters, err := demo.ReadLetters(p.Mail)
	if err != nil {
		t.Fatal(err)
	}
	s = &stand{origins: p.Origins}
	for _, l := range letters {
		s.unused = append(s.unused, readLetter(t, l.Path))
	}
	s.read(t)
	s.id = s.manifest.ElectionID
	return s, answer
}

func factorRoll(t testing.TB, members int, answer string) []byte {
	t.Helper()
	var b strings.Builder
	w := csv.NewWriter(&b)
	rows := [][]string{{"Employee ID", "Name", "E-mail", "Bargaining Unit", "Campus", "Language", "Factor"}}
	for i := range members {
		rows = append(rows, []string{fmt.Sprint(500_001 + i), fmt.Sprintf("Ana Member %d", i+1), fmt.Sprintf("ana%d@mail.example", i+1),
			"HX", "Alder Bay", "en", answer})
	}
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}

func twoQuestions(m *election.Manifest) {
	m.Languages = []string{"en", "es"}
	m.Title = []string{"Two questions (demo)", "Dos preguntas (demo)"}
	m.Statement = []string{m.Statement[0], "Se vota lo que aquí se pregunta."}
	m.Factor = &election.Factor{Label: []string{"Your birthday, as in May 4", "Su cumpleaños, como en May 4"}}
	option := func(en, es, role string) election.Option {
		return election.Option{Text: []string{en, es}, Role: role}
	}
	m.Questions = []election.Question{
		{Text: []string{"Do you authorize the leadership to call a strike?", "¿Autoriza a la dirección a convocar una huelga?"},
			Options: []election.Option{option("Yes", "Sí", "yes"), option("No", "No", "no"), option("Abstain", "Me abstengo", "neutral")}},
		{Text: []string{"Shall dues pay into a strike fund?", "¿Irán las cuotas a un fondo de huelga?"},
			Options: []election.Option{option("Yes", "Sí", "yes"), option("No", "No", "no")}},
	}
}
