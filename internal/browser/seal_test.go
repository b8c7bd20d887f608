package browser_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"strikevote/internal/browser"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// sealer is a page that seals ballots on demand, with the modules of the voter's
// page.
const sealer = `<!doctype html><html lang="en"><title>Sealer</title><body><script type="module">
import * as ballot from "/assets/ballot.js";
import * as credential from "/assets/credential.js";
import { hex, unhex } from "/assets/suite.js";
window.sealing = [];
window.seal = async (v, choices, typed) => {
  const context = {mid: unhex(v.mid), group: v.group, key: unhex(v.key), options: v.options};
  const secret = ballot.newSecret(), start = performance.now();
  const sealed = await ballot.seal(context, secret, typed, choices);
  const blind = await credential.blind(unhex(v.issuer), credential.message(context.mid, v.group, sealed.id), sealed.okm);
  const took = performance.now() - start;
  return {body: hex(sealed.body), id: hex(sealed.id), z: hex(blind.z), took, ticket: window.sealing.push(blind) - 1,
    good: await ballot.check(context, sealed.body), again: String(await ballot.open(context, secret, typed, sealed.body))};
};
window.finish = async (ticket, answer) => hex(await window.sealing[ticket].finalize(unhex(answer)));
document.body.dataset.screen = "ready";
</script></body></html>`

// openSealer opens the page.
func openSealer(t *testing.T) *Page {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/assets/", http.StripPrefix("/assets/", http.FileServer(http.Dir("../../templates/assets"))))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(sealer))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p := open(t, sharedChromium(t))
	p.visit(server.URL)
	p.await("ready")
	return p
}

// A sealedBallot is one that was sealed in the browser, with its credential.
type sealedBallot struct {
	Body, ID, Z string
	Ticket      int
	Took        float64 // milliseconds
	Good        bool
	Again       string
}

// A sealContext is what a page needs to know of an election to seal for it.
type sealContext struct {
	ballot.Context
	key *issuer.Key
	pub *credential.PublicKey
	js  string
}

func newSealContext(t *testing.T) *sealContext {
	t.Helper()
	m, keys := electiontest.Manifest(t)
	_, mid := electiontest.Encode(t, m)
	g := m.Groups[0]
	c := &sealContext{key: keys.Issuers[g.ID]}
	var err error
	if c.pub, err = credential.ParsePublicKey(g.Issuer); err != nil {
		t.Fatal(err)
	}
	c.MID, c.Group, c.Options = mid, g.ID, []int{3, 2, 4}
	c.Key = group.BaseMul(keys.Opening)
	c.Prepare()
	c.js = fmt.Sprintf(`{mid: %q, group: %d, key: %q, options: [3, 2, 4], issuer: %q}`,
		hex.EncodeToString(mid[:]), g.ID, hex.EncodeToString(c.Key.Bytes()), hex.EncodeToString(c.pub.Bytes()))
	return c
}

// TestSealing seals ballots in the browser and has the box's checks judge them: all
// are accepted, and none of which a field was changed. What the browser sealed is
// also what it opens again.
func TestSealing(t *testing.T) {
	t.Parallel()
	n := browser.Pick(40, 1000)
	c := newSealContext(t)
	p := openSealer(t)
	random := rand.New(rand.NewPCG(1, 2))
	changed := make(map[string]int)
	var took []float64
	for i := range n {
		choices := ballot.Choices{uint8(random.IntN(3)), uint8(random.IntN(2)), uint8(random.IntN(4))}
		typed := []string{"", "words of my own", "Überraschung 投票"}[i%3]
		s := evaluate[sealedBallot](p, fmt.Sprintf("seal(%s, [%d, %d, %d], %q)", c.js, choices[0], choices[1], choices[2], typed))
		took = append(took, s.Took)
		body, sig := unhex(t, s.Body), c.sign(t, p, s)
		if want := fmt.Sprintf("%d,%d,%d", choices[0], choices[1], choices[2]); !s.Good || s.Again != want {
			t.Errorf("the browser opens its own ballot as %s, not %s (good: %v)", s.Again, want, s.Good)
		}
		if err := c.judge(body, sig); err != nil {
			t.Fatalf("ballot %d is refused: %v", i, err)
		}
		if id := suite.BallotID(suite.H("ballot-id", body)); hex.EncodeToString(id[:]) != s.ID {
			t.Errorf("ballot %d has another id in the browser", i)
		}
		// In turn every field of the ballot and of its credential.
		field := fields[i%len(fields)]
		at := field.from + random.IntN(field.to-field.from)
		bad := append(append([]byte{}, body...), sig...)
		bad[at] ^= 1 << random.IntN(8)
		if c.judge(bad[:len(body)], bad[len(body):]) == nil || at < len(body) && c.prove(bad[:len(body)]) == nil {
			t.Errorf("a ballot with a bit of byte %d changed, in %s, is accepted", at, field.name)
		}
		changed[field.name]++
	}
	browser.Report(t, fmt.Sprintf("%d ballots sealed in Chromium: all accepted by the box's checks", n),
		fmt.Sprintf("%d with one bit of one field changed: none accepted (%v)", n, changed),
		fmt.Sprintf("sealing and blinding three questions: median %.0f ms", median(took)))
}

// fields are the parts of a sealed ballot with questions of 3, 2 and 4 options
// (SPEC.md section 6), and of the signature behind it.
var fields = func() []field {
	list := []field{{"version", 0, 1}, {"mid", 1, 33}, {"group", 33, 35}, {"count", 35, 36}, {"nonce", 36, 68}}
	at := 68
	for _, k := range []int{3, 2, 4} {
		for _, f := range []struct {
			name string
			size int
		}{{"options", 1}, {"R", 32}, {"C", 32}, {"A and B", 64 * k}, {"c", 32 * k}, {"s", 32 * k}} {
			list = append(list, field{f.name, at, at + f.size})
			at += f.size
		}
	}
	return append(list, field{"credential", at, at + credential.Size})
}()

type field struct {
	name     string
	from, to int
}

// sign has the issuer answer, and the page make the credential of the answer.
func (c *sealContext) sign(t *testing.T, p *Page, s sealedBallot) []byte {
	t.Helper()
	answer, err := c.key.Sign(unhex(t, s.Z))
	if err != nil {
		t.Fatal(err)
	}
	return unhex(t, evaluate[string](p, fmt.Sprintf("finish(%d, %q)", s.Ticket, hex.EncodeToString(answer[:]))))
}

// judge checks a ballot as the box does.
func (c *sealContext) judge(body, sig []byte) error {
	id := suite.BallotID(suite.H("ballot-id", body))
	if err := credential.Verify(c.pub, credential.Message(c.MID, c.Group, id), sig); err != nil {
		return err
	}
	return c.prove(body)
}

// prove checks a ballot without its credential.
func (c *sealContext) prove(body []byte) error {
	b, err := ballot.Parse(body)
	if err != nil {
		return err
	}
	return ballot.Check(&c.Context, b)
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
