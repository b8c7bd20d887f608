import { inBox, open } from "../inbox.js";
import { mid } from "../election.js";
import { parseTracker } from "../receipt.js";
import { hex, unhex, utf8 } from "../suite.js";
import { refuses, same, test, vectors } from "./harness.mjs";

const record = await vectors("go/box.json");
const bytes = unhex(record.manifest);
const manifest = await open(bytes, record.mid);
const find = (tracker, proof) => inBox(manifest, parseTracker(tracker), proof);

test("every ballot of a record is found in the box", async () => {
  same(record.ballots.length, 27, "ballots");
  for (const [i, b] of record.ballots.entries()) {
    const { index, size } = await find(b.tracker, b.proof);
    same([index, size], [i + 1, 29], b.tracker);
  }
});

test("a proof is of one ballot only", async () => {
  const [first, second] = record.ballots;
  await refuses(() => find(first.tracker, second.proof), "another ballot's proof");
  await refuses(() => find("0000-0000-0000-0000-0000", first.proof), "no ballot's tracker");
  await refuses(() => find(first.tracker, ""), "no proof");
  await refuses(() => find(first.tracker, undefined), "nothing");
});

test("every character of a proof counts", async () => {
  const { tracker, proof } = record.ballots[4];
  for (let at = 0; at < proof.length; at += at < 80 || at > proof.length - 1500 ? 1 : 97) {
    const other = proof[at] === "A" ? "B" : "A";
    await refuses(() => find(tracker, proof.slice(0, at) + other + proof.slice(at + 1)), `character ${at}`);
  }
});

test("a proof without the entry, or without enough witnesses, is none", async () => {
  const { tracker, proof } = record.ballots[0];
  await refuses(() => find(tracker, proof.replace(/^extra .*\n/m, "")), "without the entry");
  await refuses(() => find(tracker, proof.slice(0, proof.trimEnd().lastIndexOf("\n") + 1)), "one witness fewer");
});

test("another manifest is refused, whatever it says", async () => {
  const changed = utf8(new TextDecoder().decode(bytes).replace("Strike", "Strife"));
  await refuses(() => open(changed, record.mid), "one word changed");
  await refuses(async () => open(bytes, hex(await mid(changed))), "another hash");
});
