package token_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

// The file of vectors is read by the tests of other programs too: what it says
// may change only together with SPEC.md.
var update = flag.Bool("update", false, "write the vectors in testdata anew")

type tokenVector struct {
	Kind     token.Kind       `json:"kind"`
	Election suite.ElectionID `json:"election_id"`
	Group    suite.GroupID    `json:"group"`
	Index    uint32           `json:"index"`
	JTI      suite.Bytes      `json:"jti"`
	Expires  int64            `json:"expires"`
	MID      suite.MID        `json:"mid"`
	Token    suite.Bytes      `json:"token"`
	Base64   string           `json:"base64"`
	TokenID  suite.Hash       `json:"token_id"`
	Code     string           `json:"code"`
	Shown    string           `json:"shown"`
	CodeID   suite.Hash       `json:"code_id"`
	Link     string           `json:"link"`
}

type typedVector struct {
	Typed string `json:"typed"`
	Code  string `json:"code"` // empty: refused
}

type linkVector struct {
	Link  string `json:"link"`
	Booth string `json:"booth"` // empty: refused
}

func TestVectors(t *testing.T) {
	t.Parallel()
	k := tokenKey(0x42)
	codeKey := [32]byte(bytes.Repeat([]byte{0x43}, 32))
	var list []tokenVector
	for i := range byte(3) {
		b := token.Body{
			Kind: token.KindMember, Election: suite.ElectionID(bytes.Repeat([]byte{0xe0 + i}, 16)), Group: suite.GroupID(1 + 300*uint16(i)),
			Index: uint32(i) * 70000, JTI: token.JTI(bytes.Repeat([]byte{0x10 + i}, 16)), Expires: 1800000000 + int64(i),
		}
		if i == 2 {
			b.Kind = token.KindEnvelope
		}
		mid := suite.MID(bytes.Repeat([]byte{0xd0 + i}, 32))
		tok, code := token.Mint(k, b), token.MakeCode(codeKey, b)
		list = append(list, tokenVector{
			b.Kind, b.Election, b.Group, b.Index, b.JTI[:], b.Expires, mid, tok[:], tok.Base64(), tok.ID(),
			string(code[:]), code.Reveal(), code.ID(), token.Link(booth, tok, mid),
		})
	}
	shown := list[0].Shown
	typed := []typedVector{{Typed: shown}, {Typed: strings.ToLower(shown)}, {Typed: strings.ReplaceAll(shown, "-", " ")},
		{Typed: strings.NewReplacer("0", "o", "1", "i").Replace(shown)}, {Typed: shown[:25]}, {Typed: shown[1:2] + shown[:1] + shown[2:]}, {Typed: shown + "0"}, {Typed: ""}}
	for i := range typed {
		if c, err := token.ParseCode(typed[i].Typed); err == nil {
			typed[i].Code = string(c[:])
		}
	}
	good := list[0].Link
	links := []linkVector{{Link: good}, {Link: strings.Replace(good, "#", "%23", 1)}, {Link: good + "."}, {Link: good[:len(good)-1]},
		{Link: strings.Replace(good, "#", "?", 1)}, {Link: strings.Replace(good, "https://", "https://a@", 1)}, {Link: strings.Replace(good, "&m=", "&n=", 1)}, {Link: ""}}
	for i := range links {
		links[i].Booth, _, _, _, _ = token.ParseLink(links[i].Link)
	}
	got, err := json.MarshalIndent(map[string]any{
		"token_key": suite.Bytes(public(k)), "token_seed": suite.Bytes(k.Seed()), "code_key": suite.Bytes(codeKey[:]), "booth": booth,
		"tokens": list, "typed": typed, "links": links,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "testdata/token.json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s says something else; got\n%s", file, got)
	}
}
