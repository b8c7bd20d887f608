package voter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
	"strikevote/internal/voter"
)

// openOff opens the link of somebody who is not on the roll.
func (s *service) openOff(t *testing.T, index uint32, memory voter.Memory) *voter.Session {
	t.Helper()
	session, err := voter.Open(t.Context(), s.client(), s.linkOf(token.KindEnvelope, index), memory)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func deposit(t *testing.T, session *voter.Session) {
	t.Helper()
	if err := session.Deposit(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if session.Stage() != voter.StageDeposited || !session.InEnvelope() {
		t.Fatalf("ended in stage %q", session.Stage())
	}
}

// envelopes returns how many there are.
func (s *service) envelopes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}

// TestDeposit takes an envelope through its life, for both kinds of people.
func TestDeposit(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.begun = false
	for index, open := range []func(*testing.T, uint32, voter.Memory) *voter.Session{s.open, s.openOff} {
		memory := inFile(t)
		session := open(t, uint32(index), memory)
		if err := session.Deposit(t.Context(), ""); err == nil {
			t.Error("nothing was deposited")
		}
		if off := index == 1; session.EnvelopeOnly() != off {
			t.Errorf("opens an envelope only: %v", session.EnvelopeOnly())
		}
		if _, err := session.Status(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		seal(t, session, 2, 1)
		if index == 1 {
			if err := session.Finish(t.Context(), ""); !errors.Is(err, voter.ErrEnvelopeOnly) {
				t.Errorf("an ordinary ballot: got %v", err)
			}
		}
		before := len(s.sent("registrar"))
		deposit(t, session)
		if got := s.sent("registrar")[before:]; len(got) != 1 || got[0].path != "/deposit" {
			t.Errorf("%d requests", len(got))
		}
		if secret, choices, typed, sealed := session.Remains(); secret != nil || choices != nil || typed != "" || sealed {
			t.Error("the choice is still there")
		}
		id, _ := session.Tracker()
		again := open(t, uint32(index), memory)
		deposit(t, again)
		finish := again.Finish(t.Context(), "")
		if got, _ := again.Tracker(); finish != nil || got != id || len(s.sent("registrar")) != before+1 {
			t.Error("it was begun again")
		}
		if err := again.Seal(ballot.Choices{0, 0}, ""); err == nil {
			t.Error("a second ballot was sealed")
		}
		find := func(want string) *voter.Found {
			t.Helper()
			found, err := again.Find(t.Context())
			if err != nil || found.State != want {
				t.Fatalf("got %v, %v, want %q", found, err, want)
			}
			return found
		}
		find("unknown") // undecided, or refused
		s.set(func() { s.accept(id) })
		find("received")
		s.set(func() { s.enter(id) })
		if found := find("in the log"); found.Proof == nil || found.Index != int64(index+1) {
			t.Errorf("got %v", found)
		}
	}
	if issued, _ := s.counts(); issued != 0 || s.envelopes() != 2 {
		t.Errorf("%d credentials, %d envelopes", issued, s.envelopes())
	}
}

// TestDepositProof: what the box shows as this envelope's entry has to be it.
func TestDepositProof(t *testing.T) {
	t.Parallel()
	s := newService(t)
	first, second := s.open(t, 0, voter.NoMemory{}), s.openOff(t, 1, voter.NoMemory{})
	var entries [][]byte
	for _, session := range []*voter.Session{first, second} {
		seal(t, session, 0, 0)
		deposit(t, session)
		id, _ := session.Tracker()
		s.set(func() {
			s.accept(id)
			s.enter(id)
			entries = append(entries, ledger.BallotEntry(s.box[id]))
		})
	}
	unsigned := bytes.Clone(entries[0])
	unsigned[len(unsigned)-1] ^= 1
	for name, proof := range map[string][]byte{
		"without the entry":  s.proof(1, s.keys.Witnesses...),
		"another's entry":    s.proofWith(1, entries[1]),
		"another's place":    s.proofWith(2, entries[0]),
		"another's whole":    s.proofWith(2, entries[1]),
		"another credential": s.proofWith(1, unsigned),
		"the manifest":       s.proofWith(0, ledger.ManifestEntry(s.mid)),
		"cut":                s.proofWith(1, entries[0][:100]),
		"not witnessed":      s.prove(1, entries[0]),
	} {
		s.set(func() {
			s.change = func(_ request, w *httptest.ResponseRecorder) {
				*w = *httptest.NewRecorder()
				reply(w, http.StatusOK, map[string]string{"state": "in the log", "promise": "", "proof": string(proof)})
			}
		})
		found, err := first.Find(t.Context())
		sentence(t, name, err)
		if found != nil {
			t.Errorf("%s: got %v", name, found)
		}
	}
}

// TestDepositLies: an answer that is not about this ballot is not taken for one.
func TestDepositLies(t *testing.T) {
	t.Parallel()
	s := newService(t)
	memory := inFile(t)
	session := s.open(t, 0, memory)
	seal(t, session, 0, 0)
	id, _ := session.Tracker()
	other := id
	other[3] ^= 1
	for _, answer := range []string{`{}`, ``, `{"ballot_id":"` + id.String() + `","state":"received"}`,
		`{"ballot_id":"` + other.String() + `","state":"deposited"}`, `{"ballot_id":"xy","state":"deposited"}`} {
		s.set(func() { s.change = instead("registrar/deposit", []byte(answer)) })
		sentence(t, answer, session.Deposit(t.Context(), ""))
		if session.Stage() != voter.StageSealed || session.Choices() == nil {
			t.Fatalf("%s was taken for a receipt", answer)
		}
	}
	s.set(func() { s.change = nil })
	again := s.open(t, 0, memory)
	deposit(t, again)
	if got, _ := again.Tracker(); got != id {
		t.Error("another ballot was deposited")
	}
}

// depositPaths are all requests of an envelope, in order.
var depositPaths = []string{"booth/manifest", "board/ledger/checkpoint-1", "registrar/status", "registrar/deposit", "box/find"}

// TestDepositKilled kills the program before and after every request. Whatever
// was kept is finished, as the same envelope; nobody has an envelope and a
// ballot, whichever way the later run goes.
func TestDepositKilled(t *testing.T) {
	t.Parallel()
	s := newService(t)
	member := uint32(0)
	for n := 1; n <= len(depositPaths); n++ {
		for _, after := range []bool{false, true} {
			name := fmt.Sprintf("killed at %s, arrived: %v", depositPaths[n-1], after)
			memory := inFile(t)
			ctx, cancel := context.WithCancel(t.Context())
			m := &mortal{service: s, n: n, after: after, cancel: cancel}
			if err := live(ctx, m, s.link(member), memory, (*voter.Session).Deposit); err == nil {
				t.Errorf("%s: it lived on", name)
			}
			session := s.open(t, member, memory)
			id, kept := session.Tracker()
			if want := n >= 4; kept != want || session.InEnvelope() != want {
				t.Errorf("%s: an envelope is kept: %v", name, kept)
			}
			if !kept {
				seal(t, session, 2, 0)
				deposit(t, session)
			} else if err := session.Seal(ballot.Choices{0, 0}, ""); err == nil {
				t.Errorf("%s: another ballot took its place", name)
			}
			// The command without -envelope goes on with it all the same.
			if err := session.Finish(t.Context(), ""); err != nil || session.Stage() != voter.StageDeposited {
				t.Errorf("%s: ended in %q, %v", name, session.Stage(), err)
			}
			if got, _ := session.Tracker(); kept && got != id {
				t.Errorf("%s: another ballot was deposited", name)
			}
			member++
		}
	}
	if issued, cast := s.counts(); issued != 0 || cast != 0 || s.envelopes() != int(member) {
		t.Errorf("%d people made %d credentials, %d ballots, %d envelopes", member, issued, cast, s.envelopes())
	}
}

// TestDepositFaults breaks every request once, in every way.
func TestDepositFaults(t *testing.T) {
	t.Parallel()
	s := newService(t)
	member := uint32(0)
	for at := range depositPaths {
		for _, kind := range []fault{lost, dropped, cut, busy, broken, gateway} {
			s.set(func() {
				s.requests = nil
				s.fault = func(n int, _ request) fault {
					if n == at+1 {
						return kind
					}
					return none
				}
			})
			synctest.Test(t, func(t *testing.T) {
				if err := live(t.Context(), s, s.linkOf(token.KindEnvelope, member), voter.NoMemory{}, (*voter.Session).Deposit); err != nil {
					t.Errorf("%s, fault %d: %v", depositPaths[at], kind, err)
				}
			})
			member++
			if n := len(s.requests); n != len(depositPaths)+1 {
				t.Errorf("%s, fault %d: %d requests", depositPaths[at], kind, n)
			}
		}
	}
	if s.envelopes() != int(member) {
		t.Errorf("%d people made %d envelopes", member, s.envelopes())
	}
}

// TestNeverBoth: a ballot that may have been issued is not put into an envelope,
// and one that may be in an envelope is not asked for.
func TestNeverBoth(t *testing.T) {
	t.Parallel()
	s := newService(t)
	// A ballot that was issued, the answer being lost.
	memory := inFile(t)
	session := s.open(t, 0, memory)
	seal(t, session, 0, 0)
	s.set(func() { s.change = refusing("registrar/issue") })
	sentence(t, "no answer", session.Finish(t.Context(), ""))
	s.set(func() { s.change = nil })
	for range 2 {
		if err := session.Deposit(t.Context(), ""); err == nil {
			t.Fatal("a ballot that was asked for was put into an envelope")
		}
		session = s.open(t, 0, memory)
	}
	if _, err := session.Status(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := session.Deposit(t.Context(), ""); err == nil {
		t.Fatal("a ballot that was issued was put into an envelope")
	}
	finish(t, session)
	if err := session.Deposit(t.Context(), ""); err == nil {
		t.Error("a ballot that was cast was put into an envelope")
	}
	// One that was never asked for may go into an envelope, and back.
	memory = inFile(t)
	ctx, cancel := context.WithCancel(t.Context())
	if err := live(ctx, &mortal{service: s, n: 4, cancel: cancel}, s.link(1), memory, (*voter.Session).Finish); err == nil {
		t.Fatal("it lived on")
	}
	session = s.open(t, 1, memory)
	if status, err := session.Status(t.Context(), ""); err != nil || status.Issued {
		t.Fatalf("%v, %v", status, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	if err := live(ctx, &mortal{service: s, n: 4, cancel: cancel}, s.link(1), memory, (*voter.Session).Deposit); err == nil {
		t.Fatal("it lived on")
	}
	session = s.open(t, 1, memory)
	if !session.InEnvelope() {
		t.Error("it is not kept as an envelope")
	}
	if _, err := session.Status(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	seal(t, session, 1, 0)
	finish(t, session)
	if issued, cast := s.counts(); issued != 2 || cast != 2 || s.envelopes() != 0 {
		t.Errorf("%d credentials, %d ballots, %d envelopes", issued, cast, s.envelopes())
	}
}

// TestDepositErases writes what is kept: with the choice before, without it
// after, and a memory that fails sends nothing.
func TestDepositErases(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for fail, sent := range map[int]int{1: 0, 2: 1} {
		s.set(func() { s.requests = nil })
		memory := &inMemory{fail: fail}
		session := s.open(t, uint32(fail), memory)
		seal(t, session, 2, 1)
		sentence(t, "no space", session.Deposit(t.Context(), ""))
		if n := len(s.sent("registrar")); n != sent {
			t.Errorf("failing at %d: %d requests were sent", fail, n)
		}
		id, _ := session.Tracker()
		if fail == 2 {
			session = s.open(t, uint32(fail), memory)
		}
		deposit(t, session)
		if got, _ := session.Tracker(); got != id {
			t.Errorf("failing at %d: another ballot", fail)
		}
	}
	secret := ballot.NewSecret()
	memory := &inMemory{}
	session := s.open(t, 5, memory)
	if err := session.SealWith(secret, ballot.Choices{2, 1}, "words"); err != nil {
		t.Fatal(err)
	}
	deposit(t, session)
	plain, err := session.Opened(memory.b)
	if err != nil {
		t.Fatal(err)
	}
	for name, needle := range spellings("secret", secret[:]) {
		if bytes.Contains(plain, needle) {
			t.Errorf("the %s is kept", name)
		}
	}
	if bytes.Contains(plain, []byte("words")) || !bytes.Contains(plain, []byte(`"envelope":true`)) {
		t.Errorf("what is kept: %s", plain)
	}
}

// TestDepositTells: the registrar is told the sealed ballot of an envelope, and
// still nothing that opens it.
func TestDepositTells(t *testing.T) {
	t.Parallel()
	s := newService(t)
	session := s.openOff(t, 0, inFile(t))
	secret := ballot.NewSecret()
	if err := session.SealWith(secret, ballot.Choices{2, 1}, "words of my own"); err != nil {
		t.Fatal(err)
	}
	deposit(t, session)
	if _, err := session.Find(t.Context()); err != nil {
		t.Fatal(err)
	}
	search(t, s.sent("registrar", "box", "booth", "board"), spellings("secret", secret[:]),
		map[string][]byte{"code": []byte(secret.RecoveryCode()), "typed text": []byte("words of my own")})
	_, tok, _, _, err := token.ParseLink(s.linkOf(token.KindEnvelope, 0))
	if err != nil {
		t.Fatal(err)
	}
	search(t, s.sent("box", "booth", "board"), spellings("token", tok[:]))
}

// TestOpenCode votes with a typed code, in an ordinary ballot and an envelope.
func TestOpenCode(t *testing.T) {
	t.Parallel()
	s := newService(t)
	dir := t.TempDir()
	for index, kind := range []token.Kind{token.KindMember, token.KindEnvelope} {
		code := s.code(kind, uint32(index))
		typed := strings.ToLower(strings.ReplaceAll(code, "-", " "))
		memory := voter.FileForCode(dir, s.m.ElectionID, typed)
		if memory != voter.FileForCode(dir, s.m.ElectionID, code) || memory == voter.FileForCode(dir, suite.ElectionID{1}, code) {
			t.Error("the spellings of a code have two files, or two elections one")
		}
		s.set(func() { s.requests = nil })
		open := func() *voter.Session {
			t.Helper()
			session, err := voter.OpenCode(t.Context(), s.client(), s.m.Origins.Booth, s.m.ElectionID, typed, memory)
			if err != nil {
				t.Fatal(err)
			}
			return session
		}
		session := open()
		if session.Group() != nil || len(s.sent("registrar", "box")) != 0 {
			t.Error("the code was sent before anybody confirmed the election")
		}
		if err := session.Seal(ballot.Choices{0, 0}, ""); err == nil {
			t.Error("sealed for no group")
		}
		if _, err := session.Status(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		off := kind == token.KindEnvelope
		if session.Group().ID != 1 || session.EnvelopeOnly() != off {
			t.Errorf("group %v, envelope only %v", session.Group(), session.EnvelopeOnly())
		}
		seal(t, session, 1, 1)
		id, _ := session.Tracker()
		// Interrupted before the answer came.
		path := "registrar/issue"
		if off {
			path = "registrar/deposit"
		}
		s.set(func() { s.change = refusing(path) })
		done := session.Finish
		if off {
			done = session.Deposit
		}
		sentence(t, "no answer", done(t.Context(), ""))
		s.set(func() { s.change = nil })
		session = open()
		if got, _ := session.Tracker(); got != id || session.Group().ID != 1 {
			t.Error("another ballot, or none")
		}
		if err := session.Finish(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		search(t, s.sent("box", "booth", "board"), map[string][]byte{"code": []byte(code), "code as typed": []byte(typed)})
		if got := fmt.Sprintf("%v %+v %#v", session, session, session); strings.Contains(got, code) || strings.Contains(got, strings.ReplaceAll(code, "-", "")[:20]) {
			t.Error("a session shows its code")
		}
	}
	if issued, cast := s.counts(); issued != 1 || cast != 1 || s.envelopes() != 1 {
		t.Errorf("%d credentials, %d ballots, %d envelopes", issued, cast, s.envelopes())
	}
}

// TestWrongCode: every mistyped character is found here, and asks nobody.
func TestWrongCode(t *testing.T) {
	t.Parallel()
	s := newService(t, func(p *electiontest.Plan) { p.Rolls = []uint32{30, 30} })
	code := strings.ReplaceAll(s.code(token.KindMember, 0), "-", "")
	try := func(typed string) error {
		_, err := voter.OpenCode(t.Context(), s.client(), s.m.Origins.Booth, s.m.ElectionID, typed, voter.NoMemory{})
		return err
	}
	for i := range code {
		other := byte('Z')
		if code[i] == other {
			other = 'Y'
		}
		if err := try(code[:i] + string(other) + code[i+1:]); !errors.Is(err, token.ErrCode) {
			t.Errorf("character %d: got %v", i, err)
		}
	}
	for _, typed := range []string{"", code[1:], code + "A", strings.Repeat("A", 1000)} {
		if err := try(typed); !errors.Is(err, token.ErrCode) {
			t.Errorf("%q: got %v", typed, err)
		}
	}
	if n := len(s.requests); n > 0 {
		t.Errorf("%d requests for codes that are none", n)
	}
	// The booth shows another election's manifest, or names another booth.
	if _, err := voter.OpenCode(t.Context(), s.client(), s.m.Origins.Booth, suite.ElectionID{9}, code, voter.NoMemory{}); err == nil {
		t.Error("another election was opened")
	}
	// The unit of a code that changes between two runs.
	memory := inFile(t)
	session, err := voter.OpenCode(t.Context(), s.client(), s.m.Origins.Booth, s.m.ElectionID, code, memory)
	if err != nil {
		t.Fatal(err)
	}
	answers := func(group int) error {
		s.set(func() {
			s.change = instead("registrar/status", fmt.Appendf(nil, `{"title":"x","group":%d,"phase":"open","close":%d,"salt":"00"}`, group, s.m.Schedule.Close))
		})
		_, err := session.Status(t.Context(), "")
		return err
	}
	if err := answers(7); err == nil {
		t.Error("a unit that does not vote was taken")
	}
	s.set(func() { s.change = nil })
	if _, err := session.Status(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := answers(2); err == nil || !strings.Contains(err.Error(), "another unit") {
		t.Errorf("another unit than before: got %v", err)
	}
	if err := answers(1); err != nil {
		t.Errorf("the unit as before: %v", err)
	}
}
