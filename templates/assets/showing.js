// One screen at a time: which is shown, what a press does while it works, and what
// is said where something failed.

import { failed } from "./flow.js";
import { Page, outside } from "./page.js";
import { button, notice } from "./parts.js";
import { Texts } from "./texts.js";
import { Way } from "./way.js";
import { fetchWords } from "./words.js";

const wrongClock = 120; // seconds by which a device's clock may be wrong without a notice

/** Showing shows the screens that it is given, by name; stops are those that end a way. */
export class Showing extends Texts {
  constructor(words, languages, screens, stops) {
    super();
    this.screens = Object.assign({}, screens, stops);
    this.stops = stops;
    this.known = { [words.code]: words };
    this.page = new Page(words, languages, (wanted) => this.language(wanted));
    this.history = new Way((step) => this.turned(step));
    // then is what goes on after the committee's question, and what Try again tries.
    this.then = () => null;
    document.addEventListener("visibilitychange", () => this.seen());
  }

  /** seen hears whether the close was moved while nobody looked at a ballot that is not cast. */
  async seen() {
    if (document.hidden || !this.session || !/^(start|question|check)$/.test(this.screen)) {
      return;
    }
    const told = await this.session.election.stands();
    if (told && told.close !== this.close()) {
      this.told = told;
      if (this.status) {
        this.status.close = told.close;
      }
      this.draw(false);
    }
  }

  /** go shows a screen; replace puts it in the place of this one in the history. */
  go(screen, args, replace) {
    this.screen = screen;
    this.args = args || {};
    this.history.to(screen, this.args, replace);
    this.draw(true);
  }

  /** surround draws what stands around all screens. */
  surround() {
    const band = this.m && (this.m.rehearsal ? "common.rehearsal" : this.m.demo && "common.demo");
    const frame = `${this.page.words.code} ${band} ${Boolean(this.m)}`;
    // Drawn only when it changes: somebody may be reading there.
    if (frame !== this.framed) {
      this.framed = frame;
      this.page.frame({ band, phone: this.m && this.phone(), pages: this.public("") });
    }
  }

  draw(fresh) {
    this.surround();
    const view = this.screens[this.screen](this, this.args);
    view.screen = this.screen;
    view.stop = this.stops[this.screen] && this.screen;
    view.nodes = this.notices().concat(view.nodes);
    this.page.show(view, fresh);
  }

  // notices stand above every screen that is not about something else.
  notices() {
    if (!this.session) {
      return [];
    }
    const close = this.close() !== this.m.schedule.close && this.now() < this.close() && notice(this.p("booth.moved", {
      close: this.moment(this.close()), page: outside(this.public(""), this.t("booth.moved.page")),
    }));
    const clock = Math.abs(this.session.skew) > 1000 * wrongClock && notice(this.p("booth.clock", { time: this.moment(this.now()) }));
    return [close, clock];
  }

  async language(wanted) {
    this.wanted = wanted; // answers may arrive in another order than they were asked for
    try {
      // Words that were here once are there without a network too.
      const words = this.known[wanted] || (await fetchWords(this.page.languages.find((l) => l.code === wanted)));
      this.known[wanted] = words;
      if (this.wanted !== wanted) {
        return;
      }
      this.page.words = words;
      this.draw(false);
      this.page.focusLanguage();
      this.history.speak(wanted);
    } catch (_) {
      if (this.wanted === wanted) {
        this.page.tell(this.t("booth.language.failed"));
      }
    }
  }

  /**
   * press returns what a button does: one thing at a time, so that a second press
   * is ignored, and a status line instead of a page that stands still.
   */
  press(act) {
    return async (event) => {
      event.preventDefault();
      if (this.busy) {
        return;
      }
      this.busy = true;
      const button = event.currentTarget.querySelector("[type=submit]") || event.currentTarget;
      button.setAttribute("aria-disabled", "true");
      this.page.tell(this.t("common.working"));
      const shown = this.screen;
      try {
        await act();
        if (this.screen === shown) {
          this.page.tell("");
        }
      } catch (e) {
        this.fail(e, act);
      } finally {
        this.busy = false;
        button.removeAttribute("aria-disabled");
      }
    };
  }

  /** fail shows what went wrong: a screen of its own, or words under the one that is here. */
  fail(e, act) {
    try {
      this.failing(e, act);
    } catch (_) {
      // A service named a fault that this vote does not have, such as a question of the
      // committee that there is none of: then there was no screen to say it on.
      this.go("server", null, true);
    }
  }

  failing(e, act) {
    const details = e.details || {};
    if (e.code === "factor-wrong") {
      const left = details.left;
      const key = left > 0 ? this.page.words.count("booth.factor.wrong", left) : "booth.factor.wrong.some";
      this.go("factor", { problem: this.t(key, { n: left }) }, true);
    } else if (details.codes) {
      const n = Math.max(1, Math.ceil((details.retryAfter || 600) / 60));
      this.refuseCode(this.t(this.page.words.count("booth.code.limited", n), { n }));
    } else if (e.code === "unknown-link" && this.link.code) {
      this.refuseCode(this.t("booth.code.unknown"));
    } else if (failed(e.code, details)) {
      // The committee's question is a step of its own; all else stands in for this one.
      this.go(failed(e.code, details), details, e.code !== "factor-missing" || this.screen === "cast");
    } else if (!this.screen || !this.m) {
      this.go(e.code === "busy" ? "down" : e.code === "offline" ? "offline" : "server", null, true);
    } else if (e.code === "offline" || e.code === "busy") {
      const again = button(this.t("common.again"), this.press(act), "second");
      this.page.tell(this.t(e.code === "busy" ? "booth.busy" : "booth.offline"), again);
      again.focus(); // these words may cover the button that had it
    } else {
      this.go("server", null, true);
    }
  }

  retry() {
    return this.then();
  }

  /** back is Back where the history has nothing of this page left. */
  back() {
    if (this.history.depth > 0) {
      history.back();
    } else {
      this.go("start", null, true);
    }
  }
}
