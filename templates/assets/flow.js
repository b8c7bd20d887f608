// Which screen a voter sees: decisions without a page, so that they can be tested
// without one. Nothing here keeps or sends anything.

import { fromUTF8, hex, unb64url } from "./suite.js";

/**
 * entry says what an address brings: {kind: "link", href}, {kind: "code",
 * electionId, desk, cut} (at a voting desk; after a link that was cut), {kind:
 * "step", step} for the address of a page that was reloaded, or {kind: "nothing"}.
 */
export function entry(href) {
  const at = href.indexOf("/v1/");
  const rest = at < 0 ? "" : href.slice(at + 4);
  // Some mail programs write the # as %23, and programs that count clicks put something
  // of their own before it, which says nothing.
  const link = /^(?:\?[^#%]*)?((?:#|%23)[tm]=[^]*)$/.exec(rest);
  if (link) {
    return { kind: "link", href: href.slice(0, at + 4) + link[1] };
  }
  const parts = /^([0-9a-f]{32})?(?:\?[^#]*)?(?:#(.*))?$/.exec(rest);
  if (!parts) {
    return { kind: "nothing" };
  }
  const [, electionId, step] = parts;
  if (electionId && (!step || step === "desk" || step === "cut")) {
    return { kind: "code", electionId, desk: step === "desk", cut: step === "cut" };
  }
  return step ? { kind: "step", step, electionId } : { kind: "nothing" };
}

/**
 * own returns what of a tab's memory is of who opens an address. With another link,
 * and with a code that is yet to be typed, it may be another member: the answer of
 * the one before must not be shown to them, nor go into their ballot.
 */
export function own(found, tab) {
  if (found.kind === "code" || (found.kind === "link" && !(tab.link && tab.link.href === found.href))) {
    const { draft, desk } = tab;
    return found.kind === "code" ? { draft, desk } : {};
  }
  return tab;
}

/**
 * electionOf reads the election out of the beginning of a link that was cut, so
 * that its code can be typed instead; null where too little of it is left.
 */
export function electionOf(href) {
  const found = /[#?&3]t=([A-Za-z0-9_-]{24})/.exec(href);
  return found ? hex(unb64url(found[1]).slice(1, 17)) : null;
}

/** neutral gives the index of the option that takes neither side, or -1. */
export const neutral = (question) => question.options.findIndex((o) => o.role === "neutral");

/** complete tells whether every question has an answer. */
export const complete = (choices, questions) => questions.every((_, i) => choices[i] >= 0);

/** stepOf returns the part of the address that belongs to a screen, or null. */
export function stepOf(screen, args) {
  const fixed = { start: "start", confirm: "confirm", factor: "answer", check: "check", test: "check", recovery: "check", cast: "cast", done: "done", recover: "recover" };
  return screen === "question" ? `q${args.index + 1}` : fixed[screen] || null;
}

/**
 * screenOf is stepOf turned round, for Back, Forward and Reload: the screen of a
 * step, or the first one before it that is not yet done. A step is never
 * reached by its address alone.
 */
export function screenOf(step, choices, questions) {
  const last = /^q([1-8])$/.exec(step);
  let n = last ? Number(last[1]) - 1 : step === "check" ? questions.length : -1;
  if (n < 0) {
    return { screen: step === "recover" ? "recover" : "start" };
  }
  const first = questions.findIndex((_, i) => !(choices[i] >= 0));
  n = Math.min(n, first < 0 ? questions.length : first);
  return n === questions.length ? { screen: "check" } : { screen: "question", args: { index: n } };
}

/**
 * opened says what a link leads to before anything was asked about it. confirmed is
 * the hash of the manifest whose six words were compared in this tab: a code is sent
 * for no other, not even when a page is loaded again.
 */
export function opened(session, step, confirmed) {
  switch (session.stage) {
    case "received":
      return step === "done" ? "done" : "voted";
    case "deposited":
      return "deposited";
    case "sealed":
    case "issued":
      // It was kept before it was asked for, so it may have been issued.
      return step === "cast" ? "cast" : session.kept ? "unfinished" : "start";
  }
  const compared = confirmed && step && step !== "confirm" && confirmed === hex(session.mid);
  return session.group || compared ? "start" : "confirm"; // of a code the group is not known yet
}

/** after says what a status leads to; now is in seconds, by the service's clock. */
export function after(status, schedule, now) {
  switch (status.phase) {
    case "open":
      return status.issued ? "elsewhere" : status.envelopeOnly ? "envelope" : "question";
    case "closed":
      return !status.issued ? "closed" : now < status.close + schedule.grace ? "elsewhere" : "closed-issued";
    case "sealed":
      return "before";
    case "cancelled":
      return "cancelled";
  }
  return status.issued ? "closed-issued" : "closed";
}

/**
 * ahead says what the phase alone leads to, before the link or code was shown to anybody:
 * null where the vote can be started, "ask" where the link is to be asked about, for a
 * ballot of it may be unfinished. A code is not sent before the six words were compared,
 * and the committee's question is not asked once nothing can be finished.
 */
export function ahead(told, schedule, now, { code, factor }) {
  const next = after(told, schedule, now);
  const late = now >= told.close + schedule.grace;
  if (next === "closed" && !(late && (code || factor))) {
    return code ? null : "ask";
  }
  return next === "question" ? null : next;
}

/** here is what a status leads to where the ballot that was issued is kept on this very device. */
export function here(next, session) {
  if (next !== "elsewhere") {
    return next;
  }
  return session.damaged ? "damaged" : session.kept ? opened(session, "") : next;
}

/**
 * where is what is said of where a ballot is. The box's word that it is in the log is
 * no more than its promise, until a proof came with it.
 */
export const where = ({ state, proof }) => (state === "in the log" && !proof ? "received" : state);

/**
 * failed says which screen a failure leads to, or null where the page that is
 * shown stays and says what happened.
 */
export function failed(code, details) {
  // The box takes ballots that were issued: one that comes too late is missing there.
  if (code === "closed" && details && details.service === "box") {
    return "missed";
  }
  const screens = {
    "bad-link": "link-unknown", "unknown-link": "link-unknown", "link-cut": "link-cut", replaced: "link-replaced", expired: "link-expired", struck: "link-struck",
    "other-election": "other-election", "not-witnessed": "not-witnessed",
    "factor-missing": "factor", "factor-wrong": "factor", "factor-locked": "locked", "issued-elsewhere": "elsewhere", "envelope-only": "envelope",
    "not-open": "before", closed: "closed", cancelled: "cancelled", locked: "missed", "set-back": "rests",
    "bad-signature": "bad-signature", "bad-promise": "bad-promise", "bad-proof": "bad-promise", damaged: "damaged", storage: "storage", begun: "unfinished",
  };
  return screens[code] || null;
}

/** until says in which unit a time to come is told: {unit, n}, or null. */
export function until(seconds) {
  if (seconds < 60) {
    return null;
  }
  for (const [unit, size] of [["days", 86400], ["hours", 3600], ["minutes", 60]]) {
    if (seconds >= 2 * size || unit === "minutes") {
      return { unit, n: Math.floor(seconds / size) };
    }
  }
  return null;
}

/** large writes a short answer in capitals. A browser may not know a manifest's tag of a language. */
export function large(text, lang) {
  if (text.length > 12) {
    return text;
  }
  try {
    return text.toLocaleUpperCase(lang);
  } catch (_) {
    return text.toUpperCase();
  }
}

/** lines reads a list of words, one a line. */
export const lines = (bytes) => fromUTF8(bytes).trim().split("\n");
