import * as ballot from "../ballot.js";
import * as credential from "../credential.js";
import { encodePSS, Modulus } from "../rsa.js";
import * as suite from "../suite.js";
import { refuses, same, test, vectors } from "./harness.mjs";

const { fromBE, hex, toBE, unhex } = suite;
const own = await vectors("credential/blind.json");
const rfc = await vectors("credential/rfc9474.json");
const sealed = await vectors("go/sealed.json");
const published = ["2048", "4096"].map((bits) => `wycheproof/rsa_pss_${bits}_sha384_mgf1_48_test.json`);
const wycheproof = await Promise.all(published.map(vectors));

const spki = unhex(own.spki);

// okmOf answers as the secret of a vector would, and only what it may be asked.
const okmOf = (v) => (label, n) => {
  const b = unhex(label === "salt" ? v.salt : v.okm_blind[Number(/^blind\/(\d+)$/.exec(label)[1])]);
  same(b.length, n, label);
  return b;
};

for (const v of own.cases) {
  test(`blinding: ${v.name}`, async () => {
    const msg = credential.message(unhex(v.mid), v.group, unhex(v.ballot_id));
    same(hex(msg), v.msg, "msg");
    const request = await credential.blind(spki, msg, okmOf(v));
    same(hex(request.z), v.z, "z");
    const modulus = new Modulus(fromBE(unhex(own.n)), 3072);
    same(hex(modulus.blind(await encodePSS(msg, unhex(v.salt), 3071), fromBE(unhex(v.b)))), v.z, "z of b");
    same(hex(await request.finalize(unhex(v.answer))), v.sig, "sig");
    same(await credential.verify(spki, msg, unhex(v.sig)), true, "verify");
  });
}

test("an answer that is not the issuer's is refused", async () => {
  const v = own.cases[0];
  const request = await credential.blind(spki, unhex(v.msg), okmOf(v));
  const answer = unhex(v.answer);
  const n = fromBE(unhex(own.n));
  const bad = [new Uint8Array(384), suite.concat(new Uint8Array(383), suite.u8(1)), unhex(own.cases[1].answer), unhex(v.sig), answer.slice(1), suite.concat(suite.u8(0), answer), unhex(own.n)];
  for (const at of [0, 1, 200, 383]) {
    const flipped = answer.slice();
    flipped[at] ^= 1;
    bad.push(flipped);
  }
  if (fromBE(answer) + n < BigInt(2) ** BigInt(3072)) {
    bad.push(toBE(fromBE(answer) + n, 384));
  }
  for (const b of bad) {
    await refuses(() => request.finalize(b), `answer ${hex(b).slice(0, 16)}`, credential.BadAnswer);
  }
  same(hex(await request.finalize(answer)), v.sig, "the right answer after all that");
});

test("a credential holds for one ballot of one group of one election", async () => {
  const v = own.cases[0];
  const [mid, id, sig] = [unhex(v.mid), unhex(v.ballot_id), unhex(v.sig)];
  const other = await suite.H("x");
  same(await credential.verify(spki, credential.message(mid, v.group, id), sig), true, "fair");
  same(await credential.verify(spki, credential.message(other, v.group, id), sig), false, "another election");
  same(await credential.verify(spki, credential.message(mid, v.group + 1, id), sig), false, "another group");
  same(await credential.verify(spki, credential.message(mid, v.group, other), sig), false, "another ballot");
  for (let at = 0; at < sig.length; at += 16) {
    const flipped = sig.slice();
    flipped[at] ^= 1 << (at % 8);
    same(await credential.verify(spki, unhex(v.msg), flipped), false, `byte ${at}`);
  }
  same(await credential.verify(spki, unhex(v.msg), sig.slice(1)), false, "short");
  same(await credential.verify(spki, unhex(v.msg), new Uint8Array(0)), false, "empty");
  const above = fromBE(sig) + fromBE(unhex(own.n));
  if (above < BigInt(2) ** BigInt(3072)) {
    same(await credential.verify(spki, unhex(v.msg), toBE(above, 384)), false, "sig + n");
  }
});

test("an issuer's key has one form", async () => {
  same(credential.isIssuer(spki), true, "fair");
  // Every byte but those of the modulus is fixed, and of those the first bit and the last.
  for (let at = 0; at < spki.length; at++) {
    const changed = spki.slice();
    changed[at] ^= at === 81 ? 0x80 : 1;
    const fixed = at <= 81 || at >= 81 + 383;
    same(credential.isIssuer(changed), !fixed, `byte ${at}`);
  }
  for (const b of [spki.slice(1), spki.slice(0, -1), suite.concat(spki, suite.u8(0)), new Uint8Array(0)]) {
    same(credential.isIssuer(b), false, `${b.length} bytes`);
    await refuses(() => credential.blind(b, suite.utf8("m"), okmOf(own.cases[0])), `${b.length} bytes`);
  }
});

test("a modulus that was made to learn the message is noticed", async () => {
  const v = own.cases[0];
  const em = fromBE(await encodePSS(unhex(v.msg), unhex(v.salt), 3071));
  // A multiple of the encoded message, odd and of 3072 bits.
  const odd = em % BigInt(2) === BigInt(0) ? em / BigInt(2) : em;
  let n = odd;
  while (n >> BigInt(3071) === BigInt(0)) {
    n += BigInt(2) * odd;
  }
  if (n >> BigInt(3072) === BigInt(0)) {
    await refuses(() => new Modulus(n, 3072).blind(toBE(em, 384), BigInt(2)), "a common factor");
  }
  // Where no blind has an inverse, the search ends.
  let asked = 0;
  const zeros = suite.concat(unhex(own.spki).slice(0, 81), new Uint8Array(384).fill(255), unhex("0203010001"));
  const three = (label, size) => {
    asked++;
    return toBE(label === "salt" ? BigInt(0) : BigInt(2), size); // b = 3, a factor of 2^3072 - 1
  };
  await refuses(() => credential.blind(zeros, unhex(v.msg), three), "a key without inverses");
  same(asked, 16, "blinds tried");
});

test("RFC 9474, appendix A", async () => {
  const n = fromBE(unhex(rfc.key.n));
  const modulus = new Modulus(n, n.toString(2).length);
  for (const v of rfc.cases) {
    const [msg, salt, inverse] = [unhex(v.msg), unhex(v.salt), fromBE(unhex(v.inv))];
    const em = await encodePSS(msg, salt, modulus.bits - 1);
    if (v.encoded) {
      same(hex(em), v.encoded, `${v.name}: encoded`);
    }
    same(hex(modulus.blind(em, modulus.inverse(inverse))), v.blinded, `${v.name}: blinded`);
    same(hex(modulus.unblind(unhex(v.blind_sig), inverse)), v.sig, `${v.name}: sig`);
    for (const size of [0, 32, 47, 48, 49]) {
      same(await modulus.verify(msg, unhex(v.sig), size), size === salt.length, `${v.name}: a salt of ${size} bytes`);
    }
  }
  same(rfc.cases.length, 4, "cases");
});

test("RSA-PSS: Wycheproof", async () => {
  let n = 0;
  for (const file of wycheproof) {
    for (const g of file.testGroups) {
      const modulus = fromBE(unhex(g.publicKey.modulus.replace(/^00/, "")));
      const key = new Modulus(modulus, modulus.toString(2).length);
      for (const v of g.tests) {
        n++;
        same(await key.verify(unhex(v.msg), unhex(v.sig), g.sLen), v.result === "valid", `${g.keySize} bits, vector ${v.tcId}`);
      }
    }
  }
  same(n, 282, "vectors");
});

test("what Go sealed opens here, by its recovery code, and seals and blinds to the same bytes", async () => {
  for (const v of sealed) {
    const context = { mid: unhex(v.mid), group: v.group, key: unhex(v.key), options: v.options };
    const secret = ballot.parseRecoveryCode(v.recovery_code);
    const body = unhex(v.body);
    same(await ballot.open(context, secret, v.typed, body), v.choices, "choices");
    same(await ballot.check(context, body), true, "check");
    const again = await ballot.seal(context, secret, v.typed, v.choices);
    same([hex(again.body), hex(again.id)], [v.body, v.id], "sealed again");
    const request = await credential.blind(unhex(v.issuer), credential.message(context.mid, v.group, again.id), again.okm);
    same(hex(request.z), v.z, "z");
    same(hex(await request.finalize(unhex(v.answer))), v.signature, "signature");
  }
});
