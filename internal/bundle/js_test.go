package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"strikevote/internal/bundle/bundletest"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/suite"
)

// TestModules runs the tests of the scripts in Node, over all vectors.
func TestModules(t *testing.T) {
	t.Parallel()
	vectors := writeVectors(t)
	out, err := runTests(t, filepath.Join(bundletest.Assets(t), "test"), vectors, bundletest.Tests(t)...)
	if err != nil {
		t.Fatalf("node --test: %v\n%s", err, out)
	}
	if n := passed(out); n < 55 {
		t.Errorf("only %d tests ran:\n%s", n, out)
	}
}

// TestLowered runs the same tests over modules that were lowered and minified as
// a voter's browser gets them: a mistake in that is a mistake in every ballot.
func TestLowered(t *testing.T) {
	t.Parallel()
	from, to := bundletest.Assets(t), t.TempDir()
	modules, err := filepath.Glob(filepath.Join(from, "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		o := options(absolute(t, from), filepath.Base(m))
		o.Format = api.FormatESModule
		// Node has no window; the page's own name for the global object is self.
		o.Define = nil
		b, err := build(o)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, filepath.Base(m)), string(b))
	}
	// So that Node takes .js for modules.
	write(t, filepath.Join(to, "package.json"), `{"type": "module"}`)
	if err := os.CopyFS(filepath.Join(to, "test"), os.DirFS(filepath.Join(from, "test"))); err != nil {
		t.Fatal(err)
	}
	if out, err := runTests(t, filepath.Join(to, "test"), writeVectors(t), bundletest.Tests(t)...); err != nil {
		t.Fatalf("node --test: %v\n%s", err, out)
	}
}

// TestModulesRefuse is the negative control of both: with one digit of one vector
// changed, Node says so.
func TestModulesRefuse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ test, name, field string }{
		{"ballot.test.mjs", "ballot/seal.json", "B"},
		{"credential.test.mjs", "credential/blind.json", "sig"},
		{"suite.test.mjs", "go/ed25519.json", "valid"},
	} {
		name, field := tt.name, strconv.Quote(tt.field)
		vectors := writeVectors(t)
		file := filepath.Join(vectors, filepath.FromSlash(name))
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := regexp.MustCompile(field+`:\s*\[?\s*("[0-9a-f]|true)`).ReplaceAllFunc(b, func(m []byte) []byte {
			if other, is := bytes.CutSuffix(m, []byte("true")); is {
				return append(bytes.Clone(other), "false"...)
			}
			other := bytes.Clone(m)
			digit := &other[len(other)-1]
			if *digit == '0' {
				*digit = '1'
			} else {
				*digit = '0'
			}
			return other
		})
		if bytes.Equal(changed, b) {
			t.Fatalf("%s has no %s", name, field)
		}
		if err := os.WriteFile(file, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := runTests(t, filepath.Join(bundletest.Assets(t), "test"), vectors, tt.test)
		if err == nil || !strings.Contains(out, "not ok") {
			t.Errorf("%s: with another %s the tests pass: %v", name, field, err)
		}
	}
}

// TestAcross lets the scripts seal ballots of every shape and Go judge them:
// valid, opened by the recovery code, and with a credential on the request.
func TestAcross(t *testing.T) {
	t.Parallel()
	k, err := issuer.Generate()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Wipe()
	v := startVoter(t)
	for i := range 50 {
		c, choices := bundletest.Random(i)
		typed := bundletest.Texts[i%len(bundletest.Texts)]
		var numbers []int
		for _, j := range choices {
			numbers = append(numbers, int(j))
		}
		var got struct {
			Body, Z suite.Bytes
			ID      suite.BallotID
			Code    string `json:"recovery_code"`
		}
		v.ask(t, map[string]any{
			"mid": c.MID, "group": c.Group, "key": suite.Bytes(c.Key.Bytes()), "options": c.Options,
			"typed": typed, "choices": numbers, "issuer": suite.Bytes(k.Public().Bytes()),
		}, &got)
		judge(t, c, typed, choices, got.Code, got.Body)
		answer, err := k.Sign(got.Z)
		if err != nil {
			t.Fatal(err)
		}
		var end struct{ Signature suite.Bytes }
		v.ask(t, map[string]any{"answer": suite.Bytes(answer[:])}, &end)
		if err := credential.Verify(k.Public(), credential.Message(c.MID, c.Group, got.ID), end.Signature); err != nil {
			t.Error(err)
		}
	}
}

func judge(t *testing.T, c *ballot.Context, typed string, choices ballot.Choices, code string, body []byte) {
	t.Helper()
	b, err := ballot.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := ballot.Check(c, b); err != nil {
		t.Error(err)
	}
	secret, err := ballot.ParseRecoveryCode(code)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := ballot.Open(c, secret, typed, body); err != nil || !bytes.Equal(opened, choices) {
		t.Errorf("%d options, typed %q: opened to other choices: %v", c.Options, typed, err)
	}
}

// node returns a command that runs Node in a directory.
func node(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing; install it by: deploy/dependencies.sh test")
	}
	version, err := exec.Command(path, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	major, err := strconv.Atoi(strings.Split(strings.TrimPrefix(string(version), "v"), ".")[0])
	if err != nil || major < 18 {
		t.Fatalf("node %s is older than 18; install a newer one by: deploy/dependencies.sh test", version)
	}
	if major == 18 {
		args = append([]string{"--experimental-global-webcrypto"}, args...)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	return cmd
}

func runTests(t *testing.T, dir, vectors string, tests ...string) (string, error) {
	t.Helper()
	cmd := node(t, dir, append([]string{"--test", "--test-reporter=tap"}, tests...)...)
	cmd.Env = append(os.Environ(), "VECTORS="+vectors)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var passLine = regexp.MustCompile(`(?m)^# pass (\d+)$`)

func passed(out string) int {
	if m := passLine.FindStringSubmatch(out); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

// writeVectors writes the vectors to a directory and returns it.
func writeVectors(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range bundletest.Vectors(t) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, file, string(b))
	}
	return dir
}

// A voter is the script test/voter.mjs, running.
type voter struct {
	in  io.Writer
	out *bufio.Reader
	err *bytes.Buffer
}

func startVoter(t *testing.T) *voter {
	t.Helper()
	cmd := node(t, filepath.Join(bundletest.Assets(t), "test"), "voter.mjs")
	v := &voter{err: new(bytes.Buffer)}
	cmd.Stderr = v.err
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("voter.mjs: %v", err)
		}
	})
	v.in, v.out = in, bufio.NewReader(out)
	return v
}

func (v *voter) ask(t *testing.T, question, answer any) {
	t.Helper()
	if err := json.NewEncoder(v.in).Encode(question); err != nil {
		t.Fatalf("asking: %v\n%s", err, v.err)
	}
	line, err := v.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("no answer: %v\n%s", err, v.err)
	}
	if err := json.Unmarshal(line, answer); err != nil {
		t.Fatal(err)
	}
}
