// One voter's way through one election, without a page: the twin of
// internal/voter.
//
// It checks everything that the services say, and tells no server what was
// chosen. It must never send a choice, the secret that seals it, or the unblinded
// credential to the registrar, nor the token to the box (SPEC.md, sections 6 to
// 8). Every failure that a voter can meet is a Failure; an Error of another class
// is a fault of the page.

import { bodySize } from "./ballot.js";
import * as credential from "./credential.js";
import { Device, begun } from "./device.js";
import { ballotsPolicy, groupOf, isClose, options } from "./election.js";
import { Failure } from "./failure.js";
import { nonsense } from "./http.js";
import { ballotEntry, parseBallotEntry } from "./ledger.js";
import { keyFor } from "./memory.js";
import { openElection, phases } from "./opening.js";
import { verifyPromise } from "./receipt.js";
import { b64url, checkCharacter, concat, equal, group4, hex, unb64url, unhex, utf8 } from "./suite.js";
import { checkProof, leafHash, parseProof } from "./tlog.js";
import { kindEnvelope, kindMember, parseCode, parseLink } from "./token.js";

export { Failure };
export { Memory, TabMemory } from "./memory.js";

/**
 * openLink reads a link, fetches its election and takes up what an interrupted
 * run left on this device. env holds booth (this page's origin), fetch, memory,
 * and may hold now, wait and signal as http.js says, and elsewhere(what), which
 * is told what another tab with the same link did: "opened", "kept" or
 * "forgotten".
 */
export async function openLink(href, env) {
  let link;
  try {
    link = parseLink(href.trim());
  } catch (e) {
    throw new Failure(e.reason === "cut" ? "link-cut" : "bad-link");
  }
  if (link.booth !== env.booth) {
    throw new Failure("other-election");
  }
  const election = await openElection(env, link.electionId, link.mid);
  const shown = { secret: link.token, key: await keyFor(link.token), fields: { token: b64url(link.token) }, byCode: false };
  const session = new Session(env, election, shown, link.group, link.kind);
  session.exp = link.exp;
  session.context(); // throws if the group does not vote in it
  await session.open();
  return session;
}

/**
 * openCode is openLink with a typed code. A code says neither which election it
 * is of nor its group, so whoever made the page can show any: title and six words
 * are to be confirmed by the voter before Session.status, which is the first to
 * send the code. A mistyped one is the Failure "bad-code" with details.reason and
 * details.count, as parseCode has them, and nothing is fetched.
 */
export async function openCode(electionId, typed, env) {
  let code;
  try {
    code = parseCode(typed);
  } catch (e) {
    throw new Failure("bad-code", { reason: e.reason, count: e.count });
  }
  const election = await openElection(env, electionId, null);
  const secret = utf8(code);
  const shown = { secret, key: await keyFor(secret), fields: { code: group4(code + checkCharacter(code)) }, byCode: true };
  const session = new Session(env, election, shown, 0, null);
  await session.open();
  return session;
}

/** A Session is made by openLink and openCode. What it can do without a network is in Device. */
export class Session extends Device {
  constructor(...args) {
    super(...args);
    /** exp is when the link ends, in seconds; null for a code. */
    this.exp = null;
    this.steps = [];
    this.lie = null; // the last false answer
    this.unsaved = false; // what was received is not written down yet
  }

  /**
   * witnessed resolves once enough witnesses have signed that the ledger begins
   * with this manifest; otherwise it throws "not-witnessed" or "offline". It is
   * awaited before anything is sent that issues, but may be called earlier.
   */
  witnessed(onWait) {
    return this.election.witnessed(onWait);
  }

  place(service, path) {
    return { service, url: `${this.manifest.origins[service]}/v1/${this.manifest.election_id}${path}` };
  }

  credentials(factor, more) {
    return Object.assign({}, this.shown.fields, factor ? { factor } : {}, more);
  }

  /**
   * status asks the registrar about the link. factor is the answer to the
   * committee's second question, empty where there is none. It returns {group,
   * phase, close, issued, envelopeOnly, salt, index}.
   */
  async status(factor) {
    if (this.shown.byCode) {
      // The hash of the manifest was not in a link, so the witnesses come first.
      await this.witnessed();
    }
    const idle = this.keeper.idle(this.http.now());
    const tag = this.keeper.tag;
    const at = this.place("registrar", "/status");
    const s = await this.http.post(at, this.credentials(factor));
    const whole =
      Number.isInteger(s.group) && phases.includes(s.phase) && isClose(this.manifest, s.close) && typeof s.issued === "boolean" &&
      typeof s.salt === "string" && /^(?:[0-9a-f]{64})?$/.test(s.salt) && Number.isSafeInteger(s.index);
    if (!whole) {
      throw nonsense(at);
    }
    this.learn(s);
    this.free = !s.issued && idle && tag === this.keeper.tag && !this.running;
    const { group, phase, close, issued, salt, index } = s;
    return { group, phase, close, issued, envelopeOnly: this.envelopeOnly, salt, index };
  }

  // learn takes from a status what a link would say itself, and holds it against
  // what is known: a ballot of another unit would be counted for another unit.
  learn(s) {
    this.context(s.group);
    if (this.group !== 0 && this.group !== s.group) {
      throw new Failure("other-election");
    }
    this.group = s.group;
    if (this.shown.byCode) {
      // Only who is on the roll has a leaf there, and a salt.
      this.kind = s.salt === "" ? kindEnvelope : kindMember;
    }
  }

  // run lets one way to the box go on at a time: of a button that was pressed
  // twice both presses get the end of the first.
  run(onStep, way) {
    if (onStep) {
      this.steps.push(onStep);
    }
    if (!this.running) {
      const end = () => {
        this.running = null;
        this.steps = [];
      };
      this.running = this.heardOut().then(() => way((step) => this.steps.forEach((f) => f(step))));
      this.running.then(end, end);
    }
    return this.running;
  }

  // heardOut waits until what another tab did is read. The ballot of which the press
  // was must not be exchanged for that one's on its way, nor be written over it.
  async heardOut() {
    const pressed = this.ballotId;
    await this.hearing;
    if (this.ballotId !== pressed) {
      throw begun();
    }
  }

  /**
   * finish takes the sealed ballot to the box, from wherever an earlier run was
   * interrupted. It waits for a service that is away for as long as it takes; every
   * step can be repeated, and none makes a second ballot. A ballot that was begun
   * as an envelope is deposited. onStep is told the stages "sealed", "issued",
   * "received" or "deposited", and meanwhile "offline" and {waiting: seconds}.
   */
  finish(factor, onStep) {
    return this.run(onStep, (tell) => this.complete(factor, tell));
  }

  async complete(factor, tell) {
    if (this.stage === "new") {
      throw new Error("there is no sealed ballot yet");
    }
    await this.witnessed(tell);
    if (this.state.envelope) {
      return this.put(factor, tell);
    }
    tell(this.stage);
    if (this.stage === "sealed") {
      if (this.envelopeOnly) {
        throw new Failure("envelope-only");
      }
      await this.issue(factor, tell);
      tell(this.stage);
    }
    if (this.stage === "issued") {
      await this.cast(tell);
      tell(this.stage);
    }
    return this.settle();
  }

  // claim keeps the ballot before it is asked for: if the answer is lost, only
  // this secret can use it. For the same reason another ballot that is kept stays
  // until this one is answered for: the voter has a recovery code for this one, and
  // perhaps mistyped it. It is called before every attempt, so that a tab in which
  // something else was begun meanwhile asks no more; see state.js.
  async claim() {
    const known = this.keeper.holds(this.state);
    if (this.kept && !known && !this.free) {
      return;
    }
    this.free = false;
    this.state.asked = this.http.now();
    try {
      const kept = await this.keeper.save(this.state);
      if (kept !== this.state) {
        throw Object.assign(begun(), { details: { found: kept } });
      }
    } catch (e) {
      if (e.code === "begun") {
        this.take(e.details.found);
        throw begun();
      }
      // Of one that is kept already nothing is lost if its time is not noted.
      if (!known || e.details.erased) {
        throw e;
      }
    }
  }

  async issue(factor, tell) {
    const spki = unhex(groupOf(this.manifest, this.group).issuer);
    const sealed = await this.reseal();
    const request = await credential.blind(spki, credential.message(this.mid, this.group, sealed.id), sealed.okm);
    const z = b64url(request.z);
    const at = this.place("registrar", "/issue");
    const before = () => this.claim();
    const answer = await this.http.post(at, this.credentials(factor, { z }), { onWait: tell, before });
    let sig;
    try {
      sig = await request.finalize(unb64url(answer.s));
    } catch (_) {
      // z is blinded: it says nothing of the ballot to who does not have the blind.
      const said = typeof answer.s === "string" ? answer.s.slice(0, 1000) : "";
      throw this.caught("bad-signature", { group: this.group, request: z, answer: said });
    }
    this.state.stage = "issued";
    this.state.sig = sig;
    // What is kept makes the same request again, so nothing is lost without this.
    await this.keeper.save(this.state).catch(() => {});
  }

  // sealedBallot is what the box is sent: it holds no secret.
  sealedBallot() {
    return concat(this.state.body, this.state.sig);
  }

  async cast(tell) {
    this.state.promise = await this.send(tell);
    this.state.stage = "received";
    this.drop();
    this.unsaved = true;
  }

  // send brings the ballot to the box and returns its promise, verified.
  async send(onWait) {
    const answer = await this.http.postBytes(this.place("box", "/ballots"), this.sealedBallot(), { onWait });
    let promise = null;
    try {
      promise = unhex(answer.promise, 64);
    } catch (_) {
      // Not one at all.
    }
    if (!promise || !(await verifyPromise(unhex(this.manifest.promise_key), this.mid, this.state.id, promise))) {
      const said = typeof answer.promise === "string" ? answer.promise.slice(0, 1000) : "";
      throw this.caught("bad-promise", { ballot_id: this.ballotId, promise: said });
    }
    return promise;
  }

  // settle writes down what was received, which erases the choice from the device.
  async settle() {
    if (this.unsaved) {
      try {
        await this.keeper.save(this.state);
      } catch (e) {
        throw new Failure("storage", { received: true });
      }
      this.unsaved = false;
    }
  }

  /**
   * deposit hands the sealed ballot to the registrar's side in an envelope, which
   * waits there, with the person's name on it, until the committee decides (SPEC.md
   * section 12). There is no blind signature in between: whoever runs that side can
   * tie the person to the sealed ballot, and only the tellers' rule keeps the choice.
   * The voter is to be told so before. It waits and repeats as finish does.
   */
  deposit(factor, onStep) {
    return this.run(onStep, async (tell) => {
      await this.witnessed(tell);
      return this.put(factor, tell);
    });
  }

  async put(factor, tell) {
    if (this.stage === "new") {
      throw new Error("there is no sealed ballot yet");
    }
    // A person never has both an envelope and an ordinary ballot.
    if (this.stage === "issued" || this.stage === "received" || (!this.state.envelope && this.keeper.holds(this.state) && !this.free)) {
      throw begun();
    }
    if (this.stage === "sealed") {
      tell("sealed");
      this.state.envelope = true;
      const at = this.place("registrar", "/deposit");
      const fields = this.credentials(factor, { ballot: b64url(this.state.body) });
      const answer = await this.http.post(at, fields, { onWait: tell, before: () => this.claim() });
      if (answer.ballot_id !== this.ballotId || answer.state !== "deposited") {
        throw nonsense(at);
      }
      this.state.stage = "deposited";
      this.drop();
      this.unsaved = true;
      tell("deposited");
    }
    return this.settle();
  }

  /**
   * find asks the box where the ballot is and checks the proof. It returns {state,
   * index, moment, proof}: state is "received", "in the log" or "unknown"; the others
   * are null unless it is in the log and witnessed. An envelope is unknown to the box
   * until it is accepted.
   */
  async find() {
    const { stage, id } = this.state;
    if (stage === "new" || stage === "sealed") {
      throw new Error("no ballot was cast from this device");
    }
    const at = this.place("box", "/find");
    const answer = await this.http.post(at, { ballot_id: hex(id) });
    if (!["received", "in the log", "unknown"].includes(answer.state) || typeof answer.proof !== "string") {
      throw nonsense(at);
    }
    if (answer.proof === "") {
      return { state: answer.state, index: null, moment: null, proof: null };
    }
    try {
      const proof = parseProof(answer.proof);
      const entry = stage === "deposited" ? await this.accepted(proof.extra) : ballotEntry(this.sealedBallot());
      const { index, moment } = await checkProof(await ballotsPolicy(this.manifest), proof, await leafHash(entry));
      return { state: "in the log", index, moment, proof: answer.proof };
    } catch (_) {
      throw this.caught("bad-proof", { ballot_id: this.ballotId, proof: answer.proof });
    }
  }

  // accepted gives an entry of the log if it is this envelope's ballot with a
  // credential, which it was given when it was accepted and only the box can show.
  async accepted(entry) {
    const cast = parseBallotEntry(entry);
    const size = bodySize(options(this.manifest));
    const spki = unhex(groupOf(this.manifest, this.group).issuer);
    const message = credential.message(this.mid, this.group, this.state.id);
    if (!equal(cast.slice(0, size), this.state.body) || !(await credential.verify(spki, message, cast.slice(size)))) {
      throw new Error("the entry is another ballot");
    }
    return entry;
  }

  /** resend brings a ballot to the box again that it promised to publish: it cannot count twice. */
  async resend() {
    if (this.stage !== "received") {
      throw new Error("no ballot was received from this device");
    }
    await this.send();
  }

  // caught notes a false answer for evidence, and returns the Failure.
  caught(code, what) {
    this.lie = Object.assign({ strikevote: "evidence of a false answer", mid: hex(this.mid), fault: code }, what);
    return new Failure(code, { service: code === "bad-signature" ? "registrar" : "box" });
  }

  /**
   * evidence returns the last false answer with what it answers, as the bytes of a
   * JSON file, or null. It holds nothing of the choice, of what seals it, or of the
   * link. Evidence against the box names the ballot, as a tracker does.
   */
  evidence() {
    return this.lie && utf8(JSON.stringify(this.lie, null, 2) + "\n");
  }
}
