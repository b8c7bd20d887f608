// Voters of a real election: internal/demo starts one, runs this in Node and
// holds what was said here against the record. It reads {booth, links, code,
// election, words, six} and prints {voted, envelope, lost} once those who vote
// have voted; it reads a second line once the box is locked, and ends.

import { createInterface } from "node:readline";
import { readFile } from "node:fs/promises";
import { openCode, openLink, Memory, TabMemory } from "../session.js";
import { repeat } from "../challenge.js";
import { sixWords } from "../election.js";
import { fails } from "./expect.mjs";
import { same } from "./harness.mjs";
import { fakeChannel, fakeDatabase } from "./idb.mjs";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const given = JSON.parse((await lines.next()).value);
const links = given.links.slice();

// device returns an env for one browser; net changes what goes over the wire.
function device(net = {}, db = Object.assign(fakeDatabase(), { BroadcastChannel: fakeChannel() })) {
  const sent = [];
  const wire = async (url, init) => {
    const path = new URL(url).pathname.split("/").pop();
    sent.push(path);
    if (net.before) {
      await net.before(path, init);
    }
    const response = await fetch(url, init);
    if (!net.after) {
      return response;
    }
    const body = new Uint8Array(await response.arrayBuffer());
    const changed = await net.after(path, body, response.status);
    return new Response(changed === undefined ? body : changed, { status: response.status, headers: response.headers });
  };
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 30)));
  return { env: { booth: given.booth, fetch: wire, memory: new Memory(db), wait, elsewhere: () => {} }, db, sent, net };
}

const text = (bytes) => new TextDecoder().decode(bytes);
const json = (change) => (bytes) => JSON.stringify(change(JSON.parse(text(bytes))));

// only changes the answers on one path.
const only = (path, change) => ({ after: (p, body) => (p === path ? change(body) : undefined) });

const voted = [];
const found = []; // sessions whose ballots must be in the log

async function done(session) {
  same([session.stage, session.choices, session.recoveryCode()], ["received", null, null], "received and erased");
  voted.push(session.ballotId);
  found.push(session);
}

async function plain() {
  const link = links.pop();
  const d = device();
  const s = await openLink(` ${link}\n`, d.env);
  same([s.stage, s.kept, s.keeping, s.tracker, s.begun], ["new", false, "device", null, false], "fresh");
  same(Math.abs(s.skew) < 30000, true, "clocks");
  const status = await s.status("");
  same([status.phase, status.issued, status.envelopeOnly, status.group, status.salt.length], ["open", false, false, s.group, 64], "status");
  await s.seal([0], "my own words");
  const first = s.tracker;
  await s.seal([1], "");
  same(s.tracker === first, false, "sealed anew");
  const steps = [];
  const both = [s.finish("", (step) => steps.push(step)), s.finish("")];
  same([both[0] === both[1], s.begun], [true, true], "a button pressed twice");
  await Promise.all(both);
  same(steps, ["sealed", "issued", "received"], "steps");
  same(d.sent, ["manifest", "status", "checkpoint-1", "issue", "ballots"], "requests");
  await done(s);
  await s.finish("");
  same(d.sent.length, 5, "nothing more is sent");
  const again = await openLink(link, device({}, d.db).env);
  same([again.stage, again.tracker, again.promise, again.choices], ["received", s.tracker, s.promise, null], "opened again");
  same(["received", "in the log"].includes((await again.find()).state), true, "found");
  await again.resend();
  const other = await openLink(link, device().env);
  same((await other.status("")).issued, true, "another device");
  await other.seal([0], "");
  await fails(other.finish(""), "issued-elsewhere");
  await again.forget();
  same([again.stage, again.kept, d.db.records.size], ["new", false, 0], "forgotten");
}

async function lostReplies() {
  const lost = {};
  const d = device({
    after: (path) => {
      lost[path] = (lost[path] || 0) + 1;
      if (["issue", "ballots"].includes(path) && lost[path] <= 2) {
        throw new TypeError("connection reset");
      }
    },
  });
  const s = await openLink(links.pop(), d.env);
  await s.seal([2], "");
  const steps = [];
  await s.finish("", (step) => steps.push(step));
  same(steps, ["sealed", "offline", "offline", "issued", "offline", "offline", "received"], "steps");
  same([lost.issue, lost.ballots], [3, 3], "asked again");
  await done(s);
}

async function closedTab() {
  const link = links.pop();
  const page = new AbortController();
  const d = device({
    after: (path) => {
      if (path === "issue") {
        page.abort(); // the answer is lost with the page
        throw new TypeError("aborted");
      }
    },
  });
  d.env.signal = page.signal;
  const s = await openLink(link, d.env);
  await s.status("");
  await s.seal([1], "typed");
  const { tracker } = s;
  await fails(s.finish(""), "offline");
  const later = await openLink(link, device({}, d.db).env);
  same([later.stage, later.tracker, later.begun, later.kept, later.choices], ["sealed", tracker, true, true, [1]], "taken up");
  await fails(Promise.resolve().then(() => later.seal([0], "")), "begun");
  await fails(Promise.resolve().then(() => later.test()), "begun");
  same((await later.status("")).issued, true, "issued");
  await fails(Promise.resolve().then(() => later.seal([0], "")), "begun");
  await later.finish("");
  same(later.tracker, tracker, "the same ballot");
  await done(later);
}

async function recovered() {
  const link = links.pop();
  const page = new AbortController();
  const d = device({ after: (path) => void (path === "issue" && page.abort()) });
  d.env.signal = page.signal;
  d.env.memory = new TabMemory();
  const s = await openLink(link, d.env);
  same([s.keeping, d.db.records.size], ["tab", 0], "shared computer");
  await s.seal([0], "words");
  const code = s.recoveryCode();
  await fails(s.finish(""), "offline");
  const other = await openLink(link, device().env);
  const mistyped = code.slice(0, -1) + (code.endsWith("0") ? "1" : "0");
  await fails(Promise.resolve().then(() => other.recover(mistyped, [0], "words")), "bad-code");
  await other.recover(code, [1], "words");
  await fails(other.finish(""), "issued-elsewhere", "another answer");
  await other.recover(code, [0], "");
  await fails(other.finish(""), "issued-elsewhere", "other words");
  await other.recover(code.toLowerCase().replace(/-/g, " "), [0], "words");
  same(other.tracker, s.tracker, "the same ballot");
  await other.finish("");
  await done(other);
}

async function lies() {
  const link = links.pop();
  const flip = (bytes) => bytes.map((b, i) => (i === bytes.length >> 1 ? b ^ 1 : b));
  const forged = device(only("manifest", flip));
  await fails(openLink(link, forged.env), "other-election", "another manifest");
  same(forged.sent, ["manifest"], "nothing else was sent");
  const elsewhere = device();
  elsewhere.env.booth = "http://localhost:1";
  await fails(openLink(link, elsewhere.env), "other-election", "another page");
  await fails(openLink(link.slice(0, -5), device().env), "link-cut");
  await fails(openLink("https://example.org/", device().env), "bad-link");
  const db = fakeDatabase();
  const alone = device(only("checkpoint-1", (b) => text(b).split("\n").slice(0, 5).join("\n") + "\n"), db);
  const s = await openLink(link, alone.env);
  await s.seal([1], "hidden words");
  await fails(s.finish(""), "not-witnessed");
  same([alone.sent, db.records.size, s.kept], [["manifest", "checkpoint-1"], 0, false], "nothing was asked for");
  alone.net.after = only("status", json((v) => ({ ...v, group: v.group === 1 ? 2 : 1 }))).after;
  await fails(s.status(""), "other-election", "another group");
  const bad = (field, at) => json((v) => ({ ...v, [field]: v[field].slice(0, at) + (v[field][at] === "a" ? "b" : "a") + v[field].slice(at + 1) }));
  alone.net.after = only("issue", bad("s", 40)).after;
  const false1 = await fails(s.finish(""), "bad-signature");
  same([s.stage, false1.details.service], ["sealed", "registrar"], "not issued");
  const proof1 = text(s.evidence());
  alone.net.after = only("ballots", bad("promise", 40)).after;
  await fails(s.finish(""), "bad-promise");
  same([s.stage, s.promise], ["issued", null], "no promise");
  const proof2 = text(s.evidence());
  same([proof1.includes("bad-signature"), proof2.includes(s.ballotId)], [true, true], "evidence");
  const token = link.split("#t=")[1].split("&")[0];
  for (const proof of [proof1, proof2]) {
    same(["hidden words", s.recoveryCode(), token, "choices", "secret"].filter((word) => proof.includes(word)), [], "evidence says too much");
  }
  alone.net.after = only("ballots", () => "{}").after;
  await fails(s.finish(""), "bad-promise");
  alone.net.after = null;
  await s.finish("");
  await done(s);
  alone.net.after = only("find", json((v) => ({ ...v, proof: "c2sp.org/tlog-proof@v1\nindex 0\n\n" }))).after;
  await fails(s.find(), "bad-proof");
  alone.net.after = null;
}

async function twoTabs() {
  const link = links.pop();
  const d = device();
  const heard = [];
  const tabs = await Promise.all([0, 1].map((i) => openLink(link, { ...device({}, d.db).env, elsewhere: (what) => heard.push(`${i} ${what}`) })));
  await Promise.all(tabs.map((s) => s.status("")));
  await Promise.all(tabs.map((s, i) => s.seal([i], "")));
  const ends = await Promise.all(tabs.map((s) => s.finish("").then(() => "received", (e) => e.code)));
  same(ends.sort(), ["begun", "received"], "one of two");
  await Promise.all(tabs.map((s) => s.finish("")));
  same([tabs[0].tracker, tabs[0].stage, tabs[0].promise], [tabs[1].tracker, "received", tabs[1].promise], "one ballot");
  same(heard.some((h) => h.endsWith("opened")), true, "the first hears of the second");
  const third = await openLink(link, device({}, d.db).env);
  same(third.tracker, tabs[0].tracker, "kept");
  await done(third);
}

async function refusedStorage() {
  const db = fakeDatabase();
  db.fault = "open";
  const s = await openLink(links.pop(), device({}, db).env);
  same([s.keeping, s.kept], ["refused", false], "known before anything is sent");
  await s.seal([0], "");
  same(s.recoveryCode().length, 33, "the code comes first");
  await s.finish("");
  await done(s);
  const full = fakeDatabase();
  const d = device({}, full);
  const late = await openLink(links.pop(), d.env);
  await late.seal([0], "");
  full.fault = "write";
  await fails(late.finish(""), "storage");
  same(d.sent.includes("issue"), false, "nothing was asked for");
  same(late.keepInTab(true), true, "in the tab instead");
  await late.finish("");
  await done(late);
  same(full.records.size, 0, "nothing is kept");
}

async function typedCode() {
  const d = device();
  await fails(openCode(given.election, given.code.slice(0, -1) + "U", d.env), "bad-code");
  same(d.sent, [], "nothing is sent for a mistyped code");
  const s = await openCode(given.election, given.code.toLowerCase(), d.env);
  const words = (await readFile(given.words, "utf8")).trim().split("\n");
  same(sixWords(s.mid, words), given.six, "six words");
  same([s.group, s.kind], [0, null], "unknown before status");
  const { group, envelopeOnly } = await s.status("");
  same([d.sent, s.group, envelopeOnly], [["manifest", "checkpoint-1", "status"], group, false], "witnesses first");
  await s.seal([1], "");
  await s.finish("");
  await done(s);
  const again = await openCode(given.election, given.code, device({}, d.db).env);
  same([again.stage, again.group, again.tracker], ["received", group, s.tracker], "opened again");
}

async function envelope() {
  const link = links.pop();
  const lost = { n: 0 };
  const d = device({
    after: (path) => {
      if (path === "deposit" && lost.n++ === 0) {
        throw new TypeError("connection reset");
      }
    },
  });
  const s = await openLink(link, d.env);
  await s.seal([1], "");
  await s.deposit("");
  same([s.stage, s.choices, s.inEnvelope, lost.n], ["deposited", null, true, 2], "deposited");
  same((await s.find()).state, "unknown", "not decided");
  await s.deposit("");
  await s.finish("");
  const again = await openLink(link, device().env);
  await again.seal([0], "");
  const e = await fails(again.finish(""), "issued-elsewhere");
  same(e.details.envelope, true, "in an envelope");
  return s;
}

async function testedDevice() {
  const s = await openLink(links.pop(), device().env);
  await s.seal([1], "test me");
  const shown = s.tracker;
  const t = s.test();
  same([t.tracker, t.choices, s.stage, s.tracker, s.choices], [shown, [1], "new", null, null], "opened and dead");
  const second = await openLink(given.links[0], device().env);
  same(await repeat(second.context(s.group), t), { same: true, tracker: shown }, "another device agrees");
  for (const bad of [{ tracker: "0000-0000-0000-0000-0000" }, { typed: "" }, { choices: [0] }]) {
    same((await repeat(second.context(s.group), { ...t, ...bad })).same, false, `another ${Object.keys(bad)}`);
  }
  await s.seal([0], "");
  return s; // too late: voting closes
}

async function neverCast() {
  const page = new AbortController();
  const d = device({
    before: (path) => {
      if (path === "ballots") {
        page.abort();
        throw new TypeError("no connection");
      }
    },
  });
  const link = links.pop();
  const s = await openLink(link, { ...d.env, signal: page.signal });
  await s.seal([0], "");
  await fails(s.finish(""), "offline");
  same(s.stage, "issued", "issued");
  const later = await openLink(link, device({}, d.db).env);
  same([later.stage, later.tracker], ["issued", s.tracker], "kept with its signature");
  return later;
}

for (const step of [plain, lostReplies, closedTab, recovered, lies, twoTabs, refusedStorage, typedCode]) {
  await step().catch((e) => Promise.reject(new Error(`${step.name}: ${e.stack}`)));
}
const inEnvelope = await envelope();
const tooLate = await testedDevice();
const lost = await neverCast();
console.log(JSON.stringify({ voted, envelope: inEnvelope.ballotId, lost: lost.ballotId }));

await lines.next(); // the box is locked
for (const s of [...found.filter((one) => one.stage === "received"), inEnvelope]) {
  const { state, index, moment } = await s.find();
  same([state, index > 0, moment > 1.7e9], ["in the log", true, true], "found in the published box");
}
await found[1].resend();
await fails(tooLate.finish(""), "closed");
same(tooLate.stage, "sealed", "not issued");
same((await tooLate.status("")).issued, false, "status after the close");
const late = await fails(lost.finish(""), "locked");
same(late.details.service, "box", "too late");
await lost.forget();
console.log("{}");
process.exit(0);
