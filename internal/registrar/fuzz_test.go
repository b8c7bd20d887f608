package registrar_test

import (
	"encoding/json"
	"strings"
	"testing"

	"strikevote/internal/platform/web/webtest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
)

// FuzzHTTP sends requests to the registrar of an open election. TOKEN is a member's,
// CODE belongs to it, and ACT is one that could be applied.
func FuzzHTTP(f *testing.F) {
	w := newWorld(f, withFactor)
	w.at(electiontest.Open)
	s := registrar.NewService(nil, nil)
	s.Add(w.r)
	link, typed := w.link(1, 0, true)
	post := func(path, kind, body string) webtest.Request {
		return webtest.Request{Method: "POST", Target: "/v1/ELECTION" + path, Header: "Content-Type: " + kind, Body: body}
	}
	const kind = "application/json"
	factor, err := json.Marshal("answer " + electiontest.MemberNo(1, 0))
	if err != nil {
		f.Fatal(err)
	}
	extend := w.k.Act(w.mid, act.KindExtend, 1, act.Extend{Close: electiontest.Close + 60}.Bytes())
	webtest.Service{Handler: s.Handler(), Words: strings.NewReplacer("ELECTION", w.m.ElectionID.String(), "TOKEN", link.Base64(), "CODE", typed.Reveal(),
		"FACTOR", string(factor), "NUMBER", b64(request(f)), "ACT", string(extend.Bytes()))}.Fuzz(f,
		post("/status", kind, `{"token":"TOKEN","factor":FACTOR}`),
		post("/status", kind, `{"code":"CODE","factor":"wrong \u0000"}`),
		post("/issue", kind, `{"token":"TOKEN","factor":FACTOR,"z":"NUMBER"}`),
		post("/deposit", kind, `{"token":"TOKEN","factor":FACTOR,"ballot":"AAAA"}`),
		post("/resend", kind, `{"to":"canary\u00e9@mail.example"}`),
		post("/resend", kind, `{"to":"CANARY@m\u00fcnchen.\u4f8b\u3002example"}`),
		post("/report", kind, `{"token":"TOKEN","code":"CODE","happened":"a\u0000 CODE","phone":"+1","who":"M-1-0"}`),
		post("/report", "application/x-www-form-urlencoded", "happened=%E8%AA%9E+CODE&phone=%00&who=M-1-0"),
		post("/link", "application/x-www-form-urlencoded", "to=M-1-0"),
		webtest.Request{Method: "GET", Target: "/v1/ELECTION/link?lang=es", Header: "Accept-Language: ko"},
		post("/acts", "application/octet-stream", "ACT"),
		post("/acts", "application/octet-stream", string(extend.Bytes()[:40])),
	)
}
