// What a device keeps of one voter's ballot, between one opening of the link and
// the next. The twin of memory.go in internal/voter.
//
// What is kept is sealed under a key that only the link or the code makes, so
// that somebody else at the same device cannot read it, nor see whose it is. A
// browser may keep copies of what was overwritten somewhere on its disk; those
// are sealed too, and that is all a page can do.
//
// Every write compares and sets. Two tabs with one link could otherwise both
// seal a ballot and both ask for it: the registrar issues one of the two, and if
// the tab with the other wrote last, the issued one's secret is gone and the vote
// with it. Here the second writer finds that the tag it read is no longer there,
// writes nothing, and is given what is there instead. Read and write are one
// transaction of the database, which no other tab can come between.

import { H, concat, hex, hkdfKey, hkdfLabel, random, utf8 } from "./suite.js";

const database = "strikevote";
const store = "ballots";
const longest = 5000; // ms until a database that does not answer counts as none

/** keyFor names the record of a link's token or a code's characters. It says nothing about it. */
export const keyFor = async (secret) => hex((await H("voter-browser", secret)).slice(0, 16));

/** newTag returns a name for what is written now; null stands for nothing. */
const newTag = () => hex(random(16));

/** A Conflict says that the record is not the one that was read before. */
export class Conflict extends Error {
  /** found is the record that is there, or null. */
  constructor(found) {
    super("what is kept was changed from elsewhere");
    this.name = "Conflict";
    this.found = found;
  }
}

// isRecord refuses what is not of this program's making.
const isRecord = (r) => r && typeof r.tag === "string" && r.sealed instanceof Uint8Array;

/**
 * A Memory keeps records on the device, in IndexedDB. A record is {tag, sealed};
 * tag changes with every write.
 */
export class Memory {
  /** env may hold indexedDB and BroadcastChannel, in place of the browser's. */
  constructor(env) {
    this.env = env || self;
    this.lasts = true;
  }

  /**
   * open throws unless something can be written, read and removed here. Private
   * windows and full disks refuse that in different ways, some only when
   * writing, so it is tried, before a voter has anything to lose.
   */
  async open() {
    const key = "test-" + newTag();
    await this.keep(key, null, new Uint8Array(1));
    const got = await this.load(key);
    await this.forget(key);
    if (!got) {
      throw new Error("what is kept here does not stay");
    }
  }

  // connect opens the database. Asking for it throws in some windows, and in
  // some versions of Safari it is never answered.
  connect() {
    return new Promise((resolve, reject) => {
      const refused = () => reject(new Error("this browser keeps nothing"));
      const timer = setTimeout(refused, longest);
      const request = this.env.indexedDB.open(database, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(store);
      request.onerror = refused;
      request.onblocked = refused;
      request.onsuccess = () => {
        clearTimeout(timer);
        const db = request.result;
        db.onversionchange = () => db.close();
        resolve(db);
      };
    });
  }

  /** load returns the record under a key, or null. */
  async load(key) {
    const found = await this.change((records, give) => {
      const got = records.get(key);
      got.onsuccess = () => give(got.result);
    }, "readonly");
    return isRecord(found) ? found : null;
  }

  /**
   * keep writes a record in place of the one with the tag expected, null for
   * none, and returns its tag once the disk has it. It throws a Conflict where
   * another one is there.
   */
  async keep(key, expected, sealed) {
    const tag = newTag();
    const found = await this.change((records, give) => {
      const got = records.get(key);
      got.onsuccess = () => {
        const there = isRecord(got.result) ? got.result : null;
        if ((there ? there.tag : null) === expected) {
          records.put({ tag, sealed }, key);
        } else if (!there || there.tag !== tag) {
          give(there || "nothing");
        }
      };
    }, "readwrite");
    if (found !== undefined) {
      throw new Conflict(found === "nothing" ? null : found);
    }
    return tag;
  }

  /** forget removes the record under a key, whatever it is. */
  async forget(key) {
    await this.change((records) => records.delete(key), "readwrite");
  }

  // change runs one transaction. A phone that was put away may have cut the
  // connection to the database, so it is made anew once; steps that were done
  // already by then find that out.
  async change(steps, mode) {
    for (let again = !!this.db; ; again = false) {
      try {
        this.db = this.db || (await this.connect());
        return await run(this.db, steps, mode);
      } catch (e) {
        this.db = null;
        if (!again) {
          throw e;
        }
      }
    }
  }

  /**
   * listen calls heard when another tab with the same record says something,
   * and returns a function that tells the others. Browsers without channels
   * learn it with their next write.
   */
  listen(key, heard) {
    if (!this.env.BroadcastChannel) {
      return () => {};
    }
    const channel = new this.env.BroadcastChannel("strikevote-" + key);
    channel.onmessage = (event) => heard(event.data);
    return (what) => channel.postMessage(what);
  }
}

// run ends when a transaction is durable: what a voter's page sends next may be
// the last thing that it does.
function run(db, steps, mode) {
  return new Promise((resolve, reject) => {
    let result;
    const failed = () => reject(new Error("this browser did not keep it"));
    const timer = setTimeout(failed, longest);
    // Older browsers know no third argument and write as durably by themselves.
    const transaction = db.transaction(store, mode, { durability: "strict" });
    transaction.oncomplete = () => {
      clearTimeout(timer);
      resolve(result);
    };
    transaction.onabort = failed;
    transaction.onerror = failed;
    steps(transaction.objectStore(store), (v) => {
      result = v;
    });
  });
}

/** A TabMemory keeps records in this tab and nowhere else: for shared computers. */
export class TabMemory {
  constructor() {
    this.records = new Map();
    this.lasts = false;
  }

  async open() {}

  async load(key) {
    return this.records.get(key) || null;
  }

  async keep(key, expected, sealed) {
    const there = this.records.get(key) || null;
    if ((there ? there.tag : null) !== expected) {
      throw new Conflict(there);
    }
    const tag = newTag();
    this.records.set(key, { tag, sealed });
    return tag;
  }

  async forget(key) {
    this.records.delete(key);
  }

  listen() {
    return () => {};
  }
}

const nonceSize = 12;

/**
 * sealer returns what seals and opens the records of one link or code in one
 * election. The key stays with the browser: no script can read it, this one
 * neither.
 */
export async function sealer(secret, mid, key) {
  const how = hkdfLabel(mid, "voter-state");
  const aes = await crypto.subtle.deriveKey(how, await hkdfKey(secret), { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const using = (iv) => ({ name: "AES-GCM", iv, additionalData: utf8(key) });
  return {
    async seal(plain) {
      const nonce = random(nonceSize);
      return concat(nonce, new Uint8Array(await crypto.subtle.encrypt(using(nonce), aes, plain)));
    },
    async open(sealed) {
      const nonce = sealed.slice(0, nonceSize);
      return new Uint8Array(await crypto.subtle.decrypt(using(nonce), aes, sealed.slice(nonceSize)));
    },
  };
}
