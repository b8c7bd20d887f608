package signer

import (
	"crypto/ed25519"

	"strikevote/internal/keyfile"
)

// CheapPassphrases makes key files that are opened quickly. It returns what it
// replaced.
func CheapPassphrases() keyfile.Cost {
	usual := kind.Cost
	kind.Cost = keyfile.Cost{Time: 1, Memory: 8}
	return usual
}

// Base is the address that a console asks.
func (c *Console) Base() string { return c.base }

// Keep seals a key that was made elsewhere.
func Keep(path string, passphrase []byte, private ed25519.PrivateKey) error {
	return keep(path, passphrase, private)
}
