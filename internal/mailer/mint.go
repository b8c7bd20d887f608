package mailer

import (
	"crypto/ed25519"
	"fmt"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

// A Minter makes tokens and codes. The same body always gives the same token
// and code, so neither is ever stored.
type Minter struct {
	token ed25519.PrivateKey
	code  [32]byte
}

// NewMinter returns a Minter over the seed of the token key and the code key.
func NewMinter(tokenSeed, codeKey [32]byte) *Minter {
	return &Minter{token: ed25519.NewKeyFromSeed(tokenSeed[:]), code: codeKey}
}

// Format hides the keys, whatever the verb.
func (*Minter) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[token key]") }

// Public returns the key that the manifest declares.
func (m *Minter) Public() ed25519.PublicKey { return m.token.Public().(ed25519.PublicKey) }

// Mint returns the token and the code of a body.
func (m *Minter) Mint(b token.Body) (token.Token, token.Code) {
	return token.Mint(m.token, b), token.MakeCode(m.code, b)
}

// IDs returns what the registrar keeps of them.
func (m *Minter) IDs(b token.Body) (tokenID, codeID suite.Hash) {
	t, c := m.Mint(b)
	return t.ID(), c.ID()
}

// Wipe overwrites the keys. Nothing can be minted afterwards.
func (m *Minter) Wipe() {
	clear(m.token)
	clear(m.code[:])
}
