// A stand-in for indexedDB where there is none, as far as memory.js uses it: one
// store, transactions that come one after the other, and faults on demand.

/** fakeDatabase returns {indexedDB, records, fault}: fault may be set to "open", "write", "hang" or "cut". */
export function fakeDatabase() {
  const world = { records: new Map(), fault: "", opened: 0 };
  let queue = Promise.resolve();
  const db = {
    createObjectStore() {},
    close() {},
    transaction(_, mode) {
      if (world.fault === "cut") {
        world.fault = "";
        throw new Error("connection lost");
      }
      const t = { steps: [], oncomplete() {}, onabort() {} };
      t.objectStore = () => storeOf(t, world);
      queue = queue.then(() => runAll(t, mode, world));
      return t;
    },
  };
  world.indexedDB = {
    open() {
      world.opened++;
      const request = { result: db };
      queueMicrotask(() => {
        if (world.fault === "open") {
          request.onerror();
        } else if (world.fault !== "hang") {
          request.onupgradeneeded();
          request.onsuccess();
        }
      });
      return request;
    },
  };
  return world;
}

function storeOf(t, world) {
  const step = (run) => {
    const request = { onsuccess() {} };
    t.steps.push(async (changes) => {
      request.result = run(changes);
      await null; // as an event of its own
      request.onsuccess();
    });
    return request;
  };
  const read = (changes, key) => (changes.has(key) ? changes.get(key) : world.records.get(key));
  return {
    get: (key) => step((changes) => structuredClone(read(changes, key))),
    put: (value, key) => step((changes) => void changes.set(key, structuredClone(value))),
    delete: (key) => step((changes) => void changes.set(key, undefined)),
  };
}

async function runAll(t, mode, world) {
  const changes = new Map();
  while (t.steps.length > 0) {
    await t.steps.shift()(changes);
  }
  if (world.fault === "write" && changes.size > 0) {
    t.onabort();
    return;
  }
  if (changes.size > 0 && mode !== "readwrite") {
    throw new Error("a write in a transaction that reads");
  }
  changes.forEach((value, key) => (value === undefined ? world.records.delete(key) : world.records.set(key, value)));
  t.oncomplete();
}

/** fakeChannel returns a BroadcastChannel of its own, between tabs that share it. */
export function fakeChannel() {
  const all = new Map();
  return class {
    constructor(name) {
      this.others = all.get(name) || all.set(name, []).get(name);
      this.others.push(this);
    }

    postMessage(data) {
      this.others.filter((c) => c !== this).forEach((c) => queueMicrotask(() => c.onmessage({ data })));
    }
  };
}
