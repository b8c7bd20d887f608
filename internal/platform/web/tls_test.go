package web_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/platform/web"
)

// An authority signs certificates for tests.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t), pool: x509.NewCertPool()}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue returns a certificate for hosts, and its key, in PEM.
func (a *authority) issue(serial int64, until time.Time, hosts ...string) (cert, key []byte) {
	a.t.Helper()
	k := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// listen listens on a free port of this machine.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// serveHTTP serves a listener until the test ends.
func serveHTTP(t *testing.T, l net.Listener, h http.Handler) {
	t.Helper()
	s := web.Server("", h, web.Limits{})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
}

// dial shakes hands and says nothing.
func dial(t *testing.T, addr string, c *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, c)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

// TestFiles takes another certificate as soon as both files are there, and keeps
// the old one while they do not fit together.
func TestFiles(t *testing.T) {
	t.Parallel()
	a, dir := newAuthority(t), t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	until := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	cert, key := a.issue(10, until, "vote.example")
	put(t, certFile, cert)
	if _, err := web.Files(certFile, keyFile, time.Now, nil); err == nil {
		t.Error("without a key it is a certificate")
	}
	put(t, keyFile, key)
	var now atomic.Int64
	var log bytes.Buffer
	c, err := web.Files(certFile, keyFile, func() time.Time { return time.Unix(now.Load(), 0) }, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Expires().Equal(until) {
		t.Errorf("it ends %v, want %v", c.Expires(), until)
	}
	l := listen(t)
	serveHTTP(t, c.Listen(l), http.NotFoundHandler())
	serial := func() int64 {
		t.Helper()
		now.Add(10)
		state, err := dial(t, l.Addr().String(), &tls.Config{RootCAs: a.pool, ServerName: "vote.example"})
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 10 {
		t.Errorf("got certificate %d", got)
	}
	cert, key = a.issue(11, until, "vote.example")
	put(t, certFile, cert)
	for range 2 {
		if got := serial(); got != 10 {
			t.Errorf("half renewed: got certificate %d", got)
		}
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("it was said %d times: %s", n, &log)
	}
	put(t, keyFile, key)
	if got := serial(); got != 11 {
		t.Errorf("renewed: got certificate %d", got)
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 11 {
		t.Errorf("without a file: got certificate %d", got)
	}
	if strings.Contains(log.String(), "PRIVATE") {
		t.Error("the log holds a key")
	}
}

// TestVersions offers each version of TLS.
func TestVersions(t *testing.T) {
	t.Parallel()
	a, l := newAuthority(t), listen(t)
	serveHTTP(t, a.certificates(t, "vote.example").Listen(l), http.NotFoundHandler())
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		_, err := dial(t, l.Addr().String(), &tls.Config{RootCAs: a.pool, ServerName: "vote.example", MinVersion: version, MaxVersion: version})
		if (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	state, err := dial(t, l.Addr().String(), &tls.Config{RootCAs: a.pool, ServerName: "vote.example", NextProtos: []string{"h2"}})
	if err != nil || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "h2" {
		t.Errorf("got %s, %s, %v", tls.VersionName(state.Version), state.NegotiatedProtocol, err)
	}
}

func (a *authority) certificates(t *testing.T, hosts ...string) *web.Certificates {
	t.Helper()
	dir := t.TempDir()
	cert, key := a.issue(7, time.Now().Add(time.Hour), hosts...)
	put(t, filepath.Join(dir, "cert"), cert)
	put(t, filepath.Join(dir, "key"), key)
	c, err := web.Files(filepath.Join(dir, "cert"), filepath.Join(dir, "key"), time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNoResumption visits twice with one cache of sessions, as a browser does,
// also at the other side. The negative control is a server as Go makes it, whose
// tickets are taken by every listener that has its configuration.
func TestNoResumption(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	c := a.certificates(t, "vote.example")
	usual := c.Config()
	usual.SessionTicketsDisabled = false
	visit := func(wrap func(net.Listener) net.Listener) bool {
		t.Helper()
		cache := tls.NewLRUClientSessionCache(10)
		resumed := false
		for range 2 { // the registrar's, and then the box's
			l := listen(t)
			serveHTTP(t, wrap(l), http.NotFoundHandler())
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				for range 2 {
					client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
						RootCAs: a.pool, ServerName: "vote.example", ClientSessionCache: cache, MinVersion: version, MaxVersion: version}}}
					resp, err := client.Get("https://" + l.Addr().String())
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					resumed = resumed || resp.TLS.DidResume
				}
			}
		}
		return resumed
	}
	if visit(c.Listen) {
		t.Error("a session was resumed")
	}
	if !visit(func(l net.Listener) net.Listener { return tls.NewListener(l, usual) }) {
		t.Error("negative control: with tickets no session was resumed")
	}
}

// TestAutocert serves what is kept, for the hosts that were named and no other.
func TestAutocert(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 100)
	directory := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		http.Error(w, "no", http.StatusTeapot)
	}))
	defer directory.Close()
	a, dir := newAuthority(t), t.TempDir()
	until := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	cert, key := a.issue(21, until, "vote.example")
	put(t, filepath.Join(dir, "vote.example"), slices.Concat(key, cert))
	c := web.Autocert(dir, web.Authority{Directory: directory.URL}, "vote.example", "box.example")
	if !c.Expires().Equal(until) {
		t.Errorf("it ends %v, want %v", c.Expires(), until)
	}
	l := listen(t)
	serveHTTP(t, c.Listen(l), http.NotFoundHandler())
	state, err := dial(t, l.Addr().String(), &tls.Config{RootCAs: a.pool, ServerName: "vote.example"})
	if err != nil || state.PeerCertificates[0].SerialNumber.Int64() != 21 {
		t.Errorf("got %v", err)
	}
	if _, err := dial(t, l.Addr().String(), &tls.Config{RootCAs: a.pool, ServerName: "evil.example"}); err == nil || len(asked) > 0 {
		t.Errorf("for a name of nobody: %v; the authority was asked %d times", err, len(asked))
	}
	if _, err := dial(t, l.Addr().String(), &tls.Config{RootCAs: a.pool, ServerName: "box.example"}); err == nil || len(asked) == 0 {
		t.Errorf("for a host that has none yet: %v; the authority was asked %d times", err, len(asked))
	}
	for _, proto := range []string{"acme-tls/1", "h2", "http/1.1"} {
		if !slices.Contains(c.Config().NextProtos, proto) {
			t.Errorf("%s is not spoken", proto)
		}
	}
	if none := web.Autocert(t.TempDir(), web.Authority{}, "vote.example").Expires(); !none.IsZero() {
		t.Errorf("nothing ends %v", none)
	}
}

// TestPlain asks on port 80.
func TestPlain(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, c := range map[string]*web.Certificates{
		"files": a.certificates(t, "vote.example"), "autocert": web.Autocert(t.TempDir(), web.Authority{}, "vote.example"),
	} {
		w := httptest.NewRecorder()
		c.Plain().ServeHTTP(w, httptest.NewRequest("GET", "http://vote.example:80/v1/?a=b", nil))
		if w.Code != http.StatusMovedPermanently || w.Header().Get("Location") != "https://vote.example/v1/?a=b" {
			t.Errorf("%s: got %d, %s", name, w.Code, w.Header())
		}
		w = httptest.NewRecorder()
		c.Plain().ServeHTTP(w, httptest.NewRequest("POST", "http://vote.example/v1/x", strings.NewReader("token")))
		if w.Code != http.StatusForbidden || w.Header().Get("Location") != "" {
			t.Errorf("%s: got %d, %s", name, w.Code, w.Header())
		}
		w = httptest.NewRecorder()
		c.Plain().ServeHTTP(w, httptest.NewRequest("GET", "http://vote.example/.well-known/acme-challenge/x", nil))
		if name == "autocert" && w.Code != http.StatusNotFound {
			t.Errorf("a challenge of nobody: got %d", w.Code)
		}
	}
}
