package ballotbox_test

import (
	"bytes"
	"strings"
	"testing"

	"strikevote/internal/ballotbox"
	"strikevote/internal/platform/web/webtest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/suite"
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

// FuzzPendingRow opens rows that somebody wrote into the table: none is opened that was
// not sealed under the pending key. Another process of the fuzzer seals the same ballot
// to another row.
func FuzzPendingRow(f *testing.F) {
	ballot := bytes.Repeat([]byte{7}, 900)
	row, open, err := ballotbox.PendingRows([32]byte{1}, suite.MID{2}, suite.BallotID{3}, ballot)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(row)
	f.Add(row[:24])
	f.Add(row[:23])
	f.Add(row[:len(row)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := open(b)
		if err == nil && !bytes.Equal(got, ballot) || err != nil && bytes.Equal(b, row) {
			t.Errorf("of %d bytes: %v, %v", len(b), got, err)
		}
	})
}
