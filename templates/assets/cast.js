// The screens from the press on Cast to the tracker, and those of a ballot that
// was cast before. No answer is shown on any of them.

import { download, el, fill } from "./dom.js";
import { where } from "./flow.js";
import { actions, button, fold, h1, notice, stub } from "./parts.js";
import { outside } from "./page.js";

/** cast shows b.way: {reached: [], waiting, offline, slow}. */
export function cast(b) {
  const way = b.way;
  const last = b.inEnvelope ? "deposited" : "received";
  const item = (name) => {
    const reached = way.reached.indexOf(name) >= 0;
    return el("li", { className: reached ? "reached" : "" }, b.t(`booth.cast.${name}`), reached && el("span", { className: "hide" }, b.t("common.pair", { value: b.t("booth.cast.reached") })));
  };
  return {
    title: b.t("booth.cast.title"),
    nodes: [
      h1(b.t(b.inEnvelope ? "booth.cast.heading.envelope" : "booth.cast.heading")),
      el("ol", { className: "progress" }, ["sealed"].concat(b.inEnvelope ? [] : "issued", last).map(item)),
      !way.offline && b.p("booth.cast.keep"), // the status line below it says what changes; see tell
    ],
  };
}

/** tell is what the status line says while a ballot is on its way. */
export function tell(b) {
  const way = b.way;
  const grace = b.moment(b.grace());
  if (way.offline) {
    return [b.say("booth.cast.offline"), " ", b.session.keeping === "device" ? b.say("booth.cast.offline.close", { grace }) : b.say("booth.cast.offline.tab"),
      button(b.t("booth.cast.now"), way.again, "second")];
  }
  if (b.session.stage === "issued" && b.now() >= b.close()) {
    return b.say("booth.cast.late", { grace });
  }
  if (way.waiting) {
    return b.say(b.page.words.count("booth.cast.busy", way.waiting), { n: way.waiting });
  }
  const reached = way.reached[way.reached.length - 1];
  return way.slow ? b.say("booth.cast.slow") : reached ? b.say(`booth.cast.${reached}`) : "";
}

const fileName = "tracker.txt";

// saveTracker gives the tracker as a text. It holds what anyone may see of this
// ballot and the promise, and no answer.
function saveTracker(b) {
  const s = b.session;
  const lines = [
    b.t("booth.file.title"), "", s.tracker, "",
    b.t("booth.done.finds"), "",
    b.t("booth.file.look"), b.public("box"), "",
    b.t("booth.file.election"), b.plain(b.m.title), "",
    b.t("booth.file.id"), s.ballotId, "",
  ].concat(s.promise ? [b.t("booth.file.promise"), s.promise, ""] : []);
  download(fileName, "text/plain;charset=utf-8", lines.join("\r\n"));
  b.page.tell(b.t("booth.done.saved"));
}

const save = (b) => button(b.t("booth.done.save"), () => saveTracker(b), "second");

// unerased says so where the device could not erase the answer, and tries again.
const unerased = (b) => b.unerased && notice(b.p("booth.done.unerased"), actions(button(b.t("common.again"), b.press(() => b.cast()), "second")));

/** paper is the foot of a printed page; the time is that of printing. */
function paper(b) {
  const foot = el("p", { className: "paper-only" });
  window.onbeforeprint = () => fill(foot, b.say("booth.printed", { time: b.moment(b.now()), address: b.public("box") }));
  return foot;
}

export function done(b) {
  return {
    title: b.t("booth.done.title"),
    nodes: [
      h1(b.t("booth.done.title")),
      b.p(b.received ? "booth.done.received" : "booth.done.received.before", { date: b.received && b.moment(b.received) }),
      unerased(b),
      stub(b),
      actions(save(b), button(b.t("booth.done.print"), () => window.print(), "second")),
      b.codeShown && b.p("booth.done.destroy"), // whoever has the code can find out the answer
      b.shared && notice(b.p("booth.done.shared")),
      b.desk && actions(button(b.t("booth.done.desk"), () => b.nextMember())),
      el("h2", null, b.t("booth.done.next")),
      b.p("booth.done.batch", { look: outside(b.public("box"), b.t("booth.done.look")) }),
      b.p("booth.done.tally", { close: b.moment(b.close()), t: b.m.tellers.t, n: b.m.tellers.n, result: outside(b.public("result"), b.t("booth.done.result")) }),
      b.p("booth.done.mail"),
      !b.unerased && b.p("booth.done.erased"),
      b.session.promise && el("p", { className: "paper-only code" }, b.say("common.pair", { name: b.t("booth.done.promise"), value: b.session.promise })),
      paper(b),
    ],
  };
}

// found says where a ballot that was cast is; b.found is null while it is asked.
function found(b) {
  const prefix = b.session.stage === "deposited" ? "booth.deposited" : "booth.voted";
  if (!b.found) {
    return b.p("booth.voted.looking");
  }
  const state = where(b.found);
  if (state === "away") {
    return notice(b.p(`${prefix}.away`));
  }
  if (state === "in the log") {
    return notice(b.p(`${prefix}.in`, { date: b.moment(b.now()) }));
  }
  if (state === "received") {
    return notice(b.p(prefix === "booth.deposited" ? `${prefix}.accepted` : `${prefix}.received`));
  }
  if (prefix === "booth.deposited") {
    return notice(b.now() >= b.m.schedule.decide_until ? b.p(`${prefix}.not`, { phone: b.phone() }) : b.p(`${prefix}.waiting`, { decide: b.moment(b.m.schedule.decide_until) }));
  }
  // Without a status nobody has said here whether the vote was extended. Until the
  // latest close that it can have, both are offered.
  const late = b.now() >= b.grace();
  const over = late && (b.status || b.now() >= b.m.schedule.latest_close + b.m.schedule.grace);
  return notice(b.p(`${prefix}.unknown`),
    !over && [b.p(`${prefix}.resend`), button(b.t(`${prefix}.send`), b.press(() => b.sendAgain()))],
    late && [b.p(`${prefix}.lock`, { phone: b.phone() }), button(b.t(`${prefix}.save`), () => saveTracker(b))]);
}

/** evidence gives what a false answer can be proved with; nothing of the member's answer is in it. */
export function evidence(b) {
  download("evidence.json", "application/json", b.session.evidence() || "");
}

export function voted(b) {
  return {
    title: b.t("booth.voted.title"),
    nodes: [
      h1(b.t("booth.voted.title")),
      b.p("booth.voted.text"),
      found(b),
      stub(b),
      actions(save(b)),
      fold(b.t("booth.voted.roll"), b.p("booth.voted.roll.text"), el("p", null, button(b.t("booth.voted.roll.save"), b.press(() => b.rollEntry()), "second"))),
      paper(b),
    ],
  };
}

export function deposited(b) {
  const before = !b.found || (b.found.state === "unknown" && b.now() < b.m.schedule.decide_until);
  return {
    title: b.t("booth.deposited.title"),
    nodes: [
      h1(b.t("booth.deposited.heading")),
      before && b.p("booth.deposited.text"),
      unerased(b),
      found(b),
      stub(b),
      actions(save(b)),
      b.codeShown && b.p("booth.done.destroy"), // whoever has the code can find out the answer
      b.shared && notice(b.p("booth.done.shared")),
      b.desk && actions(button(b.t("booth.done.desk"), () => b.nextMember())),
      paper(b),
    ],
  };
}

/** saveEntry gives what the status says of a place on the roll. */
export function saveEntry(b, status) {
  const entry = { election_id: b.m.election_id, group: status.group, index: status.index, salt: status.salt };
  download("roll-entry.json", "application/json", JSON.stringify(entry));
}
