// What the tests of a session and of its parts share: services that answer as
// they are told, and failures that are awaited.

import { same } from "./harness.mjs";

/** fails waits for a promise and returns the Failure, which must have that code. */
export async function fails(promise, code, what) {
  let got;
  try {
    got = await promise;
  } catch (e) {
    if (e.name !== "Failure") {
      throw e;
    }
    same(e.code, code, what || code);
    return e;
  }
  throw new Error(`${what || code}: no failure, but ${typeof got}`);
}

/** answers returns a fetch that gives one answer after the other, the last for ever; a text stands for a broken connection. */
export function answers(...list) {
  const sent = [];
  const fetch = async (url, init) => {
    sent.push({ url, init });
    const next = list[Math.min(sent.length, list.length) - 1];
    if (typeof next === "string") {
      throw new TypeError(next);
    }
    const [status, body, headers] = next;
    return new Response(typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body), { status, headers });
  };
  return { fetch, sent };
}

/** until waits for what another tab or request will do. */
export async function until(done, what) {
  for (let n = 0; !done(); n++) {
    if (n > 1000) {
      throw new Error(`waited in vain: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
