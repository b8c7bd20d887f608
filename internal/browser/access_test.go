package browser_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/browser"
	"strikevote/internal/language"
)

// scanned collects the states that axe-core looked at.
type scanned struct {
	phase string // of the election, before the name of a picture
	mu    sync.Mutex
	list  []string // guarded by mu
}

func (c *scanned) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, what)
}

// accessibleOpen asks axe-core about every state of the voter's page and every public
// page while voting is open.
func accessibleOpen(t *testing.T, s *stand) {
	c := &scanned{phase: "open, "}
	walks := map[string]func(*walk){"public": walkPublic, "box": walkBox}
	for name, f := range whileVoting {
		walks[name] = f
	}
	accessibleAll(t, s, c, walks)
	c.report(t, 30)
}

// accessibleEnd does the same at the end of the election.
func accessibleEnd(t *testing.T, s *stand) {
	c := &scanned{phase: "end, "}
	accessibleAll(t, s, c, map[string]func(*walk){"public": walkPublic, "box": walkBox})
	c.report(t, len(publicPages))
}

// accessibleAll takes the walks in English; in the long form also in every other
// language, and in English in dark and forced colors.
func accessibleAll(t *testing.T, s *stand, c *scanned, walks map[string]func(*walk)) {
	t.Helper()
	type form struct{ lang, look string }
	forms := []form{{"en", "light"}}
	if browser.Long() {
		forms = append(forms, form{"en", "dark"}, form{"en", "forced"})
		for _, tag := range language.Tags()[1:] {
			forms = append(forms, form{tag.Code, "light"})
		}
	}
	t.Run("all", func(t *testing.T) {
		for _, f := range forms {
			for name, walkOn := range walks {
				t.Run(strings.Join([]string{f.lang, f.look, name}, " "), func(t *testing.T) {
					t.Parallel()
					walkOn(&walk{t: t, s: s, lang: f.lang, make: maker(t, f.lang, f.look), at: func(p *Page, state string) {
						p.accessible(state)
						p.fits(state)
						if f.lang == "en" && f.look == "light" {
							pictures.take(p, c.phase+state)
						}
						c.add(fmt.Sprintf("%s, %s: %s", f.lang, f.look, state))
					}})
				})
			}
		}
	})
}

func maker(t *testing.T, lang, look string) func() *Page {
	return func() *Page {
		p := open(t, sharedChromium(t))
		p.language(lang)
		p.look(look)
		return p
	}
}

// fits fails the test if the page is wider than the narrowest screen, so that it
// would have to be moved sideways.
func (p *Page) fits(state string) {
	p.t.Helper()
	p.size(320, 640)
	if wide := evaluate[float64](p, "document.documentElement.scrollWidth"); wide > 320 {
		p.t.Errorf("%s: the page is %v pixels wide on a screen of 320", state, wide)
	}
	p.size(360, 800)
}

func (c *scanned) report(t *testing.T, least int) {
	t.Helper()
	slices.Sort(c.list)
	if len(c.list) < least {
		t.Errorf("axe-core looked at %d states only", len(c.list))
	}
	browser.Report(t, append([]string{fmt.Sprintf("axe-core looked at %d states; each that has a violation is named above:", len(c.list))}, c.list...)...)
}

// TestFactor votes where a second answer is asked for, and asks axe-core about the
// pages that only such an election has.
func TestFactor(t *testing.T) {
	t.Parallel()
	s, answer := newFactor(t, browser.Pick(40, 200))
	t.Run("vote", func(t *testing.T) {
		t.Parallel()
		secondFactor(t, s, answer)
	})
	t.Run("accessible", func(t *testing.T) {
		t.Parallel()
		c := &scanned{phase: "factor, "}
		accessibleAll(t, s, c, map[string]func(*walk){"factor": func(w *walk) { walkFactor(w, answer) }})
		c.report(t, 6)
	})
}

// secondFactor votes with the second answer after a wrong one, in Spanish.
func secondFactor(t *testing.T, s *stand, answer string) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.language("es")
	p.visit(l.link)
	p.await("start")
	p.says("Dos preguntas (demo)")
	p.press(words("es", "booth.start.button"))
	p.await("factor")
	p.says("Su cumpleaños, como en May 4")
	p.fill("May 8")
	p.press(words("es", "booth.continue"))
	p.awaitWords(words("es", "booth.factor.wrong.other", "n", 4))
	p.sentNothing(toIssue)
	p.fill(answer)
	p.press(words("es", "booth.continue"))
	p.await("question")
	p.says("¿Autoriza a la dirección a convocar una huelga?")
	p.press("Sí")
	p.press(words("es", "booth.continue"))
	p.awaitWords("¿Irán las cuotas a un fondo de huelga?")
	p.press("No")
	p.press(words("es", "booth.continue"))
	p.await("check")
	p.press(words("es", "booth.check.cast", "choice", "…"))
	p.await("done")
	s.done(p)
}
