package mailcheck

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
)

// dkim looks for the keys of the signatures and returns the domain that signs, or
// nothing.
func (x *lookups) dkim(s Sending) (signed string) {
	if len(s.Selectors) == 0 {
		x.warn("DKIM", "ask whoever runs the mail server for the selector of its signatures, and give it with -selector",
			"under which name the key of the signatures stands is not known, so it was not looked for")
		x.unsigned = true
		return ""
	}
	domains := []string{s.Signed}
	if s.Signed == "" {
		domains = upTo(s.From)
	}
	for _, selector := range s.Selectors {
		check := "DKIM " + selector
		domain, record, err := x.key(selector, domains)
		switch {
		case errors.Is(err, errAbsent):
			x.fail(check, "have the records that the provider shows under domain authentication entered in the DNS",
				"there is no key at %s._domainkey.%s: receiving systems cannot tell the union's mail from a forgery", selector, domains[0])
		case err != nil:
			x.unsigned = true
			x.unanswered(check, selector+"._domainkey."+domains[0], err)
		case x.keyGood(check, record):
			signed = domain
		}
	}
	return signed
}

// key returns the record of a selector, and of which of the domains it is.
func (x *lookups) key(selector string, domains []string) (domain, record string, err error) {
	for _, domain := range domains {
		list, err := x.txt(selector + "._domainkey." + domain)
		if err == nil {
			for _, text := range list {
				if _, ok := tags(text)["p"]; ok {
					return domain, text, nil
				}
			}
			continue
		}
		if !errors.Is(err, errAbsent) {
			return "", "", err
		}
	}
	return "", "", errAbsent
}

// keyGood checks the key that a record holds.
func (x *lookups) keyGood(check, record string) bool {
	t := tags(record)
	const anew = "have the provider make a new key, of 2048 bits, and enter its record"
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(t["p"]), ""))
	switch {
	case t["p"] == "":
		x.fail(check, anew, "its key was revoked: every signature is bad")
		return false
	case err != nil:
		x.fail(check, "enter the record as the provider shows it, in one piece", "its key cannot be read: every signature is bad")
		return false
	case t["k"] == "ed25519":
		x.warn(check, "sign with an RSA key too", "it is an Ed25519 key, which the large mailbox providers do not check")
		return true
	}
	key, err := x509.ParsePKIXPublicKey(der)
	public, ok := key.(*rsa.PublicKey)
	if err != nil || !ok {
		x.fail(check, "enter the record as the provider shows it, in one piece", "its key cannot be read: every signature is bad")
		return false
	}
	switch bits := public.N.BitLen(); {
	case bits < 1024:
		x.fail(check, anew, "its key has %d bits, too few: receiving systems do not take it", bits)
		return false
	case strings.Contains(":"+t["t"]+":", ":y:"):
		x.warn(check, "take t=y out of the record", "it is marked as a test: receiving systems treat the mail as if it were not signed")
	case bits < 2048:
		x.warn(check, anew, "its key has %d bits, which is weak", bits)
	default:
		x.ok(check, "there is a key of %d bits", bits)
	}
	return true
}
