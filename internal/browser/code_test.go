package browser_test

import (
	"regexp"
	"strings"
	"testing"
)

// recoveryForm is what a recovery code looks like: 27 signs in groups of four.
var recoveryForm = regexp.MustCompile(`\b[0-9A-Z]{4}(?:[- ][0-9A-Z]{4}){5}[- ][0-9A-Z]{3}\b`)

// typedCode votes with the code, after every mistake that can be made in typing it.
func typedCode(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.visit(s.origins.Booth + "/v1/" + s.id.String())
	p.await("code")
	p.press("Continue")
	p.says("There is a problem", "Enter your code.")
	if !strings.HasPrefix(p.title(), "Error: ") {
		t.Errorf("the title is %q", p.title())
	}
	p.fill("K7QF")
	p.press("Continue")
	p.awaitWords("You entered 4")
	wrong := []byte(l.code)
	wrong[len(wrong)-1] = map[bool]byte{true: 'A', false: 'B'}[wrong[len(wrong)-1] == 'B']
	p.fill(string(wrong))
	p.press("Continue")
	p.awaitWords("One letter or digit is wrong")
	for _, path := range []string{toStatus, toIssue} {
		if p.sent(path) > 0 {
			t.Error("a mistyped code was sent")
		}
	}
	p.fill(" " + strings.ToLower(strings.ReplaceAll(l.code, "-", " ")) + " ")
	p.press("Continue")
	p.await("confirm")
	p.says("Is this the vote on your slip or mail?", "Six check words")
	if p.sent(toStatus) > 0 {
		t.Error("the code was sent before the vote was confirmed")
	}
	p.press("The six words are the same")
	if p.await("start", "question") == "start" {
		p.press("Start")
		p.await("question")
	}
	p.press("Yes")
	p.press("Continue")
	p.await("check")
	p.press("Cast my ballot")
	p.await("done")
	s.done(p)
}

// noCode presses that there is none: whom to call and where to ask is linked as soon as
// the vote's manifest is there, what was typed stays, and without a network there is at
// least what the mail says.
func noCode(t *testing.T, s *stand) {
	at := s.origins.Booth + "/v1/" + s.id.String()
	p := open(t, sharedChromium(t))
	p.visit(at)
	p.await("code")
	p.atAnswer("/manifest", -1, func(x *exchange) { x.lose() })
	p.fill("K7QF")
	p.press("I have no code")
	p.says("Call the number in your mail or ask your organizer. You can also have your link sent again, or vote at a desk.")
	p.leave()
	for _, href := range []string{
		"tel:" + s.manifest.Help.Phone, s.origins.Board + "/e/" + s.id.String() + "/contacts", s.origins.Registrar + "/v1/" + s.id.String() + "/link",
	} {
		p.wait(href, "[...document.querySelectorAll('main a')].some(a => a.getAttribute('href').replace(/[ ()-]/g, '') === "+quote(strings.NewReplacer(" ", "", "(", "", ")", "", "-", "").Replace(href))+")")
	}
	p.says("Help: call "+s.manifest.Help.Phone, "Send me my link again")
	p.press("Language")
	p.press("Español")
	p.awaitWords("Envíenme mi enlace de nuevo")
	if typed := evaluate[string](p, `document.getElementById("code").value`); typed != "K7QF" || p.sent(toStatus) > 0 {
		t.Errorf("the field holds %q", typed)
	}
	p.faults.take() // Chromium tells of what was lost
}

// linkCut opens links that a mail program damaged.
func linkCut(t *testing.T, s *stand) {
	l := s.letter(t)
	p := open(t, sharedChromium(t))
	p.visit(l.link[:len(l.link)-20])
	p.await("code", "link-cut")
	p.says("Part of your link is missing", "Enter your code")
	p.close()
	p = open(t, sharedChromium(t))
	p.visit(strings.Replace(l.link, "#", "%23", 1))
	p.await("start")
	p.close()
	// One sign of the link is another: whoever made it, nothing is issued on it.
	p = open(t, sharedChromium(t))
	at := strings.Index(l.link, "t=") + 80
	changed := map[bool]string{true: "A", false: "B"}[l.link[at] == 'B']
	p.visit(l.link[:at] + changed + l.link[at+1:])
	if p.await("start", "link-unknown", "link-cut", "code") == "start" {
		p.press("Start")
		p.await("link-unknown")
	}
	if s.issued(t, l) {
		t.Error("a ballot was issued")
	}
}

// noLink comes with a code alone: to the booth's own address, to one of nothing, and to
// the page without a link. Each leads to where the code of this vote is entered, in the
// language that was chosen.
func noLink(t *testing.T, s *stand) {
	for path, screen := range map[string]string{"/": "votes", "/code": "nothing", "/v1/" + strings.Repeat("0", 32): "link-unknown", "/v1/": "link-cut"} {
		p := open(t, sharedChromium(t))
		p.language("es")
		p.visit(s.origins.Booth + path)
		p.await(screen)
		p.press("Idioma")
		p.press("English")
		p.wait("English", `document.documentElement.lang === "en"`)
		if p.await(screen); screen == "link-cut" {
			p.press("Enter your code")
			p.await("votes")
		}
		p.says("Do you have a code? Choose the vote that it is for:")
		p.press(s.manifest.Title[0])
		p.await("code")
		p.says("It is in your mail or on your sealed slip")
		p.faults.take() // Chromium tells of every 404
		p.close()
	}
}

// testDevice opens a test ballot and checks that it is never the one that is cast.
func testDevice(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.toCheck(l, "Yes")
	p.press("Test this device")
	tested := p.tracker()
	p.press("Open this test")
	p.await("test")
	p.says("This test ballot is open", "YES", "Anyone who sees this screen sees this answer")
	if p.tracker() != tested {
		t.Error("the opened ballot has another tracker than the one that was written down")
	}
	p.press("Seal a new ballot")
	p.await("check")
	p.press("Cast my ballot")
	p.await("done")
	if s.done(p) == tested {
		t.Error("a ballot that was opened was cast")
	}
	if p.sent(toIssue) != 1 {
		t.Error("the test asked for a ballot")
	}
}
