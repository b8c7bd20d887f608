package signer

import "crypto/ed25519"

// CheapPassphrases makes key files that are opened quickly. It returns what it
// replaced.
func CheapPassphrases() (time, memory uint32) {
	time, memory = argonTime, argonMemory
	argonTime, argonMemory = 1, 8
	return time, memory
}

// The largest parameters that a file may ask for.
const (
	MaxTime   = maxTime
	MaxMemory = maxMemory
)

// Base is the address that a console asks.
func (c *Console) Base() string { return c.base }

// Keep seals a key that was made elsewhere.
func Keep(path string, passphrase []byte, private ed25519.PrivateKey) error {
	return keep(path, passphrase, private)
}
