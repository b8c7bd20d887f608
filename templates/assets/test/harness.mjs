// The harness of the tests of the modules beside this directory. One and the
// same test runs in two places:
//
//   node --test templates/assets/test/     with VECTORS naming a directory
//   test/page.html in a browser            with the vectors served as /vectors/
//
// In Node it stands on node:test. In a page, page.mjs runs what was declared
// and leaves window.results = {done, passed, failed: [{name, error}]}. The Go
// package internal/bundle/bundletest makes the vectors and serves the page.

const node = typeof process === "object" && typeof window === "undefined";

/** declared holds the tests of a page until page.mjs runs them. */
export const declared = [];

/** test declares a test; fn may be asynchronous. */
export const test = node ? (await import("node:test")).test : (name, fn) => void declared.push({ name, fn });

/** vectors reads a file of vectors. */
export async function vectors(name) {
  if (!node) {
    const response = await fetch(`/vectors/${name}`);
    if (!response.ok) {
      throw new Error(`vectors ${name}: status ${response.status}`);
    }
    return response.json();
  }
  if (!process.env.VECTORS) {
    throw new Error("VECTORS is not set; run the tests by: go test ./internal/bundle");
  }
  const { readFile } = await import("node:fs/promises");
  return JSON.parse(await readFile(`${process.env.VECTORS}/${name}`, "utf8"));
}

const shown = (v) =>
  JSON.stringify(v, (_, x) => {
    if (typeof x === "bigint") {
      return `${x}n`;
    }
    if (x instanceof Promise) {
      throw new Error("a promise that was not awaited"); // it would be the same as any other
    }
    return x instanceof Uint8Array ? `bytes ${Array.from(x, (b) => b.toString(16).padStart(2, "0")).join("")}` : x;
  });

/** same fails unless two values are the same: bytes, numbers, texts, or lists and objects of them. */
export function same(got, want, what) {
  if (shown(got) !== shown(want)) {
    throw new Error(`${what}: got ${shown(got)}, want ${shown(want)}`);
  }
}

/** refuses fails unless fn throws, now or later, by an error of that kind if one is named. It is to be awaited. */
export async function refuses(fn, what, kind = Error) {
  let result;
  try {
    result = await fn();
  } catch (e) {
    if (e instanceof kind) {
      return;
    }
    throw new Error(`${what}: threw ${e}`);
  }
  throw new Error(`${what}: not refused, gave ${shown(result)}`);
}
