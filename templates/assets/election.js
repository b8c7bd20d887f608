// The manifest: everything about one election that must not change once its
// first mail has left. The twin of internal/protocol/election, as far as a voter's
// page relies on it; the bytes are those of SPEC.md, sections 2 and 3.
//
// A link pins the hash of the manifest's exact bytes, and witnesses have signed
// for it, so a manifest that gets here unharmed was checked by the committee that
// signed it and by whoever audits it. Read here are the encoding, the type of
// every field, and each rule that keeps this voter's choice or ballot. Left out
// are the rules that only judge the election as a whole: the fractions of the
// rule and the roles that it needs, the tree of groups, sums and sizes of rolls,
// the keys of committee and tellers' shares, names that repeat, that languages are
// distinct, that the keys of ledger and ballots differ, that a policy of witnesses
// is a majority. Nothing that this page sends or seals depends on them,
// and another manifest that breaks one has another hash.

import { isIssuer } from "./credential.js";
import { decodePoint } from "./group.js";
import { fromUTF8, H, hex, isEd25519, unhex } from "./suite.js";
import { isText, isTextOrEmpty, isVisible } from "./text.js";
import { policy } from "./tlog.js";

const maxFile = 8 << 20;

/** mid hashes a manifest's published bytes. They are never written anew. */
export const mid = (bytes) => H("manifest", bytes);

// must throws one and the same: which rule is broken is for the Go twin to say.
function must(ok) {
  if (!ok) {
    throw new Error("not a manifest");
  }
}

// Shapes: each takes a value and throws on what does not fit.
const text = (max) => (v) => must(isText(v, max));
const blank = (max) => (v) => must(isTextOrEmpty(v, max));
const number = (least, most) => (v) => must(Number.isSafeInteger(v) && v >= least && v <= most);
const flag = (v) => must(typeof v === "boolean");
const one = (...values) => (v) => must(values.includes(v));
const or = (shape) => (v) => v === null || shape(v);

const anyBinary = (v) => unhex(v); // throws
const binary = (size) => (v) => unhex(v, size);

const list = (least, most, shape) => (v) => {
  must(Array.isArray(v) && v.length >= least && v.length <= most);
  v.forEach((item) => shape(item));
};

// record demands exactly the keys of a shape, in its order.
const record = (shapes) => {
  const keys = Object.keys(shapes);
  return (v) => {
    must(v !== null && typeof v === "object" && !Array.isArray(v));
    must(Object.keys(v).join() === keys.join());
    keys.forEach((key) => shapes[key](v[key]));
  };
};

const moment = number(0, Number.MAX_SAFE_INTEGER);
const count = number(0, 0xffffffff);
const texts = (max) => list(1, 8, text(max));

function key32(v) {
  binary(32)(v);
  // Under a key of small order anybody can sign.
  must(isEd25519(unhex(v)));
}

function point(v) {
  binary(32)(v);
  decodePoint(unhex(v)); // throws on the identity too
}

function issuer(v) {
  anyBinary(v);
  // Exactly RSA of 3072 bits with e = 65537: another key could tag a voter.
  must(isIssuer(unhex(v)));
}

function origin(v) {
  const parts = typeof v === "string" && /^(https?):\/\/([a-z0-9.-]{1,253})(?::([1-9][0-9]{0,4}))?$/.exec(v);
  must(parts);
  must(parts[2].split(".").every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label)));
  must(parts[3] === undefined || (Number(parts[3]) <= 65535 && parts[3] !== (parts[1] === "https" ? "443" : "80")));
}

const shape = record({
  suite: one("SV1"),
  election_id: binary(16),
  demo: flag,
  rehearsal: flag,
  languages: list(1, 8, (v) => must(typeof v === "string" && /^[a-z0-9-]{1,16}$/.test(v))),
  title: texts(200),
  statement: list(1, 8, blank(4000)),
  questions: list(1, 8, record({
    text: texts(1000),
    options: list(2, 4, record({ text: texts(200), role: one("yes", "no", "neutral") })),
  })),
  rule: record({
    question: number(0, 7), numerator: count, denominator: count, basis: one("decided", "cast", "entitled"), strict: flag,
    quorum_numerator: count, quorum_denominator: count, support_numerator: count, support_denominator: count,
    per_group: flag, merged: one("together"),
  }),
  groups: list(1, 1000, record({
    id: number(1, 65535), name: text(80), units: list(1, 64, text(80)), roll_size: count, roll_root: binary(32),
    parent: number(0, 65535), batch_min: count, issuer,
  })),
  tellers: record({
    n: number(1, 32), t: number(1, 32), names: list(1, 32, text(80)), static_keys: list(1, 32, binary(32)),
    key: point, shares: list(1, 32, binary(32)), certificate: binary(32),
  }),
  committee: record({
    quorum: number(2, 15), rp_id: blank(253),
    members: list(2, 15, record({ name: text(80), keys: list(1, 4, record({ kind: one("ed25519", "passkey"), key: anyBinary })) })),
  }),
  schedule: record({ open: moment, close: moment, latest_close: moment, grace: number(0, 1800), decide_until: moment }),
  k_min: number(1, 10),
  factor: or(record({ label: texts(80) })),
  separation: record({ kind: one("one-machine", "two-machines", "two-operators"), operators: list(1, 8, text(200)) }),
  ledger: record({ origin: text(255), key: text(1000) }),
  ballots: record({ origin: text(255), key: text(1000) }),
  witnesses: record({ threshold: number(1, 32), keys: list(1, 32, text(1000)) }),
  token_key: key32,
  promise_key: key32,
  origins: record({ booth: origin, registrar: origin, box: origin, board: origin, console: origin }),
  client: or(record({ url: text(1000), sha256: binary(32) })),
  help: record({ email: text(200), phone: text(200) }),
  program: text(80),
});

/**
 * parseManifest reads a manifest's bytes and fails on what is not one. The
 * result has the file's own keys; binary values stay hexadecimal.
 */
export async function parseManifest(bytes) {
  must(bytes.length <= maxFile);
  const file = fromUTF8(bytes);
  must(file.endsWith("\n") && isVisible(file.slice(0, -1)));
  const m = JSON.parse(file);
  // Writing it again and comparing refuses a key that stands twice, which two
  // readers would understand in two ways, and every other spelling of a value.
  must(JSON.stringify(m) + "\n" === file);
  shape(m);
  checkTexts(m);
  m.groups.forEach((g, i) => {
    must(i === 0 || g.id > m.groups[i - 1].id);
    // A key shared by two groups would let a credential of one vote in the other.
    must(m.groups.findIndex((o) => o.issuer === g.issuer) === i);
  });
  const s = m.schedule;
  must(s.open < s.close && s.close <= s.latest_close && s.decide_until > s.latest_close + s.grace);
  const o = m.origins;
  // Two parts on one origin would share what the browser keeps apart.
  must(new Set([o.booth, o.registrar, o.box, o.board, o.console]).size === 5);
  must((await ledgerPolicy(m)).log.name === m.ledger.origin && (await ballotsPolicy(m)).log.name === m.ballots.origin);
  must(m.ledger.origin !== m.ballots.origin);
  return m;
}

// checkTexts demands one text for each language: a voter must never read
// "undefined" where a question stands.
function checkTexts(m) {
  const all = [m.title, m.statement];
  m.questions.forEach((q) => all.push(q.text, ...q.options.map((o) => o.text)));
  if (m.factor !== null) {
    all.push(m.factor.label);
  }
  must(all.every((t) => t.length === m.languages.length));
}

/** groupOf returns the group with that id, or undefined. */
export const groupOf = (m, id) => m.groups.find((g) => g.id === id);

/** options returns how many options each question has. */
export const options = (m) => m.questions.map((q) => q.options.length);

/**
 * isClose tells whether a moment can be the close in force (SPEC.md section 10). Other
 * numbers a registrar could only say falsely, and some are no time that can be shown.
 */
export const isClose = (m, at) => Number.isSafeInteger(at) && at > m.schedule.open && at <= m.schedule.latest_close;

/** ledgerPolicy returns what a checkpoint of the eligibility ledger must satisfy. */
export const ledgerPolicy = (m) => policy(m.ledger.key, m.witnesses.keys, m.witnesses.threshold);

/** ballotsPolicy returns what a checkpoint of the ballot log must satisfy. */
export const ballotsPolicy = (m) => policy(m.ballots.key, m.witnesses.keys, m.witnesses.threshold);

/**
 * sixWords returns six words of a list of 2,048 for the first 66 bits of a mid,
 * which people compare with their mail or a notice board.
 */
export function sixWords(id, words) {
  const bits = BigInt("0x" + hex(id.slice(0, 9))) >> BigInt(6);
  const six = [];
  for (let i = 5; i >= 0; i--) {
    six.push(words[Number((bits >> BigInt(11 * i)) & BigInt(2047))]);
  }
  return six.join(" ");
}
