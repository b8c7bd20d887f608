// What can go wrong on a voter's way, as codes that the page has words for.
//
// A Failure never holds a link, a code, an answer of the voter or a name. What a
// service said is kept only where it is a text fit to be shown, and the page
// shows it as text and never as markup.

import { isText } from "./text.js";

/**
 * A Failure is an error that the page has words for by its code, one of: bad-link link-cut
 * bad-code other-election not-witnessed offline busy unknown-link replaced
 * expired struck factor-missing factor-wrong factor-locked issued-elsewhere
 * envelope-only not-open closed locked cancelled set-back bad-signature
 * bad-promise bad-proof storage damaged begun server.
 *
 * details may hold service ("booth", "registrar", "box", "board"), status and
 * error (what the service answered), retryAfter (seconds), left (tries), until
 * (when a rest ends, in milliseconds of this device's clock), said (the
 * service's sentence), and what the code's own comment says.
 */
export class Failure extends Error {
  constructor(code, details = {}) {
    super(details.said || code);
    this.name = "Failure";
    this.code = code;
    this.details = details;
  }
}

const maxSaid = 500; // bounds what a service can make the page say

// codes are what the services call their errors (internal/registrar/answer.go,
// internal/ballotbox/http.go, internal/platform/web). What is not here is
// "server": the service's own sentence is then all there is to show.
const codes = {
  unknown_link: "unknown-link",
  link_replaced: "replaced",
  expired: "expired",
  struck: "struck",
  not_open: "not-open",
  closed: "closed",
  cancelled: "cancelled",
  locked: "locked",
  already_issued: "issued-elsewhere",
  already_deposited: "issued-elsewhere", // details.envelope is true
  envelope_only: "envelope-only",
  factor_required: "factor-missing",
  factor_wrong: "factor-wrong",
  factor_locked: "factor-locked",
  set_back: "set-back",
  busy: "busy",
  box_away: "busy",
  unavailable: "busy",
  internal: "busy",
  too_often: "busy",
  too_many: "busy",
  too_many_codes: "busy", // details.codes is true
};

/** refused makes a Failure of an answer that is not the one that was wanted. */
export function refused(service, status, body, retryAfter, now) {
  const said = reading(body);
  const details = { service, status, error: said.error };
  if (said.message) {
    details.said = said.message;
  }
  if (retryAfter > 0) {
    details.retryAfter = retryAfter;
  }
  const code = Object.hasOwn(codes, said.error) ? codes[said.error] : "server";
  if (said.error === "already_deposited") {
    details.envelope = true;
  }
  if (said.error === "too_many_codes") {
    details.codes = true;
  }
  if (code === "factor-wrong") {
    // The registrar says the number in its sentence and nowhere else.
    const tries = /\b([0-9]{1,2}) (?:try|tries) left\b/.exec(said.message);
    if (tries) {
      details.left = Number(tries[1]);
    }
  }
  if (code === "factor-locked" && retryAfter > 0) {
    details.until = now + 1000 * retryAfter;
  }
  return new Failure(code, details);
}

// reading takes an error's code and sentence out of an answer; what stands
// before a service may answer in its place, and anything at all.
function reading(body) {
  try {
    const v = JSON.parse(new TextDecoder().decode(body));
    if (v && typeof v.error === "string" && isText(v.message, maxSaid)) {
      return { error: v.error.slice(0, 40), message: v.message };
    }
  } catch (_) {
    // Not JSON: a proxy's page.
  }
  return { error: "", message: "" };
}
