// Runs the tests in a page, one after the other, and leaves window.results.

import { declared } from "./harness.mjs";

const results = { done: false, passed: 0, failed: [], milliseconds: 0 };
window.results = results;

const fail = (name, e) => results.failed.push({ name, error: String((e && e.stack) || e) });
const start = performance.now();
for (const name of await (await fetch("tests.json")).json()) {
  // A module that does not load has tests that nobody sees fail.
  await import(`./${name}`).catch((e) => fail(name, e));
}
for (const { name, fn } of declared) {
  try {
    await fn();
    results.passed++;
  } catch (e) {
    fail(name, e);
  }
}
results.milliseconds = performance.now() - start;
results.done = true;
document.title = results.failed.length === 0 && results.passed > 0 ? "passed" : "failed";
document.body.textContent = JSON.stringify(results, null, 1);
