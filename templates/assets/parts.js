// The parts that screens are put together from. They show texts and call back.

import { el, fill, picture } from "./dom.js";
import { capacity, qr } from "./qr.js";
import { b64url, unhex, utf8 } from "./suite.js";

/** h1 is the heading of a screen. */
export const h1 = (...children) => el("h1", null, children);

/** button calls act on each press; kind is "" for the main one, or "second". */
export const button = (label, act, kind) => el("button", { type: "button", className: kind ? `button ${kind}` : "button", onclick: act }, label);

/** submit is the main button of a form. */
export const submit = (label) => el("button", { type: "submit", className: "button" }, label);

/** third is the least of three buttons: it looks like a link and goes nowhere by itself. */
export const third = (label, act) => el("button", { type: "button", className: "third", onclick: act }, label);

export const actions = (...children) => el("div", { className: "actions" }, children);

export const notice = (...children) => el("div", { className: "notice" }, children);

export const fold = (label, ...children) => el("details", { className: "fold" }, el("summary", null, label), children);

/** form takes Enter as well as its button. */
export const form = (act, ...children) => el("form", { noValidate: true, autocomplete: "off", onsubmit: act }, children);

/**
 * groups writes a tracker or a code so that lines break between its groups only, and where
 * one is too short for all of them, in the middle: a last group alone is overlooked.
 */
export function groups(text, className) {
  const all = text.split("-").map((group, i, { length }) => [el("span", null, group), i + 1 < length && ["-", el("wbr")]]);
  const half = Math.ceil(all.length / 2);
  return el("span", { className: className || "tracker" }, el("span", { className: "half" }, all.slice(0, half)), el("span", { className: "half" }, all.slice(half)));
}

/**
 * field is a labelled input. Its problem, if there is one, stands above it, and
 * the input is told of it.
 */
export function field(b, { id, label, hint, problem, className, tag, ...more }) {
  const input = el(tag || "input", {
    id, className, autocomplete: "off", "aria-invalid": problem && "true",
    "aria-describedby": [hint && `${id}-hint`, problem && `${id}-problem`].filter(Boolean).join(" ") || null, ...more,
  });
  // Names and codes are no words: nothing should be corrected into one.
  // A browser may also send what it corrects to whoever corrects it.
  input.setAttribute("spellcheck", "false");
  input.setAttribute("autocapitalize", "off");
  input.setAttribute("autocorrect", "off");
  return el("div", { className: problem ? "field wrong" : "field" },
    el("label", { htmlFor: id }, label),
    hint && el("span", { id: `${id}-hint`, className: "hint" }, hint),
    problem && el("span", { id: `${id}-problem`, className: "problem" }, `${b.t("common.error")} ${problem}`),
    input);
}

/** tick is a box to tick; more is shown while it is. */
export function tick({ id, label, checked, more, change }) {
  const below = el("p", { className: "hint", role: "status" }, checked && more);
  const input = el("input", { id, type: "checkbox", checked, onchange: () => {
    change(input.checked);
    fill(below, input.checked && more);
  } });
  return el("div", null, el("label", { className: "tick" }, input, el("span", null, label)), below);
}

/** steps says where a voter is among the steps, in words and in a line. */
export function steps(b, name) {
  const names = ["start", b.m.factor && "factor", "answer", "check"].filter(Boolean);
  const n = names.indexOf(name) + 1;
  const shown = name === "factor" ? b.official(b.m.factor.label) : b.t(`booth.step.${name}`);
  return el("div", { className: "steps" },
    el("span", null, b.say("booth.step", { n, of: names.length, name: shown })),
    el("ol", { "aria-hidden": "true" }, names.map((_, i) => el("li", { className: i < n ? "done" : "" }))));
}

/**
 * stub is what a member keeps: the tracker, and for a phone's camera the address
 * where it is looked up. The address holds the whole of the sealed ballot's
 * number behind the #, so that no server is asked for it.
 */
export function stub(b, level) {
  const id = b64url(unhex(b.session.ballotId, 32));
  const address = utf8(`${b.public("box")}#${id}`);
  const rows = qr(address.length > capacity ? utf8(id) : address);
  return el("div", { className: "stub" },
    el(level || "h2", { className: "label" }, b.t("booth.done.tracker")),
    el("p", null, groups(b.session.tracker)),
    picture(rows, 160, b.t("booth.done.tracker")),
    b.page.p("booth.done.finds"));
}
