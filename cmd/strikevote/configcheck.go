package main

import (
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"strikevote/internal/deployment"
	"strikevote/internal/platform/web"
)

// check reports what does not fit together, as far as every command minds it.
func (c *Config) check(bad reportFunc) {
	c.checkDatabases(bad)
	c.checkTLS(bad)
	c.checkOrigins(bad)
	c.checkUpstreams(bad)
	c.checkMail(bad)
	if c.Pace <= 0 {
		bad("PACE", "work would be looked for without a pause; write 1s")
	}
}

type reportFunc func(name, format string, args ...any)

// runs reports whether this process runs a part.
func (c *Config) runs(p deployment.Part) bool { return len(c.Only) == 0 || slices.Contains(c.Only, p) }

func (c *Config) checkDatabases(bad reportFunc) {
	names := c.runs(deployment.PartRegistrar) || c.runs(deployment.PartConsole)
	r, b := c.RegistrarDatabase.URL, c.BoxDatabase.URL
	switch {
	case names && c.runs(deployment.PartBox) && (r == nil) != (b == nil):
		bad("REGISTRAR_DATABASE_URL", "set it together with %sBOX_DATABASE_URL, or neither: the two sides need two servers", prefix)
	case r != nil && b != nil && r.Host == b.Host && r.Query().Get("host") == b.Query().Get("host"):
		bad("BOX_DATABASE_URL", "it names the registrar's server; one server would show which ballot is whose, so name another one")
	}
	if r == nil && c.RegistrarPasswordsFile != "" {
		bad("REGISTRAR_DATABASE_PASSWORDS_FILE", "there is no server that it is for; set %sREGISTRAR_DATABASE_URL", prefix)
	}
	if b == nil && c.BoxPasswordsFile != "" {
		bad("BOX_DATABASE_PASSWORDS_FILE", "there is no server that it is for; set %sBOX_DATABASE_URL", prefix)
	}
}

func (c *Config) checkTLS(bad reportFunc) {
	files := c.TLSCertFile != "" || c.TLSKeyFile != ""
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		bad("TLS_CERT_FILE", "set it together with %sTLS_KEY_FILE: a certificate needs its key", prefix)
	}
	if files && len(c.TLSAutocert) > 0 {
		bad("TLS_AUTOCERT", "there are certificate files too; choose one of them")
	}
	if len(c.TLSTerminator) > 0 && c.tls() {
		bad("TLS_TERMINATOR", "there are certificates too; either a proxy ends TLS or this program does")
	}
	if len(c.TLSAutocert) == 0 {
		if c.TLSAutocertDir != "" || c.TLSAutocertEmail != "" {
			bad("TLS_AUTOCERT", "it is empty, and there are settings for it; name the hosts")
		}
		return
	}
	for _, part := range slices.Sorted(maps.Keys(c.origins())) {
		if o := c.origins()[part]; o != "" && c.runs(deployment.Part(part)) && !slices.Contains(c.TLSAutocert, o.host()) {
			bad("TLS_AUTOCERT", "add %s, the host of %sORIGIN_%s", o.host(), prefix, strings.ToUpper(part))
		}
	}
}

// tls reports whether this program ends TLS itself.
func (c *Config) tls() bool { return c.TLSCertFile != "" || len(c.TLSAutocert) > 0 }

func (c *Config) checkAddresses(bad reportFunc) {
	used := make(map[address]string)
	for _, name := range slices.Sorted(maps.Keys(c.listeners())) {
		addr, upper := c.listeners()[name], strings.ToUpper(name)
		if addr == "" {
			continue
		}
		host, port, _ := net.SplitHostPort(string(addr)) // it was read
		if at, err := netip.ParseAddr(host); name == "admin" && (err != nil || !at.IsLoopback()) {
			bad("LISTEN_ADMIN", "%s is not on this machine only; write it like 127.0.0.1:9090", addr)
			continue
		}
		if err := web.PlainAllowed(string(addr), web.Proxies(c.TLSTerminator)); err != nil && !c.tls() {
			bad("LISTEN_"+upper, "%v", err)
		}
		other, shared := used[addr]
		used[addr] = name
		if !shared || port == "0" {
			continue
		}
		a, b := c.origins()[name].host(), c.origins()[other].host()
		if !c.tls() || a == "" || b == "" || a == b {
			bad("LISTEN_"+upper, "%s is the address of the %s too; two parts share one only with certificates, and if their origins are different hosts", addr, other)
		}
	}
	if c.ListenHTTP != "" && !c.tls() {
		bad("LISTEN_HTTP", "it sends readers on to TLS, and there are no certificates; remove it")
	}
}

func (c *Config) checkOrigins(bad reportFunc) {
	seen := make(map[origin]string)
	for _, name := range slices.Sorted(maps.Keys(c.origins())) {
		o, upper := c.origins()[name], "ORIGIN_"+strings.ToUpper(name)
		if o == "" {
			// Its links would name an address that people do not have.
			addr := c.listeners()[name]
			if c.runs(deployment.Part(name)) && addr != "" && web.PlainAllowed(string(addr), nil) != nil {
				bad(upper, "the %s listens for other computers, so say under which address they reach it; write it like https://vote.union.example", name)
			}
			continue
		}
		if !o.secure() && !loopback(o.host()) {
			bad(upper, "it is plain HTTP, over which anybody on the way reads and changes pages; write https://%s", o.host())
		}
		if other := seen[o]; other != "" {
			bad(upper, "it is the origin of the %s too; each part needs one of its own, so that a page of one cannot act for another", other)
		}
		seen[o] = name
	}
}

func (c *Config) checkUpstreams(bad reportFunc) {
	for _, u := range []struct {
		name string
		at   origin
	}{{"UPSTREAM_LEDGER", c.UpstreamLedger}, {"UPSTREAM_BALLOTS", c.UpstreamBallots}, {"UPSTREAM_BOX", c.UpstreamBox}} {
		if u.at != "" && !u.at.secure() && !inside(u.at.host()) {
			bad(u.name, "it is plain HTTP to another network; write https://%s", u.at.host())
		}
	}
	// A board that does not run beside a side has to be told where that half is:
	// the board's own origin would lead it to itself.
	if c.runs(deployment.PartBoard) && !c.runs(deployment.PartRegistrar) && c.UpstreamLedger == "" {
		bad("UPSTREAM_LEDGER", "this board runs apart from the registrar; say where the registrar's half of the record is, its LISTEN_LEDGER")
	}
	if c.runs(deployment.PartBoard) && !c.runs(deployment.PartBox) && c.UpstreamBallots == "" {
		bad("UPSTREAM_BALLOTS", "this board runs apart from the box; say where the box's half of the record is, its LISTEN_BALLOTS")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// inside reports whether a host is on this machine or a network without
// strangers: a private address, or the short name of a container.
func inside(host string) bool {
	ip := net.ParseIP(host)
	return loopback(host) || ip != nil && ip.IsPrivate() || ip == nil && !strings.Contains(host, ".")
}

// errNoData is the error of a command that needs a data folder.
var errNoData = usageError("name the data folder with -data or %sDATA", prefix)

// mailDir and certificateDir are where mails and certificates go.
func (c *Config) mailDir() string {
	if c.MailDir != "" {
		return c.MailDir
	}
	return filepath.Join(c.Data, "mail")
}

func (c *Config) certificateDir() string {
	if c.TLSAutocertDir != "" {
		return c.TLSAutocertDir
	}
	return filepath.Join(c.Data, "certificates")
}
