import { Memory, TabMemory, keyFor, sealer } from "../memory.js";
import { Keeper, erase, fresh } from "../state.js";
import { hex, random, utf8 } from "../suite.js";
import { fails, until } from "./expect.mjs";
import { same, test } from "./harness.mjs";
import { fakeChannel, fakeDatabase } from "./idb.mjs";

const mid = new Uint8Array(32).fill(7);
const secret = utf8("7KQF2M9TXW4C8RJD5NHB");
const name = await keyFor(secret);

const ballot = (n, more) =>
  Object.assign(fresh(), {
    stage: "sealed", group: 1, secret: new Uint8Array(16).fill(n), typed: "words", choices: [1, 0],
    body: new Uint8Array(40).fill(n), id: new Uint8Array(32).fill(n),
  }, more);

async function conflicts(promise) {
  try {
    await promise;
  } catch (e) {
    same(e.name, "Conflict", String(e));
    return e.found;
  }
  throw new Error("no conflict");
}

// A browser tries the database that it has, too.
const factories = [["tab", () => new TabMemory()], ["stand-in", () => new Memory(fakeDatabase())]];
if (typeof indexedDB === "object") {
  factories.push(["indexedDB", () => new Memory()]);
}

for (const [name, make] of factories) {
  test(`compare and set: ${name}`, async () => {
    const m = make();
    await m.open();
    const key = hex(random(16));
    same(await m.load(key), null, "empty");
    const first = await m.keep(key, null, Uint8Array.of(1));
    same(await conflicts(m.keep(key, null, Uint8Array.of(2))), { tag: first, sealed: Uint8Array.of(1) }, "found");
    const second = await m.keep(key, first, Uint8Array.of(3));
    same(await conflicts(m.keep(key, first, Uint8Array.of(4))), { tag: second, sealed: Uint8Array.of(3) }, "found");
    same(await m.load(key), { tag: second, sealed: Uint8Array.of(3) }, "loaded");
    await m.forget(key);
    same([await m.load(key), await conflicts(m.keep(key, second, Uint8Array.of(5)))], [null, null], "gone");
  });

  test(`of many at once one writes: ${name}`, async () => {
    const m = make();
    const key = hex(random(16));
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => m.keep(key, null, Uint8Array.of(i)).then(() => i, (e) => e)));
    const won = all.filter(Number.isInteger);
    same([won.length, (await m.load(key)).sealed[0]], [1, won[0]], "winner");
    same(all.filter((e) => e.name === "Conflict" && e.found.sealed[0] === won[0]).length, 19, "losers know it");
    await m.forget(key);
  });
}

test("a device that keeps nothing is found out before", async () => {
  for (const fault of ["open", "write"]) {
    const db = fakeDatabase();
    db.fault = fault;
    same(await new Memory(db).open().then(() => "opened", () => "refused"), "refused", fault);
  }
  const none = { get indexedDB() { throw new Error("SecurityError"); } };
  same(await new Memory(none).open().then(() => "opened", () => "refused"), "refused", "no access");
  const fine = fakeDatabase();
  await new Memory(fine).open();
  same(fine.records.size, 0, "what the trial left");
});

test("a connection that was cut is made anew", async () => {
  const db = fakeDatabase();
  const m = new Memory(db);
  const tag = await m.keep("k", null, Uint8Array.of(1));
  db.fault = "cut";
  same((await m.load("k")).tag, tag, "read");
  db.fault = "cut";
  await m.keep("k", tag, Uint8Array.of(2));
  same([(await m.load("k")).sealed[0], db.opened], [2, 3], "written");
});

test("what is kept says nothing without the link", async () => {
  const db = fakeDatabase();
  const keeper = new Keeper(new Memory(db), secret, mid, name);
  await keeper.save(ballot(9));
  const [[key, record]] = [...db.records];
  same([key, record.sealed.length > 100], [name, true], "record");
  const text = new TextDecoder().decode(record.sealed) + JSON.stringify(record);
  for (const word of ["sealed\":\"", "words", "secret", "stage", "CQkJCQ"]) {
    same(text.includes(word), false, word);
  }
  const other = await sealer(utf8("7KQF2M9TXW4C8RJD5NHC"), mid, key);
  same(await other.open(record.sealed).then(() => "opened", () => "shut"), "shut", "another code");
  const elsewhere = await sealer(secret, random(32), key);
  same(await elsewhere.open(record.sealed).then(() => "opened", () => "shut"), "shut", "another election");
});

const two = () => {
  const db = fakeDatabase();
  return [db, new Keeper(new Memory(db), secret, mid, name), new Keeper(new Memory(db), secret, mid, name)];
};

test("a state comes back as it was", async () => {
  const [, a, b] = two();
  const state = ballot(3, { stage: "issued", sig: new Uint8Array(384).fill(1), asked: 12 });
  await a.save(state);
  same(await b.load(), state, "state");
  same([b.holds(state), b.kept, b.idle(12), b.idle(60013), b.idle(5)], [true, true, false, true, false], "keeper");
  erase(state);
  Object.assign(state, { stage: "received", promise: new Uint8Array(64) });
  await b.save(state);
  const got = await a.load();
  same([got.secret, got.choices, got.typed, got.stage], [null, null, "", "received"], "erased");
});

test("two tabs cannot both begin", async () => {
  const [, a, b] = two();
  await Promise.all([a.load(), b.load()]);
  await a.save(ballot(1));
  const e = await fails(b.save(ballot(2)), "begun");
  same(e.details.found, ballot(1), "the other's");
  // It has seen it by now, and what it goes on with is that one.
  same((await b.save(ballot(1, { asked: 5 }))).asked, 5, "goes on");
  const late = ballot(1, { asked: 9 });
  same(await a.save(late), late, "the same ballot in the first tab");
});

test("what is further stays", async () => {
  const [, a, b] = two();
  await a.save(ballot(1));
  await b.load();
  const done = ballot(1, { stage: "received", secret: null, choices: null, typed: "" });
  await a.save(done);
  same((await b.save(ballot(1))).stage, "received", "the tab that was behind");
  same((await b.load()).secret, null, "no secret came back");
});

test("an issued ballot replaces one that was only begun", async () => {
  const [, a, b] = two();
  await a.load();
  await b.save(ballot(2));
  const issued = ballot(1, { stage: "issued", sig: new Uint8Array(384) });
  same(await a.save(issued), issued, "written");
  same((await b.load()).id[0], 1, "kept");
});

test("what another tab erased does not come back", async () => {
  const [db, a, b] = two();
  await a.save(ballot(1));
  await b.load();
  await b.forget();
  same((await fails(a.save(ballot(1)), "storage")).details.erased, true, "before it is issued");
  const issued = ballot(1, { stage: "issued", sig: new Uint8Array(384) });
  const [, c, d] = two();
  await c.save(ballot(1));
  await d.forget();
  same([await c.save(issued), db.records.size], [issued, 0], "after");
});

test("damage is told and nothing is overwritten", async () => {
  const [db, a, b] = two();
  await a.save(ballot(1));
  const record = db.records.get(a.key);
  record.sealed[20] ^= 1;
  same([await b.load(), b.damaged, b.kept, b.holds(ballot(1))], [null, true, true, false], "damaged");
  same(db.records.get(a.key), record, "as it was");
  const full = fakeDatabase();
  const keeper = new Keeper(new Memory(full), secret, mid, name);
  full.fault = "write";
  await fails(keeper.save(ballot(1)), "storage");
});

test("tabs tell one another", async () => {
  const db = Object.assign(fakeDatabase(), { BroadcastChannel: fakeChannel() });
  const m = new Memory(db);
  const heard = [];
  m.listen("k", (what) => heard.push(what));
  m.listen("k", () => {})("opened");
  m.listen("other", () => {})("kept");
  await until(() => heard.length > 0, "the other tab");
  same(heard, ["opened"], "heard");
  same(new TabMemory().listen("k", () => {})("kept"), undefined, "alone");
});
