package election_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

func members(n int) func(*electiontest.Plan) {
	return func(p *electiontest.Plan) { p.Members = n }
}

func realMembers(n int) func(*electiontest.Plan) {
	return func(p *electiontest.Plan) { p.Members, p.Real = n, true }
}

var committeeRules = []breach{
	{name: "two members of a demo", plan: members(2)},
	{name: "one member of a demo", path: "committee.members", apply: func(m *election.Manifest) { m.Committee.Members = m.Committee.Members[:1] }},
	{name: "two members", path: "committee.members", plan: realMembers(3), apply: func(m *election.Manifest) { m.Committee.Members = m.Committee.Members[:2] }},
	{name: "15 members", plan: realMembers(15)},
	{name: "16 members", path: "committee.members", plan: realMembers(15), apply: func(m *election.Manifest) {
		m.Committee.Members = append(m.Committee.Members, election.Member{Name: "x", Keys: []election.Key{{Kind: "ed25519", Key: suite.Bytes(repeat(32))}}})
	}},
	{name: "quorum 1", path: "committee.quorum", apply: func(m *election.Manifest) { m.Committee.Quorum = 1 }},
	{name: "quorum of all", apply: func(m *election.Manifest) { m.Committee.Quorum = 3 }},
	{name: "quorum above all", path: "committee.quorum", apply: func(m *election.Manifest) { m.Committee.Quorum = 4 }},
	{name: "long rp_id", path: "committee.rp_id", apply: func(m *election.Manifest) { m.Committee.RPID = repeat(254) }},
	{name: "rp_id without a passkey", apply: func(m *election.Manifest) { m.Committee.RPID = repeat(253) }},
	{name: "member without name", path: "committee.members[0].name", apply: func(m *election.Manifest) { m.Committee.Members[0].Name = "" }},
	{name: "name of member twice", path: "committee.members[1].name", apply: func(m *election.Manifest) { m.Committee.Members[1].Name = m.Committee.Members[0].Name }},
	{name: "member without key", path: "committee.members[2].keys", apply: func(m *election.Manifest) { m.Committee.Members[2].Keys = []election.Key{} }},
	{name: "five keys", path: "committee.members[2].keys", apply: func(m *election.Manifest) { keys(m, 5) }},
	{name: "four keys", apply: func(m *election.Manifest) { keys(m, 4) }},
	{name: "no such kind of key", path: "committee.members[0].keys[0]", apply: func(m *election.Manifest) { m.Committee.Members[0].Keys[0].Kind = "rsa" }},
	{name: "short key", path: "committee.members[0].keys[0]", apply: func(m *election.Manifest) {
		m.Committee.Members[0].Keys[0].Key = m.Committee.Members[0].Keys[0].Key[:31]
	}},
	{name: "zero key", path: "committee.members[0].keys[0]", apply: func(m *election.Manifest) { m.Committee.Members[0].Keys[0].Key = make(suite.Bytes, 32) }},
	{name: "key in two hands", path: "committee.members[1].keys[0]", apply: func(m *election.Manifest) { m.Committee.Members[1].Keys = m.Committee.Members[0].Keys }},
	{name: "key twice in one hand", path: "committee.members[1].keys[1]", apply: func(m *election.Manifest) {
		k := m.Committee.Members[1].Keys
		m.Committee.Members[1].Keys = append(k, k[0])
	}},
	{name: "passkey that is no point", path: "committee.members[0].keys[0]", apply: func(m *election.Manifest) {
		m.Committee.RPID = "union.example"
		m.Committee.Members[0].Keys[0] = election.Key{Kind: "passkey", Key: append(suite.Bytes{4}, make(suite.Bytes, 64)...)}
	}},
	{name: "ed25519 key as a passkey", path: "committee.members[0].keys[0]", apply: func(m *election.Manifest) {
		m.Committee.RPID = "union.example"
		m.Committee.Members[0].Keys[0].Kind = "passkey"
	}},
}

func keys(m *election.Manifest, n int) {
	list := make([]election.Key, n)
	for i := range list {
		list[i] = election.Key{Kind: "ed25519", Key: suite.Bytes(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i)}, 32)).Public().(ed25519.PublicKey))}
	}
	m.Committee.Members[2].Keys = list
}

var scheduleRules = []breach{
	{name: "close at open", path: "schedule.close", apply: func(m *election.Manifest) { m.Schedule.Close = m.Schedule.Open }},
	{name: "negative open", path: "schedule.close", apply: func(m *election.Manifest) { m.Schedule.Open = -1 }},
	{name: "latest close before close", path: "schedule.latest_close", apply: func(m *election.Manifest) { m.Schedule.LatestClose = m.Schedule.Close - 1 }},
	{name: "latest close at close", apply: func(m *election.Manifest) { m.Schedule.LatestClose = m.Schedule.Close }},
	{name: "negative grace", path: "schedule.grace", apply: func(m *election.Manifest) { m.Schedule.Grace = -1 }},
	{name: "grace too long", path: "schedule.grace", apply: func(m *election.Manifest) { m.Schedule.Grace = 1801 }},
	{name: "longest grace", apply: func(m *election.Manifest) { m.Schedule.Grace = 1800 }},
	{name: "no grace", path: "schedule.grace", plan: realElection, apply: func(m *election.Manifest) { m.Schedule.Grace = 0 }},
	{name: "no grace in a rehearsal", plan: realElection, apply: func(m *election.Manifest) { m.Schedule.Grace, m.Rehearsal = 0, true }},
	{name: "decide_until at the end of the grace", path: "schedule.decide_until", plan: realElection, apply: func(m *election.Manifest) {
		m.Schedule.DecideUntil = m.Schedule.LatestClose + m.Schedule.Grace
	}},
	{name: "decide_until a second later", plan: realElection, apply: func(m *election.Manifest) {
		m.Schedule.DecideUntil = m.Schedule.LatestClose + m.Schedule.Grace + 1
	}},
}

var restRules = []breach{
	{name: "k_min 9", path: "k_min", plan: realElection, apply: func(m *election.Manifest) { m.KMin = 9 }},
	{name: "k_min 11", path: "k_min", apply: func(m *election.Manifest) { m.KMin = 11 }},
	{name: "k_min 9 in a rehearsal", path: "k_min", plan: realElection, apply: func(m *election.Manifest) { m.KMin, m.Rehearsal = 9, true }},
	{name: "k_min 0 in a demo", path: "k_min", apply: func(m *election.Manifest) { m.KMin = 0 }},
	{name: "k_min 1 in a demo", apply: func(m *election.Manifest) { m.KMin = 1 }},
	{name: "factor", plan: threeLanguages, apply: func(m *election.Manifest) { m.Factor = &election.Factor{Label: []string{"a", "b", "c"}} }},
	{name: "factor without label", path: "factor.label", apply: func(m *election.Manifest) { m.Factor = &election.Factor{Label: []string{}} }},
	{name: "long label", path: "factor.label[0]", apply: func(m *election.Manifest) { m.Factor = &election.Factor{Label: []string{repeat(81)}} }},
	{name: "separation", path: "separation.kind", apply: func(m *election.Manifest) { m.Separation.Kind = "none" }},
	{name: "two operators", apply: func(m *election.Manifest) { m.Separation.Kind = election.TwoOperators }},
	{name: "no operators", path: "separation.operators", apply: func(m *election.Manifest) { m.Separation.Operators = []string{} }},
	{name: "nine operators", path: "separation.operators", apply: func(m *election.Manifest) { m.Separation.Operators = many(9, "%d") }},
	{name: "empty operator", path: "separation.operators[0]", apply: func(m *election.Manifest) { m.Separation.Operators[0] = "" }},
	{name: "no token key", path: "token_key", apply: func(m *election.Manifest) { m.TokenKey = election.Key32{} }},
	{name: "no promise key", path: "promise_key", apply: func(m *election.Manifest) { m.PromiseKey = election.Key32{} }},
	{name: "client", apply: func(m *election.Manifest) { m.Client = &election.Client{URL: repeat(1000)} }},
	{name: "client without URL", path: "client.url", apply: func(m *election.Manifest) { m.Client = &election.Client{} }},
	{name: "client with a long URL", path: "client.url", apply: func(m *election.Manifest) { m.Client = &election.Client{URL: repeat(1001)} }},
	{name: "no mail address for help", path: "help.email", apply: func(m *election.Manifest) { m.Help.Email = "" }},
	{name: "no phone for help", path: "help.phone", apply: func(m *election.Manifest) { m.Help.Phone = "" }},
	{name: "long phone", path: "help.phone", apply: func(m *election.Manifest) { m.Help.Phone = repeat(201) }},
	{name: "no program", path: "program", apply: func(m *election.Manifest) { m.Program = "" }},
	{name: "long program", path: "program", apply: func(m *election.Manifest) { m.Program = repeat(81) }},
}

var placeRules = []breach{
	{name: "ledger's key", path: "ledger.key", apply: func(m *election.Manifest) { m.Ledger.Key += "=" }},
	{name: "ledger's key is a witness's", path: "ledger.key", apply: func(m *election.Manifest) { m.Ledger.Key = m.Witnesses.Keys[0] }},
	{name: "origin is not the key's name", path: "ballots.origin", apply: func(m *election.Manifest) { m.Ballots.Origin += "x" }},
	{name: "two logs in one", path: "ballots.key", apply: func(m *election.Manifest) { m.Ballots = m.Ledger }},
	{name: "witness's key", path: "witnesses.keys[1]", apply: func(m *election.Manifest) { m.Witnesses.Keys[1] = "w" }},
	{name: "log as a witness", path: "witnesses.keys[1]", apply: func(m *election.Manifest) { m.Witnesses.Keys[1] = m.Ledger.Key }},
	{name: "witness twice", path: "witnesses.keys[2]", apply: func(m *election.Manifest) { m.Witnesses.Keys[2] = m.Witnesses.Keys[0] }},
	{name: "one witness under two names", path: "witnesses.keys[2]", apply: func(m *election.Manifest) {
		m.Witnesses.Keys[1], m.Witnesses.Keys[2] = witnessKey("w.example"), witnessKey("v.example")
	}},
	{name: "two witnesses under one name", path: "witnesses.keys[2]", apply: func(m *election.Manifest) {
		m.Witnesses.Keys[2] = witnessKey("witness1.example")
	}},
	{name: "two logs with one key", path: "ballots.key", apply: func(m *election.Manifest) {
		m.Ledger, m.Ballots = logWith("a.example/ledger"), logWith("a.example/ballots")
	}},
	{name: "no witnesses", path: "witnesses.threshold", apply: func(m *election.Manifest) { m.Witnesses.Keys = []string{} }},
	{name: "box on the registrar's origin", path: "origins.box", apply: func(m *election.Manifest) { m.Origins.Box = m.Origins.Registrar }},
	{name: "no booth", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "" }},
	{name: "path", path: "origins.registrar", apply: func(m *election.Manifest) { m.Origins.Registrar = "https://a.example/x" }},
	{name: "final slash", path: "origins.board", apply: func(m *election.Manifest) { m.Origins.Board += "/" }},
	{name: "upper case", path: "origins.console", apply: func(m *election.Manifest) { m.Origins.Console = "https://Console.example" }},
	{name: "scheme", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "ftp://a.example" }},
	{name: "no host", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://" }},
	{name: "no host but a port", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://:8443" }},
	{name: "user", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://u@a.example" }},
	{name: "final dot", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://a.example." }},
	{name: "hyphen at the start", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://-a.example" }},
	{name: "hyphen at the end", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://a-.example" }},
	{name: "long label of a host", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://" + repeat(64) }},
	{name: "default port", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://a.example:443" }},
	{name: "default port of http", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "http://a.example:80" }},
	{name: "port with a zero", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://a.example:0443" }},
	{name: "port 0", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://a.example:0" }},
	{name: "port 65536", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://a.example:65536" }},
	{name: "empty port", path: "origins.booth", apply: func(m *election.Manifest) { m.Origins.Booth = "https://a.example:" }},
	{name: "an address and a port", apply: func(m *election.Manifest) { m.Origins.Booth = "http://127.0.0.1:8441" }},
	{name: "localhost", apply: func(m *election.Manifest) { m.Origins.Booth = "http://localhost:443" }},
}

func witnessKey(name string) string {
	s, err := tlog.NewWitnessSigner(name, [32]byte{1})
	if err != nil {
		panic(err)
	}
	return s.VKey()
}

func logWith(origin string) election.Log {
	s, err := tlog.NewLogSigner(origin, [32]byte{1})
	if err != nil {
		panic(err)
	}
	return election.Log{Origin: origin, Key: s.VKey()}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	s := election.Schedule{Open: 100, Close: 200, LatestClose: 300, Grace: 10, DecideUntil: 400}
	for _, tt := range []struct {
		close, at int64
		phase     election.Phase
		casting   bool
	}{
		{200, 0, election.PhaseSealed, false},
		{200, 99, election.PhaseSealed, false},
		{200, 100, election.PhaseOpen, true},
		{200, 199, election.PhaseOpen, true},
		{200, 200, election.PhaseClosed, true},
		{200, 209, election.PhaseClosed, true},
		{200, 210, election.PhaseClosed, false},
		{250, 249, election.PhaseOpen, true},
		{150, 150, election.PhaseClosed, true},
		{150, 160, election.PhaseClosed, false},
	} {
		at := time.Unix(tt.at, 999)
		if got := s.PhaseAt(tt.close, at); got != tt.phase {
			t.Errorf("close %d, at %d: got %s, want %s", tt.close, tt.at, got, tt.phase)
		}
		if got := s.CastingAt(tt.close, at); got != tt.casting {
			t.Errorf("close %d, at %d: casting is %v", tt.close, tt.at, got)
		}
	}
	if s.LockFrom(250) != 260 || s.TokenExpires() != 300+14*86400 {
		t.Error("lock or expiry is wrong")
	}
}
