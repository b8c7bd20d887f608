// The state of one voter on one device, and how it is kept. One half of the twin
// of memory.go in internal/voter; memory.js is the other.
//
// It holds the choice and the secret that seals it, until the box has promised,
// and must never show them but to the session that it belongs to.

import { Failure } from "./failure.js";
import { sealer } from "./memory.js";
import { b64url, equal, unb64url, wipe } from "./suite.js";

// How far a voter has come. What must survive an interruption is kept before
// the step that needs it: the secret before the request, the signature before
// the cast.
const rank = { new: 0, sealed: 1, issued: 2, received: 3, deposited: 3 };

// under is how long a request may still be under way after it was begun: an
// attempt ends after half of it.
const under = 60000;

/** fresh returns the state of who has done nothing. */
export const fresh = () => ({
  stage: "new", group: 0, envelope: false, asked: 0,
  secret: null, typed: "", choices: null, body: null, id: null, sig: null, promise: null,
});

/** erase forgets the choice and what could prove it (SPEC.md section 12): what is left is a tracker. */
export function erase(state) {
  if (state.secret) {
    wipe(state.secret);
  }
  if (state.choices) {
    state.choices.fill(0);
  }
  Object.assign(state, { secret: null, typed: "", choices: null });
}

const binaries = ["secret", "body", "id", "sig", "promise"];

function encode(state, mid) {
  const out = Object.assign({ version: 1, mid: b64url(mid) }, state);
  binaries.forEach((name) => {
    out[name] = state[name] && b64url(state[name]);
  });
  return new TextEncoder().encode(JSON.stringify(out));
}

// decode throws on what this program did not write for this election.
function decode(bytes, mid) {
  const v = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  const state = fresh();
  Object.keys(state).forEach((name) => {
    state[name] = binaries.includes(name) && v[name] !== null ? unb64url(v[name]) : v[name];
  });
  const erased = rank[state.stage] === 3;
  const whole =
    v.version === 1 && equal(unb64url(v.mid), mid) && rank[state.stage] > 0 && state.body !== null && state.id.length === 32 &&
    Number.isInteger(state.group) && Number.isFinite(state.asked) && typeof state.envelope === "boolean" &&
    typeof state.typed === "string" && (erased ? state.secret === null : state.secret.length === 16 && Array.isArray(state.choices));
  if (!whole) {
    throw new Error("not a state of this election");
  }
  return state;
}

const storage = (more) => new Failure("storage", more);

/**
 * A Keeper keeps the state of one link or code under a key; see keyFor. id is of the ballot that memory
 * holds, or null: that one may have been asked for, and then it is the only one
 * that the link ever gets.
 */
export class Keeper {
  constructor(memory, secret, mid, key) {
    this.memory = memory;
    this.secret = secret;
    this.mid = mid;
    this.key = key;
    this.tag = null;
    this.id = null;
    this.asked = 0;
    this.damaged = false;
    this.tell = () => {};
  }

  /** load returns the state that is kept, or null. What cannot be read sets damaged, and is left as it is. */
  async load() {
    let record;
    try {
      record = await this.memory.load(this.key);
    } catch (_) {
      throw storage();
    }
    return this.read(record);
  }

  async read(record) {
    this.tag = record ? record.tag : null;
    this.id = null;
    this.damaged = false;
    if (!record) {
      return null;
    }
    try {
      const plain = await (await this.sealer()).open(record.sealed);
      const state = decode(plain, this.mid);
      wipe(plain);
      this.id = state.id;
      this.asked = state.asked;
      return state;
    } catch (_) {
      this.damaged = true;
      return null;
    }
  }

  async sealer() {
    this.sealing = this.sealing || (await sealer(this.secret, this.mid, this.key));
    return this.sealing;
  }

  /**
   * save keeps a state, unless something else is kept than was read before:
   * another tab was faster. If that has the same ballot, the one that is further
   * stays, and is returned. If it has another one and this one was not issued,
   * save throws the Failure "begun" with the other's state as details.found,
   * since that one may have been asked for. One that was issued is the only one
   * there is, and replaces whatever stands in its place.
   */
  async save(state) {
    for (;;) {
      try {
        const plain = encode(state, this.mid);
        const sealed = await (await this.sealer()).seal(plain);
        wipe(plain);
        this.tag = await this.memory.keep(this.key, this.tag, sealed);
      } catch (e) {
        if (e.name !== "Conflict") {
          throw storage();
        }
        const found = await this.conflict(e.found, state);
        if (found) {
          return found;
        }
        continue;
      }
      this.id = state.id;
      this.asked = state.asked;
      this.damaged = false;
      this.tell("kept");
      return state;
    }
  }

  // conflict returns the state that is to be gone on with, or null if this one
  // is to be written all the same.
  async conflict(record, state) {
    const found = await this.read(record);
    if (!record) {
      // Erased in another tab. What is issued goes on without being kept, as the
      // voter wished; before that nothing is sent that could be lost.
      if (rank[state.stage] > 1) {
        return state;
      }
      throw storage({ erased: true });
    }
    if (found && equal(found.id, state.id)) {
      return rank[found.stage] > rank[state.stage] ? found : null;
    }
    if (rank[state.stage] > 1) {
      return null;
    }
    throw new Failure("begun", { found });
  }

  /** forget erases what is kept. */
  async forget() {
    try {
      await this.memory.forget(this.key);
    } catch (_) {
      throw storage();
    }
    this.tag = null;
    this.id = null;
    this.damaged = false;
    this.tell("forgotten");
  }

  /** holds tells whether it is this state's ballot that is kept. */
  holds(state) {
    return this.id !== null && state.id !== null && equal(this.id, state.id);
  }

  /** kept tells whether anything is. */
  get kept() {
    return this.tag !== null;
  }

  /** idle tells whether no tab can have asked for the kept ballot so lately that its request is under way. */
  idle(now) {
    return this.asked <= now && now - this.asked > under;
  }
}
