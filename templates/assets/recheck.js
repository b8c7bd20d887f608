// Repeats the test of a device on the public page "Check it yourself": what another
// device showed is typed here, sealed again in the reader's browser, and must give the
// tracker that was written down before.
//
// It sends nothing of what is typed, and keeps nothing: all that it asks for is the
// manifest, which it takes only if it has the hash that the page names. Without it the
// page has no form, and names the command that does the same.

import { parseRecoveryCode } from "./ballot.js";
import { repeat } from "./challenge.js";
import { options } from "./election.js";
import { open } from "./inbox.js";
import { parseTracker } from "./receipt.js";
import { cleanBase32, reads, unhex, utf8 } from "./suite.js";

const trackerSigns = 20;
const codeSigns = 27;
const maxOwn = 1000; // bytes
const patience = 20000; // milliseconds

const find = (id) => document.getElementById(id);
const all = (selector, within) => Array.prototype.slice.call((within || document).querySelectorAll(selector));

const form = find("test-form");
const answer = find("test-answer");
const summary = find("test-problem");
const error = summary.getAttribute("data-error");
const title = document.title;
let busy = false;

// show shows what belongs to a state, and the tracker that what was typed gives.
function show(state, gives) {
  all("[data-state]", answer).forEach((e) => {
    e.hidden = e.getAttribute("data-state") !== state;
  });
  all("[data-gives]", answer).forEach((e) => {
    e.hidden = !gives;
  });
  find("test-gives").textContent = gives || "";
}

// coded returns what is wrong with a tracker or a code, or "".
function coded(text, signs, read, otherwise) {
  return cleanBase32(text).length !== signs ? "length" : reads(read, text) ? "" : otherwise;
}

const fields = all("[id$='-field']", form).map((e) => e.id.slice(0, -"-field".length));
const chosen = (name) => all(`input[name="${name}"]`, form).findIndex((e) => e.checked);
const value = (name) => find(name).value;

// wrong returns what is wrong with a field, or "".
function wrong(name) {
  switch (name) {
    case "test-unit":
      return value(name) === "" ? "empty" : "";
    case "test-tracker":
      return coded(value(name), trackerSigns, parseTracker, "letters");
    case "test-code":
      return coded(value(name), codeSigns, parseRecoveryCode, "check");
    case "test-own":
      return reads(utf8, value(name)) && utf8(value(name)).length <= maxOwn ? "" : "long";
  }
  return chosen(name) < 0 ? "empty" : ""; // a question
}

// mark writes what is wrong at a field and returns the text, or "".
function mark(name, problem) {
  let text = "";
  const place = find(`${name}-field`);
  all(".problem", place).forEach((e) => {
    e.hidden = e.getAttribute("data-problem") !== problem;
    const said = all("[data-pattern]", e)[0];
    said.textContent = said.getAttribute("data-pattern").replace("{n}", String(cleanBase32(find(name).value).length));
    text = e.hidden ? text : said.textContent;
  });
  place.className = place.className.replace(" wrong", "") + (problem ? " wrong" : "");
  all("input, select, textarea", place).forEach((e) => {
    if (problem) {
      e.setAttribute("aria-invalid", "true");
    } else {
      e.removeAttribute("aria-invalid");
    }
  });
  return text;
}

// complain writes at every field what is wrong with it, and in the summary, and tells
// whether anything is.
function complain() {
  all("p", summary).forEach((e) => summary.removeChild(e));
  fields.forEach((name) => {
    const text = mark(name, wrong(name));
    if (text) {
      const a = document.createElement("a");
      a.href = `#${name}`;
      a.textContent = text;
      a.addEventListener("click", (event) => {
        event.preventDefault();
        find(name).focus();
      });
      summary.appendChild(document.createElement("p")).appendChild(a);
    }
  });
  const bad = all("p", summary).length > 0;
  summary.hidden = !bad;
  document.title = bad ? `${error} ${title}` : title;
  if (bad) {
    show("");
    summary.focus();
  }
  return bad;
}

// load fetches the manifest, and gives up after a while.
async function load() {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), patience);
  try {
    const got = await fetch(form.getAttribute("data-manifest"), { credentials: "omit", signal: stop.signal });
    if (!got.ok) {
      throw new Error("no answer");
    }
    return open(new Uint8Array(await got.arrayBuffer()), form.getAttribute("data-mid"));
  } finally {
    clearTimeout(timer);
  }
}

async function compare() {
  const questions = fields.filter((name) => /^test-q\d+$/.test(name));
  const shown = { tracker: value("test-tracker"), code: value("test-code"), typed: value("test-own"), choices: questions.map(chosen) };
  const group = Number(value("test-unit"));
  const m = await load();
  return repeat({ mid: unhex(form.getAttribute("data-mid")), group, key: unhex(m.tellers.key), options: options(m) }, shown);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (busy || complain()) {
    return;
  }
  busy = true;
  show("busy");
  compare().then((found) => show(found.same ? "same" : "other", found.tracker), () => show("unread")).then(() => {
    busy = false;
  });
});

// A page that did not come safely has no hashes to seal with.
if (crypto.subtle) {
  form.hidden = false;
  find("test-old").hidden = true;
}
