package tlog

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// A WitnessKey is the public key of a witness. The zero WitnessKey verifies
// nothing.
type WitnessKey struct {
	k publicKey
}

// ParseWitnessKey reads a vkey of signature type 0x04.
func ParseWitnessKey(vkey string) (WitnessKey, error) {
	k, err := parseKey(vkey, typeCosigning)
	if err != nil {
		return WitnessKey{}, fmt.Errorf("reading witness key: %w", err)
	}
	return WitnessKey{k}, nil
}

// Name returns the witness's name.
func (k WitnessKey) Name() string { return k.k.name }

// VKey returns the key as a vkey.
func (k WitnessKey) VKey() string { return k.k.vkey() }

// PublicKey returns the bare Ed25519 key.
func (k WitnessKey) PublicKey() [ed25519.PublicKeySize]byte { return k.k.key }

// A Cosignature is a witness's verified statement that, at a moment, the
// checkpoint was the largest it had seen of the log, and continued all others.
type Cosignature struct {
	Witness string
	Time    int64  // seconds since 1970-01-01 UTC
	Line    string // the signature line as it stands in a note, with its line end
}

// cosigned is the message that a witness signs.
func cosigned(text string, at int64) []byte {
	return []byte("cosignature/v1\ntime " + strconv.FormatInt(at, 10) + "\n" + text)
}

func (k WitnessKey) check(text, line string) (Cosignature, error) {
	if k.k.name == "" {
		return Cosignature{}, errors.New("no witness key")
	}
	b, err := k.k.open(line, 8+ed25519.SignatureSize)
	if err != nil {
		return Cosignature{}, err
	}
	at := int64(binary.BigEndian.Uint64(b))
	if at < 0 {
		return Cosignature{}, errors.New("cosignature's time is out of range")
	}
	if !ed25519.Verify(k.k.key[:], cosigned(text, at), b[8:]) {
		return Cosignature{}, errors.New("cosignature is not valid")
	}
	return Cosignature{Witness: k.k.name, Time: at, Line: line}, nil
}

// A WitnessSigner cosigns checkpoints. It redacts itself.
type WitnessSigner struct {
	public  publicKey
	private ed25519.PrivateKey
}

// NewWitnessSigner returns the signer of a witness. The seed is the private
// key; it must not be used under a second name, because the signed message does
// not contain the name.
func NewWitnessSigner(name string, seed [32]byte) (*WitnessSigner, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("witness's name: %w", err)
	}
	private := ed25519.NewKeyFromSeed(seed[:])
	return &WitnessSigner{newPublicKey(name, typeCosigning, private), private}, nil
}

// Key returns the public key.
func (s *WitnessSigner) Key() WitnessKey { return WitnessKey{s.public} }

// VKey returns the public key as a vkey.
func (s *WitnessSigner) VKey() string { return s.public.vkey() }

// Cosign returns the cosignature line, with its line end, for a checkpoint's
// text. The caller has checked that the checkpoint continues all it has
// cosigned before. Cosign panics if the text is no checkpoint's: a witness's
// key signs nothing else, and a moment before 1970 cannot be written.
func (s *WitnessSigner) Cosign(text string, at time.Time) (line string) {
	if _, err := ParseCheckpointText(text); err != nil {
		panic("tlog: cosigning: " + err.Error())
	}
	moment := at.Unix()
	if moment < 0 {
		panic("tlog: cosigning at a time before 1970")
	}
	sig := binary.BigEndian.AppendUint64(nil, uint64(moment))
	return s.public.line(append(sig, ed25519.Sign(s.private, cosigned(text, moment))...))
}

// Format writes the public name, whatever the verb: the private key stands
// beside it.
func (s *WitnessSigner) Format(f fmt.State, _ rune) { fmt.Fprint(f, "witness signer ", s.public.name) }

// MarshalText refuses: a signer is never written down.
func (s *WitnessSigner) MarshalText() ([]byte, error) { return nil, errSecret }
