import { deposited, done, tell, voted } from "../cast.js";
import { el } from "../dom.js";
import { field, groups } from "../parts.js";
import { stops } from "../problem.js";
import { test as opening } from "../question.js";
import { all, text } from "./elements.mjs";
import { same, test } from "./harness.mjs";

// booth is what a screen is given: a voter's page whose words are their keys.
function booth(more, session) {
  const say = (key) => [key];
  const p = (key) => el("p", null, key);
  return Object.assign({
    t: (key) => key, say, p, plain: () => "", moment: String, now: () => 1000, close: () => 500, grace: () => 2000, phone: () => "1",
    public: (name) => `https://board.example/e/1/${name}`, press: (act) => act, way: { reached: [] }, found: null,
    page: { p, words: { count: (key) => key } },
    m: { schedule: { decide_until: 3000 }, tellers: { t: 3, n: 5 }, title: ["T"] },
    session: Object.assign({ stage: "received", keeping: "device", tracker: "AAAA-BBBB-CCCC-DDDD-EEEE", ballotId: "00".repeat(32), promise: "11" }, session),
  }, more);
}

const says = (view, key) => text(view.nodes).split("\n").some((line) => line.includes(key));

test("a ballot is in the box if the proof of it came", () => {
  const at = (state, proof) => voted(booth({ found: { state, proof } }));
  same(says(at("in the log", "proof"), "booth.voted.in"), true, "proven");
  same(says(at("in the log", null), "booth.voted.in"), false, "the box's word");
  same(says(at("in the log", null), "booth.voted.received"), true, "its promise");
  const envelope = (proof) => deposited(booth({ found: { state: "in the log", proof } }, { stage: "deposited" }));
  same([says(envelope("proof"), "booth.deposited.in"), says(envelope(null), "booth.deposited.in")], [true, false], "an envelope");
});

test("a vote is not said to be over that may have been extended", () => {
  const m = Object.assign({}, booth().m, { schedule: { latest_close: 2900, grace: 100, decide_until: 4000 } });
  const offers = (now, status) => {
    const view = voted(booth({ found: { state: "unknown", proof: null }, m, now: () => now, status }));
    return [says(view, "booth.voted.send"), says(view, "booth.voted.save")];
  };
  same([offers(1999), offers(2000), offers(3000)], [[true, false], [true, true], [false, true]], "of the manifest's times");
  same([offers(1999, {}), offers(2000, {})], [[true, false], [false, true]], "of a status");
});

test("an answer that could not be erased is not said to be gone", () => {
  const view = (unerased) => done(booth({ unerased }));
  same([says(view(false), "booth.done.erased"), says(view(false), "booth.done.unerased")], [true, false], "erased");
  same([says(view(true), "booth.done.erased"), says(view(true), "booth.done.unerased")], [false, true], "not erased");
  same(all(view(true).nodes, "button").some((b) => text([b]) === "common.again"), true, "it is tried again");
});

test("a recovery code that was shown is destroyed", () => {
  same([false, true].map((codeShown) => says(done(booth({ codeShown })), "booth.done.destroy")), [false, true], "done");
});

test("a tracker breaks in its middle", () => {
  const lines = (t) => Array.from(groups(t).childNodes, (half) => text([half]).replace(/\s/g, ""));
  same(lines("AAAA-BBBB-CCCC-DDDD-EEEE"), ["AAAA-BBBB-CCCC-", "DDDD-EEEE"], "tracker");
  same(lines("AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGG"), ["AAAA-BBBB-CCCC-DDDD-", "EEEE-FFFF-GGG"], "recovery code");
});

test("a page is closed only where the device keeps the ballot", () => {
  const said = (keeping) => [].concat(...tell(booth({ way: { reached: [], offline: true } }, { keeping }))).filter((s) => typeof s === "string");
  same(said("device").includes("booth.cast.offline.close"), true, "kept");
  ["tab", "refused"].forEach((keeping) => same(said(keeping).includes("booth.cast.offline.close"), false, keeping));
});

test("a refusal does not say that no ballot was issued", () => {
  const closed = (args) => stops.closed(booth(), args);
  same(says(closed({}), "booth.phase.closed.text"), true, "a status");
  same(says(closed({ service: "registrar" }), "booth.phase.closed.text"), false, "a request");
});

test("a member who was struck calls before the close, and not after it", () => {
  const at = (now) => ["booth.link.struck.call", "booth.phase.closed"].map((key) => says(stops["link-struck"](booth({ now: () => now })), key));
  same([at(499), at(500)], [[true, false], [false, true]], "at the close");
});

test("a test shows what was sealed", () => {
  const options = ["yes", "no"].map((text) => ({ text: [text] }));
  const b = booth({ choices: [0], groupName: () => "G", ballot: ([text]) => ({ text, lang: "en" }) });
  b.m.questions = [{ options }];
  const view = opening(b, { opened: { tracker: "AAAA", code: "BBBB", typed: "", choices: [1], body: new Uint8Array(5) } });
  same([says(view, "NO"), says(view, "YES")], [true, false], "the answer");
  const saves = (typed) => all(opening(b, { opened: { tracker: "AAAA", code: "BBBB", typed, choices: [1], body: new Uint8Array(5) } }).nodes, "button")
    .some((one) => text([one]) === "booth.test.save");
  same([saves("mine"), saves("two\nlines")], [true, false], "the file");
});

test("no field is corrected", () => {
  for (const tag of ["input", "textarea"]) {
    const [input] = all([field(booth(), { id: "code", tag, label: "Code" })], tag);
    same(["spellcheck", "autocapitalize", "autocorrect"].map((name) => input.getAttribute(name)), ["false", "off", "off"], tag);
  }
});
