// The screens before the first question: landing, code, check of the vote, the
// committee's own question, and those where a ballot stands unfinished.

import { el, fill } from "./dom.js";
import { until } from "./flow.js";
import { actions, button, field, fold, form, groups, h1, notice, steps, submit, third, tick } from "./parts.js";
import { outside } from "./page.js";
import { ask } from "./problem.js";

const sharedTick = (b) => tick({
  id: "shared", label: b.t("booth.start.shared"), more: b.t("booth.start.shared.more"),
  checked: b.shared, change: (ticked) => b.share(ticked),
});

export function start(b) {
  const close = b.close();
  const left = until(close - b.now());
  const key = left && b.page.words.count(`booth.start.${left.unit}`, left.n);
  const statement = b.official(b.m.statement);
  return {
    title: b.t("booth.start.title"),
    nodes: [
      steps(b, "start"),
      h1(b.official(b.m.title)),
      b.session.group && b.p("booth.start.group", { group: b.groupName() }),
      el("p", null, b.say("booth.start.close", { close: b.moment(close) }), " ", left && b.say(key, { n: b.page.words.number(left.n) })),
      form(b.press(() => b.begin()), sharedTick(b), actions(submit(b.t("booth.start.button")))),
      // After the button: it is to be seen without a move on a phone.
      b.p("booth.start.once"),
      statement && el("p", null, statement),
      b.p(b.page.words.count("booth.start.questions", b.m.questions.length), { n: b.m.questions.length }),
    ],
  };
}

export function code(b, { problem, cut }) {
  const lost = el("div", { role: "status" });
  const help = () => fill(lost,
    b.p("booth.code.none.text", { phone: b.phone(), organizer: outside(b.public("contacts"), b.t("common.organizer")) }), actions(ask(b)));
  if (b.lost) {
    help();
  }
  return {
    title: b.t("booth.code.title"),
    problem: problem && { field: "code", text: problem },
    nodes: [
      cut && notice(b.p("booth.code.cut")),
      b.desk && notice(b.p("booth.code.desk")),
      h1(b.t("booth.code.title")),
      b.p("booth.code.text"),
      form(b.press(() => b.enterCode(document.getElementById("code").value)),
        field(b, { id: "code", label: b.t("booth.code.label"), className: "code", problem, value: b.draft || "", oninput: (event) => b.keepDraft(event.target.value) }),
        sharedTick(b),
        actions(submit(b.t("booth.continue")), third(b.t("booth.code.none"), () => {
          help(); // at once: what is asked for may not come
          b.noCode().then(help);
        })), lost),
    ],
  };
}

export function confirm(b) {
  const stop = el("div", { className: "notice", role: "alert", hidden: true }, b.p("booth.confirm.stop", { phone: b.phone() }));
  const forms = actions(
    button(b.t("booth.confirm.same"), b.press(() => b.same())),
    third(b.t("booth.confirm.different"), () => {
      stop.hidden = false;
      forms.hidden = true;
      b.page.focus(stop); // the button that had the focus is gone
    }));
  return {
    title: b.t("booth.confirm.title"),
    nodes: [
      steps(b, "start"),
      h1(b.t("booth.confirm.heading")),
      b.p("booth.confirm.vote", { title: b.official(b.m.title), close: b.moment(b.close()) }),
      el("p", null, b.t("booth.confirm.words"), el("br"), el("span", { className: "six", lang: "en" }, b.words6)),
      stop, forms,
    ],
  };
}

export function factor(b, { problem }) {
  const label = b.official(b.m.factor.label);
  const help = el("div", { hidden: true, role: "status" }, b.p("booth.factor.unknown.text", { phone: b.phone() }));
  return {
    title: b.plain(b.m.factor.label),
    problem: problem && { field: "factor", text: problem },
    nodes: [
      steps(b, "factor"),
      h1(label),
      b.p("booth.factor.text"),
      form(b.press(() => b.enterFactor(document.getElementById("factor").value)),
        field(b, { id: "factor", label: b.official(b.m.factor.label), problem }),
        actions(submit(b.t("booth.continue")), third(b.t("booth.factor.unknown"), () => { help.hidden = false; })), help),
    ],
  };
}

export function locked(b, { until: end }) {
  const time = b.page.words.clock(end ? end / 1000 : b.now() + 3600);
  return {
    title: b.t("booth.locked.title"),
    nodes: [h1(b.t("booth.locked.heading", { time })), b.p("booth.locked.text"), b.p("booth.locked.help", { phone: b.phone() })],
  };
}

/** envelope says what an envelope is before anything is put into one. */
export function envelope(b) {
  const wait = el("div", { hidden: true, role: "status" }, b.p("booth.envelope.wait.text", { phone: b.phone() }));
  const item = (n, values) => el("li", null, b.say(`booth.envelope.${n}`, values));
  return {
    title: b.t("booth.envelope.title"),
    nodes: [
      h1(b.t("booth.envelope.heading")),
      b.p("booth.envelope.text"),
      el("ul", null, item(1, { decide: b.moment(b.m.schedule.decide_until) }), item(2), item(3), item(4, { t: b.m.tellers.t, n: b.m.tellers.n }), item(5)),
      actions(button(b.t("booth.envelope.button"), b.press(() => b.takeEnvelope())), third(b.t("booth.envelope.wait"), () => { wait.hidden = false; })),
      wait,
    ],
  };
}

/** unfinished: sent tells that Cast was pressed, so that there may be a ballot already. */
export function unfinished(b, { unsent }) {
  const nodes = unsent
    ? [h1(b.t("booth.unfinished.heading")), b.p("booth.unfinished.text"),
      actions(button(b.t("booth.continue"), b.press(() => b.begin(unsent))), third(b.t("booth.unfinished.again"), b.press(() => b.anew())))]
    : [h1(b.t("booth.unfinished.cast")), b.p("booth.unfinished.cast.text"), actions(button(b.t("booth.unfinished.finish"), b.press(() => b.cast())))];
  return { title: b.t("booth.unfinished.title"), nodes };
}

export function elsewhere(b) {
  const item = (key, values) => b.p(`booth.elsewhere.${key}`, values);
  return {
    title: b.t("booth.elsewhere.title"),
    nodes: [
      h1(b.t("booth.elsewhere.heading")),
      item("text"),
      item("voted", { look: outside(b.public("box"), b.t("booth.elsewhere.look")) }),
      item("open", { grace: b.moment(b.grace()) }),
      item("code"),
      third(b.t("booth.elsewhere.enter"), () => b.go("recover")),
      item("gone", { phone: b.phone() }),
      item("not", { tell: outside(b.registrar("report"), b.t("booth.elsewhere.tell")) }),
    ],
  };
}

/** recover: problem is of the code, long of the words. */
export function recover(b, { problem, long }) {
  return {
    title: b.t("booth.recover.title"),
    problem: long ? { field: "own", text: long } : problem && { field: "recovery", text: problem },
    nodes: [
      h1(b.t("booth.recover.title")),
      b.p("booth.recover.text"),
      form(b.press(() => b.enterRecovery(document.getElementById("recovery").value, document.getElementById("own").value)),
        field(b, { id: "recovery", label: b.t("booth.recover.label"), className: "code", problem, value: b.entered || "" }),
        field(b, { id: "own", tag: "textarea", rows: 2, label: b.t("booth.recover.own"), problem: long, value: b.typed }),
        actions(submit(b.t("booth.continue")))),
    ],
  };
}

/** recovery shows the code before anything is sent, where nothing can be kept. */
export function recovery(b) {
  const other = el("div", { hidden: true, role: "status" }, b.p("booth.recovery.other.text"));
  return {
    title: b.t("booth.recovery.title"),
    unprinted: true,
    nodes: [
      h1(b.t("booth.recovery.heading")),
      b.p("booth.recovery.text"),
      el("p", null, groups(b.session.recoveryCode(), "secret")),
      b.p("booth.check.recovery.warn"),
      actions(button(b.t("booth.recovery.written"), b.press(() => b.cast())), third(b.t("booth.recovery.other"), () => { other.hidden = false; })),
      other,
    ],
  };
}

/** coded is the folded offer of the same on a shared computer. */
export const coded = (b) => fold(b.t("booth.check.recovery"), b.p("booth.check.recovery.text"),
  el("p", null, groups(b.session.recoveryCode(), "secret")), b.p("booth.check.recovery.warn"));
