package model_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/ballotbox"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record/layout"
	"strikevote/internal/registrar"
)

// errAct stands for any refusal of an act.
var errAct = errors.New("act refused")

// expect compares what a service answered with what the model says.
func (w *show) expect(what string, got, want error) {
	w.t.Helper()
	if want == errAct {
		if !errors.As(got, new(*registrar.ActError)) {
			w.t.Errorf("%s at %d: got %v, want a refusal", what, w.now-audittest.Open, got)
		}
		return
	}
	if !errors.Is(got, want) || (want == nil) != (got == nil) {
		w.t.Errorf("%s at %d: got %v, want %v", what, w.now-audittest.Open, got, want)
	}
}

// steps are what can happen, as often as they stand here.
var steps = []func(*show){
	(*show).admit, (*show).depositOff, (*show).depositOff, (*show).depositOn, (*show).depositOn, (*show).vote, (*show).vote, (*show).vote,
	(*show).cast, (*show).cast, (*show).cast, (*show).castEnvelope, (*show).decide, (*show).decide, (*show).decide, (*show).strike, (*show).add,
	(*show).later, (*show).enter, (*show).lock,
}

func (w *show) admit() {
	g := w.group()
	at, err := w.r.Admit(w.t.Context(), registrar.Applicant{Name: "Somebody", Group: g})
	if !w.open() {
		w.expect("admitting", err, registrar.ErrClosed)
		return
	}
	w.expect("admitting", err, nil)
	w.people = append(w.people, &person{group: at.Group, index: at.Index})
}

func (w *show) depositOn()  { w.deposit(w.somebody(true)) }
func (w *show) depositOff() { w.deposit(w.somebody(false)) }

func (w *show) deposit(p *person) {
	if p == nil {
		return
	}
	if p.paper != nil && p.paper.envelope && w.random.IntN(2) == 0 { // the same again
		_, err := w.r.Deposit(w.t.Context(), w.show(p), "", p.paper.body)
		w.expect("depositing again", err, nil)
		return
	}
	choice := uint8(w.random.IntN(3))
	b := w.seal(p.group, choice)
	id, err := w.r.Deposit(w.t.Context(), w.show(p), "", b.Body)
	switch {
	case p.struck:
		w.expect("depositing, struck", err, registrar.ErrStruck)
	case p.paper != nil && p.paper.envelope:
		w.expect("depositing another", err, registrar.ErrDeposited)
	case p.paper != nil:
		w.expect("depositing after issuance", err, registrar.ErrAlreadyIssued)
	case !w.open():
		w.expect("depositing late", err, registrar.ErrClosed)
	default:
		w.expect("depositing", err, nil)
		p.paper = &paper{of: p, choice: choice, envelope: true, id: id, body: b.Body}
		w.papers = append(w.papers, p.paper)
	}
}

// vote asks for an ordinary ballot.
func (w *show) vote() {
	p := w.somebody(w.random.IntN(8) > 0)
	if p == nil {
		return
	}
	choice := uint8(w.random.IntN(3))
	b := w.seal(p.group, choice)
	sealed, err := w.issue(p, b)
	switch {
	case p.struck:
		w.expect("issuing, struck", err, registrar.ErrStruck)
	case !p.onRoll:
		w.expect("issuing off the roll", err, registrar.ErrEnvelopeOnly)
	case p.paper != nil && p.paper.envelope:
		w.expect("issuing after a deposit", err, registrar.ErrDeposited)
	case p.paper != nil:
		w.expect("issuing again", err, registrar.ErrAlreadyIssued)
	case !w.open():
		w.expect("issuing late", err, registrar.ErrClosed)
	default:
		w.expect("issuing", err, nil)
		p.paper = &paper{of: p, choice: choice, id: b.ID, body: b.Body, sealed: sealed}
		w.papers = append(w.papers, p.paper)
	}
}

// cast casts some ballot that was issued, now or again, early or late.
func (w *show) cast() {
	p := choose(w.model, slices.DeleteFunc(slices.Clone(w.papers), func(p *paper) bool { return p.envelope }))
	if p != nil {
		w.put(p, "casting")
	}
}

// put brings a ballot with a credential to the box.
func (w *show) put(p *paper, what string) {
	_, _, err := w.b.Cast(w.t.Context(), p.sealed)
	switch accepted := p.envelope && p.decided == "accepted"; {
	case p.inBox:
		w.expect(what+" again", err, nil)
	case w.locked:
		w.expect(what+" after the lock", err, ballotbox.ErrLocked)
	case accepted || w.casting() && !p.envelope:
		w.expect(what, err, nil)
		p.inBox = true
	default:
		w.expect(what+" late", err, ballotbox.ErrClosed)
	}
}

// castEnvelope brings an envelope that was not accepted to the box once casting
// has ended, with a credential that no honest registrar gives it.
func (w *show) castEnvelope() {
	p := choose(w.model, append(w.envelopes(0, ""), w.envelopes(0, "rejected")...))
	if p == nil || w.casting() {
		return
	}
	if p.forged == nil {
		sig, err := w.e.Issuers[p.of.group].SignMessage(credential.Message(w.e.MID, p.of.group, p.id))
		w.must(err)
		p.forged = append(bytes.Clone(p.body), sig[:]...)
	}
	want := ballotbox.ErrClosed
	if w.locked {
		want = ballotbox.ErrLocked
	}
	_, _, err := w.b.Cast(w.t.Context(), p.forged)
	w.expect("casting an envelope that was not accepted", err, want)
}

// decide accepts and rejects some of a group's envelopes, or too many.
func (w *show) decide() {
	g := w.group()
	if p := choose(w.model, w.envelopes(0, "")); p != nil && w.random.IntN(4) > 0 {
		g = p.of.group
	}
	d := act.Decide{Group: g}
	verdicts := map[*paper]string{}
	left := [2]uint32{} // undecided off and on the roll
	for _, p := range w.envelopes(g, "") {
		verdict := choose(w.model, []string{"", "accepted", "accepted", "rejected", "rejected"})
		on := p.of.onRoll
		left[side(on)]++
		verdicts[p] = verdict
		switch {
		case verdict == "accepted":
			d.Accepted = append(d.Accepted, p.id)
			*[2]*uint32{&d.AcceptedOff, &d.AcceptedOn}[side(on)]++
		case verdict == "rejected":
			*[2]*uint32{&d.RejectedOff, &d.RejectedOn}[side(on)]++
		}
	}
	slices.SortFunc(d.Accepted, func(a, b suite.BallotID) int { return bytes.Compare(a[:], b[:]) })
	var want error
	switch w.random.IntN(6) {
	case 0:
		d.RejectedOn, want = left[1]-d.AcceptedOn+1, errAct
	case 1:
		d.Accepted, d.AcceptedOff, want = []suite.BallotID{{byte(w.random.IntN(256)), 9}}, 1, errAct
	}
	if w.locked {
		want = errAct
	}
	w.expect("deciding", w.act(d), want)
	if want == nil {
		for p, verdict := range verdicts {
			p.decided = verdict
		}
	}
}

func side(on bool) int {
	if on {
		return 1
	}
	return 0
}

func (w *show) strike() {
	p := w.somebody(true)
	g, blinded, err := w.r.BlindedLeaf(w.t.Context(), w.numberOf(p))
	w.must(err)
	var want error
	if p.struck || p.paper != nil || !w.open() {
		want = errAct
	}
	w.expect("striking", w.act(act.Amend{Op: act.OpStrike, Group: g, Hash: blinded}), want)
	p.struck = p.struck || want == nil
}

func (w *show) numberOf(p *person) string {
	if size := w.model.m.Group(p.group).RollSize; p.index >= size {
		return fmt.Sprintf("new %d %d", p.group, p.index)
	}
	return number(p.group, p.index)
}

func (w *show) add() {
	g := w.group()
	of := w.model.m.Group(g)
	if !w.open() || w.random.IntN(5) == 0 {
		var made suite.Hash
		_, _ = rand.Read(made[:])
		w.expect("adding nobody", w.act(act.Amend{Op: act.OpAdd, Group: g, Hash: made}), errAct)
		return
	}
	p := &person{group: g, index: of.RollSize + w.added[g], onRoll: true}
	_, leaf, err := w.r.Stage(w.t.Context(), registrar.Member{Number: w.numberOf(p), Name: "Somebody", Unit: of.Units[0]})
	w.must(err)
	w.expect("adding", w.act(act.Amend{Op: act.OpAdd, Group: g, Hash: leaf}), nil)
	w.added[g]++
	w.people = append(w.people, p)
}

// later moves the clock towards the end; sometimes nobody notices at once.
func (w *show) later() {
	w.now = max(w.now, choose(w.model, []int64{w.now + 60, w.now + 60, audittest.Close - 1, audittest.Close, audittest.Close + audittest.Grace - 1, audittest.Close + audittest.Grace}))
	if w.random.IntN(2) == 0 {
		w.tick()
	}
}

// enter brings what was accepted to the box, as the deployment does.
func (w *show) enter() {
	list, err := w.r.Accepted(w.t.Context(), nil)
	w.must(err)
	if want := w.envelopes(0, "accepted"); len(list) != len(want) {
		w.t.Errorf("%d envelopes are accepted, want %d", len(list), len(want))
	}
	for _, e := range list {
		for _, p := range w.envelopes(0, "accepted") {
			if p.id == e.BallotID {
				p.sealed = append(bytes.Clone(e.Body), e.Sig[:]...)
				w.put(p, "entering")
			}
		}
	}
}

// lock tries to end the ledger.
func (w *show) lock() {
	if w.locked {
		return
	}
	w.tick()
	early := w.now < audittest.Close+audittest.Grace || w.now < audittest.DecideUntil && len(w.envelopes(0, "")) > 0
	err := w.r.Lock(w.t.Context())
	if early {
		w.expect("locking early", err, registrar.ErrNotYet)
		return
	}
	w.expect("locking", err, nil)
	proof := w.end()
	if slices.ContainsFunc(w.envelopes(0, "accepted"), func(p *paper) bool { return !p.inBox }) {
		_, err := w.b.Lock(w.t.Context(), proof)
		w.expect("locking the box without an accepted ballot", err, ballotbox.ErrMissing)
		w.enter()
	}
	_, err = w.b.Lock(w.t.Context(), proof)
	w.expect("locking the box", err, nil)
	w.locked = true
}

// finish takes a story to its end.
func (w *show) finish() {
	w.now = max(w.now, audittest.Close+audittest.Grace)
	w.castEnvelope()
	w.lock()
	w.now = audittest.DecideUntil
	w.lock()
	if !w.locked {
		w.t.Fatal("it is not locked")
	}
	for _, p := range w.papers { // nothing enters any more
		if p.sealed != nil {
			w.put(p, "casting at the end")
		}
	}
	w.castEnvelope()
	w.vote()
	w.decide()
}

// differ reports a difference between the services and the model, which is what
// is wanted of a model that was spoiled.
func (w *show) differ(format string, args ...any) {
	w.t.Helper()
	w.differences++
	if !w.spoiled {
		w.t.Errorf(format, args...)
	}
}

// compare publishes what the two logs hold and compares it with the model; and
// some of it with what the auditor makes of it.
func (w *show) compare(audited bool) {
	t, e := w.t, w.e
	entries, ballots := w.entries(w.ledger()), w.entries(w.stage.ballots())
	sequence := uint32(0)
	for _, b := range entries[1 : len(entries)-1] {
		entry := audittest.Entry{Bytes: b}
		if b[0] == 5 {
			sequence++
			entry.Moment = w.moments[sequence]
		}
		e.Entries = append(e.Entries, entry)
	}
	e.Ballots = ballots[1 : len(ballots)-1]
	if want := (ledger.Final{MID: e.MID, Groups: w.counts()}).Bytes(); !bytes.Equal(entries[len(entries)-1], want) {
		got, err := ledger.ParseLedger(entries[len(entries)-1])
		w.differ("the ledger ends with %+v, %v, want %+v", got, err, w.counts())
	}
	in := map[suite.BallotID]bool{}
	for _, p := range w.papers {
		if p.inBox {
			in[p.id] = true
		}
	}
	for _, b := range e.Ballots {
		if id := e.BallotID(t, b); !in[id] {
			w.differ("a ballot is in the box that the model does not have there")
		} else {
			delete(in, id)
		}
	}
	if len(in) > 0 {
		w.differ("%d ballots are missing in the box", len(in))
	}
	files := e.Publish(t)
	w.compareResult(files)
	w.compareCertificate(files)
	// The real ends are those that the record, made anew, has.
	close, err := ledger.ParseBallots(ballots[len(ballots)-1])
	w.must(err)
	for i, g := range close.(ledger.Close).Groups {
		if v := w.votes(g.Group); int(g.Cast) != v[0]+v[1]+v[2] || g.Group != e.Manifest.Groups[i].ID {
			w.differ("group %d: %d cast, want %v", g.Group, g.Cast, v)
		}
	}
	if !audited {
		return
	}
	e.Forge.Last = map[string][]byte{layout.Ledger: entries[len(entries)-1], layout.Ballots: ballots[len(ballots)-1]}
	report, err := audit.Verify(t.Context(), e.Publish(t), audit.Options{Stage: layout.Certified, MID: &e.MID, Workers: 1})
	w.must(err)
	seen.audited.Add(1)
	if !report.Verified {
		w.differ("the auditor finds: %s", report.Fault())
	}
}

func (w *show) compareResult(files audittest.Files) {
	r, err := tally.ParseResult(files[layout.Result].Data)
	w.must(err)
	sets := 0
	for _, set := range r.Sets {
		votes := w.votes(set.Groups...)
		if len(set.Groups) != 1 || int(set.Count) != votes[0]+votes[1]+votes[2] {
			w.differ("set %+v, want %v", set, votes)
		}
		for i, n := range set.Votes[0] {
			if int(n) != votes[i] {
				w.differ("group %d: option %d has %d votes, want %d", set.ID, i, n, votes[i])
			}
		}
		sets++
	}
	for _, g := range w.model.m.Groups {
		if w.votes(g.ID) != [3]int{} {
			sets--
		}
	}
	if sets != 0 {
		w.differ("%d sets too many", sets)
	}
	for _, u := range r.Units {
		entitled := w.entitled(u.Groups...)
		if int(u.Entitled) != entitled || u.Authorized != authorized(w.model.m.Rule, w.votes(u.Groups...), entitled) {
			w.differ("unit %+v, want %d entitled", u, entitled)
		}
	}
}

// disputed is how many reports the record of audittest upholds.
const disputed = 1

func (w *show) compareCertificate(files audittest.Files) {
	c, err := tally.ParseCertificate(files[layout.Certificate].Data)
	w.must(err)
	notCast, undecided, strangers := 0, 0, 0
	for _, p := range w.papers {
		switch {
		case p.envelope && p.decided == "":
			undecided++
			if !p.of.onRoll {
				strangers++
			}
		case p.decided != "rejected" && !p.inBox:
			notCast++
		}
	}
	for i, f := range w.counts() {
		g := c.Groups[i]
		votes := w.votes(f.Group)
		want := tally.GroupCounts{ID: f.Group, RollSize: uint64(w.model.m.Groups[i].RollSize), Added: uint64(f.Added), Struck: uint64(f.Struck),
			Entitled: uint64(w.entitled(f.Group)), Issued: uint64(f.Issued), Cast: uint64(votes[0] + votes[1] + votes[2]),
			Deposited: f.Deposited(), Accepted: f.Accepted(), AcceptedOff: uint64(f.AcceptedOff), Rejected: f.Rejected(),
			Undecided: f.Undecided(), UndecidedOff: uint64(f.UndecidedOff)}
		if g != want {
			w.differ("the certificate says %+v, want %+v", g, want)
		}
	}
	if int(c.NotCast) != notCast || c.Disputed != disputed {
		w.differ("%d not cast and %d disputed, want %d and %d", c.NotCast, c.Disputed, notCast, disputed)
	}
	if want := w.material(notCast+undecided, strangers, disputed); c.Material != want {
		w.differ("material: %v, want %v (%d not cast, %d undecided, %d of strangers)", c.Material, want, notCast, undecided, strangers)
	}
	if w.spoiled {
		return
	}
	if c.Material {
		seen.material.Add(1)
	}
	seen.all.Add(1)
	seen.undecided.Add(int64(undecided))
	seen.notCast.Add(int64(notCast))
	seen.accepted.Add(int64(len(w.envelopes(0, "accepted"))))
	seen.rejected.Add(int64(len(w.envelopes(0, "rejected"))))
}

// rules are those that stories are told under: one over everybody, in which a
// few ballots and a few strangers decide, and one for each group.
func rules(t *testing.T) []election.Rule {
	t.Helper()
	simple, err := election.Preset("simple")
	if err != nil {
		t.Fatal(err)
	}
	together, apart := simple, simple
	together.QuorumNumerator, together.QuorumDenominator = 1, 24
	together.SupportNumerator, together.SupportDenominator = 1, 48
	apart.PerGroup = true
	return []election.Rule{together, apart}
}
