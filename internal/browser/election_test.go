package browser_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"strikevote/internal/browser"
)

// TestElection takes a whole election through the browser: members vote in every way
// that a phone, a network or a person can go wrong, the vote closes, the totals are
// opened, and what was cast is counted.
func TestElection(t *testing.T) {
	t.Parallel()
	s := newDemo(t, browser.Pick(150, 500))
	// Opened before the close and looked at again after it: one who has voted, one who
	// has not, and one who was about to.
	voted, late, left := open(t, sharedChromium(t)), open(t, sharedChromium(t)), open(t, sharedChromium(t))
	votes := s.letter(t)
	tracker := happyPath(t, s, voted, votes)
	late.visit(s.letter(t).link)
	late.await("start")
	left.toCheck(s.letter(t), "Yes")

	t.Run("open", func(t *testing.T) {
		for name, test := range whileOpen {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, s)
			})
		}
	})
	s.finish(t)
	afterClose(t, s, voted, votes, tracker)
	tooLate(t, s, late, left)
	t.Run("certified", func(t *testing.T) {
		for name, test := range whenCertified {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, s)
			})
		}
	})
	report := s.audit(t)
	want := uint64(simulated + len(s.cast()))
	if !report.Verified || report.Ballots != want {
		t.Errorf("the record holds %d ballots (verified: %v), and %d were cast", report.Ballots, report.Verified, want)
	}
	browser.Report(t, fmt.Sprintf("%d ballots cast in the browser, %d in all, all counted by the audit", len(s.cast()), report.Ballots))
}

// whileOpen holds the tests for which voting must be open; each uses members of its own.
var whileOpen = map[string]func(*testing.T, *stand){
	"back and reload":       backAndReload,
	"double press":          doublePress,
	"two tabs":              twoTabs,
	"cast while turning":    castWhileTurning,
	"offline":               offlineBetween,
	"offline at the start":  offlineAtStart,
	"reply lost":            replyLost,
	"killed":                killed,
	"killed, memory gone":   killedWithout,
	"storage refused":       storageRefused,
	"full after casting":    fullAfterCasting,
	"long words of own":     longOwnWords,
	"odd links":             oddLinks,
	"small screen":          smallScreen,
	"start in view":         startInView,
	"shared computer":       sharedComputer,
	"clock":                 wrongClock,
	"language":              otherLanguage,
	"no scripts":            noScripts,
	"typed code":            typedCode,
	"no code":               noCode,
	"told when it closes":   toldClose,
	"moved meanwhile":       movedMeanwhile,
	"nothing remembered":    nothingRemembered,
	"link cut":              linkCut,
	"no link":               noLink,
	"false manifest":        falseManifest,
	"cut manifest":          cutManifest,
	"false checkpoint":      falseCheckpoint,
	"false signature":       falseSignature,
	"false promise":         falsePromise,
	"false words":           falseWords,
	"scanners":              scanners,
	"choice nowhere":        choiceNowhere,
	"slept through":         sleptThrough,
	"test this device":      testDevice,
	"weight":                weight,
	"slow":                  slowPhone,
	"accessible while open": accessibleOpen,
}

// whenCertified holds the tests of the pages at the end.
var whenCertified = map[string]func(*testing.T, *stand){
	"accessible at the end": accessibleEnd,
	"audit in the browser":  auditInBrowser,
	"scanned twice":         scannedTwice,
}

// happyPath votes on a phone in few presses, and returns the tracker.
func happyPath(t *testing.T, s *stand, p *Page, l letter) string {
	t.Helper()
	p.visit(l.link)
	p.await("start")
	p.says("This is your ballot as a member of", "You vote once", "Voting closes")
	if at := evaluate[string](p, "location.href"); len(at) > len(s.origins.Booth+"/v1/#start") {
		t.Errorf("the secret is left in the address: %d characters", len(at))
	}
	p.press("Start")
	p.await("question")
	p.says("Do you authorize the leadership to call a strike?")
	p.press("Yes")
	p.press("Continue")
	p.await("check")
	p.says("Your ballot is not cast yet", "YES")
	p.press("Cast my ballot: YES")
	p.await("done")
	p.says("You have voted", "You need to do nothing more")
	if p.presses > 5 {
		t.Errorf("it took %d presses after the link", p.presses)
	}
	browser.Report(t, fmt.Sprintf("a vote at 360×800 takes %d presses after the link", p.presses))
	return s.done(p)
}

// afterClose looks at the ballot again after the end: it is in the box, for the
// device that cast it and for anybody with the tracker.
func afterClose(t *testing.T, s *stand, p *Page, l letter, tracker string) {
	t.Helper()
	p.visit("about:blank")
	p.visit(l.link)
	p.await("voted")
	p.awaitWords("In the box.")
	p.says("Your answer is not shown here or anywhere", tracker)
	p.visit(s.page("box"))
	p.wait("the field for a tracker", `document.querySelector("input")`)
	p.fill(tracker)
	p.press("Find")
	p.awaitWords("In the box.")
}

// tooLate presses Start on a page that was opened before the close, and opens a link
// after it: no ballot is to be had, and the page says what that means. So it does where
// Cast is pressed that late, with the close that was in force and not the one that this
// page was told of: the vote closed early.
func tooLate(t *testing.T, s *stand, p, left *Page) {
	t.Helper()
	p.press("Start")
	p.await("closed")
	p.says("Voting has closed", "No ballot was issued with this link")
	closed := regexp.MustCompile(`It closed .*? time\.`).FindString(p.text())
	left.press("Cast my ballot")
	left.await("closed")
	left.says("Voting has closed", "No ballot was issued with this link")
	if got := left.text(); closed == "" || !strings.Contains(got, closed) {
		t.Errorf("a page says %q, and one that was left open: %s", closed, got)
	}
	p.visit("about:blank")
	p.visit(s.letter(t).link)
	p.await("closed") // at once
	p.says("Voting has closed", "No ballot was issued with this link", "The result will be on")
	p.visit("about:blank")
	p.visit(s.origins.Booth + "/v1/" + s.id.String())
	p.await("code")
	p.fill(s.letter(t).code)
	p.press("Continue")
	p.await("closed")
	p.says("Voting has closed", "The result will be on")
}
