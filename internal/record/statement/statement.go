// Package statement holds the statements that keys were destroyed.
//
// They say that somebody claims it; no bytes can show that a key is gone. The
// package knows the three lines and the form of a teller's signature; the
// registrar's and the box's are signed notes of their logs. Section 20 of
// internal/protocol/SPEC.md.
package statement

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// What was destroyed.
const (
	IssuerKeys  = "issuer keys"  // the registrar's, at lock
	PendingKey  = "pending key"  // the box's, at lock
	TellerShare = "teller share" // a teller's, at certification
)

// Text is what a statement says: three lines with their line ends.
func Text(mid suite.MID, what string) string {
	return "strikevote/v1/destroyed\n" + mid.String() + "\n" + what + "\n"
}

// SignTeller makes teller i's statement. The key is the teller's static key,
// and this is the last thing it signs.
func SignTeller(key *group.Scalar, i int, mid suite.MID) []byte {
	text := Text(mid, TellerShare)
	return teller(text, i, dkg.Sign(key, []byte(text)))
}

// VerifyTeller checks a teller's statement.
func VerifyTeller(key *group.Element, i int, mid suite.MID, file []byte) error {
	text := Text(mid, TellerShare)
	body, ok := strings.CutPrefix(string(file), text+"\n"+lead(i))
	if !ok {
		return fmt.Errorf("checking statement of teller %d: it does not say what it has to", i)
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(body, "\n"))
	if err != nil || len(sig) != 64 {
		return fmt.Errorf("checking statement of teller %d: malformed signature", i)
	}
	// base64 ignores line ends, so only writing it anew shows that these are
	// the only bytes that say this.
	if string(teller(text, i, [64]byte(sig))) != string(file) {
		return errors.New("checking statement of a teller: not the canonical form")
	}
	if err := dkg.Verify(key, []byte(text), sig); err != nil {
		return fmt.Errorf("checking statement of teller %d: %w", i, err)
	}
	return nil
}

// teller writes the file in the form of a signed note: the text, an empty
// line, the signature.
func teller(text string, i int, sig [64]byte) []byte {
	return []byte(text + "\n" + lead(i) + base64.StdEncoding.EncodeToString(sig[:]) + "\n")
}

func lead(i int) string { return fmt.Sprintf("— teller %d ", i) }
