package dkg

import (
	"bytes"
	"testing"

	"strikevote/internal/protocol/group"
)

func TestCertificateFlipped(t *testing.T) {
	t.Parallel()
	results, signatures := newCeremony(t, 2, 3).finish(t)
	transcript := results[0].Transcript
	if tr, err := ParseTranscript(transcript); err != nil || !bytes.Equal(tr.Bytes(), transcript) {
		t.Fatalf("the transcript came back changed: %v", err)
	}
	for at := range transcript {
		bad := bytes.Clone(transcript)
		bad[at] ^= 1 << (at % 8)
		if _, err := VerifyCertificate(bad, signatures); err == nil {
			t.Errorf("accepted with byte %d of the transcript changed", at)
		}
		if _, err := ParseTranscript(transcript[:at]); err == nil {
			t.Errorf("read from its first %d bytes", at)
		}
	}
	for at := range signatures {
		bad := bytes.Clone(signatures)
		bad[at] ^= 1 << (at % 8)
		_, err := VerifyCertificate(transcript, bad)
		wantBlame(t, err, at/SignatureSize+1)
	}
	swapped := bytes.Join([][]byte{signatures[64:128], signatures[:64], signatures[128:]}, nil)
	for name, bad := range map[string][]byte{
		"none": nil, "one less": signatures[:128], "swapped": swapped,
		"one more": append(bytes.Clone(signatures), signatures[:64]...),
	} {
		if _, err := VerifyCertificate(transcript, bad); err == nil {
			t.Errorf("accepted with signatures: %s", name)
		}
	}
	if _, err := ParseTranscript(append(bytes.Clone(transcript), 0)); err == nil {
		t.Error("read with a byte too many")
	}
}

// TestTranscriptOf has the coordinator build, without a secret, what the
// participants sign.
func TestTranscriptOf(t *testing.T) {
	t.Parallel()
	c := newCeremony(t, 2, 3)
	results, _ := c.finish(t)
	tr, err := TranscriptOf(c.setup, c.msgs)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(tr.Bytes(), results[0].Transcript) {
		t.Error("the coordinator has another transcript")
	}
	bad := bytes.Clone(c.msgs[1])
	bad[0] ^= 1
	_, err = TranscriptOf(c.setup, c.with(2, bad))
	wantBlame(t, err, 2)
	if _, err := TranscriptOf(c.setup, c.msgs[1:]); err == nil {
		t.Error("built from two messages of three")
	}
	if _, err := TranscriptOf(&Setup{}, c.msgs); err == nil {
		t.Error("built for an empty setup")
	}
}

// TestSplitView gives two groups of participants different messages of one
// participant, which the exchange of signatures must bring to light.
func TestSplitView(t *testing.T) {
	t.Parallel()
	c := newCeremony(t, 2, 3)
	st, again, err := Start(c.setup, 3, c.keys[2])
	if err != nil {
		t.Fatal(err)
	}
	var signatures []byte
	var transcripts [][]byte
	for i, view := range [][][]byte{c.msgs, c.with(3, again), c.with(3, again)} {
		who := c.states[i]
		if i == 2 {
			who = st
		}
		r, err := who.Finish(view)
		if err != nil {
			t.Fatal(err)
		}
		signatures = append(signatures, r.Signature[:]...)
		transcripts = append(transcripts, r.Transcript)
	}
	for i, tr := range transcripts {
		if _, err := VerifyCertificate(tr, signatures); err == nil {
			t.Errorf("participant %d accepts a split view", i+1)
		}
	}
}

// TestForgedCertificate rewrites a transcript and has everybody sign it: the
// proofs of possession must still hold.
func TestForgedCertificate(t *testing.T) {
	t.Parallel()
	c := newCeremony(t, 1, 2)
	results, _ := c.finish(t)
	resign := func(tr *Transcript) []byte {
		var signatures []byte
		for _, k := range c.keys {
			sig := Sign(k, tr.Bytes())
			signatures = append(signatures, sig[:]...)
		}
		return signatures
	}
	tests := []struct {
		name   string
		change func(*Transcript)
	}{
		{"rogue key", func(tr *Transcript) {
			tr.Commitments[1] = []*group.Element{group.BaseMul(group.RandomScalar()).Sub(tr.Commitments[0][0])}
		}},
		{"another ephemeral key", func(tr *Transcript) { tr.Ephemeral[0] = tr.Ephemeral[1] }},
		{"another context", func(tr *Transcript) { tr.Context[0] ^= 1 }},
		{"proofs swapped", func(tr *Transcript) { tr.PoPs[0], tr.PoPs[1] = tr.PoPs[1], tr.PoPs[0] }},
		{"static key twice", func(tr *Transcript) { tr.Static[1] = tr.Static[0]; c.keys[1] = c.keys[0] }},
	}
	for _, tt := range tests {
		tr, err := ParseTranscript(results[0].Transcript)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := VerifyCertificate(tr.Bytes(), resign(tr)); err != nil {
			t.Fatal(err)
		}
		tt.change(tr)
		if _, err := VerifyCertificate(tr.Bytes(), resign(tr)); err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
}

func TestSchnorr(t *testing.T) {
	t.Parallel()
	sk := group.RandomScalar()
	pk, msg := group.BaseMul(sk), []byte("destroyed")
	sig := Sign(sk, msg)
	if err := Verify(pk, msg, sig[:]); err != nil {
		t.Fatal(err)
	}
	if again := Sign(sk, msg); again != sig {
		t.Error("two signatures on one message")
	}
	for at := range sig {
		bad := sig
		bad[at] ^= 1 << (at % 8)
		if Verify(pk, msg, bad[:]) == nil {
			t.Errorf("accepted with byte %d changed", at)
		}
	}
	identity := sig
	clear(identity[:32])
	tests := []struct {
		name string
		pk   *group.Element
		msg  []byte
		sig  []byte
	}{
		{"another key", pk.Neg(), msg, sig[:]},
		{"another message", pk, msg[1:], sig[:]},
		{"short", pk, msg, sig[:63]},
		{"long", pk, msg, append(sig[:], 0)},
		{"empty", pk, msg, nil},
		{"identity as commitment", pk, msg, identity[:]},
		{"identity as key", group.Identity(), msg, sig[:]},
		{"no key", nil, msg, sig[:]},
	}
	for _, tt := range tests {
		if Verify(tt.pk, tt.msg, tt.sig) == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
	if _, err := sign(new(group.Scalar), msg); err == nil {
		t.Error("signed with a zero key")
	}
}

func FuzzParseTranscript(f *testing.F) {
	results, _ := newCeremony(f, 2, 2).finish(f)
	f.Add(results[0].Transcript)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if tr, err := ParseTranscript(b); err == nil && !bytes.Equal(tr.Bytes(), b) {
			t.Errorf("%x is written as %x", b, tr.Bytes())
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	f.Add(newCeremony(f, 2, 2).msgs[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseMessage(b, 2, 2, ciphertextSize); err == nil && !bytes.Equal(m.bytes(), b) {
			t.Errorf("%x is written as %x", b, m.bytes())
		}
	})
}

func FuzzParseState(f *testing.F) {
	c := newCeremony(f, 1, 2)
	f.Add(c.states[0].Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if st, err := ParseState(b, c.keys[0]); err == nil && !bytes.Equal(st.Bytes(), b) {
			t.Errorf("%x is written as %x", b, st.Bytes())
		}
	})
}

func BenchmarkStart3of5(b *testing.B) {
	c := newCeremony(b, 3, 5)
	for b.Loop() {
		if _, _, err := Start(c.setup, 1, c.keys[0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFinish3of5(b *testing.B) {
	c := newCeremony(b, 3, 5)
	for b.Loop() {
		if _, err := c.states[0].Finish(c.msgs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyCertificate3of5(b *testing.B) {
	results, signatures := newCeremony(b, 3, 5).finish(b)
	for b.Loop() {
		if _, err := VerifyCertificate(results[0].Transcript, signatures); err != nil {
			b.Fatal(err)
		}
	}
}
