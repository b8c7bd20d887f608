package pages

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
	"strikevote/templates"
)

// policyOf returns the policy of a page. The page that checks the record runs a worker,
// which runs a program, under a policy of its own: only they may. The page that looks
// for a tracker may ask the box too, where a ballot is before it is in the log.
func policyOf(name string, v *view) string {
	switch name {
	case "check":
		return checkPolicy
	case "box":
		return web.Policy(v.Manifest.Origins.Box)
	}
	return web.Policy()
}

var (
	checkPolicy = strings.NewReplacer(
		"script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'",
		"trusted-types 'none'", "trusted-types check").Replace(web.Policy())
	workerPolicy = "default-src 'none'; script-src 'wasm-unsafe-eval'; connect-src 'self'; base-uri 'none'; " +
		"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
	checkScript   = load("text/javascript; charset=utf-8", ".js", "assets/check.js")
	recheckScript = load("text/javascript; charset=utf-8", ".js", "assets/dist/recheck.js")
)

// A browser is the audit for browsers: a worker, which is Go's own script with ours
// behind it, and the program that it runs if its bytes have the hash.
type browser struct {
	Worker  asset
	Program string // its address
	SHA256  string // of the program as it is run, in hexadecimal
	packed  []byte
}

// What "make audit" makes.
const (
	auditProgram = "assets/audit/audit.wasm.gz"
	auditSupport = "assets/audit/wasm_exec.js"
)

// newBrowser returns the audit for browsers, or nil if this program was built without
// it.
func newBrowser(fsys fs.FS) *browser {
	packed, err := fs.ReadFile(fsys, auditProgram)
	if err != nil {
		return nil
	}
	support, err := fs.ReadFile(fsys, auditSupport)
	if err != nil {
		return nil
	}
	worker, err := templates.Assets.ReadFile("assets/check-worker.js")
	if err != nil {
		panic("pages: " + err.Error())
	}
	hash := sha256.New()
	if err := unpack(hash, packed); err != nil {
		panic("pages: the audit for browsers is damaged: " + err.Error())
	}
	b := &browser{SHA256: hex.EncodeToString(hash.Sum(nil)), packed: packed}
	b.Program = "/e/assets/" + b.SHA256[:32] + ".wasm"
	b.Worker = makeAsset("text/javascript; charset=utf-8", ".js", bytes.Join([][]byte{support, worker}, []byte("\n")))
	b.Worker.policy = workerPolicy
	return b
}

// CheckBuilt reports whether this program has the audit for browsers.
func CheckBuilt() bool { return checkBuilt(templates.Audit) }

func checkBuilt(fsys fs.FS) bool {
	for _, name := range []string{auditProgram, auditSupport} {
		if _, err := fs.Stat(fsys, name); err != nil {
			return false
		}
	}
	return true
}

func unpack(w io.Writer, packed []byte) error {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return err
}

// assets are the files but for the program.
func (b *browser) assets() []asset {
	if b == nil {
		return nil
	}
	return []asset{b.Worker}
}

// serve sends the program, packed to all who can unpack it.
func (b *browser) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "application/wasm")
	h.Set("Cache-Control", forever)
	h.Add("Vary", "Accept-Encoding")
	if web.TakesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		_, _ = w.Write(b.packed) // the reader went away
		return nil
	}
	if r.Method != http.MethodHead {
		_ = unpack(w, b.packed)
	}
	return nil
}

// A checkPage lets the reader repeat the count, and the test of a device.
type checkPage struct {
	*view
	Script  asset
	Recheck asset    // repeats the test of a device; sends nothing
	Browser *browser // nil: this program was built without it
	Size    string   // megabytes to load, about; empty while there is no whole record
	Texts   template.JS
	// Outcome is the sentence that was signed, and Said the same in the reader's language:
	// what the audit finds is said so where it is this very sentence.
	Outcome, Said string
}

func checkOf(s *Site, ctx context.Context, v *view) (any, error) {
	p := checkPage{view: v, Script: checkScript, Recheck: recheckScript, Browser: s.browser(), Texts: template.JS(v.JSON("audit"))}
	if p.Browser == nil || !v.Locked() {
		return p, nil
	}
	// Without the numbers the audit's own words are good enough.
	if f, err := s.figures(ctx, v); err == nil && f.result != nil {
		p.Outcome, p.Said = f.result.Sentence, speaker{f, v.Words}.sentence()
	}
	n, err := v.recordSize(ctx)
	if errors.Is(err, ErrNotFound) {
		return p, nil // one of the sides has not published everything
	}
	if err != nil {
		return nil, err
	}
	// Rounded up: nobody is to load more than was said.
	p.Size = v.Number(uint64(n+int64(len(p.Browser.packed)))/1e6 + 1)
	return p, nil
}

// recordSize returns about how many bytes a locked record has: of each log what the first
// bundle has, for each of its entries. The files beside the logs are small but for the
// rolls.
func (v *view) recordSize(ctx context.Context) (int64, error) {
	var n int64
	for _, g := range v.Manifest.Groups {
		n += int64(g.RollSize) * int64(len(suite.Hash{}))
	}
	for _, log := range []string{layout.Ledger, layout.Ballots} {
		note, err := v.record.Resource(ctx, layout.Checkpoint(log))
		if err != nil {
			return 0, fmt.Errorf("reading the checkpoint of the %s: %w", log, err)
		}
		text, _, _ := strings.Cut(string(note), "\n\n")
		c, err := tlog.ParseCheckpointText(text + "\n")
		if err != nil {
			return 0, fmt.Errorf("reading the checkpoint of the %s: %w", log, err)
		}
		first := tlog.Tile{Level: tlog.Entries, Width: int(min(c.Size, tlog.TileWidth))}
		b, err := v.record.Resource(ctx, layout.Tile(log, first))
		if err != nil {
			return 0, fmt.Errorf("reading the first entries of the %s: %w", log, err)
		}
		n += int64(len(b)) * c.Size / max(1, int64(first.Width))
	}
	return n, nil
}

// Problem is what the page's script shows at a field in the form for a test, where it
// is wrong. {n} is for the script to count.
func (p checkPage) Problem(field, what string) template.HTML {
	text := map[string]string{
		"test-unit empty":      p.Text("audit.test.unit.empty"),
		"test-tracker length":  p.Text("results.box.length", "n", "{n}"),
		"test-tracker letters": p.Text("results.box.letters"),
		"test-code length":     p.Text("audit.test.code.length", "n", "{n}"),
		"test-code check":      p.Text("audit.test.code.check"),
		"test-own long":        p.Text("booth.check.own.long"),
	}[field+" "+what]
	if text == "" {
		text = p.Text("audit.test.answer.empty")
	}
	return template.HTML(fmt.Sprintf(`<span class="problem" data-field="%s" data-problem="%s" hidden>%s <span data-pattern="%s"></span></span>`,
		field, what, escape(p.Text("results.box.error")), escape(text)))
}
