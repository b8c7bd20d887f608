package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	_ "embed"

	"github.com/evanw/esbuild/pkg/api"
)

// floor lists the oldest browsers that the pages serve: the first that have
// BigInt, without which a ballot takes minutes. Safari 14 is iOS 14.
var floor = []api.Engine{
	{Name: api.EngineChrome, Version: "67"},
	{Name: api.EngineSafari, Version: "14"},
}

// supported overrules esbuild, which holds that Safari has no destructuring
// before 14.1 for one case of it that came out wrong there: a rest element that
// takes from a literal array. esbuild cannot lower destructuring, so that case
// is refused by a test instead.
var supported = map[string]bool{
	"destructuring": true,
}

// replacements stands in for what the library uses and the oldest browsers do
// not have.
//
//go:embed replacements.js
var replacements string

// private names, one a line, members of classes and objects that only what is in a
// bundle reads: they get a name of one or two letters there. A name belongs here only
// if no browser, service, or text that is kept has it, and no string holds it; tests
// look for that.
//
//go:embed private.txt
var private string

// bundle returns an entry point with all it imports as one classic script. A
// classic script fails in one place, where a browser is too old for it, and a
// page can fix it by one hash.
func bundle(assets, entry string) ([]byte, error) {
	o := options(assets, entry)
	if entry == bootstrap {
		// It tells browsers of any age that they are too old, so it must not be
		// wrapped in what only a newer one reads.
		o.Engines, o.Supported, o.Inject, o.Target = nil, nil, nil, api.ES5
		o.Footer = nil // it has nothing of anybody else's
	}
	if entry == withTexts {
		o.MangleProps = "^(?:" + strings.Join(strings.Fields(private), "|") + ")$"
	}
	return build(o)
}

// style returns parts of a style sheet, one after the other, as a phone on a slow
// network gets them: without comments and spaces.
func style(assets string, parts []string) ([]byte, error) {
	var imports strings.Builder
	for _, name := range parts {
		fmt.Fprintf(&imports, "@import %q;\n", "./"+name)
	}
	out, err := build(api.BuildOptions{
		AbsWorkingDir:    assets,
		Stdin:            &api.StdinOptions{Contents: imports.String(), ResolveDir: assets, Loader: api.LoaderCSS},
		Engines:          floor,
		MinifyWhitespace: true, MinifySyntax: true,
	})
	if err != nil {
		return nil, err
	}
	return shorten(out)
}

// property finds the properties that a style sheet has of its own.
var property = regexp.MustCompile(`--[a-z][a-z0-9-]*`)

// length finds where one is set to so many pixels, which is for the whole sheet, and
// lengthOf where it is used.
var (
	length   = regexp.MustCompile(`(--[a-z][a-z0-9-]*): ?(\d+px)\b;?`)
	lengthOf = regexp.MustCompile(`var\((--[a-z][a-z0-9-]*)\)`)
)

// shorten gives each of them a name of one letter or two, and puts lengths in the place
// of theirs. No script and no page knows them by name.
func shorten(sheet []byte) ([]byte, error) {
	lengths := make(map[string][]byte)
	for _, set := range length.FindAllSubmatch(sheet, -1) {
		if lengths[string(set[1])] != nil {
			return nil, fmt.Errorf("%s is set twice", set[1])
		}
		lengths[string(set[1])] = set[2]
	}
	sheet = lengthOf.ReplaceAllFunc(length.ReplaceAll(sheet, nil), func(found []byte) []byte {
		if px := lengths[string(lengthOf.FindSubmatch(found)[1])]; px != nil {
			return px
		}
		return found
	})
	short := make(map[string]string)
	sheet = property.ReplaceAllFunc(sheet, func(found []byte) []byte {
		name := string(found)
		if short[name] == "" {
			n := len(short)
			short[name] = "--" + strings.Repeat("a", n/26) + string(rune('a'+n%26))
		}
		return []byte(short[name])
	})
	return sheet, nil
}

// bootstrap is the script that runs before all others.
const bootstrap = "boot.js"

func options(assets, entry string) api.BuildOptions {
	return api.BuildOptions{
		AbsWorkingDir:    assets,
		EntryPoints:      []string{entry},
		Format:           api.FormatIIFE,
		Engines:          floor,
		Supported:        supported,
		MinifyWhitespace: true, MinifySyntax: true, MinifyIdentifiers: true,
		LegalComments: api.LegalCommentsNone,
		Footer:        map[string]string{"js": "/* " + licences + " */"},
		Plugins:       []api.Plugin{replace, quiet},
		Inject:        []string{"replacements"},
		// Chrome has globalThis since 71.
		Define: map[string]string{"globalThis": "self"},
	}
}

// replace gives esbuild the replacements under a name, for they are no asset.
var replace = api.Plugin{Name: "replacements", Setup: func(b api.PluginBuild) {
	b.OnResolve(api.OnResolveOptions{Filter: "^replacements$"}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
		return api.OnResolveResult{Path: "replacements", Namespace: "bundle"}, nil
	})
	b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "bundle"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
		return api.OnLoadResult{Contents: &replacements}, nil
	})
}}

// licences is the file with the notices that the library's licence asks for. It is
// served beside the scripts, which name it, so that none of them carries it.
const licences = "licences.txt"

// notice finds the notices at the head of what comes from npm.
var notice = regexp.MustCompile(`(?s)/\*!\n(.*?)\n\*/`)

func readLicences(assets string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(assets, library))
	if err != nil {
		return nil, err
	}
	found := notice.FindSubmatch(b)
	if found == nil {
		return nil, fmt.Errorf("noble.js has no notice")
	}
	return append(found[1], '\n'), nil
}

// quiet leaves out what an error says that is not for members: they are told by the
// page's own words, and whoever looks for a fault runs the modules.
var quiet = api.Plugin{Name: "quiet", Setup: func(b api.PluginBuild) {
	b.OnLoad(api.OnLoadOptions{Filter: `\.js$`, Namespace: "file"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		source, err := os.ReadFile(a.Path)
		if err != nil {
			return api.OnLoadResult{}, err
		}
		text, loader := string(source), api.LoaderJS
		if filepath.Base(a.Path) == library {
			if text, err = cut(text); err != nil {
				return api.OnLoadResult{}, err
			}
			// By the rules of TypeScript, in which the library is written, a field is
			// set by the constructor, and not defined before: that takes a call for each.
			loader = api.LoaderTS
		}
		out := said.ReplaceAllString(text, "$1()")
		out = thrown.ReplaceAllString(out, "throw new $1();")
		return api.OnLoadResult{Contents: &out, ResolveDir: filepath.Dir(a.Path), Loader: loader}, nil
	})
}}

// said finds errors with one fixed text and nothing else.
var said = regexp.MustCompile(`\b(new (?:\w*Error|Again|BadAnswer|(?:ballot\.)?Mismatch)|super)\((?:"[^"\n]*"|'[^'\n]*')\)`)

// thrown finds the same with texts that are put together, each in a statement of one
// line. Most are the library's.
var thrown = regexp.MustCompile(`(?m)\bthrow new (\w*Error)\(.*\);$`)

// library is what noble.go makes.
const library = "noble.js"

// build runs esbuild for one output that depends on nothing but the sources:
// not on the environment, a tsconfig.json above, or the terminal.
func build(o api.BuildOptions) ([]byte, error) {
	o.Bundle = true
	o.Write = false
	o.Sourcemap = api.SourceMapNone
	o.Charset = api.CharsetASCII
	o.TsconfigRaw = `{"compilerOptions":{"useDefineForClassFields":false}}`
	o.TreeShaking = api.TreeShakingTrue
	o.LogLevel = api.LogLevelSilent
	o.Outfile = filepath.Join(o.AbsWorkingDir, "out.js")
	if o.Platform == api.PlatformDefault {
		o.Platform = api.PlatformBrowser
	}
	result := api.Build(o)
	var errs []error
	// A warning is a thing to look at before it runs in a voter's browser.
	for _, m := range append(result.Errors, result.Warnings...) {
		where := ""
		if m.Location != nil {
			where = fmt.Sprintf("%s:%d: ", m.Location.File, m.Location.Line)
		}
		errs = append(errs, errors.New(where+m.Text))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if len(result.OutputFiles) != 1 {
		return nil, fmt.Errorf("%d output files instead of one", len(result.OutputFiles))
	}
	return result.OutputFiles[0].Contents, nil
}
