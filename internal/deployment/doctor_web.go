package deployment

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"strikevote/internal/protocol/suite"
)

// reach asks the running service, every origin and what is upstream.
func (x *examination) reach(ctx context.Context) error {
	noted, err := x.d.readNoted()
	if err != nil {
		return err
	}
	for name, addr := range x.Listen {
		if addr != "" {
			noted[name] = addr
		}
	}
	running := x.service(ctx, noted[listenAdmin])
	if err := x.d.readServing(); err != nil {
		return err
	}
	o := x.d.origins
	for _, p := range []struct {
		part   Part
		origin string
	}{{PartBooth, o.Booth}, {PartRegistrar, o.Registrar}, {PartBox, o.Box}, {PartBoard, o.Board}, {PartConsole, o.Console}} {
		check := "origin of the " + string(p.part)
		switch {
		case p.origin == "":
			x.warn(check, "set STRIKEVOTE_ORIGIN_"+strings.ToUpper(string(p.part)), "it is not set, and nothing listens for it here")
		case x.d.runs(p.part) && !running:
			x.warn(check, "start serve and run doctor again", "serve does not run here, so %s was not asked", p.origin)
		default:
			x.ask(ctx, check, p.origin, p.part)
		}
	}
	for name, at := range map[string]string{"upstream of the ledger": x.Upstream.Ledger, "upstream of the ballots": x.Upstream.Ballots} {
		if at != "" {
			x.ask(ctx, name, at, PartBoard)
		}
	}
	if x.Upstream.Box != "" {
		x.ask(ctx, "upstream of the box", x.Upstream.Box, PartBox)
	}
	if err := x.cautions(o); err != nil {
		return err
	}
	x.servedPage(ctx, o.Booth)
	x.certificate(o.Booth, o.Registrar, o.Box, o.Board, o.Console)
	return nil
}

// service asks the process that runs here whether it can do its work.
func (x *examination) service(ctx context.Context, admin string) (running bool) {
	const check = "serve"
	if admin == "" {
		x.warn(check, "start it", "it never ran here")
		return false
	}
	a, err := x.get(ctx, "http://"+admin+"/readyz")
	switch alone := Unserved(x.Data); {
	case err != nil:
		x.warn(check, "start it", "it does not run here, or not on %s", admin)
		return false
	case alone == nil:
		x.warn(check, "see what listens on "+admin, "it does not run on this data folder, and another program has its address %s", admin)
		return false
	case a.status == http.StatusServiceUnavailable:
		x.fail(check, "look at its log", "%s", strings.ReplaceAll(strings.TrimSpace(a.body), "\n", ", "))
	case a.status != http.StatusOK:
		x.fail(check, "see what listens on "+admin, "/readyz answers %d", a.status)
	default:
		x.ok(check, "it is ready")
	}
	x.open(ctx, admin)
	return true
}

// open compares the open files of the running process with its own limit, which
// may be another than this shell's.
func (x *examination) open(ctx context.Context, admin string) {
	const check = "open files of serve"
	a, err := x.get(ctx, "http://"+admin+"/metrics")
	if err != nil || a.status != http.StatusOK {
		x.warn(check, "look at it by other means", "/metrics does not answer")
		return
	}
	open, limit := -1.0, -1.0
	for line := range strings.Lines(a.body) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
		case name == "process_open_fds":
			open = n
		case name == "process_max_fds":
			limit = n
		}
	}
	switch {
	case open < 0 || limit <= 0:
		x.warn(check, "look at it by other means", "/metrics does not tell")
	case open > limit*0.8:
		x.fail(check, "set LimitNOFILE=65536 in the unit and start it again", "%.0f of %.0f are open", open, limit)
	case limit < 1024:
		x.fail(check, "set LimitNOFILE=65536 in the unit and start it again", "at most %.0f may be open, too few for one hospital", limit)
	default:
		x.ok(check, "%.0f of %.0f are open", open, limit)
	}
}

// An answered is what came back.
type answered struct {
	status int
	kind   string // content type, without parameters
	code   string // of an error in the services' form
	body   string
	date   time.Time
	took   time.Duration
	asked  time.Time
	tls    *tls.ConnectionState
}

const maxAnswer = 1 << 20

// get asks an address. Its error holds no more of an address than its host.
func (x *examination) get(ctx context.Context, address string) (answered, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answered{}, err
	}
	a := answered{asked: x.Now()}
	resp, err := x.Client.Do(req)
	if err != nil {
		if u := new(url.Error); errors.As(err, &u) {
			err = u.Err
		}
		return answered{}, err
	}
	defer resp.Body.Close()
	a.took = x.Now().Sub(a.asked)
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answered{}, err
	}
	a.status, a.body, a.tls = resp.StatusCode, string(b), resp.TLS
	a.kind, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	a.date, _ = http.ParseTime(resp.Header.Get("Date"))
	var said struct{ Error string }
	if json.Unmarshal(b, &said) == nil {
		a.code = said.Error
	}
	return a, nil
}

// A sign is a question whose answer tells one part from all others. None of them
// changes anything: GET never does.
type sign struct {
	path string
	is   func(answered) bool
}

// nobody is an election that there is none of.
var nobody = suite.ElectionID{}.String()

var signs = map[Part]sign{
	PartBooth:     {"/v1/", func(a answered) bool { return a.status == http.StatusOK && a.kind == "text/html" }},
	PartRegistrar: {"/v1/" + nobody + "/issue", func(a answered) bool { return a.status == http.StatusMethodNotAllowed && a.code != "" }},
	// A box that knows the election would say that this is not asked with GET.
	PartBox:     {"/v1/" + nobody + "/issue", func(a answered) bool { return a.status == http.StatusNotFound && a.code != "" }},
	PartBoard:   {"/elections", func(a answered) bool { return a.status == http.StatusOK && a.kind != "text/html" }},
	PartConsole: {"/v1/" + nobody + "/ceremony", func(a answered) bool { return a.status == http.StatusNotFound && a.code == "unknown" }},
}

// ask checks that an origin is what it should be: two that were mixed up at a
// proxy would send tokens to the box.
func (x *examination) ask(ctx context.Context, check, origin string, part Part) {
	a, err := x.get(ctx, origin+signs[part].path)
	if err != nil {
		x.fail(check, "see that serve and the proxy run, and that the name leads here", "%s does not answer: %v", origin, err)
		return
	}
	if !signs[part].is(a) || part == PartBox && !x.isBox(ctx, origin) {
		x.fail(check, "see where the proxy leads, and that no two origins were mixed up",
			"%s answers %d, and not as a %s does", origin, a.status, part)
		return
	}
	if skew := a.date.Sub(a.asked.Add(a.took / 2)); !a.date.IsZero() && skew.Abs() > maxSkew {
		than := "ahead of"
		if skew < 0 {
			than = "behind"
		}
		x.fail("clock", "keep both clocks right with NTP", "%s is %s %s this machine's clock", origin, skew.Abs().Round(time.Second), than)
	}
	if a.tls != nil && len(a.tls.PeerCertificates) > 0 {
		if !x.expiry(check, a.tls.PeerCertificates[0]) {
			return
		}
	}
	x.ok(check, "%s answers as it should", origin)
}

// maxSkew allows for whole seconds in answers and a slow way.
const maxSkew = 3 * time.Second

// isBox tells a box from the others that have no such path: a booth, a console
// and a board know one that a box does not.
func (x *examination) isBox(ctx context.Context, origin string) bool {
	for _, other := range []Part{PartBooth, PartBoard, PartConsole} {
		a, err := x.get(ctx, origin+signs[other].path)
		if err != nil || signs[other].is(a) {
			return false
		}
	}
	return true
}

// When a certificate is to be looked at. Renewal is usually tried thirty days
// before the end.
const (
	expiresSoon = 14 * 24 * time.Hour
	expiresNow  = 3 * 24 * time.Hour
)

// expiry checks when a certificate ends, and reports whether that is far enough.
func (x *examination) expiry(check string, c *x509.Certificate) bool {
	left := c.NotAfter.Sub(x.Now())
	says := fmt.Sprintf("its certificate ends %s", c.NotAfter.UTC().Format(time.RFC3339))
	switch {
	case left < expiresNow:
		x.fail(check, "renew it now", "%s", says)
	case left < expiresSoon:
		x.warn(check, "see why it was not renewed", "%s", says)
	default:
		return true
	}
	return false
}

// certificate checks the certificate's file: its end, and that it names every
// host that this process serves.
func (x *examination) certificate(origins ...string) {
	const check = "certificate file"
	if x.CertFile == "" {
		return
	}
	c, err := readCertificate(x.CertFile)
	if err != nil {
		x.fail(check, "name a PEM file with the certificate and its chain", "%v", err)
		return
	}
	good := x.expiry(check, c)
	for i, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || !x.d.runs(Parts()[i]) || u.Scheme != "https" {
			continue
		}
		if err := c.VerifyHostname(u.Hostname()); err != nil {
			x.fail(check, "have it issued for every host", "it is not for %s", u.Hostname())
			good = false
		}
	}
	if good {
		x.ok(check, "it ends %s", c.NotAfter.UTC().Format(time.RFC3339))
	}
}

func readCertificate(path string) (*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", path)
	}
	return x509.ParseCertificate(block.Bytes)
}
