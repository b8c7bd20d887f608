package credential

import (
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
)

const hashSize = sha512.Size384

// encodePSS is EMSA-PSS-ENCODE (RFC 8017, section 9.1.1) with SHA-384 and MGF1
// with SHA-384. It panics if bits is too small for hash and salt.
func encodePSS(msg, salt []byte, bits int) []byte {
	size := (bits + 7) / 8
	if size < hashSize+len(salt)+2 {
		panic("credential: PSS encoding is too short")
	}
	em := make([]byte, size)
	db, h := em[:size-hashSize-1], em[size-hashSize-1:size-1]
	copy(h, hashPSS(msg, salt))
	db[len(db)-len(salt)-1] = 0x01
	copy(db[len(db)-len(salt):], salt)
	maskPSS(db, h)
	em[0] &= 0xff >> (8*size - bits)
	em[size-1] = 0xbc
	return em
}

// verifyPSS is EMSA-PSS-VERIFY (RFC 8017, section 9.1.2). The salt has exactly
// saltSize bytes: a verifier that finds the length by itself accepts signatures
// that another refuses.
func verifyPSS(msg, em []byte, saltSize, bits int) bool {
	size := (bits + 7) / 8
	if len(em) != size || size < hashSize+saltSize+2 || em[size-1] != 0xbc {
		return false
	}
	top := byte(0xff) >> (8*size - bits)
	if em[0]&^top != 0 {
		return false
	}
	db := make([]byte, size-hashSize-1)
	copy(db, em)
	h := em[len(db) : size-1]
	maskPSS(db, h)
	db[0] &= top
	zeros, salt := db[:len(db)-saltSize-1], db[len(db)-saltSize:]
	for _, b := range zeros {
		if b != 0 {
			return false
		}
	}
	if db[len(zeros)] != 0x01 {
		return false
	}
	return subtle.ConstantTimeCompare(h, hashPSS(msg, salt)) == 1
}

// hashPSS returns H of the encoding: eight zero bytes, the message's hash, the
// salt.
func hashPSS(msg, salt []byte) []byte {
	digest := sha512.Sum384(msg)
	m := make([]byte, 8, 8+hashSize+len(salt))
	m = append(m, digest[:]...)
	m = append(m, salt...)
	h := sha512.Sum384(m)
	return h[:]
}

// maskPSS adds MGF1(seed) to db.
func maskPSS(db, seed []byte) {
	block := make([]byte, len(seed)+4)
	copy(block, seed)
	for counter := uint32(0); len(db) > 0; counter++ {
		binary.BigEndian.PutUint32(block[len(seed):], counter)
		mask := sha512.Sum384(block)
		n := subtle.XORBytes(db, db, mask[:])
		db = db[n:]
	}
}
