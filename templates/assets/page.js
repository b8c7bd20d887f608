// The frame around every screen: head, band, steps, status line, foot, title, focus.
// It knows words and elements, and nothing of ballots.

import { el, fill } from "./dom.js";

/** A Page shows one screen after the other, in a language that may change. */
export class Page {
  constructor(words, languages, choose) {
    this.words = words;
    this.languages = languages;
    this.choose = choose; // what a press on a language does
    this.main = document.getElementById("main");
    this.head = document.getElementById("head");
    this.foot = document.getElementById("foot");
    // One element for all screens: a screen reader tells of a change in a
    // status that was there before.
    this.status = el("p", { id: "status", className: "status", role: "status" });
  }

  /** t returns a text, say the same as nodes for values that are elements. */
  t(key, values) {
    return this.words.text(key, values);
  }

  say(key, values) {
    return this.words.parts(key, values, (inner) => el("strong", null, inner));
  }

  /** p is a paragraph of one text. */
  p(key, values, props) {
    return el("p", props, this.say(key, values));
  }

  /**
   * show draws a view: {screen, stop, title, nodes, problem: {field, text},
   * unprinted}; stop names it where it is one of those that end a way.
   * fresh says that it is another screen than before, and takes the focus there.
   */
  show(view, fresh) {
    const error = view.problem;
    const main = this.main;
    const before = fresh ? null : snapshot(main);
    if (!main.contains(this.status)) {
      // Not earlier: where this script fails before it has something to show, boot.js
      // still finds its own words in the document.
      fill(main, this.status);
    }
    main.setAttribute("data-screen", view.stop ? "problem" : view.screen);
    main.setAttribute("data-problem", view.stop || "");
    main.className = view.unprinted ? "no-print" : "links"; // on paper with their addresses
    document.title = (error ? `${this.t("common.error")} ` : "") + this.t("common.title", { page: view.title });
    while (main.firstChild !== this.status) {
      main.removeChild(main.firstChild);
    }
    const place = (node) => main.insertBefore(node, this.status);
    if (view.unprinted) {
      place(this.p("booth.unprinted", null, { className: "unprinted" }));
    }
    if (error) {
      place(this.summary(error));
    }
    view.nodes.filter(Boolean).forEach(place);
    if (before) {
      restore(main, before);
    }
    if (fresh) {
      this.tell("");
      // Not on the first screen: a reader begins at the top of a page by itself.
      if (this.begun || error) {
        this.focus(main.querySelector(error ? ".summary" : "h1"));
      }
      if (!error) {
        window.scrollTo(0, 0);
      }
      this.begun = true;
    }
  }

  summary(error) {
    const link = el("a", { href: `#${error.field}`, onclick: (event) => {
      // Not followed: the address would then name a field instead of a step.
      event.preventDefault();
      document.getElementById(error.field).focus();
    } }, error.text);
    return el("div", { className: "summary", role: "alert", tabIndex: -1 }, el("h2", null, this.t("common.problem")), el("p", null, link));
  }

  focus(element) {
    if (element) {
      element.tabIndex = -1;
      element.focus();
    }
  }

  /** focusLanguage goes back to the switcher, which was drawn anew. */
  focusLanguage() {
    const shown = Array.from(this.head.querySelectorAll("summary, [aria-current]")).find((e) => e.offsetParent);
    if (shown) {
      shown.focus();
    }
  }

  /** tell writes the status line. */
  tell(...children) {
    fill(this.status, children);
  }

  /** frame draws what stands around the screens; pages and phone may be unknown yet. */
  frame({ band, phone, pages }) {
    document.documentElement.lang = this.words.code;
    const current = this.words.code;
    const list = (className) => el("ul", { className }, this.languages.map(({ code, name }) =>
      el("li", null, el("button", { type: "button", lang: code, "aria-current": code === current && "true", onclick: () => this.choose(code) }, name))));
    const union = el("p", { className: "union" }, this.t("common.union"));
    const languages = el("nav", { className: "languages", "aria-label": this.t("common.languages") },
      list("inline"), el("details", null, el("summary", null, this.t("common.languages")), list("")));
    fill(this.head, union, languages);
    let shown = document.getElementById("band");
    if (!shown) {
      shown = el("aside", { id: "band", className: "band" });
      this.main.parentNode.insertBefore(shown, this.main);
    }
    shown.hidden = !band;
    fill(shown, band && this.t(band));
    const help = phone
      ? this.p("common.help", { phone, organizer: outside(pages + "contacts", this.t("common.organizer")) })
      : this.p("common.help.mail");
    const more = pages && el("ul", null, [["who", "common.who"], ["secrecy", "common.secrecy"], ["questions", "common.questions"]].map(([name, key]) =>
      el("li", null, outside(pages + name, this.t(key)))));
    fill(this.foot, help, more);
  }
}

// What a reader typed, ticked and unfolded stays when a screen is drawn again, as
// in another language.
const folds = (main) => Array.from(main.querySelectorAll("details"));
const inputs = (main) => Array.from(main.querySelectorAll("input[id], textarea[id]"));

function snapshot(main) {
  const active = document.activeElement;
  return {
    open: folds(main).map((fold) => fold.open),
    values: inputs(main).map(({ id, value, checked }) => ({ id, value, checked })),
    focus: main.contains(active) && (active.id ? `#${active.id}` : active.tagName === "H1" && "h1"),
  };
}

function restore(main, { open, values, focus }) {
  const now = folds(main);
  now.forEach((fold, i) => { fold.open = fold.open || (now.length === open.length && open[i]); });
  values.forEach(({ id, value, checked }) => {
    const input = document.getElementById(id);
    if (input) {
      Object.assign(input, { value, checked });
    }
  });
  const element = focus && main.querySelector(focus);
  if (element) {
    element.tabIndex = element.tagName === "H1" ? -1 : 0;
    element.focus();
  }
}

/** outside is a link to a public page. It opens beside this one, which may hold an answer. */
export function outside(href, text, className) {
  return el("a", { href, className, target: "_blank", rel: "noopener" }, text);
}
