package main

import (
	"errors"
	"fmt"
	"path/filepath"

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

// bundle returns an entry point with all it imports as one classic script. A
// classic script fails in one place, where a browser is too old for it, and a
// page can fix it by one hash.
func bundle(assets, entry string) ([]byte, error) {
	o := options(assets, entry)
	if entry == bootstrap {
		// It tells browsers of any age that they are too old, so it must not be
		// wrapped in what only a newer one reads.
		o.Engines, o.Supported, o.Inject, o.Target = nil, nil, nil, api.ES5
	}
	return build(o)
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
		LegalComments: api.LegalCommentsEndOfFile,
		Plugins:       []api.Plugin{replace},
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

// build runs esbuild for one output that depends on nothing but the sources:
// not on the environment, a tsconfig.json above, or the terminal.
func build(o api.BuildOptions) ([]byte, error) {
	o.Bundle = true
	o.Write = false
	o.Sourcemap = api.SourceMapNone
	o.Charset = api.CharsetASCII
	o.TsconfigRaw = "{}"
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
