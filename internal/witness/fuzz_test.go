package witness_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"strikevote/internal/platform/web/webtest"
)

// FuzzHTTP sends requests to a witness that logs push checkpoints to. PUSH is one
// that it may cosign.
func FuzzHTTP(f *testing.F) {
	p := newPusher(f)
	h := sha256.Sum256([]byte(p.m.Ballots.Origin))
	push := p.grow(p.tree(9), 0, 5)
	webtest.Service{Handler: p.handler, Plain: true, Words: strings.NewReplacer("PUSH", push, "ORIGIN", hex.EncodeToString(h[:]))}.Fuzz(f,
		webtest.Request{Method: "POST", Target: "/add-checkpoint", Body: "PUSH"},
		webtest.Request{Method: "POST", Target: "/add-checkpoint", Body: push},
		webtest.Request{Method: "POST", Target: "/add-checkpoint", Body: "old 9223372036854775807\n\nx\n9223372036854775807\n" + strings.Repeat("A", 43) + "=\n\n— x AAAA\n"},
		webtest.Request{Method: "GET", Target: "/ORIGIN/checkpoint"},
	)
}
