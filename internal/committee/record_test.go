package committee_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
)

// A closed is an election that is locked: three tellers, of whom two open it.
type closed struct {
	*world
	e       *audittest.Election
	board   *board
	opening *tally.Opening
}

// story is made once: its signatures take time.
var story struct {
	sync.Once
	e *audittest.Election
}

func newClosed(t *testing.T, change ...func(*audittest.Election)) *closed {
	t.Helper()
	story.Do(func() { story.e = audittest.New(t, audittest.Options{Stage: layout.Locked, Ballots: 5}) })
	e := story.e.Clone()
	for _, f := range change {
		f(e)
	}
	w := &world{m: e.Manifest, session: 1, static: e.Static}
	w.open(t, e.Manifest)
	w.sendKeys()
	c := &closed{world: w, e: e, board: &board{files: e.Publish(t)}}
	server := httptest.NewServer(c.board)
	t.Cleanup(server.Close)
	w.set(committee.Status{Manifest: e.Manifest, MID: e.MID, Record: server.URL, Files: c.board})
	c.phase(election.PhaseLocked)
	c.opening = c.audit(t, layout.Locked).Opening
	return c
}

// phase moves the election on.
func (c *closed) phase(p election.Phase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Phase = string(p)
}

// audit verifies the record as it is published by now.
func (c *closed) audit(t *testing.T, stage layout.Stage) *audit.Report {
	t.Helper()
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	r, err := audit.Verify(t.Context(), maps.Clone(c.board.files), audit.Options{Stage: stage, MID: &c.e.MID})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Verified {
		t.Fatalf("the record does not hold: %s", r.Fault())
	}
	return r
}

func (c *closed) file(path string) []byte {
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	if f := c.board.files[path]; f != nil {
		return f.Data
	}
	return nil
}

// shares makes teller i's file, with new proofs each time.
func (c *closed) shares(i int, change func(*share.File)) []byte {
	c.t.Helper()
	f, err := c.opening.Shares(uint8(i), c.e.Shares[i-1])
	if err != nil {
		c.t.Fatal(err)
	}
	if change != nil {
		change(f)
	}
	b, err := f.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// TestShares sends share files that are not what the record calls for.
func TestShares(t *testing.T) {
	t.Parallel()
	c := newClosed(t)
	good := c.shares(2, nil)
	for name, body := range map[string][]byte{
		"empty":               nil,
		"no file":             []byte("{}\n"),
		"a byte less":         good[:len(good)-1],
		"of another teller":   c.shares(1, nil),
		"renamed":             c.shares(1, func(f *share.File) { f.Teller = 2 }),
		"of another election": c.shares(2, func(f *share.File) { f.MID[0]++ }),
		"of another close":    c.shares(2, func(f *share.File) { f.CloseRoot[0]++ }),
		"of another size":     c.shares(2, func(f *share.File) { f.CloseSize++ }),
		"one left out":        c.shares(2, func(f *share.File) { f.Shares = f.Shares[1:] }),
		"none":                c.shares(2, func(f *share.File) { f.Shares = nil }),
		"another group":       c.shares(2, func(f *share.File) { f.Shares[len(f.Shares)-1].Set = 900 }),
		"D":                   c.shares(2, func(f *share.File) { f.Shares[0].D = f.Shares[0].D.Add(group.Generator()) }),
		"A":                   c.shares(2, func(f *share.File) { f.Shares[0].A = f.Shares[0].A.Add(group.Generator()) }),
		"B":                   c.shares(2, func(f *share.File) { f.Shares[0].B = f.Shares[0].B.Add(group.Generator()) }),
		"s":                   c.shares(2, func(f *share.File) { f.Shares[0].S = f.Shares[0].S.Add(group.ScalarFromUint64(1)) }),
		"swapped":             c.shares(2, func(f *share.File) { f.Shares[0].Share, f.Shares[1].Share = f.Shares[1].Share, f.Shares[0].Share }),
	} {
		got := c.post(2, ceremony.RoundShares, body)
		if got.status != 422 || got.code != "refused" {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if slices.Contains(c.state().Shared, true) {
		t.Error("a share file that was refused is kept")
	}
	c.fine("shares", c.post(2, ceremony.RoundShares, good))
	c.fine("the same shares again", c.post(2, ceremony.RoundShares, good))
	// A teller whose answer was lost makes new proofs. The first stay.
	c.fine("shares with other proofs", c.post(2, ceremony.RoundShares, c.shares(2, nil)))
	if got := c.state().Shared; !slices.Equal(got, []bool{false, true, false}) {
		t.Errorf("got %v", got)
	}
	if err := c.service.Open(t.Context(), c.id(), nil); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("opened with one teller: %v", err)
	}
	c.fine("shares", c.post(3, ceremony.RoundShares, c.shares(3, nil)))
	steps := 0
	for range 2 {
		if err := c.service.Open(t.Context(), c.id(), func(done, total int) { steps++ }); err != nil {
			t.Fatal(err)
		}
	}
	if steps == 0 {
		t.Error("no progress was shown")
	}
	if !bytes.Equal(c.file(layout.Shares(2)), good) {
		t.Error("another share file was published than the one kept")
	}
	if r := c.audit(t, layout.Opened); r.Outcome == "" {
		t.Error("no outcome")
	}
	// Another teller comes late, and is heard, and changes nothing.
	c.phase(election.PhaseTallied)
	c.fine("late shares", c.post(1, ceremony.RoundShares, c.shares(1, nil)))
	if err := c.service.Open(t.Context(), c.id(), nil); err != nil {
		t.Error(err)
	}
	c.audit(t, layout.Opened)
}

// TestOpenInterrupted lets the publication of the result fail at every file, a
// teller with a lower number answer meanwhile, and the program start again.
func TestOpenInterrupted(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			c := newClosed(t)
			for _, i := range []int{2, 3} {
				c.fine("shares", c.post(i, ceremony.RoundShares, c.shares(i, nil)))
			}
			c.board.fail = n
			if err := c.service.Open(t.Context(), c.id(), nil); !errors.Is(err, errBoard) {
				t.Fatalf("got %v", err)
			}
			c.fine("shares", c.post(1, ceremony.RoundShares, c.shares(1, nil)))
			c.restartService()
			if err := c.service.Open(t.Context(), c.id(), nil); err != nil {
				t.Fatal(err)
			}
			c.audit(t, layout.Opened)
		})
	}
}

// TestFalseRecord does not open what does not hold, and does not say why to
// those who ask.
func TestFalseRecord(t *testing.T) {
	t.Parallel()
	c := newClosed(t)
	good := c.board.files[layout.StatementBox]
	delete(c.board.files, layout.StatementBox)
	// While it is being locked a file that comes with the lock is waited for.
	c.clock = func() time.Time { return time.Unix(audittest.Locked, 0) }
	if got := c.post(1, ceremony.RoundShares, c.shares(1, nil)); got.status != http.StatusTooEarly {
		t.Errorf("while it is being locked: got %v", got)
	}
	c.clock = nil
	got := c.post(1, ceremony.RoundShares, c.shares(1, nil))
	if got.status != 500 || got.text != "Something went wrong here. Please try again." {
		t.Errorf("got %v", got)
	}
	if !strings.Contains(c.log.String(), layout.StatementBox) {
		t.Errorf("got log %s", c.log)
	}
	// What was found wrong is looked at again.
	c.board.mu.Lock()
	c.board.files[layout.StatementBox] = good
	c.board.mu.Unlock()
	c.fine("shares", c.post(1, ceremony.RoundShares, c.shares(1, nil)))
}

// TestImpatient cancels a teller's request while the record is verified. The
// verification goes on, and the next teller has the use of it.
func TestImpatient(t *testing.T) {
	t.Parallel()
	c := newClosed(t)
	inside := make(chan struct{})
	var once sync.Once
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(inside) })
		c.board.ServeHTTP(w, r)
	}))
	t.Cleanup(slow.Close)
	c.status.Record = slow.URL
	ctx, cancel := context.WithCancel(t.Context())
	p := ceremony.Post{Session: 1, Enrollment: c.words[0], Body: c.shares(1, nil)}
	c.board.mu.Lock() // nothing is served before the teller has gone
	done := make(chan error, 1)
	go func() { done <- c.service.Accept(ctx, c.id(), 1, ceremony.RoundShares, &p) }()
	<-inside
	cancel()
	c.board.mu.Unlock()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	slow.Close()
	c.fine("shares", c.post(2, ceremony.RoundShares, c.shares(2, nil)))
}

// signCertificate returns what a member sends to sign the certificate.
func (c *closed) signCertificate(member int, key ed25519.PrivateKey, certificate []byte) answer {
	return c.ask("POST", "/certificate/signatures", signature(c.t, member, tally.SignCertificate(key, c.e.MID, certificate)))
}

// tallied takes an election to where its certificate is made.
func (c *closed) tallied() {
	c.t.Helper()
	for _, i := range []int{1, 3} {
		c.fine("shares", c.post(i, ceremony.RoundShares, c.shares(i, nil)))
	}
	if err := c.service.Open(c.t.Context(), c.id(), nil); err != nil {
		c.t.Fatal(err)
	}
	c.phase(election.PhaseTallied)
}

func (c *closed) certificate() []byte {
	c.t.Helper()
	got := c.ask("GET", "/certificate", nil)
	if got.status != 200 {
		c.t.Fatalf("got %v", got)
	}
	return []byte(got.text)
}

// TestCertificate signs the certificate, after it was corrected once, with the
// committee as it is by then, and certifies the record.
func TestCertificate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := newClosed(t, func(e *audittest.Election) { e.Replace(t, 2) })
	if err := c.service.DraftCertificate(ctx, c.id(), nil, 0, audittest.Certified); err == nil {
		t.Error("a certificate without a result")
	}
	c.tallied()
	c.want("signing none", c.signCertificate(0, c.e.Committee[0], nil), 425, "not_yet")
	result := c.file(layout.Result)
	for range 2 {
		if err := c.service.DraftCertificate(ctx, c.id(), result, 0, audittest.Certified); err != nil {
			t.Fatal(err)
		}
	}
	first := c.certificate()
	if err := c.service.DraftCertificate(ctx, c.id(), result, 0, audittest.Certified+1); err != nil || !bytes.Equal(c.certificate(), first) {
		t.Errorf("a second draft replaced the first (%v)", err)
	}
	c.fine("signature", c.signCertificate(0, c.e.Committee[0], first))
	if err := c.service.ProposeCertificate(ctx, c.id(), result, 2, audittest.Certified); err != nil {
		t.Fatal(err)
	}
	second := c.certificate()
	if bytes.Equal(first, second) || !bytes.Contains(second, []byte(`"disputed":2`)) {
		t.Errorf("got certificate %s", second)
	}
	c.want("over the first", c.signCertificate(1, c.e.Committee[1], first), 422, "refused")
	c.want("by a dead key", c.signCertificate(2, c.e.Dead[2], second), 422, "refused")
	c.want("by another's hand", c.signCertificate(1, c.e.Committee[0], second), 422, "refused")
	c.want("a member too many", c.signCertificate(3, c.e.Committee[0], second), 422, "refused")
	c.fine("by the new key", c.signCertificate(2, c.e.Committee[2], second))
	c.fine("the same member", c.signCertificate(2, c.e.Committee[2], second))
	if _, err := c.service.Certification(ctx, c.id()); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("one member certified: %v", err)
	}
	if _, err := c.service.Certified(ctx, c.id()); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("it is certified before its signatures were given out: %v", err)
	}
	c.fine("another member", c.signCertificate(1, c.e.Committee[1], second))
	certification, err := c.service.Certification(ctx, c.id())
	if err != nil {
		t.Fatal(err)
	}
	c.fine("the third member", c.signCertificate(0, c.e.Committee[0], second))
	if again, err := c.service.Certification(ctx, c.id()); err != nil || !bytes.Equal(again, certification) {
		t.Errorf("got another certification: %v", err)
	}
	if err := c.service.ProposeCertificate(ctx, c.id(), result, 3, audittest.Certified); !errors.Is(err, committee.ErrConflict) {
		t.Errorf("another certificate after certification: got %v", err)
	}
	if got, err := c.service.Certified(ctx, c.id()); err != nil || got.Disputed != 2 {
		t.Errorf("got %+v, %v, want the second certificate", got, err)
	}
	c.publish(layout.Certificate, second)
	c.publish(layout.Certification, certification)
	c.phase(election.PhaseCertified)
	c.audit(t, layout.Certified)
	c.statements(t)
	c.audit(t, layout.Certified)
}

func (c *closed) publish(path string, body []byte) {
	c.t.Helper()
	if err := c.board.PutFile(c.t.Context(), path, body); err != nil {
		c.t.Fatal(err)
	}
}

// statements sends statements of destruction, true and false ones.
func (c *closed) statements(t *testing.T) {
	t.Helper()
	good := statement.SignTeller(c.e.Static[1], 2, c.e.MID)
	for name, body := range map[string][]byte{
		"empty":               nil,
		"of another teller":   statement.SignTeller(c.e.Static[0], 1, c.e.MID),
		"by another's hand":   statement.SignTeller(c.e.Static[0], 2, c.e.MID),
		"by the share":        statement.SignTeller(c.e.Shares[1], 2, c.e.MID),
		"of another election": statement.SignTeller(c.e.Static[1], 2, [32]byte{1}),
		"a byte more":         append(bytes.Clone(good), '\n'),
		"a byte less":         good[:len(good)-1],
	} {
		c.want(name, c.post(2, ceremony.RoundStatement, body), 422, "refused")
	}
	if c.file(layout.StatementTeller(2)) != nil {
		t.Error("a false statement was published")
	}
	// One alone could be taken out of the record unnoticed.
	last := len(c.e.Static)
	for i := 1; i < last; i++ {
		c.fine("statement", c.post(i, ceremony.RoundStatement, statement.SignTeller(c.e.Static[i-1], i, c.e.MID)))
		if c.file(layout.StatementTeller(i)) != nil {
			t.Error("a statement was published before all were there")
		}
	}
	// The board is full: what is kept is published with the next attempt.
	end := statement.SignTeller(c.e.Static[last-1], last, c.e.MID)
	c.board.fail = 1
	c.want("a full board", c.post(last, ceremony.RoundStatement, end), 500, "internal")
	for range 2 {
		c.fine("statement", c.post(last, ceremony.RoundStatement, end))
	}
	if !bytes.Equal(c.file(layout.StatementTeller(2)), good) || !bytes.Equal(c.file(layout.StatementTeller(last)), end) {
		t.Error("the statements were not published")
	}
}

// TestCancelled opens nothing of an election that was cancelled, whatever the
// service says of it.
func TestCancelled(t *testing.T) {
	t.Parallel()
	e := audittest.New(t, audittest.Options{Cancelled: true, Ballots: 5})
	w := &world{m: e.Manifest, session: 1, static: e.Static}
	w.open(t, e.Manifest)
	w.sendKeys()
	b := &board{files: e.Publish(t)}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	w.set(committee.Status{Manifest: e.Manifest, MID: e.MID, Record: server.URL, Files: b, Phase: string(election.PhaseLocked)})
	w.want("shares", w.post(1, ceremony.RoundShares, []byte("{}")), 500, "internal")
	if !strings.Contains(w.log.String(), "cancelled") {
		t.Errorf("got log %s", w.log)
	}
}
