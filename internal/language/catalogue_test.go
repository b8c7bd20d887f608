package language

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// complete are the languages of which nothing may be missing.
var complete = []string{"en", "es", "zh-Hans", "zh-Hant", "tl", "vi", "ko"}

// oneForm are the languages in which a noun is the same for one and for many: they have
// the form for other numbers alone. In Tagalog a browser would take the form for one for
// 2, 3 and 5 as well.
var oneForm = []string{"zh-Hans", "zh-Hant", "tl", "vi", "ko"}

// TestKeys looks in all sources for the keys of texts. A key that is used is there, and
// a text that is there is used: in a text that is seen nowhere no mistake is found.
func TestKeys(t *testing.T) {
	t.Parallel()
	keys := catalogue()["en"].own
	used := make(map[string]bool)
	var begins, ends []string
	for _, u := range usesInSources(t) {
		if u.key[0] == '.' {
			ends = append(ends, u.key)
			continue
		}
		begins = append(begins, u.key)
		found := u.keys(keys)
		if len(found) == 0 {
			t.Errorf("%s: there is no text %s", u.file, u.key)
		}
		for _, k := range found {
			used[k] = true
		}
	}
	for _, begin := range begins {
		for _, end := range ends {
			used[begin+end] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if !used[k] {
			t.Errorf("no source uses the text %s", k)
		}
	}
}

// A use is a literal in a source that names a text, or the beginning of its key, or its
// end after a point.
type use struct {
	file, key string
	open      bool // more follows at run time
}

// keys returns the texts that a use can mean: the one of that key, its forms for
// numbers, or else those whose keys it begins.
func (u use) keys(all map[string]string) []string {
	var list []string
	for _, k := range []string{u.key, u.key + ".one", u.key + ".other"} {
		if _, ok := all[k]; ok && !u.open {
			list = append(list, k)
		}
	}
	if len(list) > 0 {
		return list
	}
	begin := u.key
	if !u.open && !strings.HasSuffix(begin, ".") {
		begin += "."
	}
	for k := range all {
		if strings.HasPrefix(k, begin) {
			list = append(list, k)
		}
	}
	return list
}

var (
	literal = regexp.MustCompile("[\"'`]((?:" + strings.Join(parts, "|") + `)\.[a-z0-9.-]*)(["'` + "`" + `%]|\$\{)`)
	ending  = regexp.MustCompile("[\"'`}](\\.[a-z]+(?:\\.[a-z]+)*)[\"'`]")
	// noKey are names of files and hosts that look like keys.
	noKey = regexp.MustCompile(`\.(html|css|js|mjs|json|txt|go|csv|sql|wasm|svg|example)$`)
)

// usesIn finds the uses in one source.
func usesIn(file, source string) []use {
	var list []use
	for _, m := range literal.FindAllStringSubmatch(source, -1) {
		if !noKey.MatchString(m[1]) {
			list = append(list, use{file, m[1], m[2] == "${" || m[2] == "%"})
		}
	}
	for _, m := range ending.FindAllStringSubmatch(source, -1) {
		list = append(list, use{file, m[1], false})
	}
	return list
}

// usesInSources reads the packages that have to do with this one, the templates and
// the scripts, as they are written.
func usesInSources(t *testing.T) []use {
	t.Helper()
	root := filepath.Join("..", "..")
	var list []use
	walk := func(dir string, is func(name string) bool) {
		err := fs.WalkDir(os.DirFS(root), dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !is(name) {
				return err
			}
			b, err := os.ReadFile(filepath.Join(root, name))
			list = append(list, usesIn(name, string(b))...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	speaking := packagesThatImport(t, root, `"strikevote/internal/language"`)
	walk("internal", func(name string) bool {
		return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && speaking[path.Dir(name)]
	})
	walk("templates", func(name string) bool {
		switch dir := path.Dir(name); path.Ext(name) {
		case ".html":
			return !strings.HasPrefix(dir, "templates/mail") && !strings.HasPrefix(dir, "templates/slip") && !strings.Contains(dir, "/test")
		case ".js":
			return dir == "templates/assets" && path.Base(name) != "noble.js"
		}
		return false
	})
	return list
}

// packagesThatImport returns the folders of packages that import one, and its own.
func packagesThatImport(t *testing.T, root, imported string) map[string]bool {
	t.Helper()
	dirs := map[string]bool{"internal/language": true}
	err := fs.WalkDir(os.DirFS(root), "internal", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		b, err := os.ReadFile(filepath.Join(root, name))
		if strings.Contains(string(b), imported) {
			dirs[path.Dir(name)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// TestUses is the negative control of TestKeys.
func TestUses(t *testing.T) {
	t.Parallel()
	all := map[string]string{"booth.a": "", "booth.b.one": "", "booth.b.other": "", "booth.c.d": "", "booth.c.e": "", "booth.cc": ""}
	for source, want := range map[string]string{
		`w.Text("booth.a", "n", 1)`:     "booth.a",
		"{{text `booth.a`}}":            "booth.a",
		`b.t('booth.a')`:                "booth.a",
		`count("booth.b", n)`:           "booth.b.one booth.b.other",
		"b.t(`booth.c.${name}`)":        "booth.c.d booth.c.e",
		"b.t(`booth.c${name}`)":         "booth.c.d booth.c.e booth.cc",
		`"booth.c." + name`:             "booth.c.d booth.c.e",
		`const prefix = "booth.c";`:     "booth.c.d booth.c.e",
		`Sprintf("booth.c.%d", n)`:      "booth.c.d booth.c.e",
		`key + ".d"`:                    ".d",
		"b.t(`${prefix}.d.e`)":          ".d.e",
		`w.Text("booth.none")`:          "MISSING",
		`w.Text("booth.b.two")`:         "MISSING",
		`import "./booth.js"; "book.a"`: "",
	} {
		var got []string
		for _, u := range usesIn("x", source) {
			if u.key[0] == '.' {
				got = append(got, u.key)
				continue
			}
			found := u.keys(all)
			slices.Sort(found)
			if len(found) == 0 {
				found = []string{"MISSING"}
			}
			got = append(got, found...)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: got %s, want %s", source, s, want)
		}
	}
}

var place = regexp.MustCompile(`\{[^{}]*\}`)

// TestTranslations compares every language with English: the same keys, in each text
// the same placeholders, and what is bold there is bold here.
func TestTranslations(t *testing.T) {
	t.Parallel()
	english := catalogue()["en"].own
	for _, tag := range tags {
		own := catalogue()[tag.Code].own
		for _, fault := range compare(tag.Code, english, own, slices.Contains(complete, tag.Code)) {
			t.Errorf("%s: %s", tag.Code, fault)
		}
	}
}

// compare returns what is wrong with a language.
func compare(code string, english, own map[string]string, whole bool) []string {
	var faults []string
	for _, k := range slices.Sorted(maps.Keys(own)) {
		source, ok := english[k]
		switch {
		case !ok:
			faults = append(faults, k+" is no key of the English texts")
		case isForm(k, english) && slices.Contains(oneForm, code):
			faults = append(faults, k+" is a form that this language has not")
		case !samePlaces(k, source, own[k], english):
			faults = append(faults, k+" has other placeholders: "+own[k])
		case strings.Count(source, "**") != strings.Count(own[k], "**"):
			faults = append(faults, k+" has other bold words: "+own[k])
		case strings.TrimSpace(own[k]) != own[k] || own[k] == "":
			faults = append(faults, k+" is empty, or begins or ends with a space")
		}
	}
	for _, k := range slices.Sorted(maps.Keys(english)) {
		if _, ok := own[k]; ok || !whole && !strings.HasPrefix(k, "format.") {
			continue
		}
		if isForm(k, english) && slices.Contains(oneForm, code) {
			continue
		}
		faults = append(faults, k+" is missing")
	}
	return faults
}

// samePlaces reports whether a text has the placeholders of its source. A form for one
// may leave out the number, and how a language writes a day or a time is its own.
func samePlaces(key, source, text string, english map[string]string) bool {
	a, b := places(source), places(text)
	if isForm(key, english) {
		a, b = slices.DeleteFunc(a, isNumber), slices.DeleteFunc(b, isNumber)
	}
	if key == "format.clock" {
		return slices.Contains(b, "{minute}") && slices.Contains(b, "{zone}")
	}
	return slices.Equal(a, b)
}

// isForm reports whether a key is of the form for one.
func isForm(key string, english map[string]string) bool {
	base, one := strings.CutSuffix(key, ".one")
	_, forms := english[base+".other"]
	return one && forms
}

func isNumber(p string) bool { return p == "{n}" }

// places returns the placeholders of a text, sorted.
func places(text string) []string {
	list := place.FindAllString(text, -1)
	slices.Sort(list)
	return slices.Compact(list)
}

// TestCompare is the negative control of TestTranslations.
func TestCompare(t *testing.T) {
	t.Parallel()
	english := map[string]string{"booth.a": "**Call** {who}.", "booth.d.one": "one day", "booth.d.other": "{n} days", "format.day": "{day}"}
	format := func(texts map[string]string) map[string]string {
		texts["format.day"] = "{day}日"
		return texts
	}
	for name, tt := range map[string]struct {
		code  string
		own   map[string]string
		whole bool
		want  string
	}{
		"all":                 {"es", format(map[string]string{"booth.a": "{who}: **llame**", "booth.d.one": "{n} día", "booth.d.other": "{n} días"}), true, ""},
		"one form":            {"ko", format(map[string]string{"booth.a": "**x** {who}", "booth.d.other": "{n}일"}), true, ""},
		"a form too many":     {"tl", format(map[string]string{"booth.d.one": "isang araw", "booth.d.other": "{n} araw"}), false, "booth.d.one is a form that this language has not"},
		"begun":               {"es", format(map[string]string{}), false, ""},
		"a form is missing":   {"es", format(map[string]string{"booth.a": "**x** {who}", "booth.d.other": "{n} días"}), true, "booth.d.one is missing"},
		"a key is missing":    {"ko", format(map[string]string{"booth.d.other": "{n}일"}), true, "booth.a is missing"},
		"a format is missing": {"ko", map[string]string{}, false, "format.day is missing"},
		"another key":         {"es", format(map[string]string{"booth.b": "x"}), false, "booth.b is no key of the English texts"},
		"a placeholder":       {"es", format(map[string]string{"booth.a": "**x** {quien}"}), false, "booth.a has other placeholders: **x** {quien}"},
		"none":                {"es", format(map[string]string{"booth.a": "**x**"}), false, "booth.a has other placeholders: **x**"},
		"nothing is bold":     {"es", format(map[string]string{"booth.a": "{who}"}), false, "booth.a has other bold words: {who}"},
		"a space":             {"es", format(map[string]string{"booth.a": "**x** {who} "}), false, "booth.a is empty, or begins or ends with a space"},
	} {
		if got := strings.Join(compare(tt.code, english, tt.own, tt.whole), "\n"); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// spoken are the parts that members read while they vote.
var spoken = []string{"common", "booth", "link"}

// never are words that no member has to know, or that promise what is not so.
var never = regexp.MustCompile(`(?i)\b(hash(es)?|cryptograph\w*|encrypt\w*|cipher\w*|blockchain|ledger|server|token|log|blind\w*|credential|receipt|` +
	`authenticat\w*|verif\w*|submit\w*|error \d+|invalid|oops|please|sorry|simply|user|voter|click|tap|soon|midnight|URL|PIN|urn|ballot box|can't|don't)\b|!`)

// TestNever refuses words in what members read while they vote.
func TestNever(t *testing.T) {
	t.Parallel()
	for k, text := range catalogue()["en"].own {
		if part, _, _ := strings.Cut(k, "."); !slices.Contains(spoken, part) {
			continue
		}
		if word := never.FindString(place.ReplaceAllString(text, "")); word != "" {
			t.Errorf("%s says %q: %s", k, word, text)
		}
	}
	for _, text := range []string{"Your vote is encrypted.", "The server answers.", "Try again!", "Click here", "closes soon"} {
		if !never.MatchString(text) {
			t.Errorf("negative control: %q passes", text)
		}
	}
}
