package booth_test

import (
	"strings"
	"testing"

	"strikevote/internal/platform/web/webtest"
)

// FuzzHTTP asks for an election that there is, and for others.
func FuzzHTTP(f *testing.F) {
	webtest.Service{Handler: handler(nil), Words: strings.NewReplacer("ELECTION", known.String())}.Fuzz(f,
		webtest.Request{Method: "GET", Target: "/v1/"},
		webtest.Request{Method: "HEAD", Target: "/v1/ELECTION"},
		webtest.Request{Method: "GET", Target: "/v1/ELECTION/manifest", Header: "Origin: https://verifier.example"},
	)
}
