package ceremony

import (
	"errors"
	"fmt"

	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/group"
)

// Setup computes the parameters of COCKTAIL-DKG from what the coordinator
// published (SPEC.md section 13). Each teller computes them for themselves.
func (st *State) Setup() (*dkg.Setup, error) {
	if len(st.Fresh) != 32 || len(st.Keys) != int(st.N) {
		return nil, errors.New("the ceremony's parameters are not complete")
	}
	var static []*group.Element
	for i, k := range st.Keys {
		e, err := group.DecodeElement(k)
		if err != nil {
			return nil, fmt.Errorf("reading the key of teller %d: %w", i+1, err)
		}
		static = append(static, e)
	}
	return &dkg.Setup{
		T: int(st.T), Static: static,
		Context:   dkg.Context(st.ElectionID, [32]byte(st.Fresh), st.T, static),
		Extension: dkg.Extension(st.ElectionID, st.T, static),
	}, nil
}
