// Seals choices into a ballot, tests a device by opening one again, and checks
// the proofs of a ballot. The twin of the Go package internal/protocol/ballot;
// SPEC.md, section 6.
//
// It must never know a person: nothing here names, numbers or dates a voter. A
// sealed ballot is a function of the secret, the typed text and the choices
// alone, so that a second device can recompute every byte and show that the
// first one was honest. No secret leaves it but in what it returns.
//
// A context is {mid, group, key, options}: 32 bytes, a number, the 32 bytes of
// the tellers' key, and the number of options of every question.

import * as group from "./group.js";
import { Again, encrypt, holds, prove } from "./proof.js";
import * as suite from "./suite.js";

export { Again };

const version = 1;
const maxQuestions = 8;
const minOptions = 2;
const maxTyped = 1000;
const codeChars = 26;
const headSize = 1 + 32 + 2 + 1 + 32; // version, mid, group, q, nonce

/** Mismatch is thrown by open: secret, text or ballot is another, or the device lied. */
export class Mismatch extends Error {}

/** newSecret returns a random secret of 16 bytes. */
export const newSecret = () => suite.random(16);

/**
 * recoveryCode returns what a voter writes down: 26 characters and the check
 * character, in groups of four.
 */
export function recoveryCode(secret) {
  const chars = suite.base32(checkSecret(secret), 128);
  return suite.group4(chars + suite.checkCharacter(chars));
}

/**
 * parseRecoveryCode reads a recovery code as a person types it: case, spaces and
 * hyphens do not matter. It throws on what is none.
 */
export function parseRecoveryCode(typed) {
  const all = suite.cleanBase32(typed);
  const chars = all.slice(0, codeChars);
  if (all.length !== codeChars + 1) {
    throw new Error("not a recovery code");
  }
  const secret = suite.parseBase32(chars, 128);
  if (suite.checkCharacter(chars) !== all[codeChars]) {
    throw new Error("not a recovery code");
  }
  return secret;
}

/** bodySize returns the length of a body with questions of that many options. */
export const bodySize = (options) => options.reduce((n, k) => n + 65 + 128 * k, headSize);

/**
 * prepare makes sealing quick for when the voter asks for it, by sealing a
 * ballot that nobody sees: tables are computed and the browser compiles. It
 * takes several times as long as sealing, and belongs where the voter reads.
 */
export async function prepare(context) {
  const none = context.options.map(() => 0);
  (await seal(context, newSecret(), "", none)).wipe();
}

/**
 * seal makes the ballot that follows from a secret, the text that the voter
 * typed, often empty, and the choices, a list of numbers. It gives {body, id,
 * okm, wipe}; okm(label, n) derives further bytes, for the credential, and wipe
 * ends that. It fails with Again for a secret that cannot be used, with a
 * probability of about 2^-250.
 */
export async function seal(context, secret, typed, choices) {
  const key = checkContext(context);
  const chosen = choices.slice(); // whoever chose may choose again while this is sealed
  checkChoices(context, chosen);
  const salt = saltOf(context, encodeTyped(typed), chosen);
  let from = await suite.hkdfKey(checkSecret(secret));
  const okm = (label, n) => {
    if (!from) {
      // Without a key there is nothing to derive: zeros would make keys that anybody has.
      throw new Error("the keys of this ballot are gone");
    }
    return suite.derive(from, suite.hkdfLabel(salt, label), n);
  };
  const body = await sealWith(context, key, okm, chosen);
  const wipe = () => {
    from = null;
    suite.wipe(salt);
    chosen.fill(0);
  };
  return { body, id: await ballotID(body), okm, wipe };
}

/** ballotID returns the id of a body. */
export const ballotID = (body) => suite.H("ballot-id", body);

/**
 * open tests the device that sealed a body: it gives the choices that the
 * secret and the text seal to exactly these bytes, and fails with Mismatch if there
 * are none. Whoever tests knows the secret, so the ballot must not be cast
 * afterwards.
 */
export async function open(context, secret, typed, body) {
  const key = checkContext(context);
  const from = await suite.hkdfKey(checkSecret(secret));
  const text = encodeTyped(typed);
  if (body.length !== bodySize(context.options)) {
    throw new Mismatch("a ballot of another length");
  }
  const nonce = body.slice(headSize - 32, headSize);
  const choices = context.options.map(() => 0);
  // The nonce depends on the choices and is cheap: at most 4^8 of them. Only
  // all bytes decide, though: the device may lie in any of them.
  do {
    const salt = saltOf(context, text, choices);
    const okm = (label, n) => suite.derive(from, suite.hkdfLabel(salt, label), n);
    if (suite.equal(await okm("nonce", 32), nonce)) {
      if (await same(() => sealWith(context, key, okm, choices), body)) {
        return choices;
      }
      break;
    }
  } while (next(choices, context.options));
  throw new Mismatch("no choice seals to this ballot");
}

// same tells whether sealing again gives the body.
async function same(again, body) {
  try {
    return suite.equal(await again(), body);
  } catch (e) {
    if (e instanceof Again) {
      return false;
    }
    throw e;
  }
}

// next counts through all choices and returns false after the last.
function next(choices, options) {
  for (let i = 0; i < choices.length; i++) {
    choices[i]++;
    if (choices[i] < options[i]) {
      return true;
    }
    choices[i] = 0;
  }
  return false;
}

/** check tells whether a body is a valid ballot for the context. */
export async function check(context, body) {
  const key = checkContext(context);
  let questions;
  try {
    questions = parse(context, body);
  } catch (_) {
    return false;
  }
  const head = await headOf(context, body.slice(headSize - 32, headSize), questions);
  const all = await Promise.all(questions.map(async (q, i) => {
    const sum = q.c.reduce((a, b) => a + b, BigInt(0));
    return group.reduce(sum) === (await challenge(head, i, q.commitments)) && holds(key, q, q);
  }));
  return all.every(Boolean);
}

// parse reads a body for the context. It accepts exactly canonical bodies.
function parse(context, body) {
  const r = new suite.Reader(body);
  const start = suite.concat(suite.u8(version), context.mid, suite.u16(context.group), suite.u8(context.options.length));
  if (body.length !== bodySize(context.options) || !suite.equal(r.take(start.length), start)) {
    throw new Error("a ballot for another election");
  }
  r.take(32);
  const questions = context.options.map((k) => parseQuestion(r, k));
  r.done();
  return questions;
}

function parseQuestion(r, k) {
  if (r.u8() !== k) {
    throw new Error("another number of options");
  }
  const list = (n) => Array.from({ length: n }, () => r.take(32));
  const [encR, encC] = list(2);
  const commitments = list(2 * k);
  const points = commitments.map(group.decodePoint);
  return {
    encR,
    encC,
    commitments,
    R: group.decodePoint(encR),
    C: group.decodePoint(encC),
    A: points.filter((_, i) => i % 2 === 0),
    B: points.filter((_, i) => i % 2 === 1),
    c: list(k).map(group.decodeScalar),
    s: list(k).map(group.decodeScalar),
  };
}

// checkContext throws unless ballots can be made for the context, and returns
// its key.
function checkContext({ mid, group: g, key, options }) {
  if (!(mid instanceof Uint8Array) || mid.length !== 32 || !Number.isInteger(g) || g < 1 || g > 65535) {
    throw new Error("not an election and a group");
  }
  if (!Array.isArray(options) || options.length < 1 || options.length > maxQuestions) {
    throw new Error("not a list of questions");
  }
  if (!options.every((k) => Number.isInteger(k) && k >= minOptions && k <= group.maxOptions)) {
    throw new Error("a question with too few or too many options");
  }
  return group.decodeKey(key);
}

function checkChoices({ options }, choices) {
  const valid = (j, i) => Number.isInteger(j) && j >= 0 && j < options[i];
  if (!Array.isArray(choices) || choices.length !== options.length || !choices.every(valid)) {
    throw new Error("not one choice for each question");
  }
}

function checkSecret(secret) {
  if (!(secret instanceof Uint8Array) || secret.length !== 16) {
    throw new Error("not a secret");
  }
  return secret;
}

function encodeTyped(typed) {
  const text = suite.utf8(typed);
  if (text.length > maxTyped) {
    throw new Error("the typed text is too long");
  }
  return text;
}

// saltOf returns that with which everything random in a ballot is derived from its
// secret. The choices are in it: the same secret with another choice must not
// repeat any randomness, for two ciphertexts of one r show their difference.
const saltOf = ({ mid, group: g }, text, choices) => suite.frame(mid, suite.u16(g), Uint8Array.from(choices), text);

// derive gives a scalar under a label with its indexes, as in "c/0/2".
async function derive(okm, ...label) {
  const wide = await okm(label.join("/"), 64);
  const s = group.wideScalar(wide);
  suite.wipe(wide);
  return s;
}

// notZero throws Again for the scalar that would seal nothing.
function notZero(s) {
  if (s === BigInt(0)) {
    throw new Again("a derived scalar is zero");
  }
  return s;
}

// sealWith computes a body from derived keys.
async function sealWith(context, key, okm, choices) {
  const nonce = await okm("nonce", 32);
  const drafts = await Promise.all(choices.map(async (j, i) => {
    const r = notZero(await derive(okm, "r", i));
    const { R, C } = encrypt(key, r, j);
    return { r, encR: group.encodePoint(R), encC: group.encodePoint(C) };
  }));
  const head = await headOf(context, nonce, drafts);
  const questions = await Promise.all(drafts.map(async (d, i) => {
    const k = context.options[i];
    // None is needed for the true option; deriving it keeps the time the same
    // for every choice.
    const each = (label) => Promise.all(Array.from({ length: k }, (_, m) => derive(okm, label, i, m)));
    const [w, c, s] = await Promise.all([derive(okm, "w", i), each("c"), each("s")]);
    const p = await prove(key, d.r, choices[i], { w: notZero(w), c, s }, (commitments) => challenge(head, i, commitments));
    return suite.concat(suite.u8(k), d.encR, d.encC, ...p.commitments, ...p.c.concat(p.s).map(group.encodeScalar));
  }));
  return suite.concat(suite.u8(version), context.mid, suite.u16(context.group), suite.u8(choices.length), nonce, ...questions);
}

// headOf hashes what every proof of a ballot binds.
function headOf({ mid, group: g, key, options }, nonce, questions) {
  const parts = [mid, suite.u16(g), nonce, key, suite.u8(questions.length)];
  questions.forEach((q, i) => parts.push(suite.u8(options[i]), q.encR, q.encC));
  return suite.H512("ballot-head", ...parts);
}

// challenge hashes the head, which question it is, and all its commitments.
async function challenge(head, question, commitments) {
  return group.wideScalar(await suite.H512("ballot-proof", head, suite.u8(question), ...commitments));
}
