package sendgridtest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer/sendgrid/sendgridtest"
)

// A judge is a test that only counts what it would have failed for.
type judge struct {
	testing.TB
	failed int
	said   string
}

func (j *judge) Errorf(format string, args ...any) {
	j.failed++
	j.said += fmt.Sprintf(format, args...)
}

const good = `{"from":{"email":"ballot@union.example","name":"Union"},"reply_to":{"email":"help@union.example"},"categories":["ballot"],
"personalizations":[{"to":[{"email":"a@x.example"}],"subject":"Hello","headers":{"Message-ID":"<ab000000000000000000000000000000@union.example>"},
"custom_args":{"mid":"ab000000000000000000000000000000"},"substitutions":{"-T-":"text","-H-":"html"}},
{"to":[{"email":"b@x.example"}],"subject":"Hello","headers":{"Message-ID":"<cd000000000000000000000000000000@union.example>"},
"custom_args":{"mid":"cd000000000000000000000000000000"},"substitutions":{"-T-":"text","-H-":"html"}}],
"content":[{"type":"text/plain","value":"-T-"},{"type":"text/html","value":"-H-"}],
"mail_settings":{"bypass_unsubscribe_management":{"enable":true}},
"tracking_settings":{"click_tracking":{"enable":false,"enable_text":false},"open_tracking":{"enable":false},"subscription_tracking":{"enable":false},"ganalytics":{"enable":false}}}`

// TestRefuses breaks each rule once: the stand-in fails the test that does so.
func TestRefuses(t *testing.T) {
	t.Parallel()
	for old, changed := range map[string]string{
		"":                                                    "",
		`"enable":false,"enable_text":false`:                  `"enable":false`,
		`"enable_text":false`:                                 `"enable_text":true`,
		`"click_tracking":{"enable":false`:                    `"click_tracking":{"enable":true`,
		`"open_tracking":{"enable":false},`:                   ``,
		`"ganalytics":{"enable":false}`:                       `"ganalytics":{"enable":true}`,
		`"subscription_tracking":{"enable":false}`:            `"subscription_tracking":{}`,
		`"bypass_unsubscribe_management"`:                     `"bypass_list_management"`,
		`"mail_settings":{`:                                   `"mail_settings":{"sandbox_mode":{"enable":true},`,
		`"categories":["ballot"]`:                             `"categories":["strike"]`,
		`"custom_args":{`:                                     `"custom_args":{"member":"no-1",`,
		`"mid":"ab`:                                           `"mid":"ef`,
		`"mid":"ab000000000000000000000000000000"`:            `"mid":"canary"`,
		`[{"email":"b@x.example"}]`:                           `[{"email":"A@X.example"}]`,
		`[{"email":"a@x.example"}]`:                           `[{"email":"a@x.example","name":"A"}]`,
		`[{"email":"a@x.example"}],`:                          `[{"email":"a@x.example"},{"email":"c@x.example"}],`,
		`"to":[{"email":"a@x.example"}],`:                     ``,
		`"a@x.example"`:                                       `7`,
		`"headers":{"Message-ID":"<ab`:                        `"headers":{"X-Member":"no-1","Message-ID":"<ab`,
		`"name":"Union"`:                                      `"name":"Unión"`,
		`"substitutions":{"-T-":"text","-H-":"html"}},`:       `"substitutions":{"-T-":"see -H-","-H-":"html"}},`,
		`"subject":"Hello","headers":{"Message-ID":"<ab`:      `"subject":"Hello -T-","headers":{"Message-ID":"<ab`,
		`{"-T-":"text",`:                                      `{"-T-":"` + strings.Repeat("x", 10_000) + `",`,
		`{"type":"text/plain","value":"-T-"},`:                ``,
		`"categories":["ballot"],`:                            `"categories":["ballot"],"template_id":"d-1",`,
		`"reply_to":{"email":"help@union.example"},`:          ``,
		`"categories":["ballot"],` + "\n" + `"personaliz`:     `"categories":["ballot"],"custom_args":{"a":"b"},` + "\n" + `"personaliz`,
		`"ganalytics":{"enable":false}}}`:                     `"ganalytics":{"enable":false}}`,
		`"content":[{"type":"text/plain","value":"-T-"},{"ty`: `"content":[{"ty`,
	} {
		body := strings.Replace(good, old, changed, 1)
		if old != "" && body == good {
			t.Errorf("%q is not there to change", old)
		}
		j := &judge{TB: t}
		s := sendgridtest.New(j, sendgridtest.Options{})
		status := post(t, s, body)
		if ok := old == ""; (j.failed == 0) != ok || (status == http.StatusAccepted) != ok || (len(s.Kept()) == 2) != ok {
			t.Errorf("%q for %q: answered %d, failed %d times, %d kept: %s", changed, old, status, j.failed, len(s.Kept()), j.said)
		}
	}
}

func post(t *testing.T, s *sendgridtest.Server, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/v3/mail/send", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Key())
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// TestEvents: what is told of a mail has its id, and the signature is of every byte.
func TestEvents(t *testing.T) {
	t.Parallel()
	s := sendgridtest.New(t, sendgridtest.Options{})
	if got := post(t, s, good); got != http.StatusAccepted {
		t.Fatal(got)
	}
	at := time.Unix(1_900_000_000, 0)
	header, body := s.Events(at, sendgridtest.Happening{Of: s.Kept()[0], Event: "bounce", Type: "blocked", Reason: "550"})
	for _, want := range []string{`"mid":"ab000000000000000000000000000000"`, `"event":"bounce"`, `"type":"blocked"`, `"sg_event_id":"`} {
		if !bytes.Contains(body, []byte(want)) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	der, err := base64.StdEncoding.DecodeString(s.WebhookKey())
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := base64.StdEncoding.DecodeString(header.Get("X-Twilio-Email-Event-Webhook-Signature"))
	if err != nil {
		t.Fatal(err)
	}
	whole := sha256.Sum256(append([]byte(header.Get("X-Twilio-Email-Event-Webhook-Timestamp")), body...))
	trimmed := sha256.Sum256(append([]byte(header.Get("X-Twilio-Email-Event-Webhook-Timestamp")), bytes.TrimSpace(body)...))
	if k := key.(*ecdsa.PublicKey); !ecdsa.VerifyASN1(k, whole[:], sig) || ecdsa.VerifyASN1(k, trimmed[:], sig) {
		t.Error("the signature is not of the whole body")
	}
}
