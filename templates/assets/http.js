// Requests of the voter's page to the four services it speaks to. The twin of
// http.go in internal/voter.
//
// Every request can be repeated: the services answer a repetition as they
// answered the first. So a lost connection and a busy, failing or restarting
// service are waited out, and any other answer is final. No redirect is followed,
// which would carry the token or the ballot to wherever an answer says, and no
// cookie is sent, by which one service could recognize whom another one knows.
//
// A page is not told of a redirect that it does not follow: it looks like a
// connection that is lost, is tried again, and ends as "offline". The program,
// which sees it, says at once to call the committee.
//
// It must not know what it carries: no address, body or answer gets into an error.

import { Failure, refused } from "./failure.js";
import { concat } from "./suite.js";

const attempts = 6; // of a request that the voter waits for with nothing begun
const patience = 30000; // ms for one attempt: a service answers within ten seconds
const longestTry = 45000; // ms for all attempts where nobody is told that we wait
const firstWait = 200;
const longestWait = 15000;
const longestSaid = 60; // seconds of Retry-After that are waited for without asking
const maxReply = 1 << 20; // bounds what a service can make the page read

/** How a request stands in the eyes of whoever waits: passed to onWait. */
export const offline = "offline";

/**
 * A Client sends requests. env holds fetch, now (milliseconds, Date.now if
 * absent), wait (ms => a promise that ends by then, earlier if the connection
 * came back) and signal (an AbortSignal that ends everything, if the page goes
 * away).
 */
export class Client {
  constructor(env) {
    const { fetch } = env;
    this.fetch = (url, init) => fetch(url, init); // a browser's must not be called as ours
    this.now = env.now || (() => Date.now());
    this.wait = env.wait || ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
    this.signal = env.signal;
    /** skew is this device's clock minus the booth's, in ms, once one answered. */
    this.skew = 0;
    /** told is what the booth said with its last answer of where the vote stands, or null. */
    this.told = null;
  }

  /** get returns the bytes at an address. */
  get(at, options) {
    return this.retry(at, { method: "GET" }, options || {});
  }

  /** post sends a value as JSON and returns what is answered. */
  async post(at, value, options) {
    const body = new TextEncoder().encode(JSON.stringify(value));
    return this.ask(at, body, "application/json", options);
  }

  /** postBytes sends bytes and returns what is answered. */
  postBytes(at, body, options) {
    return this.ask(at, body, "application/octet-stream", options);
  }

  async ask(at, body, type, options) {
    const answer = await this.retry(at, { method: "POST", headers: { "Content-Type": type }, body }, options || {});
    let v;
    try {
      v = JSON.parse(new TextDecoder().decode(answer));
    } catch (_) {
      v = null;
    }
    if (v === null || typeof v !== "object") {
      throw nonsense(at);
    }
    return v;
  }

  // retry sends a request until there is an answer. With onWait it never gives
  // up on a service that is away or busy, and says so; without, after a few tries, or fewer that took long.
  // before is awaited ahead of every attempt, and may end it all by throwing.
  async retry(at, init, { onWait, before, limit }) {
    const end = onWait ? Infinity : this.now() + longestTry;
    let wait = firstWait;
    for (let n = 1; ; n++) {
      if (before) {
        await before();
      }
      const fault = await this.once(at, init, limit || maxReply, end);
      if (fault.answer) {
        return fault.answer;
      }
      // Jitter, so that many who were turned away do not come back at once.
      const pause = Math.max(1000 * fault.after, wait / 2 + Math.random() * wait);
      if (!fault.again || (!onWait && (fault.slow || n >= attempts)) || this.now() + pause >= end) {
        throw fault.failure;
      }
      wait = Math.min(2 * wait, longestWait);
      if (onWait && fault.failure.code === "offline") {
        onWait(offline);
      } else if (onWait && pause >= 1000) {
        onWait({ waiting: Math.ceil(pause / 1000) });
      }
      await this.wait(pause);
      this.stopped(at);
    }
  }

  stopped(at) {
    if (this.signal && this.signal.aborted) {
      throw away(at);
    }
  }

  // once sends a request. It returns {answer} or {failure, again, slow, after}:
  // whether another try is of use, whether only to one who waits anyway, and after
  // how many seconds.
  async once(at, init, limit, end) {
    this.stopped(at);
    const abort = new AbortController();
    const stop = () => abort.abort();
    const timer = setTimeout(stop, Math.min(patience, end - this.now()));
    if (this.signal) {
      this.signal.addEventListener("abort", stop);
    }
    try {
      const began = this.now();
      const response = await this.fetch(at.url, Object.assign({
        mode: "cors", redirect: "error", credentials: "omit", cache: "no-store", signal: abort.signal,
      }, init));
      const body = await read(response, limit);
      if (body === null) {
        return { failure: nonsense(at), again: false };
      }
      this.note(at, response, began);
      return this.judge(at, response, body);
    } catch (_) {
      return { failure: away(at), again: true, after: 0 };
    } finally {
      clearTimeout(timer);
      if (this.signal) {
        this.signal.removeEventListener("abort", stop);
      }
    }
  }

  judge(at, response, body) {
    if (response.status === 200 || response.status === 201) {
      return { answer: body };
    }
    const after = Math.max(0, parseInt(response.headers.get("Retry-After"), 10) || 0);
    const failure = refused(at.service, response.status, body, after, this.now());
    if (response.status >= 500) {
      // What stands before a service may answer in its place, without a code.
      return { failure: failure.details.error ? failure : away(at), again: true, after: Math.min(after, 10) };
    }
    // "Too often" of one link or network passes by itself, and soon.
    const soon = failure.code === "busy" && !failure.details.codes && after <= longestSaid;
    return { failure, again: soon, slow: true, after: Math.max(after, 1) };
  }

  // note takes the booth's clock: the close counts by it, and a device whose
  // clock is wrong shows its voter a wrong time that is left.
  note(at, response, began) {
    if (at.service === "booth") {
      this.told = response.headers.get("Strikevote-Phase");
    }
    const theirs = at.service === "booth" ? Date.parse(response.headers.get("Date")) : NaN;
    if (!Number.isNaN(theirs)) {
      // The header has whole seconds, cut off.
      this.skew = Math.round((began + this.now()) / 2 - theirs - 500);
    }
  }
}

const away = (at) => new Failure("offline", { service: at.service });

/** nonsense is a final answer that makes no sense. */
export const nonsense = (at) => new Failure("server", { service: at.service });

// read returns the body of an answer, or null if it is longer than limit.
async function read(response, limit) {
  if (!response.body || !response.body.getReader) {
    const all = new Uint8Array(await response.arrayBuffer());
    return all.length > limit ? null : all;
  }
  const reader = response.body.getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    size += value.length;
    if (size > limit) {
      reader.cancel().catch(() => {}); // the rest is of no interest
      return null;
    }
    parts.push(value);
  }
  return concat(...parts);
}
