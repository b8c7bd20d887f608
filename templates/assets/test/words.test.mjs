import { Words, languageIndex } from "../words.js";
import { same, test, vectors } from "./harness.mjs";

const en = new Words("en", {
  plain: "Call {phone} now.", bold: "**Stop.** It is {n}.", "days.one": "{n} day", "days.other": "{n} days",
});
const vi = new Words("vi", { "days.other": "{n} ngày" });

test("places are filled, by texts and by elements", () => {
  same(en.text("plain", { phone: "1" }), "Call 1 now.", "a text");
  const element = { nodeType: 1 };
  same(en.parts("plain", { phone: element }, String), ["Call ", element, " now."], "an element");
  same(en.parts("bold", { n: 3 }, (inner) => ["strong", inner]), [["strong", ["Stop."]], " It is ", 3, "."], "bold");
  same(en.text("plain"), "Call  now.", "nothing given");
});

test("a value is never read as a text of ours", () => {
  same(en.text("plain", { phone: "{phone} **x**" }), "Call {phone} **x** now.", "marks in a value");
});

test("a key that is missing is shown", () => same(en.text("none"), "none", "key"));

test("each language has its own forms for numbers", () => {
  same(en.text(en.count("days", 1), { n: 1 }), "1 day", "one");
  same(en.text(en.count("days", 2), { n: 2 }), "2 days", "two");
  same(vi.text(vi.count("days", 1), { n: 1 }), "1 ngày", "one form");
});

test("the ballot's language is the reader's, or its first", () => {
  const languages = ["en", "es", "zh-hant", "zh"];
  same(["es", "zh-Hant", "zh-Hans", "vi", "en"].map((code) => languageIndex(languages, code)), [1, 2, 3, 0, 0], "indexes");
});

test("moments and numbers read as on the public pages", async () => {
  for (const { code, texts, moments, numbers } of await vectors("go/moments.json")) {
    const words = new Words(code, texts);
    moments.forEach(({ at, zone, moment, clock }) => {
      same([words.moment(at, zone), words.clock(at, zone)], [moment, clock], `${code}, ${zone}`);
    });
    numbers.forEach(({ n, text }) => same(words.number(n), text, code));
  }
});

test("a zone that we have no name for has the browser's, or is told from UTC", async () => {
  const { texts } = (await vectors("go/moments.json"))[0];
  const words = new Words("en", texts);
  const noon = 1790856000; // October 1, 2026, 12:00 UTC
  same(/^9:00 p\.m\. Japan (Standard )?Time$/.test(words.clock(noon, "Asia/Tokyo")), true, words.clock(noon, "Asia/Tokyo"));
  same(words.clock(noon, "Etc/GMT-4"), "4:00 p.m. UTC+04:00", "ahead");
  same(words.clock(noon, "Etc/GMT+3"), "9:00 a.m. UTC-03:00", "behind");
});

test("texts under numbers", () => {
  const list = [0, "One", { "": "Two", day: "a day", month: 3, "n.one": "{n} vote", "n.other": "{n} votes" }, { "": "Three", "long.way": "far" }];
  const words = new Words("en", list);
  same([1, 2, 3, "2.day", "2.month", "3.long.way"].map((key) => words.text(key)), ["One", "Two", "Three", "a day", "Three", "far"], "texts");
  same([1, 5].map((n) => words.text(words.count("2.n", n), { n })), ["1 vote", "5 votes"], "numbers");
  same([9, "9.x", "1.x", "2.x", 0].map((key) => words.text(key)), ["9", "9.x", "1.x", "2.x", "0"], "no texts");
});
