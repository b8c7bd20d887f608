package electiontest

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

func (p *Plan) seed(label string) [32]byte {
	return suite.H("electiontest", []byte(p.Seed), []byte(label))
}

func (p *Plan) key(label string) ed25519.PrivateKey {
	seed := p.seed(label)
	return ed25519.NewKeyFromSeed(seed[:])
}

func (p *Plan) scalar(label string) *group.Scalar {
	return group.ScalarFromWide(suite.H512("electiontest", []byte(p.Seed), []byte(label)))
}

// texts says the same in every language, marked with it.
func (p *Plan) texts(s string) []string {
	out := make([]string, len(p.Languages))
	for i, tag := range p.Languages {
		out[i] = s
		if i > 0 {
			out[i] += " (" + tag + ")"
		}
	}
	return out
}

func (p *Plan) head(t testing.TB, m *election.Manifest) {
	t.Helper()
	id := p.seed("election id")
	m.Suite = election.Suite
	m.ElectionID = suite.ElectionID(id[:16])
	m.Demo = !p.Real
	m.Languages = slices.Clone(p.Languages)
	m.Title = p.texts("Strike authorization vote")
	m.Statement = p.texts("What a yes and a no mean.")
	for i, roles := range p.Questions {
		q := election.Question{Text: p.texts(fmt.Sprintf("Question %d: do you authorize it?", i+1))}
		for j, role := range roles {
			q.Options = append(q.Options, election.Option{Text: p.texts(fmt.Sprintf("Option %d, %s", j+1, role)), Role: role})
		}
		m.Questions = append(m.Questions, q)
	}
	rule, err := election.Preset(p.Rule)
	if err != nil {
		t.Fatal(err)
	}
	m.Rule = rule
	m.Schedule = election.Schedule{Open: Open, Close: Close, LatestClose: LatestClose, DecideUntil: DecideUntil}
	m.KMin = 3
	if p.Real {
		m.Schedule.Grace = 600
		m.KMin = 10
	}
	m.Separation = election.Separation{Kind: election.OneMachine, Operators: []string{"The local runs all of it."}}
	m.Help = election.Help{Email: "help@union.example", Phone: "555-0100"}
	m.Program = "strikevote test"
}

func (p *Plan) groups(t testing.TB, m *election.Manifest, k *Keys) {
	t.Helper()
	k.RollKey = p.seed("roll key")
	for i, size := range p.Rolls {
		id := suite.GroupID(i + 1)
		name := fmt.Sprintf("Unit %d", id)
		leaves := make([]suite.Hash, size)
		for index := range size {
			salt := ledger.Salt(k.RollKey, m.ElectionID, id, index)
			leaves[index] = ledger.Leaf(id, index, salt, MemberNo(id, index))
		}
		k.Leaves[id] = leaves
		k.Issuers[id] = issuerKey(t, i)
		m.Groups = append(m.Groups, election.Group{
			ID: id, Name: name, Units: []string{name},
			RollSize: size, RollRoot: ledger.Root(leaves),
			BatchMin: election.BatchMin(size),
			Issuer:   k.Issuers[id].Public().Bytes(),
		})
	}
}

// tellers shares the opening key directly: x_i = f(i), f(0) = y. A ceremony
// gives keys of the same form; its certificate here is not of one.
func (p *Plan) tellers(m *election.Manifest, k *Keys) {
	coefficients := make([]*group.Scalar, p.Threshold)
	for j := range coefficients {
		coefficients[j] = p.scalar(fmt.Sprintf("coefficient %d", j))
	}
	k.Opening = coefficients[0]
	t := &m.Tellers
	t.N, t.T = p.Tellers, p.Threshold
	t.Key = point(k.Opening)
	t.Certificate = p.seed("certificate")
	for i := 1; i <= int(p.Tellers); i++ {
		x := group.ScalarFromUint64(0)
		at := group.ScalarFromUint64(uint64(i))
		for _, c := range slices.Backward(coefficients) {
			x = x.Mul(at).Add(c)
		}
		static := p.scalar(fmt.Sprintf("static %d", i))
		k.Shares = append(k.Shares, x)
		k.Static = append(k.Static, static)
		t.Names = append(t.Names, fmt.Sprintf("Teller %d", i))
		t.Shares = append(t.Shares, point(x))
		t.StaticKeys = append(t.StaticKeys, point(static))
	}
}

func point(x *group.Scalar) election.Point { return election.Point(group.BaseMul(x).Bytes()) }

func (p *Plan) committee(m *election.Manifest, k *Keys) {
	m.Committee.Quorum = 2
	for i := range p.Members {
		priv := p.key(fmt.Sprintf("member %d", i))
		k.Committee = append(k.Committee, priv)
		m.Committee.Members = append(m.Committee.Members, election.Member{
			Name: fmt.Sprintf("Member %d", i+1),
			Keys: []election.Key{{Kind: election.KindEd25519, Key: suite.Bytes(public(priv))}},
		})
	}
}

func public(priv ed25519.PrivateKey) []byte { return priv[ed25519.SeedSize:] }

func (p *Plan) places(t testing.TB, m *election.Manifest, k *Keys) {
	t.Helper()
	k.Token, k.Promise = p.key("token"), p.key("promise")
	m.TokenKey = election.Key32(public(k.Token))
	m.PromiseKey = election.Key32(public(k.Promise))
	m.Origins = election.Origins{
		Booth:     "https://vote.union.example",
		Registrar: "https://registrar.union.example",
		Box:       "https://box.union.example",
		Board:     "https://board.union.example",
		Console:   "https://console.union.example",
	}
	for _, l := range []struct {
		log    *election.Log
		signer **tlog.LogSigner
		name   string
	}{{&m.Ledger, &k.Ledger, "ledger"}, {&m.Ballots, &k.Ballots, "ballots"}} {
		origin := fmt.Sprintf("board.union.example/%s/%s", m.ElectionID, l.name)
		s, err := tlog.NewLogSigner(origin, p.seed(l.name))
		if err != nil {
			t.Fatal(err)
		}
		*l.signer = s
		*l.log = election.Log{Origin: origin, Key: s.VKey()}
	}
	for i := range p.Witnesses {
		s, err := tlog.NewWitnessSigner(fmt.Sprintf("witness%d.example", i+1), p.seed(fmt.Sprintf("witness %d", i)))
		if err != nil {
			t.Fatal(err)
		}
		k.Witnesses = append(k.Witnesses, s)
		m.Witnesses.Keys = append(m.Witnesses.Keys, s.VKey())
	}
	m.Witnesses.Threshold = uint8(p.Witnesses/2 + 1)
}
