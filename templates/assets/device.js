// The voter's side of a ballot on one device: sealing, testing the device,
// recovering, and what is kept. The part of the twin of internal/voter that needs
// no network; session.js is the rest.
//
// It must show the choice and the secret to nobody but the voter, and forgets
// both when the ballot is where it belongs.

import * as ballot from "./ballot.js";
import { groupOf, options } from "./election.js";
import { Failure } from "./failure.js";
import { TabMemory } from "./memory.js";
import { tracker } from "./receipt.js";
import { Keeper, erase, fresh } from "./state.js";
import { hex, unhex } from "./suite.js";
import { kindEnvelope } from "./token.js";

/** begun is the Failure for what cannot be changed any more. */
export const begun = () => new Failure("begun");

/** A Device is what session.js builds a Session on. */
export class Device {
  constructor(env, election, shown, group, kind) {
    this.env = env;
    this.election = election;
    this.http = election.http;
    this.shown = shown;
    this.manifest = election.manifest;
    this.mid = election.mid;
    /** group is the id of the voter's unit; 0 for a code before status. */
    this.group = group;
    /** kind is that of the link; null for a code before status. */
    this.kind = kind;
    /** keeping is "device", "tab" on a shared computer, or "refused" where the browser keeps nothing. */
    this.keeping = env.memory.lasts ? "device" : "tab";
    this.keeper = new Keeper(env.memory, shown.secret, election.mid, shown.key);
    this.state = fresh();
    this.sealed = null; // what state was made from, if in this run
    this.running = null; // the way to the box, while it goes on
    this.hearing = Promise.resolve(); // what other tabs did is read until then
    // free is set when the registrar has said in this run that nothing is issued,
    // and no tab can have a request under way.
    this.free = false;
  }

  /** toJSON redacts: the session holds the link and the choice. */
  toJSON() {
    return "[voter's session]";
  }

  /** stage is how far this voter has come on this device: "new", "sealed", "issued", "received" or "deposited". */
  get stage() {
    return this.state.stage;
  }

  /** kept tells whether this device keeps something of the link. */
  get kept() {
    return this.keeper.kept;
  }

  /** damaged tells that what is kept cannot be read. A recovery code can still finish the ballot. */
  get damaged() {
    return this.keeper.damaged;
  }

  /** begun tells whether a ballot may have been asked for, so that none can be sealed any more. */
  get begun() {
    if (this.stage === "new" || this.stage === "sealed") {
      return this.running !== null || (this.kept && !this.free);
    }
    return true;
  }

  /** inEnvelope tells whether the ballot is, or is to be, in an envelope. */
  get inEnvelope() {
    return this.state.envelope;
  }

  /** envelopeOnly tells whether nothing but an envelope can be had; of a code it is known after status. */
  get envelopeOnly() {
    return this.kind === kindEnvelope;
  }

  /** tracker is the sealed ballot's, computed here, or null. */
  get tracker() {
    return this.state.id && tracker(this.state.id);
  }

  /** ballotId is the sealed ballot's id in hexadecimal, or null. */
  get ballotId() {
    return this.state.id && hex(this.state.id);
  }

  /** promise is the box's, verified, in hexadecimal, or null. */
  get promise() {
    return this.state.promise && hex(this.state.promise);
  }

  /** choices is what was chosen, as long as this device knows it, or null. */
  get choices() {
    return this.state.choices && this.state.choices.slice();
  }

  /** skew is this device's clock minus the booth's, in milliseconds. */
  get skew() {
    return this.http.skew;
  }

  /** context is what ballots of the voter's group, or another, are sealed for; see ballot.js. */
  context(group) {
    const id = group || this.group;
    if (!groupOf(this.manifest, id)) {
      throw new Failure("other-election");
    }
    return { mid: this.mid, group: id, key: unhex(this.manifest.tellers.key), options: options(this.manifest) };
  }

  // open is called once. It finds out whether the device keeps things, before the
  // voter has anything to lose, and what it kept.
  async open() {
    const keeper = this.keeper;
    let state = null;
    try {
      await keeper.memory.open();
    } catch (_) {
      this.keeping = "refused";
      // A full disk takes nothing more, and may hold a ballot all the same.
      state = await keeper.load().catch(() => null);
      if (!keeper.kept) {
        keeper.memory = new TabMemory();
      }
    }
    this.take(state || (await keeper.load()));
    this.tell = keeper.memory.listen(keeper.key, (what) => this.heard(what));
    keeper.tell = this.tell;
    keeper.tell("opened");
  }

  /**
   * lookAgain reads what this device keeps once more, where it did not answer when the
   * link was opened. It is awaited before a voter is told that their ballot was issued
   * elsewhere: the one that was may be here.
   */
  async lookAgain() {
    const keeper = this.keeper;
    if (this.keeping !== "refused" || this.kept || this.running) {
      return;
    }
    const tab = keeper.memory;
    keeper.memory = this.env.memory;
    const state = await keeper.load().catch(() => null);
    if (!this.kept) {
      keeper.memory = tab;
      return;
    }
    this.take(state);
    this.tell = keeper.memory.listen(keeper.key, (what) => this.heard(what));
    keeper.tell = this.tell;
  }

  // take goes on with what was kept.
  take(state) {
    if (!state) {
      return;
    }
    if ((this.group !== 0 && state.group !== this.group) || !groupOf(this.manifest, state.group)) {
      this.keeper.damaged = true;
      return;
    }
    this.drop();
    this.state = state;
    this.group = state.group;
  }

  // drop forgets, in this tab, the choice of the ballot and what could prove it.
  drop() {
    erase(this.state);
    if (this.sealed) {
      this.sealed.wipe();
    }
    this.sealed = null;
  }

  // heard is told by another tab what it did. What that one erased must not stay
  // in the memory of this one.
  async heard(what) {
    if (!this.running && what !== "opened") {
      this.hearing = this.hearing.then(() => this.follow(what));
      await this.hearing;
    }
    if (this.env.elsewhere) {
      this.env.elsewhere(what);
    }
  }

  async follow(what) {
    const state = await this.keeper.load().catch(() => null);
    this.free = false;
    if (what === "forgotten") {
      this.drop();
      this.state = fresh();
    }
    this.take(state);
  }

  /**
   * keepInTab keeps nothing on the device from now on, for shared computers, or, with
   * false, keeps again. It returns false, and changes nothing, where something is kept
   * already or the browser keeps nothing.
   */
  keepInTab(only) {
    if (this.kept || this.running || this.keeping === "refused") {
      return false;
    }
    this.keeper.memory = only ? new TabMemory() : this.env.memory;
    this.keeper.tell = only ? () => {} : this.tell;
    this.keeping = this.keeper.memory.lasts ? "device" : "tab";
    return true;
  }

  /**
   * seal seals the choices, a list of numbers, on this device. Nothing is sent.
   * typed is text of the voter's own, often empty, that goes into the randomness.
   * A ballot that was not asked for is sealed anew. One that may have been is the
   * only one there is: then it throws "begun", or "damaged" where it cannot be
   * read; status has to say first that none was issued.
   */
  seal(choices, typed) {
    return this.sealWith(ballot.newSecret(), choices, typed || "", () => {
      if (this.damaged && !this.free) {
        throw new Failure("damaged");
      }
      if (this.begun) {
        throw begun();
      }
    });
  }

  /**
   * recover is seal with a recovery code: the same code, choices and typed text
   * make the same ballot, on any device. A mistyped code is "bad-code".
   */
  async recover(code, choices, typed) {
    await this.sealWith(parseRecovery(code), choices, typed || "", () => {});
  }

  // sealWith asks whether it may before, and once more after: while a ballot was
  // sealed, a press or another tab may have begun something with an earlier one.
  // What was chosen is copied first, for it may be changed meanwhile.
  async sealWith(secret, choices, typed, allowed) {
    const may = () => {
      allowed();
      if (this.running || (this.stage !== "new" && this.stage !== "sealed")) {
        throw begun();
      }
    };
    may();
    const { group } = this;
    const chosen = choices.slice();
    const sealed = await ballot.seal(this.context(), secret, typed, chosen);
    may();
    this.drop();
    this.sealed = sealed;
    const { body, id } = sealed;
    this.state = Object.assign(fresh(), { stage: "sealed", group, secret, typed, choices: chosen, body, id });
  }

  // reseal makes the ballot of an interrupted run again from what was kept.
  async reseal() {
    if (!this.sealed) {
      const { secret, typed, choices, id } = this.state;
      const sealed = await ballot.seal(this.context(), secret, typed, choices);
      if (hex(sealed.id) !== hex(id)) {
        throw new Failure("damaged");
      }
      this.sealed = sealed;
    }
    return this.sealed;
  }

  /** recoveryCode returns the code that finishes the ballot on another device, or null. Whoever has it can see what was chosen. */
  recoveryCode() {
    return this.state.secret && ballot.recoveryCode(this.state.secret);
  }

  /**
   * test reveals how the sealed ballot was made: {tracker, id, code, typed,
   * choices, body}, for challenge.js on another device. That ballot is then dead, and another is
   * to be sealed. One that was asked for is not tested: it would be the voter's only one.
   */
  test() {
    const { stage, secret, typed, choices, body, id } = this.state;
    if (stage !== "sealed" || this.kept || this.running) {
      throw begun();
    }
    const t = { tracker: tracker(id), id: hex(id), code: ballot.recoveryCode(secret), typed, choices: choices.slice(), body };
    this.drop();
    this.state = fresh();
    return t;
  }

  /**
   * forget erases what this device keeps of the link: the choice of a ballot that
   * was not cast, or tracker and promise of one that was. A ballot that was issued
   * and not cast is lost with it, unless its recovery code was written down, and
   * nothing else can be cast with the link: the voter is to be told so before.
   */
  async forget() {
    if (this.running) {
      throw begun();
    }
    await this.keeper.forget();
    this.drop();
    this.state = fresh();
  }
}

function parseRecovery(code) {
  try {
    return ballot.parseRecoveryCode(code);
  } catch (_) {
    throw new Failure("bad-code", { reason: "check" });
  }
}
