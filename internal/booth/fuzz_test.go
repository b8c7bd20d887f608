package booth_test

import (
	"strings"
	"testing"

	"strikevote/internal/platform/web/webtest"
)

// FuzzHTTP asks for an election that there is, and for others.
func FuzzHTTP(f *testing.F) {
	webtest.Service{Handler: handler(nil), Answer: 1 << 20, Words: strings.NewReplacer("ELECTION", known.String())}.Fuzz(f,
		webtest.Request{Method: "GET", Target: "/v1/"},
		webtest.Request{Method: "GET", Target: "/v1/?lang=es", Header: "Accept-Encoding: gzip;q=0.5"},
		webtest.Request{Method: "GET", Target: "/v1/words/ko.json", Header: "Accept-Language: zh-Hant;q=0.7, *"},
		webtest.Request{Method: "HEAD", Target: "/v1/ELECTION"},
		webtest.Request{Method: "GET", Target: "/v1/ELECTION/manifest", Header: "Origin: https://verifier.example"},
	)
}
