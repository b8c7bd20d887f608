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
	body := bytes.Join(parts, []byte("\n"))
	sum := sha256.Sum256(body)
	return asset{
		Link:      "/e/assets/" + hex.EncodeToString(sum[:16]) + ext,
		Integrity: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]),
		kind:      kind,
		body:      body,
	}
}

func getAsset(w http.ResponseWriter, r *http.Request) error {
	for _, a := range []asset{hashed.Style, hashed.Script, hashed.Box} {
		if a.Link != "/e/assets/"+chi.URLParam(r, "name") {
			continue
		}
		w.Header().Set("Content-Type", a.kind)
		w.Header().Set("Cache-Control", forever)
		_, _ = w.Write(a.body) // the reader went away
		return nil
	}
	return ErrNotFound
}
