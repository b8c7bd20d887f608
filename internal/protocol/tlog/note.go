package tlog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"strikevote/internal/protocol/suite"
)

// MaxNote is the largest length of a signed note, in bytes.
const MaxNote = 1 << 16

// Signature types of c2sp.org/signed-note.
const (
	typeLog       = 0x01 // Ed25519 over the text
	typeCosigning = 0x04 // Ed25519 over a time and the text
)

// dash begins every signature line: an em dash and a space.
const dash = "— "

// A publicKey is a named key of either type.
type publicKey struct {
	name string
	kind byte
	key  [ed25519.PublicKeySize]byte
}

// id returns the key's four-byte identifier. It is no hash to rely on: it only
// says which key to verify with.
func (k publicKey) id() [4]byte {
	material := append([]byte(k.name+"\n"), k.kind)
	sum := sha256.Sum256(append(material, k.key[:]...))
	return [4]byte(sum[:4])
}

func (k publicKey) vkey() string {
	id := k.id()
	return k.name + "+" + hex.EncodeToString(id[:]) + "+" + encode64(append([]byte{k.kind}, k.key[:]...))
}

// parseKey accepts exactly what vkey makes.
func parseKey(vkey string, kind byte) (publicKey, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	_, text, _ := strings.Cut(rest, "+")
	if err := checkName(name); err != nil {
		return publicKey{}, fmt.Errorf("key's name: %w", err)
	}
	b, err := decode64(text)
	if err != nil || len(b) != 1+ed25519.PublicKeySize {
		return publicKey{}, errors.New("key is not a base64 Ed25519 key")
	}
	if b[0] != kind {
		return publicKey{}, fmt.Errorf("key has signature type %#02x, not %#02x", b[0], kind)
	}
	if err := suite.CheckEd25519(b[1:]); err != nil {
		return publicKey{}, fmt.Errorf("key: %w", err)
	}
	k := publicKey{name: name, kind: kind, key: [ed25519.PublicKeySize]byte(b[1:])}
	if k.vkey() != vkey {
		return publicKey{}, errors.New("key does not have its identifier")
	}
	return k, nil
}

// line returns a signature line of the key.
func (k publicKey) line(sig []byte) string {
	id := k.id()
	return dash + k.name + " " + encode64(append(id[:], sig...)) + "\n"
}

// open takes the signature of this key out of a line.
func (k publicKey) open(line string, size int) ([]byte, error) {
	l, err := parseLine(line)
	if err != nil {
		return nil, err
	}
	if l.name != k.name || l.id != k.id() {
		return nil, errUnknownKey
	}
	if len(l.sig) != size {
		return nil, errors.New("signature has the wrong length")
	}
	return l.sig, nil
}

var errUnknownKey = errors.New("line is not by a key of the policy")

// A signatureLine is a line of a note taken apart, nothing of it verified.
type signatureLine struct {
	name string
	id   [4]byte
	sig  []byte
}

// parseLine accepts exactly what line makes, for some key.
func parseLine(line string) (signatureLine, error) {
	body, ok := strings.CutPrefix(line, dash)
	body, end := strings.CutSuffix(body, "\n")
	name, text, cut := strings.Cut(body, " ")
	if !ok || !end || !cut {
		return signatureLine{}, errors.New("not a signature line")
	}
	if err := checkName(name); err != nil {
		return signatureLine{}, fmt.Errorf("signature line's name: %w", err)
	}
	b, err := decode64(text)
	if err != nil {
		return signatureLine{}, fmt.Errorf("signature line: %w", err)
	}
	if len(b) < 5 {
		return signatureLine{}, errors.New("signature line without a signature")
	}
	return signatureLine{name: name, id: [4]byte(b[:4]), sig: b[4:]}, nil
}

// splitNote takes a note apart into its text, with its final line end, and its
// signature lines, at least one. Nothing is verified.
func splitNote(note []byte) (text string, lines []string, err error) {
	if len(note) > MaxNote {
		return "", nil, fmt.Errorf("note is longer than %d bytes", MaxNote)
	}
	s := string(note)
	// The last empty line separates, so that a text may have empty lines.
	i := strings.LastIndex(s, "\n\n")
	if i < 0 || !strings.HasSuffix(s, "\n") || i+2 == len(s) {
		return "", nil, errors.New("not a signed note")
	}
	text = s[:i+1]
	if err := checkNoteText(text); err != nil {
		return "", nil, err
	}
	lines = strings.SplitAfter(s[i+2:], "\n")
	lines = lines[:len(lines)-1]
	for _, l := range lines {
		if _, err := parseLine(l); err != nil {
			return "", nil, err
		}
	}
	return text, lines, nil
}

// checkNoteText accepts what may be signed as a note.
func checkNoteText(text string) error {
	if !strings.HasSuffix(text, "\n") || !utf8.ValidString(text) || len(text) > MaxNote/2 {
		return errors.New("note's text is not lines of UTF-8")
	}
	for i := range len(text) {
		if text[i] < 0x20 && text[i] != '\n' {
			return errors.New("note's text has a control character")
		}
	}
	return nil
}

// A LogKey is the public key of a log, which signs its checkpoints and the
// statements of those who run it. The zero LogKey verifies nothing.
type LogKey struct {
	k publicKey
}

// ParseLogKey reads a vkey of signature type 0x01.
func ParseLogKey(vkey string) (LogKey, error) {
	k, err := parseKey(vkey, typeLog)
	if err != nil {
		return LogKey{}, fmt.Errorf("reading log key: %w", err)
	}
	return LogKey{k}, nil
}

// Name returns the key's name, which is the log's origin.
func (k LogKey) Name() string { return k.k.name }

// VKey returns the key as a vkey.
func (k LogKey) VKey() string { return k.k.vkey() }

// PublicKey returns the bare Ed25519 key.
func (k LogKey) PublicKey() [ed25519.PublicKeySize]byte { return k.k.key }

func (k LogKey) check(text, line string) error {
	// Without a name the key is the zero value, and 32 zero bytes are a point
	// of small order for which anybody can sign.
	if k.k.name == "" {
		return errors.New("no log key")
	}
	sig, err := k.k.open(line, ed25519.SignatureSize)
	if err != nil {
		return fmt.Errorf("the log's line: %w", err)
	}
	if !ed25519.Verify(k.k.key[:], []byte(text), sig) {
		return errors.New("the log's signature is not valid")
	}
	return nil
}

// OpenNote verifies a note that the log's key alone has signed, such as a
// statement of destruction (SPEC.md section 20), and returns its text.
func OpenNote(log LogKey, note []byte) (text string, err error) {
	text, lines, err := splitNote(note)
	if err != nil {
		return "", fmt.Errorf("opening note: %w", err)
	}
	if len(lines) != 1 {
		return "", errors.New("opening note: more than one signature")
	}
	if err := log.check(text, lines[0]); err != nil {
		return "", fmt.Errorf("opening note: %w", err)
	}
	return text, nil
}

// A LogSigner signs for a log. It redacts itself.
type LogSigner struct {
	public  publicKey
	private ed25519.PrivateKey
}

// NewLogSigner returns the signer of the log with that origin. The seed is the
// private key.
func NewLogSigner(origin string, seed [32]byte) (*LogSigner, error) {
	if err := checkName(origin); err != nil {
		return nil, fmt.Errorf("log's origin: %w", err)
	}
	private := ed25519.NewKeyFromSeed(seed[:])
	return &LogSigner{newPublicKey(origin, typeLog, private), private}, nil
}

func newPublicKey(name string, kind byte, private ed25519.PrivateKey) publicKey {
	// A private key is its seed and then its public key.
	return publicKey{name: name, kind: kind, key: [ed25519.PublicKeySize]byte(private[ed25519.SeedSize:])}
}

// Key returns the public key.
func (s *LogSigner) Key() LogKey { return LogKey{s.public} }

// VKey returns the public key as a vkey.
func (s *LogSigner) VKey() string { return s.public.vkey() }

// Sign returns a checkpoint note with the log's line alone. It is
// deterministic: the same head signed again gives the same bytes, so that a
// crash between commit and signature leaves no second checkpoint behind.
// The caller signs only heads that are committed. Sign panics if the checkpoint
// is another log's.
func (s *LogSigner) Sign(c Checkpoint) []byte {
	if c.Origin != s.public.name || c.Size < 0 || c.Size > MaxSize {
		panic("tlog: signing a checkpoint of another log or of an impossible size")
	}
	return s.SignText(c.Text())
}

// SignText returns a note with that text, which ends with a line end and has no
// other control characters; it panics otherwise.
func (s *LogSigner) SignText(text string) []byte {
	if err := checkNoteText(text); err != nil {
		panic("tlog: " + err.Error())
	}
	return []byte(text + "\n" + s.public.line(ed25519.Sign(s.private, []byte(text))))
}

// Format writes the public key, whatever the verb: the private key stands
// beside it.
func (s *LogSigner) Format(f fmt.State, _ rune) { fmt.Fprint(f, "log signer ", s.public.name) }

// MarshalText refuses: a signer is never written down.
func (s *LogSigner) MarshalText() ([]byte, error) { return nil, errSecret }

var errSecret = errors.New("a signer is not to be written down")
