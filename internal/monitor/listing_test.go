package monitor

import (
	"bytes"
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
)

func TestParseListing(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	good := a + "  /v1/?lang=en\n" + b + "  /v1/words.txt\n"
	if files, err := parseListing([]byte(good)); err != nil || len(files) != 2 || files["/v1/words.txt"].String() != b {
		t.Fatalf("negative control: %v, %v", files, err)
	}
	for name, text := range map[string]string{
		"nothing":          "",
		"no page":          b + "  /v1/words.txt\n",
		"out of order":     b + "  /v1/words.txt\n" + a + "  /v1/?lang=en\n",
		"twice":            a + "  /v1/?lang=en\n" + a + "  /v1/?lang=en\n",
		"capitals":         strings.ToUpper(good[:64]) + good[64:],
		"too short":        good[1:],
		"one space":        strings.Replace(good, "  ", " ", 1),
		"another origin":   strings.Replace(good, "/v1/?", "//other.example/v1/?", 1),
		"another path":     strings.Replace(good, "/v1/words", "/v2/words", 1),
		"up":               strings.Replace(good, "words", "../words", 1),
		"a fragment":       strings.Replace(good, "words", "#words", 1),
		"an escape":        strings.Replace(good, "words", "%2e%2e", 1),
		"a carriage":       strings.ReplaceAll(good, "\n", "\r\n"),
		"a very long path": strings.Replace(good, "words", strings.Repeat("w", 200), 1),
		"an empty line":    good + "\n",
	} {
		if files, err := parseListing([]byte(text)); err == nil {
			t.Errorf("%s: got %v", name, files)
		}
	}
}

func FuzzParseListing(f *testing.F) {
	f.Add([]byte(strings.Repeat("a", 64) + "  /v1/?lang=en\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := parseListing(b)
		if err != nil {
			return
		}
		if n := bytes.Count(b, []byte("  /v1/")); n < len(files) {
			t.Errorf("%d files of %d lines", len(files), n)
		}
		for path := range files {
			if !strings.HasPrefix(path, "/v1/") {
				t.Errorf("a path %q", path)
			}
		}
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add("default-src 'none'", []byte("<script>a</script><style>b</style>"))
	f.Fuzz(func(t *testing.T, policy string, page []byte) {
		a := &answer{header: map[string][]string{"Content-Security-Policy": {policy}}, body: page}
		if faults := checkPolicy(a, election.Origins{}); len(faults) == 0 && !strings.Contains(policy, "'none'") {
			t.Errorf("%q has no fault", policy)
		}
	})
}
