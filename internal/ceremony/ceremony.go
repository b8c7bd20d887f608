// Package ceremony holds the messages between a teller's program and the
// coordinator, which only carries them: it is trusted for nothing but delivery
// (SPEC.md section 13).
//
// No secret of a teller is in any of these types. The enrollment word only keeps
// strangers from filling a teller's place; it protects no key and no vote.
package ceremony

import (
	"errors"
	"strconv"
	"strings"

	"strikevote/internal/protocol/suite"
)

// A Round names what a teller sends.
type Round string

// The rounds in their order.
const (
	RoundKey       Round = "key"       // the static public key, 32 bytes
	RoundMessage   Round = "message"   // msg1 of COCKTAIL-DKG
	RoundSignature Round = "signature" // signature over the transcript, 64 bytes
	RoundDrill     Round = "drill"     // the file drill/<i>
	RoundShares    Round = "shares"    // the file shares/<i>
	RoundStatement Round = "statement" // the file statements/teller-<i>
)

// MaxBody is the most that a teller sends in one round, in bytes. Shares are
// the longest, about 300 bytes for each set and question, and a file of the
// record.
const MaxBody = suite.MaxFile

// A State is everything a teller's program needs to know to go on. Lists have
// one entry for each teller, in order.
type State struct {
	ElectionID suite.ElectionID `json:"election_id"`
	Title      string           `json:"title"`
	N          uint8            `json:"n"`
	T          uint8            `json:"t"`
	Names      []string         `json:"names"`
	Session    uint32           `json:"session"`  // counts the restarts of the ceremony, from 1
	Fresh      suite.Bytes      `json:"fresh"`    // 32 random bytes, new at every restart
	Keys       []suite.Bytes    `json:"keys"`     // empty where not sent yet
	Messages   []suite.Bytes    `json:"messages"` // msg1, empty where not sent yet
	Signatures []suite.Bytes    `json:"signatures"`
	Drilled    []bool           `json:"drilled"`
	Shared     []bool           `json:"shared"`
	MID        string           `json:"mid"`    // hex, empty before sealing
	Record     string           `json:"record"` // URL of the public record, empty before sealing
	Phase      string           `json:"phase"`
}

// Complete reports whether every teller has sent their part.
func Complete(parts []suite.Bytes) bool {
	for _, p := range parts {
		if len(p) == 0 {
			return false
		}
	}
	return len(parts) > 0
}

// Joined returns all parts behind one another.
func Joined(parts []suite.Bytes) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// A Post is what a teller's program sends for a round.
type Post struct {
	Session    uint32      `json:"session"`
	Enrollment string      `json:"enrollment"`
	Body       suite.Bytes `json:"body"`
}

// An Invitation tells a teller's program where to go and who it is. The
// committee hands it over in person or by phone.
type Invitation struct {
	Console    string // origin of the console
	Election   suite.ElectionID
	Number     uint8
	Enrollment string
}

// String returns the form in which an invitation is handed over:
// <console>/v1/<election>/tellers/<number>#<enrollment>.
func (i Invitation) String() string {
	return i.Console + "/v1/" + i.Election.String() + "/tellers/" + strconv.Itoa(int(i.Number)) + "#" + i.Enrollment
}

var errInvitation = errors.New("this is not a teller's invitation; it looks like https://…/v1/…/tellers/1#…")

// ParseInvitation reads what [Invitation.String] makes, with spaces around it.
func ParseInvitation(s string) (Invitation, error) {
	s = strings.TrimSpace(s)
	place, enrollment, _ := strings.Cut(s, "#")
	console, tail, _ := strings.Cut(place, "/v1/")
	id, number, _ := strings.Cut(tail, "/tellers/")
	eid, err := suite.ParseElectionID(id)
	if err != nil {
		return Invitation{}, errInvitation
	}
	n, err := strconv.ParseUint(number, 10, 8)
	if err != nil || n < 1 || n > 32 {
		return Invitation{}, errInvitation
	}
	i := Invitation{Console: console, Election: eid, Number: uint8(n), Enrollment: enrollment}
	if !isOrigin(console) || suite.CheckText(enrollment, 100) != nil || i.String() != s {
		return Invitation{}, errInvitation
	}
	return i, nil
}

// isOrigin reports whether s is a scheme that a teller's program speaks and a
// host. What follows is put behind it, so it has no path, no user, no query.
func isOrigin(s string) bool {
	host, ok := strings.CutPrefix(s, "https://")
	if !ok {
		host, ok = strings.CutPrefix(s, "http://")
	}
	return ok && suite.CheckText(host, 260) == nil && !strings.ContainsAny(host, " /?@\\")
}
