package ballotbox_test

import (
	"strings"
	"testing"

	"strikevote/internal/platform/web/webtest"
	"strikevote/internal/protocol/act"
)

// FuzzHTTP sends requests to an open box. BALLOT is a sealed ballot that it takes,
// BODY the part of it that /check reads, ACT and END proofs of the ledger.
func FuzzHTTP(f *testing.F) {
	w := newWorld(f)
	m := w.ballot(1)
	proven := w.proven(w.keys.Act(w.mid, act.KindCancel, 1, nil))
	end := w.proof(nil)
	post := func(path, kind, body string) webtest.Request {
		return webtest.Request{Method: "POST", Target: "/v1/ELECTION" + path, Header: "Content-Type: " + kind, Body: body}
	}
	webtest.Service{Handler: w.box.Handler(), Words: strings.NewReplacer("ELECTION", w.m.ElectionID.String(), "BALLOT", string(m.sealed),
		"BODY", string(m.sealed[:len(m.sealed)-384]), "TRACKER", m.id.String(), "ACT", string(proven), "END", string(end))}.Fuzz(f,
		post("/ballots", octets, "BALLOT"),
		post("/ballots", octets, string(m.sealed)),
		post("/check", octets, "BODY"),
		post("/find", "application/json", `{"ballot_id":"TRACKER"}`),
		post("/acts", octets, string(proven)),
		post("/acts", octets, "ACT"),
		post("/lock", "text/plain", "END"),
		post("/lock", "text/plain", string(end)),
		webtest.Request{Method: "OPTIONS", Target: "/v1/ELECTION/ballots", Header: "Origin: https://booth.example\r\nAccess-Control-Request-Method: POST"},
	)
}
