import { match, parseTracker, tracker, verifyPromise } from "../receipt.js";
import { hex, unhex } from "../suite.js";
import { refuses, same, test, vectors } from "./harness.mjs";

const { promise_key: key, receipts } = await vectors("receipt/receipt.json");

test("trackers and promises", async () => {
  for (const v of receipts) {
    const id = unhex(v.ballot_id);
    same(tracker(id), v.tracker, "tracker");
    const prefix = parseTracker(v.tracker.toLowerCase().replace(/-/g, " "));
    same(hex(prefix), v.prefix, "prefix");
    same([match(id, prefix), match(id, prefix.slice(1))], [true, false], "match");
    same(await verifyPromise(unhex(key), unhex(v.mid), id, unhex(v.promise)), true, "promise");
  }
});

test("a promise binds key, election and ballot", async () => {
  const v = receipts[0];
  const good = { key: unhex(key), mid: unhex(v.mid), id: unhex(v.ballot_id), promise: unhex(v.promise) };
  for (const name of Object.keys(good)) {
    for (const at of [0, good[name].length - 1]) {
      const bad = Object.assign({}, good, { [name]: good[name].slice() });
      bad[name][at] ^= 1;
      same(await verifyPromise(bad.key, bad.mid, bad.id, bad.promise), false, `${name}[${at}]`);
    }
  }
  same([await verifyPromise(good.key, good.mid, good.id, good.promise.slice(1)), await verifyPromise(good.key, good.mid, good.id, null)], [false, false], "no promise");
});

test("what is no tracker", async () => {
  for (const text of ["", "K7QF", receipts[0].tracker + "0", receipts[0].tracker.replace(/.$/, "U"), "0".repeat(201)]) {
    await refuses(() => parseTracker(text), text.slice(0, 30));
  }
});

test("each of the 100 bits counts", async () => {
  const id = unhex(receipts[1].ballot_id);
  const prefix = parseTracker(tracker(id));
  for (let bit = 0; bit < 104; bit++) {
    const other = id.slice();
    other[bit >> 3] ^= 0x80 >> (bit % 8);
    same(match(other, prefix), bit >= 100, `bit ${bit}`);
  }
});
