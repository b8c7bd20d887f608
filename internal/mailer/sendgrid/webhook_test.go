package sendgrid_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/sendgrid"
)

const (
	headerSignature = "X-Twilio-Email-Event-Webhook-Signature"
	headerStamp     = "X-Twilio-Email-Event-Webhook-Timestamp"
	mid             = "00112233445566778899aabbccddeeff"
)

var now = time.Unix(1_800_000_000, 0)

// A provider signs what it posts.
type provider struct {
	t   testing.TB
	key *ecdsa.PrivateKey
	sendgrid.Webhook
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public, err := sendgrid.ParseKey(base64.StdEncoding.EncodeToString(der))
	if err != nil {
		t.Fatal(err)
	}
	return &provider{t, key, sendgrid.Webhook{Key: public, Now: func() time.Time { return now }}}
}

// sign returns the headers of a body that is posted at a time.
func (p *provider) sign(at time.Time, body []byte) http.Header {
	p.t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	digest := sha256.Sum256(append([]byte(stamp), body...))
	sig, err := ecdsa.SignASN1(rand.Reader, p.key, digest[:])
	if err != nil {
		p.t.Fatal(err)
	}
	return http.Header{headerSignature: {base64.StdEncoding.EncodeToString(sig)}, headerStamp: {stamp}}
}

func (p *provider) read(body string) ([]mailer.Event, error) {
	p.t.Helper()
	return p.Events(p.sign(now, []byte(body)), []byte(body))
}

// like is an event as SendGrid tells it, with what it says of a person, changed.
func like(change map[string]any) string {
	e := map[string]any{"email": "canary@mail.example", "timestamp": 1_800_000_000, "smtp-id": "<1@x>", "event": "delivered", "category": []string{"ballot"},
		"sg_event_id": "ZGVsaXZlcmVkLTA", "sg_message_id": "14c5d75ce93.dfd", "response": "250 OK canary@mail.example", "mid": mid,
		"ip": "192.0.2.77", "useragent": "canary program", "tls": 1, "pool": map[string]any{"name": "x", "id": 1}}
	for k, v := range change {
		if e[k] = v; v == nil {
			delete(e, k)
		}
	}
	b, err := json.Marshal([]any{e})
	if err != nil {
		panic(err)
	}
	return string(b) + "\r\n"
}

// TestEvents reads every type that there is, and leaves out what is nobody's business.
func TestEvents(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	for what, tt := range map[string]struct {
		change map[string]any
		state  mailer.Delivery // empty: left out
		reason mailer.Reason
	}{
		"processed":           {map[string]any{"event": "processed"}, mailer.Processed, ""},
		"deferred":            {map[string]any{"event": "deferred", "response": "452 4.2.2 full"}, mailer.Delayed, mailer.ReasonFull},
		"deferred, in words":  {map[string]any{"event": "deferred", "response": "400 try again later 5"}, mailer.Delayed, mailer.ReasonOther},
		"delivered":           {nil, mailer.Delivered, ""},
		"bounce":              {map[string]any{"event": "bounce", "type": "bounce", "status": "5.1.1"}, mailer.Bounced, mailer.ReasonAddress},
		"bounce, old":         {map[string]any{"event": "bounce", "reason": "500 unknown recipient"}, mailer.Bounced, mailer.ReasonOther},
		"bounce by reason":    {map[string]any{"event": "bounce", "status": "", "reason": "550 5.7.1 <canary@mail.example>: no"}, mailer.Bounced, mailer.ReasonPolicy},
		"bounce by class":     {map[string]any{"event": "bounce", "bounce_classification": "Mailbox Unavailable"}, mailer.Bounced, mailer.ReasonFull},
		"bounce, code first":  {map[string]any{"event": "bounce", "status": "5.2.1", "bounce_classification": "Content"}, mailer.Bounced, mailer.ReasonAddress},
		"blocked":             {map[string]any{"event": "bounce", "type": "blocked", "bounce_classification": "Reputation"}, mailer.Blocked, mailer.ReasonPolicy},
		"blocked, network":    {map[string]any{"event": "bounce", "type": "blocked", "status": "4.4.1"}, mailer.Blocked, mailer.ReasonDown},
		"expired":             {map[string]any{"event": "bounce", "type": "expired"}, mailer.Blocked, mailer.ReasonOther},
		"dropped, bounced":    {map[string]any{"event": "dropped", "reason": "Bounced Address"}, mailer.Bounced, mailer.ReasonSuppressed},
		"dropped, left":       {map[string]any{"event": "dropped", "reason": "Unsubscribed Address"}, mailer.Bounced, mailer.ReasonSuppressed},
		"dropped, complained": {map[string]any{"event": "dropped", "reason": "Spam Reporting Address"}, mailer.Bounced, mailer.ReasonSuppressed},
		"dropped, invalid":    {map[string]any{"event": "dropped", "reason": "Invalid"}, mailer.Bounced, mailer.ReasonAddress},
		"dropped, settings":   {map[string]any{"event": "dropped", "reason": "Invalid SMTPAPI header"}, mailer.Blocked, mailer.ReasonSettings},
		"dropped, quota":      {map[string]any{"event": "dropped", "reason": "Recipient List over Package Quota"}, mailer.Blocked, mailer.ReasonLimit},
		"dropped, spam":       {map[string]any{"event": "dropped", "reason": "Spam Content (if Spam Checker app is enabled)"}, mailer.Blocked, mailer.ReasonPolicy},
		"dropped, new word":   {map[string]any{"event": "dropped", "reason": "canary@mail.example"}, mailer.Blocked, mailer.ReasonOther},
		"spamreport":          {map[string]any{"event": "spamreport"}, mailer.Complained, mailer.ReasonSpam},

		"open":                 {map[string]any{"event": "open"}, "", ""},
		"click":                {map[string]any{"event": "click", "url": "https://canary.example"}, "", ""},
		"unsubscribe":          {map[string]any{"event": "unsubscribe"}, "", ""},
		"group":                {map[string]any{"event": "group_resubscribe"}, "", ""},
		"account":              {map[string]any{"event": "account_status_change"}, "", ""},
		"unknown":              {map[string]any{"event": "teleported"}, "", ""},
		"in capitals":          {map[string]any{"event": "Delivered"}, "", ""},
		"no type":              {map[string]any{"event": nil}, "", ""},
		"no mail":              {map[string]any{"mid": nil}, "", ""},
		"short mail":           {map[string]any{"mid": mid[1:]}, "", ""},
		"long mail":            {map[string]any{"mid": mid + "0"}, "", ""},
		"capital mail":         {map[string]any{"mid": strings.ToUpper(mid)}, "", ""},
		"mail of no digit":     {map[string]any{"mid": mid[1:] + "g"}, "", ""},
		"no id":                {map[string]any{"sg_event_id": nil}, "", ""},
		"empty id":             {map[string]any{"sg_event_id": ""}, "", ""},
		"long id":              {map[string]any{"sg_event_id": strings.Repeat("x", 101)}, "", ""},
		"id with a zero":       {map[string]any{"sg_event_id": "a\x00b"}, "", ""},
		"id with an ü":         {map[string]any{"sg_event_id": "aüb"}, "", ""},
		"a number for a type":  {map[string]any{"event": 17}, "", ""},
		"a list for a mail":    {map[string]any{"mid": []string{"canary"}}, "", ""},
		"an object for an id":  {map[string]any{"sg_event_id": map[string]any{}}, "", ""},
		"true for a reason":    {map[string]any{"reason": true}, mailer.Delivered, ""},
		"a number for a code":  {map[string]any{"event": "bounce", "status": 550, "reason": "550 5.1.1 canary"}, mailer.Bounced, mailer.ReasonAddress},
		"a list for an answer": {map[string]any{"event": "deferred", "response": []any{452, "canary"}}, mailer.Delayed, mailer.ReasonOther},
	} {
		got, err := p.read(like(tt.change))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		var want []mailer.Event
		if tt.state != "" {
			want = []mailer.Event{{ID: "ZGVsaXZlcmVkLTA", Mail: [16]byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}, State: tt.state, Reason: tt.reason}}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %+v", what, got)
		}
		if said := fmt.Sprintf("%+v", got); strings.Contains(said, "canary") || strings.Contains(said, "192.0.2") {
			t.Errorf("%s: kept %s", what, said)
		}
	}
	if got, err := p.read(`[{"\u0065vent":"d\u0065livered","sg_event_id":"a","mid":"` + mid + `"},{"event":null}]`); len(got) != 1 || err != nil {
		t.Errorf("with escapes: %+v, %v", got, err)
	}
	if got, err := p.read(" [\n] "); len(got) != 0 || err != nil {
		t.Errorf("of none: %+v, %v", got, err)
	}
}

// TestBodies refuses what is signed and no list of events, and quotes none of it.
func TestBodies(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	event := strings.TrimSpace(like(nil))
	event = event[1 : len(event)-1]
	nested := func(n int) string {
		return `[{"event":"delivered","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}]`
	}
	for what, body := range map[string]string{
		"nothing": "", "null": "null", "a text": `"canary"`, "a number": "17", "an event alone": event, "half": "[" + event, "twice": "[" + event + "][]",
		"a comma": "[" + event + ",]", "deep": nested(5), "very deep": nested(9_000),
		"deep objects": `[{"x":` + strings.Repeat(`{"y":`, 5) + "1" + strings.Repeat("}", 5) + "}]", "deeper than any parser": strings.Repeat("[", 2<<20),
		"a deep list in it": "[" + strings.Repeat("[", 6) + strings.Repeat("]", 6) + "]", "a key a hundred times": `[{"k":0` + strings.Repeat(`,"k":0`, 100) + `}]`,
		"many keys": `[{"k0":0` + func() (s string) {
			for i := range 100 {
				s += fmt.Sprintf(`,"k%d":0`, i+1)
			}
			return s
		}() + `}]`,
		"a million": "[" + strings.Repeat("{},", 1_000_000) + "{}]", "20,001": "[" + strings.Repeat("{},", 20_000) + "{}]",
		"a form": "event=delivered", "UTF-16": "\xff\xfe[\x00]\x00",
	} {
		got, err := p.read(body)
		if !errors.Is(err, mailer.ErrEvents) || errors.Is(err, mailer.ErrUnsigned) || got != nil {
			t.Errorf("%s: got %d events, %v", what, len(got), err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error quotes it: %v", what, err)
		}
	}
	for what, body := range map[string]string{"20,000": "[" + strings.Repeat("{},", 19_999) + "{}]", "not so deep": nested(4)} {
		if _, err := p.read(body); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestNeighbours: what is no event, or could be read as two, is left out, and the events
// beside it count.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	event := strings.TrimSpace(like(nil))
	event = event[1 : len(event)-1]
	twice := func(pair string) string { return strings.TrimSuffix(event, "}") + "," + pair + "}" }
	for what, bad := range map[string]string{
		"null": "null", "a text": `"canary"`, "a number": "17", "true": "true", "a list": "[" + event + "]", "an empty list": "[]", "no field": "{}",
		"a type twice": twice(`"event":"bounce"`), "a type twice, written differently": twice(`"\u0065vent":"bounce"`), "the same twice": twice(`"event":"delivered"`),
		"an ignored key twice": twice(`"email":"x"`), "a key twice below": twice(`"extra":[{"a":1,"a":2}]`),
	} {
		for body, want := range map[string]int{"[" + bad + "]": 0, "[" + bad + "," + event + "]": 1, "[" + event + "," + bad + " ,\n" + event + "]": 2, "[" + event + "," + bad + "]": 1} {
			got, err := p.read(body)
			if err != nil || len(got) != want {
				t.Errorf("%s: %d events, not %d: %v", what, len(got), want, err)
			}
		}
	}
}

// TestUnsigned refuses every change of what was signed: a bit of the body, the stamp or
// the signature, ten thousand times; and headers that are missing, doubled or long.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	body := []byte(like(nil))
	good := p.sign(now, body)
	if got, err := p.Events(good, body); len(got) != 1 || err != nil {
		t.Fatalf("the negative control: %+v, %v", got, err)
	}
	refused := func(what string, h http.Header, body []byte) {
		t.Helper()
		if got, err := p.Events(h, body); got != nil || !errors.Is(err, mailer.ErrUnsigned) {
			t.Errorf("%s: got %+v, %v", what, got, err)
		}
	}
	for i := range 10_000 {
		h, b := http.Header{headerSignature: slices.Clone(good[headerSignature]), headerStamp: slices.Clone(good[headerStamp])}, bytes.Clone(body)
		var what string
		switch i % 3 {
		case 0:
			b, what = mutate(b), "body"
		case 1:
			h[headerStamp][0], what = string(mutate([]byte(h[headerStamp][0]))), "stamp"
		case 2:
			h[headerSignature][0], what = string(mutate([]byte(h[headerSignature][0]))), "signature"
		}
		refused(what, h, b)
	}
	for i := range body { // each byte of it counts, the line's end too
		refused("cut", good, body[:i])
	}
	refused("a byte more", good, append(bytes.Clone(body), '\n'))
	for _, name := range []string{headerSignature, headerStamp} {
		for what, values := range map[string][]string{"missing": nil, "empty": {""}, "doubled": {good[name][0], good[name][0]}, "long": {strings.Repeat("A", 201)}} {
			h := maps.Clone(good)
			h[name] = values
			refused(what, h, body)
		}
	}
	for _, stamp := range []string{"-1800000000", "+1800000000", "1800000000.0", " 1800000000", "01800000000", "1.8e9", "99999999999999999999", "0x6B49D200"} {
		refused("a stamp "+stamp, http.Header{headerSignature: good[headerSignature], headerStamp: {stamp}}, body)
	}
	// Another key's, that of a body alone, and one made without any key.
	refused("another account's", newProvider(t).sign(now, body), body)
	refused("the hash's first byte", http.Header{headerStamp: good[headerStamp], headerSignature: {base64.StdEncoding.EncodeToString([]byte{0x30, 6, 2, 1, 0, 2, 1, 0})}}, body)
	none := sendgrid.Webhook{Now: p.Now}
	if _, err := none.Events(good, body); !errors.Is(err, mailer.ErrUnsigned) {
		t.Errorf("without a key: %v", err)
	}
}

// mutate changes, inserts or removes a byte.
func mutate(b []byte) []byte {
	at := mathrand.N(len(b))
	switch mathrand.N(3) {
	case 0:
		b[at] ^= 1 << mathrand.N(8)
	case 1:
		b = slices.Insert(b, at, b[mathrand.N(len(b))]^1)
	default:
		b = slices.Delete(b, at, at+1)
	}
	return b
}

// TestStamp refuses what is signed and old, or of a time to come.
func TestStamp(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	body := []byte(like(nil))
	for seconds, want := range map[int]bool{-1 << 30: false, -90_001: false, -90_000: true, -86_400: true, 0: true, 300: true, 301: false, 1 << 30: false} {
		_, err := p.Events(p.sign(now.Add(time.Duration(seconds)*time.Second), body), body)
		if (err == nil) != want || err != nil && !errors.Is(err, mailer.ErrUnsigned) {
			t.Errorf("%d seconds: %v", seconds, err)
		}
	}
}

// TestKey takes no other key than one that can have signed.
func TestKey(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edKey, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := func(public any) string {
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(der)
	}
	good := text(&p256.PublicKey)
	if _, err := sendgrid.ParseKey(good); err != nil {
		t.Errorf("the negative control: %v", err)
	}
	for what, text := range map[string]string{
		"RSA": text(&rsaKey.PublicKey), "Ed25519": text(edKey), "P-384": text(&p384.PublicKey), "nothing": "", "a word": "canary", "cut": good[:40],
		"not on the curve": good[:60] + "AAAA" + good[64:], "PEM": "-----BEGIN PUBLIC KEY-----\n" + good + "\n-----END PUBLIC KEY-----", "a list": "[]",
	} {
		key, err := sendgrid.ParseKey(text)
		if key != nil || !errors.Is(err, sendgrid.ErrKey) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// FuzzEvents reads bodies that are signed and made up. What comes of one can be counted,
// and a parser that knows nothing of events agrees that it is a list with so many objects.
func FuzzEvents(f *testing.F) {
	p := newProvider(f)
	f.Add([]byte(like(nil)))
	f.Add([]byte(like(map[string]any{"event": "bounce", "type": "blocked", "status": "5.7.1"})))
	f.Add([]byte(like(map[string]any{"event": "dropped", "reason": "Bounced Address"})))
	f.Add([]byte(`[{"\u0065vent":"delivered","sg_event_id":"a","mid":"` + mid + `"},{"event":null,"x":[{"y":[1e9,true]}]}]`))
	f.Add([]byte(`[{"event":"delivered","event":"bounce"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := &provider{t, p.key, p.Webhook}
		got, err := p.Events(p.sign(now, body), body)
		if err != nil {
			if !errors.Is(err, mailer.ErrEvents) || got != nil {
				t.Fatalf("got %+v, %v", got, err)
			}
			return
		}
		var list []any
		err = json.Unmarshal(body, &list)
		list = slices.DeleteFunc(list, func(x any) bool { _, is := x.(map[string]any); return !is })
		if err != nil || len(list) < len(got) {
			t.Fatalf("another parser: %d objects, %v", len(list), err)
		}
		for _, e := range got {
			if !mailer.ValidEventID(e.ID) || e.State == "" || bytes.ContainsAny([]byte(e.Reason), "@. ") {
				t.Errorf("got %+v", e)
			}
		}
	})
}

// BenchmarkEvents reads a list of a thousand.
func BenchmarkEvents(b *testing.B) {
	p := newProvider(b)
	event := strings.TrimSpace(like(nil))
	body := []byte("[" + strings.Repeat(event[1:len(event)-1]+",", 999) + event[1:len(event)-1] + "]")
	h := p.sign(now, body)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if got, err := p.Events(h, body); len(got) != 1000 || err != nil {
			b.Fatal(len(got), err)
		}
	}
}
