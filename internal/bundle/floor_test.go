package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// younger lists what Chrome 67 or Safari 14 does not have, as it stands in a
// minified script. A name that a script also gives to things of its own is
// listed in the form that only the browser's has. The list is of what people
// use without thinking; a browser of that age is the proof.
var younger = strings.Fields(`
	globalThis structuredClone queueMicrotask WeakRef FinalizationRegistry
	requestIdleCallback cancelIdleCallback BroadcastChannel CompressionStream DecompressionStream
	TransformStream TextDecoderStream TextEncoderStream SharedWorker scheduler
	navigator.locks navigator.storage navigator.userAgentData navigator.wakeLock navigator.userActivation
	crypto.randomUUID AbortSignal.timeout AbortSignal.any .throwIfAborted(
	.replaceAll( .matchAll( .at( .flat( .flatMap( .findLast( .findLastIndex( .toSorted( .toReversed( .toSpliced(
	.files[0].arrayBuffer( .files[0].text( .files[0].stream(
	.isWellFormed( .toWellFormed( .encodeInto( .groupBy(
	Object.hasOwn Object.fromEntries Object.groupBy Array.fromAsync Map.groupBy
	Promise.any Promise.allSettled Promise.withResolvers Promise.try AggregateError
	Uint8Array.fromHex Uint8Array.fromBase64 .setFromHex( .setFromBase64( .toBase64(
	Intl.RelativeTimeFormat Intl.ListFormat Intl.Locale Intl.DisplayNames Intl.Segmenter Intl.DurationFormat
	Intl.supportedValuesOf .formatRange( .formatRangeToParts( dateStyle timeStyle dayPeriod fractionalSecondDigits
	.replaceChildren( .toggleAttribute( .checkVisibility( .requestSubmit( .showModal( .showPopover( .hidePopover(
	.adoptedStyleSheets .replaceSync( .setHTML( .setHTMLUnsafe( .moveBefore( .scrollend .inert .hasUAVisualTransition
	.startViewTransition( .getAnimations( indexedDB.databases .commit( import.meta Iterator.from
`)

// restFromLiteral is the one case of destructuring that Safari before 14.1 gets
// wrong: a rest element that takes from a literal array.
var restFromLiteral = regexp.MustCompile(`[\[,]\.\.\.[\w$]+\]=\[`)

// olderThan returns what an old browser would stumble over in a script.
func olderThan(script string) []string {
	var found []string
	// A class may have a method of that name for itself; lists and texts are never this.
	code := strings.ReplaceAll(script, "this.at(", "")
	for _, name := range younger {
		quoted := regexp.QuoteMeta(name)
		if first := name[0]; first != '.' {
			quoted = `(^|[^\w$.])` + quoted
		}
		if last := name[len(name)-1]; last != '(' {
			quoted += `($|[^\w$])`
		}
		// A script may use what it asks for first.
		if regexp.MustCompile(quoted).MatchString(code) && !strings.Contains(code, "typeof "+name) {
			found = append(found, name)
		}
	}
	if restFromLiteral.MatchString(code) {
		found = append(found, "[…, ...rest] = [")
	}
	if err := parses(script); err != nil {
		found = append(found, err.Error())
	}
	return found
}

// parses returns an error for syntax younger than the floor. esbuild has no mode
// that only reports, so it lowers the script once more: where there is nothing to
// lower, it makes what it makes without a floor.
func parses(script string) error {
	once, err := transform(script, nil)
	if err != nil {
		return err
	}
	again, err := transform(script, floor)
	if err != nil {
		return err
	}
	if once != again {
		return fmt.Errorf("syntax: there is something to lower at %q", firstDifference(once, again))
	}
	return nil
}

func transform(script string, engines []api.Engine) (string, error) {
	o := api.TransformOptions{
		Loader: api.LoaderJS, Target: api.ESNext, Engines: engines, Supported: supported,
		TsconfigRaw: "{}", LogLevel: api.LogLevelSilent, Charset: api.CharsetASCII, LegalComments: api.LegalCommentsNone,
	}
	if engines != nil {
		o.Target = api.DefaultTarget
	}
	r := api.Transform(script, o)
	if m := slices.Concat(r.Errors, r.Warnings); len(m) > 0 {
		return "", fmt.Errorf("syntax: %s", m[0].Text)
	}
	return string(r.Code), nil
}

func firstDifference(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return a[i:min(len(a), i+60)]
}

// TestFloor looks through what voters' browsers get for what the oldest of them do
// not have. There a script would not run at all, or stop half way through a vote.
func TestFloor(t *testing.T) {
	t.Parallel()
	served := []string{"check.js", "check-worker.js", "public.js"} // as they are
	for _, name := range entries {
		served = append(served, filepath.Join("dist", name))
	}
	for _, name := range served {
		b, err := os.ReadFile(filepath.Join(assets, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, what := range olderThan(string(b)) {
			t.Errorf("templates/assets/%s: %s", name, what)
		}
	}
}

// TestFloorRefuses is its negative control.
func TestFloorRefuses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		`a?.b()`, `a ?? b`, `a ||= b`, `class A { static b = 1 }`, `class A { b = 1 }`, `class A { #b; c() { return this.#b } }`,
		`class A { static { b() } }`, `/(?<=a)b/`, `/\p{L}/v`, `/a/d`,
		`a.at(-1)`, `"a".replaceAll("b","c")`, `structuredClone(a)`, `x=globalThis`, `Promise.allSettled(a)`, `Object.fromEntries(a)`,
		`[1].flat()`, `crypto.randomUUID()`, `input.files[0].arrayBuffer()`, `AbortSignal.timeout(5)`, `Object.hasOwn(a,"b")`, `new Intl.ListFormat`, `new Intl.DateTimeFormat("en",{dateStyle:"full"})`,
		`[a,...b]=[1,2,3]`, `let[...c]=[1]`, `not a script`,
	} {
		if len(olderThan(bad)) == 0 {
			t.Errorf("%s: not refused", bad)
		}
	}
	for _, good := range []string{
		`var a=BigInt(5)**BigInt(3),b=5n`, `try{a()}catch{b()}`, `var{a,...b}=c;`, `[a,b]=[b,a]`, `async()=>{await a}`, `class A{b(){return super.b()}}`,
		`a.flatten();a.format(1);my.queueMicrotask2()`, `f(...[1,2])`, `this.at("a")`, "`a${b}`", `new TextEncoder().encode(a)`, `typeof globalThis=="object"?globalThis:self`, `new BigInt64Array(1)`,
	} {
		if found := olderThan(good); len(found) > 0 {
			t.Errorf("%s: refused for %q", good, found)
		}
	}
}
