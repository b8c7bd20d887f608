import { inBox, open } from "../inbox.js";
import { mid } from "../election.js";
import { parseTracker } from "../receipt.js";
import { hex, unhex, utf8 } from "../suite.js";
import { refuses, same, test, vectors } from "./harness.mjs";

const record = await vectors("go/box.json");
const bytes = unhex(record.manifest);
const manifest = open(bytes, record.mid);
const find = (tracker, proof) => inBox(manifest, parseTracker(tracker), proof);

test("every ballot of a record is found in the box", () => {
  same(record.ballots.length, 27, "ballots");
  record.ballots.forEach((b, i) => {
    const { index, size } = find(b.tracker, b.proof);
    same([index, size], [i + 1, 29], b.tracker);
  });
});

test("a proof is of one ballot only", () => {
  const [first, second] = record.ballots;
  refuses(() => find(first.tracker, second.proof), "another ballot's proof");
  refuses(() => find("0000-0000-0000-0000-0000", first.proof), "no ballot's tracker");
  refuses(() => find(first.tracker, ""), "no proof");
  refuses(() => find(first.tracker, undefined), "nothing");
});

test("every character of a proof counts", () => {
  const { tracker, proof } = record.ballots[4];
  for (let at = 0; at < proof.length; at += at < 80 || at > proof.length - 1500 ? 1 : 97) {
    const other = proof[at] === "A" ? "B" : "A";
    refuses(() => find(tracker, proof.slice(0, at) + other + proof.slice(at + 1)), `character ${at}`);
  }
});

test("a proof without the entry, or without enough witnesses, is none", () => {
  const { tracker, proof } = record.ballots[0];
  refuses(() => find(tracker, proof.replace(/^extra .*\n/m, "")), "without the entry");
  refuses(() => find(tracker, proof.slice(0, proof.trimEnd().lastIndexOf("\n") + 1)), "one witness fewer");
});

test("another manifest is refused, whatever it says", () => {
  const changed = utf8(new TextDecoder().decode(bytes).replace("Strike", "Strife"));
  refuses(() => open(changed, record.mid), "one word changed");
  refuses(() => open(bytes, hex(mid(changed))), "another hash");
});
