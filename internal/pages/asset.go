package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"

	"github.com/go-chi/chi/v5"

	"strikevote/internal/platform/web"
	"strikevote/templates"
)

// An asset is a file that pages are shown with, under a name that is its content's:
// a cache may keep it for ever, and a page is never shown with that of another
// version.
type asset struct {
	Link      string
	Integrity string
	policy    string // of a worker, which has one of its own
	blob      *web.Blob
}

// assets are those of the public pages.
type assets struct{ Style, Script, Box asset }

var hashed = assets{
	Style:  load("text/css; charset=utf-8", ".css", "assets/dist/public.css"),
	Script: load("text/javascript; charset=utf-8", ".js", "assets/public.js"),
	Box:    load("text/javascript; charset=utf-8", ".js", "assets/dist/box.js"),
}

// licences are the notices that the library in a script asks for. The script names the
// file, as one beside it.
var licences = func() asset {
	a := load("text/plain; charset=utf-8", ".txt", "assets/dist/licences.txt")
	a.Link = "/e/assets/licences.txt"
	return a
}()

// load makes an asset of a file.
func load(kind, ext, name string) asset {
	b, err := templates.Assets.ReadFile(name)
	if err != nil {
		panic("pages: " + err.Error())
	}
	return makeAsset(kind, ext, b)
}

func makeAsset(kind, ext string, body []byte) asset {
	sum := sha256.Sum256(body)
	return asset{
		Link:      "/e/assets/" + hex.EncodeToString(sum[:16]) + ext,
		Integrity: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]),
		blob:      web.NewBlob(kind, body),
	}
}

func (s *Site) getAsset(w http.ResponseWriter, r *http.Request) error {
	link := "/e/assets/" + chi.URLParam(r, "name")
	check := s.browser()
	if check != nil && link == check.Program {
		return check.serve(w, r)
	}
	for _, a := range append([]asset{hashed.Style, hashed.Script, hashed.Box, checkScript, licences, recheckScript}, check.assets()...) {
		if a.Link != link {
			continue
		}
		if a.policy != "" {
			w.Header().Set("Content-Security-Policy", a.policy)
		}
		if a.Link != licences.Link { // whose name is not its content's
			w.Header().Set("Cache-Control", forever)
		}
		a.blob.Write(w, r)
		return nil
	}
	return ErrNotFound
}
