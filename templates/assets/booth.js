// The voter's page. It takes a member from a link or a code to a tracker, one
// screen at a time; what is sealed, sent and checked is in session.js.
//
// Opening, reading and pressing Start change nothing anywhere, so that the
// scanners of mail programs use nothing up: only an answer that was chosen and
// confirmed is sent. After it was received the answer stands nowhere on this page:
// not in an element, an address, a title, the tab or the history.

import { parseRecoveryCode } from "./ballot.js";
import { Casting } from "./casting.js";
import { cast, deposited, done, voted } from "./cast.js";
import { sixWords } from "./election.js";
import { after, ahead, complete, electionOf, entry, here, lines, opened, own, screenOf } from "./flow.js";
import { stops } from "./problem.js";
import { check, missingAnswer, question, test } from "./question.js";
import { openElection } from "./opening.js";
import { Failure, Memory, openCode, openLink } from "./session.js";
import { code, confirm, elsewhere, envelope, factor, locked, recover, recovery, start, unfinished } from "./start.js";
import { cleanBase32, hex, reads, utf8 } from "./suite.js";
import { recall, remember } from "./tab.js";
import { wellFormed } from "./text.js";
import { parseLink } from "./token.js";
import { Words, sha256Hex } from "./words.js";

const screens = {
  start, code, confirm, factor, locked, envelope, unfinished, elsewhere, recover, recovery, question, check, test, cast, done, voted, deposited,
};

// wordList is the SHA-256 of the 2,048 words (SPEC.md, section 21): six other
// words would pass for the ones on a notice board.
const wordList = "d37e0c4938150398d39f83fb043e537e4f568e70fdb1d6a3302b1ac68ca951ec";
const longestOwn = 1000; // bytes of a voter's own words
const recoveryLength = 27;

class Booth extends Casting {
  constructor(words, languages) {
    super(words, languages, screens, stops);
    this.link = {};
    this.manifest = null;
    this.choices = [];
    this.typed = "";
    this.factor = "";
    this.saved = recall();
  }

  // Opening.

  /** keep notes in this tab what a reload needs; on a shared computer nothing. */
  keep(more) {
    const desk = this.desk ? { desk: true } : {}; // says nothing of a member
    this.saved = this.shared ? desk : Object.assign(this.saved, more);
    remember(this.saved);
  }

  share(ticked) {
    this.shared = ticked;
    this.keep(this.shared ? {} : { link: this.link.href || this.link.code ? this.link : undefined, choices: this.choices });
  }

  keepDraft(text) {
    this.draft = text;
    this.keep({ draft: text });
  }

  /** arrive begins with what the address bar holds. */
  async arrive() {
    const found = entry(location.href);
    const tab = own(found, this.saved);
    this.saved = tab;
    if (found.kind === "link") {
      const again = tab.choices && tab.choices.length > 0;
      this.link = { href: found.href };
      this.history.put("start");
      this.keep({ link: this.link });
      return this.open(again ? "unfinished" : "start");
    }
    if (found.kind === "step" && tab.link) {
      this.link = tab.link;
      return this.open(found.step);
    }
    if (found.kind === "nothing" || (found.kind === "step" && !found.electionId)) {
      return this.go(found.kind === "step" ? "forgot" : "link-cut", null, true);
    }
    this.desk = this.shared = Boolean(found.desk || tab.desk);
    this.draft = tab.draft;
    this.link = { electionId: found.electionId };
    this.keep({});
    this.go("code", { cut: found.cut }, true);
  }

  env() {
    return { booth: location.origin, fetch: (...a) => fetch(...a), memory: new Memory(), wait: (ms) => this.wait(ms), elsewhere: (what) => this.otherTab(what) };
  }

  /** open reads the public files of the vote that the link names. */
  async open(step) {
    this.then = () => this.open(step);
    const env = this.env();
    try {
      this.session = this.link.href ? await openLink(this.link.href, env) : await openCode(this.link.electionId, this.link.code, env);
    } catch (e) {
      if (e.code === "other-election") {
        // Without them the page says the same.
        await this.linkWords().catch(() => null);
      }
      if (e.code === "unknown-link" && this.link.href) {
        this.link = {}; // no code can be typed at the address that it would lead to
      }
      if (e.code === "link-cut" && electionOf(this.link.href)) {
        location.replace(`/v1/${electionOf(this.link.href)}#cut`);
      }
      throw e;
    }
    await this.opened(step);
  }

  async opened(step) {
    this.session.keepInTab(this.shared);
    const screen = opened(this.session, step, this.saved.confirmed);
    if ((screen === "start" || screen === "confirm") && this.saved.choices) {
      this.choices = this.saved.choices;
      this.typed = this.saved.typed || "";
      this.inEnvelope = Boolean(this.saved.inEnvelope);
    }
    this.inEnvelope = this.inEnvelope || this.session.inEnvelope;
    this.received = this.saved.received;
    if (screen === "cast") {
      return this.cast();
    }
    if (screen !== "start" && screen !== "confirm") {
      return this.rest(screen);
    }
    if (screen === "start" && step !== "start" && step !== "unfinished") {
      return this.begin(step);
    }
    this.then = () => this.opened(step);
    this.told = await this.session.election.stands();
    const next = this.told && ahead(this.told, this.m.schedule, this.now(), { code: !this.link.href, factor: this.m.factor });
    if (next) {
      // Nothing was said of the link: a ballot may have been issued with it.
      return next === "ask" ? this.begin() : this.go(next, { service: "registrar" }, true);
    }
    if (screen === "confirm") {
      await this.readWords(this.session.mid);
      return this.go("confirm");
    }
    return step === "unfinished" ? this.go("unfinished", { unsent: "check" }, true) : this.go("start", null, true);
  }

  async linkWords() {
    await this.readWords(parseLink(this.link.href).mid);
  }

  /** readWords turns a vote's hash into six words; the list is fetched when it is needed. */
  async readWords(mid) {
    const answer = await fetch("/v1/words.txt", { credentials: "omit", redirect: "error" }).catch(() => {
      throw new Failure("offline", { service: "booth" });
    });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if ((await sha256Hex(bytes)) !== wordList) {
      throw new Error("other words");
    }
    this.words6 = sixWords(mid, lines(bytes));
  }

  async enterCode(typed) {
    this.link = { electionId: this.link.electionId, code: typed };
    try {
      await this.open();
      this.keep({ link: this.link, draft: undefined });
    } catch (e) {
      if (e.code !== "bad-code") {
        throw e;
      }
      const { reason, count } = e.details;
      const key = reason === "length" ? this.page.words.count("booth.code.length", count) : `booth.code.${reason}`;
      this.refuseCode(this.t(key, { n: count }));
    }
  }

  /** noCode reads in the manifest whom to call, and where a link is sent again. */
  async noCode() {
    this.lost = true; // also where it is drawn again
    this.manifest = this.manifest || (await openElection(this.env(), this.link.electionId).then((found) => found.manifest, () => null));
    this.surround();
  }

  refuseCode(problem) {
    this.go("code", { problem }, true);
  }

  /** same is pressed by who has compared the six words. */
  same() {
    this.keep({ confirmed: hex(this.session.mid) });
    return this.begin();
  }

  /** begin asks for the state of the link, and goes to a step or what is to be done before. */
  async begin(step) {
    this.then = () => this.begin(step);
    this.session.keepInTab(this.shared);
    this.status = await this.session.status(this.factor);
    const next = after(this.status, this.m.schedule, this.now());
    if (next === "elsewhere") {
      await this.session.lookAgain();
    }
    if (next !== "question" && !(next === "envelope" && this.inEnvelope)) {
      return this.rest(here(next, this.session));
    }
    await this.step(/^(q|check)/.test(step) ? step : "q1");
    // Only now: nothing is sealed before the witnesses were heard, but a question
    // can be read while they are asked. What fails is said before the check.
    this.witnessed().catch(() => null);
  }

  async enterFactor(text) {
    if (!text.trim()) {
      return this.go("factor", { problem: this.t("booth.factor.empty", { label: this.plain(this.m.factor.label) }) }, true);
    }
    this.factor = text.trim();
    return this.then();
  }

  takeEnvelope() {
    this.inEnvelope = true;
    this.keep({ inEnvelope: true });
    return this.status ? this.step("q1") : this.begin();
  }

  /** anew begins once more, with an answer that nothing was done with forgotten. */
  anew() {
    this.forgetAnswer();
    this.go("start", null, true);
  }

  // Choosing.

  step(step, replace) {
    const { screen, args } = screenOf(step, this.choices, this.m.questions);
    return screen === "check" ? this.seal(replace) : this.go(screen, args, replace);
  }

  choose(question, option) {
    this.choices[question] = option;
    this.keep({ choices: this.choices });
    if (this.args.problem) {
      this.args = { index: question };
      this.draw(false);
    }
  }

  answered(index) {
    if (!(this.choices[index] >= 0)) {
      return this.go("question", { index, problem: missingAnswer(this, index) }, true);
    }
    const back = complete(this.choices, this.m.questions);
    return this.step(back ? "check" : `q${index + 2}`);
  }

  /** seal seals what was chosen and shows the check; nothing is sent. */
  async seal(replace, args) {
    await this.witnessed();
    if (this.recovery) {
      await this.session.recover(this.recovery, this.choices, this.typed);
    } else {
      await this.session.seal(this.choices, this.typed);
    }
    // What is checked is what was sealed, whatever was pressed meanwhile.
    this.choices = this.session.choices;
    this.keep({ choices: this.choices });
    this.go("check", args, replace);
  }

  // witnessed asks once at a time; what failed is asked again.
  witnessed() {
    const asked = this.asked || this.session.witnessed();
    this.asked = asked;
    asked.catch(() => { this.asked = null; });
    return asked;
  }

  mix(typed) {
    const text = wellFormed(typed);
    if (utf8(text).length > longestOwn) {
      return this.go("check", { problem: this.t("booth.check.own.long"), own: text }, true);
    }
    this.typed = text;
    this.keep({ typed: text });
    return this.seal(true, { mixed: true });
  }

  openTest() {
    this.go("test", { opened: this.session.test() }, true);
  }

  sealAgain() {
    return this.seal(true);
  }

  enterRecovery(text, typed) {
    const own = wellFormed(typed);
    this.entered = text;
    this.typed = own;
    const n = cleanBase32(text).length;
    const key = n === 0 ? "empty" : n !== recoveryLength ? "length.other" : reads(parseRecoveryCode, text) ? "" : "check";
    if (key) {
      return this.go("recover", { problem: this.t(`booth.recover.${key}`, { n }) }, true);
    }
    if (utf8(own).length > longestOwn) {
      return this.go("recover", { long: this.t("booth.check.own.long") }, true);
    }
    this.recovery = text;
    this.inEnvelope = this.session.envelopeOnly;
    this.choices = [];
    return this.go("question", { index: 0 });
  }
}

function main() {
  const root = document.documentElement;
  if (root.getAttribute("data-page") === "old") {
    return;
  }
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const booth = new Booth(new Words(root.lang, read("words")), read("languages"));
  root.setAttribute("data-page", "ready");
  booth.arrive().catch((e) => booth.fail(e));
}

main();
