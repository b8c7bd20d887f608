// A voter who tests a device: it reads {link, choices, typed}, opens the link as the
// page does, seals, opens the test and prints the file that the page gives. Nothing is
// cast.

import { createInterface } from "node:readline";

import { file } from "../challenge.js";
import { openLink, TabMemory } from "../session.js";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const given = JSON.parse((await lines.next()).value);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const env = { booth: new URL(given.link).origin, fetch, memory: new TabMemory(), wait, elsewhere: () => {} };
const session = await openLink(given.link, env);
await session.status("");
await session.seal(given.choices, given.typed);
process.stdout.write(file(session.test()));
process.exit(0);
