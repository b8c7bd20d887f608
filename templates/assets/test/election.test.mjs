import { ballotsPolicy, groupOf, ledgerPolicy, mid, options, parseManifest, sixWords } from "../election.js";
import { hex, unhex, utf8 } from "../suite.js";
import { refuses, same, test, vectors } from "./harness.mjs";

// A manifest has one encoding, so that what was read can be written again.
const file = JSON.stringify(await vectors("election/manifest")) + "\n";
const { mid: want } = await vectors("election/vectors.json");

test("the manifest and its hash", async () => {
  same(hex(await mid(utf8(file))), want, "mid");
  const m = await parseManifest(utf8(file));
  same([m.suite, options(m), groupOf(m, 2).id, groupOf(m, 9)], ["SV1", [3], 2, undefined], "manifest");
  same([(await ledgerPolicy(m)).log.name, (await ballotsPolicy(m)).log.name], [m.ledger.origin, m.ballots.origin], "policies");
});

test("no other spelling is a manifest", async () => {
  for (const [name, text] of [
    ["no line end", file.slice(0, -1)],
    ["a line end more", file + "\n"],
    ["a space", file.replace(":", ": ")],
    ["a key twice", file.replace('"demo":true', '"demo":false,"demo":true')],
    ["a key in another place", file.replace(/^\{("suite":"SV1"),("election_id":"[0-9a-f]*")/, "{$2,$1")],
    ["a key missing", file.replace('"rehearsal":false,', "")],
    ["a key more", file.replace('"rehearsal":false,', '"rehearsal":false,"more":0,')],
    ["a prototype", file.replace('"rehearsal":false,', '"rehearsal":false,"__proto__":{},')],
    ["an escape", file.replace("SV1", "SV\\u0031")],
    ["an exponent", file.replace('"t":2', '"t":2e0')],
    ["a fraction", file.replace('"t":2', '"t":1.5')],
    ["minus zero", file.replace('"question":0', '"question":-0')],
    ["upper case", file.replace(/"roll_root":"([0-9a-f]*)"/, (_, s) => `"roll_root":"${s.toUpperCase()}"`)],
    ["an invisible character", file.replace("Strike", "Str\u200bike")],
    ["nothing", ""],
    ["null", "null\n"],
    ["a list", "[]\n"],
  ]) {
    same(text === file, false, name);
    await refuses(() => parseManifest(utf8(text)), name);
  }
  await refuses(() => parseManifest(Uint8Array.of(0xff, 0x0a)), "no UTF-8");
});

// set returns the file with another value at a path.
function set(path, value) {
  const m = JSON.parse(file);
  const keys = path.split(".");
  const last = keys.pop();
  keys.reduce((v, k) => v[k], m)[last] = value;
  return utf8(JSON.stringify(m) + "\n");
}

test("values that a voter's page must not take", async () => {
  const m = JSON.parse(file);
  const zeros = "00".repeat(32);
  const spki = m.groups[0].issuer;
  for (const [path, value] of [
    ["suite", "SV2"], ["election_id", "00"], ["demo", 1], ["languages", []], ["languages", ["en", "es"]], ["title", []], ["title", "x"],
    ["title", ["x".repeat(201)]], ["title", [" x"]], ["title", [7]], ["questions", []], ["questions", null], ["questions.0.options", m.questions[0].options.slice(0, 1)],
    ["questions.0.options", [...m.questions[0].options, ...m.questions[0].options]], ["questions.0.options.0.role", "perhaps"], ["questions.0.text", [""]],
    ["groups", []], ["groups.0.id", 0], ["groups.0.id", 65536], ["groups.0.id", 1.5], ["groups", [m.groups[0], m.groups[0]]],
    ["groups", [m.groups[0], { ...m.groups[0], id: 2 }]],
    ["groups.0.issuer", ""], ["groups.0.issuer", spki.slice(0, -2)], ["groups.0.issuer", spki.replace(/10001$/, "10003")],
    ["groups.0.issuer", spki.slice(0, 162) + "7f" + spki.slice(164)], ["groups.0.issuer", spki.slice(0, -12) + "00" + spki.slice(-10)],
    ["tellers.key", zeros], ["tellers.key", "ff".repeat(32)], ["promise_key", zeros], ["token_key", "01" + "00".repeat(31)], ["promise_key", "00"],
    ["schedule.close", 0], ["schedule.open", -1], ["schedule.close", m.schedule.latest_close + 1], ["schedule.decide_until", 0], ["schedule.grace", 1801],
    ["factor", { label: [] }], ["factor", {}], ["factor", undefined], ["separation.kind", "none"], ["ledger.key", m.ballots.key], ["ledger.origin", "x"], ["ballots", m.ledger],
    ["witnesses.threshold", 0], ["witnesses.threshold", 9], ["witnesses.keys", []], ["witnesses.keys.0", m.ledger.key],
    ["origins.box", m.origins.registrar], ["origins.box", "ftp://box.example"], ["origins.box", "https://box.example/"], ["origins.box", "https://a@box.example"],
    ["origins.box", "https://box.example:443"], ["origins.box", "https://box.example:70000"], ["origins.box", "https://-box.example"], ["origins.box", "https://box..example"],
    ["client", {}], ["help", null], ["help.phone", ""],
  ]) {
    await refuses(() => parseManifest(set(path, value)), `${path}: ${JSON.stringify(value)}`);
  }
});

test("values that it takes", async () => {
  for (const [path, value] of [
    ["title", ["<b>&\"\\"]], ["factor", { label: ["Your employee number"] }], ["client", { url: "https://vote.example/client", sha256: "00".repeat(32) }],
    ["statement", [""]], ["origins.box", "http://127.0.0.1:8080"], ["demo", false],
  ]) {
    same((await parseManifest(set(path, value))).suite, "SV1", path);
  }
});

test("six words", async () => {
  const words = Array.from({ length: 2048 }, (_, i) => String(i));
  same(sixWords(unhex("ff".repeat(32)), words), "2047 2047 2047 2047 2047 2047", "ones");
  same(sixWords(unhex("00200400c0" + "00".repeat(27)), words), "1 1 1 1024 0 0", "ones apart");
});
