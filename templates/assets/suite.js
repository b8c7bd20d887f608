// What every structure of suite SV1 is made of: framing and labelled hashes,
// integers, base32 for people, and the verification of Ed25519. The twin of the
// Go package internal/protocol/suite; the bytes are those of SPEC.md, section 1.
//
// It knows nothing of voting and must never hold a secret for longer than a
// call. Bytes are Uint8Array everywhere, and every parser throws on what is not
// the one encoding of a value.
//
// Hashes are the browser's own (boot.js looks for them). They are promises: whatever
// waits for one takes a copy of what it goes on with, since the page lives on.

import { edwards } from "./noble.js";

// prefix separates the hashes and signatures of SV1 from those of anything else.
const prefix = "strikevote/v1/";

const zero = BigInt(0);

// The width of the library's table for the base point, of ristretto255 too. Its
// own, 6, pays off after forty products; a voter's page makes ten to thirty, and
// the first of them is what somebody with a slow phone waits for.
edwards.BASE.precompute(4);

// bytes throws unless v is a Uint8Array: a text or a promise that slipped in
// would be hashed as something, and nobody would see it.
function bytes(v, size) {
  if (!(v instanceof Uint8Array) || (size !== undefined && v.length !== size)) {
    throw new TypeError(size === undefined ? "bytes expected" : `${size} bytes expected`);
  }
  return v;
}

/** reads tells whether a reader takes what it is given, or throws. */
export function reads(read, ...given) {
  try {
    read(...given);
    return true;
  } catch (_) {
    return false;
  }
}

/** concat joins byte strings. */
export function concat(...parts) {
  let size = 0;
  for (const p of parts) {
    size += bytes(p).length;
  }
  const out = new Uint8Array(size);
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** equal compares two byte strings; its time depends on their lengths only. */
export function equal(a, b) {
  if (bytes(a).length !== bytes(b).length) {
    return false;
  }
  let difference = 0;
  for (let i = 0; i < a.length; i++) {
    difference |= a[i] ^ b[i];
  }
  return difference === 0;
}

/** wipe overwrites byte strings that held a secret. What the browser copied of them stays. */
export function wipe(...parts) {
  for (const p of parts) {
    bytes(p).fill(0);
  }
}

/** random returns n random bytes. */
export function random(n) {
  const out = new Uint8Array(n);
  crypto.getRandomValues(out);
  return out;
}

/** utf8 encodes a text. It throws on half a surrogate pair, which has no encoding. */
export function utf8(text) {
  const out = new TextEncoder().encode(text);
  if (typeof text !== "string" || fromUTF8(out) !== text) {
    throw new Error("not a text");
  }
  return out;
}

/** fromUTF8 decodes a text and throws on bytes that are none. */
export function fromUTF8(b) {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes(b));
}

// bigEndian writes a number or BigInt in size bytes.
function bigEndian(n, size) {
  if (typeof n !== "bigint" && !Number.isSafeInteger(n)) {
    throw new RangeError("an integer expected");
  }
  return toBE(BigInt(n), size);
}

/** u8 returns one byte, u16 and so on n big-endian. */
export const u8 = (n) => bigEndian(n, 1);
export const u16 = (n) => bigEndian(n, 2);
export const u32 = (n) => bigEndian(n, 4);
/** u64 returns n, a number or a BigInt, big-endian. */
export const u64 = (n) => bigEndian(n, 8);

/** fromBE reads a BigInt. */
export function fromBE(b) {
  return bytes(b).length === 0 ? zero : BigInt("0x" + hex(b));
}

/** toBE writes a BigInt in exactly size bytes and throws if it does not fit. */
export function toBE(n, size) {
  const digits = n === zero ? "" : n.toString(16);
  if (n < zero || digits.length > 2 * size) {
    throw new RangeError(`not an integer of ${size} bytes`);
  }
  return unhex("0".repeat(2 * size - digits.length) + digits);
}

/** fromLE reads a BigInt, the lowest byte first. */
export const fromLE = (b) => fromBE(bytes(b).slice().reverse());

/** toLE writes a BigInt in exactly size bytes, the lowest byte first. */
export const toLE = (n, size) => toBE(n, size).reverse();

/** hex writes lowercase hexadecimal. */
export function hex(b) {
  let out = "";
  for (const v of bytes(b)) {
    out += (v < 16 ? "0" : "") + v.toString(16);
  }
  return out;
}

/** unhex reads lowercase hexadecimal, of exactly size bytes if size is given. */
export function unhex(text, size) {
  if (typeof text !== "string" || text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) {
    throw new Error("not lowercase hexadecimal");
  }
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) {
    out[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes(out, size);
}

/** base64 writes base64 with padding. */
export function base64(b) {
  let chars = "";
  for (const v of bytes(b)) {
    chars += String.fromCharCode(v);
  }
  return btoa(chars);
}

/** unbase64 reads exactly what base64 writes. */
export function unbase64(text) {
  // atob overlooks spaces, missing padding and bits that are not used, so what
  // was read is written again and compared.
  const out = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  if (base64(out) !== text) {
    throw new Error("not base64");
  }
  return out;
}

/** b64url writes base64 for URLs, without padding. */
export const b64url = (b) => base64(b).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");

/** unb64url reads exactly what b64url writes. */
export function unb64url(text) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text)) {
    throw new Error("not base64");
  }
  return unbase64(text.replace(/-/g, "+").replace(/_/g, "/") + "=".repeat((4 - (text.length % 4)) % 4));
}

/**
 * frame joins byte strings so that no two lists of parts give the same bytes:
 * each part is preceded by its length as a u32.
 */
export function frame(...parts) {
  const all = [];
  for (const p of parts) {
    all.push(u32(bytes(p).length), p);
  }
  return concat(...all);
}

/** message is what is signed under a label: the framed label and parts, unhashed. */
export const message = (label, ...parts) => frame(utf8(prefix + label), ...parts);

// sha returns a hash of the family SHA-2. The browser copies the bytes at once.
const sha = (size) => async (b) => new Uint8Array(await crypto.subtle.digest(`SHA-${size}`, bytes(b)));

/** sha256, sha384 and sha512 hash bytes. */
export const sha256 = sha(256);
export const sha384 = sha(384);
export const sha512 = sha(512);

/** H is SHA-256 over the framed label and parts. */
export const H = (label, ...parts) => sha256(message(label, ...parts));

/** H512 is SHA-512 over the framed label and parts. */
export const H512 = (label, ...parts) => sha512(message(label, ...parts));

/** hkdfKey gives a secret to the browser to derive from; no script can read it there. */
export const hkdfKey = (ikm) => crypto.subtle.importKey("raw", bytes(ikm), "HKDF", false, ["deriveBits", "deriveKey"]);

/** hkdfRaw says what the browser derives: by HKDF-SHA-512, under any info. */
export const hkdfRaw = (salt, info) => ({ name: "HKDF", hash: "SHA-512", salt: bytes(salt), info: bytes(info) });

/** hkdfLabel is hkdfRaw under a label of SV1, given without its prefix. */
export const hkdfLabel = (salt, label) => hkdfRaw(salt, utf8(prefix + label));

/** derive returns n bytes of a key; how is of hkdfRaw or hkdfLabel. */
export const derive = async (key, how, n) => new Uint8Array(await crypto.subtle.deriveBits(how, key, 8 * n));

// alphabet is Crockford's: without I, L, O and U, which people misread.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** base32 writes the first bits of b, most significant first, without separators. */
export function base32(b, bits) {
  if (bits < 0 || bits > 8 * bytes(b).length) {
    throw new RangeError("more bits than there are");
  }
  let out = "";
  for (let at = 0; at < bits; at += 5) {
    let v = 0;
    for (let i = at; i < at + 5; i++) {
      v = (v << 1) | (i < bits ? (b[i >> 3] >> (7 - (i % 8))) & 1 : 0);
    }
    out += alphabet[v];
  }
  return out;
}

/** parseBase32 accepts exactly what base32 makes of that many bits. */
export function parseBase32(text, bits) {
  if (typeof text !== "string" || text.length !== Math.ceil(bits / 5)) {
    throw new Error("not a base32 text of the right length");
  }
  const out = new Uint8Array(Math.ceil(bits / 8));
  for (let n = 0; n < text.length; n++) {
    const v = alphabet.indexOf(text[n]);
    if (v < 0) {
      throw new Error("not a base32 text");
    }
    for (let i = 0; i < 5; i++) {
      const bit = (v >> (4 - i)) & 1;
      const at = 5 * n + i;
      if (at < bits) {
        out[at >> 3] |= bit << (7 - (at % 8));
      } else if (bit !== 0) {
        throw new Error("a second spelling of the same bits");
      }
    }
  }
  return out;
}

/**
 * checkCharacter returns the check character of a base32 text (SPEC.md section
 * 1). It finds any one wrong character and any swap of two neighbours.
 */
export function checkCharacter(text) {
  let sum = 0;
  let power = 1;
  for (const c of text) {
    const v = alphabet.indexOf(c);
    if (v < 0) {
      throw new Error("not a base32 text");
    }
    power = double(power);
    sum ^= times(power, v);
  }
  return alphabet[sum];
}

// double multiplies by x in GF(32) = GF(2)[x]/(x^5+x^2+1).
const double = (a) => (a << 1) ^ (a & 16 ? 0x25 : 0);

function times(a, b) {
  let product = 0;
  for (; b !== 0; b >>= 1) {
    product ^= b & 1 ? a : 0;
    a = double(a);
  }
  return product;
}

/** group4 shows a base32 text in groups of four, joined by hyphens. */
export const group4 = (text) => text.replace(/.{4}(?=.)/g, "$&-");

/**
 * cleanBase32 turns what a person typed into the alphabet: case, spaces and
 * hyphens do not matter, O is 0, I and L are 1. Other characters stay, and
 * parseBase32 refuses them.
 */
export function cleanBase32(typed) {
  return typed
    .replace(/[ \-\u00a0\u2010\u2011\u2013\t\r\n]/g, "")
    .replace(/[oO]/g, "0")
    .replace(/[iIlL]/g, "1")
    .replace(/[a-z]/g, (c) => c.toUpperCase());
}

/** Reader takes a binary structure apart. Each read past the end throws. */
export class Reader {
  constructor(b) {
    this.b = bytes(b);
    this.at = 0;
  }

  /** take returns a copy of the next n bytes. */
  take(n) {
    if (n > this.rest()) {
      throw new Error("truncated");
    }
    this.at += n;
    return this.b.slice(this.at - n, this.at);
  }

  /** u8 reads one byte. */
  u8() {
    return this.take(1)[0];
  }

  /** u16 reads a big-endian u16. */
  u16() {
    return Number(fromBE(this.take(2)));
  }

  /** u32 reads a big-endian u32. */
  u32() {
    return Number(fromBE(this.take(4)));
  }

  /** u64 reads a big-endian u64 as a BigInt. */
  u64() {
    return fromBE(this.take(8));
  }

  /** rest returns how many bytes are left. */
  rest() {
    return this.b.length - this.at;
  }

  /** done throws unless exactly the whole input was read. */
  done() {
    if (this.rest() !== 0) {
      throw new Error("bytes too many");
    }
  }
}

// point reads the canonical encoding of a point that is not of small order, or
// returns null. Under a key of small order anybody can sign.
function point(b) {
  try {
    const p = edwards.fromBytes(b);
    return p.isSmallOrder() ? null : p;
  } catch (_) {
    return null;
  }
}

/** isEd25519 tells whether 32 bytes are an Ed25519 public key. */
export const isEd25519 = (publicKey) => bytes(publicKey).length === 32 && point(publicKey) !== null;

/**
 * verifyEd25519 verifies a signature by the rule of SPEC.md section 1: without
 * the cofactor, the key canonical and not of small order, s below l, and R
 * compared as bytes. The library's own rule would accept what other verifiers
 * of this election refuse. It gives a boolean and fails only on what is not
 * bytes.
 */
export async function verifyEd25519(publicKey, signed, signature) {
  if (bytes(publicKey).length !== 32 || bytes(signature).length !== 64) {
    return false;
  }
  bytes(signed);
  const l = edwards.Fn.ORDER;
  const R = signature.slice(0, 32);
  const s = fromLE(signature.slice(32));
  const A = point(publicKey);
  if (A === null || s >= l) {
    return false;
  }
  const k = fromLE(await sha512(concat(R, publicKey, signed))) % l;
  return equal(edwards.BASE.multiplyUnsafe(s).subtract(A.multiplyUnsafe(k)).toBytes(), R);
}
