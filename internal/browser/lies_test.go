package browser_test

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/chromedp/cdproto/fetch"
)

// flip changes a letter or digit near the end of a text, but not in its last signs:
// of the last sign of base64 not every bit counts.
func flip(b []byte) []byte {
	b = bytes.Clone(b)
	for i := len(b) - 10; i >= 0; i-- {
		switch c := b[i]; {
		case c >= '0' && c < '9', c >= 'a' && c < 'f':
			b[i]++
			return b
		case c == '9', c == 'f':
			b[i]--
			return b
		}
	}
	return b
}

// falseManifest shows a member another election than the one that the link names:
// the page stops before it asks anybody anything.
func falseManifest(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.atAnswer("/manifest", -1, func(x *exchange) {
		x.change(func(b []byte) []byte { return bytes.Replace(b, []byte("authorize"), []byte("authorise"), 1) })
	})
	p.visit(l.link)
	p.await("other-election")
	p.says("Stop. This is not the vote your link is for", "Nothing was sent", "check words")
	p.sentNothing(toStatus, toIssue, toCast)
}

// cutManifest answers with half of a manifest, with next to nothing, and with somebody's page, as
// a network that wants a log-in does. That is no other vote, and trying again helps.
func cutManifest(t *testing.T, s *stand) {
	for _, as := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:len(b)/2] },
		func(b []byte) []byte { return b[:1] },
		func([]byte) []byte { return []byte("<html><body>Welcome to our network</body></html>\n") },
	} {
		p, l := open(t, sharedChromium(t)), s.letter(t)
		p.atAnswer("/manifest", 1, func(x *exchange) { x.change(as) })
		p.visit(l.link)
		p.await("server")
		p.sentNothing(toStatus, toIssue, toCast)
		p.press("Try again")
		p.await("start")
		p.close()
	}
}

func (p *Page) sentNothing(paths ...string) {
	p.t.Helper()
	for _, path := range paths {
		if n := p.sent(path); n > 0 {
			p.t.Errorf("%d requests were sent to %s", n, path)
		}
	}
}

// falseCheckpoint shows a member an election that the witnesses did not confirm: no
// ballot is asked for.
func falseCheckpoint(t *testing.T, s *stand) {
	for name, change := range map[string]func(*exchange){
		"changed": func(x *exchange) { x.change(flip) },
		"missing": func(x *exchange) { x.give(404, []byte("{}")) },
		"empty":   func(x *exchange) { x.give(200, []byte("\n")) },
	} {
		p, l := open(t, sharedChromium(t)), s.letter(t)
		p.atAnswer("/checkpoint", -1, change)
		p.visit(l.link)
		p.await("start")
		p.press("Start")
		p.await("question")
		p.press("Yes")
		p.press("Continue")
		if p.await("not-witnessed", "server") == "not-witnessed" {
			p.says("We cannot confirm this vote yet", "Nothing was sent")
		} else {
			p.says("Nothing is lost")
		}
		p.sentNothing(toIssue, toCast)
		if s.issued(t, l) {
			t.Errorf("%s: a ballot was issued", name)
		}
		// An honest answer later is believed.
		p.leave()
		p.press("Try again")
		if p.await("check", "question") == "question" {
			p.chosen("Yes")
			p.press("Continue")
			p.await("check")
		}
	}
}

// falseSignature has the registrar answer with what is no credential: the page says
// so and casts nothing.
func falseSignature(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.toCheck(l, "Yes")
	met := p.atAnswer(toIssue, -1, func(x *exchange) { x.change(otherNumber) })
	p.press("Cast my ballot")
	<-met
	p.await("bad-signature")
	p.says("Your ballot was not cast", "The answer we got is not genuine", "Save the evidence")
	p.sentNothing(toCast)
	// An honest answer later finishes the same ballot.
	p.leave()
	p.visit("about:blank")
	p.visit(l.link)
	p.await("unfinished")
	p.press("Finish casting")
	p.await("done")
	s.done(p)
}

// otherNumber changes a digit in the middle of the answer.
func otherNumber(b []byte) []byte {
	b = bytes.Clone(b)
	at := len(b) / 2
	b[at] = map[bool]byte{true: 'A', false: 'B'}[b[at] == 'B']
	return b
}

// falsePromise has the box answer with a promise that is none.
func falsePromise(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	p.toCheck(l, "No")
	p.atAnswer(toCast, -1, func(x *exchange) { x.change(func(b []byte) []byte { return otherPromise(t, b) }) })
	p.press("Cast my ballot")
	p.await("bad-promise")
	p.says("We cannot confirm that your ballot arrived", "Save the evidence", p.tracker())
	p.leave()
	p.visit("about:blank")
	p.visit(l.link)
	if p.await("unfinished", "cast", "done") == "unfinished" {
		p.press("Finish casting")
	}
	p.await("done")
	s.done(p)
}

func otherPromise(t *testing.T, b []byte) []byte {
	name := []byte(`"promise":"`)
	at := bytes.Index(b, name)
	if at < 0 {
		t.Errorf("the box's answer holds no promise: %s", b)
		return b
	}
	b = bytes.Clone(b)
	at += len(name) + 5
	b[at] = map[bool]byte{true: '0', false: '1'}[b[at] == '1']
	return b
}

// falseWords has the registrar say what cannot be of this vote, or can be shown on no
// screen: the page says that something is wrong, rather than nothing.
func falseWords(t *testing.T, s *stand) {
	for name, change := range map[string]func(*exchange){
		"a question that there is none of": func(x *exchange) { x.give(403, []byte(`{"error":"factor_required","message":"x"}`)) },
		"a wrong answer to it":             func(x *exchange) { x.give(403, []byte(`{"error":"factor_wrong","message":"2 tries left"}`)) },
		"a rest until no time": func(x *exchange) {
			x.ev.ResponseHeaders = append(x.ev.ResponseHeaders, &fetch.HeaderEntry{Name: "Retry-After", Value: "99999999999999999999"})
			x.give(429, []byte(`{"error":"factor_locked","message":"x"}`))
		},
		"a close at no time": func(x *exchange) { x.change(atNoTime) },
	} {
		p, l := open(t, sharedChromium(t)), s.letter(t)
		p.visit(l.link)
		p.await("start")
		p.atAnswer(toStatus, -1, change)
		p.press("Start")
		t.Log(name)
		p.await("server")
		p.says("Nothing is lost")
		p.leave()
		p.press("Try again")
		p.await("question")
	}
}

var closeAt = regexp.MustCompile(`"close":[0-9]+`)

func atNoTime(b []byte) []byte { return closeAt.ReplaceAll(b, []byte(`"close":9007199254740991`)) }
