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

// told has the booth say where the vote stands, or the registrar where the booth does
// not know it. Nothing is asked that was said before.
func (p *Page) told(says string, byBooth bool) {
	if byBooth {
		p.atAnswer("/manifest", -1, func(x *exchange) { x.head(headerPhase, says) })
		p.atRequest(toPhase, -1, func(x *exchange) {
			p.t.Error("the page asks where the vote stands, and was told")
			x.lose()
		})
		return
	}
	p.atAnswer("/manifest", -1, func(x *exchange) { x.head(headerPhase, "") })
	p.atAnswer(toPhase, -1, func(x *exchange) {
		switch says {
		case lost:
			x.lose()
		case refused:
			x.give(404, []byte(`{"error":"not_found","message":"There is nothing here."}`))
		default:
			x.give(200, []byte(says))
		}
	})
}

const (
	lost    = "lost"
	refused = "refused"
)

// toldClose opens links and a code whose manifest says no more when voting closes: the
// page says it from the start, and believes no close that the manifest does not allow.
func toldClose(t *testing.T, s *stand) {
	when, l := s.manifest.Schedule, s.letter(t)
	for _, tt := range []struct {
		name     string
		says     string
		extended bool
		booth    bool
	}{
		{"extended, says the booth", standing(election.PhaseOpen, when.Close+3600), true, true},
		{"extended too far, says the booth", standing(election.PhaseOpen, when.LatestClose+1), false, true},
		{"nonsense of the booth", "open", false, true},
		{"extended", standing(election.PhaseOpen, when.Close+3600), true, false},
		{"extended too far", standing(election.PhaseOpen, when.LatestClose+1), false, false},
		{"no phase", standing("over", when.Close+3600), false, false},
		{"unknown", refused, false, false},
		{"lost", lost, false, false},
	} {
		p := open(t, sharedChromium(t))
		p.told(tt.says, tt.booth)
		check := func(screen, left string) {
			t.Helper()
			p.await(screen)
			if p.says(left); tt.extended != p.has("It was extended") {
				t.Errorf("%s, %s: the page says %q", tt.name, screen, p.text())
			}
		}
		p.visit(l.link)
		check("start", map[bool]string{true: "That is in 24 hours", false: "That is in 23 hours"}[tt.extended])
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
		p.told(standing(phase, when.Open+1), phase == election.PhaseCancelled)
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
