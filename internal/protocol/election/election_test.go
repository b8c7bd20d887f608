package election_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

var update = flag.Bool("update", false, "write testdata anew; say why in the commit message")

func TestManifest(t *testing.T) {
	t.Parallel()
	m, k := electiontest.Manifest(t)
	b, mid := electiontest.Encode(t, m)
	got, err := election.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.Encode()
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("a manifest does not come back: %v", err)
	}
	if election.MID(b) != mid || mid != suite.MID(suite.H("manifest", b)) {
		t.Error("mid is not the hash of the bytes")
	}
	if g := got.Group(2); g == nil || g.RollSize != 40 || got.Group(3) != nil || got.Group(0) != nil {
		t.Errorf("Group(2) is %v", g)
	}
	if o := got.Options(); len(o) != 1 || o[0] != 3 {
		t.Errorf("options are %v", o)
	}
	if y, err := got.Key(); err != nil || !bytes.Equal(y.Bytes(), m.Tellers.Key[:]) {
		t.Errorf("Key: %v", err)
	}
	for i := range 5 {
		y, err := got.TellerKey(i)
		if ok := i >= 1 && i <= 3; ok != (err == nil) || ok && !bytes.Equal(y.Bytes(), m.Tellers.Shares[i-1][:]) {
			t.Errorf("TellerKey(%d): %v", i, err)
		}
	}
	pk, err := got.IssuerKey(2)
	if err != nil || !pk.Equal(k.Issuers[2].Public()) {
		t.Errorf("IssuerKey: %v", err)
	}
	if _, err := got.IssuerKey(3); err == nil {
		t.Error("a group that is not there has an issuer")
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	m, k := electiontest.Manifest(t)
	ledger, err := m.LedgerPolicy()
	if err != nil {
		t.Fatal(err)
	}
	ballots, err := m.BallotsPolicy()
	if err != nil {
		t.Fatal(err)
	}
	if ledger.Log.Name() != m.Ledger.Origin || ballots.Log.VKey() != k.Ballots.VKey() || ledger.Threshold != 2 || len(ballots.Witnesses) != 3 {
		t.Error("policies are not the manifest's")
	}
	m.Witnesses.Keys[1] = "x"
	if _, err := m.LedgerPolicy(); err == nil {
		t.Error("a policy with a broken witness was returned")
	}
	m.Ledger.Key = "x"
	if _, err := m.LedgerPolicy(); err == nil {
		t.Error("a policy with a broken log was returned")
	}
}

// vectors pins the bytes of a manifest, its hash and its words. The file
// changes only if the format does.
type vectors struct {
	MID      suite.MID `json:"mid"`
	SixWords string    `json:"six_words"`
}

func TestVectors(t *testing.T) {
	t.Parallel()
	const file, expected = "testdata/manifest", "testdata/vectors.json"
	if *update {
		m, _ := electiontest.Manifest(t)
		b, mid := electiontest.Encode(t, m)
		v, err := json.MarshalIndent(vectors{mid, election.SixWords(mid)}, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, b)
		write(t, expected, append(v, '\n'))
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(expected)
	if err != nil {
		t.Fatal(err)
	}
	var want vectors
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	m, err := election.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := m.Encode(); err != nil || !bytes.Equal(again, b) {
		t.Errorf("the manifest does not come back: %v", err)
	}
	if got := (vectors{election.MID(b), election.SixWords(election.MID(b))}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestEveryByte changes every byte of a sealed manifest. What still parses is
// another manifest, which nobody sealed.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	m, k := electiontest.Manifest(t, func(p *electiontest.Plan) { p.Rolls = []uint32{30} })
	b, mid := electiontest.Encode(t, m)
	sealing := electiontest.Sealing(t, m, k, mid)
	if err := m.VerifySealing(mid, sealing); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		changed := bytes.Clone(b)
		changed[i] ^= 1
		got, err := election.Parse(changed)
		if err != nil {
			continue
		}
		if err := got.VerifySealing(election.MID(changed), sealing); err == nil {
			t.Fatalf("byte %d changed, and the sealing still holds", i)
		}
		if again, err := got.Encode(); err != nil || !bytes.Equal(again, changed) {
			t.Fatalf("byte %d changed: what was parsed does not come back", i)
		}
	}
}

// TestOneEncoding tries other spellings of the same manifest.
func TestOneEncoding(t *testing.T) {
	t.Parallel()
	m, _ := electiontest.Manifest(t, func(p *electiontest.Plan) { p.Rolls = []uint32{30} })
	b, _ := electiontest.Encode(t, m)
	good := string(b)
	for name, bad := range map[string]string{
		"empty":           "",
		"no line end":     strings.TrimSuffix(good, "\n"),
		"trailing":        good + "x",
		"white space":     strings.Replace(good, `,"demo"`, `, "demo"`, 1),
		"unknown key":     strings.Replace(good, `"demo"`, `"dema":1,"demo"`, 1),
		"duplicate key":   strings.Replace(good, `"demo":true`, `"demo":true,"demo":true`, 1),
		"missing key":     strings.Replace(good, `"rehearsal":false,`, ``, 1),
		"misplaced keys":  strings.Replace(good, `"demo":true,"rehearsal":false`, `"rehearsal":false,"demo":true`, 1),
		"case of key":     strings.Replace(good, `"demo"`, `"Demo"`, 1),
		"escaped":         strings.Replace(good, `"SV1"`, `"\u0053V1"`, 1),
		"upper-case hex":  strings.Replace(good, m.ElectionID.String(), strings.ToUpper(m.ElectionID.String()), 1),
		"fraction":        strings.Replace(good, `"k_min":3`, `"k_min":3.0`, 1),
		"negative":        strings.Replace(good, `"grace":0`, `"grace":-0`, 1),
		"null list":       strings.Replace(good, `"languages":["en"]`, `"languages":null`, 1),
		"null point":      strings.Replace(good, `"parent":0`, `"parent":null`, 1),
		"a nested unkown": strings.Replace(good, `"parent":0`, `"parent":0,"x":0`, 1),
		"too large":       strings.Replace(good, `"parent":0`, `"parent":65536`, 1),
		"a list":          "[" + strings.TrimSuffix(good, "\n") + "]\n",
	} {
		if bad == good {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := election.Parse([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestPlans shows that what the rules allow really parses, and comes back.
func TestPlans(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		roles := rapid.SliceOfN(rapid.SampledFrom([]string{"neutral", "no", "yes"}), 0, 2)
		m, _ := electiontest.Manifest(t, func(p *electiontest.Plan) {
			p.Seed = rapid.StringMatching("[a-z]{0,4}").Draw(rt, "seed")
			p.Real = rapid.Bool().Draw(rt, "real")
			p.Rolls = rapid.SliceOfN(rapid.Uint32Range(25, 3000), 1, 3).Draw(rt, "rolls")
			p.Questions = [][]string{append([]string{"yes", "no"}, roles.Draw(rt, "roles")...)}
			for range rapid.IntRange(0, 7).Draw(rt, "more") {
				p.Questions = append(p.Questions, []string{"neutral", "neutral"})
			}
			p.Rule = rapid.SampledFrom(election.Presets()).Draw(rt, "rule")
			p.Tellers = rapid.Uint8Range(1, 7).Draw(rt, "n")
			p.Threshold = rapid.Uint8Range(1, p.Tellers).Draw(rt, "t")
			p.Members = rapid.IntRange(3, 15).Draw(rt, "members")
			p.Witnesses = rapid.IntRange(3, 9).Draw(rt, "witnesses")
			p.Languages = []string{"en", "es", "zh-hant", "tl", "ko"}[:rapid.IntRange(1, 5).Draw(rt, "languages")]
		})
		b, _ := electiontest.Encode(t, m)
		got, err := election.Parse(b)
		if err != nil {
			rt.Fatal(err)
		}
		if again, err := got.Encode(); err != nil || !bytes.Equal(again, b) {
			rt.Fatalf("does not come back: %v", err)
		}
	})
}

// TestProblems shows that all broken rules are reported, and that no report
// repeats a name or text of the manifest, since errors end up in logs.
func TestProblems(t *testing.T) {
	t.Parallel()
	m, _ := electiontest.Manifest(t)
	if election.Problems(m.Validate()) != nil {
		t.Fatal("a valid manifest has problems")
	}
	m.Suite = "SV2"
	m.Title[0] = "Secret\u200btitle"
	m.Committee.Members[1].Name = "Alice Secret "
	m.Committee.Members[2].Name = "Alice Secret "
	m.Groups[0].Units = []string{"Secret unit", "Secret unit"}
	m.Tellers.Names[0] = " Secret"
	m.Help.Email = "secret@\n"
	m.Origins.Box = "https://SECRET.example"
	_, err := m.Encode()
	got := election.Problems(err)
	want := []string{
		"suite", "title[0]", "groups[0].units[1]", "tellers.names[0]",
		"committee.members[1].name", "committee.members[2].name", "committee.members[2].name",
		"help.email", "origins.box",
	}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i, p := range got {
		if p.Path != want[i] || p.Err == nil || !errors.Is(err, p.Err) {
			t.Errorf("problem %d is %v, want one of %s", i, p, want[i])
		}
	}
	if strings.Contains(strings.ToLower(err.Error()), "secret") {
		t.Errorf("an error repeats the manifest: %v", err)
	}
	if election.Problems(errors.New("another")) != nil {
		t.Error("another error has problems")
	}
}

func FuzzParse(f *testing.F) {
	m, _ := electiontest.Manifest(f)
	b, _ := electiontest.Encode(f, m)
	f.Add(b)
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := election.Parse(b)
		if err != nil {
			return
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q does not come back: %v", b, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	m, _ := electiontest.Manifest(b)
	file, _ := electiontest.Encode(b, m)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := election.Parse(file); err != nil {
			b.Fatal(err)
		}
	}
}
