package credential_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"math/big"
	"os"
	"testing"

	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/suite"
)

// The file of vectors is read by the tests of other programs too: what it says
// may change only together with SPEC.md.
var update = flag.Bool("update", false, "write the vectors in testdata anew")

const vectorFile = "testdata/blind.json"

// vectors is one issuer's key, made for this file, and requests under it.
type vectors struct {
	IssuerKey suite.Bytes `json:"issuer_key"` // PKCS #8
	SPKI      suite.Bytes `json:"spki"`
	Modulus   suite.Bytes `json:"n"`
	Cases     []vector    `json:"cases"`
}

type vector struct {
	Name     string         `json:"name"`
	MID      suite.MID      `json:"mid"`
	Group    suite.GroupID  `json:"group"`
	BallotID suite.BallotID `json:"ballot_id"`
	Msg      suite.Bytes    `json:"msg"`
	Blinds   []suite.Bytes  `json:"okm_blind"` // under blind/0, blind/1, …
	Salt     suite.Bytes    `json:"salt"`
	B        suite.Bytes    `json:"b"`
	Z        suite.Bytes    `json:"z"`
	Answer   suite.Bytes    `json:"answer"`
	Sig      suite.Bytes    `json:"sig"`
}

func readVectors() (vectors, error) {
	var v vectors
	b, err := os.ReadFile(vectorFile)
	if errors.Is(err, fs.ErrNotExist) && *update {
		k, err := issuer.Generate()
		if err != nil {
			return v, err
		}
		v.IssuerKey, err = k.Bytes()
		return v, err
	}
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(b, &v)
}

// primeOf returns a prime of the vectors' key.
func primeOf(t testing.TB) *big.Int {
	t.Helper()
	der, err := key(t).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var outer struct {
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
	}
	var inner struct {
		Version               int
		N                     *big.Int
		E                     int
		D, P, Q, Dp, Dq, Qinv *big.Int
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(outer.Key, &inner); err != nil {
		t.Fatal(err)
	}
	return inner.P
}

func TestVectors(t *testing.T) {
	t.Parallel()
	pk := key(t).Public()
	der, err := key(t).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	v := vectors{IssuerKey: der, SPKI: pk.Bytes(), Modulus: publicRSA(pk).N.Bytes()}
	for i, name := range []string{"plain", "another ballot", "another group", "the first blind is not invertible"} {
		c := vector{Name: name, MID: suite.MID(bytes.Repeat([]byte{0xa0}, 32)), Group: 1, BallotID: suite.BallotID{byte(i + 1)}}
		if i == 2 {
			c.Group = 0x0203
		}
		fillVector(t, &c, bytes.Repeat([]byte{byte(i)}, 64), i == 3)
		v.Cases = append(v.Cases, c)
	}
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(vectorFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s says something else", vectorFile)
	}
}

// fillVector makes one request and its credential. With retry the first blind
// is a prime of the modulus.
func fillVector(t *testing.T, c *vector, prk []byte, retry bool) {
	t.Helper()
	k, okm := key(t), okmOf(t, prk)
	n, one := publicRSA(k.Public()).N, big.NewInt(1)
	c.Msg = credential.Message(c.MID, c.Group, c.BallotID)
	r, err := credential.Blind(k.Public(), c.Msg, func(label string, size int) []byte {
		b := okm(label, size)
		if retry && label == "blind/0" {
			b = new(big.Int).Sub(primeOf(t), one).FillBytes(make([]byte, size))
		}
		if label == "salt" {
			c.Salt = b
		} else {
			c.Blinds = append(c.Blinds, b)
		}
		return b
	})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := k.Sign(r.Z[:])
	if err != nil {
		t.Fatal(err)
	}
	sig, err := r.Finalize(answer[:])
	if err != nil {
		t.Fatal(err)
	}
	b := new(big.Int).ModInverse(new(big.Int).SetBytes(r.Inverse()), n)
	c.B, c.Z, c.Answer, c.Sig = b.FillBytes(make([]byte, 384)), r.Z[:], answer[:], sig[:]
	// SPEC.md section 7, computed here once more.
	x := new(big.Int).SetBytes(c.Blinds[len(c.Blinds)-1])
	x.Mod(x, new(big.Int).Sub(n, one)).Add(x, one)
	if x.Cmp(b) != 0 {
		t.Errorf("%s: another blind", c.Name)
	}
}
