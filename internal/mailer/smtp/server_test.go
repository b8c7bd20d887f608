package smtp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	server "github.com/emersion/go-smtp"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/smtp"
	"strikevote/internal/platform/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	user     = "ballot-user"
	password = "canary-password"
)

// An authority vouches for servers.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{key: newKey(t), pool: x509.NewCertPool()}
	plan := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, plan, plan, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.pool.AddCert(a.cert)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// vouch makes a certificate for an address that is good until then.
func (a *authority) vouch(t testing.TB, ip string, until time.Time) *tls.Config {
	t.Helper()
	key := newKey(t)
	plan := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.ParseIP(ip)},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, plan, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// A letter is what a server has taken.
type letter struct {
	from, to string
	utf8     bool
	ret      string
	notify   int
	body     string
}

// errDrop makes a post cut the connection instead of answering.
var errDrop = errors.New("the connection is cut")

// A post is a mail server that is not ours, with faults. Its hooks may be nil; they
// answer with an error of the server, or errDrop.
type post struct {
	port   int
	server *server.Server
	seen   *recorder
	stop   func() // ends it before the test does

	accept func(n int) error // each connection, from 1, before the greeting; an error other than errDrop is the greeting
	greet  func(n int)       // may keep a connection waiting
	auth   func() error
	mail   func(from string) error
	rcpt   func(from, to string) error
	begin  func(l letter) error // in the middle of DATA
	half   func(err error)      // how the reading of a mail ended
	end    func(l letter) (keep bool, err error)

	mu          sync.Mutex
	letters     []letter
	connections int
	open, most  int
	conns       []net.Conn
}

// A recorder keeps every byte that came.
type recorder struct {
	mu  sync.Mutex
	got []byte
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.got)
}

type recorded struct {
	net.Conn
	p    *post
	n    int
	wait sync.Once
	once sync.Once
}

func (c *recorded) Write(b []byte) (int, error) {
	if c.p.greet != nil {
		c.wait.Do(func() { c.p.greet(c.n) })
	}
	return c.Conn.Write(b)
}

func (c *recorded) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.p.seen.mu.Lock()
	if len(c.p.seen.got) < 1<<20 {
		c.p.seen.got = append(c.p.seen.got, b[:n]...)
	}
	c.p.seen.mu.Unlock()
	return n, err
}

func (c *recorded) Close() error {
	c.once.Do(func() {
		c.p.mu.Lock()
		c.p.open--
		c.p.mu.Unlock()
	})
	return c.Conn.Close()
}

// A gate lets connections to a post, or not.
type gate struct {
	net.Listener
	p *post
}

func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.p.mu.Lock()
		g.p.connections++
		n := g.p.connections
		g.p.open++
		g.p.most = max(g.p.most, g.p.open)
		g.p.mu.Unlock()
		r := &recorded{Conn: c, p: g.p, n: n}
		g.p.mu.Lock()
		g.p.conns = append(g.p.conns, r)
		g.p.mu.Unlock()
		if g.p.accept != nil {
			if err := g.p.accept(n); err != nil {
				if !errors.Is(err, errDrop) {
					io.WriteString(c, err.Error()+"\r\n")
				}
				r.Close()
				continue
			}
		}
		return r, nil
	}
}

// start serves until the test ends. wire is [smtp.StartTLS], TLS or None.
func (p *post) start(t testing.TB, wire string, config *tls.Config) *post {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.port, p.seen = listener.Addr().(*net.TCPAddr).Port, new(recorder)
	var l net.Listener = &gate{listener, p}
	p.server = server.NewServer(p)
	p.server.Domain, p.server.EnableDSN = "post.example", true
	p.server.ErrorLog = log.New(io.Discard, "", 0)
	switch wire {
	case smtp.StartTLS:
		p.server.TLSConfig = config
	case smtp.TLS:
		l = tls.NewListener(l, config)
	case smtp.None:
		p.server.AllowInsecureAuth = true // it would take the password
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.server.Serve(l)
	}()
	p.stop = func() {
		// The server's own Close looks at connections whose handshake is under way, and
		// races with it. What lies below them can be closed at any time.
		listener.Close()
		<-done
		p.cut()
	}
	t.Cleanup(p.stop)
	return p
}

func (p *post) NewSession(c *server.Conn) (server.Session, error) { return &visit{p: p, c: c}, nil }

// A visit is one connection to a post.
type visit struct {
	p *post
	c *server.Conn
	l letter
}

func (v *visit) answer(err error) error {
	if errors.Is(err, errDrop) {
		v.c.Conn().Close()
	}
	return err
}

func (v *visit) AuthMechanisms() []string { return []string{sasl.Plain} }

func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, word string) error {
		if v.p.auth != nil {
			if err := v.p.auth(); err != nil {
				return v.answer(err)
			}
		}
		if name != user || word != password {
			return server.ErrAuthFailed
		}
		return nil
	}), nil
}

func (v *visit) Reset() { v.l = letter{} }

func (v *visit) Logout() error { return nil }

func (v *visit) Mail(from string, o *server.MailOptions) error {
	if v.l.from != "" {
		return says(503, 5, 5, 1, "nested MAIL command")
	}
	v.l = letter{from: from, utf8: o.UTF8, ret: string(o.Return)}
	if v.p.mail != nil {
		return v.answer(v.p.mail(from))
	}
	return nil
}

func (v *visit) Rcpt(to string, o *server.RcptOptions) error {
	v.l.to, v.l.notify = to, len(o.Notify)
	if v.p.rcpt != nil {
		return v.answer(v.p.rcpt(v.l.from, to))
	}
	return nil
}

func (v *visit) Data(r io.Reader) error {
	if v.p.begin != nil {
		if err := v.p.begin(v.l); err != nil {
			io.CopyN(io.Discard, r, 100)
			return v.answer(err)
		}
	}
	b, err := io.ReadAll(r)
	if v.p.half != nil {
		v.p.half(err)
	}
	if err != nil {
		return err
	}
	v.l.body = string(b)
	keep, err := true, error(nil)
	if v.p.end != nil {
		keep, err = v.p.end(v.l)
	}
	if keep {
		v.p.mu.Lock()
		v.p.letters = append(v.p.letters, v.l)
		v.p.mu.Unlock()
	}
	return v.answer(err)
}

// cut ends every connection.
func (p *post) cut() {
	p.mu.Lock()
	list := p.conns
	p.conns = nil
	p.mu.Unlock()
	for _, c := range list {
		c.Close()
	}
}

func (p *post) list() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.letters)
}

func (p *post) connected() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.connections
}

func says(code, class, subject, detail int, text string) error {
	return &server.SMTPError{Code: code, EnhancedCode: server.EnhancedCode{class, subject, detail}, Message: text}
}

// sender is one that signs in at a post.
func (p *post) sender(t testing.TB, a *authority, change func(*smtp.Config)) *smtp.Sender {
	t.Helper()
	c := smtp.Config{Host: "127.0.0.1", Port: p.port, User: user, Password: password, TLS: smtp.StartTLS, Bounce: "bounce@union.example",
		Connections: 3, Timeout: 10 * time.Second, Roots: a.pool}
	if change != nil {
		change(&c)
	}
	s, err := smtp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// mailTo is a mail as the mailer makes them.
func mailTo(n int, to string) mailer.Mail {
	return mailer.Mail{ID: [16]byte{byte(n), byte(n >> 8), 0xAB, 15: 0xCD}, From: mailer.Address{Name: "Union Ballot", Address: "ballot@union.example"},
		ReplyTo: "help@union.example", To: to, Subject: "Your ballot", Text: "Dear canary\n.\n..\nhttps://vote.example/v1/#t=canary\n",
		HTML: "<p>Dear canary</p>", Date: time.Unix(1_900_000_000, 0), Language: "en"}
}
