package mailcheck_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer/mailcheck"
	"strikevote/internal/mailer/sendgrid"
)

// settings answers for an account, by path.
type settings map[string]any

func (s settings) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer SG.secret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch v := s[r.URL.Path].(type) {
	case nil:
		w.WriteHeader(http.StatusNotFound)
	case int:
		w.WriteHeader(v)
	default:
		_ = json.NewEncoder(w).Encode(v)
	}
}

type object = map[string]any

// TestAccount changes one setting at a time of an account that is as it should be.
func TestAccount(t *testing.T) {
	t.Parallel()
	const hook = "https://registrar.union.example/hooks/sendgrid"
	hookIs := func(change object) object {
		h := object{"enabled": true, "url": hook, "public_key": "KEY", "processed": true, "deferred": true, "delivered": true,
			"bounce": true, "dropped": true, "spam_report": true, "open": false, "click": false}
		maps.Copy(h, change)
		return object{"webhooks": []object{h}}
	}
	domain := func(name string, valid bool) object {
		return object{"domain": name, "subdomain": "em1", "valid": valid, "dns": object{"dkim1": object{"host": "s1._domainkey." + name}, "dkim2": object{"host": "s2._domainkey." + name}}}
	}
	tracking := func(on string) object {
		var list []object
		for _, name := range []string{"click", "open", "subscription", "google_analytics"} {
			list = append(list, object{"name": name, "enabled": name == on})
		}
		return object{"result": list}
	}
	const scopes, track, hooks, credits, domains = "/v3/scopes", "/v3/tracking_settings", "/v3/user/webhooks/event/settings/all", "/v3/user/credits", "/v3/whitelabel/domains"
	good := settings{
		scopes: object{"scopes": []string{"mail.send", "suppression.read", "suppression.delete", "whitelabel.read"}}, track: tracking(""), hooks: hookIs(nil),
		credits: object{"remain": 100000, "next_reset": "2026-12-01"}, domains: []object{domain("other.example", false), domain("union.example", true)},
	}
	want := mailcheck.Provided{From: "union.example", Hook: hook, HookKey: "KEY", Recipients: 22000, Spread: time.Hour}
	look := func(key string, change settings, p mailcheck.Provided) ([]mailcheck.Finding, *sendgrid.Domain) {
		s := maps.Clone(good)
		maps.Copy(s, change)
		server := httptest.NewServer(s)
		defer server.Close()
		a, err := sendgrid.NewAccount(sendgrid.Config{Key: key, BaseURL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		return mailcheck.Account(t.Context(), a, p)
	}
	list, d := look("SG.secret", nil, want)
	for _, f := range list {
		if f.State != mailcheck.OK {
			t.Errorf("of an account that is as it should be: %s: %s", f.Check, f.Says)
		}
	}
	if d == nil || d.Envelope() != "em1.union.example" || fmt.Sprint(d.Selectors()) != "[s1 s2]" {
		t.Errorf("the domain is %+v", d)
	}
	noKey := want
	noKey.HookKey = ""
	sub, fast := want, want
	sub.From, fast.Spread = "vote.union.example", 0
	for _, tt := range []struct {
		name        string
		change      settings
		p           mailcheck.Provided
		check, says string
		want        mailcheck.State
	}{
		{"no right to send", settings{scopes: object{"scopes": []string{"whitelabel.read"}}}, want, "SendGrid key", "may not send", mailcheck.Fail},
		{"rights of another shape", settings{scopes: object{"rights": 1}}, want, "SendGrid key", "a shape that is not known", mailcheck.Warn},
		{"tracking of another shape", settings{track: object{}}, want, "SendGrid tracking", "a shape that is not known", mailcheck.Warn},
		{"hooks of another shape", settings{hooks: []string{}}, want, "SendGrid events", "a shape that is not known", mailcheck.Warn},
		{"credits of another shape", settings{credits: object{"left": 5}}, want, "SendGrid credits", "a shape that is not known", mailcheck.Warn},
		{"domains of another shape", settings{domains: object{}}, want, "SendGrid domain", "a shape that is not known", mailcheck.Warn},
		{"all rights", settings{scopes: object{"scopes": []string{"mail.send", "teammates.create"}}}, want, "SendGrid key", "teammates.create", mailcheck.Warn},
		{"click tracking", settings{track: tracking("click")}, want, "SendGrid tracking", "Click Tracking is on", mailcheck.Fail},
		{"open tracking", settings{track: tracking("open")}, want, "SendGrid tracking", "Open Tracking is on", mailcheck.Fail},
		{"unsubscribing", settings{track: tracking("subscription")}, want, "SendGrid tracking", "gets no ballot", mailcheck.Fail},
		{"may not look", settings{track: 403}, want, "SendGrid tracking", "may not look", mailcheck.Warn},
		{"does not answer", settings{track: 500}, want, "SendGrid tracking", "answered 500", mailcheck.Warn},
		{"not signed", settings{hooks: hookIs(object{"public_key": ""})}, want, "SendGrid events", "not signed", mailcheck.Fail},
		{"another key", settings{hooks: hookIs(object{"public_key": "YEK"})}, want, "SendGrid events", "another key", mailcheck.Fail},
		{"no key here", nil, noKey, "SendGrid events", "does not know the key", mailcheck.Fail},
		{"opens", settings{hooks: hookIs(object{"open": true})}, want, "SendGrid events", "nobody is to know", mailcheck.Fail},
		{"no bounces", settings{hooks: hookIs(object{"bounce": false, "deferred": false})}, want, "SendGrid events", "leaves out Deferred, Bounced", mailcheck.Warn},
		{"no hook", settings{hooks: object{"webhooks": []object{}}}, want, "SendGrid events", "no events come", mailcheck.Warn},
		{"a hook of others", settings{hooks: hookIs(object{"url": "https://else.example"})}, want, "SendGrid events", "not this service's", mailcheck.Warn},
		{"few credits", settings{credits: object{"remain": 100}}, want, "SendGrid credits", "fewer than the 22000", mailcheck.Fail},
		{"no credits for reminders", settings{credits: object{"remain": 30000}}, want, "SendGrid credits", "are 66000", mailcheck.Warn},
		{"all at once", nil, fast, "staggering", "within 0s", mailcheck.Warn},
		{"no domain", settings{domains: []object{domain("other.example", true)}}, want, "SendGrid domain", "not authenticated for union.example", mailcheck.Fail},
		{"not verified", settings{domains: []object{domain("union.example", false)}}, want, "SendGrid domain", "not verified yet", mailcheck.Fail},
		{"the domain above", nil, sub, "SendGrid domain", "may send for union.example", mailcheck.OK},
	} {
		list, _ := look("SG.secret", tt.change, tt.p)
		if got := has(list, tt.check, tt.says); got != tt.want {
			t.Errorf("%s: %d, want %d of\n%s", tt.name, got, tt.want, lines(list))
		}
	}
	list, _ = look("SG.stolen", nil, want)
	if has(list, "SendGrid key", "does not know it") != mailcheck.Fail || len(list) != 1 || strings.Contains(lines(list), "SG.") {
		t.Errorf("with a wrong key: %s", lines(list))
	}
}
