// The words of a page in one language, and how it writes numbers and times.
// It knows no screen: it is the twin of internal/language for a browser.

import { hex } from "./suite.js";

export class Words {
  constructor(code, texts) {
    this.code = code;
    this.texts = texts;
    this.plural = new Intl.PluralRules(code);
  }

  // raw returns a text as it is in the catalogue. A key that is not there is a
  // mistake of ours; the page shows the key rather than stop somebody's vote.
  raw(key) {
    const text = this.texts[key];
    return text === undefined ? key : text;
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
    return this.texts[form] === undefined ? `${key}.other` : form;
  }

  number(n) {
    return new Intl.NumberFormat(this.code).format(n);
  }

  // moment writes a time in the zone of the device, with the zone's name: the
  // members of one union live in several.
  moment(seconds) {
    return this.time(seconds, { weekday: "long", month: "long", day: "numeric" });
  }

  clock(seconds) {
    return this.time(seconds, {});
  }

  time(seconds, options) {
    const write = (timeZoneName) =>
      new Intl.DateTimeFormat(this.code, Object.assign({ hour: "numeric", minute: "2-digit", timeZoneName }, options)).format(new Date(seconds * 1000));
    try {
      const text = write("longGeneric"); // as in "Pacific Time", all year
      return /GMT/.test(text) ? write("short") : text; // where a zone has no such name
    } catch (_) {
      return write("long"); // browsers before 2021
    }
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
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
