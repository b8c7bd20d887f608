// The place of a screen in the history of its tab: Back, Forward and Reload. An
// entry holds the name of a step and how deep it is, and nothing of an answer.

import { stepOf } from "./flow.js";

/** A Way moves through steps and calls turned with the step that was gone back to. */
export class Way {
  constructor(turned) {
    this.depth = (history.state && history.state.depth) || 0;
    // search names the language that was chosen last. An entry that is gone back to may name
    // another.
    this.search = location.search;
    // Each screen begins at its top. A browser would scroll the tracker to where
    // the page stood when Start was pressed.
    history.scrollRestoration = "manual";
    window.addEventListener("popstate", () => {
      if (/^#t=/.test(location.hash)) {
        // Another link was put into the address bar; it needs a page of its own.
        location.reload();
        return;
      }
      this.depth = (history.state && history.state.depth) || 0;
      this.put(location.hash.slice(1));
      turned(location.hash.slice(1));
    });
  }

  /** to goes to a screen's step: a new entry, or in place of this one. */
  to(screen, args, replace) {
    const step = stepOf(screen, args);
    if (!step || location.hash === `#${step}`) {
      return;
    }
    if (replace) {
      this.put(step);
    } else {
      this.depth++;
      history.pushState({ depth: this.depth }, "", `#${step}`);
    }
  }

  /** put writes a step in place of the one in the address bar. */
  put(step) {
    history.replaceState({ depth: this.depth }, "", `${location.pathname.replace(/%23.*/, "")}${this.search}#${step}`);
  }

  /** speak puts the language into the address, so that a reload comes in it. */
  speak(code) {
    this.search = `?lang=${code}`;
    this.put(location.hash.slice(1));
  }

  /** settle goes back to the first entry and puts the last screen there. */
  settle(step) {
    this.put(step);
    if (this.depth > 0) {
      history.go(-this.depth);
    }
  }
}
