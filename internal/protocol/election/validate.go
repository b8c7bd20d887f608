package election

import (
	"fmt"
	"slices"
	"strings"

	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/suite"
)

// Limits of SPEC.md section 3. Lengths are in bytes.
const (
	maxLanguages   = 8
	maxTitle       = 200
	maxStatement   = 4000
	maxQuestions   = 8
	maxQuestion    = 1000
	minOptions     = 2
	maxOptions     = 4
	maxOption      = 200
	maxGroups      = 1000
	maxUnits       = 64
	maxName        = 80 // of a group, unit, teller or member
	maxTellers     = 32
	minMembers     = 3
	minDemoMembers = 2
	maxMembers     = 15
	maxMemberKeys  = 4
	minQuorum      = 2
	maxRPID        = 253
	maxGrace       = 1800
	maxWitnesses   = 32
	maxFactor      = 80
	maxOperators   = 8
	maxOperator    = 200
	maxURL         = 1000
	maxHelp        = 200
	maxProgram     = 80
	kMin           = 10

	// PoolBelow is the roll size under which a group is pooled with another.
	PoolBelow = 25

	// The opening of a sum searches for up to maxRoll ballots; with four
	// options the table of that search grows too large beyond maxRoll4.
	maxRoll  = 1<<20 - 1
	maxRoll4 = 100_000
)

// Validate checks every rule of SPEC.md section 3 and returns all that are
// broken, joined; see [Problems].
func (m *Manifest) Validate() error {
	p := new(problems)
	m.checkHead(p)
	m.checkQuestions(p)
	m.Rule.check(p, m.Questions)
	m.checkGroups(p)
	m.checkRolls(p)
	m.Tellers.check(p)
	m.Committee.check(p, m.Demo)
	m.Schedule.check(p, m.Demo || m.Rehearsal)
	m.checkRest(p)
	m.checkLogs(p)
	m.Origins.check(p)
	return p.join()
}

func (m *Manifest) checkHead(p *problems) {
	if m.Suite != Suite {
		p.add("suite", "not %s", Suite)
	}
	if n := len(m.Languages); n < 1 || n > maxLanguages {
		p.add("languages", "%d languages, not 1 to %d", n, maxLanguages)
	}
	for i, tag := range m.Languages {
		if !tagged(tag) {
			p.add(at("languages", i), "not a tag of 1 to 16 lowercase letters, digits and hyphens")
		}
	}
	distinct(p, "languages", m.Languages)
	p.texts("title", m.Title, len(m.Languages), maxTitle)
	if len(m.Statement) != len(m.Languages) {
		p.add("statement", "%d texts for %d languages", len(m.Statement), len(m.Languages))
	}
	for i, s := range m.Statement {
		p.err(at("statement", i), suite.CheckTextOrEmpty(s, maxStatement))
	}
}

func tagged(s string) bool {
	return s != "" && len(s) <= 16 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func (m *Manifest) checkQuestions(p *problems) {
	if n := len(m.Questions); n < 1 || n > maxQuestions {
		p.add("questions", "%d questions, not 1 to %d", n, maxQuestions)
	}
	for i, q := range m.Questions {
		path := at("questions", i)
		p.texts(path+".text", q.Text, len(m.Languages), maxQuestion)
		if n := len(q.Options); n < minOptions || n > maxOptions {
			p.add(path+".options", "%d options, not %d to %d", n, minOptions, maxOptions)
		}
		for j, o := range q.Options {
			path := at(path+".options", j)
			p.texts(path+".text", o.Text, len(m.Languages), maxOption)
			switch o.Role {
			case RoleYes, RoleNo, RoleNeutral:
			default:
				p.add(path+".role", "not one of yes, no, neutral")
			}
		}
	}
}

func (m *Manifest) checkGroups(p *problems) {
	if n := len(m.Groups); n < 1 || n > maxGroups {
		p.add("groups", "%d groups, not 1 to %d", n, maxGroups)
	}
	names := make(map[string]bool)
	units := make(map[string]bool)
	issuers := make(map[string]bool)
	last := suite.GroupID(0)
	for i, g := range m.Groups {
		path := at("groups", i)
		if g.ID <= last {
			p.add(path+".id", "not above the id before it")
		}
		last = g.ID
		p.text(path+".name", g.Name, maxName)
		once(p, names, path+".name", g.Name)
		if n := len(g.Units); n < 1 || n > maxUnits {
			p.add(path+".units", "%d units, not 1 to %d", n, maxUnits)
		}
		for j, u := range g.Units {
			p.text(at(path+".units", j), u, maxName)
			// A unit in two groups would leave open which roll its members are on.
			once(p, units, at(path+".units", j), u)
		}
		if g.RollSize < 1 || g.RollSize < PoolBelow && len(m.Groups) > 1 {
			p.add(path+".roll_size", "%d members; under %d a group is pooled with another", g.RollSize, PoolBelow)
		}
		if want := BatchMin(g.RollSize); g.BatchMin != want {
			p.add(path+".batch_min", "%d, not %d for a roll of %d", g.BatchMin, want, g.RollSize)
		}
		if _, err := credential.ParsePublicKey(g.Issuer); err != nil {
			p.err(path+".issuer", err)
		}
		// A key shared by two groups would let a credential of one vote in the other.
		once(p, issuers, path+".issuer", string(g.Issuer))
	}
	m.checkParents(p)
}

func once(p *problems, seen map[string]bool, path, value string) {
	if seen[value] {
		p.add(path, "the same as one before it")
	}
	seen[value] = true
}

// checkParents walks up from every group. A walk longer than there are groups
// goes in a circle.
func (m *Manifest) checkParents(p *problems) {
	parents := make(map[suite.GroupID]suite.GroupID, len(m.Groups))
	for _, g := range m.Groups {
		parents[g.ID] = g.Parent
	}
	for i, g := range m.Groups {
		if g.Parent == 0 {
			continue
		}
		if _, ok := parents[g.Parent]; !ok {
			p.add(at("groups", i)+".parent", "there is no group %d", g.Parent)
			continue
		}
		up, steps := g.Parent, 0
		for up != 0 && steps <= len(m.Groups) {
			up = parents[up]
			steps++
		}
		if up != 0 {
			p.add(at("groups", i)+".parent", "leads in a circle")
		}
	}
}

func (m *Manifest) checkRolls(p *problems) {
	sum := uint64(0)
	for _, g := range m.Groups {
		sum += uint64(g.RollSize)
	}
	limit := uint64(maxRoll)
	if slices.ContainsFunc(m.Questions, func(q Question) bool { return len(q.Options) == maxOptions }) {
		limit = maxRoll4
	}
	if sum > limit {
		p.add("groups", "%d members in all, more than %d", sum, limit)
	}
}

func (t *Tellers) check(p *problems) {
	n := int(t.N)
	if n < 1 || n > maxTellers {
		p.add("tellers.n", "%d tellers, not 1 to %d", n, maxTellers)
	}
	if t.T < 1 || t.T > t.N {
		p.add("tellers.t", "%d, not 1 to %d", t.T, n)
	}
	if len(t.Names) != n {
		p.add("tellers.names", "%d of %d", len(t.Names), n)
	}
	for i, s := range t.Names {
		p.text(at("tellers.names", i), s, maxName)
	}
	distinct(p, "tellers.names", t.Names)
	points(p, "tellers.static_keys", t.StaticKeys, n)
	distinct(p, "tellers.static_keys", t.StaticKeys)
	if _, err := t.Key.Element(); err != nil {
		p.err("tellers.key", err)
	}
	points(p, "tellers.shares", t.Shares, n)
}

func points(p *problems, path string, list []Point, n int) {
	if len(list) != n {
		p.add(path, "%d of %d", len(list), n)
	}
	for i, q := range list {
		if _, err := q.Element(); err != nil {
			p.err(at(path, i), err)
		}
	}
}

func (c *Committee) check(p *problems, demo bool) {
	least := minMembers
	if demo {
		least = minDemoMembers
	}
	n := len(c.Members)
	if n < least || n > maxMembers {
		p.add("committee.members", "%d members, not %d to %d", n, least, maxMembers)
	}
	if c.Quorum < minQuorum || int(c.Quorum) > n {
		p.add("committee.quorum", "%d of %d members, not %d or more", c.Quorum, n, minQuorum)
	}
	p.err("committee.rp_id", suite.CheckTextOrEmpty(c.RPID, maxRPID))
	names := make(map[string]bool)
	keys := make(map[string]bool)
	for i, member := range c.Members {
		path := at("committee.members", i)
		p.text(path+".name", member.Name, maxName)
		once(p, names, path+".name", member.Name)
		if n := len(member.Keys); n < 1 || n > maxMemberKeys {
			p.add(path+".keys", "%d keys, not 1 to %d", n, maxMemberKeys)
		}
		for j, k := range member.Keys {
			path := at(path+".keys", j)
			p.err(path, k.Check(c.RPID))
			// One key in two hands would be one person signing as two.
			once(p, keys, path, string(k.Key))
		}
	}
}

func (s *Schedule) check(p *problems, rehearsed bool) {
	if s.Open < 0 || s.Open >= s.Close {
		p.add("schedule.close", "not after the opening")
	}
	if s.LatestClose < s.Close {
		p.add("schedule.latest_close", "before the close")
	}
	if s.Grace < 0 || s.Grace > maxGrace {
		p.add("schedule.grace", "%d seconds, not 0 to %d", s.Grace, maxGrace)
	}
	if s.Grace == 0 && !rehearsed {
		p.add("schedule.grace", "0 seconds, outside of a demo or rehearsal")
	}
	if s.DecideUntil <= s.LatestClose+s.Grace {
		p.add("schedule.decide_until", "not after the latest close and its grace")
	}
}

func (m *Manifest) checkRest(p *problems) {
	if m.KMin < 1 || m.KMin > kMin || m.KMin < kMin && !m.Demo {
		p.add("k_min", "%d, not %d, or in a demo 1 to %d", m.KMin, kMin, kMin)
	}
	if m.Factor != nil {
		p.texts("factor.label", m.Factor.Label, len(m.Languages), maxFactor)
	}
	switch m.Separation.Kind {
	case OneMachine, TwoMachines, TwoOperators:
	default:
		p.add("separation.kind", "not one of one-machine, two-machines, two-operators")
	}
	if n := len(m.Separation.Operators); n < 1 || n > maxOperators {
		p.add("separation.operators", "%d texts, not 1 to %d", n, maxOperators)
	}
	for i, s := range m.Separation.Operators {
		p.text(at("separation.operators", i), s, maxOperator)
	}
	p.err("token_key", m.TokenKey.check())
	p.err("promise_key", m.PromiseKey.check())
	if m.Client != nil {
		p.err("client.url", CheckURL(m.Client.URL))
	}
	p.text("help.email", m.Help.Email, maxHelp)
	p.text("help.phone", m.Help.Phone, maxHelp)
	p.text("program", m.Program, maxProgram)
}

// CheckURL checks the address of a client bundle, here and in an act.
func CheckURL(s string) error { return suite.CheckText(s, maxURL) }

// CheckName checks the name of a member of the committee, here and in an act.
func CheckName(s string) error { return suite.CheckText(s, maxName) }

func (k Key32) check() error { return checkEd25519(k[:]) }

func checkEd25519(key []byte) error {
	if err := suite.CheckEd25519(key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	return nil
}
