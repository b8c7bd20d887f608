// The voter's side of blind signatures: blinds a request for a credential on
// one finished ballot, makes the credential of the issuer's answer, and
// verifies credentials. The twin of the Go package internal/protocol/credential;
// SPEC.md, section 7.
//
// It holds public keys only. It must never send, keep or show what links a
// request to a ballot: the inverse of the blind stays inside the request.
//
// The scheme is RSABSSA-SHA384-PSS-Deterministic of RFC 9474. Salt and blind
// are derived from the voter's secret, so that a test of the device can compute
// a request again, and so that its random bits cannot carry anything out.

import { encodePSS, Modulus } from "./rsa.js";
import * as suite from "./suite.js";

const bits = 3072;
const size = bits / 8;
const saltSize = 48;
const blindSize = 400;

// maxBlinds bounds the search for an invertible blind. With an honest key the
// first is invertible; a key for which two are not was made to be noticed.
const maxBlinds = 16;

// spkiPrefix and spkiSuffix stand around the modulus in every issuer's key
// (SPEC.md section 21).
const spkiPrefix = suite.unhex(
  "308201d2303d06092a864886f70d01010a3030a00d300b0609608648016503040202" +
    "a11a301806092a864886f70d010108300b0609608648016503040202a20302013003" +
    "82018f003082018a0282018100",
);
const spkiSuffix = suite.unhex("0203010001");

/** BadAnswer is thrown for an answer that does not make a valid credential: with the request it is evidence. */
export class BadAnswer extends Error {}

/** message returns what a credential signs: one ballot, in one group of one election. */
export const message = (mid, group, id) => suite.message("credential", mid, suite.u16(group), id);

// parseKey reads an issuer's SPKI. It accepts one encoding and an odd modulus
// of exactly 3072 bits: another would let an issuer learn something of the
// blinded message (RFC 9474 section 7.3).
function parseKey(spki) {
  const r = new suite.Reader(spki);
  const before = r.take(spkiPrefix.length);
  const modulus = r.take(size);
  const after = r.take(spkiSuffix.length);
  r.done();
  if (!suite.equal(before, spkiPrefix) || !suite.equal(after, spkiSuffix)) {
    throw new Error("issuer key is not of the suite's algorithm and parameters");
  }
  if ((modulus[0] & 0x80) === 0 || (modulus[size - 1] & 1) === 0) {
    throw new Error("issuer's modulus is even or does not have 3072 bits");
  }
  return new Modulus(suite.fromBE(modulus), bits);
}

/** isIssuer tells whether bytes are an issuer's SPKI. */
export const isIssuer = (spki) => suite.reads(parseKey, spki);

/**
 * blind makes the request for a credential on a message. okm(label, n) derives
 * bytes from the voter's secret; the same arguments make the same request, so
 * that it can be repeated. It gives {z, finalize}: z is sent to the registrar,
 * and finalize(answer) gives the credential, verified, or throws BadAnswer.
 */
export async function blind(spki, signed, okm) {
  const key = parseKey(spki);
  const one = BigInt(1);
  for (let counter = 0; counter < maxBlinds; counter++) {
    // 400 bytes are 128 bits more than the modulus: the remainder is even.
    const wide = await okm(`blind/${counter}`, blindSize);
    const b = one + (suite.fromBE(wide) % (key.n - one));
    suite.wipe(wide);
    const inverted = key.inverse(b);
    if (inverted === null) {
      continue;
    }
    const z = key.blind(await encodePSS(signed, await okm("salt", saltSize), bits - 1), b);
    return { z, finalize: (answer) => finalize(key, signed, answer, inverted) };
  }
  throw new Error("the issuer's key is not an RSA key");
}

async function finalize(key, signed, answer, inverted) {
  const signature = key.unblind(answer, inverted);
  if (signature === null || !(await key.verify(signed, signature, saltSize))) {
    throw new BadAnswer("the issuer's answer does not make a valid credential");
  }
  return signature;
}

/**
 * verify tells whether a signature is a credential on a message by the issuer
 * with that SPKI: exactly 384 bytes, below the modulus, with a salt of exactly
 * 48 bytes. It fails on what is no issuer's key.
 */
export const verify = async (spki, signed, signature) => parseKey(spki).verify(signed, signature, saltSize);
