package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/platform/metrics"
)

const deployFolder = "../../deploy"

// deployFiles returns the files of deploy by name.
func deployFiles(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := fs.WalkDir(os.DirFS(deployFolder), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(deployFolder, path))
		files[path] = string(b)
		return err
	})
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return files
}

// TestDeploySettings looks for settings that there are not: a name that is out of
// date would stop the service of whoever copied it.
func TestDeploySettings(t *testing.T) {
	t.Parallel()
	known := map[string]bool{fileVariable: true}
	for _, s := range allSettings() {
		known[s.variable()] = true
	}
	name := regexp.MustCompile(prefix + `[A-Z_]*[A-Z]`)
	found := 0
	files := deployFiles(t)
	for path, text := range files {
		for _, variable := range name.FindAllString(text, -1) {
			found++
			if !known[variable] {
				t.Errorf("%s names %s, and there is no such setting", path, variable)
			}
		}
	}
	if found < len(known) {
		t.Errorf("%d names were found", found)
	}
	var sample bytes.Buffer
	if err := writeSample(&sample); err != nil {
		t.Fatal(err)
	}
	if files["strikevote.env"] != sample.String() {
		t.Error("strikevote.env is not what config sample prints; run: strikevote config sample >deploy/strikevote.env")
	}
}

// TestDeployGuide loads the settings that the guide tells to write, together as it
// says.
func TestDeployGuide(t *testing.T) {
	t.Parallel()
	guide := deployFiles(t)["README.md"]
	blocks := regexp.MustCompile("(?s)```\n(STRIKEVOTE_.*?)```").FindAllStringSubmatch(guide, -1)
	if len(blocks) != 7 {
		t.Fatalf("%d blocks of settings", len(blocks))
	}
	proxy, own, names, box, databases := blocks[0][1], blocks[1][1], blocks[2][1], blocks[3][1], blocks[6][1]
	sendGrid, relay := blocks[4][1], blocks[5][1]
	without := func(text string, names ...string) string {
		var b strings.Builder
		for line := range strings.Lines(text) {
			if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(line, prefix+name) }) {
				b.WriteString(line)
			}
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"behind a proxy": proxy, "by itself": without(proxy, "LISTEN_B", "LISTEN_R", "LISTEN_C", "TLS_") + own,
		"the names": without(proxy, "LISTEN_BOX") + names, "the box": without(proxy, "LISTEN_B", "LISTEN_R", "LISTEN_C") + box,
		"databases": proxy + databases,
		"SendGrid":  without(proxy, "MAIL_") + sendGrid + prefix + "SENDGRID_KEY_FILE=/etc/strikevote/all.sendgrid-key\n",
		"a relay":   without(proxy, "MAIL_") + relay,
	} {
		c, _, err := loaded(map[string]string{fileVariable: written(t, text, 0o644)})
		if err != nil || c.OriginBox == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeployCommands looks for commands and flags that there are not.
func TestDeployCommands(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`(?m)(?:^|/usr/local/bin/|LimitNOFILE=65536 |&& |exec names )strikevote ((?:[a-z]+ )*[a-z]+)((?: -[a-z-]+)*)`)
	found := 0
	for path, text := range deployFiles(t) {
		if path == "README.md" { // what stands in a line of it is prose
			var code []string
			for _, block := range regexp.MustCompile("(?s)```\n(.*?)```").FindAllStringSubmatch(text, -1) {
				code = append(code, block[1])
			}
			text = strings.Join(code, "\n")
		} else if !strings.HasSuffix(path, ".service") && path != "compose.yaml" {
			continue
		}
		for _, m := range line.FindAllStringSubmatch(text, -1) {
			found++
			words := strings.Fields(m[1])
			if !isCommand(words) {
				t.Errorf("%s says strikevote %s, and there is no such command", path, m[1])
				continue
			}
			var help, said bytes.Buffer
			run(context.Background(), testEnv(&help, &said, nil), append(words[:depth(words)], "-h"))
			for flag := range strings.FieldsSeq(m[2]) {
				if !strings.Contains(help.String(), "  "+flag) {
					t.Errorf("%s says strikevote %s %s, and there is no such flag", path, m[1], flag)
				}
			}
		}
	}
	if found < 6 {
		t.Errorf("%d commands were found", found)
	}
}

// depth returns how many words name a command, 0 if they name none.
func depth(words []string) int {
	list := commands()
	for i, word := range words {
		at := slices.IndexFunc(list, func(c command) bool { return c.name == word })
		if at < 0 {
			return 0
		}
		if list = list[at].subs; len(list) == 0 {
			return i + 1
		}
	}
	return len(words)
}

func isCommand(words []string) bool { return depth(words) > 0 }

// TestDeployMetrics looks for metrics that there are not: an alarm about one never
// comes.
func TestDeployMetrics(t *testing.T) {
	t.Parallel()
	known := knownMetrics(t)
	files := deployFiles(t)
	var dashboard any
	if err := json.Unmarshal([]byte(files["monitoring/dashboard.json"]), &dashboard); err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`\b(?:strikevote|process|go)_[a-z_]*[a-z]\b`)
	for _, path := range []string{"monitoring/dashboard.json", "monitoring/alerts.yml", "monitoring/alerts_test.yml"} {
		found := name.FindAllString(files[path], -1)
		if len(found) < 5 {
			t.Errorf("%s: %d metrics were found", path, len(found))
		}
		for _, metric := range found {
			base := metric
			for _, part := range []string{"_bucket", "_count", "_sum"} {
				base = strings.TrimSuffix(base, part)
			}
			if !known[metric] && !known[base] {
				t.Errorf("%s is about %s, and there is no such metric", path, metric)
			}
		}
	}
}

// knownMetrics returns the metrics of every process, and the names that stand in
// the sources of the services.
func knownMetrics(t *testing.T) map[string]bool {
	t.Helper()
	known := make(map[string]bool)
	reg := metrics.NewRegistry()
	metrics.HTTP(reg, "x")("/", "GET", 200, time.Second)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		known[f.GetName()] = true
	}
	name := regexp.MustCompile(`"(strikevote_[a-z_]+)"`)
	err = filepath.WalkDir("../../internal", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range name.FindAllStringSubmatch(string(b), -1) {
			known[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}
