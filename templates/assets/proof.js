// The proof that a ciphertext seals one of the options of its question, without
// showing which. The twin of the Go package internal/protocol/proof; SPEC.md,
// section 6.
//
// It must never be given one nonce twice: two answers show the choice. It knows
// nothing of elections; what a proof is bound to is in the challenge, which the
// caller hashes.

import * as group from "./group.js";

/** Again is thrown for a secret whose values must not be published; take another. */
export class Again extends Error {}

/**
 * encrypt seals option j under a key with the secret scalar r, which must be
 * used once: {R, C}.
 */
export function encrypt(key, r, j) {
  // M_j is computed, not looked up: a table indexed by the choice would show
  // the choice in the caches.
  const sealed = { R: group.baseMul(r), C: group.mul(key, r).add(group.option(j)) };
  return { R: publish(sealed.R), C: publish(sealed.C) };
}

// publish throws for a point that no parser would accept.
function publish(p) {
  if (p.is0()) {
    throw new Again("a computed point is the identity");
  }
  return p;
}

/**
 * prove proves that r seals option j under the key. nonce is {w, c, s}: a scalar
 * and two lists with one for each option, of which those of the true option are
 * not used. challenge is given the encodings A_0, B_0, …, and gives a scalar.
 * The proof is {commitments, c, s}: encodings and two lists of scalars.
 */
export async function prove(key, r, j, nonce, challenge) {
  const commitments = [];
  let sum = BigInt(0);
  nonce.c.forEach((c, m) => {
    // With the true r known, s_m G - c_m R = t G and
    // s_m Y - c_m (C - M_m) = t Y - c_m (2^(20j) - 2^(20m)) G with
    // t = s_m - c_m r. The true option is the same with t = w, since the last
    // term is then zero: one formula, no branch.
    const own = m === j;
    const t = group.select(own, nonce.w, group.reduce(nonce.s[m] - c * r));
    const d = group.reduce(c * (group.optionScalar(j) - group.optionScalar(m)));
    const A = publish(group.baseMul(t));
    const B = publish(group.mul(key, t).subtract(group.baseMul(d)));
    commitments.push(group.encodePoint(A), group.encodePoint(B));
    sum += group.select(own, BigInt(0), c);
  });
  const rest = group.reduce((await challenge(commitments)) - sum);
  const answer = group.reduce(nonce.w + rest * r);
  return {
    commitments,
    c: nonce.c.map((c, m) => group.select(m === j, rest, c)),
    s: nonce.s.map((s, m) => group.select(m === j, answer, s)),
  };
}

/**
 * holds checks the equations of a proof over decoded points: A and B are lists,
 * c and s lists of scalars. That the parts c add up to the challenge, the
 * caller checks.
 */
export function holds(key, { R, C }, { A, B, c, s }) {
  return c.every((part, m) => {
    const first = A[m].add(group.mulPublic(R, part));
    const second = B[m].add(group.mulPublic(C.subtract(group.option(m)), part));
    return group.mulPublic(group.G, s[m]).equals(first) && group.mulPublic(key, s[m]).equals(second);
  });
}
