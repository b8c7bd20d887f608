package voter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

// shown is what a voter shows: a link's token, or a typed code. It redacts
// itself.
type shown struct {
	token token.Token
	code  token.Code
}

// Format redacts it under every verb.
func (shown) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[link or code]") }

func (s *shown) byCode() bool { return s.code != token.Code{} }

// secret is what nobody else has, and what is kept is sealed under.
func (s *shown) secret() []byte {
	if s.byCode() {
		return s.code[:]
	}
	return s.token[:]
}

// OpenCode is [Open] with a typed code, in place of a link. A code that is
// mistyped is refused here, with [token.ErrCode], and nothing is fetched.
//
// A code does not say which election it is of, so that whoever made booth can
// show any: the election's title and six words are to be confirmed by the voter
// before [Session.Status], which is the first to send the code, and which says
// which group it votes in.
func OpenCode(ctx context.Context, client *http.Client, booth string, id suite.ElectionID, code string, memory Memory) (*Session, error) {
	c, err := token.ParseCode(code)
	if err != nil {
		return nil, err
	}
	e, err := fetch(ctx, client, booth, id, func(suite.MID) bool { return true })
	if err != nil {
		return nil, err
	}
	s := &Session{Election: e, shown: shown{code: c}, memory: memory}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// learn takes from a status what a link would say itself.
func (s *Session) learn(out *Status) error {
	g := suite.GroupID(out.Group)
	if _, err := s.context(g); err != nil {
		return err
	}
	if s.group != 0 && s.group != g {
		return errors.New("the service says another unit for your code than before; do not vote, and call the committee")
	}
	s.group = g
	// Only who is on the roll has a leaf there, and a salt.
	s.only = out.Salt == ""
	return nil
}
