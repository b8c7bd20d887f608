// What a member votes with: the token inside a mailed link, and the code that is
// typed where a link cannot be opened. The twin of internal/protocol/token, as
// far as a voter's page needs it; the bytes are those of SPEC.md, section 5.
//
// It verifies no token: the registrar does. Errors say what kind of fault there
// is and hold no part of what was read.

import { Reader, checkCharacter, cleanBase32, hex, parseBase32, reads, unb64url } from "./suite.js";

const tokenSize = 111;
const tokenChars = 148; // base64url of it
const midChars = 43;
const maxOrigin = 255;
const maxTyped = 200; // bounds what a person typed before it is looked at
const codeChars = 20;

/** A link's kind: of a person on the roll, or of an envelope only. */
export const kindMember = 1;
export const kindEnvelope = 2;

function fault(reason, more) {
  return Object.assign(new Error(reason), { reason }, more);
}

/**
 * parseLink takes a voting link apart: {booth, token, mid, electionId, group,
 * kind, index, exp}; electionId is hexadecimal, exp in seconds. It accepts
 * exactly what the mailer makes, except that the # may be written %23, as some
 * mail programs do. It throws an Error whose reason is "cut" where the end of a
 * link is missing, and "bad" for anything else.
 */
export function parseLink(href) {
  const at = typeof href === "string" ? href.indexOf("/v1/") : -1;
  const booth = at < 0 ? "" : href.slice(0, at);
  if (!isOrigin(booth)) {
    throw fault("bad");
  }
  const found = /^(?:#|%23)([^]*)$/.exec(href.slice(at + 4));
  if (!found) {
    throw fault("bad");
  }
  const parts = /^t=([A-Za-z0-9_-]*)&m=([A-Za-z0-9_-]*)$/.exec(found[1]);
  if (!parts || parts[1].length !== tokenChars || parts[2].length !== midChars) {
    throw fault(isCut(found[1]) ? "cut" : "bad");
  }
  return Object.assign({ booth }, readToken(parts[1]), { mid: decode(parts[2], 32) });
}

// isCut tells whether a fragment is the beginning of a link's.
function isCut(params) {
  const n = params.length;
  const first = /^t=([A-Za-z0-9_-]*)/.exec(params);
  if (!first) {
    return "t=".startsWith(params);
  }
  if (first[1].length < tokenChars) {
    return first[0].length === n;
  }
  const rest = params.slice(2 + tokenChars);
  return "&m=".startsWith(rest) || (rest.length < 3 + midChars && /^&m=[A-Za-z0-9_-]*$/.test(rest));
}

function decode(text, size) {
  let raw;
  try {
    raw = unb64url(text);
  } catch (_) {
    throw fault("bad");
  }
  if (raw.length !== size) {
    throw fault("bad");
  }
  return raw;
}

function readToken(text) {
  const token = decode(text, tokenSize);
  const r = new Reader(token);
  const kind = r.u8();
  const electionId = hex(r.take(16));
  const group = r.u16();
  const index = r.u32();
  r.take(16); // makes the tokens of one person different
  const exp = Number(r.u64());
  if ((kind !== kindMember && kind !== kindEnvelope) || group === 0 || !Number.isSafeInteger(exp)) {
    throw fault("bad");
  }
  return { token, kind, electionId, group, index, exp };
}

// isOrigin accepts a scheme, a host and perhaps a port. A user name, which makes
// a link look like one to somewhere else, is refused.
function isOrigin(s) {
  return s.length <= maxOrigin && /^https?:\/\/[a-z0-9.:[\]-]+$/.test(s);
}

/**
 * parseCode reads what a person typed and returns the 20 characters of a code.
 * It throws an Error whose reason is "empty", "length" (with count, how many
 * characters there were), "check" where a character is wrong, or "tracker" where
 * it is the length of a tracker: that finds a ballot, and opens none.
 */
export function parseCode(typed) {
  const text = cleanBase32(String(typed).slice(0, maxTyped + 1));
  if (text === "") {
    throw fault("empty", { count: 0 });
  }
  if (text.length === codeChars && isBase32(text)) {
    throw fault("tracker", { count: codeChars });
  }
  if (text.length !== codeChars + 1) {
    throw fault("length", { count: text.length });
  }
  const code = text.slice(0, codeChars);
  if (!isBase32(code) || checkCharacter(code) !== text[codeChars]) {
    throw fault("check", { count: text.length });
  }
  return code;
}

const isBase32 = (text) => reads(parseBase32, text, 5 * text.length);
