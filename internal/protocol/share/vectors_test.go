package share

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// update writes testdata/share.json anew. Give the reason in the commit: other
// implementations read these bytes.
var update = flag.Bool("update", false, "write testdata/share.json")

const vectorPath = "testdata/share.json"

type vectorFile struct {
	Shares []shareVector `json:"shares"`
	Drills []drillVector `json:"drills"`
	File   string        `json:"file"`  // of all shares of teller 2
	Drill  string        `json:"drill"` // of both drills
}

type shareVector struct {
	X         suite.Bytes   `json:"x"`
	Salt      suite.Bytes   `json:"salt"`
	MID       suite.MID     `json:"mid"`
	Set       suite.GroupID `json:"set"`
	Question  uint8         `json:"question"`
	Teller    uint8         `json:"teller"`
	Key       suite.Bytes   `json:"teller_key"`
	CloseRoot suite.Hash    `json:"close_root"`
	CloseSize uint64        `json:"close_size"`
	Count     uint64        `json:"count"`
	SR        suite.Bytes   `json:"sr"`
	SC        suite.Bytes   `json:"sc"`
	D         suite.Bytes   `json:"d"`
	A         suite.Bytes   `json:"a"`
	B         suite.Bytes   `json:"b"`
	S         suite.Bytes   `json:"s"`
}

type drillVector struct {
	X        suite.Bytes      `json:"x"`
	Salt     suite.Bytes      `json:"salt"`
	Election suite.ElectionID `json:"election_id"`
	Teller   uint8            `json:"teller"`
	Y        suite.Bytes      `json:"key"`
	Yi       suite.Bytes      `json:"teller_key"`
	D        suite.Bytes      `json:"d"`
	A        suite.Bytes      `json:"a"`
	B        suite.Bytes      `json:"b"`
	S        suite.Bytes      `json:"s"`
}

func seeded(label string) *group.Scalar {
	return group.ScalarFromWide(suite.H512("test-share", []byte(label)))
}

func makeVectors(t *testing.T) *vectorFile {
	t.Helper()
	out := new(vectorFile)
	x, y := seeded("x"), group.BaseMul(seeded("y"))
	yi := group.BaseMul(x)
	sum := elgamal.Encrypt(y, seeded("r"), 1)
	f := &File{Teller: 2, MID: suite.MID{1}, CloseRoot: suite.Hash{2}, CloseSize: 40}
	for i, s := range []elgamal.Ciphertext{sum, sum.Add(sum), elgamal.Zero()} {
		st := &Statement{
			MID: f.MID, Set: suite.GroupID(1 + i/2), Question: uint8(i % 2), Teller: f.Teller, TellerKey: yi,
			CloseRoot: f.CloseRoot, CloseSize: f.CloseSize, Count: uint64(i + 1), Sum: s,
		}
		salt := [32]byte{byte(i)}
		sh := st.claim().prove(x, salt)
		f.Shares = append(f.Shares, Item{Set: st.Set, Question: st.Question, Share: *sh})
		out.Shares = append(out.Shares, shareVector{
			X: x.Bytes(), Salt: salt[:], MID: st.MID, Set: st.Set, Question: st.Question, Teller: st.Teller,
			Key: yi.Bytes(), CloseRoot: st.CloseRoot, CloseSize: st.CloseSize, Count: st.Count,
			SR: s.R.Bytes(), SC: s.C.Bytes(), D: sh.D.Bytes(), A: sh.A.Bytes(), B: sh.B.Bytes(), S: sh.S.Bytes(),
		})
	}
	drill := &DrillFile{Teller: 2}
	for i := range drill.Copies {
		salt, eid := [32]byte{100 + byte(i)}, suite.ElectionID{7}
		sh := drillClaim(eid, 2, y, yi).prove(x, salt)
		drill.Copies[i] = *sh
		out.Drills = append(out.Drills, drillVector{
			X: x.Bytes(), Salt: salt[:], Election: eid, Teller: 2, Y: y.Bytes(), Yi: yi.Bytes(),
			D: sh.D.Bytes(), A: sh.A.Bytes(), B: sh.B.Bytes(), S: sh.S.Bytes(),
		})
	}
	out.File, out.Drill = encoded(t, f), encoded(t, drill)
	return out
}

func encoded(t *testing.T, f interface{ Encode() ([]byte, error) }) string {
	t.Helper()
	b, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestVectors(t *testing.T) {
	t.Parallel()
	b, err := json.MarshalIndent(makeVectors(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	if *update {
		if err := os.WriteFile(vectorPath, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("got %s\nwant %s", b, want)
	}
}
