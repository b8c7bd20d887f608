// Package bundletest gives the tests of the voter's scripts what they compare
// with: the vectors of the protocol's packages, published ones, and values that
// the Go code makes anew in every run. It serves them to a browser, too, with a
// page that runs the same tests there.
//
// It must never reach a build: only tests may import it.
package bundletest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/c2sp/wycheproof"
)

// published are the files of Wycheproof that the scripts have something to
// compare with, by their names there.
var published = []string{
	"ed25519_test.json",
	"hkdf_sha512_test.json",
	"rsa_pss_2048_sha384_mgf1_48_test.json",
	"rsa_pss_4096_sha384_mgf1_48_test.json",
}

// Root returns the directory of this module, wherever the test runs.
func Root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("this file has no name")
	}
	root := filepath.Join(filepath.Dir(file), "..", "..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return root
}

// Assets returns the directory of the scripts.
func Assets(t testing.TB) string { return filepath.Join(Root(t), "templates", "assets") }

// Vectors returns the files of vectors by the names that the tests know them
// by: <package>/<file> for those of internal/protocol, wycheproof/<file>, and
// go/<file> for those made now, once for each process. The caller must not
// change them.
func Vectors(t testing.TB) map[string][]byte {
	t.Helper()
	once.Lock()
	defer once.Unlock()
	if made == nil {
		made = vectors(t)
	}
	return made
}

var (
	once sync.Mutex // guards made
	made map[string][]byte
)

func vectors(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"go/suite.json":   encode(t, suiteCases()),
		"go/group.json":   encode(t, groupCases()),
		"go/ed25519.json": encode(t, ed25519Cases(t)),
		"go/sealed.json":  encode(t, sealedCases(t, 20)),
		"go/session.json": encode(t, sessionCase(t)),
		"go/box.json":     encode(t, boxAnswers(t)),
		"go/moments.json": encode(t, momentCases(t)),
	}
	protocol := os.DirFS(filepath.Join(Root(t), "internal", "protocol"))
	names, err := fs.Glob(protocol, "*/testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		// A directory holds what a fuzzer found.
		if info, err := fs.Stat(protocol, name); err != nil || info.IsDir() {
			continue
		}
		all[path.Join(path.Dir(path.Dir(name)), path.Base(name))] = read(t, protocol, name)
	}
	for _, name := range published {
		all["wycheproof/"+name] = read(t, wycheproof.TestVectors, name)
	}
	return all
}

// Tests returns the names of the test modules, in their directory below Assets.
func Tests(t testing.TB) []string {
	t.Helper()
	names, err := fs.Glob(os.DirFS(filepath.Join(Assets(t), "test")), "*.test.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatal("no test of a script")
	}
	return names
}

func read(t testing.TB, files fs.FS, name string) []byte {
	t.Helper()
	b, err := fs.ReadFile(files, name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// random returns n random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: the program ends instead
	return b
}
