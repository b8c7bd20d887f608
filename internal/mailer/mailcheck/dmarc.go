package mailcheck

import (
	"errors"
	"strings"
)

// dmarc checks the policy of the domain, and whether what proves the sender belongs
// to the domain that members see.
func (x *lookups) dmarc(s Sending, signed string) {
	check := "DMARC of " + s.From
	domain, list, err := x.policy(s.From)
	missing := Warn
	if s.bulk() {
		missing = Fail // Gmail, Yahoo and Microsoft refuse mail in bulk without one
	}
	switch {
	case errors.Is(err, errAbsent):
		x.add(missing, check, "enter a TXT record at _dmarc."+s.From+": v=DMARC1; p=none; rua=mailto:… with an address that reads reports",
			"there is no policy; Gmail, Yahoo and Microsoft ask for one from whoever sends %d mails a day or more, and refuse the mail", Bulk)
	case err != nil:
		x.unanswered(check, s.From, err)
	case len(list) > 1:
		x.fail(check, "leave one of them", "%s has %d policies, so receiving systems take none of them", domain, len(list))
	default:
		x.judge(check, s, domain, tags(list[0]), signed)
		return
	}
	x.alignment(s, signed, false, false)
}

// policy finds the record that holds for a domain: its own, or the registered
// domain's.
func (x *lookups) policy(from string) (domain string, list []string, err error) {
	for _, domain := range []string{from, organization(from)} {
		list, err := x.records("_dmarc."+domain, "v=dmarc1")
		if !errors.Is(err, errAbsent) {
			return domain, list, err
		}
	}
	return "", nil, errAbsent
}

func (x *lookups) judge(check string, s Sending, domain string, t map[string]string, signed string) {
	p := strings.ToLower(t["p"])
	if sub := t["sp"]; sub != "" && domain != s.From {
		p = strings.ToLower(sub)
	}
	switch p {
	case "quarantine", "reject":
		x.ok(check, "p=%s: mail that forges the union's address is kept out", p)
	case "none":
		const later = "keep it for this vote; once its reports show that all the union's own mail passes, write p=quarantine"
		if t["rua"] == "" {
			x.warn(check, later+"; add rua=mailto:… for the reports", "p=none satisfies the rules for bulk mail, but anybody may send in the union's name, and nobody gets reports")
			break
		}
		x.warn(check, later, "p=none satisfies the rules for bulk mail, but anybody may send in the union's name")
	default:
		x.fail(check, "write v=DMARC1; p=none; rua=mailto:… with an address that reads reports", "it says no policy that receiving systems know")
	}
	x.alignment(s, signed, strings.EqualFold(t["adkim"], "s"), strings.EqualFold(t["aspf"], "s"))
}

const testDo = "see the findings above; then send yourself a test with strikevote mail test, and look for dmarc=pass in its source"

// alignment checks that DMARC passes: the domain that signs, or that of the envelope,
// has to be that of the address which members see.
func (x *lookups) alignment(s Sending, signed string, strictDKIM, strictSPF bool) {
	check := strings.TrimSpace("alignment " + s.By)
	dkim, spf := aligned(signed, s.From, strictDKIM), aligned(s.Envelope, s.From, strictSPF)
	switch {
	case dkim && spf:
		x.ok(check, "signature and envelope both belong to %s", s.From)
	case dkim:
		x.ok(check, "the signature belongs to %s", s.From)
	case spf && x.unsigned && signed == "":
		x.warn(check, testDo, "the envelope belongs to %s; whether a signature does is not known", s.From)
	case spf:
		x.warn(check, "have the mail signed for "+s.From+", too", "only the envelope belongs to %s: a mail that a member forwards to another mailbox fails there", s.From)
	case signed == "" && (x.unsigned || s.Envelope == ""):
		x.warn(check, testDo,
			"it is not known which domain signs or which one the envelope names")
	default:
		x.fail(check, "have the mail signed for "+s.From+": authenticate that domain at the provider",
			"neither the signature nor the envelope belongs to %s, which members see: DMARC fails, and bulk mail is refused", s.From)
	}
}
