// Runs the worker of the page /check under Node, in place of a browser: one
// request a line on standard input, as JSON; one message a line on standard
// output. node drive.mjs WASM_EXEC WORKER PROGRAM-URL SHA256
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { runInThisContext } from 'node:vm';

const [support, worker, program, sha256] = process.argv.slice(2);
globalThis.self = globalThis;
let settle;
globalThis.postMessage = (message) => {
  console.log(JSON.stringify(message));
  if (message.answer !== undefined || message.failed !== undefined) settle();
};
// In one script, as it is served.
runInThisContext(readFileSync(support, 'utf8') + '\n' + readFileSync(worker, 'utf8'));
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const zip = request.zip ? readFileSync(request.zip) : null;
  const settled = new Promise((resolve) => { settle = resolve; });
  onmessage({ data: { mid: '', words: '', ...request, program, sha256, zip } });
  await settled;
}
process.exit(0);
