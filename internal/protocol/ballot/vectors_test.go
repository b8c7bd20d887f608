package ballot_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

var update = flag.Bool("update", false, "write testdata/seal.json anew")

const vectorFile = "testdata/seal.json"

// vectors is testdata/seal.json: binary values in hex, for any other client.
type vectors struct {
	Comment string   `json:"comment"`
	Cases   []vector `json:"cases"`
}

type vector struct {
	Name      string      `json:"name"`
	MID       suite.MID   `json:"mid"`
	Group     uint16      `json:"group"`
	KeySecret suite.Bytes `json:"key_secret"` // x with Y = xG
	Key       suite.Bytes `json:"key"`        // Y
	Options   []int       `json:"options"`

	Secret       suite.Bytes `json:"secret"` // S
	RecoveryCode string      `json:"recovery_code"`
	Typed        string      `json:"typed"` // E
	Choices      []int       `json:"choices"`

	Salt      suite.Bytes      `json:"hkdf_salt"`
	PRK       suite.Bytes      `json:"prk"`
	Nonce     suite.Bytes      `json:"nonce"`
	Head      suite.Bytes      `json:"head"`
	Questions []vectorQuestion `json:"questions"`

	Body         suite.Bytes `json:"body"`
	BallotID     suite.Hash  `json:"ballot_id"`
	TrackerInput suite.Bytes `json:"tracker_input"` // the bytes of ballot_id that the tracker is made of
	Tracker      string      `json:"tracker"`
	SaltOKM      suite.Bytes `json:"okm_salt"`    // okm("salt", 48)
	BlindOKM     suite.Bytes `json:"okm_blind_0"` // okm("blind/0", 400)
}

type vectorQuestion struct {
	SmallR    suite.Bytes   `json:"r"`
	W         suite.Bytes   `json:"w"`
	R         suite.Bytes   `json:"R"`
	C         suite.Bytes   `json:"C"`
	A         []suite.Bytes `json:"A"`
	B         []suite.Bytes `json:"B"`
	Challenge suite.Bytes   `json:"challenge"`
	SmallC    []suite.Bytes `json:"c"`
	S         []suite.Bytes `json:"s"`
}

type vectorInput struct {
	name    string
	group   suite.GroupID
	options []int
	choices []uint8
	typed   string
	seed    string // of S; cases with the same one share it
}

var vectorInputs = []vectorInput{
	{"three options, the first", 1, []int{3}, []uint8{0}, "", "a"},
	{"three options, the second, same S", 1, []int{3}, []uint8{1}, "", "a"},
	{"three options, the third, same S", 1, []int{3}, []uint8{2}, "", "a"},
	{"same S and choice with a typed text", 1, []int{3}, []uint8{0}, "correct horse", "a"},
	{"same S and choice in another group", 65535, []int{3}, []uint8{0}, "", "a"},
	{"two options", 2, []int{2}, []uint8{1}, "", "b"},
	{"four options", 258, []int{4}, []uint8{3}, "Grüße – Ωμέγα 投票", "c"},
	{"two questions", 3, []int{3, 3}, []uint8{2, 0}, " spaces stay ", "d"},
	{"three questions of two, three and four options", 4, []int{2, 3, 4}, []uint8{0, 1, 2}, strings.Repeat("é", 500), "e"},
	{"five questions", 5, []int{4, 3, 2, 3, 4}, []uint8{3, 2, 1, 0, 0}, "", "f"},
	{"eight questions", 6, []int{2, 2, 3, 3, 4, 4, 2, 4}, []uint8{1, 0, 2, 1, 3, 0, 1, 2}, "x", "g"},
}

// seed makes fixed values that nobody chose.
func seed(name string) [32]byte { return sha256.Sum256([]byte("strikevote test vector: " + name)) }

func (in vectorInput) context() (c *ballot.Context, x *group.Scalar) {
	var wide [64]byte
	h := seed("key")
	copy(wide[:], h[:])
	x = group.ScalarFromWide(wide)
	return &ballot.Context{MID: seed("mid"), Group: in.group, Key: group.BaseMul(x), Options: in.options}, x
}

func (in vectorInput) secret() ballot.Secret {
	h := seed("secret " + in.seed)
	return ballot.Secret(h[:16])
}

// build makes a vector out of the literal second implementation.
func (in vectorInput) build() vector {
	c, x := in.context()
	s := in.secret()
	b := literalSeal(c, s, in.typed, in.choices)
	body := b.body(c)
	id := suite.H("ballot-id", body)
	v := vector{
		Name: in.name, MID: c.MID, Group: uint16(c.Group), KeySecret: x.Bytes(), Key: c.Key.Bytes(), Options: in.options,
		Secret: s[:], RecoveryCode: s.RecoveryCode(), Typed: in.typed,
		Salt: b.salt, PRK: b.prk, Nonce: b.nonce, Head: b.head[:],
		Body: body, BallotID: id, TrackerInput: id[:13], Tracker: suite.Base32(id[:], 100),
		SaltOKM: b.okm("salt", 48), BlindOKM: b.okm("blind/0", 400),
	}
	for i, j := range in.choices {
		q := b.questions[i]
		v.Choices = append(v.Choices, int(j))
		vq := vectorQuestion{SmallR: q.r.Bytes(), W: q.w.Bytes(), R: q.R.Bytes(), C: q.C.Bytes(), Challenge: q.challenge.Bytes()}
		for m := range q.A {
			vq.A = append(vq.A, q.A[m].Bytes())
			vq.B = append(vq.B, q.B[m].Bytes())
			vq.SmallC = append(vq.SmallC, q.c[m].Bytes())
			vq.S = append(vq.S, q.s[m].Bytes())
		}
		v.Questions = append(v.Questions, vq)
	}
	return v
}

// TestVectors compares the committed file with the literal implementation, and
// the package with both. With -update it writes the file.
func TestVectors(t *testing.T) {
	t.Parallel()
	all := vectors{Comment: "SPEC.md section 6: sealed ballots with every intermediate value. Scalars little-endian, points encoded, all in hex."}
	for _, in := range vectorInputs {
		all.Cases = append(all.Cases, in.build())
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(all); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorFile, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, out.Bytes()) {
		t.Errorf("%s is not what SPEC.md gives; see -update", vectorFile)
	}
	for i, in := range vectorInputs {
		t.Run(in.name, func(t *testing.T) {
			t.Parallel()
			compare(t, in, all.Cases[i])
		})
	}
}

// compare runs the package on a vector.
func compare(t *testing.T, in vectorInput, v vector) {
	c, x := in.context()
	s, err := ballot.Seal(c, in.secret(), in.typed, in.choices)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Body, v.Body) || suite.Hash(s.ID) != v.BallotID {
		t.Errorf("sealed to %x", s.Body)
	}
	if !bytes.Equal(s.OKM("salt", 48), v.SaltOKM) || !bytes.Equal(s.OKM("blind/0", 400), v.BlindOKM) {
		t.Error("other bytes for the credential")
	}
	code, err := ballot.ParseRecoveryCode(v.RecoveryCode)
	if err != nil || code != in.secret() {
		t.Errorf("recovery code %s: %v", v.RecoveryCode, err)
	}
	b := parsed(t, v.Body)
	if err := ballot.Check(c, b); err != nil {
		t.Error(err)
	}
	if err := literalCheck(c, b, noRule); err != nil {
		t.Error(err)
	}
	for i, ct := range b.Ciphertexts() {
		if !ct.C.Sub(ct.R.Mul(x)).Equal(option(v.Choices[i])) {
			t.Errorf("question %d opens to another option", i)
		}
	}
	opened, err := ballot.Open(c, in.secret(), in.typed, v.Body)
	if err != nil || !slices.Equal(opened, in.choices) {
		t.Errorf("opened to %d: %v", []uint8(opened), err)
	}
}

// TestVectorsIndependent checks that no random value of one S comes twice when
// the choice, the text or the group differs.
func TestVectorsIndependent(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, in := range vectorInputs {
		v := in.build()
		values := map[string]suite.Bytes{"nonce": v.Nonce, "salt": v.SaltOKM, "blind": v.BlindOKM}
		for i, q := range v.Questions {
			values[fmt.Sprint("r", i)], values[fmt.Sprint("w", i)] = q.SmallR, q.W
			for m := range q.S {
				values[fmt.Sprint("c", i, m)], values[fmt.Sprint("s", i, m)] = q.SmallC[m], q.S[m]
			}
		}
		for name, x := range values {
			if other, ok := seen[string(x)]; ok {
				t.Errorf("%s of %q equals %s", name, in.name, other)
			}
			seen[string(x)] = name + " of " + in.name
		}
	}
}
