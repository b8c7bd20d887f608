package deployment

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
)

// certified returns a certificate for hosts, and who trusts it.
func certified(t *testing.T, hosts ...string) (*web.Certificates, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(60 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir, pool := t.TempDir(), x509.NewCertPool()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(cert)
	for name, b := range map[string][]byte{"cert": cert, "key": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certs, err := web.Files(filepath.Join(dir, "cert"), filepath.Join(dir, "key"), time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return certs, pool
}

// TestShared serves all parts on one address with TLS, each under its own host,
// and the operators' listener without.
func TestShared(t *testing.T) {
	t.Parallel()
	hosts := map[Part]string{PartBooth: "vote.example", PartRegistrar: "registrar.example", PartBox: "box.example", PartBoard: "record.example", PartConsole: "committee.example"}
	var names []string
	for _, host := range hosts {
		names = append(names, host)
	}
	certs, pool := certified(t, names...)
	addr := unused("127.77.0.1")
	c := Config{
		Data: t.TempDir(), Listen: make(map[string]string), Parts: Parts(),
		Front: Front{Certificates: certs, Plain: "127.0.0.1:0", Proxies: web.Proxies{netip.MustParsePrefix("127.0.0.0/8")}, Rates: map[string]web.Rate{"booth": {Burst: 2, Per: time.Hour}, "box": {Burst: 1, Per: time.Hour}}},
		Origins: election.Origins{Booth: "https://vote.example", Registrar: "https://registrar.example", Box: "https://box.example",
			Board: "https://record.example", Console: "https://committee.example"},
	}
	for part := range hosts {
		c.Listen[string(part)] = addr
	}
	d := &Deployment{c: c}
	if err := d.listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	for name, l := range d.listeners {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
		serving.Go(func() { _ = web.Serve(ctx, web.Server("", d.c.Front.before(name, h), web.Limits{}), l) })
	}
	for _, n := range d.shared {
		serving.Go(func() { _ = n.Serve(ctx) })
	}
	tr := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, at string) (net.Conn, error) {
			if strings.HasSuffix(at, ".example:443") {
				at = addr
			}
			return new(net.Dialer).DialContext(ctx, network, at)
		},
	}
	client := &http.Client{Transport: tr}
	get := func(url string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", "192.0.2.1") // this machine is not limited
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for part, host := range hosts {
		if status, body := get("https://" + host + "/"); status != 200 || body != string(part) {
			t.Errorf("%s: got %d, %s", host, status, body)
		}
	}
	if status, body := get("http://" + d.AdminAddress() + "/"); status != 200 || body != listenAdmin {
		t.Errorf("operators: got %d, %s", status, body)
	}
	// The booth is limited, the box is not, whatever is set for it.
	for _, tt := range []struct {
		host string
		want int
	}{{"vote.example", 200}, {"vote.example", 429}, {"box.example", 200}, {"box.example", 200}} {
		if status, _ := get("https://" + tt.host + "/"); status != tt.want {
			t.Errorf("%s: got %d, want %d", tt.host, status, tt.want)
		}
	}
	tr.CloseIdleConnections()
	cancel()
	serving.Wait()
}

// TestFrontRefuses opens what must not be opened, and leaves nothing open.
func TestFrontRefuses(t *testing.T) {
	t.Parallel()
	certs, _ := certified(t, "a.example", "b.example")
	addr := unused("127.77.0.1")
	both := map[string]string{listenBooth: addr, listenBox: addr}
	for _, tt := range []struct {
		name, want string
		c          Config
	}{
		{"plain, for all", "plain HTTP", Config{Listen: map[string]string{listenBox: "0.0.0.0:0"}}},
		{"operators, for all", "plain HTTP", Config{Listen: map[string]string{listenAdmin: "0.0.0.0:0"}, Front: Front{Certificates: certs}}},
		{"operators, behind a proxy", "plain HTTP", Config{Listen: map[string]string{listenAdmin: "0.0.0.0:0"}, Front: Front{Proxies: web.Proxies{netip.MustParsePrefix("10.0.0.0/8")}}}},
		{"shared, plain", "in use", Config{Listen: both}},
		{"shared, without hosts", "no hosts of their own", Config{Listen: both, Front: Front{Certificates: certs}}},
		{"shared, one host", "no hosts of their own", Config{Listen: both, Front: Front{Certificates: certs},
			Origins: election.Origins{Booth: "https://a.example", Box: "https://a.example:444"}}},
		{"plain HTTP to nothing", "no TLS", Config{Front: Front{Plain: "127.0.0.1:0"}}},
	} {
		tt.c.Data, tt.c.Parts = t.TempDir(), Parts()
		d := &Deployment{c: tt.c, client: new(http.Client)}
		err := d.listen()
		if err == nil {
			err = d.openPlain()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// Half of it was opened and is closed again.
	d := &Deployment{client: new(http.Client), c: Config{
		Data: t.TempDir(), Parts: Parts(), Listen: both, Front: Front{Certificates: certs}, Origins: election.Origins{Booth: "https://a.example", Box: "https://b.example"},
	}}
	if err := d.listen(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("it was left open: %v", err)
	}
	_ = l.Close()
}

// TestConnect names to the voter's page the services that are set, and those that note
// their address in the folder later.
func TestConnect(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	d := &Deployment{c: Config{Data: data, Parts: []Part{PartBooth, PartBoard}, Origins: election.Origins{Box: "https://box.example"}}}
	if err := d.listen(); err != nil {
		t.Fatal(err)
	}
	board := d.origins.Board
	if got := d.connect(); !slices.Equal(got, []string{"https://box.example", board}) {
		t.Errorf("before the registrar was there: %q", got)
	}
	later := &Deployment{c: Config{Data: data, Parts: []Part{PartRegistrar}, Listen: map[string]string{listenAdmin: "127.0.0.1:0"}}}
	if err := later.listen(); err != nil {
		t.Fatal(err)
	}
	if got := d.connect(); !slices.Equal(got, []string{later.origins.Registrar, "https://box.example", board}) {
		t.Errorf("after: %q", got)
	}
	w := httptest.NewRecorder()
	d.boothHandler().ServeHTTP(w, httptest.NewRequest("GET", "/v1/", nil))
	if p := w.Result().Header.Get("Content-Security-Policy"); !strings.Contains(p, "connect-src 'self' "+later.origins.Registrar+" https://box.example "+board+";") {
		t.Errorf("got %s", p)
	}
	for _, x := range []*Deployment{d, later} {
		for _, l := range x.listeners {
			_ = l.Close()
		}
	}
}

// TestUnused: a restart gets the port that no outgoing connection takes.
func TestUnused(t *testing.T) {
	t.Parallel()
	d := &Deployment{c: Config{Data: t.TempDir(), Parts: []Part{PartBox}}}
	if err := d.listen(); err != nil {
		t.Fatal(err)
	}
	for name, l := range d.listeners {
		if port := netip.MustParseAddrPort(l.Addr().String()).Port(); port < firstPort || port >= endPort {
			t.Errorf("the %s has port %d", name, port)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
