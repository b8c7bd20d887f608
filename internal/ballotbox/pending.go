package ballotbox

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"strikevote/internal/protocol/suite"
)

// A sealer turns ballots into rows of the tables received and pending, and back
// (SPEC 8). What the tables, their backups and the database's log show of a ballot
// is then random without the pending key, which is destroyed at lock.
type sealer struct {
	index [sha256.Size]byte // k, of the keys of received
	aead  cipher.AEAD       // under k', of the rows' contents
	check [sha256.Size]byte // tells this pending key from another
}

// newSealer derives the keys. It returns an error for the zero key, which
// stands for one that was destroyed.
func newSealer(pending [32]byte, mid suite.MID) (*sealer, error) {
	if pending == [32]byte{} {
		return nil, errors.New("there is no pending key")
	}
	var s sealer
	var seal [chacha20poly1305.KeySize]byte
	for _, k := range []struct {
		info string
		out  []byte
	}{
		{"strikevote/v1/pending-index", s.index[:]},
		{"strikevote/v1/pending-seal", seal[:]},
		{"strikevote/v1/pending-check", s.check[:]},
	} {
		b, err := hkdf.Key(sha512.New, pending[:], mid[:], k.info, len(k.out))
		if err != nil {
			return nil, fmt.Errorf("deriving pending keys: %w", err)
		}
		copy(k.out, b)
	}
	aead, err := chacha20poly1305.NewX(seal[:])
	if err != nil {
		return nil, fmt.Errorf("deriving pending keys: %w", err)
	}
	s.aead = aead
	return &s, nil
}

// key is what a ballot that came is known by: it comes once.
func (s *sealer) key(id suite.BallotID) [sha256.Size]byte {
	mac := hmac.New(sha256.New, s.index[:])
	mac.Write(id[:])
	return [sha256.Size]byte(mac.Sum(nil))
}

// A rowKey is the primary key of a pending ballot, drawn anew whenever the row is
// written: nothing ties a row to the one that it was before, or to its ballot.
type rowKey [32]byte

func newRowKey() (k rowKey) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}

// seal encrypts a sealed ballot for its row.
func (s *sealer) seal(key rowKey, ballot []byte) []byte {
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(ballot)+chacha20poly1305.Overhead)
	_, _ = rand.Read(nonce) // never fails
	return s.aead.Seal(nonce, nonce, ballot, key[:])
}

// open reads a row. A row that was moved to another key, or written without
// the pending key, is refused.
func (s *sealer) open(key rowKey, row []byte) ([]byte, error) {
	if len(row) < chacha20poly1305.NonceSizeX {
		return nil, errors.New("pending ballot is too short")
	}
	nonce, sealed := row[:chacha20poly1305.NonceSizeX], row[chacha20poly1305.NonceSizeX:]
	ballot, err := s.aead.Open(nil, nonce, sealed, key[:])
	if err != nil {
		return nil, errors.New("pending ballot was not sealed under this key")
	}
	return ballot, nil
}

// Format hides the keys, whatever the verb.
func (*sealer) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[pending keys]") }
