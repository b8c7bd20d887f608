package browser_test

import (
	"strings"
	"testing"

	"strikevote/internal/browser"
)

// backAndReload goes back and loads again at every step: the step stays, the answer
// stays, and nothing is sent.
func backAndReload(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.visit(l.link)
	p.await("start")
	p.reload()
	p.await("start")
	p.press("Start")
	p.await("question")
	p.reload()
	p.await("question")
	p.press("No")
	p.reload()
	p.await("question")
	p.chosen("No")
	p.back()
	p.await("start")
	p.press("Start")
	p.await("question")
	p.chosen("No")
	p.press("Continue")
	p.await("check")
	p.reload()
	p.await("check")
	p.says("NO")
	p.back()
	p.await("question")
	p.chosen("No")
	p.press("Continue")
	p.await("check")
	p.press("Change")
	p.await("question")
	p.press("Abstain")
	p.press("Continue")
	p.await("check")
	if n := p.sent(toIssue); n > 0 {
		t.Errorf("%d ballots were asked for before Cast was pressed", n)
	}
	p.press("Cast my ballot: ABSTAIN")
	p.await("done")
	tracker := s.done(p)
	p.reload()
	if p.await("done", "voted"); p.tracker() != tracker {
		t.Error("another tracker after loading again")
	}
	// The steps are gone from the history: Back leaves the page.
	sent := p.sent(toCast)
	p.back()
	p.wait("the page before", `location.protocol === "about:"`)
	p.visit(l.link)
	p.await("voted")
	if p.tracker() != tracker || p.sent(toCast) != sent {
		t.Error("going back and coming again made another ballot")
	}
}

// chosen fails the test unless an answer, and no other, is chosen.
func (p *Page) chosen(answer string) {
	p.t.Helper()
	p.wait("the answer to be chosen", `[...document.querySelectorAll("input:checked")].length === 1`)
	got := evaluate[string](p, `[...document.querySelectorAll("input:checked")].map(e => e.closest("label").innerText.trim()).join("|")`)
	if !strings.HasPrefix(got, answer) {
		p.t.Errorf("chosen is %q, not %q", got, answer)
	}
}

// doublePress presses every button twice.
func doublePress(t *testing.T, s *stand) {
	p := open(t, sharedChromium(t))
	p.visit(s.letter(t).link)
	p.await("start")
	p.pressTwice("Start")
	p.await("question")
	p.press("Continue")
	p.says("There is a problem", "Choose one answer")
	p.pressTwice("Yes")
	p.chosen("Yes")
	if p.has("There is a problem") {
		t.Error("the page asks for an answer that is given")
	}
	p.pressTwice("Continue")
	p.await("check")
	p.pressTwice("Cast my ballot")
	p.await("done")
	s.done(p)
	if issue, cast := p.sent(toIssue), p.sent(toCast); issue != 1 || cast != 1 {
		t.Errorf("%d ballots were asked for and %d sent", issue, cast)
	}
}

// twoTabs votes in two tabs with one link, and differently: one ballot is cast, and
// both tabs end at it.
func twoTabs(t *testing.T, s *stand) {
	first, l := open(t, sharedChromium(t)), s.letter(t)
	first.toCheck(l, "Yes")
	second := first.tab()
	second.visit(l.link)
	if screen := second.await("start", "unfinished"); screen == "unfinished" {
		second.press("Continue")
	} else {
		second.press("Start")
	}
	if screen := second.await("question", "check"); screen == "question" {
		second.press("No")
		second.press("Continue")
		second.await("check")
	}
	first.visit("about:blank")
	first.visit(l.link)
	second.press("Cast my ballot")
	second.await("done")
	tracker := s.done(second)
	first.visit("about:blank")
	first.visit(l.link)
	first.await("voted")
	if first.tracker() != tracker {
		t.Error("the two tabs show different trackers")
	}
}

// offlineAtStart loses the connection before anything was asked: what the page says of it
// stands where a phone shows it, for the button that was pressed is at its lower edge.
func offlineAtStart(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.visit(l.link)
	p.await("start")
	p.atRequest(toStatus, -1, func(x *exchange) { x.lose() })
	p.press("Start")
	p.awaitWords("No connection. Nothing was lost.")
	seen := evaluate[string](p, `(() => {
		scrollTo(0, 0);
		const {top, bottom} = document.getElementById("status").getBoundingClientRect();
		return top >= 0 && bottom <= innerHeight ? "" : `+"`from ${top} to ${bottom}, where ${innerHeight} pixels are seen, ${scrollY} further down`"+`;
	})()`)
	if seen != "" {
		t.Errorf("what is wrong stands out of sight of somebody who has not scrolled: %s", seen)
	}
	// The button that was pressed lies below these words, and its ring stuck out of them.
	if focus := evaluate[string](p, "document.activeElement.textContent"); focus != "Try again" {
		t.Errorf("the focus is on %q, which the words cover", focus)
	}
	p.accessible("start, no connection")
	p.leave()
	p.press("Try again")
	p.await("question")
	p.press("Yes")
	p.press("Continue")
	p.await("check")
	p.press("Cast my ballot")
	p.await("done")
	s.done(p)
}

// offlineBetween loses the network after the ballot was issued and before it is cast:
// the page says so, keeps trying, and casts the same ballot.
func offlineBetween(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.toCheck(l, "No")
	p.atRequest(toCast, -1, func(x *exchange) { x.lose() })
	p.press("Cast my ballot")
	p.await("cast")
	p.awaitWords("No connection.")
	p.reached("Sealed on this device, Issued in your name")
	p.reload() // still without the box
	p.await("cast")
	p.awaitWords("No connection.")
	p.reached("Sealed on this device, Issued in your name")
	p.says("Trying again is safe: it can only count once", "You may also close this page")
	if p.has("Keep this page open.") {
		t.Error("the page is to be kept open and may be closed, both at once")
	}
	// Neither words nor button touch a line to the left of them.
	if bare := evaluate[bool](p, `(s => parseFloat(s.borderLeftWidth) > 0 && parseFloat(s.paddingLeft) < 12)(getComputedStyle(document.getElementById("status")))`); bare {
		t.Error("the words stick to the bar beside them")
	}
	if !s.issued(t, l) {
		t.Fatal("the ballot was not issued: the test shows nothing")
	}
	p.leave()
	p.offline(true)
	p.press("Try now")
	p.awaitWords("No connection.")
	p.offline(false) // the page notices by itself
	p.await("done")
	s.done(p)
	if n := p.sent(toIssue); n != 1 {
		t.Errorf("%d ballots were asked for", n)
	}
}

// reached fails the test unless these steps of casting are marked as done.
func (p *Page) reached(want string) {
	p.t.Helper()
	got := evaluate[string](p, `[...document.querySelectorAll(".reached")].map(e => e.firstChild.data).join(", ")`)
	if got != want {
		p.t.Errorf("marked as done: %q, not %q", got, want)
	}
}

// replyLost loses the answer to each request in turn: what was done is not done again.
func replyLost(t *testing.T, s *stand) {
	for _, path := range []string{toStatus, toIssue, toCast} {
		p, l := open(t, sharedChromium(t)), s.letter(t)
		lost := p.atAnswer(path, 1, func(x *exchange) { x.lose() })
		p.visit(l.link)
		p.await("start")
		p.press("Start")
		if path == toStatus {
			<-lost
		}
		p.await("question")
		p.press("Yes")
		p.press("Continue")
		p.await("check")
		p.press("Cast my ballot")
		if path != toStatus {
			<-lost
		}
		p.await("done")
		s.done(p)
	}
}

// killed kills the browser between issue and cast: the same device goes on with the
// same ballot.
func killed(t *testing.T, s *stand) {
	l := s.letter(t)
	profile := killBetween(t, l)
	p := openFirst(t, startChromium(t, profile))
	p.visit(l.link)
	p.await("unfinished", "cast")
	if p.screen() == "unfinished" {
		p.says("Your ballot is not finished", "It can only count once")
		p.press("Finish casting")
	}
	p.await("done")
	s.done(p)
	if n := p.sent(toIssue); n > 1 {
		t.Errorf("%d ballots were asked for", n)
	}
}

// killedWithout does the same on a device that remembers nothing afterwards: the
// page says plainly that the ballot cannot be finished, and offers every way on.
func killedWithout(t *testing.T, s *stand) {
	l := s.letter(t)
	killBetween(t, l)
	p := open(t, sharedChromium(t))
	p.visit(l.link)
	if p.await("start", "elsewhere") == "start" {
		p.press("Start")
		p.await("elsewhere")
	}
	p.says("A ballot was already issued with this link", "I voted there", "I did not finish there",
		"I have a recovery code", "That device or its memory is gone", "It was not me")
	if p.sent(toIssue) > 0 {
		t.Error("a second ballot was asked for")
	}
}

// killBetween kills a browser after a ballot was issued and before it was cast, and
// returns the profile of it.
func killBetween(t *testing.T, l letter) (profile string) {
	t.Helper()
	profile = newProfile(t)
	c := startChromium(t, profile)
	p := openFirst(t, c)
	reached := p.atRequest(toCast, -1, func(*exchange) {})
	p.toCheck(l, "Yes")
	p.press("Cast my ballot")
	<-reached
	c.kill(t)
	return profile
}

// storageRefused votes where the browser keeps nothing: the recovery code comes
// before anything is sent, and finishes the ballot elsewhere.
func storageRefused(t *testing.T, s *stand) {
	ways := map[string]string{
		"no database":  `Object.defineProperty(window, "indexedDB", {get() { throw new DOMException("denied", "SecurityError"); }})`,
		"it is denied": `IDBFactory.prototype.open = function () { throw new DOMException("denied", "InvalidStateError"); }`,
		"it is full":   `IDBObjectStore.prototype.put = function () { this.transaction.abort(); return {}; }`,
	}
	if !browser.Long() {
		delete(ways, "no database")
		delete(ways, "it is denied")
	}
	for name, script := range ways {
		p, l := open(t, sharedChromium(t)), s.letter(t)
		p.script(script)
		p.toCheck(l, "No")
		p.press("Cast my ballot")
		p.await("recovery")
		p.says("Write down your recovery code first", "Show it to nobody")
		if p.sent(toIssue) > 0 || s.issued(t, l) {
			t.Errorf("%s: a ballot was issued before the code was shown", name)
		}
		code := recoveryForm.FindString(flat(p.text()))
		if code == "" {
			t.Fatalf("%s: there is no recovery code on the page:\n%s", name, p.text())
		}
		lost := p.atRequest(toCast, -1, func(x *exchange) { x.lose() })
		p.press("I have written it down")
		<-lost
		p.close()
		recoverElsewhere(t, s, l, code)
	}
}

// recoverElsewhere finishes a ballot with its recovery code on another device.
func recoverElsewhere(t *testing.T, s *stand, l letter, code string) {
	t.Helper()
	p := open(t, sharedChromium(t))
	p.visit(l.link)
	if p.await("start", "elsewhere") == "start" {
		p.press("Start")
		p.await("elsewhere")
	}
	p.press(words("en", "booth.elsewhere.enter"))
	p.await("recover")
	p.fill(code)
	p.press("Continue")
	p.await("question")
	p.press("Yes")
	p.press("Continue")
	p.await("check")
	p.press("Cast my ballot")
	p.await("recover")
	p.says("do not fit the ballot that was issued")
	p.fill(code)
	p.press("Continue")
	p.await("question")
	p.press("No")
	p.press("Continue")
	p.await("check")
	p.press("Cast my ballot")
	p.await("done")
	s.done(p)
}

// sharedComputer votes on a computer that is to keep nothing.
func sharedComputer(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.visit(l.link)
	p.await("start")
	p.press("I am on a shared or work computer")
	p.awaitWords("Your own phone is safer.")
	p.press("Start")
	p.await("question")
	p.press("No")
	p.press("Continue")
	p.await("check")
	p.kept(0)
	p.press("Cast my ballot")
	p.await("done")
	p.says("Close this tab now.", "Did you write down a recovery code? Destroy it now.")
	s.done(p)
	p.kept(0)
	p.reload()
	p.await("forgot")
	p.says("If you saw “You have voted”, you are done")
}

// kept fails the test unless the browser keeps so many records.
func (p *Page) kept(want int) {
	p.t.Helper()
	if got := len(p.memory()); got != want {
		p.t.Errorf("the browser keeps %d records, not %d", got, want)
	}
}

// wrongClock votes on a device whose clock is two days fast: past the close by its
// own reckoning.
func wrongClock(t *testing.T, s *stand) {
	for _, days := range browser.Pick([]string{"2"}, []string{"2", "-400"}) {
		p := open(t, sharedChromium(t))
		p.script(`{ const real = Date, off = 864e5 * ` + days + `;
			window.Date = class extends real { constructor(...a) { if (a.length) super(...a); else super(real.now() + off); } static now() { return real.now() + off; } }; }`)
		l := s.letter(t)
		p.visit(l.link)
		p.await("start")
		p.press("Start")
		p.await("question")
		p.says("The clock on this device is wrong")
		p.press("Yes")
		p.press("Continue")
		p.await("check")
		p.press("Cast my ballot")
		p.await("done")
		s.done(p)
	}
}

// otherLanguage votes in a language that the browser asks for, changes it on the
// way, and loses nothing.
func otherLanguage(t *testing.T, s *stand) {
	p := open(t, sharedChromium(t))
	p.language("es-MX,es,en")
	p.visit(s.letter(t).link)
	p.await("start")
	if lang := evaluate[string](p, "document.documentElement.lang"); lang != "es" {
		t.Errorf("the page is in %q", lang)
	}
	p.press(words("es", "booth.start.button"))
	p.await("question")
	p.press("Abstención")
	p.size(1280, 900)
	p.press("한국어")
	p.wait("the other language", `document.documentElement.lang === "ko"`)
	p.chosen("기권")
	// Without a network the page still has the words that it came with, and these.
	p.atRequest("/v1/words/", -1, func(x *exchange) { x.lose() })
	p.press("English")
	p.awaitWords(words("ko", "booth.language.failed"))
	for _, tag := range [][2]string{{"es", "Español"}, {"ko", "한국어"}} {
		p.press(tag[1])
		p.wait(tag[1], `document.documentElement.lang === `+quote(tag[0]))
	}
	p.leave()
	p.size(360, 800)
	p.press(words("ko", "booth.continue"))
	p.await("check")
	p.press(words("ko", "booth.check.cast", "choice", "기권"))
	p.await("done")
	p.says(words("ko", "booth.done.title"))
	s.done(p)
	// The way of a vote ends at its first address, which was opened in another language.
	p.reload()
	p.await("voted", "done")
	p.says(words("ko", "booth.done.tracker"))
	p.languageStays(s)
}

// languageStays chooses a language at the second step, goes back to the first and loads it again.
func (p *Page) languageStays(s *stand) {
	p.t.Helper()
	p.visitAnew(s.letter(p.t).link)
	p.await("start")
	p.size(1280, 900)
	p.press("Español")
	p.wait("Spanish", `document.documentElement.lang === "es"`)
	p.press(words("es", "booth.start.button"))
	p.await("question")
	p.press("한국어")
	p.wait("Korean", `document.documentElement.lang === "ko"`)
	p.back()
	p.await("start")
	p.reload()
	p.await("start")
	if lang := evaluate[string](p, "document.documentElement.lang"); lang != "ko" {
		p.t.Errorf("after Back and Reload the page is in %q, and Korean was chosen last", lang)
	}
}

// noScripts opens a link with JavaScript off.
func noScripts(t *testing.T, s *stand) {
	p := open(t, sharedChromium(t))
	p.withoutScripts(true)
	p.visit(s.letter(t).link)
	p.says("This page cannot seal your ballot", "Your link stays good")
}
