package dkg

import (
	"crypto/sha512"
	"encoding/binary"

	"strikevote/internal/protocol/group"
)

// derive is the vectors' expansion of a seed: wide bytes for a label, with a
// counter where the label names a stream.
func derive(seed []byte, t, n int, label string, counter ...uint64) [64]byte {
	b := append([]byte(nil), seed...)
	b = append(b, Ciphersuite...)
	b = binary.LittleEndian.AppendUint32(b, uint32(t))
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	b = append(b, label...)
	for _, c := range counter {
		b = binary.LittleEndian.AppendUint64(b, c)
	}
	return sha512.Sum512(b)
}

// vectorContext is the context that the specification recommends, which the
// official vectors use and the elections do not.
func vectorContext(tag []byte, static []*group.Element) []byte {
	b := []byte("COCKTAIL-DKG-CONTEXT")
	b = binary.BigEndian.AppendUint64(b, uint64(len(tag)))
	b = append(b, tag...)
	b = binary.BigEndian.AppendUint64(b, uint64(len(Ciphersuite)))
	b = append(b, Ciphersuite...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(static)))
	for _, p := range static {
		b = append(b, p.Bytes()...)
	}
	h := sha512.Sum512(b)
	return h[:]
}

// payloadExtension is the extension of the vector with payloads.
func payloadExtension(payloads [][]byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(payloads)))
	for _, p := range payloads {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(p)))
		b = append(b, p...)
	}
	h := sha512.Sum512(b)
	return h[:]
}
