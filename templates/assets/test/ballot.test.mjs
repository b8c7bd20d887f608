import * as ballot from "../ballot.js";
import * as suite from "../suite.js";
import { refuses, same, test, vectors } from "./harness.mjs";

const { unhex, hex } = suite;
const order = BigInt("0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed");
const wide = (b) => suite.fromLE(b) % order;

const { cases } = await vectors("ballot/seal.json");

const contextOf = (v) => ({ mid: unhex(v.mid), group: v.group, key: unhex(v.key), options: v.options });

// split takes a body apart by SPEC.md section 6, with no code of ballot.js.
function split(body, options) {
  const r = new suite.Reader(body);
  const list = (n) => Array.from({ length: n }, () => hex(r.take(32)));
  const head = { version: r.u8(), mid: hex(r.take(32)), group: r.u16(), q: r.u8(), nonce: hex(r.take(32)) };
  const questions = options.map((k) => {
    same(r.u8(), k, "options");
    const [R, C] = list(2);
    const commitments = list(2 * k);
    return { R, C, A: commitments.filter((_, i) => i % 2 === 0), B: commitments.filter((_, i) => i % 2 === 1), c: list(k), s: list(k) };
  });
  r.done();
  return { ...head, questions };
}

for (const v of cases) {
  test(`sealing: ${v.name}`, async () => {
    const context = contextOf(v);
    const secret = unhex(v.secret);
    const sealed = await ballot.seal(context, secret, v.typed, v.choices);

    const salt = suite.frame(context.mid, suite.u16(v.group), Uint8Array.from(v.choices), suite.utf8(v.typed));
    same(hex(salt), v.hkdf_salt, "salt");
    const hmac = await crypto.subtle.importKey("raw", salt, { name: "HMAC", hash: "SHA-512" }, false, ["sign"]);
    same(hex(new Uint8Array(await crypto.subtle.sign("HMAC", hmac, secret))), v.prk, "prk");

    const got = split(sealed.body, v.options);
    same([got.version, got.mid, got.group, got.q], [1, v.mid, v.group, v.options.length], "start");
    same(got.nonce, v.nonce, "nonce");
    same(hex(await sealed.okm("nonce", 32)), v.nonce, "nonce derived");
    const parts = [context.mid, suite.u16(v.group), unhex(got.nonce), context.key, suite.u8(v.options.length)];
    got.questions.forEach((q, i) => parts.push(suite.u8(v.options[i]), unhex(q.R), unhex(q.C)));
    const head = await suite.H512("ballot-head", ...parts);
    same(hex(head), v.head, "head");

    for (const [i, want] of v.questions.entries()) {
      const q = got.questions[i];
      const scalar = async (label) => hex(suite.toLE(wide(await sealed.okm(label, 64)), 32));
      same(await scalar(`r/${i}`), want.r, `r of ${i}`);
      same(await scalar(`w/${i}`), want.w, `w of ${i}`);
      for (const name of ["R", "C", "A", "B", "c", "s"]) {
        same(q[name], want[name], `${name} of ${i}`);
      }
      for (const [m, c] of want.c.entries()) {
        if (m !== v.choices[i]) {
          same([await scalar(`c/${i}/${m}`), await scalar(`s/${i}/${m}`)], [c, want.s[m]], `c and s of ${i}, ${m}`);
        }
      }
      const pairs = q.A.map((a, m) => [unhex(a), unhex(q.B[m])]).reduce((all, p) => all.concat(p), []);
      const challenge = wide(await suite.H512("ballot-proof", head, suite.u8(i), ...pairs));
      same(hex(suite.toLE(challenge, 32)), want.challenge, `challenge of ${i}`);
    }

    same(hex(sealed.body), v.body, "body");
    same(hex(sealed.id), v.ballot_id, "ballot_id");
    same(suite.group4(suite.base32(sealed.id, 100)), suite.group4(v.tracker.replace(/-/g, "")), "tracker");
    same(hex(await sealed.okm("salt", 48)), v.okm_salt, "okm salt");
    same(hex(await sealed.okm("blind/0", 400)), v.okm_blind_0, "okm blind");
    same(await ballot.check(context, sealed.body), true, "check");
  });

  test(`opening: ${v.name}`, async () => {
    const context = contextOf(v);
    const secret = ballot.parseRecoveryCode(v.recovery_code);
    same(hex(secret), v.secret, "secret");
    same(ballot.recoveryCode(secret), v.recovery_code, "recovery code");
    const typedBadly = ` ${v.recovery_code.toLowerCase().replace(/0/g, "o").replace(/1/g, "l")}\n`;
    same(hex(ballot.parseRecoveryCode(typedBadly)), v.secret, "secret typed as people do");
    same(await ballot.open(context, secret, v.typed, unhex(v.body)), v.choices, "choices");
  });
}

test("a ballot with one bit flipped in any field is neither valid nor opens", async () => {
  const v = cases.find((c) => c.options.length === 1 && c.options[0] === 2);
  const context = contextOf(v);
  const secret = unhex(v.secret);
  const body = unhex(v.body);
  for (let at = 0; at < body.length; at += at < 36 ? 1 : 16) {
    const flipped = body.slice();
    flipped[at] ^= 1 << (at % 8);
    same(await ballot.check(context, flipped), false, `byte ${at}`);
    await refuses(() => ballot.open(context, secret, v.typed, flipped), `opening with byte ${at} flipped`, ballot.Mismatch);
  }
  for (const other of [body.slice(1), body.slice(0, -1), suite.concat(body, suite.u8(0)), new Uint8Array(0)]) {
    same(await ballot.check(context, other), false, `length ${other.length}`);
    await refuses(() => ballot.open(context, secret, v.typed, other), "opening another length", ballot.Mismatch);
  }
});

test("proofs whose parts add up but do not hold are refused", async () => {
  const v = cases.find((c) => c.name === "two questions");
  const context = contextOf(v);
  const body = unhex(v.body);
  const size = 65 + 3 * 128;
  const move = (b, from, to) => b.set(body.slice(from, from + 32), to);
  const cAt = (m) => 68 + 65 + 6 * 32 + 32 * m;
  const sAt = (m) => cAt(3 + m);
  const variants = {
    "a part moved from one option to the next": (b) => {
      const scalar = (at) => suite.fromLE(body.slice(at, at + 32));
      b.set(suite.toLE((scalar(cAt(0)) + BigInt(1)) % order, 32), cAt(0));
      b.set(suite.toLE((scalar(cAt(1)) + order - BigInt(1)) % order, 32), cAt(1));
    },
    "two parts swapped": (b) => (move(b, cAt(0), cAt(1)), move(b, cAt(1), cAt(0))),
    "two responses swapped": (b) => (move(b, sAt(0), sAt(1)), move(b, sAt(1), sAt(0))),
    "two questions swapped": (b) => {
      b.set(body.slice(68 + size), 68);
      b.set(body.slice(68, 68 + size), 68 + size);
    },
    "one question twice": (b) => b.set(body.slice(68, 68 + size), 68 + size),
  };
  for (const [name, change] of Object.entries(variants)) {
    const changed = body.slice();
    change(changed);
    same(await ballot.check(context, changed), false, name);
  }
});

test("a ballot of another context is not valid", async () => {
  const v = cases[0];
  const body = unhex(v.body);
  const otherKey = unhex(v.questions[0].R);
  const fair = contextOf(v);
  same(await ballot.check(fair, body), true, "fair");
  for (const change of [{ mid: await suite.H("x") }, { group: v.group + 1 }, { key: otherKey }, { options: [2] }, { options: [3, 3] }]) {
    same(await ballot.check({ ...fair, ...change }, body), false, Object.keys(change)[0]);
  }
});

test("points and scalars that no parser may read are refused", async () => {
  const v = cases[0];
  const context = contextOf(v);
  const body = unhex(v.body);
  const at = { R: 69, C: 101, A: 133, c: 133 + 6 * 32, s: 133 + 9 * 32 };
  const put = (where, bytes) => {
    const b = body.slice();
    b.set(bytes, at[where]);
    return b;
  };
  const identity = new Uint8Array(32);
  for (const where of ["R", "C", "A"]) {
    same(await ballot.check(context, put(where, identity)), false, `identity as ${where}`);
    same(await ballot.check(context, put(where, new Uint8Array(32).fill(255))), false, `no point as ${where}`);
  }
  for (const where of ["c", "s"]) {
    const s = suite.fromLE(body.slice(at[where], at[where] + 32));
    same(await ballot.check(context, put(where, suite.toLE(s, 32))), true, "the same scalar");
    same(await ballot.check(context, put(where, suite.toLE(s + order, 32))), false, `${where} above the order`);
  }
});

test("what is not allowed is not sealed", async () => {
  const v = cases[0];
  const fair = contextOf(v);
  const secret = unhex(v.secret);
  const seal = (change, { s = secret, typed = "", choices = [0] } = {}) => () => ballot.seal({ ...fair, ...change }, s, typed, choices);
  await seal({})();
  const bad = {
    "identity as key": seal({ key: new Uint8Array(32) }),
    "no key": seal({ key: undefined }),
    "short key": seal({ key: fair.key.slice(1) }),
    "short mid": seal({ mid: fair.mid.slice(1) }),
    "group 0": seal({ group: 0 }),
    "group 65536": seal({ group: 65536 }),
    "no question": seal({ options: [] }, { choices: [] }),
    "nine questions": seal({ options: Array(9).fill(2) }, { choices: Array(9).fill(0) }),
    "one option": seal({ options: [1] }),
    "five options": seal({ options: [5] }),
    "choice too large": seal({}, { choices: [3] }),
    "choice negative": seal({}, { choices: [-1] }),
    "choice of no number": seal({}, { choices: ["0"] }),
    "half a choice": seal({}, { choices: [0.5] }),
    "no choice": seal({}, { choices: [] }),
    "two choices": seal({}, { choices: [0, 0] }),
    "short secret": seal({}, { s: secret.slice(1) }),
    "long text": seal({}, { typed: "é".repeat(500) + "x" }),
    "half a character": seal({}, { typed: "\ud800" }),
  };
  for (const [name, fn] of Object.entries(bad)) {
    await refuses(fn, name);
  }
});

test("recovery codes: every wrong character and every swap is found", async () => {
  const code = cases[0].recovery_code.replace(/-/g, "");
  const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  for (let i = 0; i < code.length; i++) {
    for (const c of alphabet) {
      if (c !== code[i]) {
        await refuses(() => ballot.parseRecoveryCode(code.slice(0, i) + c + code.slice(i + 1)), `${c} at ${i}`);
      }
    }
    if (i > 0 && code[i] !== code[i - 1]) {
      await refuses(() => ballot.parseRecoveryCode(code.slice(0, i - 1) + code[i] + code[i - 1] + code.slice(i + 1)), `swap at ${i}`);
    }
  }
  for (const other of ["", code.slice(1), code + "0", code.replace(/.$/, "U"), "é".repeat(27)]) {
    await refuses(() => ballot.parseRecoveryCode(other), `"${other}"`);
  }
});

test("a wrong code, text or ballot opens nothing", async () => {
  const [v, other] = [cases[7], cases[8]];
  const context = contextOf(v);
  const body = unhex(v.body);
  await refuses(() => ballot.open(context, ballot.newSecret(), v.typed, body), "another secret", ballot.Mismatch);
  await refuses(() => ballot.open(context, unhex(v.secret), v.typed.trim(), body), "another text", ballot.Mismatch);
  await refuses(() => ballot.open(contextOf(other), unhex(v.secret), v.typed, body), "another ballot", ballot.Mismatch);
});

test("preparing changes nothing", async () => {
  const v = cases[0];
  await ballot.prepare(contextOf(v));
  same(hex((await ballot.seal(contextOf(v), unhex(v.secret), v.typed, v.choices)).body), v.body, "body");
  await refuses(() => ballot.prepare({ ...contextOf(v), key: new Uint8Array(32) }), "no key");
});

test("secrets are random and wiped keys are gone", async () => {
  same(ballot.newSecret().length, 16, "length");
  if (hex(ballot.newSecret()) === hex(ballot.newSecret())) {
    throw new Error("one secret twice");
  }
  const sealed = await ballot.seal(contextOf(cases[0]), ballot.newSecret(), "", [0]);
  sealed.wipe();
  await refuses(() => sealed.okm("salt", 48), "a wiped key");
});
