import { file, repeat } from "../challenge.js";
import { tracker } from "../receipt.js";
import { newSecret, recoveryCode } from "../ballot.js";
import { unhex } from "../suite.js";
import { refuses, same, test, vectors } from "./harness.mjs";

const { cases } = await vectors("ballot/seal.json");

const contextOf = (v) => ({ mid: unhex(v.mid), group: v.group, key: unhex(v.key), options: v.options });
const shownOf = (v) => ({ tracker: tracker(unhex(v.ballot_id)), code: v.recovery_code, typed: v.typed, choices: v.choices });

test("what an honest device shows holds", async () => {
  same(cases.length > 3, true, "cases");
  for (const v of cases) {
    const shown = shownOf(v);
    same(await repeat(contextOf(v), shown), { same: true, tracker: shown.tracker }, v.name);
    const badly = { ...shown, tracker: shown.tracker.toLowerCase().replace(/-/g, " "), code: ` ${shown.code.toLowerCase()} ` };
    same((await repeat(contextOf(v), badly)).same, true, `${v.name}, as people type`);
  }
});

test("with anything changed it does not hold", async () => {
  for (const v of cases) {
    const context = contextOf(v);
    const shown = shownOf(v);
    const not = async (what, more, other = context) => {
      const got = await repeat(other, { ...shown, ...more });
      same(got.same, false, `${v.name}: another ${what}`);
      return got;
    };
    for (const [i, k] of v.options.entries()) {
      await not("answer", { choices: v.choices.map((j, at) => (at === i ? (j + 1) % k : j)) });
    }
    await not("code", { code: recoveryCode(newSecret()) });
    await not("text", { typed: v.typed ? v.typed.slice(0, -1) : "w" });
    await not("group", {}, { ...context, group: v.group === 1 ? 2 : v.group - 1 });
    await not("election", {}, { ...context, mid: context.mid.map((b, i) => (i === 31 ? b ^ 1 : b)) });
    // Every sign of a tracker counts, to the last.
    for (const at of [0, 12, 23]) {
      const sign = shown.tracker[at] === "0" ? "1" : "0";
      const { tracker: given } = await not("tracker", { tracker: shown.tracker.slice(0, at) + sign + shown.tracker.slice(at + 1) });
      same(given, shown.tracker, "what it gives");
    }
  }
});

test("what is no tracker and no code is refused", async () => {
  const [v] = cases;
  const refused = (more) => refuses(() => repeat(contextOf(v), { ...shownOf(v), ...more }), JSON.stringify(more));
  await refused({ tracker: "" });
  await refused({ tracker: shownOf(v).tracker.slice(1) });
  await refused({ code: v.recovery_code.slice(0, -1) });
  await refused({ code: v.recovery_code.slice(0, -1) + (v.recovery_code.endsWith("0") ? "1" : "0") });
  await refused({ typed: "w".repeat(1001) });
  await refused({ choices: v.choices.map(() => 4) });
});

test("a test is a file for the command", async () => {
  const body = unhex(cases[0].body);
  const made = (typed) => file({ id: cases[0].ballot_id, code: "AAAA", typed, body });
  same(made('"mine" <b>'), `{"ballot_id":"${cases[0].ballot_id}","code":"AAAA","typed":"\\"mine\\" <b>","body":"${cases[0].body}"}\n`, "file");
  same(made("two\nlines"), null, "no file");
});
