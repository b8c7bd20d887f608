package committee_test

import (
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"strikevote/internal/ceremony"
	"strikevote/internal/platform/web/webtest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/group"
)

// FuzzHTTP sends requests to the console of two elections: with X-Sealed to one whose
// committee signs acts and slips, and else to one whose tellers make the key. WORD
// is the first teller's enrollment.
func FuzzHTTP(f *testing.F) {
	draft, sealed := newWorld(f, 2, 2), newSealed(f)
	sealed.propose(1, act.KindExtend, act.Extend{Close: electiontest.Close + 60})
	sealed.proposeSlips(1, places)
	both := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Sealed") != "" {
			sealed.handler.ServeHTTP(w, r)
			return
		}
		draft.handler.ServeHTTP(w, r)
	})
	key := hex.EncodeToString(group.BaseMul(group.RandomScalar()).Bytes())
	var seeds []webtest.Request
	for _, path := range []string{"ceremony", "manifest", "certificate", "declaration", "agenda", "acts", "slips"} {
		for _, header := range []string{"", "X-Sealed: 1"} {
			seeds = append(seeds, webtest.Request{Method: "GET", Target: "/v1/ELECTION/" + path, Header: header})
		}
	}
	for _, round := range []ceremony.Round{ceremony.RoundKey, ceremony.RoundMessage, ceremony.RoundSignature, ceremony.RoundDrill, ceremony.RoundShares, ceremony.RoundStatement} {
		seeds = append(seeds, webtest.Request{Method: "POST", Target: "/v1/ELECTION/tellers/1/" + string(round),
			Body: `{"session":1,"enrollment":"WORD","body":"` + key + `"}`})
	}
	for _, paper := range []string{"manifest", "certificate", "declaration", "acts/1", "slips/1"} {
		seeds = append(seeds, webtest.Request{Method: "POST", Target: "/v1/ELECTION/" + paper + "/signatures", Header: "X-Sealed: 1",
			Body: `{"member":0,"key":0,"signature":"` + strings.Repeat("00", 64) + `"}`})
	}
	extend := act.Act{Kind: act.KindExtend, Sequence: 1, Payload: act.Extend{Close: electiontest.Close + 60}.Bytes()}
	sig := signature(f, 0, act.SignEd25519(sealed.keys.Committee[0], sealed.mid, extend.Kind, extend.Sequence, extend.Payload))
	seeds = append(seeds, webtest.Request{Method: "POST", Target: "/v1/ELECTION/acts/1/signatures", Header: "X-Sealed: 1", Body: string(sig)})
	webtest.Service{Handler: both, Words: strings.NewReplacer("ELECTION", draft.id().String(), "WORD", draft.words[0])}.Fuzz(f, seeds...)
}
