package dkg

import (
	"bytes"
	"crypto/sha512"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// update writes testdata/dkg.json anew. Do so only after the official vectors
// pass, and give the reason in the commit.
var update = flag.Bool("update", false, "write testdata/dkg.json")

const (
	ownFile      = "testdata/dkg.json"
	officialFile = "cocktail-dkg-ristretto255-sha512.json"
)

// vectorFile has the form of the official files, as far as it is read.
type vectorFile struct {
	Ciphersuite string      `json:"ciphersuite"`
	Seed        suite.Bytes `json:"seed"`
	Vectors     []vector    `json:"vectors"`
}

type vector struct {
	N          int           `json:"n"`
	T          int           `json:"t"`
	SessionTag suite.Bytes   `json:"session_tag"`
	Context    suite.Bytes   `json:"context"`
	Extension  suite.Bytes   `json:"extension"`
	Config     vectorConfig  `json:"config"`
	Payloads   []suite.Bytes `json:"payloads,omitempty"`
	Round1     []round1      `json:"round1"`
	Round2     []round2      `json:"round2"`
	Round3     round3        `json:"round3"`
	GroupKey   suite.Bytes   `json:"group_public_key"`
	Recovery   *recovery     `json:"recovery,omitempty"`
}

type vectorConfig struct {
	SecretKeys []suite.Bytes `json:"static_secret_keys"`
	PublicKeys []suite.Bytes `json:"static_public_keys"`
}

type round1 struct {
	ID         int             `json:"participant_id"`
	Ephemeral  suite.Bytes     `json:"ephemeral_public_key"`
	Commitment []suite.Bytes   `json:"vss_commitment"`
	PoP        suite.Bytes     `json:"pop"`
	Steps      popIntermediate `json:"pop_intermediate"`
	Shares     []suite.Bytes   `json:"encrypted_shares"`
}

type popIntermediate struct {
	Message        suite.Bytes `json:"message"`
	NonceInput     suite.Bytes `json:"nonce_input"`
	Nonce          suite.Bytes `json:"nonce"`
	Commitment     suite.Bytes `json:"nonce_commitment"`
	ChallengeInput suite.Bytes `json:"challenge_input"`
	Challenge      suite.Bytes `json:"challenge"`
}

type round2 struct {
	ID     int         `json:"participant_id"`
	Secret suite.Bytes `json:"secret_share"`
	Public suite.Bytes `json:"verification_share"`
}

type round3 struct {
	TranscriptHash suite.Bytes  `json:"transcript_hash"`
	Signatures     []signatureV `json:"signatures"`
}

type signatureV struct {
	ID        int         `json:"signer_id"`
	Signature suite.Bytes `json:"signature"`
}

type recovery struct {
	ID          int           `json:"participant_id"`
	Ciphertexts []suite.Bytes `json:"ciphertexts"`
	Secret      suite.Bytes   `json:"recovered_secret_share"`
	Public      suite.Bytes   `json:"recovered_verification_share"`
}

// TestOfficialVectors reads the file of the C2SP CCTV collection in the
// directory TEST_VECTORS. Elsewhere the project's own file, which the same
// code made when it passed the official one, stands in for it.
func TestOfficialVectors(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("TEST_VECTORS")
	if dir == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("TEST_VECTORS is not set: it names the directory with " + officialFile)
		}
		testVectorFile(t, ownFile)
		return
	}
	testVectorFile(t, filepath.Join(dir, officialFile))
}

func TestOwnVectors(t *testing.T) {
	t.Parallel()
	if *update {
		b, err := json.MarshalIndent(makeOwnVectors(t), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(ownFile, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	testVectorFile(t, ownFile)
}

func testVectorFile(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f vectorFile
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	if f.Ciphersuite != Ciphersuite || len(f.Vectors) == 0 {
		t.Fatalf("got %d vectors of %q", len(f.Vectors), f.Ciphersuite)
	}
	for i, want := range f.Vectors {
		t.Run(fmt.Sprintf("%d/%d-of-%d", i+1, want.T, want.N), func(t *testing.T) {
			t.Parallel()
			got := runVector(t, f.Seed, &want)
			compare(t, got, &want)
		})
	}
}

// compare says which value differs, rather than that two structures do.
func compare(t *testing.T, got, want *vector) {
	t.Helper()
	g, w := flatten(t, got), flatten(t, want)
	if len(g) != len(w) {
		t.Errorf("got %d values, want %d", len(g), len(w))
	}
	for k, v := range w {
		if g[k] != v {
			t.Errorf("%s: got %v, want %v", k, g[k], v)
		}
	}
}

func flatten(t *testing.T, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	flat := make(map[string]any)
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(path+"."+k, e)
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), e)
			}
		default:
			flat[path] = v
		}
	}
	walk("", tree)
	return flat
}

// runVector runs the ceremony of one vector from the seed and the parameters
// of in, and returns everything that happened.
func runVector(t *testing.T, seed []byte, in *vector) *vector {
	t.Helper()
	out := &vector{N: in.N, T: in.T, SessionTag: in.SessionTag}
	s := &Setup{T: in.T}
	keys := make([]*group.Scalar, in.N)
	payloads := make([][]byte, in.N)
	for i := range in.N {
		keys[i] = group.ScalarFromWide(derive(seed, in.T, in.N, fmt.Sprintf("static_secret_key_%d", i+1)))
		s.Static = append(s.Static, group.BaseMul(keys[i]))
		out.Config.SecretKeys = append(out.Config.SecretKeys, keys[i].Bytes())
		out.Config.PublicKeys = append(out.Config.PublicKeys, s.Static[i].Bytes())
		if in.Payloads != nil {
			p := derive(seed, in.T, in.N, fmt.Sprintf("payload_%d", i+1))
			payloads[i] = p[:]
			out.Payloads = append(out.Payloads, p[:])
		}
	}
	if in.Payloads != nil {
		s.Extension = payloadExtension(payloads)
	}
	s.Context = vectorContext(in.SessionTag, s.Static)
	out.Context, out.Extension = s.Context, append(suite.Bytes{}, s.Extension...)

	states, msgs := vectorRound1(t, seed, s, keys, payloads, out)
	results := vectorRound2(t, states, msgs, payloads, out)
	vectorRound3(t, s, results, out)
	if in.Recovery != nil {
		out.Recovery = recover1(t, s, keys[0], results[0].Transcript, msgs, ciphertextSize+len(payloads[0]))
	}
	return out
}

func vectorRound1(t *testing.T, seed []byte, s *Setup, keys []*group.Scalar, payloads [][]byte, out *vector) ([]*State, [][]byte) {
	t.Helper()
	var states []*State
	var msgs [][]byte
	for i := 1; i <= len(keys); i++ {
		// The stream of a participant gives its coefficients, the constant
		// term first, and then its ephemeral key.
		var stream []*group.Scalar
		for k := range s.T + 1 {
			wide := derive(seed, s.T, len(keys), fmt.Sprintf("round1_participant_%d", i), uint64(k))
			stream = append(stream, group.ScalarFromWide(wide))
		}
		coefficients, e := stream[:s.T], stream[s.T]
		st, msg, err := startWith(s, i, keys[i-1], coefficients, e, payloads[i-1])
		if err != nil {
			t.Fatalf("round 1 of participant %d: %v", i, err)
		}
		m, err := parseMessage(msg, s.T, len(keys), ciphertextSize+len(payloads[i-1]))
		if err != nil {
			t.Fatalf("message of participant %d: %v", i, err)
		}
		if !bytes.Equal(m.bytes(), msg) {
			t.Errorf("message of participant %d is written in another way", i)
		}
		r := round1{ID: i, Ephemeral: m.ephemeral.Bytes(), PoP: m.pop[:]}
		for _, c := range m.commitment {
			r.Commitment = append(r.Commitment, c.Bytes())
		}
		for _, c := range m.ciphertexts {
			r.Shares = append(r.Shares, c)
		}
		r.Steps = popSteps(coefficients[0], m, s.Context)
		out.Round1 = append(out.Round1, r)
		states, msgs = append(states, st), append(msgs, msg)
	}
	return states, msgs
}

func popSteps(a0 *group.Scalar, m *message, context []byte) popIntermediate {
	msg := m.popMessage(context)
	in := nonceInput(a0, msg)
	k := hashToScalar(in)
	r := group.BaseMul(k)
	cin := challengeInput(r, m.commitment[0], msg)
	return popIntermediate{
		Message: msg, NonceInput: in, Nonce: k.Bytes(), Commitment: r.Bytes(),
		ChallengeInput: cin, Challenge: hashToScalar(cin).Bytes(),
	}
}

func vectorRound2(t *testing.T, states []*State, msgs, payloads [][]byte, out *vector) []*Result {
	t.Helper()
	var results []*Result
	for i, st := range states {
		r, got, err := st.finish(msgs, ciphertextSize+len(payloads[0]))
		if err != nil {
			t.Fatalf("round 2 of participant %d: %v", i+1, err)
		}
		for j := range payloads {
			if !bytes.Equal(got[j], payloads[j]) {
				t.Errorf("participant %d reads payload %x of participant %d, want %x", i+1, got[j], j+1, payloads[j])
			}
		}
		out.Round2 = append(out.Round2, round2{ID: i + 1, Secret: r.Share.Bytes(), Public: r.Shares[i].Bytes()})
		results = append(results, r)
	}
	return results
}

func vectorRound3(t *testing.T, s *Setup, results []*Result, out *vector) {
	t.Helper()
	transcript := results[0].Transcript
	h := sha512.Sum512(transcript)
	out.Round3.TranscriptHash = h[:]
	var signatures []byte
	for i, r := range results {
		if !bytes.Equal(r.Transcript, transcript) {
			t.Errorf("participant %d has another transcript", i+1)
		}
		out.Round3.Signatures = append(out.Round3.Signatures, signatureV{ID: i + 1, Signature: r.Signature[:]})
		signatures = append(signatures, r.Signature[:]...)
	}
	tr, err := VerifyCertificate(transcript, signatures)
	if err != nil {
		t.Fatalf("certificate: %v", err)
	}
	if tr.T != s.T || !bytes.Equal(tr.Context, s.Context) || !bytes.Equal(tr.Extension, s.Extension) {
		t.Error("the transcript is of another setup")
	}
	out.GroupKey = tr.Key().Bytes()
}

// recover1 is the recovery of participant 1 from its static key, transcript
// and ciphertexts alone. Elections do not use it: a teller keeps two copies of
// its key instead, and the record does not keep the ciphertexts.
func recover1(t *testing.T, s *Setup, key *group.Scalar, transcript []byte, msgs [][]byte, size int) *recovery {
	t.Helper()
	tr, err := ParseTranscript(transcript)
	if err != nil {
		t.Fatal(err)
	}
	var all []*public
	var sealed [][]byte
	out := &recovery{ID: 1}
	for j := range msgs {
		m, err := parseMessage(msgs[j], s.T, len(msgs), size)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &public{commitment: tr.Commitments[j], pop: tr.PoPs[j], ephemeral: tr.Ephemeral[j]})
		sealed = append(sealed, m.ciphertexts[0])
		out.Ciphertexts = append(out.Ciphertexts, m.ciphertexts[0])
	}
	from := &Setup{T: tr.T, Static: tr.Static, Context: tr.Context, Extension: tr.Extension}
	x, _, err := from.openShares(1, key, all, sealed)
	if err != nil {
		t.Fatal(err)
	}
	out.Secret, out.Public = x.Bytes(), tr.Shares()[0].Bytes()
	return out
}

func makeOwnVectors(t *testing.T) *vectorFile {
	t.Helper()
	seed := suite.H("test-vectors", []byte("dkg"))
	f := &vectorFile{Ciphersuite: Ciphersuite, Seed: seed[:]}
	for _, v := range []vector{
		{N: 1, T: 1}, {N: 2, T: 1}, {N: 3, T: 2, Recovery: new(recovery)}, {N: 5, T: 3},
		{N: 5, T: 5}, {N: 3, T: 2, Payloads: []suite.Bytes{}, Recovery: new(recovery)},
	} {
		v.SessionTag = fmt.Appendf(nil, "strikevote %d of %d", v.T, v.N)
		f.Vectors = append(f.Vectors, *runVector(t, f.Seed, &v))
	}
	return f
}
