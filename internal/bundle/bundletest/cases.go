package bundletest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"filippo.io/edwards25519"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

type suiteCase struct {
	Parts     []suite.Bytes `json:"parts"`
	Frame     suite.Bytes   `json:"frame"`
	H         suite.Hash    `json:"h"`
	H512      suite.Bytes   `json:"h512"`
	U64       string        `json:"u64"`
	U64Bytes  suite.Bytes   `json:"u64_bytes"`
	Bits      int           `json:"bits"`
	Base32    string        `json:"base32"`
	CheckChar string        `json:"check_char"`
	Group4    string        `json:"group4"`
}

// suiteCases frames, hashes and spells random bytes of every length from 0.
func suiteCases() []suiteCase {
	var all []suiteCase
	for n := range 40 {
		parts := [][]byte{random(n), random(3 * n % 7), random(1)}[:n%4%3+1]
		bits := 8 * n
		if n > 2 {
			bits -= n % 9
		}
		h512 := suite.H512("test", parts...)
		u64 := new(big.Int).SetBytes(random(n % 9))
		data := slices.Clone(parts[0])
		if n > 2 {
			// What is not written is zero, so that it can be read again.
			data = data[:(bits+7)/8]
			data[len(data)-1] &= byte(0xff << (8*len(data) - bits))
		}
		text := suite.Base32(data, bits)
		c := suiteCase{
			Frame: suite.Frame(parts...), H: suite.H("test", parts...), H512: h512[:],
			U64: u64.String(), U64Bytes: suite.U64(u64.Uint64()),
			Bits: bits, Base32: text, CheckChar: string(suite.CheckChar(text)), Group4: suite.Group4(text),
		}
		for _, p := range parts {
			c.Parts = append(c.Parts, p)
		}
		all = append(all, c)
	}
	return all
}

type groupCase struct {
	Wide       suite.Bytes `json:"wide"`
	Scalar     suite.Bytes `json:"scalar"`
	Base       suite.Bytes `json:"base"` // sG
	Other      suite.Bytes `json:"other"`
	Product    suite.Bytes `json:"product"`    // s·other
	Sum        suite.Bytes `json:"sum"`        // sG + other
	Difference suite.Bytes `json:"difference"` // sG - other
}

// groupCases multiplies by random scalars, and by those at both ends.
func groupCases() []groupCase {
	wides := [][]byte{make([]byte, 64), append([]byte{1}, make([]byte, 63)...), bytes.Repeat([]byte{0xff}, 64)}
	minusOne := group.ScalarFromUint64(1).Neg().Bytes()
	wides = append(wides, append(minusOne, make([]byte, 32)...))
	for range 12 {
		wides = append(wides, random(64))
	}
	var all []groupCase
	for _, wide := range wides {
		s := group.ScalarFromWide([64]byte(wide))
		other := group.BaseMul(group.RandomScalar())
		base := group.BaseMul(s)
		all = append(all, groupCase{
			Wide: wide, Scalar: s.Bytes(), Base: base.Bytes(), Other: other.Bytes(),
			Product: other.Mul(s).Bytes(), Sum: base.Add(other).Bytes(), Difference: base.Sub(other).Bytes(),
		})
	}
	return all
}

type signatureCase struct {
	Name      string      `json:"name"`
	Key       suite.Bytes `json:"key"`
	Message   suite.Bytes `json:"message"`
	Signature suite.Bytes `json:"signature"`
	Valid     bool        `json:"valid"`
}

// ed25519Cases are signatures on which verifiers of Ed25519 are known to
// differ, each with what SPEC.md section 1 says, by the code of this module.
func ed25519Cases(t testing.TB) []signatureCase {
	t.Helper()
	var all []signatureCase
	valid := map[bool]int{}
	add := func(name string, key, message, signature []byte) {
		ok := suite.CheckEd25519(key) == nil && len(signature) == ed25519.SignatureSize && ed25519.Verify(key, message, signature)
		valid[ok]++
		all = append(all, signatureCase{name, key, message, signature, ok})
	}
	torsion := point(t, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
	for n := range 8 {
		message := random(n)
		pub, priv, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		signature := ed25519.Sign(priv, message)
		add("honest", pub, message, signature)
		for _, at := range []int{0, 31, 32, 63} {
			add(fmt.Sprintf("byte %d flipped", at), pub, message, flip(signature, at))
		}
		add("another message", pub, append(message, 0), signature)
		add("another key", flip(pub, 3), message, signature)
		add("too short", pub, message, signature[:63])
		add("too long", pub, message, append(slices.Clone(signature), 0))
		add("s + l", pub, message, append(slices.Clone(signature[:32]), plusOrder(signature[32:])...))
		// Some verifiers multiply by the cofactor, and then do not see the parts
		// of order eight. With a key that has one, the signature is valid where k
		// is a multiple of eight, one time in eight.
		x := group.RandomScalar()
		a := base(t, x)
		key := new(edwards25519.Point).Add(a, torsion).Bytes()
		for range 3 {
			add("key with a part of order 8", key, message, sign(t, x, key, message, nil))
		}
		add("R with a part of order 8", a.Bytes(), message, sign(t, x, a.Bytes(), message, torsion))
	}
	for _, small := range smallOrder {
		key := unhex(t, small)
		add("key of small order", key, nil, append(slices.Clone(key), make([]byte, 32)...))
		add("key of small order, R the identity", key, nil, append(point(t, smallOrder[0]).Bytes(), make([]byte, 32)...))
	}
	if valid[true] < 8 || valid[false] < 8 {
		t.Fatalf("%v: the cases test nothing", valid)
	}
	return all
}

// smallOrder are encodings of points of small order; the last ones are not
// canonical.
var smallOrder = strings.Fields(`
	0100000000000000000000000000000000000000000000000000000000000000
	ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
	0000000000000000000000000000000000000000000000000000000000000000
	0000000000000000000000000000000000000000000000000000000000000080
	26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05
	c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a
	0100000000000000000000000000000000000000000000000000000000000080
	ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
	edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
	eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
`)

func point(t testing.TB, encoded string) *edwards25519.Point {
	t.Helper()
	p, err := new(edwards25519.Point).SetBytes(unhex(t, encoded))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var b suite.Bytes
	if err := b.UnmarshalText([]byte(s)); err != nil {
		t.Fatal(err)
	}
	return b
}

func base(t testing.TB, s *group.Scalar) *edwards25519.Point {
	t.Helper()
	return new(edwards25519.Point).ScalarBaseMult(edwards(t, s.Bytes()))
}

func edwards(t testing.TB, b []byte) *edwards25519.Scalar {
	t.Helper()
	s, err := new(edwards25519.Scalar).SetCanonicalBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sign signs by the secret scalar x under any encoding of the key, with
// something added to R.
func sign(t testing.TB, x *group.Scalar, key, message []byte, extra *edwards25519.Point) []byte {
	t.Helper()
	r := group.RandomScalar()
	R := base(t, r)
	if extra != nil {
		R.Add(R, extra)
	}
	k := sha512.Sum512(slices.Concat(R.Bytes(), key, message))
	s := r.Add(group.ScalarFromWide(k).Mul(x))
	return append(R.Bytes(), s.Bytes()...)
}

// plusOrder adds the order to 32 bytes little-endian.
func plusOrder(s []byte) []byte {
	order := new(big.Int).SetBytes(reversed(group.ScalarFromUint64(1).Neg().Bytes()))
	order.Add(order, big.NewInt(1))
	sum := new(big.Int).Add(new(big.Int).SetBytes(reversed(s)), order)
	return reversed(sum.FillBytes(make([]byte, 32)))
}

func reversed(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}

func flip(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 1
	return b
}

// A Sealed is a ballot that Go sealed, with its credential.
type Sealed struct {
	MID          suite.MID      `json:"mid"`
	Group        uint16         `json:"group"`
	Key          suite.Bytes    `json:"key"`
	Options      []int          `json:"options"`
	RecoveryCode string         `json:"recovery_code"`
	Typed        string         `json:"typed"`
	Choices      []int          `json:"choices"`
	Body         suite.Bytes    `json:"body"`
	ID           suite.BallotID `json:"id"`
	Issuer       suite.Bytes    `json:"issuer"` // SPKI
	Z            suite.Bytes    `json:"z"`
	Answer       suite.Bytes    `json:"answer"`
	Signature    suite.Bytes    `json:"signature"`
}

// Texts are what voters type.
var Texts = []string{"", "", "correct horse", " spaces stay ", "Grüße – Ωμέγα 投票", "👍🏽 emoji", strings.Repeat("é", 500), "\ufeffmark\u0000"}

func sealedCases(t testing.TB, n int) []Sealed {
	t.Helper()
	k, err := issuer.Generate()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Wipe()
	var all []Sealed
	for i := range n {
		c, choices := Random(i)
		secret := ballot.NewSecret()
		s, err := ballot.Seal(c, secret, Texts[i%len(Texts)], choices)
		if err != nil {
			t.Fatal(err)
		}
		msg := credential.Message(c.MID, c.Group, s.ID)
		request, err := credential.Blind(k.Public(), msg, s.OKM)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := k.Sign(request.Z[:])
		if err != nil {
			t.Fatal(err)
		}
		signature, err := request.Finalize(answer[:])
		if err != nil {
			t.Fatal(err)
		}
		v := Sealed{
			MID: c.MID, Group: uint16(c.Group), Key: c.Key.Bytes(), Options: c.Options,
			RecoveryCode: secret.RecoveryCode(), Typed: Texts[i%len(Texts)],
			Body: s.Body, ID: s.ID, Issuer: k.Public().Bytes(), Z: request.Z[:], Answer: answer[:], Signature: signature[:],
		}
		for _, j := range choices {
			v.Choices = append(v.Choices, int(j))
		}
		all = append(all, v)
	}
	return all
}

// Random returns an election that there is not, and choices in it. Of every
// eight in a row each has another number of questions.
func Random(i int) (*ballot.Context, ballot.Choices) {
	b := random(2*(i%ballot.MaxQuestions+1) + 2)
	c := &ballot.Context{
		MID: suite.MID(random(32)), Group: suite.GroupID(uint16(b[0])<<8 | uint16(b[1]) | 1),
		Key: group.BaseMul(group.RandomScalar()),
	}
	var choices ballot.Choices
	for q := 2; q < len(b); q += 2 {
		k := ballot.MinOptions + int(b[q])%(ballot.MaxOptions-ballot.MinOptions+1)
		c.Options = append(c.Options, k)
		choices = append(choices, b[q+1]%uint8(k))
	}
	return c, choices
}
