// What screens say of one election: its texts in the reader's language, its
// times by the service's clock, its addresses. It sends nothing.

import { el } from "./dom.js";
import { electionOf } from "./flow.js";
import { groupOf } from "./election.js";
import { languageIndex } from "./words.js";

/** Texts is what screens are given: an open session, and a page to say it on. */
export class Texts {
  /** m is the manifest, null as long as none is here. Before there is a session it only says whom to ask. */
  get m() {
    return (this.session || this).manifest;
  }

  t(key, values) {
    return this.page.t(key, values);
  }

  say(key, values) {
    return this.page.say(key, values);
  }

  p(key, values) {
    return this.page.p(key, values);
  }

  /** ballot chooses one of the texts of the manifest: {text, lang}. */
  ballot(texts) {
    const i = languageIndex(this.m.languages, this.page.words.code);
    return { text: texts[i], lang: this.m.languages[i] };
  }

  plain(texts) {
    return this.ballot(texts).text;
  }

  /** official is a text of the manifest as an element that says its language; null for an empty one. */
  official(texts) {
    const { text, lang } = this.ballot(texts);
    return text ? el("span", { lang }, text) : null;
  }

  groupName() {
    return groupOf(this.m, this.session.group).name;
  }

  /** now is the service's time in seconds. */
  now() {
    return (Date.now() - (this.session ? this.session.skew : 0)) / 1000;
  }

  /** close is the close in force as far as it is known here. */
  close() {
    return (this.status || this.told || this.m.schedule).close;
  }

  grace() {
    return this.close() + this.m.schedule.grace;
  }

  moment(seconds) {
    return this.page.words.moment(seconds);
  }

  /** phone is the number to call; on a phone it can be pressed. */
  phone() {
    if (!this.m) {
      return this.t("booth.stop.phone");
    }
    const number = this.m.help.phone;
    return /^\+?[0-9][0-9 ().-]+$/.test(number) ? el("a", { href: `tel:${number.replace(/[^+0-9]/g, "")}` }, number) : number;
  }

  /** public is the address of a public page, registrar that of one of the registrar's. */
  public(name) {
    return this.m && `${this.m.origins.board}/e/${this.m.election_id}/${name}`;
  }

  registrar(name) {
    return this.m && `${this.m.origins.registrar}/v1/${this.m.election_id}/${name}`;
  }

  /** codeAddress is where the code of this link can be typed: of a vote that is not known, by way of a list. */
  codeAddress() {
    const id = this.m ? this.m.election_id : this.link.electionId || electionOf(this.link.href || "");
    return `/${id ? `v1/${id}` : ""}?lang=${this.page.words.code}`;
  }
}
