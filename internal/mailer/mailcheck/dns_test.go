package mailcheck_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"testing"

	"strikevote/internal/mailer/mailcheck"
	"strikevote/internal/mailer/mailcheck/dnstest"
)

// dkim returns the record of a new key.
func dkim(t *testing.T, bits int) string {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0") // to have keys that are too short
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

// has returns the state of a check whose words hold a text, or -1.
func has(list []mailcheck.Finding, check, says string) mailcheck.State {
	for _, f := range list {
		if f.Check == check && strings.Contains(f.Says, says) {
			if f.State != mailcheck.OK && f.Do == "" {
				return -2 // a problem without a way out
			}
			return f.State
		}
	}
	return -1
}

func lines(list []mailcheck.Finding) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%d %s: %s (%s)\n", f.State, f.Check, f.Says, f.Do)
	}
	return b.String()
}

// TestDNS changes one thing at a time of a domain that is as it should be, and finds
// just that.
func TestDNS(t *testing.T) {
	good := dkim(t, 2048)
	zone := dnstest.Zone{
		"union.example MX":                       {"mx.union.example"},
		"union.example TXT":                      {"something else", "v=spf1 include:_spf.host.example -all"},
		"_spf.host.example TXT":                  {"v=spf1 ip4:192.0.2.0/24 a ~all"},
		"bounce.union.example MX":                {"mx.union.example"},
		"bounce.union.example TXT":               {"v=spf1 a -all"},
		"_dmarc.union.example TXT":               {"v=DMARC1; p=reject; rua=mailto:it@union.example"},
		"s1._domainkey.union.example TXT":        {good},
		"many.example TXT":                       {"v=spf1 a mx a mx a mx a mx a mx -all"},
		"broken.example TXT":                     {"v=spf1 -all", "v=spf1 +all"},
		"open.example TXT":                       {"v=spf1 all"},
		"host.example A":                         {"192.0.2.1"},
		"selector._domainkey.elsewhere.test TXT": {good},
	}
	sending := mailcheck.Sending{From: "union.example", Envelope: "bounce.union.example", Selectors: []string{"s1"}, Recipients: 22000}
	look := func(change dnstest.Zone, s mailcheck.Sending) []mailcheck.Finding {
		z := maps.Clone(zone)
		maps.Copy(z, change)
		return mailcheck.DNS(t.Context(), mailcheck.Resolver(dnstest.Serve(t, z)), s)
	}
	for _, f := range look(nil, sending) {
		if f.State != mailcheck.OK {
			t.Errorf("of a domain that is as it should be: %s: %s", f.Check, f.Says)
		}
	}
	envelope := func(domain string) mailcheck.Sending { s := sending; s.Envelope = domain; return s }
	few := sending
	few.Recipients = 100
	elsewhere := sending
	elsewhere.Envelope, elsewhere.Signed, elsewhere.Selectors = "elsewhere.test", "elsewhere.test", []string{"selector"}
	sub := sending
	sub.From = "vote.union.example"
	noSelector, unlooked, reply := elsewhere, sending, sending
	noSelector.Signed, noSelector.Selectors = "", nil
	unlooked.Selectors, reply.Reply = nil, "silent.example"
	for _, tt := range []struct {
		name        string
		change      dnstest.Zone
		s           mailcheck.Sending
		check, says string
		want        mailcheck.State
	}{
		{"no SPF", dnstest.Zone{"bounce.union.example TXT": {"no"}}, sending, "SPF of bounce.union.example", "no record says who", mailcheck.Fail},
		{"two SPF", nil, envelope("broken.example"), "SPF of broken.example", "2 SPF records", mailcheck.Fail},
		{"+all", nil, envelope("open.example"), "SPF of open.example", "everybody in the world", mailcheck.Fail},
		{"+all of an include", dnstest.Zone{"bounce.union.example TXT": {"v=spf1 include:open.example -all"}}, sending, "SPF of bounce.union.example", "everybody", mailcheck.Fail},
		{"ten lookups", nil, envelope("many.example"), "SPF of many.example", "10 further questions", mailcheck.OK},
		{"eleven lookups", dnstest.Zone{"bounce.union.example TXT": {"v=spf1 include:many.example -all"}}, sending, "SPF of bounce.union.example", "more than 10", mailcheck.Fail},
		{"an include of itself", dnstest.Zone{"bounce.union.example TXT": {"v=spf1 include:bounce.union.example -all"}}, sending, "SPF of bounce.union.example", "more than 10", mailcheck.Fail},
		{"an include of nothing", dnstest.Zone{"bounce.union.example TXT": {"v=spf1 include:none.example -all"}}, sending, "SPF of bounce.union.example", "which has none", mailcheck.Fail},
		{"an include that a terminal would obey", dnstest.Zone{"bounce.union.example TXT": {"v=spf1 include:\x1b[2Jnone.example -all"}}, sending, "SPF of bounce.union.example", "?[2jnone.example", mailcheck.Fail},
		{"redirect", dnstest.Zone{"bounce.union.example TXT": {"v=spf1 redirect=union.example"}}, sending, "SPF of bounce.union.example", "3 further questions", mailcheck.OK},
		{"no all", dnstest.Zone{"bounce.union.example TXT": {"v=spf1 a"}}, sending, "SPF of bounce.union.example", "does not say", mailcheck.Warn},
		{"no answer", dnstest.Zone{"bounce.union.example FAIL": nil}, sending, "SPF of bounce.union.example", "asking for", mailcheck.Warn},
		{"no DKIM", dnstest.Zone{"s1._domainkey.union.example TXT": nil}, sending, "DKIM s1", "there is no key at s1._domainkey.union.example", mailcheck.Fail},
		{"revoked", dnstest.Zone{"s1._domainkey.union.example TXT": {"v=DKIM1; p="}}, sending, "DKIM s1", "revoked", mailcheck.Fail},
		{"cut off", dnstest.Zone{"s1._domainkey.union.example TXT": {good[:100]}}, sending, "DKIM s1", "cannot be read", mailcheck.Fail},
		{"weak", dnstest.Zone{"s1._domainkey.union.example TXT": {dkim(t, 1024)}}, sending, "DKIM s1", "1024 bits, which is weak", mailcheck.Warn},
		{"too weak", dnstest.Zone{"s1._domainkey.union.example TXT": {dkim(t, 512)}}, sending, "DKIM s1", "512 bits", mailcheck.Fail},
		{"a test", dnstest.Zone{"s1._domainkey.union.example TXT": {good + "; t=y"}}, sending, "DKIM s1", "marked as a test", mailcheck.Warn},
		{"no DMARC in bulk", dnstest.Zone{"_dmarc.union.example TXT": nil}, sending, "DMARC of union.example", "5000 mails a day", mailcheck.Fail},
		{"no DMARC for few", dnstest.Zone{"_dmarc.union.example TXT": nil}, few, "DMARC of union.example", "no policy", mailcheck.Warn},
		{"p=none", dnstest.Zone{"_dmarc.union.example TXT": {"v=DMARC1; p=none"}}, sending, "DMARC of union.example", "nobody gets reports", mailcheck.Warn},
		{"two DMARC", dnstest.Zone{"_dmarc.union.example TXT": {"v=DMARC1; p=none", "v=DMARC1; p=reject"}}, sending, "DMARC of union.example", "2 policies", mailcheck.Fail},
		{"DMARC of the domain above", dnstest.Zone{"vote.union.example MX": {"mx.union.example"}}, sub, "DMARC of vote.union.example", "p=reject", mailcheck.OK},
		{"DMARC for those below", dnstest.Zone{"_dmarc.union.example TXT": {"v=DMARC1; p=reject; sp=none; rua=mailto:a@b.example"}}, sub, "DMARC of vote.union.example", "p=none", mailcheck.Warn},
		{"not aligned", nil, elsewhere, "alignment", "neither the signature nor the envelope", mailcheck.Fail},
		{"not aligned, and the key not looked for", nil, noSelector, "alignment", "it is not known which domain signs", mailcheck.Warn},
		{"the envelope aligned, and the key not looked for", nil, unlooked, "alignment", "whether a signature does is not known", mailcheck.Warn},
		{"the key not found out", dnstest.Zone{"s1._domainkey.union.example FAIL": nil}, sending, "alignment", "whether a signature does is not known", mailcheck.Warn},
		{"answers go nowhere", nil, reply, "MX of silent.example", "what members answer does not arrive", mailcheck.Fail},
		{"aligned by the domain above", nil, sub, "alignment", "both belong", mailcheck.OK},
		{"strict", dnstest.Zone{"_dmarc.union.example TXT": {"v=DMARC1; p=reject; adkim=s; aspf=s"}}, sub, "alignment", "neither", mailcheck.Fail},
		{"no MX", dnstest.Zone{"bounce.union.example MX": nil}, sending, "MX of bounce.union.example", "no bounce arrives", mailcheck.Fail},
		{"takes no mail", dnstest.Zone{"union.example MX": {"."}}, sending, "MX of union.example", "takes no mail", mailcheck.Fail},
		{"a host only", dnstest.Zone{"union.example MX": nil, "union.example A": {"192.0.2.1"}}, sending, "MX of union.example", "only an address", mailcheck.Warn},
	} {
		list := look(tt.change, tt.s)
		if got := has(list, tt.check, tt.says); got != tt.want {
			t.Errorf("%s: %d, want %d of\n%s", tt.name, got, tt.want, lines(list))
		}
	}
}

// TestDNSAway asks where nobody answers: nothing is known then, and nothing fails.
func TestDNSAway(t *testing.T) {
	t.Parallel()
	list := mailcheck.DNS(t.Context(), mailcheck.Resolver("127.0.0.1:1"), mailcheck.Sending{From: "union.example", Envelope: "union.example", Selectors: []string{"s1"}})
	unknown := 0
	for _, f := range list {
		if f.State != mailcheck.Warn {
			t.Errorf("%s: %s", f.Check, f.Says)
		}
		if f.Unknown {
			unknown++
		}
	}
	// It is said once, and not in the words of a network's library.
	if text := lines(list); unknown != 1 || strings.Contains(text, "->") || strings.Contains(text, "asking for") {
		t.Errorf("%d of\n%s", unknown, lines(list))
	}
}
