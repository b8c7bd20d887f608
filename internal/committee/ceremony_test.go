package committee_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// TestCeremony goes through every round. What was sent is sent again, which is
// fine, and something else is sent in its place, which is refused.
func TestCeremony(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, 2)
	st := w.state()
	if st.ElectionID != w.id() || st.N != 3 || st.T != 2 || st.Session != 1 || len(st.Fresh) != 32 || st.Phase != "draft" ||
		st.MID != "" || st.Record != "" || !slices.Equal(st.Names, w.m.Tellers.Names) || st.Title != w.m.Title[0] {
		t.Errorf("got %+v", st)
	}
	w.sendKeys()
	w.sendKeys()
	w.want("another key", w.post(2, ceremony.RoundKey, group.BaseMul(group.RandomScalar()).Bytes()), 409, "conflict")
	w.sendMessages()
	first := slices.Clone(w.msgs)
	w.fine("the message again", w.post(2, ceremony.RoundMessage, first[1]))
	w.start()
	w.want("another message", w.post(2, ceremony.RoundMessage, w.msgs[1]), 409, "conflict")
	w.sendSignatures()
	w.sendSignatures()
	if st = w.state(); !ceremony.Complete(st.Signatures) || st.Drilled[1] || st.Shared[1] {
		t.Errorf("got %+v", st)
	}
	for i, msg := range first {
		if !bytes.Equal(st.Messages[i], msg) {
			t.Errorf("message %d was replaced", i+1)
		}
	}
	drill := w.drill(2)
	w.fine("drill", w.post(2, ceremony.RoundDrill, drill))
	// A teller whose answer was lost makes new proofs. The first stay.
	w.fine("another drill", w.post(2, ceremony.RoundDrill, w.drill(2)))
	if got := w.state().Drilled; !slices.Equal(got, []bool{false, true, false}) {
		t.Errorf("drilled: got %v", got)
	}
	c, err := w.service.Ceremony(t.Context(), w.id())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(c.Drills[1], drill) || c.Drills[0] != nil || !bytes.Equal(c.Fresh, st.Fresh) {
		t.Error("the ceremony has another drill, or other randomness")
	}
	tellers := c.Tellers(w.m.Tellers)
	for i, r := range w.results {
		if !bytes.Equal(tellers.Key[:], r.Key.Bytes()) || !bytes.Equal(tellers.Shares[i][:], r.Shares[i].Bytes()) ||
			!bytes.Equal(tellers.StaticKeys[i][:], group.BaseMul(w.static[i]).Bytes()) {
			t.Errorf("the manifest would hold another key of teller %d", i+1)
		}
	}
	if tellers.Certificate != dkg.CertificateHash(c.Transcript, c.Signatures) {
		t.Error("the manifest would name another certificate")
	}
	ids, err := w.service.Elections(t.Context())
	if err != nil || !slices.Equal(ids, []suite.ElectionID{w.id()}) {
		t.Errorf("got %v, %v", ids, err)
	}
}

// TestOneTeller is the smallest ceremony.
func TestOneTeller(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 1)
	w.ceremony()
	w.sendDrills()
	if _, err := w.service.Ceremony(t.Context(), w.id()); err != nil {
		t.Error(err)
	}
}

// TestRace lets sixteen programs send for one teller at once: one message is
// kept, and whoever sent it is told so.
func TestRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	const n = 16
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = group.BaseMul(group.ScalarFromUint64(uint64(i%8 + 1))).Bytes() // each twice
	}
	answers := make([]answer, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { answers[i] = w.post(1, ceremony.RoundKey, keys[i]) })
	}
	wg.Wait()
	kept := w.state().Keys[0]
	for i, a := range answers {
		if won := bytes.Equal(kept, keys[i]); won != (a.status == 200) || !won && a.code != "conflict" {
			t.Errorf("key %d, kept %v: got %v", i, won, a)
		}
	}
	if !slices.ContainsFunc(keys, func(k []byte) bool { return bytes.Equal(k, kept) }) {
		t.Error("no key was kept")
	}
}

// TestOrder sends everything too early.
func TestOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 2)
	point := group.Generator().Bytes()
	early := func(when string, rounds ...ceremony.Round) {
		t.Helper()
		for _, r := range rounds {
			got := w.post(1, r, point)
			if got.status != 425 || got.code != "not_yet" || got.text != "This step waits for others. Try again later." {
				t.Errorf("%s %s: got %v", r, when, got)
			}
		}
	}
	early("before keys", ceremony.RoundMessage, ceremony.RoundSignature, ceremony.RoundDrill, ceremony.RoundShares, ceremony.RoundStatement)
	w.static = []*group.Scalar{group.RandomScalar(), group.RandomScalar()}
	w.fine("key", w.post(1, ceremony.RoundKey, group.BaseMul(w.static[0]).Bytes()))
	early("before all keys", ceremony.RoundMessage)
	w.sendKeys()
	w.start()
	w.fine("message", w.post(1, ceremony.RoundMessage, w.msgs[0]))
	early("before all messages", ceremony.RoundSignature, ceremony.RoundDrill)
	w.sendMessagesAgain()
	w.fine("signature", w.post(1, ceremony.RoundSignature, w.results[0].Signature[:]))
	early("before all signatures", ceremony.RoundDrill, ceremony.RoundShares, ceremony.RoundStatement)
	if _, err := w.service.Ceremony(t.Context(), w.id()); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("the ceremony: got %v", err)
	}
	w.sendSignatures()
	w.sendDrills()
	early("before the lock", ceremony.RoundShares)
	for _, phase := range []election.Phase{election.PhaseSealed, election.PhaseOpen, election.PhaseClosed, election.PhaseCancelled} {
		w.set(committee.Status{Manifest: w.m, Phase: string(phase), Record: "http://127.0.0.1:1/", Files: new(board)})
		early(string(phase), ceremony.RoundShares, ceremony.RoundStatement)
	}
	for _, phase := range []election.Phase{election.PhaseLocked, election.PhaseTallied} {
		w.set(committee.Status{Manifest: w.m, Phase: string(phase), Record: "http://127.0.0.1:1/", Files: new(board)})
		early(string(phase), ceremony.RoundStatement)
	}
	for _, path := range []string{"/manifest", "/certificate"} {
		w.want(path, w.ask("GET", path, nil), 425, "not_yet")
	}
}

// flip returns body with one bit of byte i changed.
func flip(body []byte, i int) []byte {
	b := bytes.Clone(body)
	b[i] ^= 1
	return b
}

// TestMalformed sends bodies with something wrong at every place of every kind.
// What is refused is not kept: the right one is taken after it.
func TestMalformed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 2)
	refused := func(round ceremony.Round, what string, body []byte) {
		t.Helper()
		got := w.post(2, round, body)
		if got.status != 422 || got.code != "refused" || !strings.HasPrefix(got.text, "This was refused: ") {
			t.Errorf("%s, %s: got %v", round, what, got)
		}
	}
	shapes := func(round ceremony.Round, good []byte) {
		t.Helper()
		refused(round, "empty", nil)
		refused(round, "one byte less", good[:len(good)-1])
		refused(round, "one byte more", append(bytes.Clone(good), 0))
		refused(round, "zeros", make([]byte, len(good)))
		refused(round, "ones", bytes.Repeat([]byte{0xff}, len(good)))
	}
	key := group.BaseMul(group.RandomScalar()).Bytes()
	shapes(ceremony.RoundKey, key)
	w.static = []*group.Scalar{group.RandomScalar(), group.RandomScalar()}
	w.fine("key", w.post(1, ceremony.RoundKey, group.BaseMul(w.static[0]).Bytes()))
	refused(ceremony.RoundKey, "the other teller's", group.BaseMul(w.static[0]).Bytes())
	w.sendKeys()

	w.start()
	msg := w.msgs[1]
	shapes(ceremony.RoundMessage, msg)
	refused(ceremony.RoundMessage, "of another session", otherSession(t, w))
	const points, pop, ephemeral = 2 * 32, 64, 32
	for what, i := range map[string]int{
		"first commitment": 3, "second commitment": 35, "its proof, R": points + 3, "its proof, s": points + 33,
		"ephemeral key": points + pop + 3, "first length": points + pop + ephemeral + 7, "second length": points + pop + ephemeral + 8 + 48,
	} {
		refused(ceremony.RoundMessage, what, flip(msg, i))
	}
	// Whether a ciphertext opens is only seen by the teller it is for.
	w.fine("message", w.post(1, ceremony.RoundMessage, flip(w.msgs[0], len(msg)-1)))
	w.fine("message", w.post(2, ceremony.RoundMessage, msg))
	if _, err := w.states[1].Finish([][]byte{flip(w.msgs[0], len(msg)-1), msg}); err == nil {
		t.Error("a damaged ciphertext was opened")
	}

	w = newWorld(t, 2, 2)
	w.sendKeys()
	w.sendMessages()
	sig := w.results[1].Signature[:]
	shapes(ceremony.RoundSignature, sig)
	refused(ceremony.RoundSignature, "the other teller's", w.results[0].Signature[:])
	for _, i := range []int{0, 15, 31, 32, 47, 63} {
		refused(ceremony.RoundSignature, fmt.Sprintf("byte %d", i), flip(sig, i))
	}
	w.sendSignatures()

	drill := w.drill(2)
	shapes(ceremony.RoundDrill, drill)
	refused(ceremony.RoundDrill, "the other teller's", w.drill(1))
	refused(ceremony.RoundDrill, "the other teller's, renamed", bytes.Replace(w.drill(1), []byte(`"teller":1`), []byte(`"teller":2`), 1))
	for _, field := range []string{`"d":"`, `"a":"`, `"b":"`, `"s":"`} {
		at := bytes.LastIndex(drill, []byte(field)) + len(field) + 1
		changed := bytes.Clone(drill)
		changed[at] = map[bool]byte{true: '1', false: '0'}[drill[at] == '0']
		refused(ceremony.RoundDrill, field, changed)
	}
	half := bytes.Index(drill, []byte(`},{`))
	same := slices.Concat(drill[:half+2], drill[bytes.IndexByte(drill, '[')+1:half+1], []byte("]}\n"))
	refused(ceremony.RoundDrill, "one copy, twice", same)
	refused(ceremony.RoundDrill, "one copy", slices.Concat(drill[:half+1], []byte("]}\n")))
	refused(ceremony.RoundDrill, "with a space", bytes.Replace(drill, []byte(":"), []byte(": "), 1))
	w.sendDrills()
}

// otherSession makes a first message of teller 2 under other randomness.
func otherSession(t *testing.T, w *world) []byte {
	t.Helper()
	st := w.state()
	st.Fresh[0]++
	setup, err := st.Setup()
	if err != nil {
		t.Fatal(err)
	}
	_, msg, err := dkg.Start(setup, 2, w.static[1])
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// TestRequests sends requests that are wrong before their body is looked at.
func TestRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 2)
	key := group.Generator().Bytes()
	good := ceremony.Post{Session: 1, Enrollment: w.words[0], Body: key}
	with := func(change func(*ceremony.Post)) ceremony.Post {
		p := good
		change(&p)
		return p
	}
	const notYours = "This is not the invitation of this teller. Ask the committee for yours."
	for _, tt := range []struct {
		name   string
		i      int
		round  ceremony.Round
		post   ceremony.Post
		status int
		code   string
		text   string
	}{
		{"no word", 1, "key", with(func(p *ceremony.Post) { p.Enrollment = "" }), 403, "enrollment", notYours},
		{"another's word", 1, "key", with(func(p *ceremony.Post) { p.Enrollment = w.words[1] }), 403, "enrollment", notYours},
		{"a longer word", 1, "key", with(func(p *ceremony.Post) { p.Enrollment += "0" }), 403, "enrollment", notYours},
		{"for another teller", 2, "key", good, 403, "enrollment", notYours},
		{"session 0", 1, "key", with(func(p *ceremony.Post) { p.Session = 0 }), 422, "refused", "This was refused: the ceremony was started again (it is session 1 now); start again too."},
		{"session 2", 1, "key", with(func(p *ceremony.Post) { p.Session = 2 }), 422, "refused", ""},
		{"teller 0", 0, "key", good, 404, "unknown", ""},
		{"teller 3", 3, "key", good, 404, "unknown", ""},
		{"teller 257", 257, "key", good, 404, "unknown", ""},
		{"another round", 1, "fresh", good, 404, "unknown", ""},
		{"a paper's round", 1, "sealing", good, 404, "unknown", ""},
		{"another round, a stranger", 1, "nothing", with(func(p *ceremony.Post) { p.Enrollment = "" }), 403, "enrollment", ""},
	} {
		got := w.postAs(tt.i, tt.round, tt.post)
		if got.status != tt.status || got.code != tt.code || tt.text != "" && got.text != tt.text {
			t.Errorf("%s: got %v, want %d %s %q", tt.name, got, tt.status, tt.code, tt.text)
		}
	}
	w.fine("a word as people type it", w.postAs(1, "key", with(func(p *ceremony.Post) {
		p.Enrollment = strings.ToLower(strings.ReplaceAll(p.Enrollment, "-", " "))
	})))

	const path = "/tellers/1/key"
	for name, body := range map[string]string{
		"nothing": "", "a list": "[]", "text": "x", "not finished": `{"session":1`, "two": "{}{}", "another field": `{"x":1}`,
		"odd digits": `{"session":1,"enrollment":"","body":"abc"}`, "no digits": `{"session":1,"enrollment":"","body":"zz"}`,
		"a negative session": `{"session":-1}`, "a large session": `{"session":4294967296}`, "a session in words": `{"session":"1"}`,
		"a body of numbers": `{"session":1,"enrollment":"","body":[1,2]}`,
	} {
		w.want(name, w.ask("POST", path, []byte(body)), 400, "malformed")
	}
	w.want("null for everything", w.ask("POST", path, []byte(`{"session":null,"enrollment":null,"body":null}`)), 403, "enrollment")
	long := func(n int) []byte {
		return fmt.Appendf(nil, `{"session":1,"enrollment":%q,"body":"%s"}`, w.words[0], strings.Repeat("00", n))
	}
	w.want("too large", w.ask("POST", path, long(64<<10)), 413, "too_large")
	w.want("as large as may be", w.ask("POST", path, long(60<<10)), 422, "refused")
	w.want("shares too large", w.ask("POST", "/tellers/1/shares", long(ceremony.MaxBody+4096)), 413, "too_large")
	w.want("shares larger than this election's", w.ask("POST", "/tellers/1/shares", long(128<<10)), 413, "too_large")
	w.want("shares as large as may be", w.ask("POST", "/tellers/1/shares", long(60<<10)), 425, "not_yet")

	w.want("another election", w.askFor(suite.ElectionID{1}.String(), "GET", "/ceremony", nil), 404, "unknown")
	w.want("another election's teller", w.askFor(suite.ElectionID{1}.String(), "POST", path, []byte("{}")), 404, "unknown")
	for _, id := range []string{"x", strings.ToUpper(suite.ElectionID{0xab}.String()), w.id().String() + "00"} {
		w.want("election "+id, w.askFor(id, "GET", "/ceremony", nil), 404, "unknown")
	}
	for _, path := range []string{"/manifest", "/certificate"} {
		w.want("another election's "+path, w.askFor(suite.ElectionID{1}.String(), "GET", path, nil), 404, "unknown")
		w.want("another election's "+path, w.askFor(suite.ElectionID{1}.String(), "POST", path+"/signatures", []byte("{}")), 404, "unknown")
		w.want("signing "+path, w.ask("POST", path+"/signatures", []byte("[]")), 400, "malformed")
		w.want("signing "+path+" at length", w.ask("POST", path+"/signatures", bytes.Repeat([]byte(" "), 1<<20)), 413, "too_large")
	}
	w.want("writing what is read", w.ask("POST", "/ceremony", nil), 405, "method_not_allowed")
	w.want("no path", w.ask("GET", "/nothing", nil), 404, "not_found")
}

// TestRestart starts the ceremony again: what belongs to the first is dead.
func TestRestart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, 2, 2)
	w.ceremony()
	w.sendDrills()
	old := w.manifest(nil)
	w.propose(old)
	for member := range 2 {
		w.fine("signature", w.ask("POST", "/manifest/signatures", w.signSeal(member, old)))
	}
	before, msgs := w.state(), w.msgs
	if err := w.service.Restart(ctx, w.id()); err != nil {
		t.Fatal(err)
	}
	after := w.state()
	if after.Session != 2 || bytes.Equal(after.Fresh, before.Fresh) || ceremony.Complete(after.Keys) || after.Drilled[0] {
		t.Errorf("got %+v", after)
	}
	got := w.post(1, ceremony.RoundKey, before.Keys[0])
	if got.status != 422 || !strings.Contains(got.text, "session 2") {
		t.Errorf("a message for session 1: got %v", got)
	}
	w.want("the manifest", w.ask("GET", "/manifest", nil), 425, "not_yet")
	w.want("a signature over it", w.ask("POST", "/manifest/signatures", w.signSeal(2, old)), 425, "not_yet")
	if _, err := w.service.Sealing(ctx, w.id()); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("sealing a manifest whose key is dead: got %v", err)
	}
	w.session = 2
	w.sendKeys() // the same keys may be used again
	w.want("an old message", w.post(1, ceremony.RoundMessage, msgs[0]), 422, "refused")
	w.ceremony()
	if err := w.service.Propose(ctx, w.id(), old); err == nil {
		t.Error("a manifest with the dead key was proposed")
	}
	w.sendDrills()
	manifest := w.manifest(nil)
	w.propose(manifest)
	for member := range 2 {
		w.fine("signature", w.ask("POST", "/manifest/signatures", w.signSeal(member, manifest)))
	}
	if _, err := w.service.Sealing(ctx, w.id()); err != nil {
		t.Fatal(err)
	}
	var refused *committee.RefusedError
	if err := w.service.Restart(ctx, w.id()); !errors.As(err, &refused) {
		t.Errorf("a restart after sealing: got %v", err)
	}
	if w.state().Session != 2 {
		t.Error("the ceremony was started again")
	}
	if err := w.service.Restart(ctx, suite.ElectionID{1}); !errors.Is(err, committee.ErrUnknown) {
		t.Errorf("another election: got %v", err)
	}
}

// TestRestartRace starts again sixteen times at once: every session has its own
// randomness.
func TestRestartRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 1)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := w.service.Restart(t.Context(), w.id()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := w.state().Session; got != 17 {
		t.Errorf("got session %d, want 17", got)
	}
	var distinct int
	err := w.db.Service.QueryRow(t.Context(), `SELECT count(DISTINCT body) FROM committee.message WHERE round = 'fresh'`).Scan(&distinct)
	if err != nil || distinct != 17 {
		t.Errorf("got %d different values, %v", distinct, err)
	}
}

// TestCreateRefused gives drafts whose parts do not fit.
func TestCreateRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 2)
	for name, change := range map[string]func(*election.Manifest){
		"the same again": func(*election.Manifest) {},
		"no title":       func(m *election.Manifest) { m.Title = nil },
		"no tellers":     func(m *election.Manifest) { m.Tellers = election.Tellers{} },
		"t of 0":         func(m *election.Manifest) { m.Tellers.T = 0 },
		"t above n":      func(m *election.Manifest) { m.Tellers.T = 3 },
		"a name less":    func(m *election.Manifest) { m.Tellers.Names = m.Tellers.Names[:1] },
		"33 tellers":     func(m *election.Manifest) { m.Tellers.N, m.Tellers.Names = 33, make([]string, 33) },
	} {
		m := *w.m
		if name != "the same again" {
			m.ElectionID[0]++
		}
		change(&m)
		if inv, err := w.service.Create(t.Context(), &m); err == nil || inv != nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if ids, err := w.service.Elections(t.Context()); err != nil || len(ids) != 1 {
		t.Errorf("got %v, %v", ids, err)
	}
}

// TestWords checks that enrollment words are in no answer and not in the database.
func TestWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 2)
	w.ceremony()
	public := w.ask("GET", "/ceremony", nil).text
	var rows string
	err := w.db.Owner.QueryRow(t.Context(), `
		SELECT (SELECT string_agg(x::text, E'\n') FROM committee.teller x) ||
			(SELECT string_agg(x::text, E'\n') FROM committee.message x) ||
			(SELECT string_agg(convert_from(draft, 'UTF8'), '') FROM committee.election)`).Scan(&rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range w.words {
		for _, form := range []string{word, strings.ReplaceAll(word, "-", "")} {
			if strings.Contains(public, form) || strings.Contains(rows, form) || strings.Contains(rows, fmt.Sprintf("%x", form)) {
				t.Errorf("an enrollment word is public or stored")
			}
		}
	}
	if w.words[0] == w.words[1] {
		t.Error("two tellers have one word")
	}
}

// TestBroken takes the database away: a person is told to try again, and the
// reason stays inside.
func TestBroken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 1)
	w.db.Service.Close()
	for _, got := range []answer{
		w.ask("GET", "/ceremony", nil), w.ask("GET", "/manifest", nil), w.post(1, ceremony.RoundKey, group.Generator().Bytes()),
		w.ask("POST", "/manifest/signatures", []byte("{}")),
	} {
		if got.status != 500 || got.code != "internal" || got.text != "Something went wrong here. Please try again." {
			t.Errorf("got %v", got)
		}
	}
	if !strings.Contains(w.log.String(), "closed pool") || strings.Contains(w.log.String(), w.words[0]) {
		t.Errorf("got log %s", w.log)
	}
}
