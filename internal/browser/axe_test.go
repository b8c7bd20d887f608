package browser_test

import (
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// axe is axe-core 4.14.1 by Deque Systems, whole and unchanged, which [TestAxe] holds it
// to; its licence stands beside it. Only tests use it.
//
//go:embed testdata/axe/axe.min.js
var axe string

// A violation is what axe-core holds against a page.
type violation struct {
	ID, Impact, Help string
	Nodes            []string // where, and why
}

func (v violation) String() string {
	return fmt.Sprintf("%s (%s): %s\n    %s", v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n    "))
}

// ask runs axe-core with all its rules but the experimental ones.
const ask = `axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
  JSON.stringify(r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help,
    nodes: v.nodes.map(n => n.target.join(" ") + ": " + n.failureSummary.replace(/\s+/g, " "))}))))`

// violations asks axe-core about the page as it is. It runs in a world of its own,
// so that the page's policy need not allow it.
func (p *Page) violations() (list []violation) {
	p.t.Helper()
	tree := call(p, page.GetFrameTree, cdp.Empty{})
	world := call(p, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: "axe"})
	wait := true
	run := func(source string) *runtime.RemoteObject {
		p.t.Helper()
		r := call(p, runtime.Evaluate, runtime.EvaluateParams{Expression: source, ContextID: world.ExecutionContextID,
			AwaitPromise: &wait, ReturnByValue: &wait})
		if r.ExceptionDetails != nil {
			p.t.Fatalf("axe-core: %s %s", r.ExceptionDetails.Text, r.ExceptionDetails.Exception.Description)
		}
		return r.Result
	}
	run(axe + "\n;0")
	var text string
	p.must("reading axe-core's answer", json.Unmarshal(run(ask).Value, &text))
	p.must("reading axe-core's answer", json.Unmarshal([]byte(text), &list))
	return list
}

// accessible fails the test over each violation.
func (p *Page) accessible(state string) {
	p.t.Helper()
	for _, v := range p.violations() {
		p.t.Errorf("%s: %s", state, v)
	}
}

// TestAxe is the negative control of every test that asks axe-core.
func TestAxe(t *testing.T) {
	t.Parallel()
	// Nobody reads 650 kB in one line, so that a change in it would not be seen.
	const release = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(axe))); got != release {
		t.Fatalf("axe.min.js is not that of axe-core 4.14.1: its SHA-256 is %s", got)
	}
	const sound = `<!doctype html><html lang="en"><title>A page</title><main><h1>A page</h1><p>Words</p></main></html>`
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; require-trusted-types-for 'script'"
	for want, html := range map[string]string{
		"":                      sound,
		"html-has-lang":         strings.Replace(sound, ` lang="en"`, "", 1),
		"document-title":        strings.Replace(sound, `<title>A page</title>`, "", 1),
		"label":                 strings.Replace(sound, `<p>`, `<p><input>`, 1),
		"button-name":           strings.Replace(sound, `<p>`, `<p><button></button>`, 1),
		"page-has-heading-one":  strings.Replace(sound, `<h1>A page</h1>`, "", 1),
		"aria-valid-attr-value": strings.Replace(sound, `<p>`, `<p><button aria-expanded="maybe">x</button>`, 1),
	} {
		p := open(t, sharedChromium(t))
		p.visit(serveText(t, policy, html))
		got := p.violations()
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || got[0].ID != want) {
			t.Errorf("want %q, got %v", want, got)
		}
		p.close()
	}
}
