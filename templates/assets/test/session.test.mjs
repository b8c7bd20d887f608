import { Memory, TabMemory, openCode, openLink } from "../session.js";
import { H, hex, unb64url, utf8 } from "../suite.js";
import { fails, until } from "./expect.mjs";
import { same, test, vectors } from "./harness.mjs";
import { fakeChannel, fakeDatabase } from "./idb.mjs";

const given = await vectors("go/session.json");
const electionId = JSON.parse(given.manifest).election_id;
const error = (code, message) => ({ error: code, message: message || "Say this." });
const status = { title: "T", group: 1, phase: "open", close: JSON.parse(given.manifest).schedule.close, issued: false, salt: "ab".repeat(32), index: 3 };
const later = (fn) => Promise.resolve().then(fn);

// services answers as told: how maps the last part of a path to what is said, a
// list for one after the other, or a function of the request.
function services(how) {
  const sent = [];
  const truth = {
    manifest: given.manifest, "checkpoint-1": given.checkpoint, status, issue: { s: given.answer },
    ballots: { promise: given.promise, state: "received" },
    deposit: async (body) => ({ ballot_id: hex(await H("ballot-id", unb64url(body.ballot))), state: "deposited" }),
    find: { state: "in the log", promise: given.promise, proof: given.proof },
  };
  const fetch = async (url, init) => {
    const path = url.split("/").pop();
    const body = init.headers && init.headers["Content-Type"] === "application/json" ? JSON.parse(new TextDecoder().decode(init.body)) : init.body;
    sent.push({ path, url, body });
    let say = path in how ? how[path] : truth[path];
    say = Array.isArray(say) ? say[Math.min(sent.filter((s) => s.path === path).length, say.length) - 1] : say;
    say = typeof say === "function" ? await say(body) : say;
    if (say === "lost") {
      throw new TypeError("lost");
    }
    const bad = { factor_required: 401, factor_wrong: 401, factor_locked: 429, envelope_only: 403, closed: 403 };
    return new Response(typeof say === "string" ? say : JSON.stringify(say), { status: (say && bad[say.error]) || 200 });
  };
  return { fetch, sent, paths: () => sent.map((s) => s.path), how };
}

function device(how = {}, more = {}) {
  const net = services(how);
  const db = more.db || fakeDatabase();
  const env = Object.assign({ booth: given.booth, fetch: net.fetch, memory: new Memory(db), wait: async () => {}, now: () => 1e12 }, more.env);
  return { ...net, env, db };
}

const open = (d) => openLink(given.link, d.env);

async function ready(d) {
  const s = await open(d);
  await s.recover(given.recovery_code, given.choices, given.typed);
  return s;
}

test("from the link to the published box", async () => {
  const d = device();
  const s = await ready(d);
  same(s.ballotId, given.id, "the ballot of Go");
  await s.finish("");
  same([s.stage, s.promise], ["received", given.promise], "received");
  same(d.sent.find((r) => r.path === "issue").body.z, given.z, "the request of Go");
  same(await s.find(), { state: "in the log", index: 2, moment: (await s.find()).moment, proof: given.proof }, "found");
  const cast = d.sent.find((r) => r.path === "ballots");
  same(new TextDecoder().decode(cast.body).includes(given.link.split("#t=")[1].slice(0, 20)), false, "no token for the box");
});

test("where the vote stands is asked without the link", async () => {
  const { schedule } = JSON.parse(given.manifest);
  const stands = async (say) => {
    const d = device({ phase: say });
    const told = await (await open(d)).election.stands();
    same(d.sent.filter((s) => s.path === "phase").map((s) => s.body), [undefined], "one request, with nothing");
    return told;
  };
  const open_ = { phase: "open", close: schedule.latest_close };
  same(await stands(open_), open_, "extended");
  for (const [name, say] of [
    ["no answer", "lost"], ["no JSON", "x"], ["null", "null"], ["no phase", { ...open_, phase: "over" }], ["no number", { ...open_, close: "1" }],
    ["too late", { ...open_, close: schedule.latest_close + 1 }], ["before it opens", { ...open_, close: schedule.open }],
  ]) {
    same(await stands(say), null, name);
  }
});

test("what each service is told", async () => {
  const d = device();
  const s = await ready(d);
  await s.status("my answer");
  await s.finish("my answer");
  await s.find();
  const token = given.link.split("#t=")[1].split("&")[0];
  for (const { path, url, body } of d.sent) {
    same(url.includes(token), false, `${path}: the token is in no address`);
    const keys = body instanceof Uint8Array || body === undefined ? [] : Object.keys(body);
    const want = { status: ["token", "factor"], issue: ["token", "factor", "z"], find: ["ballot_id"] }[path] || [];
    same(keys, want, path);
  }
});

test("the second question", async () => {
  const wrong = error("factor_wrong", "Not so: try again, you have 3 tries left.");
  const d = device({ status: [error("factor_required"), wrong, status], issue: [error("factor_required"), wrong, { s: given.answer }] });
  const s = await ready(d);
  await fails(s.status(""), "factor-missing");
  same((await fails(s.status("x"), "factor-wrong")).details.left, 3, "left");
  same((await s.status("right")).phase, "open", "status");
  await fails(s.finish(""), "factor-missing");
  same((await fails(s.finish("x"), "factor-wrong")).details.left, 3, "left");
  same([s.stage, s.tracker !== null], ["sealed", true], "the choice is kept");
  await s.finish("right");
  same(s.stage, "received", "received");
});

test("an envelope", async () => {
  const d = device({ find: { state: "in the log", promise: "", proof: given.envelope } });
  const s = await openLink(given.envelope_only, d.env);
  same(s.envelopeOnly, true, "known from the link");
  await s.recover(given.recovery_code, given.choices, given.typed);
  await fails(s.finish(""), "envelope-only");
  same(d.paths().includes("issue"), false, "nothing was asked for");
  const steps = [];
  await s.deposit("", (step) => steps.push(step));
  same([s.stage, s.choices, s.recoveryCode(), s.inEnvelope, steps], ["deposited", null, null, true, ["sealed", "deposited"]], "deposited");
  same((await s.find()).index, 2, "accepted");
  d.how.find = { state: "in the log", promise: "", proof: given.proof };
  await fails(s.find(), "bad-proof", "a proof without the entry");
  const again = await openLink(given.envelope_only, { ...d.env, memory: new Memory(d.db) });
  same([again.stage, again.inEnvelope, again.choices], ["deposited", true, null], "kept");
});

test("an envelope's ballot is that of the voter, with a credential", async () => {
  const d = device();
  const s = await ready(d);
  await s.deposit("");
  for (const [i, proof] of given.wrong_envelopes.entries()) {
    d.how.find = { state: "in the log", promise: "", proof };
    await fails(s.find(), "bad-proof", `envelope ${i}`);
  }
});

test("nothing is asked for in an election that nobody has witnessed", async () => {
  for (const [i, note] of given.wrong_checkpoints.entries()) {
    for (const way of ["finish", "deposit"]) {
      const d = device({ "checkpoint-1": note });
      const s = await ready(d);
      await fails(s[way](""), "not-witnessed", `checkpoint ${i}`);
      same([d.paths(), d.db.records.size], [["manifest", "checkpoint-1"], 0], "nothing was sent or kept");
      d.how["checkpoint-1"] = given.checkpoint;
      await s[way]("");
    }
  }
});

test("a page that the manifest does not name", async () => {
  const d = device({}, { env: { booth: "https://evil.example" } });
  await fails(openLink(given.link, d.env), "other-election");
  same(d.sent, [], "nothing was asked");
  await fails(openLink(given.link.replace(given.booth, "https://evil.example"), d.env), "other-election");
  await fails(openCode(electionId, given.code, d.env), "other-election");
  same(d.paths(), ["manifest", "manifest"], "nothing was sent");
});

test("a full disk that holds a ballot", async () => {
  const d = device({ issue: error("closed") });
  const s = await ready(d);
  await fails(s.finish(""), "closed");
  d.db.fault = "write";
  const t = await open(device({}, { db: d.db }));
  same([t.keeping, t.kept, t.tracker, t.begun], ["refused", true, s.tracker, true], "taken up");
  same((await fails(t.finish(""), "storage")).details.received, true, "received, and not erased");
});

test("a database that did not answer at first", async () => {
  const d = device({ issue: error("closed") });
  const s = await ready(d);
  await fails(s.finish(""), "closed");
  d.db.fault = "open";
  const t = await open(device({}, { db: d.db }));
  await t.lookAgain();
  same([t.keeping, t.kept, t.begun], ["refused", false, false], "nothing to be read");
  d.db.fault = "";
  await t.lookAgain();
  same([t.kept, t.tracker, t.begun], [true, s.tracker, true], "taken up");
  await t.finish("");
  same(t.stage, "received", "finished");
});

test("what another tab did while the registrar answered", async () => {
  const db = Object.assign(fakeDatabase(), { BroadcastChannel: fakeChannel() });
  const other = await ready(device({ issue: error("closed") }, { db }));
  const d = device({}, { db });
  const a = await open(d);
  d.how.status = async () => {
    await fails(other.finish(""), "closed");
    await until(() => a.tracker, "the tab to hear of it");
    return status;
  };
  await a.status("");
  same([a.begun, a.tracker], [true, other.tracker], "the answer says nothing of it");
});

test("an interrupted envelope stays one", async () => {
  const page = new AbortController();
  const d = device({ deposit: () => (page.abort(), "lost") }, { env: { signal: page.signal } });
  const s = await ready(d);
  await fails(s.deposit(""), "offline");
  const e = device({}, { db: d.db });
  const t = await open(e);
  same([t.stage, t.inEnvelope, t.begun], ["sealed", true, true], "kept");
  await t.finish("");
  same([t.stage, e.paths().includes("issue")], ["deposited", false], "deposited");
  await fails(t.deposit("").then(() => t.seal([0], "")), "begun");
});

test("no envelope beside a ballot", async () => {
  const d = device({ issue: "lost" }, { env: { wait: async () => page.abort(), signal: undefined } });
  const page = new AbortController();
  d.env.signal = page.signal;
  const s = await ready(d);
  await fails(s.finish(""), "offline");
  const t = await open(device({}, { db: d.db }));
  await fails(t.deposit(""), "begun");
  await t.finish("");
  await fails(t.deposit(""), "begun");
});

test("answers that are none", async () => {
  const whole = await ready(device());
  for (const bad of [
    {}, { ...status, group: "1" }, { ...status, group: 9 }, { ...status, phase: "over" }, { ...status, close: "soon" }, { ...status, issued: 1 },
    { ...status, close: Number.MAX_SAFE_INTEGER }, { ...status, close: 0 }, { ...status, close: status.close + 0.5 },
    { ...status, salt: "xx" }, { ...status, index: -0.5 }, [],
  ]) {
    const s = await open(device({ status: bad }));
    await fails(s.status(""), bad.group === 9 ? "other-election" : "server", JSON.stringify(bad));
  }
  for (const [path, bad, code] of [
    ["issue", {}, "bad-signature"], ["issue", { s: 7 }, "bad-signature"], ["issue", { s: "" }, "bad-signature"], ["issue", { s: "A".repeat(512) }, "bad-signature"],
    ["issue", { s: given.answer + "=" }, "bad-signature"], ["issue", { s: given.z }, "bad-signature"], ["issue", "<html>", "server"],
    ["ballots", {}, "bad-promise"], ["ballots", { promise: "" }, "bad-promise"], ["ballots", { promise: given.promise + "00" }, "bad-promise"],
    ["ballots", { promise: "00".repeat(64) }, "bad-promise"],
  ]) {
    const s = await ready(device({ [path]: bad }));
    await fails(s.finish(""), code, `${path}: ${JSON.stringify(bad).slice(0, 20)}`);
    same([s.stage === "received", s.tracker], [false, whole.tracker], "not received");
    same(s.evidence() === null, code === "server", "evidence");
  }
  for (const bad of [{ ballot_id: given.id }, { ballot_id: "00".repeat(32), state: "deposited" }, {}]) {
    const s = await ready(device({ deposit: bad }));
    await fails(s.deposit(""), "server");
    same(s.stage, "sealed", "not deposited");
  }
});

test("proofs that do not hold", async () => {
  const d = device();
  const s = await ready(d);
  await s.finish("");
  const lines = given.proof.split("\n");
  for (const proof of [
    given.proof.slice(0, -2), given.proof.replace("index 2", "index 1"), lines.slice(0, -3).join("\n") + "\n", given.envelope + "\n",
  ]) {
    d.how.find = { state: "in the log", promise: "", proof };
    await fails(s.find(), "bad-proof", proof.slice(0, 60));
    same(new TextDecoder().decode(s.evidence()).includes(given.id), true, "evidence");
  }
  for (const bad of [{}, { state: "lost", proof: "" }, { state: "received" }, { state: "received", proof: 7 }]) {
    d.how.find = bad;
    await fails(s.find(), "server", JSON.stringify(bad));
  }
  d.how.find = { state: "received", promise: given.promise, proof: "" };
  same(await s.find(), { state: "received", index: null, moment: null, proof: null }, "received");
});

test("a choice can be changed until it may have been asked for", async () => {
  let now = 1e12;
  const page = new AbortController();
  const d = device({ issue: "lost" }, { env: { now: () => now, wait: async () => page.abort(), signal: page.signal } });
  const s = await ready(d);
  await fails(s.finish(""), "offline");
  const e = device({}, { db: d.db, env: { now: () => now } });
  const t = await open(e);
  await fails(later(() => t.seal([0], "")), "begun", "not asked whether it is issued");
  await t.status("");
  await fails(later(() => t.seal([0], "")), "begun", "its request may be under way");
  now += 61000;
  await fails(later(() => t.seal([0], "")), "begun", "status was asked too early");
  await t.status("");
  same(t.begun, false, "it was not issued, and is not under way");
  await t.seal([0], "");
  e.how.status = { ...status, issued: true };
  await t.status("");
  await fails(later(() => t.seal([0], "")), "begun", "issued meanwhile");
});

test("what is pressed while a ballot is sealed changes nothing in it", async () => {
  const s = await open(device());
  const choices = given.choices.slice();
  const sealing = s.recover(given.recovery_code, choices, given.typed);
  choices.fill(9);
  await sealing;
  same([s.choices, s.ballotId], [given.choices, given.id], "as it was pressed");
  const late = s.seal([0], "");
  const end = s.finish("");
  await fails(late, "begun", "the first is on its way");
  await end;
  same([s.stage, s.ballotId], ["received", given.id], "the first");
});

test("a ballot that was replaced is not asked for by the tab that had it", async () => {
  let now = 1e12;
  const db = fakeDatabase();
  let resume;
  const d = device({ issue: "lost" }, { db, env: { now: () => now, wait: () => new Promise((resolve) => (resume = resolve)) } });
  const s = await ready(d);
  const end = fails(s.finish(""), "begun");
  await until(() => resume, "the first tab to wait");
  now += 61000;
  const e = device({ issue: error("closed") }, { db, env: { now: () => now } });
  const t = await open(e);
  await t.status("");
  await t.seal([0], "");
  await fails(t.finish(""), "closed"); // asked for, whatever the answer
  const before = d.paths().length;
  resume();
  await end;
  same([d.paths().length, s.tracker, s.choices], [before, t.tracker, [0]], "the first tab goes on with the second's");
});

test("a ballot is not exchanged for another tab's on its way", async () => {
  const db = fakeDatabase();
  const d = device({}, { db });
  const s = await ready(d);
  const other = await open(device({ issue: error("closed") }, { db }));
  await other.seal([0], "");
  await fails(other.finish(""), "closed"); // asked for, whatever the answer
  const tag = [...db.records.values()][0].tag;
  const heard = s.heard("kept");
  await fails(s.finish(""), "begun");
  await heard;
  same([d.paths().includes("issue"), s.tracker, [...db.records.values()][0].tag], [false, other.tracker, tag], "the other's is gone on with");
});

test("what is damaged is not overwritten", async () => {
  const d = device({ issue: error("closed") });
  const s = await open(d);
  await s.seal([0], "");
  await fails(s.finish(""), "closed");
  const [record] = [...d.db.records.values()];
  record.sealed[30] ^= 1;
  const e = device({}, { db: d.db, env: { now: () => 1e12 + 61000 } });
  const t = await open(e);
  same([t.damaged, t.kept, t.stage], [true, true, "new"], "damaged");
  await fails(later(() => t.seal([0], "")), "damaged");
  const old = record.tag;
  await t.recover(given.recovery_code, given.choices, given.typed);
  e.how.issue = error("closed");
  await fails(t.finish(""), "closed");
  same([...d.db.records.values()][0].tag, old, "a copy may still be put in its place");
  e.how.issue = { s: given.answer };
  await t.finish("");
  same([t.damaged, t.stage, (await open(device({}, { db: d.db }))).stage], [false, "received", "received"], "finished by its code");
});

test("a choice that cannot be erased is said", async () => {
  const d = device({ ballots: () => ((d.db.fault = "write"), { promise: given.promise, state: "received" }) });
  const s = await ready(d);
  same((await fails(s.finish(""), "storage")).details.received, true, "received");
  same([s.stage, s.choices], ["received", null], "received, and erased in memory");
  d.db.fault = "";
  const n = d.sent.length;
  await s.finish("");
  same([d.sent.length, (await open(device({}, { db: d.db }))).choices], [n, null], "erased, and nothing sent");
});

test("a typed code", async () => {
  const d = device();
  const s = await openCode(electionId, given.code, d.env);
  same([s.group, d.paths()], [0, ["manifest"]], "nothing was sent");
  await fails(later(() => s.seal([1], "")), "other-election", "no group yet");
  await s.status("");
  same([d.paths(), d.sent[2].body, s.group], [["manifest", "checkpoint-1", "status"], { code: given.code }, 1], "witnesses first");
  d.how.status = { ...status, group: 2 };
  await fails(s.status(""), "other-election", "another group than before");
  d.how.status = { ...status, salt: "" };
  same([(await s.status("")).envelopeOnly, s.envelopeOnly], [true, true], "not on the roll");
  const e = device({ "checkpoint-1": given.proof.slice(given.proof.indexOf("\n\n") + 2) });
  const t = await openCode(electionId, given.code, e.env);
  await fails(t.status(""), "not-witnessed");
  same(e.paths().includes("status"), false, "the code was not sent");
  await fails(openCode("00".repeat(16), given.code, device().env), "other-election");
  await fails(openCode("../x", given.code, device().env), "bad-link");
});

test("other tabs hear of it", async () => {
  const db = Object.assign(fakeDatabase(), { BroadcastChannel: fakeChannel() });
  const heard = [];
  const a = await open(device({}, { db, env: { elsewhere: (what) => heard.push(what) } }));
  await a.seal([0], "mine");
  const b = await ready(device({}, { db }));
  await b.finish("");
  await until(() => a.stage === "received", "the first tab");
  same([a.stage, a.tracker, a.choices, heard[0]], ["received", b.tracker, null, "opened"], "the first holds no choice any more");
  await b.forget();
  await until(() => a.stage === "new", "the first tab");
  same([a.stage, a.kept, a.tracker], ["new", false, null], "forgotten in both");
});

test("a shared computer keeps nothing", async () => {
  const d = device();
  const s = await open(d);
  same([s.keepInTab(true), s.keeping], [true, "tab"], "asked for");
  same([s.keepInTab(false), s.keeping, s.keepInTab(true), s.keeping], [true, "device", true, "tab"], "taken back, and asked for again");
  await s.recover(given.recovery_code, given.choices, given.typed);
  await s.finish("");
  same([s.stage, d.db.records.size, s.keepInTab(false)], ["received", 0, false], "nothing");
  const e = device({ issue: error("closed") });
  const t = await ready(e);
  await fails(t.finish(""), "closed");
  same([t.keepInTab(true), e.db.records.size], [false, 1], "what is kept stays");
  same(new TabMemory().lasts, false, "lasts");
});

test("who takes it back is kept on the device, and heard by other tabs", async () => {
  const db = Object.assign(fakeDatabase(), { BroadcastChannel: fakeChannel() });
  const heard = [];
  await open(device({}, { db, env: { elsewhere: (what) => heard.push(what) } }));
  const d = device({ issue: error("closed") }, { db });
  const s = await ready(d);
  s.keepInTab(true);
  s.keepInTab(false);
  await fails(s.finish(""), "closed");
  await until(() => heard.includes("kept"), "the other tab to hear of it");
  same([s.keeping, db.records.size], ["device", 1], "kept");
});

test("a session shows nothing of itself", async () => {
  const s = await ready(device());
  same(JSON.stringify({ s }), '{"s":"[voter\'s session]"}', "JSON");
  const clean = `${s}`;
  same(clean.includes(given.typed) || clean.includes(given.code), false, "text");
  same(utf8(clean).length < 100, true, "length");
});
