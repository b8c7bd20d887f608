import { Client } from "../http.js";
import { answers, fails } from "./expect.mjs";
import { same, test } from "./harness.mjs";

const at = { service: "registrar", url: "https://registrar.example/v1/x/status" };
const error = (code, message) => ({ error: code, message: message || "Say this." });

function client(fetch, more) {
  const waits = [];
  const env = Object.assign({ fetch, now: () => 1e12, wait: async (ms) => void waits.push(ms) }, more);
  return Object.assign(new Client(env), { waits });
}

test("a request goes nowhere else and carries nothing else", async () => {
  const { fetch, sent } = answers([200, { ok: true }]);
  same(await client(fetch).post(at, { a: 1 }), { ok: true }, "answer");
  const { init } = sent[0];
  same([init.redirect, init.credentials, init.cache, init.mode, init.method], ["error", "omit", "no-store", "cors", "POST"], "init");
  same([new TextDecoder().decode(init.body), init.headers["Content-Type"]], ['{"a":1}', "application/json"], "body");
});

test("a lost connection is tried again a few times", async () => {
  const { fetch, sent } = answers("lost", "lost", [200, {}]);
  await client(fetch).post(at, {});
  same(sent.length, 3, "requests");
  const never = answers("lost");
  const c = client(never.fetch);
  const e = await fails(c.post(at, {}), "offline");
  same([never.sent.length, e.details.service, c.waits.length], [6, "registrar", 5], "gave up");
});

test("a service that hangs is not waited for six times", async () => {
  let clock = 1e12;
  let asked = 0;
  const hangs = async () => {
    asked++;
    clock += 30000;
    throw new DOMException("it took too long", "AbortError");
  };
  const c = client(hangs, { now: () => clock, wait: async (ms) => void (clock += ms) });
  await fails(c.get(at), "offline");
  same(asked, 2, "attempts");
  const said = [];
  const waiting = { onWait: (s) => said.push(s), before: async () => { if (asked === 12) throw new RangeError("enough"); } };
  await c.post(at, {}, waiting).catch((e) => same(e instanceof RangeError, true, "ended by its caller"));
  same([asked, said.length], [12, 10], "with somebody who waits");
});

test("with somebody who waits it never gives up, and says so", async () => {
  const list = Array.from({ length: 30 }, () => "lost");
  const { fetch, sent } = answers(...list, [503, error("busy"), { "Retry-After": "4" }], [429, error("too_often"), { "Retry-After": "60" }], [200, { done: 1 }]);
  const said = [];
  let claims = 0;
  const c = client(fetch);
  const got = await c.post(at, {}, { onWait: (s) => said.push(s), before: async () => void claims++ });
  same([got, sent.length, claims], [{ done: 1 }, 33, 33], "requests");
  same(said.filter((s) => s === "offline").length, 30, "offline");
  same(said[31], { waiting: 60 }, "too often");
  same([Math.max(...c.waits.slice(0, 30)) <= 22500, c.waits[31], c.waits[30] >= 4000], [true, 60000, true], "waits");
});

test("what a claim throws ends it before anything is sent", async () => {
  const { fetch, sent } = answers([200, {}]);
  const before = async () => {
    throw new RangeError("no");
  };
  let thrown;
  await client(fetch).post(at, {}, { before }).catch((e) => (thrown = e));
  same([thrown instanceof RangeError, sent.length], [true, 0], "claim");
});

test("what services say, as failures", async () => {
  for (const [status, code, want] of [
    [404, "unknown_link", "unknown-link"], [410, "link_replaced", "replaced"], [410, "expired", "expired"], [410, "struck", "struck"],
    [403, "not_open", "not-open"], [403, "closed", "closed"], [403, "cancelled", "cancelled"], [403, "locked", "locked"],
    [409, "already_issued", "issued-elsewhere"], [409, "already_deposited", "issued-elsewhere"], [403, "envelope_only", "envelope-only"],
    [401, "factor_required", "factor-missing"], [409, "set_back", "set-back"], [503, "unavailable", "busy"], [503, "box_away", "busy"],
    [429, "too_many", "busy"], [429, "too_many_codes", "busy"], [400, "bad_request", "server"], [422, "bad_credential", "server"], [403, "toString", "server"],
  ]) {
    const e = await fails(client(answers([status, error(code), { "Retry-After": "3" }]).fetch).post(at, {}), want, code);
    same([e.details.error, e.details.status, e.details.said, e.details.retryAfter], [code, status, "Say this.", 3], code);
    same([e.details.envelope === true, e.details.codes === true], [code === "already_deposited", code === "too_many_codes"], code);
  }
});

test("tries and rests", async () => {
  const wrong = error("factor_wrong", "That is not what the union has for you: try again, you have 4 tries left.");
  same((await fails(client(answers([401, wrong]).fetch).post(at, {}), "factor-wrong")).details.left, 4, "left");
  const last = error("factor_wrong", "That is not what the union has for you: try again, you have 1 try left.");
  same((await fails(client(answers([401, last]).fetch).post(at, {}), "factor-wrong")).details.left, 1, "left");
  const said = [];
  const c = client(answers([429, error("factor_locked"), { "Retry-After": "3600" }]).fetch);
  const e = await fails(c.post(at, {}, { onWait: (s) => said.push(s) }), "factor-locked");
  same([e.details.until, e.details.retryAfter, said], [1e12 + 3600000, 3600, []], "locked");
  // Ten minutes are not waited out without a word.
  const many = client(answers([429, error("too_many_codes"), { "Retry-After": "60" }]).fetch);
  await fails(many.post(at, {}, { onWait: () => {} }), "busy");
});

test("what is no answer of a service", async () => {
  for (const [name, status, body, want] of [
    ["a proxy's page", 502, "<html>", "offline"], ["a page", 200, "<html>", "server"], ["nothing", 200, "", "server"], ["null", 200, "null", "server"],
    ["a number", 200, "7", "server"], ["a page that says no", 404, "<html>", "server"], ["a redirect that was not followed", 307, "", "server"],
  ]) {
    await fails(client(answers([status, body]).fetch).post(at, {}), want, name);
  }
  for (const message of ["<b>\u202egnorw</b>", "", " x", 7, "x".repeat(501)]) {
    const e = await fails(client(answers([403, { error: "closed", message }]).fetch).post(at, {}), "server", String(message).slice(0, 9));
    same([e.details.said, e.message], [undefined, "server"], "what is not fit to be shown");
  }
});

test("an answer without an end", async () => {
  let pulled = 0;
  const body = () => new ReadableStream({ pull: (c) => void (pulled++, c.enqueue(new Uint8Array(1 << 16))) });
  const fetch = async () => new Response(body());
  await fails(client(fetch).get(at), "server");
  same(pulled < 40, true, `read ${pulled} parts`);
  await fails(client(fetch).get(at, { limit: 5 }), "server");
});

test("a page that goes away ends everything", async () => {
  const abort = new AbortController();
  const { fetch, sent } = answers("lost");
  const c = client(fetch, { signal: abort.signal });
  await fails(c.post(at, {}, { onWait: () => abort.abort() }), "offline");
  same(sent.length, 1, "requests");
  await fails(c.post(at, {}), "offline");
  same(sent.length, 1, "requests");
});

test("the clock", async () => {
  const date = new Date(1e12 - 90000).toUTCString();
  const booth = { service: "booth", url: "https://booth.example" };
  const c = client(answers([200, "x", { Date: date }]).fetch);
  await c.get(at);
  same(c.skew, 0, "of another service");
  await c.get(booth);
  same(c.skew, 89500, "skew");
  const mute = client(answers([200, "x"]).fetch);
  await mute.get(booth);
  same(mute.skew, 0, "no date");
});

test("no address is in an error", async () => {
  for (const list of [["lost at https://registrar.example"], [[500, "x"]], [[200, "x"]], [[403, error("closed")]]]) {
    const e = await client(answers(...list).fetch).post(at, { token: "SECRET" }).catch((x) => x);
    same(/example|SECRET/.test(e.message + JSON.stringify(e.details)), false, e.message);
  }
});
