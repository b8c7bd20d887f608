// Package dkg makes the key of an election so that nobody ever holds it: the
// tellers run COCKTAIL-DKG v0.2.1 (c2sp.org/cocktail-dkg) with the ciphersuite
// COCKTAIL(Ristretto255, SHA-512) and without payloads, and any t of the n can
// later open a sum together.
//
// It never sees a ballot and never holds more than one teller's secrets. It
// must not accept a message that is not exactly as long as the setup demands:
// a commitment of more than t points would silently raise the threshold, and
// a point at infinity would silently lower it. What is signed, hashed and
// published is set out in SPEC.md section 13.
//
// A ceremony has three rounds, through a coordinator that is trusted with
// nothing but delivery:
//
//	st, msg1, err := dkg.Start(setup, i, key)    // round 1: msg1 to everybody
//	res, err := st.Finish(msgs)                  // round 2: the messages of all n
//	t, err := dkg.VerifyCertificate(res.Transcript, signatures) // round 3
//
// No teller may rely on the key before round 3 holds: until then a coordinator
// may have shown different messages to different tellers.
//
// # Security considerations
//
// The exported functions draw their randomness from crypto/rand. Arithmetic on
// secrets is constant time; checks of public values are not.
//
// Between rounds 1 and 2 a teller needs its static key and its own first
// message, nothing else: the share that it keeps for itself is one of the
// ciphertexts in that message. So the polynomial and the ephemeral key are
// dropped when [Start] returns, [State.Bytes] holds no secret, and a program
// that is killed between the rounds goes on where it stopped.
//
// [State.Wipe] and [Result.Wipe] drop the secrets. How far that goes is what
// Go allows: the garbage collector and the stack may have left copies of a
// scalar behind, so a teller's computer is trusted until it is switched off.
//
// A ciphertext that does not open is blamed on its sender by [Blame], but that
// blame convinces only the teller who reports it: a coordinator can damage a
// ciphertext on its way, and the transcript does not bind ciphertexts.
package dkg

import (
	"errors"
	"fmt"

	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// Ciphersuite is the identifier that COCKTAIL-DKG binds into the context and
// the transcript, byte for byte.
const Ciphersuite = "COCKTAIL(Ristretto255, SHA-512)"

// MaxTellers bounds n, as the manifest does.
const MaxTellers = 32

// A Setup is what all n participants agree on before round 1. Participants
// are numbered from 1 in the order of Static: a participant numbered 0 would
// be given the secret itself as its share.
type Setup struct {
	T         int              // how many open a sum together
	Static    []*group.Element // static public keys of all n, distinct
	Context   []byte           // [Context]; new for every ceremony, restarts included
	Extension []byte           // [Extension]; signed with the transcript
}

// Context returns the context of one ceremony. fresh must be drawn anew at
// every restart: with a context used twice, messages of the first attempt
// could be replayed into the second.
func Context(eid suite.ElectionID, fresh [32]byte, t uint8, static []*group.Element) []byte {
	parts := [][]byte{[]byte(Ciphersuite), eid[:], fresh[:], suite.U8(uint8(len(static))), suite.U8(t)}
	h := suite.H("dkg-context", appendPoints(parts, static)...)
	return h[:]
}

// Extension returns what the transcript says about the election. It holds
// nothing of the roll, so that a corrected roll does not repeat the ceremony.
func Extension(eid suite.ElectionID, t uint8, static []*group.Element) []byte {
	parts := [][]byte{eid[:], suite.U8(uint8(len(static))), suite.U8(t)}
	h := suite.H("dkg-ext", appendPoints(parts, static)...)
	return h[:]
}

// CertificateHash returns the hash by which a manifest names the ceremony its
// key comes from.
func CertificateHash(transcript, signatures []byte) suite.Hash {
	return suite.H("dkg-certificate", transcript, signatures)
}

// A Blame reports that a participant's message or signature is not what an
// honest participant sends.
type Blame struct {
	Participant int // from 1
	Err         error
}

func (b *Blame) Error() string {
	return fmt.Sprintf("blaming participant %d: %v", b.Participant, b.Err)
}

func (b *Blame) Unwrap() error { return b.Err }

// maxOpaque bounds context and extension. Ours are 32 bytes, those of the
// official vectors 64.
const maxOpaque = 64

// check reports what makes a setup unusable. COCKTAIL-DKG demands that a
// participant aborts on any of it before round 1.
func (s *Setup) check() error {
	n := len(s.Static)
	if n < 1 || n > MaxTellers {
		return fmt.Errorf("checking setup: %d participants", n)
	}
	if s.T < 1 || s.T > n {
		return fmt.Errorf("checking setup: threshold %d of %d", s.T, n)
	}
	if len(s.Context) == 0 || len(s.Context) > maxOpaque || len(s.Extension) > maxOpaque {
		return errors.New("checking setup: length of context or extension")
	}
	return checkStatic(s.Static)
}

// checkStatic refuses a static key that is missing, the identity, or listed
// twice: one person at two indexes would hold two of the t shares.
func checkStatic(static []*group.Element) error {
	seen := make(map[string]int, len(static))
	for i, p := range static {
		if p == nil || p.IsIdentity() {
			return fmt.Errorf("checking static key %d: not a point", i+1)
		}
		b := string(p.Bytes())
		if j, ok := seen[b]; ok {
			return fmt.Errorf("checking static key %d: equals static key %d", i+1, j)
		}
		seen[b] = i + 1
	}
	return nil
}

// checkParticipant refuses an index outside 1 to n and a key that is not the
// one listed there.
func (s *Setup) checkParticipant(i int, key *group.Scalar) error {
	if i < 1 || i > len(s.Static) {
		return fmt.Errorf("checking setup: no participant %d", i)
	}
	if key == nil || key.IsZero() || !group.BaseMul(key).Equal(s.Static[i-1]) {
		return fmt.Errorf("checking setup: the static key is not that of participant %d", i)
	}
	return nil
}

// clone copies a setup, so that a caller who changes its own afterwards cannot
// make round 2 differ from round 1.
func (s *Setup) clone() *Setup {
	c := *s
	c.Static = append([]*group.Element(nil), s.Static...)
	c.Context = append([]byte(nil), s.Context...)
	c.Extension = append([]byte(nil), s.Extension...)
	return &c
}

func appendPoints(parts [][]byte, points []*group.Element) [][]byte {
	for _, p := range points {
		parts = append(parts, p.Bytes())
	}
	return parts
}
