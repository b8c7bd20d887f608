package signer_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/signer"
)

// FuzzConsole changes one answer of the console into any other. What a member of the
// committee reads can be shown on a terminal, and what is signed belongs to the
// election that is shown.
func FuzzConsole(f *testing.F) {
	m, keys := electiontest.Manifest(f, func(p *electiontest.Plan) { p.Members = 4 })
	manifest, mid := electiontest.Encode(f, m)
	slips, err := (&agenda.Slips{MID: mid, Number: 1, Count: 2, Reason: "No address.", ProposedAt: electiontest.Open}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	extend := keys.Act(mid, act.KindExtend, 1, act.Extend{Close: electiontest.Close + 60}.Bytes())
	good := map[string][]byte{"/manifest": manifest}
	for path, v := range map[string]any{
		"/agenda": agenda.Overview{Title: m.Title[0], Phase: "open", Committee: m.Committee, Papers: []agenda.Paper{{Name: agenda.PaperManifest, State: agenda.Open, Signed: []int{0}}}},
		"/acts":   agenda.Acts{MID: mid, Acts: []agenda.Act{{Sequence: 1, Kind: extend.Kind, Payload: extend.Payload, State: agenda.Open, Signed: []int{}}}},
		"/slips":  agenda.AllSlips{Slips: []agenda.SlipsToSign{{Body: suite.Bytes(slips), State: agenda.Open, Signed: []int{1}}}},
	} {
		if good[path], err = json.Marshal(v); err != nil {
			f.Fatal(err)
		}
	}
	paths := []string{"/agenda", "/manifest", "/acts", "/slips", "/declaration", "/certificate"}
	for i, path := range paths {
		f.Add(i, 200, good[path])
		f.Add(i, 404, []byte("{\"error\":\"x\",\"message\":\"\\u001b[2Jgone\"}"))
		f.Add(i, 200, []byte(strings.Replace(string(good[path]), "open", "\u202eopen", 1)))
	}
	type answer struct {
		path   string
		status int
		body   []byte
	}
	var changed atomic.Pointer[answer]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/v1/"+m.ElectionID.String())
		switch c := changed.Load(); {
		case c.path == path:
			w.WriteHeader(c.status)
			_, _ = w.Write(c.body)
		case good[path] != nil:
			_, _ = w.Write(good[path])
		default:
			w.WriteHeader(http.StatusTooEarly)
		}
	}))
	f.Cleanup(server.Close)
	console, err := signer.Dial(server.URL + "/v1/" + m.ElectionID.String())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which, status int, body []byte) {
		if strings.Contains(string(body), "http") {
			return // it would name a record somewhere else, which is asked
		}
		changed.Store(&answer{paths[uint(which)%uint(len(paths))], 200 + int(uint(status)%400), body})
		a, err := console.Read(t.Context(), nil, time.UTC)
		if err != nil {
			if strings.ContainsFunc(err.Error(), hidden) {
				t.Errorf("the error is %q", err)
			}
			return
		}
		shown := a.Title + a.Phase
		for _, i := range a.Items {
			shown += i.Name + i.State + i.Reason + i.Words + strings.Join(i.Signers(), "")
			if i.Name == "manifest" && string(i.Message) != string(election.SealMessage(a.MID)) {
				t.Error("another manifest is signed than is shown")
			}
		}
		if strings.ContainsFunc(shown, hidden) {
			t.Errorf("shown is %q", shown)
		}
	})
}

// hidden reports whether a character can change what else is on a terminal.
func hidden(r rune) bool {
	return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}
