package signer_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/signer"
)

func TestDial(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0a", 16)
	for address, base := range map[string]string{
		"https://console.example/v1/" + id:      "https://console.example/v1/" + id,
		" http://127.0.0.1:8080/v1/" + id + "/": "http://127.0.0.1:8080/v1/" + id,
	} {
		if c, err := signer.Dial(address); err != nil || c.Base() != base {
			t.Errorf("%s: got %v, %v", address, c, err)
		}
	}
	for _, address := range []string{
		"", "console.example/v1/" + id, "ftp://a/v1/" + id, "https:///v1/" + id, "https://a/v1/" + id[1:], "https://a/v1/" + id + "?x=1",
		"https://a/v1/" + id + "#x", "https://me:word@a/v1/" + id, "https://a/v2/" + id, "https://a/v1/" + id + "/acts", "https://a/v1/" + strings.ToUpper(id),
	} {
		if _, err := signer.Dial(address); err == nil {
			t.Errorf("%q was accepted", address)
		}
	}
}

// TestManifest shows a manifest and seals it with two members' signatures.
func TestManifest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(m *election.Manifest) {
		m.Statement[0], m.Schedule.Grace = "Why we vote.", 120
		m.Factor = &election.Factor{Label: make([]string, len(m.Languages))}
		for i := range m.Languages {
			m.Factor.Label[i] = "Your year of birth"
		}
	})
	if _, a := w.read(); len(a.Items) != 0 || a.Manifest != nil || a.Phase != "draft" {
		t.Errorf("got %+v", a)
	}
	b, err := w.m.Encode()
	w.must(err)
	w.propose(b)
	g := w.m.Groups[1]
	w.says("manifest",
		"DEMO", w.m.Title[0], w.m.Questions[0].Text[0], w.m.Questions[0].Options[2].Text[0], "counted as neutral",
		fmt.Sprintf("2, %s (%s): %d members", g.Name, g.Name, g.RollSize), g.RollRoot.String(), "in all 70 members",
		"more than 1/2 of the yes and no votes", "any 2 of 3 open", "Teller 3", "Member 4", "any 2 sign",
		// 1,900,000,000 is 17 March 2030, 17:46:40 UTC.
		"Sunday 17 March 2030, 10:46:40 PDT (2030-03-17 17:46:40 UTC)", "(2030-03-18 17:46:40 UTC)", "(2030-03-19 17:46:40 UTC)",
		election.SixWords(w.mid), w.mid.String(), w.m.Origins.Booth)
	w.everything()
	c, i := w.item("manifest")
	if !bytes.Equal(i.Message, election.SealMessage(w.mid)) || i.Waits() != true {
		t.Errorf("got %+v", i)
	}
	if err := c.Sign(t.Context(), i, w.keys[1], "Member 1"); !strings.Contains(err.Error(), "not of \"Member 1\"") {
		t.Errorf("got %v", err)
	}
	stranger := new(signer.NotMemberError)
	if err := c.Sign(t.Context(), i, strange(t), ""); !errors.As(err, &stranger) {
		t.Errorf("got %v", err)
	}
	w.must(c.Sign(t.Context(), i, w.keys[1], "Member 2"))
	w.must(c.Sign(t.Context(), i, w.keys[1], "1")) // again, and by number
	if _, i = w.item("manifest"); !i.Waits() || fmt.Sprint(i.Signers()) != "[Member 2]" {
		t.Errorf("got %+v", i)
	}
	w.sign("manifest", 3)
	if _, i = w.item("manifest"); i.State != agenda.Signed {
		t.Errorf("got %+v", i)
	}
	if _, err := c.Read(t.Context(), &suite.MID{1}, zone); err == nil || !strings.Contains(err.Error(), "another election") {
		t.Errorf("got %v", err)
	}
	if _, err := c.Read(t.Context(), &w.mid, zone); err != nil {
		t.Error(err)
	}
}

// TestDeclaration shows the roll's declaration and signs it.
func TestDeclaration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := &agenda.Declaration{
		ElectionID: w.m.ElectionID, Second: agenda.SecondList{Name: "Dues of March", SHA256: suite.Hash{0xab}, Rows: 71},
		Compared: agenda.Compared{Campus: true}, Differences: agenda.Differences{OnlySecond: 1, Campus: 2}, Explanation: "One member has retired.", DeclaredAt: electiontest.Open,
	}
	for _, g := range w.m.Groups {
		d.Groups = append(d.Groups, agenda.DeclaredGroup{ID: g.ID, Name: g.Name, Size: g.RollSize, Root: g.RollRoot})
	}
	b, err := d.Encode()
	w.must(err)
	w.must(w.service.ProposeDeclaration(t.Context(), w.m.ElectionID, b, "Olga"))
	w.says("declaration", "Dues of March, 71 rows, SHA-256 ab00", "1 only on the second list", "in another group: NOT COMPARED",
		"  2 at another campus", "at another worksite: NOT COMPARED", "One member has retired.", "30 members", d.Groups[1].Root.String())
	w.sign("declaration", 0, 2)
	if got, _, err := w.service.Declaration(t.Context(), w.m.ElectionID); err != nil || !bytes.Equal(got, b) {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestActs shows every kind of act, on the election as the acts before leave it.
func TestActs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seal(election.PhaseOpen, "")
	path, public := newKey(t)
	mariana, err := signer.Open(path, pass)
	w.must(err)
	id := suite.BallotID{7}
	w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 900})
	w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 1800})
	w.act(act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close})
	w.act(act.KindAmend, act.Amend{Op: act.OpAdd, Group: 1, Hash: suite.Hash{0xcd}})
	w.act(act.KindAmend, act.Amend{Op: act.OpStrike, Group: 2, Hash: suite.Hash{0xef}})
	w.act(act.KindDecide, act.Decide{Group: 1, AcceptedOff: 1, RejectedOn: 2, Accepted: []suite.BallotID{id}})
	w.act(act.KindClientBundle, act.ClientBundle{SHA256: suite.Hash{0x12}, URL: "https://board.example/client.zip"})
	w.act(act.KindReplace, act.Replace{Member: 2, Kind: election.KindEd25519, Key: public, Name: "Mariana"})
	w.act(act.KindCancel, act.Cancel{})
	w.says("act:1", "voting would close", "(2030-03-18 18:01:40 UTC)", "instead of Monday 18 March 2030, 10:46:40 PDT")
	w.says("act:2", "(2030-03-18 18:16:40 UTC)", "instead of Monday 18 March 2030, 11:01:40 PDT")
	w.says("act:3", "CLOSE EARLY", "No member is told of the new one by mail", "strikevote mail send moved", "strikevote mail status", "instead of Monday 18 March 2030, 11:16:40 PDT")
	w.says("act:4", "ADD", "group Unit 1", suite.Hash{0xcd}.String(), "the list that strikevote election acts prints, by a separate way")
	w.says("act:5", "STRIKE", "group Unit 2", suite.Hash{0xef}.String(), "the list that strikevote election acts prints, by a separate way")
	w.says("act:6", "accepted: 0 of people on the roll, 1 of people off it", "rejected: 2 of people on", receipt.Tracker(id),
		"rejected ones are only counted", "strikevote election acts")
	w.says("act:7", "another ballot page", "https://board.example/client.zip", suite.Hash{0x12}.String(), "None was named before", "strikevote version -assets")
	w.says("act:8", "Member 3 (number 2) would sign nothing", "Mariana", fmt.Sprintf("%x", []byte(public)))
	w.says("act:9", "CANCEL", "for ever")

	c, i := w.item("act:8")
	wantMessage(t, "who is to be replaced", c.Sign(t.Context(), i, w.keys[2], ""), "to be replaced")
	wantMessage(t, "who is to come", c.Sign(t.Context(), i, mariana, ""), "none of the committee's")
	c, i = w.item("act:9")
	wantMessage(t, "who is replaced by then", c.Sign(t.Context(), i, w.keys[2], ""), "none of the committee's")
	w.must(c.Sign(t.Context(), i, mariana, "Mariana"))

	w.sign("act:1", 0, 3)
	w.apply()
	if _, i := w.item("act:1"); i.State != agenda.Applied {
		t.Errorf("got %+v", i)
	}
	_, err = w.service.WithdrawAct(t.Context(), w.m.ElectionID, 4, "Olga")
	w.must(err)
	c, i = w.item("act:4")
	wantMessage(t, "a withdrawn one", c.Sign(t.Context(), i, w.keys[0], ""), "withdrawn")
	// Another takes its number; what was looked at is not signed for it.
	before := i.Fingerprint()
	w.act(act.KindAmend, act.Amend{Op: act.OpAdd, Group: 1, Hash: suite.Hash{0xcc}})
	_, a := w.read()
	var open []*signer.Item
	for _, i := range a.Items {
		if i.Matches("act:4") && i.Waits() {
			open = append(open, i)
		}
	}
	if len(open) != 1 || open[0].Fingerprint() == before || open[0].Matches("act:4@"+before) ||
		!open[0].Matches("act:4@"+open[0].Fingerprint()) || !open[0].Matches("act") || open[0].Matches("act:3") {
		t.Errorf("got %+v", open)
	}
	wantMessage(t, "a signature over the one before", c.Sign(t.Context(), i, w.keys[0], ""), "not one of this member's key")
}

// TestSlips shows a permission to print.
func TestSlips(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seal(election.PhaseOpen, "")
	places := []agenda.Place{{Group: 1, Index: 3}}
	_, err := w.service.ProposeSlips(t.Context(), w.m.ElectionID, places, "No address.", "Olga")
	w.must(err)
	w.says("slips:1", "1 sealed slips", "No address.", agenda.Places(places).String())
	w.sign("slips:1", 0, 1)
	if _, err := w.service.SlipsApproved(t.Context(), w.m.ElectionID, 1, places); err != nil {
		t.Error(err)
	}
}

// everything demands that all that a person can judge is shown.
func (w *world) everything() {
	w.t.Helper()
	m := w.m
	s := []string{
		m.Statement[0], "Witnesses: " + fmt.Sprint(len(m.Witnesses.Keys)), fmt.Sprintf("of whom %d must sign", m.Witnesses.Threshold),
		"Smallest count: ", m.Help.Email, m.Help.Phone, m.Separation.Operators[0], "on one machine", m.Origins.Board,
		"Grace: ", "for 2 minutes after it", "Envelopes are decided until ", "(" + time.Unix(m.Schedule.DecideUntil, 0).UTC().Format("2006-01-02 15:04:05") + " UTC)",
		"Second question that members are asked", "six words of their ceremony: " + election.SixWords(suite.MID(m.Tellers.Certificate)),
		fmt.Sprintf("at least %d at a time", m.Groups[0].BatchMin), "check digits of the roll",
	}
	for _, k := range m.Witnesses.Keys {
		name, _, _ := strings.Cut(k, "+")
		s = append(s, "  "+name+"\n")
	}
	s = append(s, m.Factor.Label...)
	w.says("manifest", s...)
	c, err := signer.Dial(w.url)
	w.must(err)
	a, err := c.Read(w.t.Context(), nil, time.UTC)
	w.must(err)
	if words := a.Items[0].Words; !strings.Contains(words, "Sunday 17 March 2030, 17:46:40 UTC\n") || strings.Contains(words, " UTC)") {
		w.t.Errorf("in UTC a moment is said twice:\n%s", words)
	}
}

// TestLyingConsole lets the console lie in every answer. The program refuses, or
// what it signs is what it shows.
func TestLyingConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seal(election.PhaseOpen, "")
	w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 900})
	edit := func(path string, f func(string) string) func(string, []byte) []byte {
		return func(p string, b []byte) []byte {
			if p != path {
				return b
			}
			return []byte(f(string(b)))
		}
	}
	swap := func(from, to string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, from) {
				t.Errorf("%q is not in %s", from, s)
			}
			return strings.Replace(s, from, to, 1)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(string, []byte) []byte
		want   string
	}{
		{"manifest of another election", edit("/manifest", swap(w.m.ElectionID.String(), strings.Repeat("0", 32))), "another election"},
		{"a broken manifest", edit("/manifest", swap(`"demo":true`, `"demo":0`)), "must not be signed"},
		{"a manifest that breaks a rule", edit("/manifest", swap(`"quorum":2`, `"quorum":9`)), "must not be signed"},
		{"another manifest", edit("/manifest", swap(`"phone":"555-0100"`, `"phone":"555-0199"`)), "another manifest"},
		{"acts of another", edit("/acts", swap(w.mid.String(), strings.Repeat("0", 64))), "another manifest"},
		{"a gap", edit("/acts", swap(`"sequence":1`, `"sequence":2`)), "makes no sense"},
		{"an act after the latest close", edit("/acts", swap(fmt.Sprintf("%016x", electiontest.Close+900), fmt.Sprintf("%016x", electiontest.LatestClose+1))), "makes no sense"},
		{"no payload", edit("/acts", swap(fmt.Sprintf("%016x", electiontest.Close+900), "")), "makes no sense"},
		{"no JSON", edit("/acts", func(string) string { return "<html>" }), "another version"},
		{"names that a terminal obeys", edit("/agenda", swap("Member 1", `a\u001b[2J`)), "makes no sense"},
	} {
		_, err := w.proxy(tt.change).Read(t.Context(), nil, zone)
		wantMessage(t, tt.name, err, tt.want)
	}
	// What only words it shows as such.
	a, err := w.proxy(edit("/agenda", swap(w.m.Title[0], `a\u001b[2J`))).Read(t.Context(), nil, zone)
	if err != nil || strings.Contains(a.Title, "\x1b") {
		t.Errorf("got %q, %v", a.Title, err)
	}
	// Another payload: it is shown, and what is signed is over it, so that the
	// console cannot use it for the one that was proposed.
	later := fmt.Sprintf("%016x", electiontest.Close+1800)
	c := w.proxy(edit("/acts", swap(fmt.Sprintf("%016x", electiontest.Close+900), later)))
	if a, err = c.Read(t.Context(), nil, zone); err != nil {
		t.Fatal(err)
	}
	i := a.Items[1]
	if !strings.Contains(i.Words, "18:16:40 UTC") || !bytes.Equal(i.Message, act.Message(w.mid, act.KindExtend, 1, suite.U64(electiontest.Close+1800))) {
		t.Errorf("got %+v", i)
	}
	wantMessage(t, "signed what was shown", c.Sign(t.Context(), i, w.keys[0], ""), "not one of this member's key")
}

// TestSignatureIsOverWhatIsShown checks what leaves the computer.
func TestSignatureIsOverWhatIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seal(election.PhaseOpen, "")
	w.act(act.KindCancel, act.Cancel{})
	_, i := w.item("act:1")
	var got election.MemberSignature
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		_, _ = rw.Write([]byte("{}")) // read or not
	}))
	defer server.Close()
	c, err := signer.Dial(server.URL + "/v1/" + w.m.ElectionID.String())
	w.must(err)
	w.must(c.Sign(t.Context(), i, w.keys[3], ""))
	if !strings.HasSuffix(path, "/acts/1/signatures") || got.Member != 3 || got.Key != 0 ||
		!ed25519.Verify(w.keys[3].Public(), act.Message(w.mid, act.KindCancel, 1, nil), got.Signature) {
		t.Errorf("got %s, %+v", path, got)
	}
}

// TestServiceSays passes on the service's sentence, and nothing that is none.
func TestServiceSays(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"error":"unknown","message":"There is no such election."}`: "There is no such election.",
		`{"error":"unknown","message":"\u001b[2J"}`:                  "the service answered 404 Not Found",
		`<html>`: "the service answered 404 Not Found",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(404)
			_, _ = rw.Write([]byte(body)) // read or not
		}))
		c, err := signer.Dial(server.URL + "/v1/" + strings.Repeat("0", 32))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(t.Context(), nil, zone); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		server.Close()
	}
}
