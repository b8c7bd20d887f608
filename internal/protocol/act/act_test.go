package act_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

var update = flag.Bool("update", false, "write testdata anew; say why in the commit message")

func payloads() map[string]struct {
	kind    act.Kind
	payload interface{ Bytes() []byte }
} {
	type one = struct {
		kind    act.Kind
		payload interface{ Bytes() []byte }
	}
	ids := []suite.BallotID{{1}, {1, 2}, {3}}
	return map[string]one{
		"extend":         {act.KindExtend, act.Extend{Close: electiontest.Close + 3600}},
		"close early":    {act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close - 3600}},
		"cancel":         {act.KindCancel, act.Cancel{}},
		"add":            {act.KindAmend, act.Amend{Op: act.OpAdd, Group: 1, Hash: suite.Hash{5}}},
		"strike":         {act.KindAmend, act.Amend{Op: act.OpStrike, Group: 2, Hash: suite.Hash{6}}},
		"decide":         {act.KindDecide, act.Decide{Group: 2, AcceptedOn: 1, AcceptedOff: 2, RejectedOn: 3, RejectedOff: 4, Accepted: ids}},
		"reject":         {act.KindDecide, act.Decide{Group: 2, RejectedOff: 1}},
		"client bundle":  {act.KindClientBundle, act.ClientBundle{SHA256: suite.Hash{7}, URL: "https://board.union.example/client.zip"}},
		"replace":        {act.KindReplace, act.Replace{Member: 2, Kind: election.KindEd25519, Key: publicKey(8), Name: "Mariana"}},
		"replace, point": {act.KindReplace, act.Replace{Member: 2, Kind: election.KindPasskey, Key: bytes.Repeat([]byte{4}, 65), Name: "Mariana"}},
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	_, k := electiontest.Manifest(t)
	mid := suite.MID{9}
	for name, tt := range payloads() {
		a := k.Act(mid, tt.kind, 7, tt.payload.Bytes(), 0, 2)
		b := a.Bytes()
		got, err := act.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(a, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !bytes.Equal(got.Bytes(), b) {
			t.Errorf("%s: does not come back", name)
		}
		p, err := got.Decode()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(any(tt.payload), p); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		// Every cut and every addition is refused.
		for n := range b {
			if _, err := act.Parse(b[:n]); err == nil {
				t.Errorf("%s: cut to %d of %d bytes, and it parses", name, n, len(b))
			}
		}
		if _, err := act.Parse(append(bytes.Clone(b), 0)); err == nil {
			t.Errorf("%s: a byte too many parses", name)
		}
		// What was parsed does not hang on the caller's buffer.
		clear(b)
		if diff := cmp.Diff(a, got); diff != "" {
			t.Errorf("%s: aliases its input", name)
		}
	}
}

// TestEveryByte changes every byte of every kind of act: what still parses is
// not what was signed, or not by those who signed it.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	m, k := electiontest.Manifest(t)
	mid := suite.MID{9}
	for name, tt := range payloads() {
		if name == "replace, point" {
			continue // not a point; parsed only
		}
		b := k.Act(mid, tt.kind, 1, tt.payload.Bytes()).Bytes()
		good, err := act.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := act.NewState(m, mid).Apply(good); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range b {
			for _, bit := range []int{0, 7} {
				bad := bytes.Clone(b)
				bad[i] ^= 1 << bit
				a, err := act.Parse(bad)
				if err != nil {
					continue
				}
				if !bytes.Equal(a.Bytes(), bad) {
					t.Fatalf("%s: bit %d of byte %d changed: does not come back", name, bit, i)
				}
				if act.NewState(m, mid).Apply(a) == nil {
					t.Fatalf("%s: bit %d of byte %d changed, and it still applies", name, bit, i)
				}
			}
		}
		if act.NewState(m, suite.MID{8}).Apply(good) == nil {
			t.Errorf("%s: applies to another election", name)
		}
	}
}

// TestParseRefuses lists what is well formed but says nothing, or too much.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	sign := []act.Signature{{Member: 0, Bytes: make([]byte, 64)}, {Member: 1, Bytes: make([]byte, 64)}}
	long := strings.Repeat("x", 1001)
	for _, tt := range []struct {
		name string
		a    act.Act
	}{
		{"kind 0", act.Act{Sequence: 1, Signatures: sign}},
		{"kind 8", act.Act{Kind: 8, Sequence: 1, Signatures: sign}},
		{"sequence 0", act.Act{Kind: act.KindCancel, Signatures: sign}},
		{"signers descend", act.Act{Kind: act.KindCancel, Sequence: 1, Signatures: []act.Signature{{Member: 1}, {Member: 0}}}},
		{"one signer twice", act.Act{Kind: act.KindCancel, Sequence: 1, Signatures: []act.Signature{{Member: 1}, {Member: 1, Key: 1}}}},
		{"cancel with a payload", act.Act{Kind: act.KindCancel, Sequence: 1, Payload: []byte{0}}},
		{"extend without a moment", act.Act{Kind: act.KindExtend, Sequence: 1, Payload: make([]byte, 7)}},
		{"extend beyond 2^53", act.Act{Kind: act.KindExtend, Sequence: 1, Payload: suite.U64(1 << 53)}},
		{"a negative moment", act.Act{Kind: act.KindCloseEarly, Sequence: 1, Payload: suite.U64(1 << 63)}},
		{"amend op 0", act.Act{Kind: act.KindAmend, Sequence: 1, Payload: act.Amend{Group: 1}.Bytes()}},
		{"amend op 3", act.Act{Kind: act.KindAmend, Sequence: 1, Payload: act.Amend{Op: 3, Group: 1}.Bytes()}},
		{"decide without its ids", act.Act{Kind: act.KindDecide, Sequence: 1, Payload: act.Decide{AcceptedOn: 1}.Bytes()}},
		{"decide with ids too many", act.Act{Kind: act.KindDecide, Sequence: 1, Payload: act.Decide{Accepted: make([]suite.BallotID, 1)}.Bytes()}},
		{"decide with wrapping counts", act.Act{Kind: act.KindDecide, Sequence: 1, Payload: act.Decide{AcceptedOn: 1<<32 - 1, AcceptedOff: 1}.Bytes()}},
		{"decide with an id twice", act.Act{Kind: act.KindDecide, Sequence: 1, Payload: act.Decide{AcceptedOn: 2, Accepted: []suite.BallotID{{1}, {1}}}.Bytes()}},
		{"decide with ids descending", act.Act{Kind: act.KindDecide, Sequence: 1, Payload: act.Decide{AcceptedOn: 2, Accepted: []suite.BallotID{{2}, {1}}}.Bytes()}},
		{"bundle without URL", act.Act{Kind: act.KindClientBundle, Sequence: 1, Payload: act.ClientBundle{}.Bytes()}},
		{"bundle with a long URL", act.Act{Kind: act.KindClientBundle, Sequence: 1, Payload: act.ClientBundle{URL: long}.Bytes()}},
		{"bundle with a line end", act.Act{Kind: act.KindClientBundle, Sequence: 1, Payload: act.ClientBundle{URL: "https://a\n"}.Bytes()}},
		{"replace with no kind of key", act.Act{Kind: act.KindReplace, Sequence: 1, Payload: []byte{0, 3, 0, 0, 0, 1, 'x'}}},
		{"replace without name", act.Act{Kind: act.KindReplace, Sequence: 1, Payload: act.Replace{Key: make([]byte, 32)}.Bytes()}},
		{"replace with a long name", act.Act{Kind: act.KindReplace, Sequence: 1, Payload: act.Replace{Name: long[:81]}.Bytes()}},
		{"too large", act.Act{Kind: act.KindCancel, Sequence: 1, Signatures: []act.Signature{{Bytes: make([]byte, 65000)}}}},
	} {
		if _, err := act.Parse(tt.a.Bytes()); err == nil {
			t.Errorf("%s was accepted", tt.name)
		}
	}
	// The largest decision that fits: 2,000 envelopes at once.
	many := act.Decide{Group: 1, AcceptedOff: 2000}
	for i := range 2000 {
		many.Accepted = append(many.Accepted, suite.BallotID{byte(i >> 8), byte(i)})
	}
	a := act.Act{Kind: act.KindDecide, Sequence: 1, Payload: many.Bytes(), Signatures: sign}
	if _, err := act.Parse(a.Bytes()); err != nil {
		t.Errorf("2,000 ids: %v", err)
	}
}

func TestRandomRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := &act.Act{Kind: act.KindCancel, Sequence: rapid.Uint32Min(1).Draw(t, "sequence"), Payload: []byte{}}
		members := rapid.SliceOfNDistinct(rapid.Byte(), 0, 15, rapid.ID[byte]).Draw(t, "members")
		slices := bytes.Clone(members)
		sortBytes(slices)
		for _, m := range slices {
			a.Signatures = append(a.Signatures, act.Signature{
				Member: m, Key: rapid.Byte().Draw(t, "key"),
				Bytes: append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 90).Draw(t, "signature")...),
			})
		}
		got, err := act.Parse(a.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func sortBytes(b []byte) {
	for i := range b {
		for j := i; j > 0 && b[j] < b[j-1]; j-- {
			b[j], b[j-1] = b[j-1], b[j]
		}
	}
}

func TestKindString(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for k := range act.Kind(9) {
		if seen[k.String()] {
			t.Errorf("%s twice", k)
		}
		seen[k.String()] = true
	}
	if act.KindReplace.String() != "replace member" || act.Kind(8).String() != "kind 8" {
		t.Error("kinds have other names")
	}
}

type vector struct {
	Name      string          `json:"name"`
	MID       suite.MID       `json:"mid"`
	Committee []election.Key  `json:"committee"`
	Kind      act.Kind        `json:"kind"`
	Sequence  uint32          `json:"sequence"`
	Payload   suite.Bytes     `json:"payload"`
	Signed    suite.Bytes     `json:"signed"`
	Act       suite.Bytes     `json:"act"`
	Decoded   json.RawMessage `json:"decoded"`
}

// TestVectors pins the bytes of one act of each kind. The file changes only if
// the format does.
func TestVectors(t *testing.T) {
	t.Parallel()
	const file = "testdata/acts.json"
	if *update {
		writeVectors(t, file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(b, &all); err != nil || len(all) != len(payloads()) {
		t.Fatalf("%d vectors: %v", len(all), err)
	}
	for _, v := range all {
		a, err := act.Parse(v.Act)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if a.Kind != v.Kind || a.Sequence != v.Sequence || !bytes.Equal(a.Payload, v.Payload) || !bytes.Equal(a.Bytes(), v.Act) {
			t.Errorf("%s: got %v", v.Name, a)
		}
		if !bytes.Equal(a.Payload, payloads()[v.Name].payload.Bytes()) {
			t.Errorf("%s: the payload is made otherwise", v.Name)
		}
		if !bytes.Equal(act.Message(v.MID, v.Kind, v.Sequence, v.Payload), v.Signed) {
			t.Errorf("%s: what is signed is made otherwise", v.Name)
		}
		for _, s := range a.Signatures {
			if err := act.VerifySignature(v.Committee[s.Member], "", v.Signed, s.Bytes); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
	}
}

func writeVectors(t *testing.T, file string) {
	t.Helper()
	m, k := electiontest.Manifest(t)
	var keys []election.Key
	for _, member := range m.Committee.Members {
		keys = append(keys, member.Keys[0])
	}
	mid := suite.MID(suite.H("example"))
	var all []vector
	for _, name := range []string{"extend", "close early", "cancel", "add", "strike", "decide", "reject", "client bundle", "replace", "replace, point"} {
		p := payloads()[name]
		sequence := uint32(len(all) + 1)
		a := k.Act(mid, p.kind, sequence, p.payload.Bytes())
		decoded, err := json.Marshal(p.payload)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, vector{name, mid, keys, p.kind, sequence, a.Payload, act.Message(mid, p.kind, sequence, a.Payload), a.Bytes(), decoded})
	}
	b, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range payloads() {
		a := act.Act{Kind: p.kind, Sequence: 1, Payload: p.payload.Bytes(), Signatures: []act.Signature{{Bytes: []byte{1}}, {Member: 3, Key: 1}}}
		f.Add(a.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := act.Parse(b)
		if err != nil {
			return
		}
		if !bytes.Equal(a.Bytes(), b) {
			t.Errorf("%x does not come back", b)
		}
		p, err := a.Decode()
		if err != nil {
			t.Fatal(err)
		}
		if again := p.(interface{ Bytes() []byte }).Bytes(); !bytes.Equal(again, a.Payload) {
			t.Errorf("payload %x comes back as %x", a.Payload, again)
		}
	})
}

// publicKey returns the public key of a fixed seed.
func publicKey(seed byte) []byte {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32)).Public().(ed25519.PublicKey)
}
