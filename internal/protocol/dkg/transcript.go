package dkg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"strikevote/internal/protocol/group"
)

// A Transcript is the public outcome of a ceremony. With the signatures of all
// n participants it is the certificate from which anybody derives the key and
// the public shares.
type Transcript struct {
	Context     []byte
	T           int
	Static      []*group.Element
	Commitments [][]*group.Element // of each participant, t points
	PoPs        [][64]byte
	Ephemeral   []*group.Element
	Extension   []byte
}

func transcriptOf(s *Setup, all []*public) *Transcript {
	t := &Transcript{Context: s.Context, T: s.T, Static: s.Static, Extension: s.Extension}
	for _, p := range all {
		t.Commitments = append(t.Commitments, p.commitment)
		t.PoPs = append(t.PoPs, p.pop)
		t.Ephemeral = append(t.Ephemeral, p.ephemeral)
	}
	return t
}

// Bytes returns the canonical bytes. Unlike everything else of suite SV1 its
// integers are little-endian: they are COCKTAIL-DKG's.
func (t *Transcript) Bytes() []byte {
	b := appendOpaque(nil, []byte(Ciphersuite))
	b = appendOpaque(b, t.Context)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Static)))
	b = binary.LittleEndian.AppendUint32(b, uint32(t.T))
	for _, p := range t.Static {
		b = append(b, p.Bytes()...)
	}
	for _, c := range t.Commitments {
		for _, p := range c {
			b = append(b, p.Bytes()...)
		}
	}
	for i := range t.PoPs {
		b = append(b, t.PoPs[i][:]...)
	}
	for _, p := range t.Ephemeral {
		b = append(b, p.Bytes()...)
	}
	return appendOpaque(b, t.Extension)
}

func appendOpaque(b, part []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(part)))
	return append(b, part...)
}

// Key returns Y, under which ballots are sealed.
func (t *Transcript) Key() *group.Element {
	y := group.Identity()
	for _, c := range t.Commitments {
		y = y.Add(c[0])
	}
	return y
}

// Shares returns Y_1 … Y_n, against which partial decryptions are checked.
func (t *Transcript) Shares() []*group.Element {
	sum := make([]*group.Element, t.T)
	for k := range sum {
		sum[k] = group.Identity()
		for _, c := range t.Commitments {
			sum[k] = sum[k].Add(c[k])
		}
	}
	shares := make([]*group.Element, len(t.Static))
	for i := range shares {
		shares[i] = evaluatePoints(sum, i+1)
	}
	return shares
}

// checkKeys refuses a key or a public share that is the identity. All
// participants together could make one; it would seal nothing.
func (t *Transcript) checkKeys() error {
	for _, p := range append(t.Shares(), t.Key()) {
		if p.IsIdentity() {
			return errors.New("checking transcript: the key or a share is the identity")
		}
	}
	return nil
}

// ParseTranscript reads what [Transcript.Bytes] returns. It checks points and
// lengths, not proofs and signatures; [VerifyCertificate] does.
func ParseTranscript(b []byte) (*Transcript, error) {
	r := &reader{b: b}
	if string(r.opaque(len(Ciphersuite))) != Ciphersuite {
		return nil, errors.New("reading transcript: another ciphersuite")
	}
	t := &Transcript{Context: r.opaque(maxOpaque)}
	n, threshold := r.uint32(), r.uint32()
	if r.err == nil && (n < 1 || n > MaxTellers || threshold < 1 || threshold > n) {
		return nil, fmt.Errorf("reading transcript: threshold %d of %d", threshold, n)
	}
	if r.err != nil {
		return nil, r.err
	}
	t.T = int(threshold)
	t.Static = r.points(int(n))
	for range n {
		t.Commitments = append(t.Commitments, r.points(t.T))
	}
	for range n {
		t.PoPs = append(t.PoPs, r.signature())
	}
	t.Ephemeral = r.points(int(n))
	t.Extension = r.opaque(maxOpaque)
	if r.err != nil {
		return nil, r.err
	}
	if len(t.Context) == 0 || !bytes.Equal(t.Bytes(), b) {
		return nil, errors.New("reading transcript: not its canonical bytes")
	}
	return t, nil
}

// VerifyCertificate checks the certificate of a ceremony: every proof of
// possession and every participant's signature over the transcript, n × 64
// bytes in order. If a participant is to blame the error is a [*Blame].
//
// That the context and the extension are those of the election is for the
// caller to compare.
func VerifyCertificate(transcript, signatures []byte) (*Transcript, error) {
	t, err := ParseTranscript(transcript)
	if err != nil {
		return nil, err
	}
	if err := checkStatic(t.Static); err != nil {
		return nil, err
	}
	if len(signatures) != SignatureSize*len(t.Static) {
		return nil, fmt.Errorf("checking certificate: %d bytes of signatures", len(signatures))
	}
	for i, pk := range t.Static {
		p := public{commitment: t.Commitments[i], pop: t.PoPs[i], ephemeral: t.Ephemeral[i]}
		if err := p.checkPoP(t.Context); err != nil {
			return nil, &Blame{Participant: i + 1, Err: err}
		}
		if err := Verify(pk, transcript, signatures[i*SignatureSize:(i+1)*SignatureSize]); err != nil {
			return nil, &Blame{Participant: i + 1, Err: fmt.Errorf("checking certificate: %w", err)}
		}
	}
	if err := t.checkKeys(); err != nil {
		return nil, err
	}
	return t, nil
}

// A reader takes a transcript apart. After its first error it returns zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if r.err == nil && n > len(r.b) {
		r.err = errors.New("reading transcript: truncated")
	}
	if r.err != nil {
		return make([]byte, n)
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) uint32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }

// opaque reads a string with its length. The length is compared with limit
// before it is used.
func (r *reader) opaque(limit int) []byte {
	n := binary.LittleEndian.Uint64(r.take(8))
	if n > uint64(limit) {
		r.err = errors.Join(r.err, errors.New("reading transcript: length of a string"))
		return nil
	}
	return bytes.Clone(r.take(int(n)))
}

func (r *reader) points(n int) []*group.Element {
	points := make([]*group.Element, n)
	for i := range points {
		p, err := group.DecodeElement(r.take(group.Size))
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("reading transcript: %w", err)
		}
		points[i] = p
	}
	return points
}

func (r *reader) signature() [64]byte { return [64]byte(r.take(SignatureSize)) }
