package ceremony

import (
	"encoding/json"
	"errors"
	"fmt"

	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/suite"
)

// What the two kinds of file call themselves, so that a person who finds one
// knows what it is, and the program can tell them apart.
const (
	whatState   = "state of a tellers' ceremony"
	whatMessage = "message of a teller"
	// fileVersion changes with the meaning of either file.
	fileVersion = 1
)

// A StateFile carries what a teller's program needs to a computer without a
// network. It is text: JSON in the one encoding of SPEC.md section 2. Nothing in
// it is secret, and nothing in it is believed: see [State].
type StateFile struct {
	State State
	// Manifest and Checkpoint are those of the sealed election: the bytes of its
	// manifest, and the ledger's first checkpoint with the witnesses' lines.
	// Both are empty before sealing.
	Manifest, Checkpoint []byte
}

// stateFile is the form on disk.
type stateFile struct {
	What       string      `json:"strikevote"`
	Version    uint8       `json:"version"`
	State      State       `json:"state"`
	Manifest   suite.Bytes `json:"manifest"`
	Checkpoint suite.Bytes `json:"checkpoint"`
}

// Encode returns the file.
func (f *StateFile) Encode() ([]byte, error) {
	b, err := suite.EncodeJSON(&stateFile{whatState, fileVersion, f.State, f.Manifest, f.Checkpoint})
	if err != nil {
		return nil, fmt.Errorf("writing the state of the ceremony: %w", err)
	}
	return b, nil
}

// ParseStateFile reads what [StateFile.Encode] makes, and nothing else.
func ParseStateFile(b []byte) (*StateFile, error) {
	f := new(stateFile)
	if err := parseFile(b, whatState, f); err != nil {
		return nil, err
	}
	return &StateFile{f.State, f.Manifest, f.Checkpoint}, nil
}

// A MessageFile carries what a teller's program sends for a round. It holds the
// enrollment word, as a request over the network does, and no other secret.
type MessageFile struct {
	Election suite.ElectionID
	Number   uint8
	Round    Round
	Post
}

// messageFile is the form on disk.
type messageFile struct {
	What       string           `json:"strikevote"`
	Version    uint8            `json:"version"`
	Election   suite.ElectionID `json:"election_id"`
	Number     uint8            `json:"teller"`
	Round      Round            `json:"round"`
	Session    uint32           `json:"session"`
	Enrollment string           `json:"enrollment"`
	Body       suite.Bytes      `json:"body"`
}

// Encode returns the file. A body of more than about 4 MB does not fit into one;
// the shares of an election with thousands of sums would be so large.
func (f *MessageFile) Encode() ([]byte, error) {
	b, err := suite.EncodeJSON(&messageFile{whatMessage, fileVersion, f.Election, f.Number, f.Round, f.Session, f.Enrollment, f.Body})
	if err != nil {
		return nil, fmt.Errorf("writing the message: %w", err)
	}
	return b, nil
}

// ParseMessageFile reads what [MessageFile.Encode] makes, and nothing else.
func ParseMessageFile(b []byte) (*MessageFile, error) {
	f := new(messageFile)
	if err := parseFile(b, whatMessage, f); err != nil {
		return nil, err
	}
	return &MessageFile{f.Election, f.Number, f.Round, Post{f.Session, f.Enrollment, f.Body}}, nil
}

// parseFile reads a file of a kind into v. Files are carried by people, so what
// goes wrong most is told apart: another file, another program, half a copy.
func parseFile(b []byte, what string, v any) error {
	var head struct {
		What    string `json:"strikevote"`
		Version int64  `json:"version"`
	}
	switch err := json.Unmarshal(b, &head); {
	case err != nil:
		return fmt.Errorf("this is not the %s, or it was cut off or changed on its way; copy it again", what)
	case head.What != what && (head.What == whatState || head.What == whatMessage):
		return fmt.Errorf("this is the %s; the %s is needed here", head.What, what)
	case head.What != what:
		return fmt.Errorf("this is not the %s", what)
	case head.Version != fileVersion:
		return fmt.Errorf("this %s was made by another version of the program; use the same one on both computers", what)
	}
	if err := suite.DecodeJSON(b, v); err != nil {
		return fmt.Errorf("this %s was changed on its way; copy it again", what)
	}
	return nil
}

// Check returns an error unless a state is of an election, and one in which a
// teller has a place. What it says of anybody's messages it does not look at:
// lists of another length would be indexed out of range later, no more.
func (st *State) Check(id suite.ElectionID, number uint8) error {
	if st.ElectionID != id {
		return errors.New("it is of another election")
	}
	n := int(st.N)
	if n < 1 || n > dkg.MaxTellers || st.T < 1 || st.T > st.N || number < 1 || int(number) > n ||
		len(st.Keys) != n || len(st.Messages) != n || len(st.Signatures) != n || len(st.Names) != n {
		return errors.New("it makes no sense; it may be of another version")
	}
	return nil
}

// Waiting returns the round that the ceremony waits for, and the numbers of the
// tellers who have not sent their part of it: key, message, signature, drill.
// After the drill it returns "".
func (st *State) Waiting() (Round, []int) {
	for _, r := range []struct {
		round Round
		sent  func(i int) bool
	}{
		{RoundKey, func(i int) bool { return i < len(st.Keys) && len(st.Keys[i]) > 0 }},
		{RoundMessage, func(i int) bool { return i < len(st.Messages) && len(st.Messages[i]) > 0 }},
		{RoundSignature, func(i int) bool { return i < len(st.Signatures) && len(st.Signatures[i]) > 0 }},
		{RoundDrill, func(i int) bool { return i < len(st.Drilled) && st.Drilled[i] }},
	} {
		var missing []int
		for i := range int(st.N) {
			if !r.sent(i) {
				missing = append(missing, i+1)
			}
		}
		if len(missing) > 0 {
			return r.round, missing
		}
	}
	return "", nil
}
