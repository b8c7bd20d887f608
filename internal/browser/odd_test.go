package browser_test

import (
	"strings"
	"testing"

	"strikevote/internal/language"
)

// fullAfterCasting votes where nothing more can be written once the ballot is on its
// way: it has arrived, so the page says so and gives the tracker, and says that the
// answer is still on the device. With space again the same link erases it.
func fullAfterCasting(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.script(`{ const put = IDBObjectStore.prototype.put, send = window.fetch; let full = false;
		window.fetch = (url, ...more) => { full = String(url).endsWith("/ballots") && !localStorage.space; return send(url, ...more); };
		IDBObjectStore.prototype.put = function (...a) { const r = put.apply(this, a); if (full) this.transaction.abort(); return r; }; }`)
	p.toCheck(l, "No")
	p.press("Cast my ballot")
	p.await("done")
	p.says("This device could not erase your answer")
	if strings.Contains(p.text(), words("en", "booth.done.erased")) {
		t.Error("the page says that the answer is erased, and it is not")
	}
	tracker := s.done(p)
	p.run(`localStorage.space = "yes"`)
	p.visit("about:blank")
	p.visit(l.link)
	p.await("unfinished")
	p.press("Finish casting")
	p.await("done")
	p.says(words("en", "booth.done.erased"))
	if p.tracker() != tracker {
		t.Error("coming again made another ballot")
	}
}

// longOwnWords enters more words than a ballot can hold beside a recovery code: it is
// said where it can be mended, and not as a fault of the service.
func longOwnWords(t *testing.T, s *stand) {
	first, other, l := open(t, sharedChromium(t)), open(t, sharedChromium(t)), s.letter(t)
	first.visit(l.link)
	first.await("start")
	first.press("I am on a shared or work computer")
	first.press("Start")
	first.await("question")
	first.press("No")
	first.press("Continue")
	first.await("check")
	first.press("Write down a recovery code")
	code := recoveryForm.FindString(flat(first.text()))
	lost := first.atRequest(toCast, -1, func(x *exchange) { x.lose() })
	first.press("Cast my ballot")
	<-lost
	first.close()
	other.visit(l.link)
	other.await("start")
	other.press("Start")
	other.await("elsewhere")
	other.press(words("en", "booth.elsewhere.enter"))
	other.await("recover")
	other.fill(code)
	other.run(`document.getElementById("own").value = "é".repeat(501)`)
	other.press("Continue")
	other.awaitWords(words("en", "booth.check.own.long"))
	other.await("recover")
	other.run(`document.getElementById("own").value = ""`)
	other.press("Continue")
	other.await("question")
	other.press("No")
	other.press("Continue")
	other.await("check")
	other.press("Cast my ballot")
	other.await("done")
	s.done(other)
}

// oddLinks opens links that something changed on the way: one to which a program that
// counts clicks added its own still works, and of one with a wrong sign in the vote's
// number it is said that the link is wrong, and not the service.
func oddLinks(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.visit(strings.Replace(l.link, "/v1/#", "/v1/?utm_source=mail#", 1))
	p.await("start")
	if strings.Contains(evaluate[string](p, "location.href"), "t=") {
		t.Error("the secret is left in the address")
	}
	p.close()

	at := strings.Index(l.link, "#t=") + len("#t=") + 8
	sign := "A"
	if l.link[at] == 'A' {
		sign = "B"
	}
	p = open(t, sharedChromium(t))
	p.visit(l.link[:at] + sign + l.link[at+1:])
	p.await("link-unknown")
	p.says("This link does not work", "Your mail also has a code, and the address where it is entered.")
	p.press("Enter your code")
	p.await("votes")
	p.faults.take() // Chromium tells of every 404
}

// smallScreen votes on a phone on which every button must be scrolled to: each screen
// begins at its heading, the last one too, which comes with a step back in the history.
func smallScreen(t *testing.T, s *stand) {
	p := open(t, sharedChromium(t))
	p.size(320, 480)
	p.visit(s.letter(t).link)
	atTop := func(screen string) {
		t.Helper()
		p.await(screen)
		p.wait("the heading of "+screen+" to be in view", `(r => r.top >= 0 && r.bottom <= innerHeight)(document.querySelector("h1").getBoundingClientRect())`)
		p.run(`window.scrollTo(0, 9999)`)
	}
	atTop("start")
	p.press("Start")
	atTop("question")
	p.press("No")
	p.press("Continue")
	atTop("check")
	p.press("Cast my ballot")
	p.await("done")
	p.wait("the steps to be gone", `!history.state.depth`)
	atTop("done")
	s.done(p)
}

// scannedTwice scans the code of one tracker, and that of another one while the box is
// still asked for the first: the answer that stays is that of the tracker in the field.
func scannedTwice(t *testing.T, s *stand) {
	p := open(t, sharedChromium(t))
	p.visit(s.page("box"))
	p.wait("the field for a tracker", `document.querySelector("#tracker")`)
	first, second := strings.Repeat("A", 43), strings.Repeat("B", 42)+"A"
	asked, let := make(chan struct{}), make(chan struct{})
	p.atRequest("/box", 1, func(x *exchange) {
		close(asked)
		<-let
		x.pass()
	})
	p.run(`location.hash = "#` + first + `"`)
	<-asked
	p.run(`location.hash = "#` + second + `"`)
	p.wait("the second tracker", `document.getElementById("tracker").value === "0G84-210G-8421-0G84-210G"`)
	close(let)
	p.wait("the answer for the second", `[...document.querySelectorAll("[data-state=unknown] [data-tracker]")].some(e => e.offsetParent && e.textContent === "0G84-210G-8421-0G84-210G")`)
}

// castWhileTurning turns pages back and forth and presses Cast while the ballot is still
// being sealed anew: what was shown is cast, and the page says so all the way.
func castWhileTurning(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.script(`if (crypto.subtle) {
	  const derive = crypto.subtle.deriveBits.bind(crypto.subtle);
	  window.held = [];
	  crypto.subtle.deriveBits = async (...given) => {
	    if (window.holding) await new Promise((go) => held.push(go));
	    return derive(...given);
	  };
	}`)
	p.toCheck(l, "Yes")
	p.back()
	p.await("question")
	p.run("window.holding = true; history.forward()")
	p.wait("a ballot being sealed", "held.length === 1")
	p.run("history.back()")
	p.wait("the question again", `location.hash === "#q1"`)
	p.run("history.forward()")
	p.wait("another", "held.length === 2")
	p.run("window.holding = false; held[0]()")
	p.await("check")
	lost := p.atRequest(toIssue, -1, func(x *exchange) { x.lose() })
	p.press("Cast my ballot: YES")
	<-lost
	p.run("held[1]()")
	p.awaitWords("No connection.")
	if screen := p.screen(); screen != "cast" {
		t.Errorf("while it is cast the page shows %q", screen)
	}
	p.leave()
	p.press("Try now")
	p.await("done")
	s.done(p)
}

// startInView opens a link in each language on a phone: Start can be pressed without a
// move, and the head takes one line.
func startInView(t *testing.T, s *stand) {
	l := s.letter(t)
	for _, tag := range language.Tags() {
		p := open(t, sharedChromium(t))
		p.language(tag.Code)
		p.visit(l.link)
		p.await("start")
		below := evaluate[float64](p, `document.querySelector("main [type=submit]").getBoundingClientRect().bottom - innerHeight`)
		head := evaluate[float64](p, `document.getElementById("head").offsetHeight`)
		if lang := evaluate[string](p, "document.documentElement.lang"); lang != tag.Code || below > 0 || head > 80 {
			t.Errorf("%s, in %q: Start ends %.0f pixels below the screen, the head is %.0f high", tag.Code, lang, below, head)
		}
		p.close()
	}
}
