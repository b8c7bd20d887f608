import { after, ahead, complete, electionOf, entry, failed, here, large, neutral, opened, own, screenOf, stepOf, until, where } from "../flow.js";
import { b64url, concat, hex, u8, unhex } from "../suite.js";
import { same, test } from "./harness.mjs";

const id = "0123456789abcdef0123456789abcdef";
const at = "https://vote.example/v1/";

test("what an address brings", () => {
  const cases = [
    [`${at}#t=AAAA&m=BBBB`, { kind: "link", href: `${at}#t=AAAA&m=BBBB` }],
    [`${at}?utm_source=mail#t=AAAA&m=BBBB`, { kind: "link", href: `${at}#t=AAAA&m=BBBB` }],
    [`${at}%23t=AAAA`, { kind: "link", href: `${at}%23t=AAAA` }],
    [`${at}?from=mail#t=AAAA`, { kind: "link", href: `${at}#t=AAAA` }],
    [`${at}${id}`, { kind: "code", electionId: id, desk: false, cut: false }],
    [`${at}${id}?lang=es#desk`, { kind: "code", electionId: id, desk: true, cut: false }],
    [`${at}${id}#cut`, { kind: "code", electionId: id, desk: false, cut: true }],
    [`${at}#q1`, { kind: "step", step: "q1" }],
    [`${at}?lang=es#check`, { kind: "step", step: "check" }],
    [`${at}${id}#q2`, { kind: "step", step: "q2", electionId: id }],
    [at, { kind: "nothing" }],
    [`${at}other`, { kind: "nothing" }],
  ];
  for (const [href, want] of cases) {
    same(entry(href), want, href);
  }
});

test("an answer is of the link that it was given with", () => {
  const tab = { link: { href: "a" }, choices: [1], typed: "words", inEnvelope: true, received: 1, draft: "0123", confirmed: "00", desk: true };
  same(own({ kind: "link", href: "a" }, tab), tab, "the same link");
  same(own({ kind: "step", step: "q1" }, tab), tab, "the same page, loaded again");
  same(own({ kind: "link", href: "b" }, tab), {}, "another link");
  same(own({ kind: "link", href: "a" }, {}), {}, "nothing");
  same(own({ kind: "code", electionId: id }, tab), { draft: "0123", desk: true }, "a code that is not typed yet");
});

test("the election is read from the beginning of a link that was cut", () => {
  const token = b64url(concat(u8(1), unhex(id, 16), new Uint8Array(94)));
  for (const n of [24, 60, 148]) {
    same(electionOf(`${at}#t=${token.slice(0, n)}`), id, `${n} characters`);
  }
  same(electionOf(`${at}%23t=${token}`), id, "%23");
  same(electionOf(`${at}#t=${token.slice(0, 23)}`), null, "too little");
  same(electionOf(at), null, "nothing");
});

const questions = [{ options: [{ role: "yes" }, { role: "neutral" }] }, { options: [{ role: "yes" }, { role: "no" }] }];

test("steps and screens", () => {
  same(["start", "factor", "cast", "done", "elsewhere"].map((s) => stepOf(s)), ["start", "answer", "cast", "done", null], "steps");
  same(stepOf("question", { index: 1 }), "q2", "second question");
  const reached = (step, choices) => {
    const { screen, args } = screenOf(step, choices, questions);
    return args ? screen + args.index : screen;
  };
  same(reached("q2", [0]), "question1", "next");
  same(reached("q2", []), "question0", "a question is not skipped");
  same(reached("check", [0]), "question1", "check before the end");
  same(reached("check", [0, 1]), "check", "check");
  same(reached("q1", [0, 1]), "question0", "back");
  same(reached("q8", [0, 1]), "check", "more than there are");
  same(["cast", "done", "x", ""].map((step) => reached(step, [0, 1])), ["start", "start", "start", "start"], "an address casts nothing");
  same([complete([0], questions), complete([0, 0], questions)], [false, true], "complete");
  same(questions.map(neutral), [1, -1], "neutral");
});

test("what a link leads to", () => {
  const session = (stage, kept, group = 1) => ({ stage, kept, group });
  same(opened(session("new", false), "q1"), "start", "new");
  same(opened(session("new", false, 0), "start"), "confirm", "a code");
  same(opened(session("sealed", true), "start"), "unfinished", "kept");
  same(opened(session("issued", true), "cast"), "cast", "reloaded while casting");
  same(opened(session("received", true), "start"), "voted", "voted");
  same(opened(session("received", true), "done"), "done", "reloaded after casting");
  same(opened(session("deposited", true), "start"), "deposited", "envelope");
});

test("a code is sent for the vote that was compared", () => {
  const mid = new Uint8Array(32);
  const session = { stage: "new", kept: false, group: 0, mid };
  same(opened(session, "q1", hex(mid)), "start", "loaded again");
  same(opened(session, "q1", "11".repeat(32)), "confirm", "another vote since");
  same(opened(session, "q1"), "confirm", "not compared");
  same([opened(session, "confirm", hex(mid)), opened(session, undefined, hex(mid))], ["confirm", "confirm"], "before it was compared");
});

test("a ballot that is kept here was issued here", () => {
  const session = (stage, kept, damaged) => ({ stage, kept, damaged, group: 1 });
  same(here("elsewhere", session("new", false)), "elsewhere", "nothing is kept");
  same(here("elsewhere", session("sealed", true)), "unfinished", "not finished");
  same(here("elsewhere", session("received", true)), "voted", "finished");
  same(here("elsewhere", session("new", true, true)), "damaged", "damaged");
  same(here("closed", session("sealed", true)), "closed", "all else");
});

test("only a proof shows that a ballot is in the log", () => {
  same(where({ state: "in the log", proof: "proof" }), "in the log", "proven");
  same(where({ state: "in the log", proof: null }), "received", "said");
  same(["received", "unknown", "away"].map((state) => where({ state, proof: null })), ["received", "unknown", "away"], "all else");
});

test("short answers are written large", () => {
  same([large("Yes", "en"), large("a long answer", "en")], ["YES", "a long answer"], "length");
  same(large("sí", "-"), "SÍ", "a tag that is none");
});

test("what a status leads to", () => {
  const schedule = { grace: 600 };
  const status = (phase, issued, envelopeOnly) => ({ phase, issued, envelopeOnly: Boolean(envelopeOnly), close: 1000 });
  const cases = [
    [status("open", false), 0, "question"], [status("open", true), 0, "elsewhere"], [status("open", false, true), 0, "envelope"],
    [status("open", true, true), 0, "elsewhere"], [status("sealed", false), 0, "before"], [status("cancelled", true), 0, "cancelled"],
    [status("closed", false), 1000, "closed"], [status("closed", true), 1599, "elsewhere"], [status("closed", true), 1600, "closed-issued"],
    [status("locked", true), 2000, "closed-issued"], [status("certified", false), 2000, "closed"],
  ];
  cases.forEach(([s, now, want], i) => same(after(s, schedule, now), want, `case ${i}`));
});

test("what the phase alone leads to", () => {
  const told = (phase) => ({ phase, close: 1000 });
  const to = (phase, now, code, factor) => ahead(told(phase), { grace: 600 }, now, { code, factor });
  same([to("open", 0, false), to("open", 0, true)], [null, null], "open");
  same(["sealed", "cancelled", "locked"].map((phase) => to(phase, 2000, true)), ["before", "cancelled", "closed"], "a code is not sent for it");
  same([to("closed", 1599, false, true), to("closed", 1600, false, false)], ["ask", "ask"], "a link, for a ballot may be unfinished");
  same([to("closed", 1599, true), to("closed", 1600, true)], [null, "closed"], "a code, for the same reason");
  same(to("closed", 1600, false, true), "closed", "no question that is of no use");
});

test("failures that keep the page have no screen", () => {
  same(["offline", "busy", "bad-code", "server"].map(failed), [null, null, null, null], "stay");
  same(failed("issued-elsewhere"), "elsewhere", "a screen");
  same(["registrar", "box"].map((service) => failed("closed", { service })), ["closed", "missed"], "the box closes to ballots that were issued");
});

test("how long it is to the close", () => {
  const said = (seconds) => {
    const left = until(seconds);
    return left && `${left.n} ${left.unit}`;
  };
  same([59, 60, 7199, 7200, 172799, 172800].map(said), [null, "1 minutes", "119 minutes", "2 hours", "47 hours", "2 days"], "times");
});
