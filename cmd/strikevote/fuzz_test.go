package main

import (
	"encoding"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/migrations"
)

// FuzzElectionFile reads any election file. What is taken breaks no rule of a draft.
func FuzzElectionFile(f *testing.F) {
	f.Add(sample)
	f.Add(sample[:len(sample)/2])
	f.Add([]byte("\xef\xbb\xbf// nothing\n{}\n"))
	f.Add([]byte(`{"schedule":{"zone":"America/Los_Angeles","open":"2026-03-08 02:30","grace_minutes":1e300},"rule":{},"groups":[{"name":"A","parent":"A"}]}`))
	f.Add([]byte(`{"tellers":{"names":["` + strings.Repeat(`x","`, 300) + `"],"needed":1}}`))
	origins := election.Origins{Booth: "https://booth.example", Registrar: "https://registrar.example", Box: "https://box.example", Board: "https://board.example", Console: "https://console.example"}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, _, err := parseElectionFile(b, origins, false)
		if err == nil {
			err = m.ValidateDraft()
			if len(election.Problems(err)) > 0 {
				t.Errorf("taken, and %v", err)
			}
		}
	})
}

// FuzzSettings reads any text as a setting of each type: what is taken is shown in a
// form that is taken again and means the same.
func FuzzSettings(f *testing.F) {
	for _, text := range []string{"127.0.0.1:8001", ":80", "[::1]:65535", "https://vote.union.example", "http://a:080", "postgres://host:5432/?sslmode=verify-full", "a.example, b.example",
		"127.0.0.1,10.0.0.0/24", "::ffff:10.0.0.1/128", "0.0.0.0/0", "registrar, box", "America/Los_Angeles", "../etc/passwd", "ballot@union.example", `"a b"@x`, "600/1m", "1/-1s", "warn", "", "\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, fresh := range []func() encoding.TextUnmarshaler{
			func() encoding.TextUnmarshaler { return new(address) }, func() encoding.TextUnmarshaler { return new(origin) }, func() encoding.TextUnmarshaler { return new(databaseURL) },
			func() encoding.TextUnmarshaler { return new(hosts) }, func() encoding.TextUnmarshaler { return new(proxies) }, func() encoding.TextUnmarshaler { return new(parts) },
			func() encoding.TextUnmarshaler { return new(zone) }, func() encoding.TextUnmarshaler { return new(mailAddress) }, func() encoding.TextUnmarshaler { return new(rate) },
			func() encoding.TextUnmarshaler { return new(level) },
		} {
			v := fresh()
			if v.UnmarshalText([]byte(text)) != nil {
				continue
			}
			shown, err := v.(encoding.TextMarshaler).MarshalText()
			if err != nil {
				t.Fatalf("%T %q: %v", v, text, err)
			}
			again := fresh()
			if err := again.UnmarshalText(shown); err != nil {
				t.Fatalf("%T %q is shown as %q: %v", v, text, shown, err)
			}
			if twice, err := again.(encoding.TextMarshaler).MarshalText(); err != nil || string(twice) != string(shown) {
				t.Errorf("%T %q is shown as %q, then as %q", v, text, shown, twice)
			}
		}
	})
}

// FuzzBooth reads the address on a slip.
func FuzzBooth(f *testing.F) {
	id := strings.Repeat("0a", 16)
	f.Add("https://vote.example/v1/" + id)
	f.Add("https://vote.example/v1/" + id + "/")
	f.Add("https://vote.example/v1/x/v1/" + id)
	f.Add("/v1/" + id)
	f.Fuzz(func(t *testing.T, s string) {
		booth, id, err := parseBooth(s)
		if err == nil && strings.TrimSuffix(s, "/") != booth+"/v1/"+id.String() {
			t.Errorf("%q is %q and %s", s, booth, id)
		}
	})
}

// FuzzPasswords reads a file of passwords. No error repeats one.
func FuzzPasswords(f *testing.F) {
	f.Add([]byte("sv_admin=secretsecret\n# c\n"))
	f.Add([]byte("sv_admin=a\r\nsv_admin=secretsecret"))
	f.Add([]byte("nobody=secretsecret"))
	f.Add([]byte("secretsecret"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "passwords")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readPasswords(path, migrations.RegistrarRoles)
		for role, password := range got {
			if password == "" || strings.ContainsAny(password, "\r\n") && !strings.Contains(password, "\r") || !strings.Contains(string(b), role+"="+password) {
				t.Errorf("%q is the password of %s", password, role)
			}
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) && strings.Contains(err.Error(), "secretsecret") {
			t.Errorf("the error is %v", err)
		}
	})
}
