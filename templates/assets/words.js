// The words of a page in one language, and how it writes numbers and times.
// It knows no screen: it is the twin of internal/language for a browser.

import { hex, sha256 } from "./suite.js";

export class Words {
  constructor(code, texts) {
    this.code = code;
    this.texts = texts;
    this.plural = new Intl.PluralRules(code);
  }

  // find returns a text as it is in the catalogue, or undefined. A script that was
  // bundled has a number for a name, or for the beginning of one: then texts is a list
  // of texts, and of objects that hold by the rest of a name a text or its number.
  find(key) {
    const text = this.texts[key];
    if (typeof text === "string") {
      return text;
    }
    const [first, rest = ""] = String(key).split(/\.(.*)/);
    const found = (this.texts[first] || {})[rest];
    return typeof found === "number" ? this.find(found) : found;
  }

  // raw is find where a text must be. A key that is not there is a mistake of ours;
  // the page shows the key rather than stop somebody's vote.
  raw(key) {
    const text = this.find(key);
    return text === undefined ? String(key) : text;
  }

  // text fills a text's places with texts.
  text(key, values) {
    return this.parts(key, values, String).join("");
  }

  // parts is text as a list, for values that are elements. What stands between
  // two pairs of asterisks is given to strong.
  parts(key, values, strong) {
    return this.raw(key).split("**").reduce((all, piece, i) => {
      const filled = fillIn(piece, values || {});
      return all.concat(i % 2 ? [strong(filled)] : filled);
    }, []);
  }

  // count chooses the form of a text that a number asks for; most languages
  // here have only one.
  count(key, n) {
    const form = `${key}.${this.plural.select(n)}`;
    return this.find(form) === undefined ? `${key}.other` : form;
  }

  number(n) {
    return String(n).replace(/\B(?=(\d{3})+$)/g, this.raw("format.number.group"));
  }

  // moment writes a time in the zone of the device, with the zone's name: the
  // members of one union live in several. It reads as on the public pages.
  // zone is another one than the device's.
  moment(seconds, zone) {
    const at = fields(seconds, zone);
    const date = this.text("format.day", { weekday: this.raw(`format.weekday.${at.weekday}`), month: this.raw(`format.month.${at.month}`), day: at.day });
    return this.text("format.moment", { date, clock: this.clock(seconds, zone) });
  }

  clock(seconds, zone) {
    const at = fields(seconds, zone);
    const half = at.hour === 0 ? "midnight" : at.hour < 12 ? "morning" : at.hour === 12 ? "noon" : "afternoon";
    return this.text("format.clock", {
      hour12: ((at.hour + 11) % 12) + 1, hour24: two(at.hour), minute: two(at.minute),
      half: this.raw(`format.half.${half}`), zone: this.zone(seconds, at, zone),
    });
  }

  // zone is what people call a zone, the same in summer and winter, or else how
  // far it is from UTC.
  zone(seconds, at, zone) {
    const key = zones[at.timeZoneName];
    if (key) {
      return this.raw(`format.zone.${key}`);
    }
    const name = zoneName(this.code === "es" ? "es-US" : this.code, seconds, zone);
    return /GMT|UTC/.test(name) ? `UTC${at.ahead < 0 ? "-" : "+"}${two(Math.floor(Math.abs(at.ahead) / 60))}:${two(Math.abs(at.ahead) % 60)}` : name;
  }
}

// zones are those that we have names for, by their abbreviation in American
// English, which has none for zones elsewhere.
const zones = {
  PST: "pacific", PDT: "pacific", MST: "mountain", MDT: "mountain", CST: "central", CDT: "central",
  EST: "eastern", EDT: "eastern", AKST: "alaska", AKDT: "alaska", HST: "hawaii", UTC: "universal",
};

const two = (n) => (n < 10 ? `0${n}` : String(n));

// write gives the named parts of a time.
function write(code, seconds, timeZone, options) {
  const parts = {};
  new Intl.DateTimeFormat(code, Object.assign({ timeZone }, options)).formatToParts(new Date(seconds * 1000)).forEach((p) => { parts[p.type] = p.value; });
  return parts;
}

// fields takes a time apart; ahead is in minutes of UTC.
function fields(seconds, timeZone) {
  const p = write("en-US", seconds, timeZone, {
    year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", hour12: false, timeZoneName: "short",
  });
  const hour = p.hour % 24; // some browsers write midnight as 24
  const minute = Number(p.minute);
  const there = Date.UTC(p.year, p.month - 1, p.day, hour, minute) / 60000;
  return { month: Number(p.month), day: Number(p.day), weekday: new Date(there * 60000).getUTCDay(), hour, minute, ahead: there - Math.floor(seconds / 60), timeZoneName: p.timeZoneName };
}

function zoneName(code, seconds, zone) {
  try {
    return write(code, seconds, zone, { timeZoneName: "longGeneric" }).timeZoneName; // all year the same
  } catch (_) {
    return write(code, seconds, zone, { timeZoneName: "long" }).timeZoneName; // browsers before 2021
  }
}

function fillIn(text, values) {
  return text.split(/\{(\w+)\}/).reduce((all, piece, i) => {
    const value = i % 2 ? values[piece] : piece;
    return value === "" || value === undefined ? all : all.concat(value);
  }, []);
}

// languageIndex returns which of a ballot's languages to show to somebody who
// reads code. The first stands for those that the ballot has not: its text is
// the approved one, and is never translated here.
export function languageIndex(languages, code) {
  const wanted = code.toLowerCase();
  const exact = languages.indexOf(wanted);
  if (exact >= 0) return exact;
  const near = languages.findIndex((tag) => wanted.startsWith(`${tag}-`));
  return Math.max(near, 0);
}

// fetchWords loads another language's words. They are checked against what the
// page itself says of them: words decide what a member believes to press, so a
// second file must be as fixed as the page is.
export async function fetchWords(language) {
  const answer = await fetch(`/v1/words/${language.code}.json`, { credentials: "omit", redirect: "error" });
  if (!answer.ok) throw new Error("no words");
  const bytes = await answer.arrayBuffer();
  if ((await sha256Hex(bytes)) !== language.sha256) throw new Error("other words");
  return new Words(language.code, JSON.parse(new TextDecoder().decode(bytes)));
}

/** sha256Hex is the SHA-256 of bytes, as the page and the suite write it. */
export async function sha256Hex(bytes) {
  return hex(await sha256(new Uint8Array(bytes)));
}
