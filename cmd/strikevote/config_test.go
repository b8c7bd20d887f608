package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// configured runs a config command and returns its exit code and what it said.
func configured(t *testing.T, environ map[string]string, args ...string) (code int, out, said string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), testEnv(&o, &e, environ), append([]string{"config"}, args...))
	return code, o.String(), e.String()
}

func testEnv(out, err *bytes.Buffer, environ map[string]string) *env {
	return &env{
		in: strings.NewReader(""), out: out, err: err,
		getenv: func(name string) string { return environ[name] },
		environ: func() []string {
			var list []string
			for name, text := range environ {
				list = append(list, name+"="+text)
			}
			return list
		},
	}
}

// written writes a file that a test names in a setting.
func written(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// loaded loads settings from a file and the environment.
func loaded(environ map[string]string, args ...string) (*Config, map[string]string, error) {
	var out, err bytes.Buffer
	fs := flag.NewFlagSet("x", flag.ContinueOnError)
	l := settings(testEnv(&out, &err, environ), fs, "DATA", "LISTEN_BOX", "PACE")
	if err := fs.Parse(args); err != nil {
		return nil, nil, err
	}
	c, lerr := l.loadWhole()
	return c, l.sources, lerr
}

// TestTenMistakes makes ten mistakes and gets ten sentences, each of which names
// the setting and says what to write.
func TestTenMistakes(t *testing.T) {
	t.Parallel()
	file := written(t, `# settings
STRIKEVOTE_LISTEN_BOOTH=everywhere
STRIKEVOTE_ORIGIN_BOARD=https://record.union.example/
STRIKEVOTE_RATE_BOOTH=many
export STRIKEVOTE_DATA=/x
STRIKEVOTE_MAIL_FROM_NAME="Bob's $5 ballot"
`, 0o644)
	code, out, said := configured(t, map[string]string{
		"STRIKEVOTE_CONFIG":                 file,
		"STRIKEVOTE_LISTEN_REGISTRA":        "127.0.0.1:1",
		"STRIKEVOTE_REGISTRAR_DATABASE_URL": "postgres://sv:hunter2@db/",
		"STRIKEVOTE_TLS_TERMINATOR":         "0.0.0.0/0",
		"STRIKEVOTE_TIME_ZONE":              "California",
		"HOME":                              "/root", // of no concern
	}, "check", "-only", "registrar,urn")
	if code != exitFailed || out != "" {
		t.Errorf("exit %d, %s", code, out)
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if len(lines) != 10 {
		t.Errorf("%d sentences:\n%s", len(lines), said)
	}
	for _, want := range []string{
		"STRIKEVOTE_LISTEN_BOOTH (" + file + `, line 2): "everywhere" is not host:port; write it like 127.0.0.1:8001`,
		"STRIKEVOTE_ORIGIN_BOARD (" + file + ", line 3): write only scheme, host and port: https://record.union.example",
		`STRIKEVOTE_RATE_BOOTH (` + file + `, line 4): "many" is not a number of requests and a period of at least a second; write it like 600/1m`,
		file + ", line 5: it begins with export; write KEY=VALUE only",
		file + ", line 6: STRIKEVOTE_MAIL_FROM_NAME: it holds what programs read in different ways; put it in single quotes",
		"STRIKEVOTE_LISTEN_REGISTRA (environment): there is no such setting; write STRIKEVOTE_LISTEN_REGISTRAR",
		"STRIKEVOTE_REGISTRAR_DATABASE_URL (environment): it holds a user; leave it out",
		"STRIKEVOTE_TLS_TERMINATOR (environment): 0.0.0.0/0 is everybody; name the proxies only",
		`STRIKEVOTE_TIME_ZONE (environment): "California" is not the name of a time zone; write it like America/Los_Angeles`,
		`STRIKEVOTE_ONLY (flag -only): there is no part "urn"; the parts are registrar, box, board, booth and console`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %s:\n%s", want, said)
		}
	}
	if strings.Contains(said, "hunter2") {
		t.Errorf("a password is shown: %s", said)
	}
}

// TestTogether sets what does not fit together.
func TestTogether(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, settings, want string }{
		{"nothing", "", ""},
		{"one database", "REGISTRAR_DATABASE_URL=postgres://a/", "REGISTRAR_DATABASE_URL: set it together with STRIKEVOTE_BOX_DATABASE_URL"},
		{"one database, of one side", "REGISTRAR_DATABASE_URL=postgres://a/ ONLY=registrar", ""},
		{"one server", "REGISTRAR_DATABASE_URL=postgres://a/ BOX_DATABASE_URL=postgres://a/?sslmode=disable", "BOX_DATABASE_URL: it names the registrar's server"},
		{"two sockets", "REGISTRAR_DATABASE_URL=postgres:///?host=/run/a BOX_DATABASE_URL=postgres:///?host=/run/b", ""},
		{"one socket", "REGISTRAR_DATABASE_URL=postgres:///?host=/run/a BOX_DATABASE_URL=postgres:///?host=/run/a", "registrar's server"},
		{"a password in the address", "REGISTRAR_DATABASE_URL=postgres://a/?password=x BOX_DATABASE_URL=postgres://b/", "parameter password"},
		{"passwords of nobody", "BOX_DATABASE_PASSWORDS_FILE=/x", "BOX_DATABASE_PASSWORDS_FILE: there is no server"},
		{"half a certificate", "TLS_KEY_FILE=/x", "TLS_CERT_FILE: set it together"},
		{"two kinds", "TLS_CERT_FILE=/x TLS_KEY_FILE=/x TLS_AUTOCERT=a.example", "choose one"},
		{"certificates behind a proxy", "TLS_CERT_FILE=/x TLS_KEY_FILE=/x TLS_TERMINATOR=127.0.0.1", "TLS_TERMINATOR: there are certificates too"},
		{"a host without one", "TLS_AUTOCERT=a.example ORIGIN_BOX=https://box.example", "TLS_AUTOCERT: add box.example"},
		{"no hosts", "TLS_AUTOCERT_EMAIL=x", "TLS_AUTOCERT: it is empty"},
		{"plain", "LISTEN_BOX=0.0.0.0:80 ORIGIN_BOX=https://box.example", "LISTEN_BOX: 0.0.0.0:80 is reached by other computers"},
		{"plain, behind a proxy", "LISTEN_BOX=0.0.0.0:80 ORIGIN_BOX=https://box.example TLS_TERMINATOR=10.0.0.1", ""},
		{"no origin", "LISTEN_BOX=0.0.0.0:80 TLS_TERMINATOR=10.0.0.1", "ORIGIN_BOX: the box listens for other computers"},
		{"not run here", "LISTEN_BOX=0.0.0.0:80 TLS_TERMINATOR=10.0.0.1 ONLY=registrar", ""},
		{"a plain origin", "ORIGIN_BOX=http://box.example", "write https://box.example"},
		{"a plain origin here", "ORIGIN_BOX=http://127.0.0.1:80", "usual port"},
		{"one origin", "ORIGIN_BOX=https://a.example ORIGIN_BOARD=https://a.example", "ORIGIN_BOX: it is the origin of the board too"},
		{"admin for all", "LISTEN_ADMIN=:9090", "LISTEN_ADMIN: :9090 is not on this machine"},
		{"one address", "LISTEN_BOX=127.0.0.1:1 LISTEN_BOARD=127.0.0.1:1", "LISTEN_BOX: 127.0.0.1:1 is the address of the board too"},
		{"one address by name", "LISTEN_BOX=:443 LISTEN_BOARD=:443 ORIGIN_BOX=https://a.example ORIGIN_BOARD=https://b.example TLS_AUTOCERT=a.example,b.example", ""},
		{"one address, one name", "LISTEN_BOX=:443 LISTEN_BOARD=:443 ORIGIN_BOX=https://a.example ORIGIN_BOARD=https://a.example:444 TLS_CERT_FILE=a TLS_KEY_FILE=b", "is the address of the board too"},
		{"http for nothing", "LISTEN_HTTP=:80", "LISTEN_HTTP: it sends readers on"},
		{"a board alone", "ONLY=board", "UPSTREAM_LEDGER: this board runs apart"},
		{"a board beside the box", "ONLY=board,box UPSTREAM_LEDGER=https://r.example", ""},
		{"a plain upstream", "UPSTREAM_BOX=http://box.example", "UPSTREAM_BOX: it is plain HTTP to another network"},
		{"a container", "UPSTREAM_BOX=http://box:8003 UPSTREAM_LEDGER=http://10.0.0.9:1 UPSTREAM_BALLOTS=http://127.0.0.1:9", ""},
		{"no pause", "PACE=0s", "PACE: work would be"},
		{"a length", "PACE=soon", "write it like 30s"},
		{"a port", "LISTEN_BOX=127.0.0.1:http", "host:port"},
		{"upper case", "ORIGIN_BOX=https://Box.example", "write it as browsers do"},
		{"a file", "ORIGIN_BOX=file:///x", "not an address like"},
		{"a proxy by name", "TLS_TERMINATOR=caddy", "neither an address nor a network"},
		{"a named sender", "MAIL_FROM_ADDRESS=Ballot<a@b.c>", "not a mail address"},
		{"a level", "LOG_LEVEL=loud", "write debug, info, warn or error"},
	} {
		environ := make(map[string]string)
		for _, text := range strings.Fields(tt.settings) {
			name, text, _ := strings.Cut(text, "=")
			environ[prefix+name] = text
		}
		_, _, err := loaded(environ)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// TestOrder sets one setting everywhere.
func TestOrder(t *testing.T) {
	t.Parallel()
	file := written(t, "STRIKEVOTE_DATA=/file\nSTRIKEVOTE_PACE=2s\n", 0o600)
	other := written(t, "STRIKEVOTE_DATA=/other", 0o600)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "master-key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		environ map[string]string
		args    []string
		data    string
		source  string
	}{
		{"nothing", nil, nil, "", "default"},
		{"file", map[string]string{"STRIKEVOTE_CONFIG": file}, nil, "/file", file + ", line 1"},
		{"another file", map[string]string{"STRIKEVOTE_CONFIG": file}, []string{"-config", other}, "/other", other + ", line 1"},
		{"environment", map[string]string{"STRIKEVOTE_CONFIG": file, "STRIKEVOTE_DATA": "/environment"}, nil, "/environment", "environment"},
		{"flag", map[string]string{"STRIKEVOTE_CONFIG": file, "STRIKEVOTE_DATA": "/environment"}, []string{"-data", "/flag"}, "/flag", "flag -data"},
		{"empty is nothing", map[string]string{"STRIKEVOTE_CONFIG": file, "STRIKEVOTE_DATA": ""}, []string{"-data", ""}, "/file", file + ", line 1"},
	} {
		c, sources, err := loaded(tt.environ, tt.args...)
		if err != nil || c.Data != tt.data || sources["DATA"] != tt.source {
			t.Errorf("%s: got %+v, %s, %v", tt.name, c, sources["DATA"], err)
		}
	}
	c, sources, err := loaded(map[string]string{"CREDENTIALS_DIRECTORY": dir})
	if err != nil || c.MasterKeyFile != filepath.Join(dir, "master-key") || sources["MASTER_KEY_FILE"] != "credential master-key" || c.TLSKeyFile != "" {
		t.Errorf("got %+v, %v", c, err)
	}
	c, _, err = loaded(map[string]string{"CREDENTIALS_DIRECTORY": dir, "STRIKEVOTE_MASTER_KEY_FILE": "/named"})
	if err != nil || c.MasterKeyFile != "/named" {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, _, err := loaded(map[string]string{"STRIKEVOTE_CONFIG": "/nowhere"}); err == nil {
		t.Error("a file that is not there was read")
	}
	if code, _, said := configured(t, nil, "check", "-config", file, "more"); code != exitUsage {
		t.Errorf("got %d, %s", code, said)
	}
}

// TestSample reads the sample back, every line of it.
func TestSample(t *testing.T) {
	t.Parallel()
	code, sample, said := configured(t, nil, "sample")
	if code != exitOK || said != "" {
		t.Fatalf("exit %d, %s", code, said)
	}
	// As it is, it sets nothing.
	if lines, errs := parseFile(sample); len(lines) > 0 || len(errs) > 0 {
		t.Errorf("got %v, %v", lines, errs)
	}
	lines, errs := parseFile(strings.ReplaceAll(sample, "\n#"+prefix, "\n"+prefix))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	list := allSettings()
	if len(lines) != len(list) {
		t.Errorf("%d lines for %d settings", len(lines), len(list))
	}
	c := new(Config)
	for i, s := range list {
		field := reflect.ValueOf(c).Elem().Field(s.index)
		if lines[i].key != s.variable() {
			t.Errorf("line %d is %s, want %s", i, lines[i].key, s.variable())
		}
		if err := setValue(field, lines[i].value); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if got := showValue(field); got != lines[i].value {
			t.Errorf("%s: %q is shown as %q", s.name, lines[i].value, got)
		}
		if s.fallback != "" {
			if err := setValue(reflect.New(field.Type()).Elem(), s.fallback); err != nil {
				t.Errorf("%s: its default: %v", s.name, err)
			}
		}
		if s.doc == "" && (i == 0 || !strings.HasPrefix(s.name, strings.Split(list[i-1].name, "_")[0])) {
			t.Errorf("%s is not explained", s.name)
		}
		if strings.HasSuffix(s.name, "_FILE") != (s.credential != "") {
			t.Errorf("%s: only the file of a secret is a credential", s.name)
		}
	}
	for i, s := range list {
		for _, other := range list[:i] {
			if s.name == other.name || s.flag == other.flag {
				t.Errorf("%s is there twice", s.name)
			}
		}
	}
}

// TestPrint shows where settings came from, and nothing that is secret.
func TestPrint(t *testing.T) {
	t.Parallel()
	const key, password = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a", "hunter2"
	environ := map[string]string{
		"STRIKEVOTE_MASTER_KEY_FILE":                   written(t, key, 0o600),
		"STRIKEVOTE_REGISTRAR_DATABASE_URL":            "postgres://a/",
		"STRIKEVOTE_BOX_DATABASE_URL":                  "postgres://b/",
		"STRIKEVOTE_BOX_DATABASE_PASSWORDS_FILE":       written(t, "sv_ballotbox="+password+"\n", 0o600),
		"STRIKEVOTE_TLS_TERMINATOR":                    "::ffff:10.0.0.1, 10.1.0.9/16",
		"STRIKEVOTE_RATE_BOOTH":                        "10/90s",
		"STRIKEVOTE_TIME_ZONE":                         "America/Los_Angeles",
		"STRIKEVOTE_MAIL_FROM_NAME":                    "Bob's ballot",
		"STRIKEVOTE_REGISTRAR_DATABASE_PASSWORDS_FILE": written(t, "sv_registrar=x=y", 0o600),
	}
	code, out, said := configured(t, environ, "print", "-data", "/var/lib/x", "-only", " box , registrar ")
	if code != exitOK || said != "" {
		t.Fatalf("exit %d, %s", code, said)
	}
	for _, want := range []string{
		"STRIKEVOTE_DATA=/var/lib/x ", "# flag -data", "STRIKEVOTE_ONLY=box,registrar ", "STRIKEVOTE_TLS_TERMINATOR=10.0.0.1,10.1.0.0/16 ",
		"STRIKEVOTE_RATE_BOOTH=10/1m30s", "STRIKEVOTE_TIME_ZONE=America/Los_Angeles", "STRIKEVOTE_PACE=1s ", "# default", "#STRIKEVOTE_LISTEN_BOX=\n",
		environ["STRIKEVOTE_MASTER_KEY_FILE"], `STRIKEVOTE_MAIL_FROM_NAME="Bob's ballot" `,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %s:\n%s", want, out)
		}
	}
	if code, _, said := configured(t, environ, "check"); code != exitOK {
		t.Errorf("exit %d, %s", code, said)
	}
	for _, leak := range []string{"5a5a", password, "x=y"} {
		if strings.Contains(out, leak) {
			t.Errorf("%s is shown", leak)
		}
	}
}

// TestFiles checks what the settings name. No error repeats what is in it.
func TestFiles(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct{ name, setting, file, want string }{
		{"no key", "MASTER_KEY_FILE", none, "MASTER_KEY_FILE"},
		{"half a key", "MASTER_KEY_FILE", written(t, strings.Repeat("5a", 20), 0o600), "neither 64 hexadecimal digits"},
		{"a key for everybody", "MASTER_KEY_FILE", written(t, strings.Repeat("5a", 32), 0o644), "chmod 0600"},
		{"no passwords", "BOX_DATABASE_PASSWORDS_FILE", none, "BOX_DATABASE_PASSWORDS_FILE"},
		{"another role", "BOX_DATABASE_PASSWORDS_FILE", written(t, "# x\nsv_registrar=5a5a", 0o600), "line 2 is not role=password"},
		{"no role", "BOX_DATABASE_PASSWORDS_FILE", written(t, "5a5a", 0o600), "line 1 is not"},
		{"no password", "BOX_DATABASE_PASSWORDS_FILE", written(t, "sv_board=\n", 0o600), "line 1 is not"},
		{"twice", "BOX_DATABASE_PASSWORDS_FILE", written(t, "sv_board=5a5a\nsv_board=5a5a\n", 0o600), "second password of sv_board"},
		{"passwords for everybody", "BOX_DATABASE_PASSWORDS_FILE", written(t, "sv_board=5a5a", 0o604), "chmod 0600"},
		{"no certificate", "TLS_CERT_FILE", none, "TLS_CERT_FILE"},
	} {
		environ := map[string]string{
			"STRIKEVOTE_REGISTRAR_DATABASE_URL": "postgres://a/", "STRIKEVOTE_BOX_DATABASE_URL": "postgres://b/", prefix + tt.setting: tt.file,
		}
		if tt.setting == "TLS_CERT_FILE" {
			environ["STRIKEVOTE_TLS_KEY_FILE"] = written(t, "5a5a", 0o604)
		}
		code, _, said := configured(t, environ, "check")
		if code != exitFailed || !strings.Contains(said, tt.want) || !strings.Contains(said, prefix+tt.setting) {
			t.Errorf("%s: exit %d, %s", tt.name, code, said)
		}
		if strings.Contains(said, "5a") {
			t.Errorf("%s: a secret is shown: %s", tt.name, said)
		}
	}
}

func TestParseFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"A=b":                  "A b",
		" A=b c \r\n":          "A b c",
		"A=\n":                 "A ",
		"A='b \" $c \\ # d'":   "A b \" $c \\ # d",
		`A="b c"`:              "A b c",
		"A=b#c":                "A b#c",
		"A=b=c":                "A b=c",
		"A=''":                 "A ",
		"# A=b\n;A=b\n\n  # c": "",
	} {
		lines, errs := parseFile(text)
		got := ""
		if len(lines) > 0 {
			got = lines[0].key + " " + lines[0].value
		}
		if got != want || len(errs) > 0 {
			t.Errorf("%q: got %q, %v", text, got, errs)
		}
	}
	for _, text := range []string{"A", "=b", "a=b", "A b", "A =b", "export A=b", "A='b", "A='", `A="b\"c"`, `A="$b"`, "A=$b", "A=b\\", "A=b'c'", "A=b #c", "A='b'c", "A=b\nA=c", "A=\x01"} {
		if lines, errs := parseFile(text); len(errs) != 1 {
			t.Errorf("%q: got %v, %v", text, lines, errs)
		}
	}
}

// FuzzParseFile writes what was read as the sample would, and reads it again.
func FuzzParseFile(f *testing.F) {
	f.Add("A=b\n# c\nD='e f'\n")
	f.Add(`STRIKEVOTE_DATA="x's"`)
	f.Fuzz(func(t *testing.T, text string) {
		lines, _ := parseFile(text)
		var b strings.Builder
		for _, l := range lines {
			b.WriteString(l.key + "=" + quoted(l.value) + "\n")
		}
		again, errs := parseFile(b.String())
		if len(errs) > 0 {
			t.Fatalf("%q: %v", b.String(), errs)
		}
		if !slices.EqualFunc(lines, again, func(a, b line) bool { return a.key == b.key && a.value == b.value }) {
			t.Errorf("got %v, then %v", lines, again)
		}
	})
}
