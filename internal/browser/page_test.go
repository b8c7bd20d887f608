package browser_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// A Page is a tab of a browser, and the person before it.
type Page struct {
	t       testing.TB
	c       *chromium
	ctx     context.Context
	cancel  context.CancelFunc
	faults  *faults
	traffic *traffic
	meet    *meetings
	presses int // that the person has made
	// patience is how long to wait for the page, on a busy computer.
	patience time.Duration
}

// open opens a page with an empty memory, on a phone's screen.
func open(t testing.TB, c *chromium) *Page {
	t.Helper()
	return openTab(t, c, c.ctx, chromedp.WithNewBrowserContext())
}

// openFirst opens a page with the memory of the browser's profile.
func openFirst(t testing.TB, c *chromium) *Page {
	t.Helper()
	return openTab(t, c, c.ctx)
}

// tab opens a second tab beside a page, with the same memory.
func (p *Page) tab() *Page {
	p.t.Helper()
	return openTab(p.t, p.c, p.ctx)
}

func openTab(t testing.TB, c *chromium, parent context.Context, o ...chromedp.ContextOption) *Page {
	t.Helper()
	p := &Page{t: t, c: c, faults: new(faults), traffic: newTraffic(), meet: new(meetings), patience: time.Minute}
	p.meet.p = p
	o = append(o, chromedp.WithListener(func(ev any) { p.faults.note(ev); p.traffic.note(ev); p.meet.note(ev) }))
	p.ctx, p.cancel = chromedp.NewContext(parent, o...)
	t.Cleanup(p.close)
	p.must("opening a tab", chromedp.Do(p.ctx))
	call(p, network.Enable, network.EnableParams{})
	call(p, audits.Enable, cdp.Empty{})
	call(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	p.size(360, 800)
	return p
}

// close closes the tab and fails the test over whatever went wrong in it unseen.
func (p *Page) close() {
	if p.cancel == nil {
		return
	}
	p.cancel()
	p.cancel = nil
	for _, f := range p.faults.all() {
		p.t.Errorf("the page has a fault: %s", f)
	}
}

func (p *Page) must(what string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// call gives the browser a command about the page.
func call[P, R any](p *Page, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	r, err := chromedp.Call(p.ctx, command, params)
	p.must(command.Method, err)
	return r
}

// size gives the page a screen: of a phone below 600 pixels, of a computer above.
func (p *Page) size(width, height int64) {
	p.t.Helper()
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
}

// look sets the colors that the person has chosen: light, dark or forced.
func (p *Page) look(look string) {
	p.t.Helper()
	scheme, forced := "light", "none"
	switch look {
	case "dark":
		scheme = "dark"
	case "forced":
		forced = "active"
	}
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "forced-colors", Value: forced}}})
}

// language sets the languages that the browser asks for.
func (p *Page) language(accept string) {
	p.t.Helper()
	call(p, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: p.c.agent, AcceptLanguage: accept})
}

// slow makes the device's processor slower by a factor.
func (p *Page) slow(factor float64) {
	p.t.Helper()
	call(p, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: factor})
}

// wire sets the network: offline, or with a latency and so many bits a second; 0 is
// no limit.
func (p *Page) wire(offline bool, latency time.Duration, bits float64) {
	p.t.Helper()
	bytes := bits / 8
	if bits == 0 {
		bytes = -1
	}
	call(p, emulateNetwork, networkState{Offline: offline,
		Latency: float64(latency.Milliseconds()), Download: bytes, Upload: bytes})
}

// emulateNetwork is older than the commands that replace it, which browsers of this
// year take in different forms.
var emulateNetwork = cdp.Command[networkState, cdp.Empty]{Method: "Network.emulateNetworkConditions"}

type networkState struct {
	Offline  bool    `json:"offline"`
	Latency  float64 `json:"latency"`
	Download float64 `json:"downloadThroughput"`
	Upload   float64 `json:"uploadThroughput"`
}

func (p *Page) offline(off bool) { p.t.Helper(); p.wire(off, 0, 0) }

// script runs a script in every page before the page's own.
func (p *Page) script(source string) {
	p.t.Helper()
	call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: source})
}

// withoutScripts turns JavaScript off, or on again.
func (p *Page) withoutScripts(off bool) {
	p.t.Helper()
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: off})
}

// unwrap puts what an element holds in its place.
func (p *Page) unwrap(selector string) {
	p.t.Helper()
	found, err := chromedp.Run(p.ctx, chromedp.Nodes(chromedp.CSS(selector)))
	p.must("finding "+selector, err)
	id := found[0].NodeID
	html := call(p, dom.GetOuterHTML, dom.GetOuterHTMLParams{NodeID: id}).OuterHTML
	html = html[strings.Index(html, ">")+1 : strings.LastIndex(html, "<")]
	call(p, dom.SetOuterHTML, dom.SetOuterHTMLParams{NodeID: id, OuterHTML: html})
}

// visit opens an address, as a link does that is opened from elsewhere.
func (p *Page) visit(address string) {
	p.t.Helper()
	p.must("opening a page", chromedp.Do(p.ctx, chromedp.Navigate(address)))
}

func (p *Page) reload() { p.t.Helper(); p.must("reloading", chromedp.Do(p.ctx, chromedp.Reload())) }

// back goes back in the history, without waiting for a page to load: steps within
// one page load none.
func (p *Page) back() {
	// The answer may be lost with the page.
	_ = chromedp.Do(p.ctx, chromedp.Evaluate[chromedp.Void]("history.back()"))
}

// evaluate returns what an expression is in the page.
func evaluate[T any](p *Page, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	p.must("evaluating "+brief(expression), err)
	return v
}

// run runs statements in the page.
func (p *Page) run(statements string) {
	p.t.Helper()
	p.must("running "+brief(statements), chromedp.Do(p.ctx, chromedp.Evaluate[chromedp.Void](statements)))
}

func brief(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// wait waits until an expression is true in the page, over any page that comes in
// its place meanwhile.
func (p *Page) wait(what, expression string) {
	p.t.Helper()
	end := time.Now().Add(p.patience)
	for {
		is, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		switch {
		case err == nil && is:
			return
		case p.ctx.Err() != nil:
			p.t.Fatalf("waiting for %s: the browser has ended", what)
		case time.Now().After(end):
			p.t.Fatalf("waiting for %s: it did not come (%v). The page:\n%s", what, err, p.state())
		}
		select {
		case <-time.After(15 * time.Millisecond):
		case <-p.ctx.Done():
		}
	}
}

// state tells what the page shows, for the message of a failure.
func (p *Page) state() string {
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](
		`"screen " + `+screenIs+` + ", title " + document.title + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text + "\n" + strings.Join(p.traffic.list(), "\n")
}

// screenIs is an expression for the screen that is shown; one that ends a way is
// named by what it says.
const screenIs = `(e => e && (e.dataset.problem || e.dataset.screen))(document.querySelector("[data-screen]"))`

// await waits for one of the screens and returns which.
func (p *Page) await(screens ...string) string {
	p.t.Helper()
	list, _ := json.Marshal(screens)
	p.wait("the screen "+strings.Join(screens, " or "), fmt.Sprintf("%s.includes(%s)", list, screenIs))
	return p.screen()
}

func (p *Page) screen() string { p.t.Helper(); return evaluate[string](p, screenIs+`||""`) }
func (p *Page) title() string  { p.t.Helper(); return evaluate[string](p, "document.title") }

// text returns what can be read on the page.
func (p *Page) text() string { p.t.Helper(); return evaluate[string](p, "document.body.innerText") }

// says fails the test unless the page shows some words.
func (p *Page) says(words ...string) {
	p.t.Helper()
	text := flat(p.text())
	for _, w := range words {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(w)) {
			p.t.Errorf("the page does not say %q:\n%s", w, text)
		}
	}
}

// awaitWords waits until the page shows some words.
func (p *Page) awaitWords(words string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("the words %q", words),
		fmt.Sprintf(`document.body.innerText.replace(/\s+/g," ").toLowerCase().includes(%s)`, quote(strings.ToLower(words))))
}

var space = regexp.MustCompile(`\s+`)

func flat(s string) string { return strings.TrimSpace(space.ReplaceAllString(s, " ")) }

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// target finds what a person presses, by the words on it: the whole of them, or
// else their beginning; … stands for any. It scrolls there and returns the middle, or says what is
// in the way.
const target = `(words => {
  const flat = s => s.replace(/\s+/g, " ").trim().toLowerCase();
  const shown = e => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== "hidden";
  const all = [...document.querySelectorAll("button, a[href], summary, label, input[type=submit]")].filter(shown);
  const of = e => flat(e.innerText || e.value || "");
  const [begin, end] = flat(words).split("…");
  const e = all.find(x => of(x) === flat(words)) || all.find(x => of(x).startsWith(begin) && of(x).endsWith(end || ""));
  if (!e) return {fault: "there is nothing to press with these words"};
  e.scrollIntoView({block: "center", behavior: "instant"});
  const r = e.getClientRects()[0], x = r.left + r.width / 2, y = r.top + r.height / 2;
  const top = document.elementFromPoint(x, y);
  if (!top || !(e === top || e.contains(top) || top.contains(e))) return {fault: "something covers it: " + (top && top.outerHTML.slice(0, 200))};
  return {x, y, height: r.height, width: r.width};
})(%s)`

type spot struct {
	Fault         string
	X, Y          float64
	Height, Width float64
}

// find waits for something to press and returns where it is.
func (p *Page) find(words string) spot {
	p.t.Helper()
	expression := fmt.Sprintf(target, quote(words))
	p.wait(fmt.Sprintf("something to press that says %q", words), expression+".fault === undefined")
	return evaluate[spot](p, expression)
}

// press presses what has these words.
func (p *Page) press(words string) {
	p.t.Helper()
	s := p.find(words)
	p.presses++
	p.must("pressing", chromedp.Do(p.ctx, chromedp.MouseClickXY(s.X, s.Y)))
}

// pressTwice presses what has these words twice, as fast as a nervous finger.
func (p *Page) pressTwice(words string) {
	p.t.Helper()
	s := p.find(words)
	p.presses += 2
	p.must("pressing", chromedp.Do(p.ctx, chromedp.MouseClickXY(s.X, s.Y), chromedp.MouseClickXY(s.X, s.Y)))
}

// fill types into the only field that is shown, in place of what is there.
func (p *Page) fill(value string) {
	p.t.Helper()
	p.wait("a field", `[...document.querySelectorAll("input:not([type=radio]):not([type=checkbox]),textarea")].some(e => e.getClientRects().length)`)
	p.run(`(() => { const e = [...document.querySelectorAll("input:not([type=radio]):not([type=checkbox]),textarea")].find(e => e.getClientRects().length); e.focus(); e.select(); })()`)
	p.must("typing", chromedp.Do(p.ctx, chromedp.KeyEvent(value)))
}

// picture returns the whole page as a PNG.
func (p *Page) picture() []byte {
	p.t.Helper()
	var shot page.CaptureScreenshotParams
	beyond := true
	shot.CaptureBeyondViewport = &beyond
	size := evaluate[struct{ W, H float64 }](p, `({W: document.documentElement.clientWidth, H: Math.max(document.documentElement.scrollHeight, innerHeight)})`)
	shot.Clip = &page.Viewport{Width: size.W, Height: size.H, Scale: 1}
	b := call(p, page.CaptureScreenshot, shot)
	if len(b.Data) == 0 {
		p.must("taking a picture", errors.New("it is empty"))
	}
	return b.Data
}
