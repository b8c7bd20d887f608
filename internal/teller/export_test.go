package teller

import (
	"strikevote/internal/keyfile"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// CheapPassphrases makes key files that are opened quickly. It returns what it
// replaced.
func CheapPassphrases() keyfile.Cost {
	usual := kind.Cost
	kind.Cost = keyfile.Cost{Time: 1, Memory: 8}
	return usual
}

// Peek opens a key file without a lock, to look at what a program left there or
// is doing with it.
func Peek(path string, passphrase []byte) (*Teller, error) { return open(path, passphrase) }

// Secrets are what a key file must keep to itself.
func (t *Teller) Secrets() (static, share []byte) { return t.k.Static, t.k.Share }

// Key is the opened key, for tests of its redaction.
func (t *Teller) Key() any { return t.k }

// Parts are the parts of a teller's program, for tests of their redaction.
func (t *Teller) Parts() []any { return []any{t.coordinator, t.file, t.file.sealer} }

// Beside is where a key is written before it takes its file's place.
func (t *Teller) Beside() string { return t.file.beside() }

// Path is where the key file is.
func (t *Teller) Path() string { return t.file.path }

// Save writes the key again.
func (t *Teller) Save() error { return t.file.save(t.k) }

// Answered is what the key has answered for.
func (t *Teller) Answered() (mid, root suite.Bytes) { return t.k.MID, t.k.CloseRoot }

// Make makes the key file of a teller who has been through a ceremony.
func Make(path string, passphrase []byte, console string, id suite.ElectionID, number uint8, enrollment string, static, share *group.Scalar, y *group.Element) (*Teller, error) {
	return create(path, passphrase, key{
		Election: id, Number: number, Console: console, Enrollment: enrollment, Copy: 1, Session: 1,
		Static: static.Bytes(), Share: share.Bytes(), Key: y.Bytes(), KeyShare: group.BaseMul(share).Bytes(),
	}, kind.Cost)
}

// AnswerFor makes the key answer for another manifest.
func AnswerFor(t *Teller, mid suite.MID) error {
	return t.keep(func(k *key) { k.MID = mid[:] })
}

// OpenWith opens a key file with another enrollment word.
func OpenWith(path string, passphrase []byte, enrollment string) (*Teller, error) {
	t, err := Open(path, passphrase)
	if err == nil {
		c := t.coordinator.(network)
		c.enrollment = enrollment
		t.coordinator = c
	}
	return t, err
}

// Repack reads what a key file seals and writes it again.
func Repack(b []byte) ([]byte, error) {
	k, err := unpack(b)
	if err != nil {
		return nil, err
	}
	return pack(&k)
}

// Packed is what the key file of this key seals.
func (t *Teller) Packed() ([]byte, error) { return pack(&t.k) }
