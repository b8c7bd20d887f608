// From the press on Cast to the tracker, and what a tracker finds. Everything that
// counts is in session.js; here it is shown, and the answer is let go.

import { saveEntry, tell } from "./cast.js";
import { after, opened } from "./flow.js";
import { Showing } from "./showing.js";

const slow = 8000; // ms until the page says that it still works
const last = ["done", "voted", "deposited"];

/** Casting takes a sealed ballot to its end. */
export class Casting extends Showing {
  constructor(words, languages, screens, stops) {
    super(words, languages, screens, stops);
    this.way = { reached: [] };
    // A connection that is back is used at once.
    window.addEventListener("online", () => this.hurry());
  }

  confirmCast() {
    // A shared computer keeps nothing by the member's own wish; there the code is
    // offered on the page before. Who came with a code has it already.
    if (this.session.keeping === "refused" && !this.shared && !this.recovery) {
      return this.go("recovery");
    }
    return this.cast();
  }

  async cast() {
    this.then = () => this.cast();
    // From here the session alone knows the answer, sealed, until the box has it.
    this.keep({ choices: undefined, typed: undefined });
    // It was sealed before, also by an earlier run, which nobody tells of again.
    this.way = { reached: this.session.stage === "issued" ? ["sealed", "issued"] : ["sealed"], again: () => this.hurry() };
    this.unerased = false;
    this.go("cast", null, this.screen === "factor");
    const timer = setTimeout(() => this.progress({ slow: true }), slow);
    try {
      const onStep = (step) => this.stepped(step);
      await (this.inEnvelope ? this.session.deposit(this.factor, onStep) : this.session.finish(this.factor, onStep));
    } catch (e) {
      return this.notCast(e);
    } finally {
      clearTimeout(timer);
    }
    this.end();
  }

  stepped(step) {
    if (step === "offline") {
      this.progress({ offline: true, waiting: 0 });
    } else if (step.waiting) {
      this.progress({ offline: false, waiting: step.waiting });
    } else {
      this.progress({ offline: false, waiting: 0, reached: this.way.reached.concat(step) });
    }
  }

  progress(change) {
    Object.assign(this.way, change);
    if (this.screen === "cast") {
      this.draw(false);
    }
  }

  /** draw writes the status line as well: it is in a language, as the screen is. */
  draw(fresh) {
    super.draw(fresh);
    if (this.screen === "cast") {
      this.page.tell(tell(this));
    }
  }

  async notCast(e) {
    if (e.code === "closed" || e.code === "locked") {
      // The close may have been moved since this page was opened: it is said when it was.
      const status = await this.session.status(this.factor).catch(() => null);
      this.status = status || this.status;
      if (status && after(status, this.m.schedule, this.now()) === "closed") {
        return this.go("closed", {}, true); // nothing was issued, so nothing was cast
      }
    }
    if (e.code === "storage" && e.details.received) {
      // The ballot is where it belongs; what is left of it on the device is not gone.
      return this.end(true);
    }
    if (e.code === "issued-elsewhere" && this.recovery) {
      return this.go("recover", { problem: this.t("booth.recover.fit") }, true);
    }
    this.fail(e, this.then);
  }

  /**
   * end is reached once the ballot is where it goes. No answer is left on the page;
   * unerased says that the device still keeps one, sealed.
   */
  end(unerased) {
    this.unerased = Boolean(unerased);
    this.received = Math.floor(this.now());
    this.factor = "";
    this.codeShown = this.recovery || this.session.keeping !== "device";
    this.forgetAnswer();
    this.keep({ received: this.received });
    const envelope = this.session.stage === "deposited";
    this.go(envelope ? "deposited" : "done", null, true);
    this.history.settle("done");
    if (envelope) {
      this.found = { state: "unknown" };
      this.draw(false);
    }
  }

  forgetAnswer() {
    this.choices = [];
    this.typed = "";
    this.recovery = this.entered = null;
    this.keep({ choices: undefined, typed: undefined });
  }

  /** wait ends after ms, or when somebody presses Try now, or the connection is back. */
  wait(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  hurry() {
    if (this.wake) {
      this.wake();
    }
  }

  /** turned is called after Back or Forward, with the step that the address now names. */
  turned(step) {
    if (last.indexOf(this.screen) >= 0) {
      this.history.put("done");
    } else if (this.screen === "cast") {
      this.history.to("cast", {});
      this.page.tell(this.t("booth.cast.way"), " ", tell(this));
    } else if (this.session) {
      this.turnTo(step).catch((e) => {
        // Whoever turns pages and casts, before it is sealed anew, casts what was shown. That
        // the other is refused then is nothing to be told.
        if (this.screen !== "cast") {
          this.fail(e, this.then);
        }
      });
    } else if (this.screen) {
      this.history.to(this.screen, this.args, true);
    }
  }

  async turnTo(step) {
    const place = opened(this.session, "");
    if (last.indexOf(place) >= 0) {
      return this.rest(place);
    }
    // Without the words there was nothing to compare: a ballot was kept under the code.
    const first = this.link.code && this.words6 ? "confirm" : "start";
    if (step === "answer" && this.m.factor) {
      return this.go("factor", null, true);
    }
    if (!this.status || step === "start" || step === "confirm") {
      return this.go(first, null, true);
    }
    return this.step(step, true);
  }

  /** otherTab hears that another tab with the same link keeps a ballot now. */
  otherTab(what) {
    if (what === "kept" && this.screen !== "cast" && last.indexOf(this.screen) < 0) {
      this.forgetAnswer();
      this.go("tab", null, true);
    }
  }

  // After casting.

  /**
   * rest shows a screen, and looks for the ballot where it is one that says where it is.
   * What was chosen in this tab leads nowhere from there: another tab or device, of which
   * this one may not have heard, went on.
   */
  rest(screen) {
    this.forgetAnswer();
    this.go(screen, null, true);
    return screen === "voted" || screen === "deposited" ? this.look() : null;
  }

  /** look asks the box where the ballot is, and says it where the page is. */
  async look() {
    try {
      this.found = await this.session.find();
    } catch (e) {
      if (e.code === "bad-proof") {
        throw e;
      }
      this.found = { state: "away" };
    }
    this.draw(false);
  }

  async sendAgain() {
    await this.session.resend();
    return this.look();
  }

  async rollEntry() {
    this.then = () => this.rollEntry();
    const status = await this.session.status(this.factor);
    if (this.screen !== "voted") {
      this.go("voted", null, true);
    }
    saveEntry(this, status);
  }

  nextMember() {
    this.keep({});
    history.replaceState(null, "", `${location.pathname}${location.search}#desk`);
    location.reload();
  }
}
