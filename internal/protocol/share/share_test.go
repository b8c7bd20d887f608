package share

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

func statement(x *group.Scalar) *Statement {
	return &Statement{
		MID: suite.MID{1}, Set: 3, Question: 1, Teller: 2, TellerKey: group.BaseMul(x),
		CloseRoot: suite.Hash{2}, CloseSize: 40, Count: 12,
		Sum: elgamal.Encrypt(group.BaseMul(seeded("y")), seeded("r"), 1),
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	x := group.RandomScalar()
	st := statement(x)
	one, two := Decrypt(x, st), Decrypt(x, st)
	for _, sh := range []*Share{one, two} {
		if err := Verify(st, sh); err != nil {
			t.Fatal(err)
		}
		if !sh.D.Equal(st.Sum.R.Mul(x)) {
			t.Error("the share is not x times the point")
		}
	}
	if one.A.Equal(two.A) {
		t.Error("two shares with one nonce")
	}
}

// TestNonce holds the random bytes fixed, as a broken source would: whatever
// else differs must still change the nonce.
func TestNonce(t *testing.T) {
	t.Parallel()
	x, salt := seeded("x"), [32]byte{1}
	base := statement(x).claim().prove(x, salt)
	if again := statement(x).claim().prove(x, salt); !again.S.Equal(base.S) {
		t.Error("the deterministic twin is not deterministic")
	}
	for name, change := range statementChanges() {
		st := statement(x)
		change(st)
		if st.claim().prove(x, salt).A.Equal(base.A) {
			t.Errorf("another %s gives the same nonce", name)
		}
	}
	if st := statement(x); st.claim().prove(seeded("other"), salt).A.Equal(base.A) {
		t.Error("another key gives the same nonce")
	}
	eid, y := suite.ElectionID{1}, group.BaseMul(seeded("y"))
	if drillClaim(eid, 2, y, statement(x).TellerKey).prove(x, salt).A.Equal(base.A) {
		t.Error("the drill gives the nonce of a share")
	}
}

func statementChanges() map[string]func(*Statement) {
	return map[string]func(*Statement){
		"election":   func(st *Statement) { st.MID[31] ^= 1 },
		"set":        func(st *Statement) { st.Set++ },
		"question":   func(st *Statement) { st.Question++ },
		"teller":     func(st *Statement) { st.Teller++ },
		"close root": func(st *Statement) { st.CloseRoot[0] ^= 1 },
		"close size": func(st *Statement) { st.CloseSize++ },
		"count":      func(st *Statement) { st.Count-- },
		"key":        func(st *Statement) { st.TellerKey = st.TellerKey.Add(group.Generator()) },
		"R":          func(st *Statement) { st.Sum.R = st.Sum.R.Add(group.Generator()) },
		"C":          func(st *Statement) { st.Sum.C = st.Sum.C.Add(group.Generator()) },
		"R and C": func(st *Statement) {
			st.Sum.R, st.Sum.C = st.Sum.C, st.Sum.R
		},
	}
}

func TestStatementChanged(t *testing.T) {
	t.Parallel()
	x := group.RandomScalar()
	sh := Decrypt(x, statement(x))
	for name, change := range statementChanges() {
		st := statement(x)
		change(st)
		if err := Verify(st, sh); !errors.Is(err, ErrProof) {
			t.Errorf("another %s: got %v, want ErrProof", name, err)
		}
	}
}

func TestShareChanged(t *testing.T) {
	t.Parallel()
	x := group.RandomScalar()
	st := statement(x)
	good := Decrypt(x, st)
	g := group.Generator()
	tests := []struct {
		name   string
		change func(*Share)
	}{
		{"D", func(sh *Share) { sh.D = sh.D.Add(g) }},
		{"A", func(sh *Share) { sh.A = sh.A.Add(g) }},
		{"B", func(sh *Share) { sh.B = sh.B.Add(g) }},
		{"S", func(sh *Share) { sh.S = sh.S.Add(group.ScalarFromUint64(1)) }},
		{"D negated", func(sh *Share) { sh.D = sh.D.Neg() }},
		{"A and B swapped", func(sh *Share) { sh.A, sh.B = sh.B, sh.A }},
		{"D identity", func(sh *Share) { sh.D = group.Identity() }},
		{"A identity", func(sh *Share) { sh.A = group.Identity() }},
		{"B identity", func(sh *Share) { sh.B = group.Identity() }},
		{"S zero", func(sh *Share) { sh.S = new(group.Scalar) }},
		{"D missing", func(sh *Share) { sh.D = nil }},
		{"A missing", func(sh *Share) { sh.A = nil }},
		{"B missing", func(sh *Share) { sh.B = nil }},
		{"S missing", func(sh *Share) { sh.S = nil }},
		// Both equations hold if the prover may choose its key: the proof is
		// honest, of another x.
		{"another key's", func(sh *Share) { *sh = *Decrypt(group.RandomScalar(), st) }},
	}
	for _, tt := range tests {
		sh := *good
		tt.change(&sh)
		if err := Verify(st, &sh); !errors.Is(err, ErrProof) {
			t.Errorf("%s: got %v, want ErrProof", tt.name, err)
		}
	}
	if err := Verify(st, nil); !errors.Is(err, ErrProof) {
		t.Errorf("no share: got %v", err)
	}
}

// TestWrongX has a teller prove a share that it did not make with its key,
// honest in all else.
func TestWrongX(t *testing.T) {
	t.Parallel()
	x, other := group.RandomScalar(), group.RandomScalar()
	st := statement(x)
	c := st.claim()
	d := c.base.Mul(other)
	transcript := append(slices.Clone(c.parts), d.Bytes())
	w := group.RandomScalar()
	a, b := group.BaseMul(w), c.base.Mul(w)
	ch := c.challenge(transcript, a, b)
	for name, s := range map[string]*group.Scalar{
		"answer for the key":   w.Add(ch.Mul(x)),
		"answer for the share": w.Add(ch.Mul(other)),
	} {
		if err := Verify(st, &Share{D: d, A: a, B: b, S: s}); !errors.Is(err, ErrProof) {
			t.Errorf("%s: got %v, want ErrProof", name, err)
		}
	}
}

// TestSumOfIdentity opens a sum whose randomness cancelled out: nothing says
// that it cannot happen, and the tellers must still be able to answer.
func TestSumOfIdentity(t *testing.T) {
	t.Parallel()
	x := group.RandomScalar()
	for _, sum := range []elgamal.Ciphertext{elgamal.Zero(), {R: group.Identity(), C: elgamal.Option(1)}} {
		st := statement(x)
		st.Sum = sum
		sh := Decrypt(x, st)
		if !sh.D.IsIdentity() || !sh.B.IsIdentity() {
			t.Error("the share of the identity is not the identity")
		}
		if err := Verify(st, sh); err != nil {
			t.Error(err)
		}
		sh.D = group.Generator()
		if err := Verify(st, sh); !errors.Is(err, ErrProof) {
			t.Errorf("another share of the identity: got %v, want ErrProof", err)
		}
	}
	st := statement(new(group.Scalar))
	if err := Verify(st, Decrypt(new(group.Scalar), st)); !errors.Is(err, ErrProof) {
		t.Errorf("identity as key: got %v, want ErrProof", err)
	}
}

func TestDrill(t *testing.T) {
	t.Parallel()
	x, y := group.RandomScalar(), group.BaseMul(group.RandomScalar())
	eid, yi, g := suite.ElectionID{7}, group.BaseMul(x), group.Generator()
	sh := Drill(x, eid, 2, y, yi)
	if err := VerifyDrill(eid, 2, y, yi, sh); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"election": VerifyDrill(suite.ElectionID{8}, 2, y, yi, sh),
		"teller":   VerifyDrill(eid, 3, y, yi, sh),
		"key":      VerifyDrill(eid, 2, y.Add(g), yi, sh),
		"share":    VerifyDrill(eid, 2, y, yi.Add(g), sh),
		"x":        VerifyDrill(eid, 2, y, yi, Drill(group.RandomScalar(), eid, 2, y, yi)),
	} {
		if !errors.Is(err, ErrProof) {
			t.Errorf("another %s: got %v, want ErrProof", name, err)
		}
	}
}

func files(t testing.TB) (*File, *DrillFile) {
	t.Helper()
	x := seeded("x")
	st := statement(x)
	f := &File{Teller: 2, MID: st.MID, CloseRoot: st.CloseRoot, CloseSize: st.CloseSize}
	for _, at := range []struct {
		set suite.GroupID
		q   uint8
	}{{1, 0}, {1, 1}, {300, 0}} {
		st.Set, st.Question = at.set, at.q
		f.Shares = append(f.Shares, Item{Set: at.set, Question: at.q, Share: *Decrypt(x, st)})
	}
	y, eid := group.BaseMul(seeded("y")), suite.ElectionID{7}
	d := &DrillFile{Teller: 2, Copies: [2]Share{
		*Drill(x, eid, 2, y, st.TellerKey), *Drill(x, eid, 2, y, st.TellerKey),
	}}
	if err := d.Verify(eid, y, st.TellerKey); err != nil {
		t.Fatal(err)
	}
	return f, d
}

func TestFiles(t *testing.T) {
	t.Parallel()
	f, d := files(t)
	fb, db := encoded(t, f), encoded(t, d)
	if again, err := Parse([]byte(fb)); err != nil || encoded(t, again) != fb {
		t.Errorf("the share file came back changed: %v", err)
	}
	if again, err := ParseDrill([]byte(db)); err != nil || encoded(t, again) != db {
		t.Errorf("the drill file came back changed: %v", err)
	}
	if _, err := ParseDrill([]byte(fb)); err == nil {
		t.Error("a share file was read as a drill file")
	}
	nobody := &File{Teller: 1}
	if again, err := Parse([]byte(encoded(t, nobody))); err != nil || len(again.Shares) != 0 {
		t.Errorf("the file of an election in which nobody voted: %v", err)
	}
}

// TestFilesChanged changes every byte of both files: either they are no longer
// read, or a proof no longer holds, or the change is one of what the proofs
// bind, which the caller compares.
func TestFilesChanged(t *testing.T) {
	t.Parallel()
	f, d := files(t)
	fb, db := []byte(encoded(t, f)), []byte(encoded(t, d))
	y, yi, eid := group.BaseMul(seeded("y")), group.BaseMul(seeded("x")), suite.ElectionID{7}
	st := statement(seeded("x"))
	for at := range fb {
		bad := bytes.Clone(fb)
		bad[at] ^= 1
		g, err := Parse(bad)
		if err != nil {
			continue
		}
		holds := true
		for i := range g.Shares {
			it := &g.Shares[i]
			of := *st
			of.MID, of.CloseRoot, of.CloseSize = g.MID, g.CloseRoot, g.CloseSize
			of.Set, of.Question, of.Teller = it.Set, it.Question, g.Teller
			holds = holds && Verify(&of, &it.Share) == nil
		}
		if holds {
			t.Errorf("byte %d of the share file changed: accepted", at)
		}
	}
	for at := range db {
		bad := bytes.Clone(db)
		bad[at] ^= 1
		if g, err := ParseDrill(bad); err == nil && g.Verify(eid, y, yi) == nil {
			t.Errorf("byte %d of the drill file changed: accepted", at)
		}
	}
}

func TestFilesRefused(t *testing.T) {
	t.Parallel()
	f, d := files(t)
	fb, db := encoded(t, f), encoded(t, d)
	zero, d0 := strings.Repeat("0", 64), suite.Hash(d.Copies[0].D.Bytes()).String()
	a0, dd := suite.Hash(f.Shares[0].A.Bytes()).String(), suite.Hash(f.Shares[0].D.Bytes()).String()
	for name, bad := range map[string]string{
		"no final line end": strings.TrimSuffix(fb, "\n"),
		"teller 0":          strings.Replace(fb, `"teller":2`, `"teller":0`, 1),
		"teller 33":         strings.Replace(fb, `"teller":2`, `"teller":33`, 1),
		"set 0":             strings.Replace(fb, `"set":1,`, `"set":0,`, 1),
		"question twice":    strings.Replace(fb, `"question":1`, `"question":0`, 1),
		"sets descending":   strings.Replace(fb, `"set":1,`, `"set":301,`, 1),
		"size too large":    strings.Replace(fb, `"close_size":40`, `"close_size":9007199254740992`, 1),
		"no list":           `{"teller":1,"mid":"` + zero + `","close_root":"` + zero + `","close_size":0,"shares":null}` + "\n",
		"A identity":        strings.Replace(fb, a0, zero, 1),
		"D not canonical":   strings.Replace(fb, dd, strings.Repeat("f", 64), 1),
		"upper case":        strings.Replace(fb, dd, strings.ToUpper(dd), 1),
		"key twice":         strings.Replace(fb, `"teller":2,`, `"teller":2,"teller":2,`, 1),
		"unknown key":       strings.Replace(fb, `"teller":2,`, `"teller":2,"name":"x",`, 1),
	} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("share file, %s: read", name)
		}
	}
	if _, err := Parse([]byte(strings.Replace(fb, dd, zero, 1))); err != nil {
		t.Errorf("share file, D identity: %v", err)
	}
	for name, bad := range map[string]string{
		"teller 0":   strings.Replace(db, `"teller":2`, `"teller":0`, 1),
		"D identity": strings.Replace(db, d0, zero, 1),
		"one copy":   db[:strings.Index(db, "},{")] + "}]}\n",
		"no copies":  `{"teller":2,"copies":[]}` + "\n",
	} {
		if _, err := ParseDrill([]byte(bad)); err == nil {
			t.Errorf("drill file, %s: read", name)
		}
	}
	d.Copies[1] = d.Copies[0]
	if _, err := d.Encode(); err == nil {
		t.Error("a drill of one copy, twice, was written")
	}
	if d.Verify(suite.ElectionID{7}, group.BaseMul(seeded("y")), group.BaseMul(seeded("x"))) == nil {
		t.Error("a drill of one copy, twice, was accepted")
	}
	f.Shares[0], f.Shares[1] = f.Shares[1], f.Shares[0]
	if _, err := f.Encode(); err == nil {
		t.Error("shares out of order were written")
	}
}

func FuzzParse(f *testing.F) {
	file, _ := files(f)
	b, err := file.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if file, err := Parse(b); err == nil && encoded(t, file) != string(b) {
			t.Errorf("%q is written in another way", b)
		}
	})
}

func FuzzParseDrill(f *testing.F) {
	_, file := files(f)
	b, err := file.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if file, err := ParseDrill(b); err == nil && encoded(t, file) != string(b) {
			t.Errorf("%q is written in another way", b)
		}
	})
}

func BenchmarkDecrypt(b *testing.B) {
	x := seeded("x")
	st := statement(x)
	for b.Loop() {
		Decrypt(x, st)
	}
}

func BenchmarkVerify(b *testing.B) {
	x := seeded("x")
	st := statement(x)
	sh := Decrypt(x, st)
	for b.Loop() {
		if err := Verify(st, sh); err != nil {
			b.Fatal(err)
		}
	}
}
