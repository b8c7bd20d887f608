import * as suite from "../suite.js";
import { refuses, same, test, vectors } from "./harness.mjs";

const { hex, unhex } = suite;
const cases = await vectors("go/suite.json");
const signatures = await vectors("go/ed25519.json");
const published = await vectors("wycheproof/ed25519_test.json");
const derived = await vectors("wycheproof/hkdf_sha512_test.json");

test("frames, hashes, integers and base32 as in Go", async () => {
  for (const v of cases) {
    const parts = v.parts.map((p) => unhex(p));
    same(hex(suite.frame(...parts)), v.frame, "frame");
    same(hex(await suite.H("test", ...parts)), v.h, "H");
    same(hex(await suite.H512("test", ...parts)), v.h512, "H512");
    same(hex(suite.u64(BigInt(v.u64))), v.u64_bytes, "u64");
    same(suite.base32(parts[0], v.bits), v.base32, "base32");
    same(suite.base32(suite.parseBase32(v.base32, v.bits), v.bits), v.base32, "base32 read again");
    same(suite.checkCharacter(v.base32), v.check_char, "check character");
    same(suite.group4(v.base32), v.group4, "groups of four");
    for (const p of parts) {
      same(hex(suite.unb64url(suite.b64url(p))), hex(p), "base64 for URLs");
      same(hex(suite.unbase64(suite.base64(p))), hex(p), "base64");
      same(hex(suite.toLE(suite.fromLE(p), p.length)), hex(p), "little-endian");
      same(hex(suite.toBE(suite.fromBE(p), p.length)), hex(p), "big-endian");
    }
  }
});

test("two lists of parts never give the same frame", async () => {
  const b = suite.utf8;
  const all = [[], [b("")], [b(""), b("")], [b("ab")], [b("a"), b("b")], [b("b"), b("a")]].map((p) => hex(suite.frame(...p)));
  same(new Set(all).size, all.length, "frames");
});

test("what is not bytes is not hashed", async () => {
  for (const v of ["text", 1, undefined, null, [1], {}, new Uint16Array(2), new Uint8Array(2).buffer, Promise.resolve()]) {
    await refuses(() => suite.frame(v), `frame of ${v}`, TypeError);
    await refuses(() => suite.equal(v, v), `comparing ${v}`, TypeError);
  }
});

test("every value has one spelling", async () => {
  for (const text of ["0", "0g", "AB", " 00", "00 ", "0x00", 12]) {
    await refuses(() => unhex(text), `hex ${text}`);
  }
  await refuses(() => unhex("00", 2), "hex of another length");
  for (const text of ["A", "AA==", "AAA=", "AB", "AAB", "AA+A", "AA/A", "AA A", "AA\n", "ÄÄ", 1]) {
    await refuses(() => suite.unb64url(text), `base64 for URLs ${text}`);
  }
  for (const text of ["A", "AA", "AAA", "AB==", "AAB=", "AA-A", "AA_A", "A A==", "AA==\n"]) {
    await refuses(() => suite.unbase64(text), `base64 ${text}`);
  }
  await refuses(() => suite.parseBase32("01", 8), "bits left over");
  for (const [text, bits] of [["0", 8], ["000", 8], ["0U", 10], ["0o", 10], ["0-", 10], [5, 5]]) {
    await refuses(() => suite.parseBase32(text, bits), `base32 ${text}`);
  }
});

test("integers that do not fit are refused", async () => {
  for (const [fn, n] of [[suite.u8, 256], [suite.u8, -1], [suite.u16, 65536], [suite.u16, 1.5], [suite.u32, 2 ** 32], [suite.u64, 2 ** 53], [suite.u8, "1"], [suite.u8, NaN]]) {
    await refuses(() => fn(n), `${n}`, RangeError);
  }
  await refuses(() => suite.toLE(BigInt(256), 1), "256 in a byte", RangeError);
  same(hex(suite.u64(BigInt("0xffffffffffffffff"))), "ff".repeat(8), "the largest u64");
});

test("texts are encoded and decoded in one way", async () => {
  for (const text of ["", "a", "é", "投票", "👍🏽", "\ufeffa", "\u0000"]) {
    same(suite.fromUTF8(suite.utf8(text)), text, "text");
  }
  for (const text of ["\ud800", "a\udc00b", undefined, 1]) {
    await refuses(() => suite.utf8(text), "no text");
  }
  for (const b of ["ff", "c080", "eda080", "f4908080", "e9"]) {
    await refuses(() => suite.fromUTF8(unhex(b)), `bytes ${b}`);
  }
});

test("what a person types becomes base32", async () => {
  same(suite.cleanBase32(" k7qf-o0il\t\r\n\u00a0\u2010\u2011\u2013z"), "K7QF0011Z", "clean");
  same(suite.cleanBase32("ſé"), "ſé", "other characters stay");
});

test("a reader throws past the end and names what is left", async () => {
  const r = new suite.Reader(unhex("0102030405060708090a0b0c0d0e0f"));
  same([r.u8(), r.u16(), r.u32(), r.u64()], [1, 0x203, 0x4050607, BigInt("0x08090a0b0c0d0e0f")], "integers");
  r.done();
  await refuses(() => r.u8(), "past the end");
  await refuses(() => new suite.Reader(unhex("00")).done(), "a byte too many");
  const b = unhex("00");
  new suite.Reader(b).take(1)[0] = 1;
  same(hex(b), "00", "what is taken is a copy");
});

test("Ed25519: signatures on which verifiers differ", async () => {
  for (const v of signatures) {
    same(await suite.verifyEd25519(unhex(v.key), unhex(v.message), unhex(v.signature)), v.valid, `${v.name}, key ${v.key}`);
  }
});

test("Ed25519: Wycheproof", async () => {
  let n = 0;
  for (const g of published.testGroups) {
    for (const v of g.tests) {
      n++;
      same(await suite.verifyEd25519(unhex(g.publicKey.pk), unhex(v.msg), unhex(v.sig)), v.result === "valid", `vector ${v.tcId}`);
    }
  }
  same(n, published.numberOfTests, "vectors");
});

test("Ed25519: keys", async () => {
  const fair = signatures.find((v) => v.valid);
  same(suite.isEd25519(unhex(fair.key)), true, "fair");
  for (const v of signatures.filter((s) => s.name.startsWith("key of small order"))) {
    same(suite.isEd25519(unhex(v.key)), false, v.key);
  }
  same(suite.isEd25519(new Uint8Array(31)), false, "short");
  same(suite.isEd25519(new Uint8Array(32).fill(255)), false, "no point");
});

test("HKDF: Wycheproof", async () => {
  let n = 0;
  for (const g of derived.testGroups) {
    for (const v of g.tests) {
      // Labels have the prefix of this suite: only what begins with it can be
      // asked, so the parts below the labels are compared.
      n++;
      const key = await suite.hkdfKey(unhex(v.ikm));
      const how = suite.hkdfRaw(unhex(v.salt), unhex(v.info));
      if (v.result === "valid") {
        same(hex(await suite.derive(key, how, v.size)), v.okm, `vector ${v.tcId}`);
      } else {
        await refuses(() => suite.derive(key, how, v.size), `vector ${v.tcId}`);
      }
    }
  }
  same(n, derived.numberOfTests, "vectors");
});

test("HKDF under a label", async () => {
  const [key, salt] = [await suite.hkdfKey(unhex("0b0b")), unhex("01")];
  const labelled = await suite.derive(key, suite.hkdfLabel(salt, "x"), 40);
  same(hex(labelled), hex(await suite.derive(key, suite.hkdfRaw(salt, suite.utf8("strikevote/v1/x")), 40)), "prefix");
});

test("wiping and comparing", async () => {
  const [a, b] = [unhex("0102"), unhex("0102")];
  same(suite.equal(a, b), true, "equal");
  same([suite.equal(a, unhex("0103")), suite.equal(a, unhex("01")), suite.equal(a, unhex("010200"))], [false, false, false], "not equal");
  suite.wipe(a, b);
  same([hex(a), hex(b)], ["0000", "0000"], "wiped");
  same(suite.random(32).length, 32, "random");
});
