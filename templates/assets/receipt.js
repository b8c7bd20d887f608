// What a voter keeps after casting: the tracker, by which the ballot is found in
// the published log, and the box's promise to put it there. The twin of
// internal/protocol/receipt; the bytes are those of SPEC.md, sections 6 and 8.
//
// It knows a ballot by its id only. A tracker is computed here and never taken
// from a server, which could show one tracker to two voters.

import { base32, cleanBase32, group4, message, parseBase32, verifyEd25519 } from "./suite.js";

const bits = 100;
const whole = 12; // bytes, and four bits more
const maxTyped = 200;

/** tracker returns a ballot's tracker as a person reads it. */
export const tracker = (id) => group4(base32(id, bits));

/**
 * parseTracker reads what a person typed and returns the 13 bytes with which the
 * ballot's id begins, the last four bits zero; see match. It throws.
 */
export function parseTracker(typed) {
  if (typed.length > maxTyped) {
    throw new Error("not a tracker");
  }
  return parseBase32(cleanBase32(typed), bits);
}

/** match tells whether a ballot's id begins with the bits of a tracker. */
export function match(id, prefix) {
  for (let i = 0; i < whole; i++) {
    if (id[i] !== prefix[i]) {
      return false;
    }
  }
  return prefix.length === whole + 1 && (id[whole] & 0xf0) === prefix[whole];
}

/** verifyPromise tells whether promise is the one for that ballot. */
export async function verifyPromise(key, mid, id, promise) {
  return promise instanceof Uint8Array && verifyEd25519(key, message("promise", mid, id), promise);
}
