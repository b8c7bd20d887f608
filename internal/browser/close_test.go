package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
)

const headerPhase = "Strikevote-Phase" // of the booth's answer with a manifest

// standing is what booth and registrar say of where the vote stands.
func standing(phase election.Phase, at int64) string {
	return fmt.Sprintf(`{"phase":%q,"close":%d}`, phase, at)
}

// told has the booth and the registrar say where the vote stands.
func (p *Page) told(booth, registrar string) {
	p.atAnswer("/manifest", -1, func(x *exchange) { x.head(headerPhase, booth) })
	p.atAnswer(toPhase, -1, func(x *exchange) {
		switch registrar {
		case lost:
			x.lose()
		case refused:
			x.give(404, []byte(`{"error":"not_found","message":"There is nothing here."}`))
		case silent:
			p.t.Error("the page asks where the vote stands, and was told")
			x.lose()
		default:
			x.give(200, []byte(registrar))
		}
	})
}

const (
	lost    = "lost"
	refused = "refused"
	silent  = "not asked"
)

// toldClose opens links and a code whose manifest says no more when voting closes: the
// page says it from the start, and believes no close that the manifest does not allow. It
// asks the registrar unless the booth says that the vote is open, and for longer.
func toldClose(t *testing.T, s *stand) {
	when, l := s.manifest.Schedule, s.letter(t)
	longer, sooner := standing(election.PhaseOpen, when.Close+3600), standing(election.PhaseOpen, when.Close-3600)
	for _, tt := range []struct {
		name, booth, registrar string
		hours                  int // how much later it closes
	}{
		{"the booth: extended", longer, silent, 1},
		{"the booth: extended too far", standing(election.PhaseOpen, when.LatestClose+1), longer, 1},
		{"the booth: extended too far, and nobody else", standing(election.PhaseOpen, when.LatestClose+1), lost, 0},
		{"the booth: nonsense", "open", longer, 1},
		{"the booth: nothing", "null", longer, 1},
		{"the booth: open until a moment that is over", standing(election.PhaseOpen, when.Open+1), longer, 1},
		{"the booth: cancelled", standing(election.PhaseCancelled, when.Close), longer, 1},
		{"the booth: sealed", standing(election.PhaseSealed, when.Close), longer, 1},
		{"the booth: closed", standing(election.PhaseClosed, when.Close), longer, 1},
		{"extended", "", longer, 1},
		{"the booth: closes early", sooner, silent, -1},
		{"closes early", "", sooner, -1},
		{"extended too far", "", standing(election.PhaseOpen, when.LatestClose+1), 0},
		{"no phase", "", standing("over", when.Close+3600), 0},
		{"no text", "", "\xff", 0},
		{"unknown", "", refused, 0},
		{"lost", "", lost, 0},
	} {
		p := open(t, sharedChromium(t))
		p.told(tt.booth, tt.registrar)
		check := func(screen, left string) {
			t.Helper()
			p.await(screen)
			if p.says(left); (tt.hours != 0) != p.has("It was moved. The reason is on") {
				t.Errorf("%s, %s: the page says %q", tt.name, screen, p.text())
			}
		}
		p.visit(l.link)
		check("start", fmt.Sprintf("That is in %d hours", 23+tt.hours))
		p.visit(s.origins.Booth + "/v1/" + s.id.String())
		p.await("code")
		p.fill(l.code)
		p.press("Continue")
		check("confirm", "closes")
		p.faults.take() // Chromium tells of what is refused
		if p.sent(toStatus) > 0 {
			t.Errorf("%s: the link was shown to know when voting closes", tt.name)
		}
		p.close()
	}
	for phase, screen := range map[election.Phase]string{
		election.PhaseSealed: "before", election.PhaseCancelled: "cancelled", election.PhaseLocked: "closed",
	} {
		p := open(t, sharedChromium(t))
		says := standing(phase, when.Open+1)
		p.told(says, says)
		p.visit(s.origins.Booth + "/v1/" + s.id.String())
		p.await("code")
		p.fill(l.code)
		p.press("Continue")
		p.await(screen)
		if p.sent(toStatus) > 0 {
			t.Errorf("%s: the code was sent before the vote was confirmed", phase)
		}
		p.close()
	}
}

// movedMeanwhile comes back to ballots that are not cast, whose close was moved earlier
// while nobody looked: it is said there, and what was chosen stays.
func movedMeanwhile(t *testing.T, s *stand) {
	const look = `document.dispatchEvent(new Event("visibilitychange"))`
	sooner := standing(election.PhaseOpen, s.manifest.Schedule.Close-3600)
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.visit(l.link)
	p.await("start")
	p.press("Start")
	p.await("question")
	p.press("No")
	p.told("", lost)
	p.run(look)
	p.press("Continue")
	p.await("check")
	if p.has("It was moved.") {
		t.Error("the close was moved by nobody")
	}
	p.leave()
	p.told("", sooner)
	p.run(look)
	p.awaitWords("It was moved. The reason is on")
	p.says("NO")
	p.back()
	p.await("question")
	p.says("It was moved.")
	p.chosen("No")
	p.faults.take() // Chromium tells of what is lost
}

// nothingRemembered loads the page again where the browser keeps nothing at all: it does
// not say that somebody asked for that, nor that nobody has voted.
func nothingRemembered(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.script(`for (const name of ["indexedDB", "sessionStorage"]) Object.defineProperty(window, name, {get() { throw new DOMException("denied", "SecurityError"); }})`)
	p.toCheck(l, "No")
	p.press("Cast my ballot")
	p.await("recovery")
	p.press("I have written it down")
	p.await("done")
	p.says("Did you write down a recovery code? Destroy it now.")
	s.done(p)
	p.reload()
	p.await("forgot")
	p.says("This tab keeps nothing. If you saw “You have voted”, you are done. If not, open your link again.")
}

// has tells whether the page says something now.
func (p *Page) has(words string) bool {
	p.t.Helper()
	return strings.Contains(flat(p.text()), words)
}
