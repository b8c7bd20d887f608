import { ballotEntry, manifestEntry, parseBallotEntry } from "../ledger.js";
import { hex, unhex } from "../suite.js";
import { checkProof, leafHash, openCheckpoint, parseProof, policy } from "../tlog.js";
import { refuses, same, test, vectors } from "./harness.mjs";

const checkpoints = await vectors("tlog/checkpoint.json");
const proofs = await vectors("tlog/proof.json");
const chain = await vectors("tlog/chain.json");
const ledger = await vectors("ledger/vectors.json");

const policyOf = (v, threshold) => policy(v.log, v.witnesses, threshold || v.threshold);
const bytes = (text) => new TextEncoder().encode(text);

test("checkpoints", async () => {
  const p = await policyOf(checkpoints.policy);
  for (const v of checkpoints.notes) {
    if (!v.valid) {
      await refuses(() => openCheckpoint(p, bytes(v.note)), v.name);
      continue;
    }
    const c = await openCheckpoint(p, bytes(v.note));
    same([c.origin, c.size, hex(c.root), c.moment], [v.origin, v.size, v.root, v.moment], v.name);
  }
});

test("the threshold is the policy's", async () => {
  const two = checkpoints.notes.find((v) => v.name === "two cosignatures").note;
  same((await openCheckpoint(await policyOf(checkpoints.policy, 1), bytes(two))).size, 5, "one of two");
  await refuses(async () => openCheckpoint(await policyOf(checkpoints.policy, 3), bytes(two)), "three of two");
});

test("no other bytes of a note are accepted", async () => {
  const note = bytes(checkpoints.notes[0].note);
  const p = await policyOf(checkpoints.policy, 3);
  for (let at = 0; at < note.length; at += 11) {
    const other = note.slice();
    other[at] ^= 1;
    await refuses(() => openCheckpoint(p, other), `byte ${at}`);
  }
  await refuses(() => openCheckpoint(p, note.slice(0, -1)), "cut");
  await refuses(() => openCheckpoint(p, bytes("\ufeff" + checkpoints.notes[0].note)), "a byte order mark");
});

test("policies that cannot be followed", async () => {
  const { log, witnesses } = checkpoints.policy;
  for (const [name, make] of [
    ["none", () => policy(log, [], 1)],
    ["threshold 0", () => policy(log, witnesses, 0)],
    ["more than there are", () => policy(log, witnesses, 4)],
    ["a witness twice", () => policy(log, [witnesses[0], witnesses[0]], 1)],
    ["a witness as log", () => policy(witnesses[0], witnesses, 1)],
    ["the log as witness", () => policy(log, [log], 1)],
    ["another id", () => policy(log.replace("+2", "+3"), witnesses, 1)],
    ["another name", () => policy("x" + log, witnesses, 1)],
    ["no key", () => policy("board.example", witnesses, 1)],
    ["another end", () => policy(log + "A", witnesses, 1)],
  ]) {
    await refuses(make, name);
  }
});

test("proofs", async () => {
  const p = await policyOf(proofs.policy);
  for (const v of proofs.proofs) {
    const leaf = await leafHash(unhex(v.entry));
    if (!v.valid) {
      await refuses(() => checkProof(p, v.proof, leaf), v.name);
      continue;
    }
    const got = await checkProof(p, v.proof, leaf);
    same([got.index, hex(parseProof(v.proof).extra)], [v.index, v.extra], v.name);
    await refuses(async () => checkProof(p, v.proof, await leafHash(unhex("00"))), `${v.name}: another leaf`);
    same((await checkProof(p, parseProof(v.proof), leaf)).index, v.index, "parsed");
  }
});

test("no other text of a proof is accepted", async () => {
  const p = await policyOf(proofs.policy);
  const v = proofs.proofs.find((one) => one.valid && one.extra !== "");
  const leaf = await leafHash(unhex(v.entry));
  const spent = v.proof.indexOf("index "); // extra is covered by nothing
  for (let at = spent; at < v.proof.length; at += 13) {
    const c = v.proof[at] === "A" ? "B" : "A";
    await refuses(() => checkProof(p, v.proof.slice(0, at) + c + v.proof.slice(at + 1), leaf), `character ${at}`);
  }
  const lines = v.proof.split("\n");
  const path = lines.findIndex((l) => l.startsWith("index ")) + 1;
  await refuses(() => checkProof(p, [...lines.slice(0, path), ...lines.slice(path + 1)].join("\n"), leaf), "a hash less");
  await refuses(() => checkProof(p, [...lines.slice(0, path), lines[path], ...lines.slice(path)].join("\n"), leaf), "a hash more");
  for (const bad of ["", "c2sp.org/tlog-proof@v1\n", null, "c2sp.org/tlog-proof@v1\nindex 0\n\n"]) {
    await refuses(() => checkProof(p, bad, leaf), String(bad));
  }
});

test("leaf hashes", async () => {
  for (const v of chain.entries) {
    same(hex(await leafHash(unhex(v.entry))), v.leaf, "leaf");
  }
  for (const v of ledger.entries) {
    same(hex(await leafHash(unhex(v.entry))), v.leaf_hash, v.name);
  }
});

test("entries", async () => {
  const entry = (name) => ledger.entries.find((v) => v.name === name).entry;
  const first = entry("ledger's manifest");
  same(hex(manifestEntry(unhex(first.slice(2)))), first, "manifest");
  const cast = entry("ballot");
  same(hex(ballotEntry(unhex(cast.slice(2)))), cast, "ballot");
  same(hex(parseBallotEntry(unhex(cast))), cast.slice(2), "ballot");
  for (const bad of [first, entry("close"), "01", ""]) {
    await refuses(() => parseBallotEntry(unhex(bad)), bad.slice(0, 10));
  }
});
