// RSA with the exponent 65537 as far as blind signatures need it, and the
// encoding EMSA-PSS of RFC 8017 with SHA-384. One half of the twin of the Go
// package internal/protocol/credential; the other is credential.js.
//
// It holds public keys only and must never be given a private one: everything
// here takes variable time, on the voter's own device or on public data.

import { concat, equal, fromBE, sha384, toBE, u32 } from "./suite.js";

const zero = BigInt(0);
const one = BigInt(1);
const hashSize = 48;

// inverse returns 1/a mod n, or null where a and n have a common factor.
function inverse(a, n) {
  let [r, next] = [n, a % n];
  let [t, nextT] = [zero, one];
  while (next !== zero) {
    const q = r / next;
    [r, next] = [next, r - q * next];
    [t, nextT] = [nextT, t - q * nextT];
  }
  if (r !== one) {
    return null;
  }
  return t < zero ? t + n : t;
}

/** Modulus is the public key of an issuer: RSA with the exponent 65537. */
export class Modulus {
  /** n is the modulus as a BigInt that has exactly that many bits. */
  constructor(n, bits) {
    this.n = n;
    this.bits = bits;
    this.size = Math.ceil(bits / 8);
  }

  // power returns x^65537 mod n.
  power(x) {
    let y = x;
    for (let i = 0; i < 16; i++) {
      y = (y * y) % this.n;
    }
    return (y * x) % this.n;
  }

  /** inverse returns 1/a mod n, or null where there is none. */
  inverse(a) {
    return inverse(a, this.n);
  }

  /** blind returns encoded * b^e mod n as bytes. */
  blind(encoded, b) {
    const m = fromBE(encoded);
    // A blinded message keeps its common factor with the modulus, and an issuer
    // with a modulus made for that would learn it (RFC 9474 section 4.2).
    if (this.inverse(m) === null) {
      throw new Error("the message has a factor of the issuer's modulus");
    }
    return toBE((m * this.power(b)) % this.n, this.size);
  }

  /** unblind returns answer * inverse mod n as bytes, or null for what is no answer. */
  unblind(answer, inverted) {
    const s = fromBE(answer);
    if (answer.length !== this.size || s >= this.n) {
      return null;
    }
    return toBE((s * inverted) % this.n, this.size);
  }

  /**
   * verify is RSASSA-PSS-VERIFY. A signature that is not below the modulus is a
   * second spelling of one that is.
   */
  async verify(message, signature, saltSize) {
    const s = fromBE(signature);
    if (signature.length !== this.size || s >= this.n) {
      return false;
    }
    const bits = this.bits - 1;
    const m = this.power(s);
    if (m >> BigInt(bits) !== zero) {
      return false;
    }
    return verifyPSS(message, toBE(m, Math.ceil(bits / 8)), saltSize, bits);
  }
}

/** encodePSS is EMSA-PSS-ENCODE (RFC 8017, section 9.1.1). */
export async function encodePSS(message, salt, bits) {
  const size = Math.ceil(bits / 8);
  if (size < hashSize + salt.length + 2) {
    throw new RangeError("too few bits for hash and salt");
  }
  const h = await hashPSS(message, salt);
  const db = new Uint8Array(size - hashSize - 1);
  db[db.length - salt.length - 1] = 1;
  db.set(salt, db.length - salt.length);
  await mask(db, h);
  db[0] &= 0xff >> (8 * size - bits);
  return concat(db, h, Uint8Array.of(0xbc));
}

/**
 * verifyPSS is EMSA-PSS-VERIFY (RFC 8017, section 9.1.2). The salt has exactly
 * saltSize bytes: a verifier that finds the length by itself accepts signatures
 * that another refuses.
 */
export async function verifyPSS(message, encoded, saltSize, bits) {
  const size = Math.ceil(bits / 8);
  if (encoded.length !== size || size < hashSize + saltSize + 2 || encoded[size - 1] !== 0xbc) {
    return false;
  }
  const top = 0xff >> (8 * size - bits);
  if ((encoded[0] & ~top) !== 0) {
    return false;
  }
  const db = encoded.slice(0, size - hashSize - 1);
  const h = encoded.slice(db.length, size - 1);
  await mask(db, h);
  db[0] &= top;
  const end = db.length - saltSize - 1;
  if (db.slice(0, end).some((b) => b !== 0) || db[end] !== 1) {
    return false;
  }
  return equal(h, await hashPSS(message, db.slice(end + 1)));
}

// hashPSS returns H of the encoding: eight zero bytes, the message's hash, the
// salt.
const hashPSS = async (message, salt) => sha384(concat(new Uint8Array(8), await sha384(message), salt));

// mask adds MGF1(seed) to db.
async function mask(db, seed) {
  for (let at = 0; at < db.length; at += hashSize) {
    const block = await sha384(concat(seed, u32(at / hashSize)));
    block.slice(0, db.length - at).forEach((b, i) => { db[at + i] ^= b; });
  }
}
