// ristretto255, the group of prime order in which ballots are sealed and
// proved, and its field of scalars. The twin of the Go packages
// internal/protocol/group and elgamal; SPEC.md, section 1.
//
// It must never accept two encodings of one value, nor the identity where a
// point is read: an identity key would seal nothing and an identity commitment
// would prove anything. It knows nothing of elections.
//
// Points are the library's, scalars are BigInts below the order; both are
// immutable. The library hides a secret scalar from the clock as well as a
// browser allows, by as many additions for every scalar and by a random
// multiple of the order. The digits of a BigInt it cannot hide, nor wipe.

import { ristretto255 } from "./noble.js";
import { fromLE, toLE } from "./suite.js";

const Point = ristretto255.Point;
const zero = BigInt(0);
const one = BigInt(1);

/** order is l, the order of the group. */
export const order = Point.Fn.ORDER;

/** G is the generator. */
export const G = Point.BASE;

/** identity is the neutral element. */
export const identity = Point.ZERO;

/** maxOptions is the most options a question can have: counts of 20 bits each stay below the order. */
export const maxOptions = 4;

/** decodePoint reads a point that must not be the identity. */
export function decodePoint(b) {
  const p = Point.fromBytes(b);
  // The library accepts 32 zero bytes, the canonical encoding of the identity.
  if (p.is0()) {
    throw new Error("not a point: the identity");
  }
  return p;
}

/** encodePoint returns the canonical encoding. */
export const encodePoint = (p) => p.toBytes();

/** decodeScalar reads 32 bytes little-endian below the order. */
export function decodeScalar(b) {
  const s = fromLE(b);
  if (b.length !== 32 || s >= order) {
    throw new Error("not a canonical scalar");
  }
  return s;
}

/** encodeScalar returns the canonical encoding. */
export const encodeScalar = (s) => toLE(s, 32);

/** wideScalar reduces 64 bytes little-endian. */
export function wideScalar(b) {
  if (b.length !== 64) {
    throw new Error("64 bytes expected");
  }
  return fromLE(b) % order;
}

/** reduce returns n modulo the order. */
export function reduce(n) {
  const r = n % order;
  return r < zero ? r + order : r;
}

/** select returns a if choose is true and b if not, by arithmetic, without a branch. */
export const select = (choose, a, b) => reduce(b + BigInt(choose) * (a - b));

/** mul returns sP for a secret s. */
export function mul(p, s) {
  // The library refuses zero. A product by zero takes as long as any other: one
  // that comes back at once would show which option of a question is the true
  // one.
  const product = p.multiply(s === zero ? one : s);
  return s === zero ? identity : product;
}

/** baseMul returns sG for a secret s. */
export const baseMul = (s) => mul(G, s);

/** mulPublic returns sP for a public s, faster. */
export const mulPublic = (p, s) => p.multiplyUnsafe(s);

/** optionScalar returns 2^(20j), which in the exponent stands for option j. */
export const optionScalar = (j) => one << BigInt(20 * j);

/** option returns M_j = 2^(20j) G. */
export const option = (j) => baseMul(optionScalar(j));

// window is the width of the table for a key: at 4 it costs as much as three
// products without one, and a ballot takes at least three.
const window = 4;

let lastKey = { text: "", point: null };

/**
 * decodeKey reads a key that many products are made with. The last one is kept
 * with its table.
 */
export function decodeKey(b) {
  const p = decodePoint(b);
  const text = String(b);
  if (lastKey.text !== text) {
    lastKey = { text, point: p.precompute(window, true) };
  }
  return lastKey.point;
}
