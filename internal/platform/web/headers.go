package web

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// apiPolicy is for answers that are not pages: a browser that is led to show
// one does nothing with it.
const apiPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Policy returns the Content-Security-Policy of pages: everything from their
// own origin, requests also to the named ones, and no string that becomes code.
func Policy(connect ...string) string {
	return pagePolicy("'self'", "'self'", "'self'", "'self'", connect)
}

// Inline returns what makes the Content-Security-Policy of a page that is one file:
// the very scripts and styles whose texts it is given, which stand inside the page,
// and nothing else that could be loaded. A form is sent nowhere, since a script that
// failed would let it put into an address what was typed.
func Inline(scripts, styles [][]byte) func(connect ...string) string {
	script, style := sources(scripts), sources(styles)
	return func(connect ...string) string { return pagePolicy(script, style, "'none'", "'none'", connect) }
}

func sources(texts [][]byte) string {
	if len(texts) == 0 {
		return "'none'"
	}
	var list []string
	for _, text := range texts {
		sum := sha256.Sum256(text)
		list = append(list, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	return strings.Join(list, " ")
}

func pagePolicy(script, style, img, form string, connect []string) string {
	return "default-src 'none'; script-src " + script + "; style-src " + style + "; img-src " + img + "; " +
		"connect-src " + strings.Join(append([]string{"'self'"}, connect...), " ") + "; " +
		"form-action " + form + "; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'"
}

// headers sets what every answer carries. A handler may set another
// Cache-Control for what never changes.
func headers(policy string) func(http.Handler) http.Handler {
	fixed := map[string]string{
		"Content-Security-Policy": policy,
		// Scripts alone: Chromium says on every page that it knows nothing else. A style
		// runs nothing, and the ones of pages have their hashes beside their addresses.
		"Integrity-Policy": "blocked-destinations=(script)",
		// Not no-referrer: with that a form sends Origin: null, which
		// http.CrossOriginProtection refuses.
		"Referrer-Policy":              "same-origin",
		"X-Content-Type-Options":       "nosniff",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cross-Origin-Embedder-Policy": "require-corp",
		"Cache-Control":                "no-store",
		"Permissions-Policy": "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), " +
			"gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			for name, value := range fixed {
				h.Set(name, value)
			}
			// Over plain HTTP browsers ignore it, and somebody on the way could
			// have written it.
			if secure(r) {
				h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload")
			}
			next.ServeHTTP(w, r)
		})
	}
}

// exposed lists the headers of an answer that a page of another origin may read
// beside the few that browsers let it: a voter's page waits as long as it is told,
// and finds out that the device's clock is wrong.
const exposed = "Date, Retry-After"

// CORS lets pages of the listed origins, or of any if the list is "*", use a
// service without cookies. A browser's request from elsewhere is refused if it
// could change something. Requests without an Origin are programs'; they pass,
// since CORS protects people from pages and not servers from people.
func CORS(origins ...string) func(http.Handler) http.Handler {
	everyone := slices.Contains(origins, "*")
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			origin := r.Header.Get("Origin")
			if !everyone {
				h.Add("Vary", "Origin")
			}
			preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
			switch {
			case everyone:
				h.Set("Access-Control-Allow-Origin", "*")
				h.Set("Access-Control-Expose-Headers", exposed)
				// Any page may show what everybody may read.
				h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			case origin == "":
			case slices.Contains(origins, origin):
				h.Set("Access-Control-Allow-Origin", origin)
				h.Set("Access-Control-Expose-Headers", exposed)
			case preflight || r.Method != http.MethodGet && r.Method != http.MethodHead:
				errOrigin.write(w)
				return
			}
			if preflight {
				h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
				h.Set("Access-Control-Allow-Headers", "Content-Type")
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// SameOrigin refuses what another site's page sends in a person's name. It is
// for origins with cookies and forms. GET always passes, so GET must never
// change anything.
func SameOrigin(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { errOrigin.write(w) }))
	return p.Handler(next)
}
