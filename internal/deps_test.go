// Package internal_test holds the architecture of this module, as a test.
package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "strikevote/"

// policy is the architecture of this module: one line per package, naming what
// it may import. It is a statement of intent. Do not widen a line to fix a
// build; widening one is a design change, to be argued in the commit message.
//
// The name of a package is its path below internal/ or, beginning with a
// slash, its path in the module. After it come the packages of this module it
// may import, capabilities (beginning with @, see below), and any package of
// the standard library that is guarded or not pure. What is pure, see below,
// every package may import. A line that begins with + goes on with the one
// before.
const policy = `
	# The protocol core: mathematics and wire formats.
	# No I/O, no clock, no goroutines.
	protocol/suite             reflect @edwards
	protocol/group             @ristretto @edwards protocol/suite
	protocol/elgamal           protocol/group
	protocol/proof             protocol/suite protocol/group protocol/elgamal
	protocol/ballot            protocol/suite protocol/group protocol/elgamal protocol/proof
	protocol/credential        protocol/suite
	protocol/credential/issuer @bigmod crypto/x509 protocol/suite protocol/credential
	protocol/token             protocol/suite
	protocol/tlog              @note @tlog protocol/suite
	protocol/receipt           protocol/suite
	protocol/election          protocol/suite protocol/group protocol/credential protocol/tlog
	protocol/outcome           protocol/suite protocol/election
	protocol/act               protocol/suite protocol/election
	protocol/ledger            protocol/suite protocol/election protocol/act protocol/tlog
	protocol/dkg               @aead crypto/cipher protocol/suite protocol/group
	protocol/share             protocol/suite protocol/group protocol/elgamal protocol/proof
	protocol/tally             protocol/suite protocol/group protocol/elgamal protocol/election protocol/ballot
	+                          protocol/share protocol/outcome

	# What programs stand on. Knows nothing of voting.
	platform/durable           @std
	platform/away              @std
	platform/web               @std @chi @acme @brotli
	platform/metrics           @std @prometheus @promodel
	platform/secret            @std @aead platform/durable
	platform/host              @std
	platform/postgres          @std @pgx
	platform/postgres/cluster  @std platform/postgres

	# Files: the record that everybody checks, and rolls that are imported.
	record/layout              protocol/suite protocol/election protocol/tlog
	record/statement           protocol/suite protocol/group protocol/dkg
	record/mirror              archive/zip path sync record/layout protocol/tlog
	record                     @std math/rand/v2 record/layout record/mirror protocol/suite
	roll                       @std @charmap @excelize mailbox

	# The words of pages. Knows no election.
	language                   sync @language /templates

	# What a mail address is. Knows nobody who has one.
	mailbox                    regexp @idna

	# What pages and mails both say of an election.
	wording                    language protocol/suite protocol/election protocol/outcome

	# A secret in a file, under a passphrase.
	keyfile                    @std @aead @argon2 platform/durable protocol/suite

	# The side that knows names.
	mailer                     @std math/rand/v2 @pgx @prometheus @gomail @qr platform/postgres platform/durable /templates
	+                          protocol/suite protocol/election protocol/token protocol/outcome language wording mailbox @width
	mailer/mailcheck           @std @suffixes @gomail mailer mailer/sendgrid mailer/smtp
	mailer/sendgrid            @std math/rand/v2 @sendgrid @rest @norm mailer mailbox
	mailer/smtp                @std @gomail mailer mailbox
	registrar                  @std @chi @pgx @prometheus platform/web platform/postgres mailer roll mailbox
	+                          protocol/suite protocol/election protocol/token protocol/credential
	+                          protocol/credential/issuer protocol/tlog protocol/act protocol/ledger record/layout
	+                          record/statement language /templates

	# The side that knows votes.
	ballotbox                  @std @chi @pgx @prometheus @aead platform/web platform/postgres board
	+                          protocol/suite protocol/election protocol/credential protocol/ballot
	+                          protocol/receipt protocol/tlog protocol/act protocol/ledger record/layout record/statement

	# What everybody may read, and those who run the vote.
	board                      @std @chi @pgx @prometheus platform/web platform/postgres platform/durable
	+                          protocol/suite protocol/election protocol/tlog protocol/act protocol/ledger record/layout
	booth                      @std @chi platform/web language protocol/suite protocol/election /templates
	ceremony                   protocol/suite protocol/group protocol/dkg protocol/share protocol/election
	pages                      @std @chi @goldmark @pgx platform/web platform/postgres language wording protocol/suite
	+                          protocol/election protocol/act protocol/outcome protocol/ledger protocol/tlog record/layout /templates
	+                          protocol/ballot protocol/receipt protocol/tally
	agenda                     protocol/suite protocol/election protocol/act
	committee                  @std @chi @pgx @prometheus @webauthn platform/web platform/postgres ceremony agenda audit record
	+                          record/layout record/statement protocol/suite protocol/group protocol/elgamal
	+                          protocol/election protocol/act protocol/dkg protocol/share protocol/tally
	+                          protocol/outcome protocol/tlog protocol/ledger /templates

	# Parties outside the server. They trust nothing in it.
	audit                      runtime sync sync/atomic record/layout record/statement
	+                          protocol/suite protocol/group protocol/elgamal protocol/proof protocol/election
	+                          protocol/credential protocol/ballot protocol/receipt protocol/tlog protocol/act
	+                          protocol/ledger protocol/dkg protocol/share protocol/tally protocol/outcome
	voter                      @std @aead math/rand/v2 platform/durable platform/away protocol/suite protocol/group protocol/election
	+                          protocol/token protocol/credential protocol/ballot protocol/receipt protocol/tlog protocol/act
	+                          protocol/ledger
	teller                     @std keyfile platform/durable platform/away ceremony audit record record/layout record/statement
	+                          protocol/suite protocol/group protocol/elgamal protocol/election protocol/dkg
	+                          protocol/share protocol/tally protocol/ledger protocol/tlog
	signer                     @std platform/away keyfile agenda audit record record/layout protocol/suite protocol/election
	+                          protocol/act protocol/receipt protocol/tally
	witness                    @std platform/durable platform/away record/layout protocol/suite protocol/election protocol/tlog protocol/ledger
	monitor                    @std math/rand/v2 record/layout protocol/suite protocol/election protocol/act protocol/ledger protocol/tlog

	# Archives of the databases of one side: files, and what is published.
	backup                     @std platform/durable protocol/suite protocol/election protocol/tlog

	# The only packages where both sides meet. They hold no rule of the vote.
	deployment                 @std @chi @pgx @prometheus @sync monitor backup registrar ballotbox board booth pages committee ceremony agenda mailer
	+                          roll record record/layout record/statement audit platform/web platform/metrics
	+                          platform/postgres platform/postgres/cluster platform/secret platform/durable platform/host
	+                          protocol/suite protocol/credential
	+                          protocol/credential/issuer protocol/election protocol/act protocol/dkg
	+                          protocol/ledger protocol/tlog protocol/tally protocol/outcome protocol/token /migrations
	demo                       @std @pgx math/rand/v2 deployment registrar ballotbox board booth pages committee ceremony
	+                          mailer voter teller witness roll record record/layout record/statement audit
	+                          platform/web platform/metrics platform/postgres platform/postgres/cluster
	+                          protocol/suite protocol/group protocol/election protocol/act protocol/ballot
	+                          protocol/credential protocol/credential/issuer protocol/dkg protocol/share
	+                          protocol/ledger protocol/receipt protocol/tlog protocol/tally protocol/token
	+                          protocol/outcome /migrations
	/cmd/strikevote            @std math/rand/v2 mailbox mailer/mailcheck mailer/sendgrid mailer/smtp monitor @chi @pgx @prometheus @progress @term demo deployment registrar ballotbox board
	+                          booth pages committee ceremony agenda signer mailer language voter teller witness roll record
	+                          record/layout record/statement audit platform/web platform/metrics platform/postgres
	+                          platform/postgres/cluster platform/secret platform/host
	+                          protocol/suite protocol/election protocol/act
	+                          protocol/ballot protocol/ledger protocol/receipt protocol/tlog protocol/token
	+                          protocol/outcome /migrations

	# The audit for a browser. The page brings the files.
	/cmd/strikevote/wasm       archive/zip syscall/js audit record/layout record/mirror protocol/suite protocol/election

	# Makes files that are committed. Nothing imports it.
	bundle                     @std @esbuild

	# For tests. What is not a test may not import them.
	torture                    @std testing
	browser                    @std testing
	platform/web/webtest       @std testing
	mailer/mailcheck/dnstest   @std testing @dnsmessage
	bundle/bundletest          @std testing @edwards @wycheproof protocol/suite protocol/group protocol/ballot
	+                          protocol/credential protocol/credential/issuer protocol/election/electiontest
	+                          protocol/election protocol/token protocol/ledger protocol/receipt protocol/tlog record/layout language
	mailer/sendgrid/sendgridtest @std math/rand/v2 testing @jsonschema
	platform/postgres/pgtest   @std @pgx testing platform/postgres platform/postgres/cluster /migrations
	protocol/election/electiontest testing sync protocol/suite protocol/group protocol/election protocol/credential
	+                          protocol/credential/issuer protocol/act protocol/ledger protocol/tlog protocol/dkg
	audit/audittest            @std testing record/layout record/statement protocol/suite protocol/group protocol/elgamal
	+                          protocol/election protocol/election/electiontest protocol/credential
	+                          protocol/credential/issuer protocol/ballot protocol/act protocol/ledger protocol/tlog
	+                          protocol/dkg protocol/share protocol/tally protocol/outcome

	/migrations
	/templates
`

// apart lists pairs of packages neither of which may reach the other, however
// indirectly. The secrecy of the ballot rests on the first.
var apart = [][2]string{
	{"registrar", "ballotbox"},
	{"mailer", "ballotbox"},
	{"roll", "ballotbox"},
	{"ballotbox", "protocol/token"},
	{"ballotbox", "protocol/credential/issuer"},
	{"registrar", "protocol/ballot"},
	{"registrar", "protocol/elgamal"},
	{"mailer", "protocol/ballot"},
	{"mailer", "protocol/tally"},
	{"registrar", "voter"},
	{"ballotbox", "voter"},
	// The committee reaches the services through interfaces that it declares.
	{"committee", "registrar"},
	{"committee", "ballotbox"},
	{"board", "registrar"},
	// What everybody reads is made of what is public.
	{"pages", "registrar"},
	{"pages", "ballotbox"},
	{"pages", "mailer"},
	{"pages", "protocol/token"},
	{"board", "protocol/token"},
	{"booth", "registrar"},
	{"booth", "ballotbox"},
	// Who checks has nothing in common with who is checked but the protocol.
	{"audit", "platform/web"},
	{"audit", "platform/postgres"},
	{"audit", "record"},
	{"/cmd/strikevote/wasm", "record"},
	{"/cmd/strikevote/wasm", "platform/postgres"},
	{"voter", "platform/postgres"},
	{"teller", "platform/postgres"},
	{"teller", "committee"},
	{"signer", "platform/postgres"},
	{"signer", "committee"},
	{"witness", "platform/postgres"},
	{"witness", "board"},
	{"monitor", "booth"},
	{"monitor", "board"},
	{"monitor", "platform/web"},
}

// capabilities maps a name in the policy to the module, or the part of one, it
// stands for. The name @std stands for the whole of the standard library,
// except what is guarded.
var capabilities = map[string]string{
	"@acme":       "golang.org/x/crypto/acme",
	"@aead":       "golang.org/x/crypto/chacha20poly1305",
	"@argon2":     "golang.org/x/crypto/argon2",
	"@bigmod":     "filippo.io/bigmod",
	"@brotli":     "github.com/andybalholm/brotli",
	"@charmap":    "golang.org/x/text/encoding/charmap",
	"@chi":        "github.com/go-chi/chi/v5",
	"@dnsmessage": "golang.org/x/net/dns/dnsmessage",
	"@edwards":    "filippo.io/edwards25519",
	"@esbuild":    "github.com/evanw/esbuild/pkg/api",
	"@excelize":   "github.com/xuri/excelize/v2",
	"@goldmark":   "github.com/yuin/goldmark",
	"@gomail":     "github.com/wneessen/go-mail",
	"@idna":       "golang.org/x/net/idna",
	"@jsonschema": "github.com/santhosh-tekuri/jsonschema/v6",
	"@language":   "golang.org/x/text/language",
	"@norm":       "golang.org/x/text/unicode/norm",
	"@note":       "golang.org/x/mod/sumdb/note",
	"@pgx":        "github.com/jackc/pgx/v5",
	"@progress":   "github.com/schollz/progressbar/v3",
	"@prometheus": "github.com/prometheus/client_golang",
	"@promodel":   "github.com/prometheus/client_model",
	"@qr":         "rsc.io/qr",
	"@rest":       "github.com/sendgrid/rest",
	"@ristretto":  "github.com/gtank/ristretto255",
	"@sendgrid":   "github.com/sendgrid/sendgrid-go",
	"@suffixes":   "golang.org/x/net/publicsuffix",
	"@sync":       "golang.org/x/sync/errgroup",
	"@term":       "golang.org/x/term",
	"@tlog":       "golang.org/x/mod/sumdb/tlog",
	"@webauthn":   "github.com/go-webauthn/webauthn",
	"@width":      "golang.org/x/text/width",
	"@wycheproof": "github.com/c2sp/wycheproof",
}

// pure lists what every package may import: nothing in it touches a file, a
// socket, a process, or another goroutine.
var pure = strings.Fields(`
	bytes cmp context embed errors fmt hash io io/fs iter maps math math/big
	math/bits slices strconv strings time unicode unicode/utf8
	crypto crypto/ecdsa crypto/ed25519 crypto/elliptic crypto/hkdf crypto/hmac
	crypto/rand crypto/rsa crypto/sha256 crypto/sha512 crypto/subtle
	encoding encoding/asn1 encoding/base64 encoding/binary encoding/hex encoding/json
	golang.org/x/crypto/cryptobyte
`)

// guarded lists what a package may import only if its own line says so. Some
// have math/rand/v2 to spread retries or to make up people, never for a secret.
var guarded = strings.Fields(`
	expvar math/rand math/rand/v2 net/http/pprof plugin testing unsafe
`)

func TestImports(t *testing.T) {
	t.Parallel()
	allowed := parsePolicy(t)
	imports := loadImports(t)

	for pkg, deps := range imports {
		rule, ok := allowed[pkg]
		if !ok {
			t.Errorf("%s: not in the policy; add a line saying what it may import", pkg)
			continue
		}
		for _, dep := range deps {
			if !permits(rule, dep) {
				t.Errorf("%s imports %s, which the policy does not allow", pkg, dep)
			}
		}
	}
	for pkg, rule := range allowed {
		if _, ok := imports[pkg]; !ok {
			t.Errorf("%s: in the policy, but there is no such package", pkg)
		}
		for _, name := range rule {
			if _, ok := capabilities[name]; name[0] == '@' && name != "@std" && !ok {
				t.Errorf("%s: unknown capability %s", pkg, name)
			}
		}
	}
	for _, pair := range apart {
		for _, p := range [][2]string{pair, {pair[1], pair[0]}} {
			if chain := reach(imports, p[0], p[1]); chain != nil {
				t.Errorf("%s must stay apart from %s: %s", p[0], p[1], strings.Join(chain, " → "))
			}
		}
	}
}

// TestPolicyRefuses is the negative control of TestImports: what the policy is
// for is refused.
func TestPolicyRefuses(t *testing.T) {
	t.Parallel()
	allowed := parsePolicy(t)
	for _, tt := range []struct{ pkg, imports string }{
		{"registrar", "strikevote/internal/ballotbox"},
		{"registrar", "strikevote/internal/platform/metrics2"},
		{"registrar", "github.com/sendgrid/sendgrid-go"},
		{"registrar", "testing"},
		{"registrar", "math/rand/v2"},
		{"ballotbox", "strikevote/internal/protocol/token"},
		{"ballotbox", "strikevote/internal/protocol/credential/issuer"},
		{"protocol/ballot", "net/http"},
		{"protocol/ballot", "sync"},
		{"protocol/ballot", "os"},
		{"protocol/credential", "github.com/cloudflare/circl/zk/dleq"},
		{"protocol/group", "filippo.io/edwards25519extra"},
		{"audit", "os"},
		{"audit", "net/http"},
		{"committee", "strikevote/internal/demo"},
		{"platform/web", "strikevote/internal/protocol/suite"},
		{"demo", "unsafe"},
	} {
		if permits(allowed[tt.pkg], tt.imports) {
			t.Errorf("%s may import %s", tt.pkg, tt.imports)
		}
	}
	imports := map[string][]string{
		"registrar": {"fmt", module + "internal/x"},
		"x":         {module + "internal/y"},
		"y":         {module + "internal/ballotbox"},
	}
	if got := strings.Join(reach(imports, "registrar", "ballotbox"), " "); got != "registrar x y ballotbox" {
		t.Errorf("got chain %q", got)
	}
}

// TestReplay checks that neither the protocol nor the auditor reads the clock,
// and that the protocol starts no goroutine: time must come in as an argument,
// so that every decision can be replayed.
func TestReplay(t *testing.T) {
	t.Parallel()
	clock := strings.Fields("Now Since Until After AfterFunc Tick NewTimer NewTicker Sleep")
	for _, root := range []string{"internal/protocol", "internal/audit", "internal/ceremony"} {
		walkGo(t, root, parser.SkipObjectResolution, func(fset *token.FileSet, dir string, f *ast.File) {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ImportSpec:
					if n.Path.Value == `"time"` && n.Name != nil {
						t.Errorf("%s: time imported under another name", fset.Position(n.Pos()))
					}
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
						t.Errorf("%s: time.%s; take the time as an argument", fset.Position(n.Pos()), n.Sel.Name)
					}
				case *ast.GoStmt:
					if root == "internal/protocol" {
						t.Errorf("%s: goroutine in %s", fset.Position(n.Pos()), dir)
					}
				}
				return true
			})
		})
	}
}

func parsePolicy(t *testing.T) map[string][]string {
	t.Helper()
	m := make(map[string][]string)
	last := ""
	for line := range strings.Lines(policy) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		if fields[0] == "+" {
			m[last] = append(m[last], fields[1:]...)
			continue
		}
		last = fields[0]
		if _, dup := m[last]; dup {
			t.Fatalf("policy: %s has two lines", last)
		}
		m[last] = fields[1:]
	}
	return m
}

// permits reports whether a line of the policy allows an import.
func permits(rule []string, importPath string) bool {
	if name, ours := short(importPath); ours {
		return slices.Contains(rule, name)
	}
	if slices.Contains(pure, importPath) || slices.Contains(rule, importPath) {
		return true
	}
	if first, _, _ := strings.Cut(importPath, "/"); !strings.Contains(first, ".") {
		return slices.Contains(rule, "@std") && !slices.Contains(guarded, importPath)
	}
	return slices.ContainsFunc(rule, func(name string) bool {
		mod, ok := capabilities[name]
		return ok && (importPath == mod || strings.HasPrefix(importPath, mod+"/"))
	})
}

// loadImports returns the imports of every package of this module, by the name
// the package has in the policy. The imports of tests do not count.
func loadImports(t *testing.T) map[string][]string {
	t.Helper()
	m := make(map[string][]string)
	walkGo(t, ".", parser.ImportsOnly, func(_ *token.FileSet, dir string, f *ast.File) {
		pkg, _ := short(module + dir)
		if _, ok := m[pkg]; !ok {
			m[pkg] = nil
		}
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			m[pkg] = append(m[pkg], p)
		}
	})
	return m
}

// short returns the name that an import path has in the policy, and whether
// the path belongs to this module.
func short(importPath string) (string, bool) {
	rest, ours := strings.CutPrefix(importPath, module)
	if !ours {
		return importPath, false
	}
	if name, ok := strings.CutPrefix(rest, "internal/"); ok {
		return name, true
	}
	return "/" + rest, true
}

// walkGo parses every Go file below root that is not a test. Directories are
// relative to the root of the module, one above the package of this test.
func walkGo(t *testing.T, root string, mode parser.Mode, visit func(fset *token.FileSet, dir string, f *ast.File)) {
	t.Helper()
	fset := token.NewFileSet()
	walk(t, root, func(name string) {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return
		}
		f, err := parser.ParseFile(fset, filepath.Join("..", name), nil, mode)
		if err != nil {
			t.Fatal(err)
		}
		visit(fset, path.Dir(name), f)
	})
}

// walk visits every file below root that is ours: not hidden, and not data of a
// test.
func walk(t *testing.T, root string, visit func(name string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(".."), root, func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (base == "testdata" || base == "bin" || base == "node_modules" || len(base) > 1 && base[0] == '.'):
			return fs.SkipDir
		case d.Type().IsRegular():
			visit(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// reach returns a shortest chain of imports from one package to another, or nil.
func reach(imports map[string][]string, from, to string) []string {
	seen := map[string]bool{from: true}
	for queue := [][]string{{from}}; len(queue) > 0; queue = queue[1:] {
		chain := queue[0]
		for _, p := range imports[chain[len(chain)-1]] {
			dep, ours := short(p)
			if !ours || seen[dep] {
				continue
			}
			seen[dep] = true
			next := append(slices.Clone(chain), dep)
			if dep == to {
				return next
			}
			queue = append(queue, next)
		}
	}
	return nil
}
