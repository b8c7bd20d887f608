// The screens of the ballot itself: questions, the check before casting, and the
// test of the device.

import { file } from "./challenge.js";
import { download, el } from "./dom.js";
import { large, neutral } from "./flow.js";
import { actions, button, field, fold, form, groups, h1, steps, submit, third } from "./parts.js";
import { outside } from "./page.js";
import { coded } from "./start.js";

/** An answer's text in one place of a sentence: short ones are written large. */
const spoken = (b, i, choices) => {
  const { text, lang } = b.ballot(b.m.questions[i].options[choices[i]].text);
  return el("span", { lang }, large(text, lang));
};

function meanings(b, index, asked) {
  const rule = b.m.rule;
  // Only the question that the rule reads is about a strike.
  if (rule.question !== index) {
    return null;
  }
  // Each by its own text, as it stands above: committees word them in their own way.
  const help = (role, key) => {
    const found = asked.options.find((o) => o.role === role);
    return found && b.say(key, { option: b.official(found.text) });
  };
  const abstain = help("neutral", "booth.abstain.help");
  return fold(b.t("booth.question.mean"), el("p", null, help("yes", "booth.yes.help")), el("p", null, help("no", "booth.no.help")),
    abstain && el("p", null, abstain, " ", rule.basis === "decided" ? b.t("booth.abstain.turnout") : b.t("booth.abstain.cast")));
}

export function question(b, { index, problem }) {
  const asked = b.m.questions[index];
  const name = `q${index}`;
  const row = (option, j) => el("label", { className: "row" },
    el("input", { type: "radio", name, id: `${name}-${j}`, value: j, checked: b.choices[index] === j, onchange: () => b.choose(index, j) }),
    el("span", null, b.official(option.text)));
  const missing = problem && el("p", { className: "problem", id: "missing" }, `${b.t("common.error")} ${problem}`);
  return {
    title: b.t("booth.question.title", { n: index + 1, of: b.m.questions.length }),
    unprinted: true,
    problem: problem && { field: `${name}-0`, text: problem },
    nodes: [
      steps(b, "answer"),
      form(b.press(() => b.answered(index)),
        el("fieldset", { className: "ballot", "aria-describedby": problem && "missing" },
          el("legend", null, h1(b.official(asked.text))),
          el("p", { className: "hint" }, b.t("booth.question.choose")),
          missing,
          el("div", { className: "rows" }, asked.options.map(row))),
        meanings(b, index, asked),
        actions(submit(b.t("booth.continue")), third(b.t("booth.back"), () => b.back()))),
    ],
  };
}

/** missingAnswer says what to do where nothing was chosen. */
export function missingAnswer(b, index) {
  const asked = b.m.questions[index];
  const j = neutral(asked);
  return j < 0 ? b.t("booth.question.missing.strict") : b.t("booth.question.missing", { abstain: b.plain(asked.options[j].text) });
}

export function check(b, { mixed, problem, own }) {
  const all = b.m.questions;
  const choice = all.length === 1 ? spoken(b, 0, b.choices)
    : b.t(b.page.words.count("booth.check.answers", all.length), { n: all.length });
  const one = (asked, i) => el("div", null,
    el("p", { className: "question" }, b.official(asked.text)),
    el("p", { className: "choice" }, spoken(b, i, b.choices)),
    el("button", { type: "button", className: "third", onclick: () => b.go("question", { index: i }) },
      b.t("booth.check.change"), el("span", { className: "hide" }, b.t("common.pair", { value: b.t("booth.check.change.which", { n: i + 1 }) }))));
  return {
    title: b.t("booth.check.title"),
    unprinted: true,
    problem: problem && { field: "own", text: problem },
    nodes: [
      steps(b, "check"),
      h1(b.t(b.inEnvelope ? "booth.check.heading.envelope" : "booth.check.heading")),
      el("p", { className: "flag" }, b.t("booth.check.uncast")),
      el("div", { className: "answers" }, all.map(one)),
      b.p("booth.check.final"),
      actions(button(b.say(b.inEnvelope ? "booth.check.envelope" : "booth.check.cast", { choice }), b.press(() => b.confirmCast())),
        third(b.t("booth.back"), () => b.back())),
      b.shared && !b.recovery && coded(b),
      // A ballot that may have been issued is the only one: it is not opened.
      !b.recovery && offerTest(b, mixed, problem, own),
    ],
  };
}

function offerTest(b, mixed, problem, written) {
  const item = (n, values) => el("li", null, b.say(`booth.check.test.${n}`, values));
  const url = b.public("check");
  const own = el("details", { open: Boolean(mixed || problem) }, el("summary", null, b.t("booth.check.own")),
    b.p("booth.check.own.text"),
    form(b.press(() => b.mix(document.getElementById("own").value)),
      field(b, { id: "own", tag: "textarea", rows: 2, label: b.t("booth.check.own.label"), value: written || b.typed, problem }),
      el("button", { type: "submit", className: "button second" }, b.t("booth.check.own.seal"))),
    el("p", { role: "status" }, mixed && b.t("booth.check.own.done")));
  const whole = fold(b.t("booth.check.test"),
    b.p("booth.check.test.text"),
    el("ol", null, item(1, { tracker: groups(b.session.tracker, "tracker") }), item(2), item(3, { url: outside(url, url) })),
    el("p", null, button(b.t("booth.check.test.open"), b.press(() => b.openTest()), "second")),
    own);
  whole.open = own.open;
  return whole;
}

export function test(b, { opened }) {
  const value = (key, ...children) => [el("dt", null, b.t(`booth.test.${key}`)), el("dd", null, children)];
  const url = b.public("check");
  const saved = file(opened);
  return {
    title: b.t("booth.test.title"),
    unprinted: true,
    nodes: [
      h1(b.t("booth.test.heading")),
      el("dl", null,
        value("tracker", groups(opened.tracker)),
        value("group", b.groupName()),
        value("answer", b.m.questions.map((_, i) => el("strong", { className: "line" }, spoken(b, i, opened.choices), " "))),
        value("code", groups(opened.code, "tracker")),
        opened.typed && value("own", opened.typed)),
      b.p("booth.test.seen"),
      b.p("booth.test.enter", { url: outside(url, url) }),
      b.p("booth.test.same", { phone: b.phone() }),
      saved && b.p("booth.test.file", { command: el("code", { translate: "no" }, "strikevote vote -check FILE LINK") }),
      actions(button(b.t("booth.test.again"), b.press(() => b.sealAgain())),
        saved && button(b.t("booth.test.save"), () => download("strikevote-test.json", "application/json", saved), "second")),
    ],
  };
}
