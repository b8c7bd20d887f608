package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
)

// A walk leads through states of pages and stops at each. Tests that look at every
// state, for what axe-core says or for a picture, differ in what they do there.
type walk struct {
	t    *testing.T
	s    *stand
	lang string       // of the pages
	make func() *Page // a new page with an empty memory, set up as wanted
	at   func(*Page, string)
}

// text is a text of the pages in the walk's language.
func (w *walk) text(key string, pairs ...any) string { return words(w.lang, key, pairs...) }

func (w *walk) press(p *Page, key string, pairs ...any) {
	w.t.Helper()
	p.press(w.text(key, pairs...))
}

// option is the first word of an answer of the first question, as the page shows it.
func (w *walk) option(i int) string {
	for n, l := range w.s.manifest.Languages {
		if strings.EqualFold(l, w.lang) { // a manifest writes zh-hant
			return w.s.manifest.Questions[0].Options[i].Text[n]
		}
	}
	return w.s.manifest.Questions[0].Options[i].Text[0]
}

// visit opens a link in a new document, even where only its end differs.
func (p *Page) visitAnew(address string) {
	p.t.Helper()
	p.visit("about:blank")
	p.visit(address)
}

// toCheck is [Page.toCheck] in the walk's language.
func (w *walk) toCheck(p *Page, l letter, option int) {
	w.t.Helper()
	p.visitAnew(l.link)
	p.await("start")
	w.press(p, "booth.start.button")
	p.await("question")
	p.press(w.option(option))
	w.press(p, "booth.continue")
	p.await("check")
}

func (w *walk) pressCast(p *Page) {
	w.t.Helper()
	w.press(p, "booth.check.cast", "choice", "…")
}

// whileVoting holds the walks of the voter's page while voting is open.
var whileVoting = map[string]func(*walk){
	"voting": walkVoting, "code": walkCode, "unfinished": walkUnfinished, "refused": walkRefused,
	"lies": walkLies, "answers": walkAnswers, "device": walkDevice, "shared": walkShared, "registrar": walkRegistrar,
}

func walkVoting(w *walk) {
	p, l := w.make(), w.s.letter(w.t)
	p.visit(l.link)
	p.await("start")
	w.at(p, "start")
	w.press(p, "booth.start.button")
	p.await("question")
	w.at(p, "question")
	w.press(p, "booth.question.mean")
	w.press(p, "booth.continue")
	p.awaitWords(w.text("common.problem"))
	w.at(p, "question, nothing chosen")
	p.press(w.option(0))
	w.at(p, "question, chosen")
	w.press(p, "booth.continue")
	p.await("check")
	w.at(p, "check")
	w.press(p, "booth.check.test")
	w.press(p, "booth.check.own")
	w.at(p, "check, unfolded")
	w.press(p, "booth.check.test.open")
	p.await("test")
	w.at(p, "test")
	w.press(p, "booth.test.again")
	p.await("check")
	p.atRequest(toCast, -1, func(x *exchange) { x.lose() })
	w.pressCast(p)
	p.await("cast")
	p.wait("the button to try again", fmt.Sprintf("document.body.innerText.includes(%s)", quote(w.text("booth.cast.now"))))
	w.at(p, "cast, no connection")
	p.leave()
	w.press(p, "booth.cast.now")
	p.await("done")
	w.at(p, "done")
	w.s.done(p)
	p.visitAnew(l.link)
	p.await("voted")
	w.at(p, "voted")
}

func walkCode(w *walk) {
	p, l := w.make(), w.s.letter(w.t)
	p.visit(w.s.origins.Booth + "/v1/" + w.s.id.String())
	p.await("code")
	w.at(p, "code")
	w.press(p, "booth.continue")
	p.awaitWords(w.text("common.problem"))
	w.at(p, "code, empty")
	w.press(p, "booth.code.none")
	p.awaitWords(w.text("booth.link.send"))
	w.at(p, "code, unfolded")
	p.fill(l.code)
	w.press(p, "booth.continue")
	p.await("confirm")
	w.at(p, "confirm")
	w.press(p, "booth.confirm.different")
	w.at(p, "confirm, different words")
	p.close()
	p = w.make()
	p.visit(l.link[:len(l.link)-20])
	p.await("code", "link-cut")
	w.at(p, "link cut")
	p.visitAnew(w.s.origins.Booth + "/v1/")
	p.await("link-cut", "code")
	w.at(p, "no link")
	w.press(p, "booth.link.code")
	p.await("votes")
	w.at(p, "votes")
}

func walkUnfinished(w *walk) {
	p, l := w.make(), w.s.letter(w.t)
	w.toCheck(p, l, 0)
	p.visitAnew(l.link)
	p.await("unfinished")
	w.at(p, "unfinished")
	w.press(p, "booth.continue")
	p.await("check", "question")
	lost := p.atRequest(toCast, -1, func(x *exchange) { x.lose() })
	w.pressCast(p)
	<-lost
	p.visitAnew(l.link)
	p.await("unfinished")
	w.at(p, "unfinished, cast")
	q := w.make()
	q.visit(l.link)
	q.await("start")
	w.press(q, "booth.start.button")
	q.await("elsewhere")
	w.at(q, "elsewhere")
	w.press(q, "booth.elsewhere.enter")
	q.await("recover")
	w.at(q, "recover")
}

func walkRefused(w *walk) {
	p := w.make()
	p.script(`Object.defineProperty(window, "indexedDB", {get() { throw new DOMException("denied", "SecurityError"); }})`)
	w.toCheck(p, w.s.letter(w.t), 0)
	w.pressCast(p)
	p.await("recovery")
	w.at(p, "recovery")
}

func walkLies(w *walk) {
	p := w.make()
	p.atAnswer("/manifest", -1, func(x *exchange) { x.change(flip) })
	p.visit(w.s.letter(w.t).link)
	p.await("other-election")
	w.at(p, "other election")
	p.close()

	p = w.make()
	p.atAnswer("/checkpoint", -1, func(x *exchange) { x.change(flip) })
	w.toWitnesses(p)
	w.at(p, "not witnessed")
	p.close()

	p = w.make()
	p.atAnswer(toIssue, -1, func(x *exchange) { x.change(otherNumber) })
	w.toCheck(p, w.s.letter(w.t), 0)
	w.pressCast(p)
	p.await("bad-signature")
	w.at(p, "bad signature")
	p.close()

	p = w.make()
	p.atAnswer(toCast, -1, func(x *exchange) { x.change(func(b []byte) []byte { return otherPromise(w.t, b) }) })
	w.toCheck(p, w.s.letter(w.t), 0)
	w.pressCast(p)
	p.await("bad-promise")
	w.at(p, "bad promise")
	w.s.done(p) // the box has it all the same
}

func (w *walk) toWitnesses(p *Page) {
	w.t.Helper()
	p.visit(w.s.letter(w.t).link)
	p.await("start")
	w.press(p, "booth.start.button")
	p.await("question")
	p.press(w.option(0))
	w.press(p, "booth.continue")
	p.await("not-witnessed")
}

// walkAnswers shows what the registrar answers in other phases of an election, and
// about links that open no ballot.
func walkAnswers(w *walk) {
	refused := func(status int64, code string) func(*exchange) {
		return func(x *exchange) { x.give(status, []byte(`{"error":"`+code+`","message":"In other words."}`)) }
	}
	phase := func(phase election.Phase, issued bool) func(*exchange) {
		return func(x *exchange) {
			x.change(func(b []byte) []byte {
				text := strings.Replace(string(b), `"phase":"open"`, `"phase":"`+string(phase)+`"`, 1)
				return []byte(strings.Replace(text, `"issued":false`, fmt.Sprintf(`"issued":%v`, issued), 1))
			})
		}
	}
	for _, a := range []struct {
		screen string
		answer func(*exchange)
	}{
		{"link-unknown", refused(404, "unknown_link")},
		{"link-replaced", refused(410, "link_replaced")},
		{"link-expired", refused(410, "expired")},
		{"link-struck", refused(410, "struck")},
		{"rests", refused(409, "set_back")},
		{"envelope", refused(403, "envelope_only")},
		{"before", phase(election.PhaseSealed, false)},
		{"closed", phase(election.PhaseClosed, false)},
		{"closed-issued", phase(election.PhaseLocked, true)},
		{"cancelled", phase(election.PhaseCancelled, false)},
	} {
		p := w.make()
		p.atAnswer(toStatus, -1, a.answer)
		p.visit(w.s.letter(w.t).link)
		p.await("start")
		w.press(p, "booth.start.button")
		p.await(a.screen)
		w.at(p, a.screen)
		p.close()
	}
}

// walkDevice shows what the page says to browsers that cannot seal a ballot.
func walkDevice(w *walk) {
	l := w.s.letter(w.t)
	p := w.make()
	p.withoutScripts(true)
	p.visit(l.link)
	p.unwrap("noscript")
	p.withoutScripts(false) // axe-core is one
	w.at(p, "no scripts")
	p.close()

	p = w.make()
	p.script("delete window.BigInt")
	p.visit(l.link)
	p.await("old")
	p.faults.take() // the page's own script may well fail there
	w.at(p, "old browser")
	p.close()

	p = w.make()
	p.atAnswer("/v1/", 1, func(x *exchange) {
		x.change(func(b []byte) []byte {
			// The connection broke in the middle of the last script.
			return b[:strings.LastIndex(string(b), "</script>")-1000]
		})
	})
	p.visit(l.link)
	p.await("part")
	p.faults.take() // a script that ends too early is one
	w.at(p, "loaded in part")
	p.close()

	p = w.make()
	p.script(`{ const real = Date, off = 1728e5;
		window.Date = class extends real { constructor(...a) { if (a.length) super(...a); else super(real.now() + off); } static now() { return real.now() + off; } }; }`)
	p.visit(l.link)
	p.await("start")
	w.press(p, "booth.start.button")
	p.await("question")
	w.at(p, "question, wrong clock")
}

func walkShared(w *walk) {
	p := w.make()
	p.visit(w.s.letter(w.t).link)
	p.await("start")
	w.press(p, "booth.start.shared")
	w.at(p, "start, shared")
	w.press(p, "booth.start.button")
	p.await("question")
	p.press(w.option(1))
	w.press(p, "booth.continue")
	p.await("check")
	w.press(p, "booth.check.recovery")
	w.at(p, "check, shared")
	w.pressCast(p)
	p.await("done")
	w.at(p, "done, shared")
	w.s.done(p)
	p.reload()
	p.await("forgot")
	w.at(p, "forgot")
}

// walkPublic visits the public pages.
func walkPublic(w *walk) {
	for _, name := range publicPages {
		p := w.make()
		p.visit(w.s.page(name) + "?lang=" + w.lang)
		w.at(p, "page "+name)
		p.close()
	}
}

// walkBox looks for trackers in the box: for one that was cast, and for what is none.
func walkBox(w *walk) {
	p := w.make()
	p.visit(w.s.page("box") + "?lang=" + w.lang)
	find := func(typed, key string, pairs ...any) {
		w.t.Helper()
		p.fill(typed)
		w.press(p, "results.box.find")
		p.awaitWords(w.text(key, pairs...))
	}
	find("K7QF", "common.problem")
	w.at(p, "box, too short")
	p.fill("K7QF-2M9T-XW4C-8RJD-5NHB")
	w.press(p, "results.box.find")
	// While voting is open a ballot may still come.
	p.wait("that it is not there", `[`+quote(w.text("results.box.unknown"))+`, `+quote(w.text("results.box.notyet"))+`].some(words => document.body.innerText.includes(words))`)
	w.at(p, "box, not found")
	for tracker := range w.s.cast() {
		p.fill(tracker)
		w.press(p, "results.box.find")
		p.wait("an answer", `document.body.innerText.includes(`+quote(w.text("results.box.found"))+`) || document.querySelector("[data-state=unknown]:not([hidden])")`)
		w.at(p, "box, a tracker")
		break
	}
	p.press(w.text("results.box.auditors"))
	w.at(p, "box, unfolded")
}

// walkRegistrar visits the pages that send a link again and take a report.
func walkRegistrar(w *walk) {
	p, at := w.make(), fmt.Sprintf("%s/v1/%s/", w.s.origins.Registrar, w.s.id)
	p.visit(at + "link?lang=" + w.lang)
	w.at(p, "link again")
	w.press(p, "link.send")
	p.awaitWords(w.text("link.problem"))
	w.at(p, "link again, empty")
	p.fill("nobody@mail.example")
	w.press(p, "link.send")
	p.awaitWords(w.text("link.sent"))
	w.at(p, "link again, sent")
	p.visit(at + "report?lang=" + w.lang)
	w.at(p, "report")
	w.press(p, "link.report.send")
	p.awaitWords(w.text("link.report.empty"))
	w.at(p, "report, empty")
	p.fill("I did not open the link.")
	w.press(p, "link.report.send")
	p.awaitWords(w.text("link.report.done"))
	w.at(p, "report, recorded")
}

// walkFactor is of an election that asks for something that only the member knows,
// and has two questions.
func walkFactor(w *walk, answer string) {
	p := w.make()
	p.visit(w.s.letter(w.t).link)
	p.await("start")
	w.at(p, "start, two questions")
	w.press(p, "booth.start.button")
	p.await("factor")
	w.at(p, "factor")
	w.press(p, "booth.continue")
	p.awaitWords(w.text("common.problem"))
	w.at(p, "factor, empty")
	p.fill("something else")
	w.press(p, "booth.continue")
	p.awaitWords(w.text("booth.factor.wrong.some"))
	w.at(p, "factor, wrong")
	p.fill(answer)
	w.press(p, "booth.continue")
	p.await("question")
	p.press(w.option(0))
	w.press(p, "booth.continue")
	p.wait("the second question", `location.hash === "#q2"`)
	w.at(p, "question 2")
	p.press(w.option(0)) // both questions have it
	w.press(p, "booth.continue")
	p.await("check")
	w.at(p, "check, two questions")
	p.close()

	p = w.make()
	p.visit(w.s.letter(w.t).link)
	p.await("start")
	w.press(p, "booth.start.button")
	p.await("factor")
	for left := int64(4); left > 0; left-- {
		p.fill("wrong")
		w.press(p, "booth.continue")
		says := strings.ReplaceAll(language.Of(w.lang).Count("booth.factor.wrong", left), "**", "")
		p.wait("the tries that are left", fmt.Sprintf(`document.body.innerText.includes(%s)`, quote(says)))
	}
	p.fill("wrong")
	w.press(p, "booth.continue")
	p.await("locked")
	w.at(p, "locked")
}
