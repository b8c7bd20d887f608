import { b64url, hex, unhex } from "../suite.js";
import { parseCode, parseLink } from "../token.js";
import { same, test, vectors } from "./harness.mjs";

const { booth, links, tokens, typed } = await vectors("token/token.json");

function reasonOf(fn) {
  try {
    fn();
  } catch (e) {
    return e.reason;
  }
  return "none";
}

test("links that Go made and refused", () => {
  for (const v of links) {
    if (v.booth === "") {
      same(["bad", "cut"].includes(reasonOf(() => parseLink(v.link))), true, v.link);
    } else {
      same(parseLink(v.link).booth, v.booth, v.link);
    }
  }
});

const linkOf = (v) => `${booth}/v1/#t=${v.base64}&m=${b64url(unhex(v.mid))}`;

test("what tokens say", () => {
  for (const v of tokens) {
    const l = parseLink(linkOf(v));
    const got = [hex(l.token), l.kind, l.electionId, l.group, l.index, l.exp, hex(l.mid)];
    same(got, [v.token, v.kind, v.election_id, v.group, v.index, v.expires, v.mid], "token");
  }
});

test("every cut of a link is called one", () => {
  const link = linkOf(tokens[0]);
  for (let n = link.indexOf("#") + 1; n < link.length; n++) {
    same(reasonOf(() => parseLink(link.slice(0, n))), "cut", `${n} characters`);
  }
  for (let n = 0; n < link.indexOf("#"); n++) {
    same(reasonOf(() => parseLink(link.slice(0, n))), "bad", `${n} characters`);
  }
});

test("links with a character too many or another one", () => {
  const link = linkOf(tokens[0]);
  const at = link.indexOf("#");
  const [front, back] = [link.slice(0, at), link.slice(at)];
  for (const bad of [
    link + ".", link + "A", " " + link, link + " ", front + "?" + back.slice(1), link.replace("&m=", "&amp;m="), link.replace("&m=", "&n="),
    link.replace("https", "ftp"), link.replace("https://", "https://a@"), link.replace("vote", "VOTE"), link.replace("#t=", "#t=="),
    link.replace("/v1/", "/v2/"), link.slice(0, -1) + "B", link.replace("#t=AQ", "#t=AA").replace("#t=Ae", "#t=BO"), "", "#t=", null, 7,
  ]) {
    same(reasonOf(() => parseLink(bad)), "bad", String(bad).slice(0, 30));
  }
});

test("nothing that was read is in an error", () => {
  const link = linkOf(tokens[0]);
  for (const bad of [link.slice(0, -3), link + "A"]) {
    try {
      parseLink(bad);
    } catch (e) {
      same(/[A-Za-z0-9_-]{12}/.test(e.message), false, e.message);
    }
  }
});

test("codes as people type them", () => {
  for (const v of typed) {
    if (v.code === "") {
      same(["empty", "length", "check", "tracker"].includes(reasonOf(() => parseCode(v.typed))), true, v.typed);
    } else {
      same(parseCode(v.typed), v.code, v.typed);
    }
  }
});

test("what is wrong with a code", () => {
  const good = typed[0].typed.replace(/-/g, "");
  const other = good[3] === "2" ? "3" : "2";
  for (const [text, reason] of [
    ["", "empty"], [" - ", "empty"], [good.slice(0, 20), "tracker"], [good.slice(0, 19), "length"], [good + "0", "length"],
    [good.slice(0, 3) + other + good.slice(4), "check"], [good[1] + good[0] + good.slice(2), "check"], ["!".repeat(21), "check"],
    ["é".repeat(20), "length"], ["0".repeat(5000), "length"],
  ]) {
    same(reasonOf(() => parseCode(text)), reason, text.slice(0, 30));
  }
});
