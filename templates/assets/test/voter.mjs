// A voter for the tests in Go: it seals, blinds and finalizes what it is asked,
// one JSON object a line in and one out. Bytes are lowercase hexadecimal.
//
//   {mid, group, key, options, typed, choices, issuer} -> {body, id, recovery_code, z}
//   {answer}                                           -> {signature}, for the last of these

import { createInterface } from "node:readline";

import * as ballot from "../ballot.js";
import * as credential from "../credential.js";
import { hex, unhex } from "../suite.js";

let request;

async function seal(q) {
  const context = { mid: unhex(q.mid), group: q.group, key: unhex(q.key), options: q.options };
  const secret = ballot.newSecret();
  const sealed = await ballot.seal(context, secret, q.typed, q.choices);
  request = await credential.blind(unhex(q.issuer), credential.message(context.mid, q.group, sealed.id), sealed.okm);
  return { body: hex(sealed.body), id: hex(sealed.id), recovery_code: ballot.recoveryCode(secret), z: hex(request.z) };
}

const finalize = async (q) => ({ signature: hex(await request.finalize(unhex(q.answer))) });

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  process.stdout.write(JSON.stringify(await (q.answer === undefined ? seal(q) : finalize(q))) + "\n");
}
