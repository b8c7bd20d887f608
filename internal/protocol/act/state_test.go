package act_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

var errAny = errors.New("any error")

// A play is an election with four members, quorum 2, and its acts so far.
type play struct {
	t     testing.TB
	state *act.State
	keys  electiontest.Keys
	mid   suite.MID
}

func newPlay(t testing.TB, change ...func(*electiontest.Plan)) *play {
	t.Helper()
	m, k := electiontest.Manifest(t, append([]func(*electiontest.Plan){func(p *electiontest.Plan) { p.Members = 4 }}, change...)...)
	_, mid := electiontest.Encode(t, m)
	return &play{t, act.NewState(m, mid), k, mid}
}

// do applies an act and demands the error. After an error nothing may have
// changed.
func (p *play) do(want error, a *act.Act) {
	p.t.Helper()
	before := p.state.Clone()
	err := p.state.Apply(a)
	switch {
	case want == nil && err != nil:
		p.t.Fatalf("%s: got %v", a.Kind, err)
	case want != nil && err == nil:
		p.t.Fatalf("%s was applied", a.Kind)
	case want != nil && want != errAny && !errors.Is(err, want):
		p.t.Fatalf("%s: got %v, want %v", a.Kind, err, want)
	}
	if err == nil {
		if p.state.Next != before.Next+1 {
			p.t.Fatalf("%s: next is %d", a.Kind, p.state.Next)
		}
		return
	}
	if diff := cmp.Diff(before, p.state, cmp.AllowUnexported(act.State{})); diff != "" {
		p.t.Fatalf("%s was refused and still changed the state: %s", a.Kind, diff)
	}
}

// next signs the next act with members 0 and 1, or those given.
func (p *play) next(kind act.Kind, payload interface{ Bytes() []byte }, members ...int) *act.Act {
	return p.keys.Act(p.mid, kind, p.state.Next, payload.Bytes(), members...)
}

func TestSequence(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	bundle := act.ClientBundle{URL: "https://a.example/b"}
	first := p.next(act.KindClientBundle, bundle)
	p.do(act.ErrSequence, p.keys.Act(p.mid, act.KindClientBundle, 2, bundle.Bytes()))
	p.do(act.ErrSequence, p.keys.Act(p.mid, act.KindClientBundle, 0, bundle.Bytes()))
	p.do(nil, first)
	p.do(act.ErrSequence, first)
	if p.state.Client == nil || p.state.Client.URL != bundle.URL {
		t.Errorf("the bundle in force is %v", p.state.Client)
	}
	// A signature is for one sequence.
	first.Sequence = 2
	p.do(election.ErrSignature, first)
}

func TestQuorum(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	bundle := act.ClientBundle{URL: "https://a.example/b"}
	sign := func(members ...int) *act.Act { return p.next(act.KindClientBundle, bundle, members...) }
	p.do(election.ErrQuorum, sign(2))
	p.do(election.ErrQuorum, sign([]int{}...))
	p.do(errAny, sign(1, 0))
	p.do(errAny, sign(1, 1))
	wrong := sign(0, 1, 2)
	wrong.Signatures[2].Bytes = wrong.Signatures[1].Bytes
	p.do(election.ErrSignature, wrong)
	key := sign(0, 1)
	key.Signatures[0].Key = 1
	p.do(errAny, key)
	stranger := sign(0, 1)
	stranger.Signatures[1].Member = 4
	p.do(errAny, stranger)
	long := sign(0, 1)
	long.Signatures[1].Bytes = append(long.Signatures[1].Bytes, make([]byte, 1<<16)...)
	p.do(errAny, long)
	none := sign(0, 1)
	none.Signatures = nil
	p.do(election.ErrQuorum, none)
	p.do(nil, sign(0, 1, 2, 3))
	p.do(nil, sign(1, 3))
}

func TestMoving(t *testing.T) {
	t.Parallel()
	const open, close, latest = electiontest.Open, electiontest.Close, electiontest.LatestClose
	p := newPlay(t)
	extend := func(at int64) *act.Act { return p.next(act.KindExtend, act.Extend{Close: at}) }
	early := func(at int64) *act.Act { return p.next(act.KindCloseEarly, act.CloseEarly{Close: at}) }
	p.do(errAny, extend(close))
	p.do(errAny, extend(close-1))
	p.do(errAny, extend(latest+1))
	p.do(nil, extend(close+1))
	p.do(errAny, extend(close+1))
	p.do(nil, extend(latest))
	p.do(errAny, early(latest))
	p.do(errAny, early(open))
	p.do(nil, early(open+1))
	p.do(errAny, early(open+1))
	p.do(nil, extend(close))
	if p.state.Close != close {
		t.Errorf("the close in force is %d", p.state.Close)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	cancel := func(p *play) *act.Act { return p.next(act.KindCancel, act.Cancel{}) }
	for _, name := range []string{"extend", "close early", "add", "strike", "decide", "client bundle", "replace"} {
		p := newPlay(t)
		before := payloads()[name]
		p.do(nil, p.next(before.kind, before.payload))
		p.do(nil, cancel(p))
		if !p.state.Cancelled {
			t.Error("not cancelled")
		}
		p.do(act.ErrCancelled, cancel(p))
		p.do(act.ErrCancelled, p.next(act.KindAmend, act.Amend{Op: act.OpAdd, Group: 1, Hash: suite.Hash{77}}))
	}
}

func TestAmend(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	amend := func(op act.Op, g suite.GroupID, h byte) *act.Act {
		return p.next(act.KindAmend, act.Amend{Op: op, Group: g, Hash: suite.Hash{h}})
	}
	p.do(errAny, amend(act.OpAdd, 3, 1))
	p.do(errAny, amend(act.OpStrike, 0, 1))
	p.do(nil, amend(act.OpAdd, 2, 9))
	p.do(nil, amend(act.OpAdd, 2, 1))
	p.do(errAny, amend(act.OpAdd, 2, 9))
	p.do(errAny, amend(act.OpAdd, 1, 9))
	p.do(nil, amend(act.OpStrike, 1, 2))
	p.do(errAny, amend(act.OpStrike, 1, 2))
	p.do(errAny, amend(act.OpStrike, 2, 2))
	p.do(nil, amend(act.OpStrike, 1, 3))
	want := map[suite.GroupID][]suite.Hash{2: {{9}, {1}}}
	if diff := cmp.Diff(want, p.state.Added); diff != "" {
		t.Error(diff)
	}
	want = map[suite.GroupID][]suite.Hash{1: {{2}, {3}}}
	if diff := cmp.Diff(want, p.state.Struck); diff != "" {
		t.Error(diff)
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	decide := func(d act.Decide) *act.Act { return p.next(act.KindDecide, d) }
	p.do(errAny, decide(act.Decide{Group: 3, RejectedOn: 1}))
	first := act.Decide{Group: 1, AcceptedOff: 2, Accepted: []suite.BallotID{{1}, {2}}}
	p.do(nil, decide(first))
	p.do(errAny, decide(first))
	// A ballot of one group is none of another.
	p.do(errAny, decide(act.Decide{Group: 2, AcceptedOn: 2, Accepted: []suite.BallotID{{2}, {3}}}))
	second := act.Decide{Group: 2, AcceptedOn: 1, RejectedOff: 5, Accepted: []suite.BallotID{{3}}}
	p.do(nil, decide(second))
	if diff := cmp.Diff([]act.Decide{first, second}, p.state.Decisions); diff != "" {
		t.Error(diff)
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	fresh := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	old := p.keys.Committee[2]
	by := func(priv ed25519.PrivateKey) []byte { return priv[32:] }
	replace := func(r act.Replace, members ...int) *act.Act { return p.next(act.KindReplace, r, members...) }
	good := act.Replace{Member: 2, Kind: election.KindEd25519, Key: by(fresh), Name: "Mariana"}
	with := func(change func(*act.Replace)) act.Replace {
		r := good
		change(&r)
		return r
	}
	p.do(errAny, replace(good, 1, 2))
	p.do(errAny, replace(good, 0, 1, 2, 3))
	p.do(errAny, replace(with(func(r *act.Replace) { r.Member = 4 })))
	p.do(errAny, replace(with(func(r *act.Replace) { r.Key = make([]byte, 32) })))
	p.do(errAny, replace(with(func(r *act.Replace) { r.Key = r.Key[:31] })))
	p.do(errAny, replace(with(func(r *act.Replace) { r.Key = by(p.keys.Committee[3]) })))
	p.do(errAny, replace(with(func(r *act.Replace) { r.Key = by(old) })))
	p.do(errAny, replace(with(func(r *act.Replace) { r.Name = p.state.Committee.Members[0].Name })))
	p.do(errAny, replace(with(func(r *act.Replace) { r.Kind = election.KindPasskey })))
	p.do(nil, replace(good))

	// The old key is dead, the new one lives.
	bundle := act.ClientBundle{URL: "https://a.example/b"}
	p.do(election.ErrSignature, p.next(act.KindClientBundle, bundle, 1, 2))
	p.keys.Committee[2] = fresh
	p.do(nil, p.next(act.KindClientBundle, bundle, 1, 2))

	// A reset keeps the name; no dead key comes back, in no hand.
	p.do(errAny, replace(act.Replace{Member: 2, Kind: election.KindEd25519, Key: by(old), Name: "Mariana"}))
	p.do(errAny, replace(act.Replace{Member: 3, Kind: election.KindEd25519, Key: by(old), Name: "Li"}))
	again := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	p.do(nil, replace(act.Replace{Member: 2, Kind: election.KindEd25519, Key: by(again), Name: "Mariana"}))
	p.do(election.ErrSignature, p.next(act.KindClientBundle, bundle, 1, 2))
	p.do(errAny, replace(act.Replace{Member: 3, Kind: election.KindEd25519, Key: by(fresh), Name: "Li"}))
	if m := p.state.Committee.Members[2]; m.Name != "Mariana" || len(m.Keys) != 1 {
		t.Errorf("member 2 is %v", m)
	}
}

// TestReplaceAll changes the whole committee, two by two.
func TestReplaceAll(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	for i := range 4 {
		fresh := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i + 1)}, 32))
		signers := []int{(i + 1) % 4, (i + 2) % 4}
		slices.Sort(signers)
		p.do(nil, p.next(act.KindReplace, act.Replace{
			Member: uint8(i), Kind: election.KindEd25519, Key: fresh[32:], Name: string(rune('A' + i)),
		}, signers...))
		p.keys.Committee[i] = fresh
	}
	p.do(nil, p.next(act.KindCancel, act.Cancel{}, 0, 3))
}

func TestPasskeyActs(t *testing.T) {
	t.Parallel()
	key := electiontest.NewPasskey(t, "union.example")
	p := newPlay(t, func(p *electiontest.Plan) {
		p.Change = func(m *election.Manifest) {
			m.Committee.RPID = "union.example"
			m.Committee.Members[1].Keys = append(m.Committee.Members[1].Keys, key.Key(t))
		}
	})
	extend := act.Extend{Close: electiontest.Close + 60}
	a := p.next(act.KindExtend, extend, 0, 1)
	sign := func(k *electiontest.Passkey) []byte {
		return k.Sign(t, act.Message(p.mid, a.Kind, a.Sequence, a.Payload))
	}
	a.Signatures[1].Key, a.Signatures[1].Bytes = 1, sign(key)
	absent := *key
	absent.Flags = 0x01
	bad := *a
	bad.Signatures = slices.Clone(a.Signatures)
	bad.Signatures[1].Bytes = sign(&absent)
	p.do(election.ErrSignature, &bad)
	b, err := act.Parse(a.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	p.do(nil, b)

	// A member gets a passkey in place of a key file.
	second := electiontest.NewPasskey(t, "union.example")
	p.do(nil, p.next(act.KindReplace, act.Replace{Member: 3, Kind: election.KindPasskey, Key: second.Key(t).Key, Name: "Li"}))
	a = p.next(act.KindExtend, act.Extend{Close: electiontest.Close + 120}, 0, 3)
	a.Signatures[1].Bytes = sign(second)
	p.do(nil, a)
}

// TestPasskeyWithoutRelyingParty: a committee of key files alone has no place
// for a passkey.
func TestPasskeyWithoutRelyingParty(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	key := electiontest.NewPasskey(t, "union.example").Key(t)
	p.do(errAny, p.next(act.KindReplace, act.Replace{Member: 3, Kind: election.KindPasskey, Key: key.Key, Name: "Li"}))
}

// TestManifestIsKept: the state works on its own copy.
func TestManifestIsKept(t *testing.T) {
	t.Parallel()
	m, k := electiontest.Manifest(t)
	m.Client = &election.Client{URL: "https://a.example/b"}
	file, mid := electiontest.Encode(t, m)
	s := act.NewState(m, mid)
	if s.Client == nil || *s.Client != *m.Client || s.Next != 1 || s.Close != m.Schedule.Close {
		t.Errorf("first state is %+v", s)
	}
	fresh := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	for i, a := range []struct {
		kind    act.Kind
		payload interface{ Bytes() []byte }
	}{
		{act.KindReplace, act.Replace{Member: 2, Kind: election.KindEd25519, Key: fresh[32:], Name: "X"}},
		{act.KindClientBundle, act.ClientBundle{URL: "https://a.example/c"}},
		{act.KindExtend, act.Extend{Close: m.Schedule.Close + 1}},
	} {
		if err := s.Apply(k.Act(mid, a.kind, uint32(i+1), a.payload.Bytes())); err != nil {
			t.Fatal(err)
		}
	}
	if again, _ := electiontest.Encode(t, m); !bytes.Equal(again, file) {
		t.Error("acts changed the manifest")
	}
}

// TestClone: two copies go separate ways.
func TestClone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p := newPlay(t)
		apply := func(s *act.State, h byte) {
			fresh := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{h}, 32))
			for _, one := range []struct {
				kind    act.Kind
				payload interface{ Bytes() []byte }
			}{
				{act.KindAmend, act.Amend{Op: act.OpAdd, Group: 1, Hash: suite.Hash{h, 1}}},
				{act.KindAmend, act.Amend{Op: act.OpStrike, Group: 1, Hash: suite.Hash{h, 2}}},
				{act.KindDecide, act.Decide{Group: 1, AcceptedOn: 1, Accepted: []suite.BallotID{{h}}}},
				{act.KindReplace, act.Replace{Member: 3, Kind: election.KindEd25519, Key: fresh[32:], Name: "N"}},
				{act.KindClientBundle, act.ClientBundle{URL: string('a' + rune(h))}},
			} {
				if err := s.Apply(p.keys.Act(p.mid, one.kind, s.Next, one.payload.Bytes())); err != nil {
					rt.Fatal(err)
				}
			}
		}
		for h := range rapid.ByteRange(0, 3).Draw(rt, "before") {
			apply(p.state, h+1)
		}
		copied := p.state.Clone()
		other := p.state.Clone()
		apply(other, 20)
		if diff := cmp.Diff(copied, p.state, cmp.AllowUnexported(act.State{}), cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("an act on a copy changed the original: %s", diff)
		}
		apply(p.state, 21)
		if other.Added[1][len(other.Added[1])-1] != (suite.Hash{20, 1}) {
			rt.Fatal("an act on the original changed a copy")
		}
	})
}

// TestForesee shows that it judges as Apply does, but for the signatures.
func TestForesee(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	for name, tt := range payloads() {
		if name == "replace, point" {
			continue // not a point
		}
		signed, unsigned := p.state.Clone(), p.state.Clone()
		a := p.next(tt.kind, tt.payload)
		if err := signed.Apply(a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a.Signatures = nil
		if err := p.state.Clone().Apply(a); err == nil {
			t.Errorf("%s: applied without a signature", name)
		}
		if err := unsigned.Foresee(a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(signed, unsigned, cmp.AllowUnexported(act.State{})); diff != "" {
			t.Errorf("%s: foreseen otherwise: %s", name, diff)
		}
		again := unsigned.Clone()
		if err := unsigned.Foresee(a); !errors.Is(err, act.ErrSequence) && !errors.Is(err, act.ErrCancelled) {
			t.Errorf("%s: the same again: got %v", name, err)
		}
		if diff := cmp.Diff(again, unsigned, cmp.AllowUnexported(act.State{})); diff != "" {
			t.Errorf("%s: refused and still changed: %s", name, diff)
		}
	}
}

// TestMarginWords says the margin as people do.
func TestMarginWords(t *testing.T) {
	t.Parallel()
	for demo, want := range map[bool]string{false: "10 minutes", true: "5 seconds"} {
		if got := act.MarginWords(demo); got != want {
			t.Errorf("demo %t: got %q, want %q", demo, got, want)
		}
	}
}

// TestSkip reads acts as they are published: those about a roll are withheld.
func TestSkip(t *testing.T) {
	t.Parallel()
	m, k := electiontest.Manifest(t)
	_, mid := electiontest.Encode(t, m)
	extend := k.Act(mid, act.KindExtend, 3, act.Extend{Close: m.Schedule.LatestClose}.Bytes())
	s := act.NewState(m, mid)
	if err := s.Apply(extend); !errors.Is(err, act.ErrSequence) {
		t.Errorf("with acts missing: got %v", err)
	}
	s.Skip(3)
	if err := s.Apply(extend); err != nil || s.Close != m.Schedule.LatestClose || s.Next != 4 {
		t.Errorf("got %v, close %d, next %d", err, s.Close, s.Next)
	}
	s.Skip(3)
	if err := s.Apply(extend); !errors.Is(err, act.ErrSequence) {
		t.Errorf("an act that was applied: got %v", err)
	}
}
