package committee_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/committee"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

// A registry is the registrar's list of acts, which the committee's service
// only reads.
type registry struct {
	mu    sync.Mutex
	state *act.State
	acts  [][]byte
}

func (r *registry) list(context.Context) ([][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.acts), nil
}

func (r *registry) apply(a *act.Act) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := int(a.Sequence); n <= len(r.acts) && bytes.Equal(r.acts[n-1], a.Bytes()) {
		return nil
	}
	if err := r.state.Apply(a); err != nil {
		return err
	}
	r.acts = append(r.acts, a.Bytes())
	return nil
}

// A sealed election has a committee that signs acts.
type sealed struct {
	*world
	mid      suite.MID
	registry *registry
	now      int64
}

func newSealed(t testing.TB, change ...func(*electiontest.Plan)) *sealed {
	t.Helper()
	m, keys := electiontest.Manifest(t, append([]func(*electiontest.Plan){func(p *electiontest.Plan) { p.Members = 4 }}, change...)...)
	w := &world{m: m, keys: keys, session: 1}
	w.open(t, m)
	_, mid := electiontest.Encode(t, m)
	s := &sealed{world: w, mid: mid, registry: &registry{state: act.NewState(m, mid)}, now: electiontest.Open + 100}
	s.clock = func() time.Time { return time.Unix(s.now, 0) }
	w.set(committee.Status{Manifest: m, MID: mid, Phase: string(election.PhaseOpen), Acts: s.registry.list})
	return s
}

// propose proposes an act and demands its sequence.
func (s *sealed) propose(want uint32, kind act.Kind, payload interface{ Bytes() []byte }) {
	s.t.Helper()
	got, err := s.service.ProposeAct(s.t.Context(), s.id(), kind, payload.Bytes(), "Olga")
	if err != nil || got != want {
		s.t.Fatalf("proposing %s: got %d, %v, want %d", kind, got, err, want)
	}
}

// refused demands that an act is refused with a text that says why.
func (s *sealed) refused(why string, kind act.Kind, payload []byte) {
	s.t.Helper()
	var r *committee.RefusedError
	if _, err := s.service.ProposeAct(s.t.Context(), s.id(), kind, payload, "Olga"); !errors.As(err, &r) || !strings.Contains(err.Error(), why) {
		s.t.Errorf("%s: got %v, want %q", kind, err, why)
	}
}

// find returns the last attempt at a sequence.
func (s *sealed) find(sequence uint32) committee.ProposedAct {
	s.t.Helper()
	list, err := s.service.Acts(s.t.Context(), s.id())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, a := range slices.Backward(list) {
		if a.Sequence == sequence {
			return a
		}
	}
	s.t.Fatalf("there is no act %d in %+v", sequence, list)
	panic("unreachable")
}

// body is what a member sends to sign an act.
func (s *sealed) body(member int, a committee.ProposedAct) []byte {
	return signature(s.t, member, act.SignEd25519(s.keys.Committee[member], s.mid, a.Kind, a.Sequence, a.Payload))
}

func (s *sealed) post(sequence any, body []byte) answer {
	return s.ask("POST", fmt.Sprintf("/acts/%v/signatures", sequence), body)
}

func (s *sealed) sign(sequence uint32, members ...int) {
	s.t.Helper()
	for _, m := range members {
		s.fine(fmt.Sprintf("member %d signs act %d", m, sequence), s.post(sequence, s.body(m, s.find(sequence))))
	}
}

// round does what the service's round does with the next act.
func (s *sealed) round() error {
	a, err := s.service.ReadyAct(s.t.Context(), s.id())
	if err != nil {
		return err
	}
	if err := s.registry.apply(a); err != nil {
		return s.service.NoteAct(s.t.Context(), s.id(), a.Sequence, false, err.Error())
	}
	return s.service.NoteAct(s.t.Context(), s.id(), a.Sequence, true, "")
}

func (s *sealed) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// states returns sequence:state of every act.
func (s *sealed) states() string {
	s.t.Helper()
	list, err := s.service.Acts(s.t.Context(), s.id())
	s.must(err)
	var out []string
	for _, a := range list {
		out = append(out, fmt.Sprintf("%d:%s", a.Sequence, a.State))
	}
	return strings.Join(out, " ")
}

func (s *sealed) wantStates(want string) {
	s.t.Helper()
	if got := s.states(); got != want {
		s.t.Errorf("got %s, want %s", got, want)
	}
}

func extend(by int64) act.Extend { return act.Extend{Close: electiontest.Close + by} }

func add(n byte) act.Amend { return act.Amend{Op: act.OpAdd, Group: 1, Hash: suite.Hash{n}} }

// TestActs proposes, signs and applies acts, each of them in every state.
func TestActs(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	if err := s.round(); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("nothing was proposed: got %v", err)
	}
	s.propose(1, act.KindExtend, extend(900))
	s.propose(2, act.KindExtend, extend(1800)) // judged after the first
	s.propose(1, act.KindExtend, extend(900))  // the same again
	s.propose(3, act.KindAmend, add(1))
	s.wantStates("1:open 2:open 3:open")
	s.sign(1, 2)
	if err := s.round(); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("one member is enough: %v", err)
	}
	s.sign(1, 2)
	if err := s.round(); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("one member who signs twice is enough: %v", err)
	}
	s.sign(2, 1, 3) // before the first: it waits
	s.wantStates("1:open 2:signed 3:open")
	if err := s.round(); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("act 2 came before act 1: %v", err)
	}
	s.sign(1, 0)
	first, err := s.service.ReadyAct(t.Context(), s.id())
	s.must(err)
	if first.Signatures[0].Member != 0 || first.Signatures[1].Member != 2 || len(first.Signatures) != 2 {
		t.Errorf("the signatures do not ascend, or are not the first two: %v", first.Signatures)
	}
	s.sign(1, 1) // comes first by number, and changes nothing
	if again, err := s.service.ReadyAct(t.Context(), s.id()); err != nil || !bytes.Equal(again.Bytes(), first.Bytes()) {
		t.Errorf("another act after a late signature: %v, %v", again, err)
	}
	s.must(s.round())
	s.must(s.round())
	s.wantStates("1:applied 2:applied 3:open")
	open, err := s.service.OpenActs(t.Context(), s.id())
	if err != nil || len(open) != 1 || open[0].Sequence != 3 || open[0].By != "Olga" {
		t.Errorf("got %v, %v", open, err)
	}
	if got := s.registry.state.Close; got != electiontest.Close+1800 {
		t.Errorf("the close is %d", got)
	}
	s.restartService()
	s.propose(4, act.KindAmend, add(2))
	s.wantStates("1:applied 2:applied 3:open 4:open")
}

// TestActsOverHTTP reads the list as a member's program does.
func TestActsOverHTTP(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	s.propose(1, act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close - 60})
	s.propose(2, act.KindCancel, act.Cancel{})
	s.sign(1, 3)
	a := s.ask("GET", "/acts", nil)
	var got agenda.Acts
	s.must(json.Unmarshal([]byte(a.text), &got))
	if a.status != 200 || got.MID != s.mid || len(got.Acts) != 2 || got.Acts[0].Kind != act.KindCloseEarly ||
		hex.EncodeToString(got.Acts[0].Payload) != hex.EncodeToString(suite.U64(electiontest.Close-60)) ||
		!slices.Equal(got.Acts[0].Signed, []int{3}) || got.Acts[1].State != agenda.Open {
		t.Errorf("got %v", a)
	}
	if strings.Contains(a.text, "null") {
		t.Errorf("null in %s", a.text)
	}
	good := s.body(0, s.find(1))
	s.want("no such act", s.post(3, good), 404, "unknown")
	s.want("act 0", s.post(0, good), 404, "unknown")
	s.want("no number", s.post("x", good), 404, "unknown")
	s.want("a number too large", s.post(1<<32+1, good), 404, "unknown")
	s.want("another election", s.askFor(strings.Repeat("0", 32), "POST", "/acts/1/signatures", good), 404, "unknown")
	s.want("another election", s.askFor(strings.Repeat("0", 32), "GET", "/acts", nil), 404, "unknown")
	s.want("no JSON", s.post(1, []byte("{")), 400, "malformed")
	s.want("an unknown field", s.post(1, []byte(`{"member":0,"key":0,"signature":"","x":1}`)), 400, "malformed")
	s.mu.Lock()
	s.status = nil
	s.mu.Unlock()
	s.want("before sealing", s.ask("GET", "/acts", nil), 425, "not_yet")
	s.want("before sealing", s.post(1, good), 422, "refused")
	s.refused("not sealed", act.KindCancel, nil)
}

// TestSignActRefused is the negative control of the quorum: nothing but a good
// signature of another member counts as one.
func TestSignActRefused(t *testing.T) {
	t.Parallel()
	p := electiontest.NewPasskey(t, "union.example")
	s := newSealed(t, func(plan *electiontest.Plan) {
		plan.Change = func(m *election.Manifest) {
			m.Committee.RPID = "union.example"
			m.Committee.Members[0].Keys = append(m.Committee.Members[0].Keys, p.Key(t))
		}
	})
	s.propose(1, act.KindExtend, extend(900))
	s.propose(2, act.KindExtend, extend(1800))
	a := s.find(1)
	by := func(member, hand int, mid suite.MID, kind act.Kind, sequence uint32, payload []byte) []byte {
		return signature(t, member, act.SignEd25519(s.keys.Committee[hand], mid, kind, sequence, payload))
	}
	long, err := json.Marshal(election.MemberSignature{Member: 1, Signature: make([]byte, 2049)})
	s.must(err)
	flipped := act.SignEd25519(s.keys.Committee[1], s.mid, a.Kind, 1, a.Payload)
	for name, body := range map[string][]byte{
		"by another's hand":        by(1, 2, s.mid, a.Kind, 1, a.Payload),
		"replayed, of another act": by(1, 1, s.mid, a.Kind, 2, s.find(2).Payload),
		"another sequence":         by(1, 1, s.mid, a.Kind, 2, a.Payload),
		"another election":         by(1, 1, suite.MID{1}, a.Kind, 1, a.Payload),
		"another kind":             by(1, 1, s.mid, act.KindCloseEarly, 1, a.Payload),
		"another payload":          by(1, 1, s.mid, a.Kind, 1, extend(901).Bytes()),
		"a seal":                   signature(t, 1, election.SignSeal(s.keys.Committee[1], s.mid)),
		"a member too many":        by(4, 1, s.mid, a.Kind, 1, a.Payload),
		"a key too many":           bytes.Replace(s.body(1, a), []byte(`"key":0`), []byte(`"key":1`), 1),
		"the other key's":          bytes.Replace(s.body(0, a), []byte(`"key":0`), []byte(`"key":1`), 1),
		"nothing":                  signature(t, 1, nil),
		"too long":                 long,
	} {
		got := s.post(1, body)
		if got.status != 422 || got.code != "refused" || strings.Count(got.text, ". ") > 0 {
			t.Errorf("%s: got %v", name, got)
		}
	}
	for i := range flipped {
		bad := bytes.Clone(flipped)
		bad[i] ^= 1
		if got := s.post(1, signature(t, 1, bad)); got.status != 422 {
			t.Fatalf("byte %d flipped: got %v", i, got)
		}
	}
	if got := s.find(1); len(got.Signed) != 0 {
		t.Errorf("something was kept: %v", got)
	}
	// Two keys of one member are one member; a passkey never signs twice alike.
	s.sign(1, 0)
	message := act.Message(s.mid, a.Kind, 1, a.Payload)
	for range 2 {
		body := bytes.Replace(signature(t, 0, p.Sign(t, message)), []byte(`"key":0`), []byte(`"key":1`), 1)
		s.fine("the same member's passkey", s.post(1, body))
	}
	if _, err := s.service.ReadyAct(t.Context(), s.id()); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("two keys of one member are a quorum: %v", err)
	}
	s.sign(1, 1)
	s.must(s.round())
	s.want("one that was applied", s.post(1, s.body(2, a)), 422, "refused")
}

// TestProposeActRefused proposes what nobody should be asked to sign.
func TestProposeActRefused(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	latest := int64(electiontest.LatestClose)
	s.refused("latest close that the sealed manifest allows", act.KindExtend, act.Extend{Close: latest + 1}.Bytes())
	s.refused("must name a later moment", act.KindExtend, act.Extend{Close: electiontest.Close}.Bytes())
	s.refused("in the past", act.KindCloseEarly, act.CloseEarly{Close: s.now}.Bytes())
	s.refused("earlier moment", act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close}.Bytes())
	s.refused("no group 9", act.KindAmend, act.Amend{Op: act.OpAdd, Group: 9}.Bytes())
	s.refused("no group 9", act.KindDecide, act.Decide{Group: 9, RejectedOn: 1}.Bytes())
	s.refused("no envelope", act.KindDecide, act.Decide{Group: 1}.Bytes())
	s.refused("", act.KindDecide, []byte("short"))
	s.refused("no such kind", 9, nil)
	s.refused("longer than", act.KindClientBundle, make([]byte, 62_000))
	s.refused("", act.KindClientBundle, act.ClientBundle{}.Bytes())
	ed := func(n byte) []byte {
		return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)).Public().(ed25519.PublicKey)
	}
	replace := func(member uint8, key []byte, name string) []byte {
		return act.Replace{Member: member, Kind: election.KindEd25519, Key: key, Name: name}.Bytes()
	}
	s.refused("no member 4", act.KindReplace, replace(4, ed(1), "Mariana"))
	s.refused("has or had this key", act.KindReplace, replace(1, s.m.Committee.Members[2].Keys[0].Key, "Mariana"))
	s.refused("another member has this name", act.KindReplace, replace(1, ed(1), "Member 3"))
	s.refused("not an Ed25519", act.KindReplace, replace(1, make([]byte, 32), "Mariana"))
	var r *committee.RefusedError
	for _, who := range []string{"", "a\nb", strings.Repeat("x", 81)} {
		if _, err := s.service.ProposeAct(t.Context(), s.id(), act.KindCancel, nil, who); !errors.As(err, &r) {
			t.Errorf("by %q: got %v", who, err)
		}
	}
	s.now = electiontest.Close - act.Margin(s.m.Demo) + 1
	inTime := "at least " + act.MarginWords(s.m.Demo) + " before"
	s.refused(inTime, act.KindExtend, extend(900).Bytes())
	s.refused(inTime, act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close - 1}.Bytes())
	s.propose(1, act.KindAmend, add(1))
	s.refused("already", act.KindAmend, act.Amend{Op: act.OpStrike, Group: 1, Hash: suite.Hash{1}}.Bytes())
	s.propose(2, act.KindCancel, act.Cancel{})
	s.refused("no act comes after it", act.KindExtend, extend(900).Bytes())
	s.propose(2, act.KindCancel, act.Cancel{}) // not a second one: the same
	s.now = electiontest.Close
	withdrawn, err := s.service.WithdrawAct(t.Context(), s.id(), 1, "Olga")
	if err != nil || !slices.Equal(withdrawn, []uint32{1, 2}) {
		t.Errorf("got %v, %v", withdrawn, err)
	}
	s.refused("voting closed on", act.KindExtend, extend(900).Bytes())
	s.refused("voting closed on", act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close + 1}.Bytes())
	s.refused("nobody can be added", act.KindAmend, add(2).Bytes())
	s.propose(1, act.KindDecide, act.Decide{Group: 1, RejectedOn: 1})
	s.status.Phase = string(election.PhaseLocked)
	s.refused("the election is locked", act.KindCancel, nil)
	if _, err := s.service.ProposeAct(t.Context(), suite.ElectionID{}, act.KindCancel, nil, "Olga"); !errors.Is(err, committee.ErrUnknown) {
		t.Errorf("no such election: got %v", err)
	}
}

// TestReplaceMember signs acts before and after a replacement, which decides
// whose signatures count.
func TestReplaceMember(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	fresh := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	s.propose(1, act.KindReplace, act.Replace{Member: 2, Kind: election.KindEd25519, Key: fresh.Public().(ed25519.PublicKey), Name: "Mariana"})
	s.propose(2, act.KindExtend, extend(900))
	got := s.post(1, s.body(2, s.find(1)))
	if got.status != 422 || !strings.Contains(got.text, "to be replaced cannot sign") {
		t.Errorf("the replaced member: got %v", got)
	}
	s.want("the dead key", s.post(2, s.body(2, s.find(2))), 422, "refused")
	a := s.find(2)
	s.fine("the new key", s.post(2, signature(t, 2, act.SignEd25519(fresh, s.mid, a.Kind, 2, a.Payload))))
	s.sign(2, 0)
	s.sign(1, 0, 1)
	s.must(s.round())
	s.must(s.round())
	s.wantStates("1:applied 2:applied")
	log, err := s.service.Log(t.Context(), s.id())
	s.must(err)
	if !slices.ContainsFunc(log, func(e committee.LogEntry) bool { return e.Who == "Mariana" && e.What == "act signed" }) {
		t.Errorf("got %v", log)
	}
}

// TestWithdrawAct takes acts back, with those after them.
func TestWithdrawAct(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	for n := range byte(4) {
		s.propose(uint32(n)+1, act.KindAmend, add(n))
	}
	s.sign(2, 0, 1)
	stale := s.body(2, s.find(3))
	if list, err := s.service.CheckWithdraw(t.Context(), s.id(), 2); err != nil || !slices.Equal(list, []uint32{2, 3, 4}) {
		t.Errorf("a look: got %v, %v", list, err)
	}
	if _, err := s.service.CheckWithdraw(t.Context(), s.id(), 5); !errors.Is(err, committee.ErrNoPaper) {
		t.Errorf("a look at one that never was: got %v", err)
	}
	s.wantStates("1:open 2:signed 3:open 4:open")
	withdrawn, err := s.service.WithdrawAct(t.Context(), s.id(), 2, "Olga")
	if err != nil || !slices.Equal(withdrawn, []uint32{2, 3, 4}) {
		t.Errorf("got %v, %v", withdrawn, err)
	}
	s.wantStates("1:open 2:withdrawn 3:withdrawn 4:withdrawn")
	if got := s.find(3); got.Reason == "" {
		t.Error("nobody is told why act 3 is gone")
	}
	s.want("a withdrawn one", s.post(3, stale), 422, "refused")
	var r *committee.RefusedError
	if _, err := s.service.WithdrawAct(t.Context(), s.id(), 2, "Olga"); !errors.As(err, &r) {
		t.Errorf("again: got %v", err)
	}
	if _, err := s.service.WithdrawAct(t.Context(), s.id(), 5, "Olga"); !errors.Is(err, committee.ErrNoPaper) {
		t.Errorf("one that never was: got %v", err)
	}
	s.propose(2, act.KindExtend, extend(900))
	s.propose(3, act.KindAmend, add(3)) // what was act 4 is proposed anew
	s.wantStates("1:open 2:withdrawn 2:open 3:withdrawn 3:open 4:withdrawn")
	if got := s.find(2); len(got.Signed) != 0 {
		t.Errorf("signatures over what was withdrawn count: %v", got)
	}
	s.want("a signature over what was withdrawn", s.post(3, stale), 422, "refused")
	// The next act, once signed, is on its way.
	s.sign(1, 0, 1)
	if _, err := s.service.WithdrawAct(t.Context(), s.id(), 1, "Olga"); !errors.As(err, &r) {
		t.Errorf("a signed one: got %v", err)
	}
	if _, err := s.service.CheckWithdraw(t.Context(), s.id(), 1); !errors.As(err, &r) {
		t.Errorf("a look at a signed one: got %v", err)
	}
	s.must(s.round())
}

// TestRefusedAct lets the registrar refuse.
func TestRefusedAct(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	for n := range byte(3) {
		s.propose(uint32(n)+1, act.KindAmend, add(n))
		s.sign(uint32(n)+1, 0, 1)
	}
	s.must(s.round())
	ctx := t.Context()
	s.must(s.service.NoteAct(ctx, s.id(), 2, false, "nobody on the roll\x00 of group 1\nhas this leaf"))
	s.wantStates("1:applied 2:refused 3:withdrawn")
	if got := s.find(2).Reason; got != "nobody on the roll of group 1has this leaf" {
		t.Errorf("got reason %q", got)
	}
	s.must(s.service.NoteAct(ctx, s.id(), 2, false, "again"))
	if err := s.service.NoteAct(ctx, s.id(), 2, true, ""); err == nil {
		t.Error("noted as applied what the registrar does not list")
	}
	if err := s.round(); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("got %v", err)
	}
	s.propose(2, act.KindAmend, add(2))
	s.want("a refused one", s.post(3, s.body(0, s.find(3))), 422, "refused")
}

// TestAppliedElsewhere has acts that reach the registrar without this service,
// or whose end was not noted before a crash.
func TestAppliedElsewhere(t *testing.T) {
	t.Parallel()
	t.Run("crash before the note", func(t *testing.T) {
		t.Parallel()
		s := newSealed(t)
		s.propose(1, act.KindAmend, add(1))
		s.propose(2, act.KindAmend, add(2))
		s.sign(1, 0, 1)
		a, err := s.service.ReadyAct(t.Context(), s.id())
		s.must(err)
		s.must(s.registry.apply(a))
		s.wantStates("1:applied 2:open")
		// Another program found it refused, since it was not the next any more.
		s.must(s.service.NoteAct(t.Context(), s.id(), 1, false, "not the next act"))
		s.wantStates("1:applied 2:open")
		s.propose(3, act.KindAmend, add(3))
	})
	t.Run("another act", func(t *testing.T) {
		t.Parallel()
		s := newSealed(t)
		s.propose(1, act.KindAmend, add(1))
		s.propose(2, act.KindAmend, add(2))
		s.must(s.registry.apply(s.keys.Act(s.mid, act.KindExtend, 1, extend(900).Bytes())))
		s.wantStates("1:refused 1:applied 2:withdrawn")
		s.want("one that is gone", s.post(2, s.body(0, s.find(2))), 422, "refused")
		s.propose(2, act.KindAmend, add(2))
		s.wantStates("1:refused 1:applied 2:withdrawn 2:open")
	})
	t.Run("withdrawn on its way", func(t *testing.T) {
		t.Parallel()
		s := newSealed(t)
		s.propose(1, act.KindAmend, add(1))
		_, err := s.service.WithdrawAct(t.Context(), s.id(), 1, "Olga")
		s.must(err)
		s.must(s.registry.apply(s.keys.Act(s.mid, act.KindAmend, 1, add(1).Bytes())))
		s.wantStates("1:applied")
		s.propose(2, act.KindAmend, add(2))
	})
}

// TestTableIsNoAuthority puts signatures into the table that nobody made.
func TestTableIsNoAuthority(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	s.propose(1, act.KindExtend, extend(900))
	id := s.id()
	for member := range 2 {
		_, err := s.db.Service.Exec(t.Context(), `
			INSERT INTO committee.proposal_signature (election_id, what, number, attempt, member, place, key, signature)
			VALUES ($1, 'act', 1, 1, $2, $3, 0, $4)`, id[:], member, member+1, make([]byte, 64))
		s.must(err)
	}
	s.wantStates("1:open")
	if _, err := s.service.ReadyAct(t.Context(), s.id()); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("got %v", err)
	}
}

// TestActRace proposes, signs and applies from sixteen sides at once, in two
// programs.
func TestActRace(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	ctx := t.Context()
	other := s.second()
	var mu sync.Mutex
	seen := make(map[uint32]int)
	parallel := func(do func(i int, service *committee.Service)) {
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() { do(i, []*committee.Service{s.service, other}[i%2]) })
		}
		wg.Wait()
	}
	parallel(func(i int, service *committee.Service) {
		sequence, err := service.ProposeAct(ctx, s.id(), act.KindAmend, add(byte(i/2)).Bytes(), "Olga") // each twice
		if err != nil {
			t.Errorf("proposing: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[sequence]++
	})
	for n := uint32(1); n <= 8; n++ {
		if seen[n] != 2 {
			t.Errorf("act %d was proposed %d times", n, seen[n])
		}
	}
	parallel(func(i int, service *committee.Service) {
		for n := uint32(1); n <= 8; n++ {
			var sig election.MemberSignature
			if err := json.Unmarshal(s.body(i%4, s.find(n)), &sig); err != nil {
				t.Error(err)
			}
			if err := service.SignAct(ctx, s.id(), n, sig); err != nil && !strings.Contains(err.Error(), "was applied") {
				t.Errorf("signing: %v", err)
			}
		}
		for {
			a, err := service.ReadyAct(ctx, s.id())
			if errors.Is(err, committee.ErrNotYet) {
				return
			}
			if err != nil {
				t.Errorf("assembling: %v", err)
				return
			}
			applied, reason := true, ""
			if err := s.registry.apply(a); err != nil {
				applied, reason = false, err.Error() // another was faster
			}
			if err := service.NoteAct(ctx, s.id(), a.Sequence, applied, reason); err != nil {
				t.Errorf("noting: %v", err)
			}
		}
	})
	s.wantStates("1:applied 2:applied 3:applied 4:applied 5:applied 6:applied 7:applied 8:applied")
	log, err := s.service.Log(ctx, s.id())
	s.must(err)
	counts := make(map[string]int)
	for _, e := range log {
		counts[e.What]++
	}
	if counts["act proposed"] != 8 || counts["act applied"] != 8 || counts["act refused"] != 0 {
		t.Errorf("got %v", counts)
	}
}
