// Looks for a tracker from the public page of the box, and checks the proof here,
// in the reader's browser. Without it the page's form does the looking, and leaves
// the checking to whoever saves the proof.
//
// A code is what opens a ballot, and people mistake one for the other: it is told by
// its length before anything is sent. A tracker goes by POST and into no address.
//
// A tracker's QR code brings the whole id of a ballot behind a #, which is sent to
// nobody. With it the box can be asked for a ballot that is not in the log yet, and
// its promise checked.

import { inBox, open } from "./inbox.js";
import { parseTracker, tracker as trackerOf, verifyPromise } from "./receipt.js";
import { cleanBase32, group4, hex, unb64url, unhex } from "./suite.js";

const signs = 20;
const patience = 20000; // milliseconds
const answers = ["found", "unknown", "later", "code", "length", "letters"]; // as internal/pages has them

const form = document.getElementById("find");
const input = document.getElementById("tracker");
const problem = document.getElementById("problem");
const error = problem.getAttribute("data-error");
const title = document.title.replace(`${error} `, ""); // the form may have found an error before
let busy = false;
let next = null; // what was scanned meanwhile

const all = (selector, within) => Array.prototype.slice.call((within || document).querySelectorAll(selector));

// show shows what belongs to a state, and hides what belongs to another one.
function show(state) {
  all("[data-state]").forEach((e) => {
    e.hidden = e.getAttribute("data-state") !== state;
  });
  const wrong = all(`[data-state="${state}"]`, problem).length > 0;
  problem.hidden = !wrong;
  document.getElementById("field").className = wrong ? "field wrong" : "field";
  document.title = wrong ? `${error} ${title}` : title;
  if (wrong) {
    problem.focus();
  }
}

// wrong returns what is wrong with what was typed, or "".
function wrong(typed) {
  const n = cleanBase32(typed).length;
  all("[data-pattern]").forEach((e) => {
    e.textContent = e.getAttribute("data-pattern").replace("{n}", String(n));
  });
  if (n === signs + 1) {
    return "code";
  }
  if (n !== signs) {
    return "length";
  }
  try {
    parseTracker(typed);
  } catch (e) {
    return "letters";
  }
  return "";
}

// ask fetches something of this origin, and gives up after a while.
function ask(address, how) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), patience);
  const done = () => clearTimeout(timer);
  const asked = fetch(address, Object.assign({ credentials: "omit", signal: stop.signal }, how)).then((answer) => {
    if (!answer.ok) {
      throw new Error("no answer");
    }
    return answer;
  });
  asked.then(done, done);
  return asked;
}

const mid = form.getAttribute("data-mid");
const manifest = async () => new Uint8Array(await (await ask(form.getAttribute("data-manifest"))).arrayBuffer());

async function look(typed, id) {
  const answer = await ask(form.getAttribute("action"), {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/x-www-form-urlencoded" },
    body: `tracker=${encodeURIComponent(typed)}`,
  });
  const said = await answer.json();
  // The page shows what it has words for, and puts no other word into a selector.
  if (answers.indexOf(said.state) < 0) {
    throw new Error("no answer");
  }
  if ((said.state === "unknown" || said.state === "later") && id) {
    return (await received(id).catch(() => false)) ? "received" : said.state;
  }
  if (said.state !== "found") {
    return said.state;
  }
  const bytes = await manifest();
  try {
    await inBox(await open(bytes, mid), parseTracker(typed), said.proof);
  } catch (e) {
    return "false";
  }
  return "found";
}

// received asks the box for its promise for a ballot, and checks it.
async function received(id) {
  const answer = await ask(form.getAttribute("data-box"), {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ballot_id: hex(id) }),
  });
  const promise = unhex((await answer.json()).promise);
  return verifyPromise(unhex((await open(await manifest(), mid)).promise_key), unhex(mid), id, promise);
}

// find looks for what was typed; id is the whole of a ballot's, if it is known.
async function find(typed, id) {
  if (busy) {
    // The answer that comes is not of what the field shows now.
    next = id ? [typed, id] : next;
    return;
  }
  const bad = wrong(typed);
  if (bad) {
    show(bad);
    return;
  }
  busy = true;
  show("busy");
  const tracker = group4(cleanBase32(typed));
  all("[data-tracker]").forEach((e) => {
    e.textContent = tracker;
  });
  all("input[type=hidden][name=tracker]").forEach((e) => {
    e.value = tracker;
  });
  let state = "offline";
  try {
    state = await look(tracker, id);
  } catch (e) {
    // Nothing came back: it can be tried again.
  }
  all("[data-checked]").forEach((e) => {
    e.hidden = state !== "found";
  });
  show(state);
  busy = false;
  if (next) {
    const [other, otherID] = next;
    next = null;
    find(other, otherID);
  }
}

// scanned takes a ballot's id out of the address, where others could read it, and
// looks for the ballot.
function scanned() {
  const found = /^#([A-Za-z0-9_-]{43})$/.exec(location.hash);
  if (!found) {
    return;
  }
  history.replaceState(null, "", location.pathname + location.search);
  let id;
  try {
    id = unb64url(found[1]);
  } catch (e) {
    return;
  }
  input.value = trackerOf(id);
  find(input.value, id);
}

// A page that did not come safely has no hashes: then the form does the looking.
if (crypto.subtle) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    find(input.value);
  });
  window.addEventListener("hashchange", scanned);
  scanned();
}
