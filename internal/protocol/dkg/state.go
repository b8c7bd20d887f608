package dkg

import (
	"errors"
	"fmt"

	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// stateVersion is the first byte of a stored state.
const stateVersion = 1

// Bytes returns the state for storage between the rounds. It holds the setup
// and the first message, all of it public; the static key is not in it.
//
//	u8 1 || u8 i || u8 t || u8 n || u8 length || context || u8 length || extension || n × static key || msg1
//
// The setup is in it so that a resumed participant finishes the ceremony that
// it began, whatever the coordinator says by then.
func (st *State) Bytes() []byte {
	s := st.setup
	b := []byte{stateVersion, uint8(st.index), uint8(s.T), uint8(len(s.Static))}
	b = append(append(b, uint8(len(s.Context))), s.Context...)
	b = append(append(b, uint8(len(s.Extension))), s.Extension...)
	for _, p := range s.Static {
		b = append(b, p.Bytes()...)
	}
	return append(b, st.msg...)
}

// ParseState reads what [State.Bytes] returned, with the static key of the
// participant that it belongs to.
func ParseState(b []byte, key *group.Scalar) (*State, error) {
	r := suite.NewReader(b)
	if v := r.U8(); v != stateVersion {
		return nil, fmt.Errorf("reading state of a ceremony: version %d", v)
	}
	st, s := new(State), new(Setup)
	st.index = int(r.U8())
	s.T = int(r.U8())
	n := int(r.U8())
	s.Context = append([]byte(nil), r.Take(int(r.U8()))...)
	s.Extension = append([]byte(nil), r.Take(int(r.U8()))...)
	if n > MaxTellers {
		return nil, errors.New("reading state of a ceremony: too many participants")
	}
	for range n {
		p, err := group.DecodeElement(r.Take(group.Size))
		if err != nil {
			return nil, fmt.Errorf("reading state of a ceremony: static key: %w", err)
		}
		s.Static = append(s.Static, p)
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("reading state of a ceremony: %w", err)
	}
	st.msg = append([]byte(nil), r.Take(r.Rest())...)
	if err := CheckMessage(s, st.index, st.msg); err != nil {
		return nil, fmt.Errorf("reading state of a ceremony: %w", err)
	}
	if err := s.checkParticipant(st.index, key); err != nil {
		return nil, fmt.Errorf("reading state of a ceremony: %w", err)
	}
	own := *key
	st.setup, st.key = s, &own
	return st, nil
}

// Setup returns a copy of the setup of the ceremony, for the caller to compare
// with what the coordinator says.
func (st *State) Setup() *Setup { return st.setup.clone() }

// Index returns the participant's number.
func (st *State) Index() int { return st.index }

// Message returns the first message, to be sent again.
func (st *State) Message() []byte { return append([]byte(nil), st.msg...) }
