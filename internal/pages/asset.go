package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"

	"github.com/go-chi/chi/v5"

	"strikevote/templates"
)

// An asset is a file that pages are shown with, under a name that is its content's:
// a cache may keep it for ever, and a page is never shown with that of another
// version.
type asset struct {
	Link      string
	Integrity string
	kind      string
	policy    string // of a worker, which has one of its own
	body      []byte
}

// assets are those of the public pages.
type assets struct{ Style, Script, Box asset }

var hashed = assets{
	Style:  load("text/css; charset=utf-8", ".css", "assets/page.css", "assets/public.css"),
	Script: load("text/javascript; charset=utf-8", ".js", "assets/public.js"),
	Box:    load("text/javascript; charset=utf-8", ".js", "assets/dist/box.js"),
}

// load makes one asset of some files.
func load(kind, ext string, names ...string) asset {
	var parts [][]byte
	for _, name := range names {
		b, err := templates.Assets.ReadFile(name)
		if err != nil {
			panic("pages: " + err.Error())
		}
		parts = append(parts, b)
	}
	return makeAsset(kind, ext, bytes.Join(parts, []byte("\n")))
}

func makeAsset(kind, ext string, body []byte) asset {
	sum := sha256.Sum256(body)
	return asset{
		Link:      "/e/assets/" + hex.EncodeToString(sum[:16]) + ext,
		Integrity: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]),
		kind:      kind,
		body:      body,
	}
}

func (s *Site) getAsset(w http.ResponseWriter, r *http.Request) error {
	link := "/e/assets/" + chi.URLParam(r, "name")
	check := s.browser()
	if check != nil && link == check.Program {
		return check.serve(w, r)
	}
	for _, a := range append([]asset{hashed.Style, hashed.Script, hashed.Box, checkScript}, check.assets()...) {
		if a.Link != link {
			continue
		}
		if a.policy != "" {
			w.Header().Set("Content-Security-Policy", a.policy)
		}
		w.Header().Set("Content-Type", a.kind)
		w.Header().Set("Cache-Control", forever)
		_, _ = w.Write(a.body) // the reader went away
		return nil
	}
	return ErrNotFound
}
