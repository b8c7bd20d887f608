// Checkpoints of the two logs, the signatures under them, and proofs that an
// entry is in a log. The twin of internal/protocol/tlog, as far as a voter's page
// needs it; the formats are those of SPEC.md, section 9 (c2sp.org/tlog-checkpoint,
// tlog-cosignature, tlog-proof).
//
// It trusts no log: what a log says counts only with the signatures of the
// witnesses that the manifest names. Everything here throws on what does not
// hold, and accepts exactly one spelling of everything.

import { base64, concat, equal, fromBE, fromUTF8, hex, isEd25519, sha256, u8, unbase64, utf8, verifyEd25519 } from "./suite.js";
import { isText } from "./text.js";

const maxNote = 65536;
const maxProof = 1 << 18;
const maxName = 255;
const maxPath = 53;
const maxEntry = 65535;
const typeLog = 0x01;
const typeCosigning = 0x04;
const dash = "\u2014 ";
const header = "c2sp.org/tlog-proof@v1\n";

/** leafHash is the hash of an entry as a leaf. */
export const leafHash = (entry) => sha256(concat(u8(0), entry));

const nodeHash = (left, right) => sha256(concat(u8(1), left, right));

// must throws one and the same: which of the rules is broken is for the Go twin to
// say, and each call says to its reader what is wrong where it throws.
function must(ok) {
  if (!ok) {
    throw new Error("not a signed checkpoint or proof");
  }
}

// isName accepts the names of logs and keys: texts without white space, and
// without the plus sign that separates the parts of a vkey.
const isName = (s) => isText(s, maxName) && !/[\s\u0085+]/.test(s);

// decimal reads a number without sign or leading zeros.
function decimal(text) {
  const n = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : NaN;
  must(Number.isSafeInteger(n)); // not a decimal number in range
  return n;
}

// parseKey accepts exactly what a vkey is: name+id+base64(type || key).
async function parseKey(vkey, kind) {
  const parts = vkey.split("+");
  const name = parts[0];
  const raw = unbase64(parts.slice(2).join("+"));
  must(isName(name) && raw.length === 33 && raw[0] === kind); // not a key of its kind
  const key = raw.slice(1);
  // Under a key of small order anybody can sign.
  must(isEd25519(key)); // not an Ed25519 key
  const id = (await sha256(concat(utf8(name + "\n"), raw))).slice(0, 4);
  must(vkey === `${name}+${hex(id)}+${base64(raw)}`); // key does not have its identifier
  return { name, key, id };
}

/**
 * policy says who must have signed the checkpoints of one log: the log, and
 * threshold of the witnesses. It takes vkeys and fails where the policy cannot
 * be followed. One key under two names would let one witness count as two.
 */
export async function policy(log, witnesses, threshold) {
  const all = await Promise.all([parseKey(log, typeLog)].concat(witnesses.map((w) => parseKey(w, typeCosigning))));
  const p = { log: all[0], witnesses: all.slice(1), threshold };
  must(threshold >= 1 && threshold < all.length); // threshold does not fit the witnesses
  all.forEach((k, i) => {
    must(!all.slice(0, i).some((o) => o.name === k.name || equal(o.key, k.key))); // a name or key twice
  });
  return p;
}

// splitNote takes a note apart into its text and its signature lines.
function splitNote(note) {
  const s = typeof note === "string" ? note : fromUTF8(note);
  const at = s.lastIndexOf("\n\n");
  must(utf8(s).length <= maxNote && at >= 0 && s.endsWith("\n") && at + 2 < s.length); // not a signed note
  return { text: s.slice(0, at + 1), lines: s.slice(at + 2, -1).split("\n").map(parseLine) };
}

function parseLine(line) {
  must(line.startsWith(dash)); // not a signature line
  const [name, text, ...more] = line.slice(dash.length).split(" ");
  must(isName(name) && text !== undefined && more.length === 0); // not a signature line
  const raw = unbase64(text);
  must(raw.length >= 5); // signature line without a signature
  return { name, id: raw.slice(0, 4), sig: raw.slice(4) };
}

// parseText accepts a checkpoint's three lines. Extension lines are refused:
// witnesses state nothing about them, so nothing may hide there.
function parseText(text) {
  const lines = text.split("\n");
  must(lines.length === 4 && lines[3] === "" && isName(lines[0])); // checkpoint is not three lines
  const root = unbase64(lines[2]);
  must(root.length === 32); // checkpoint's root is not a hash
  return { origin: lines[0], size: decimal(lines[1]), root };
}

const isBy = (line, key) => line.name === key.name && equal(line.id, key.id);

// cosigned verifies a witness's line and returns its time.
async function cosigned(text, key, line) {
  must(line.sig.length === 72); // cosignature has the wrong length
  const time = Number(fromBE(line.sig.slice(0, 8)));
  must(Number.isSafeInteger(time)); // cosignature's time is out of range
  const message = utf8(`cosignature/v1\ntime ${time}\n${text}`);
  must(await verifyEd25519(key.key, message, line.sig.slice(8))); // cosignature is not valid
  return time;
}

/**
 * openCheckpoint verifies a checkpoint note, bytes or text: it is of the policy's
 * log, the first line is the log's, all others are of different witnesses in the
 * policy's order, every line is valid, and there are enough of them. It gives
 * {origin, size, root, moment}: moment is when so many witnesses had seen it, in
 * seconds.
 */
export async function openCheckpoint(p, note) {
  const { text, lines } = splitNote(note);
  const c = parseText(text);
  must(c.origin === p.log.name && isBy(lines[0], p.log)); // checkpoint is of another log
  must(await verifyEd25519(p.log.key, utf8(text), lines[0].sig)); // the log's signature is not valid
  const times = [];
  let last = -1;
  for (const line of lines.slice(1)) {
    const at = p.witnesses.findIndex((w) => isBy(line, w));
    must(at > last); // a line by nobody of the policy, or out of order
    last = at;
    times.push(await cosigned(text, p.witnesses[at], line));
  }
  must(times.length >= p.threshold); // fewer cosignatures than the policy demands
  c.moment = times.sort((a, b) => a - b)[p.threshold - 1];
  return c;
}

/**
 * parseProof takes a tlog-proof apart: {extra, index, hashes, note}. It proves
 * nothing until checkProof.
 */
export function parseProof(text) {
  must(typeof text === "string" && text.length <= maxProof && text.startsWith(header)); // not a proof
  const end = text.indexOf("\n\n");
  must(end > 0); // proof without a checkpoint
  const lines = text.slice(header.length, end).split("\n");
  let extra = new Uint8Array(0);
  if (lines[0].startsWith("extra ")) {
    extra = unbase64(lines.shift().slice(6));
    must(extra.length > 0 && extra.length <= maxEntry); // extra is no entry
  }
  const first = lines.shift() || "";
  must(first.startsWith("index ")); // proof without an index
  const index = decimal(first.slice(6));
  const hashes = lines.map((line) => unbase64(line));
  must(hashes.length <= maxPath && hashes.every((h) => h.length === 32)); // audit path is not hashes
  const note = text.slice(end + 2);
  parseText(splitNote(note).text);
  return { extra, index, hashes, note };
}

/**
 * checkProof fails unless a proof, its text or parsed, shows that the log has
 * that leaf, under a checkpoint that satisfies the policy. It gives {index,
 * size, root, moment}.
 */
export async function checkProof(p, proof, leaf) {
  const { index, hashes, note } = typeof proof === "string" ? parseProof(proof) : proof;
  const { size, root, moment } = await openCheckpoint(p, note);
  must(equal(await rootOf(hashes, size, index, leaf), root)); // the proof does not lead to the checkpoint
  return { index, size, root, moment };
}

// rootOf computes the root of a tree of that size from a leaf and its audit path
// (RFC 9162, section 2.1.3.2). Indices pass 2^32, so nothing is shifted here.
async function rootOf(path, size, index, leaf) {
  must(index < size); // index is beyond the log
  let at = index;
  let last = size - 1;
  let hash = leaf;
  const up = () => {
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  };
  for (const sibling of path) {
    must(last > 0); // audit path is too long
    if (at % 2 === 1 || at === last) {
      hash = await nodeHash(sibling, hash);
      while (at % 2 === 0 && at !== 0) {
        up();
      }
    } else {
      hash = await nodeHash(hash, sibling);
    }
    up();
  }
  must(last === 0); // audit path is too short
  return hash;
}
