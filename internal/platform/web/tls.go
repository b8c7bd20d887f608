package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// Certificates prove to clients which host a listener is. They come from files,
// see [Files], or from a certificate authority, see [Autocert].
type Certificates struct {
	get    func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	expiry func() time.Time
	protos []string
	http   http.Handler // what the authority asks over plain HTTP; may be nil
}

// Files returns the certificate that two PEM files hold: the chain, and its key.
// Files that change are read again within a few seconds, without a restart.
// While they do not fit together, since a renewal writes one after the other,
// what was read before stays in use. The log may be nil.
func Files(cert, key string, now func() time.Time, log *slog.Logger) (*Certificates, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &pair{cert: cert, key: key, now: now, log: log}
	if err := p.load(); err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	return &Certificates{
		get:    func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.current(), nil },
		expiry: func() time.Time { return p.current().Leaf.NotAfter },
	}, nil
}

// A pair is a certificate in two files.
type pair struct {
	cert, key string
	now       func() time.Time
	log       *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate
	seen    [2]os.FileInfo // what the files looked like when they were read
	checked time.Time
	failing bool
}

// recheck is how often files are looked at, at most.
const recheck = 5 * time.Second

// current returns the certificate, after a look at the files if the last one was
// some seconds ago.
func (p *pair) current() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); now.Sub(p.checked) >= recheck {
		p.checked = now
		err := p.load()
		if err != nil && !p.failing {
			p.log.Error("the changed certificate cannot be used, the one before stays", "err", err)
		}
		p.failing = err != nil
	}
	return p.loaded
}

// load reads the files if they are others than before. The caller holds the
// mutex, or is alone.
func (p *pair) load() error {
	var now [2]os.FileInfo
	for i, path := range []string{p.cert, p.key} {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		now[i] = info
	}
	if p.loaded != nil && same(p.seen[0], now[0]) && same(p.seen[1], now[1]) {
		return nil
	}
	c, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return err
	}
	if c.Leaf == nil {
		if c.Leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return err
		}
	}
	p.loaded, p.seen = &c, now
	return nil
}

func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// An Authority says where [Autocert] gets certificates. The zero value is Let's
// Encrypt, without an address for its notices.
type Authority struct {
	Directory string // address of an ACME directory
	Email     string // gets notices of the authority
}

// Autocert returns certificates that are ordered when a client first asks for
// one of the hosts, renewed in time, and kept in a folder. The authority checks
// the host over TLS on port 443, or over HTTP on port 80, see
// [Certificates.Plain]. Nobody can have certificates ordered for other names.
func Autocert(folder string, a Authority, hosts ...string) *Certificates {
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(folder),
		HostPolicy: autocert.HostWhitelist(hosts...), Email: a.Email,
	}
	if a.Directory != "" {
		m.Client = &acme.Client{DirectoryURL: a.Directory}
	}
	return &Certificates{
		get: m.GetCertificate, protos: []string{acme.ALPNProto},
		http:   m.HTTPHandler(http.HandlerFunc(redirect)),
		expiry: func() time.Time { return firstExpiry(m.Cache, hosts) },
	}
}

// firstExpiry returns when the first of the kept certificates ends, or zero if
// none is kept.
func firstExpiry(cache autocert.Cache, hosts []string) time.Time {
	var first time.Time
	for _, host := range hosts {
		b, err := cache.Get(context.Background(), host)
		if err != nil {
			continue // none was ordered yet
		}
		// Key and chain are in one file, as X509KeyPair takes them.
		c, err := tls.X509KeyPair(b, b)
		if err != nil || c.Leaf == nil {
			continue
		}
		if first.IsZero() || c.Leaf.NotAfter.Before(first) {
			first = c.Leaf.NotAfter
		}
	}
	return first
}

// Expires returns when the certificate ends, the first one if there are several,
// or zero if there is none yet.
func (c *Certificates) Expires() time.Time { return c.expiry() }

// Config returns a new configuration of a server: TLS 1.3, and 1.2 for devices
// that cannot do better.
//
// Sessions are never resumed. A ticket that a client got while its ballot was
// issued, and brings along when it casts, would tie the two together; within one
// listener it would tie together two visits.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		NextProtos:             append([]string{"h2", "http/1.1"}, c.protos...),
		SessionTicketsDisabled: true,
		GetCertificate:         c.get,
	}
}

// Listen returns a listener that speaks TLS.
func (c *Certificates) Listen(l net.Listener) net.Listener { return tls.NewListener(l, c.Config()) }

// Plain serves plain HTTP on port 80: what the authority asks, and for all
// others the way to the same address with TLS.
func (c *Certificates) Plain() http.Handler {
	if c.http != nil {
		return headers(apiPolicy)(c.http)
	}
	return headers(apiPolicy)(http.HandlerFunc(redirect))
}

// redirect sends a reader on to TLS. What was posted is not sent on: it crossed
// the network in the clear, and whoever sent it has to learn that.
func redirect(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead || host == "" {
		Error(w, http.StatusForbidden, "tls", "This address is for https only.")
		return
	}
	w.Header().Set("Connection", "close")
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusMovedPermanently)
}

// errNoName is the end of a connection that asked for no host of ours.
var errNoName = errors.New("no such host here")
