package browser_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

// everything collects whatever a page keeps and shows, apart from scripts and words
// that are the same for everybody.
const everything = `(async () => {
  const out = {};
  const dom = document.documentElement.cloneNode(true);
  dom.querySelectorAll("script, style").forEach(e => e.remove());
  out.dom = dom.outerHTML;
  out.fields = JSON.stringify([...document.querySelectorAll("input, textarea")].map(e => [e.value, e.checked]));
  out.text = document.body.innerText;
  out.title = document.title;
  out.address = location.href;
  out.state = JSON.stringify(history.state);
  out.tab = JSON.stringify({...sessionStorage});
  out.device = JSON.stringify({...localStorage});
  out.cookies = document.cookie;
  out.caches = JSON.stringify(typeof caches === "undefined" ? [] : await caches.keys());
  return out;
})()`

// traces returns every place in which one of the words stands, in any case.
func (p *Page) traces(words ...string) (list []string) {
	p.t.Helper()
	places := evaluate[map[string]string](p, everything)
	history := call(p, page.GetNavigationHistory, cdp.Empty{})
	for _, e := range history.Entries {
		places["history"] += e.URL + " " + e.Title + "\n"
	}
	for place, text := range places {
		for _, w := range words {
			if strings.Contains(strings.ToLower(text), strings.ToLower(w)) {
				list = append(list, place+": "+w)
			}
		}
	}
	slices.Sort(list)
	return list
}

// A record is one that the browser keeps in its database.
type kept struct {
	Key, Sealed string // hexadecimal where it is bytes
	Other       string // what else is in it
}

// memory returns all that the browser keeps in databases for the page's origin.
func (p *Page) memory() []kept {
	p.t.Helper()
	return evaluate[[]kept](p, `(async () => {
	  const done = r => new Promise((ok, no) => { r.onsuccess = () => ok(r.result); r.onerror = () => no(r.error); });
	  const hex = b => Array.from(b, x => x.toString(16).padStart(2, "0")).join("");
	  const out = [];
	  for (const {name} of await indexedDB.databases()) {
	    const db = await done(indexedDB.open(name));
	    for (const s of db.objectStoreNames) {
	      const store = db.transaction(s).objectStore(s);
	      const [keys, values] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
	      keys.forEach((k, i) => {
	        const {sealed, ...other} = values[i];
	        out.push({Key: String(k), Sealed: sealed ? hex(sealed) : "", Other: JSON.stringify(other)});
	      });
	    }
	    db.close();
	  }
	  return out;
	})()`)
}

// unsealed reads a record as somebody could who has the link (SPEC.md section 12).
func unsealed(t *testing.T, k kept, l letter) map[string]any {
	t.Helper()
	_, tok, _, mid, err := token.ParseLink(l.link)
	if err != nil {
		t.Fatal(err)
	}
	secret := tok[:]
	name := suite.H("voter-browser", secret)
	if k.Key != hex.EncodeToString(name[:16]) {
		t.Fatalf("the record has another key than the link's")
	}
	key, err := hkdf.Key(sha512.New, secret, mid[:], "strikevote/v1/voter-state", 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	sealed := unhex(t, k.Sealed)
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(k.Key))
	if err != nil {
		t.Fatal(err)
	}
	state := make(map[string]any)
	d := json.NewDecoder(bytes.NewReader(plain))
	if err := d.Decode(&state); err != nil {
		t.Fatal(err)
	}
	return state
}

// choiceNowhere looks for the choice in all places after casting, and finds it in
// none, nor the secret that would show it. The same search finds it before.
func choiceNowhere(t *testing.T, s *stand) {
	p, l := open(t, sharedChromium(t)), s.letter(t)
	_, tok, _, _, err := token.ParseLink(l.link)
	if err != nil {
		t.Fatal(err)
	}
	secret := tok.Base64()
	p.toCheck(l, "Abstain")
	if got := p.traces("abstain"); !slices.Contains(got, "dom: abstain") {
		t.Errorf("the search is blind: before casting it finds %q", got)
	}
	if got := p.traces(secret); slices.ContainsFunc(got, func(s string) bool { return !strings.HasPrefix(s, "tab: ") }) {
		t.Errorf("the link stands in places other than the tab's memory: %q", strings.ReplaceAll(strings.Join(got, " "), secret, "…"))
	}
	lost := p.atRequest(toCast, -1, func(x *exchange) { x.lose() })
	p.press("Cast my ballot")
	<-lost
	records := p.memory()
	if len(records) != 1 {
		t.Fatalf("the device keeps %d records of a ballot under way", len(records))
	}
	before := unsealed(t, records[0], l)
	if before["choices"] == nil || before["secret"] == nil {
		t.Errorf("the search is blind: a ballot under way is kept without its choice")
	}
	opening, _ := before["secret"].(string)
	p.leave()
	p.press("Try now")
	p.await("done")
	tracker := s.done(p)
	p.nothingLeft(t, l, "after casting", opening)
	p.reload()
	p.await("done", "voted")
	p.nothingLeft(t, l, "after loading again", opening)
	if len(p.traces(tracker)) == 0 {
		t.Error("the search is blind: the tracker is not found")
	}
	// From another page: where only what is behind the # is another, the page that is
	// left loads itself again, at a moment that nobody knows.
	p.visit("about:blank")
	p.visit(l.link)
	p.await("voted", "done")
	p.nothingLeft(t, l, "when the link is opened again", opening)
}

// sleptThrough chooses an answer in one tab and casts it from another, while the first
// cannot hear of it: what was chosen is gone as soon as somebody comes back to it.
func sleptThrough(t *testing.T, s *stand) {
	b, l := sharedChromium(t), s.letter(t)
	p := open(t, b)
	p.toCheck(l, "Abstain")
	p.visit("about:blank")
	other := p.tab()
	other.toCheck(l, "Abstain")
	other.press("Cast my ballot")
	other.await("done")
	s.done(other)
	p.visit(l.link)
	p.await("voted")
	if got := p.traces("abstain", "choices"); len(got) > 0 {
		t.Errorf("in the tab that slept the choice stands in %q", got)
	}

	// And where it was cast from another device.
	p, l = open(t, b), s.letter(t)
	p.toCheck(l, "Abstain")
	other = open(t, b)
	other.toCheck(l, "Abstain")
	other.press("Cast my ballot")
	other.await("done")
	s.done(other)
	p.reload()
	p.await("elsewhere")
	if got := p.traces("abstain", "choices"); len(got) > 0 {
		t.Errorf("on the device that did not cast it the choice stands in %q", got)
	}
}

func (p *Page) nothingLeft(t *testing.T, l letter, when, opening string) {
	t.Helper()
	if got := p.traces("abstain", opening); len(got) > 0 {
		t.Errorf("%s the choice stands in %q", when, got)
	}
	for _, k := range p.memory() {
		after := unsealed(t, k, l)
		if after["choices"] != nil || after["secret"] != nil || after["typed"] != "" {
			t.Errorf("%s the device keeps choices or secret", when)
		}
	}
}
