// The screens that end a way: each says what happened, what it means for the
// vote, and what to do now.

import { el } from "./dom.js";
import { actions, button, groups, h1, third } from "./parts.js";
import { outside } from "./page.js";
import { evidence } from "./cast.js";

// plain makes a screen of one heading, one paragraph and perhaps buttons.
const plain = (key, values, ...more) => (b, args) => {
  const heading = b.t(key);
  const filled = typeof values === "function" ? values(b, args) : values;
  return { title: heading, nodes: [h1(heading), b.p(`${key}.text`, filled)].concat(more.map((make) => make(b, args))) };
};

const link = (href, label, kind) => href && el("a", { href, className: kind ? `button ${kind}` : "button" }, label);
/** ask leads to where a link is sent again. */
export const ask = (b) => link(b.registrar("link"), b.t("booth.link.send"), "second");
const enter = (b) => link(b.codeAddress(), b.t("booth.link.code"));
const again = (b) => actions(button(b.t("common.again"), b.press(() => b.retry())));
const save = (b) => actions(button(b.t("booth.stop.evidence"), () => evidence(b)));
const phone = (b) => ({ phone: b.phone() });
const page = (b) => outside(b.public(""), b.t("booth.moved.page"));
const result = (b) => outside(b.public("result"), b.t("booth.done.result"));
const close = (b) => b.moment(b.close());

/** stops are the screens by name. */
export const stops = {
  "link-unknown": plain("booth.link.unknown", null, (b) => !b.m && b.p("booth.link.cut.text"), (b) => actions(enter(b), ask(b))),
  "link-cut": (b) => {
    const heading = b.t("booth.link.unknown");
    return { title: heading, nodes: [h1(heading), b.p("booth.link.cut.text"), actions(enter(b), ask(b))] };
  },
  "link-replaced": plain("booth.link.replaced", phone, (b) => actions(ask(b))),
  "link-expired": plain("booth.link.expired", (b) => ({ date: b.session.exp ? b.moment(b.session.exp) : b.moment(b.m.schedule.latest_close + 14 * 86400), close: close(b) }),
    (b) => actions(link(b.public("result"), b.t("booth.link.result")))),
  "link-struck": plain("booth.link.struck", null, (b) => (b.now() < b.close()
    ? b.p("booth.link.struck.call", { phone: b.phone(), close: close(b) })
    : el("div", null, el("h2", null, b.t("booth.phase.closed")), b.p("booth.phase.closed.unsure", { close: close(b), result: result(b) })))),
  before: plain("booth.phase.before", (b) => ({ open: b.moment(b.m.schedule.open) }), again),
  closed: (b, refused) => {
    const heading = b.t("booth.phase.closed");
    // A status says that nothing was issued. A request that is refused does not: an
    // earlier one may have been granted, and its answer lost.
    const key = refused.service ? "booth.phase.closed.unsure" : "booth.phase.closed.text";
    return { title: heading, nodes: [h1(heading), b.p(key, { close: close(b), result: result(b) })] };
  },
  "closed-issued": (b) => {
    const heading = b.t("booth.phase.closed");
    return { title: heading, nodes: [h1(heading), b.p("booth.phase.issued.text", { look: outside(b.public("box"), b.t("booth.elsewhere.look")) })] };
  },
  cancelled: plain("booth.phase.cancelled", (b) => ({ page: page(b) })),
  down: plain("booth.phase.down", (b) => ({ url: b.m ? page(b) : b.t("booth.stop.phone") }), again),
  offline: (b) => {
    const heading = b.t("common.problem");
    return { title: heading, nodes: [h1(heading), b.p("booth.offline"), again(b)] };
  },
  rests: plain("booth.phase.rests", phone, again),
  missed: plain("booth.cast.missed", (b) => ({ grace: b.moment(b.grace()), phone: b.phone() })),
  "other-election": (b) => {
    const heading = b.t("booth.stop.election");
    const key = b.words6 ? "booth.stop.election.words" : "booth.stop.election.text";
    return { title: heading, nodes: [h1(heading), b.p(key, { words: b.words6 && el("span", { lang: "en" }, b.words6), phone: b.phone() })] };
  },
  "not-witnessed": plain("booth.stop.witness", null, again),
  "bad-signature": plain("booth.stop.issuer", (b) => ({ email: b.m.help.email }), save),
  "bad-promise": plain("booth.stop.box", (b) => ({ phone: b.phone(), tracker: b.session.tracker && groups(b.session.tracker, "code") }), save),
  damaged: plain("booth.stop.damaged", phone, (b) => actions(third(b.t("booth.elsewhere.enter"), () => b.go("recover")))),
  storage: plain("booth.stop.storage", null),
  server: plain("booth.stop.server", phone, again),
  tab: plain("booth.tab", null),
  forgot: plain("booth.forgot", null),
};
