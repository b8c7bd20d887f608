package language

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"strikevote/templates"
)

// Words are the texts of one language.
type Words struct {
	code string
	// own holds what the language has, all also what it takes from English.
	own, all map[string]string
}

// parts are the files of a language. A key begins with the name of its file.
var parts = []string{"format", "common", "booth", "pages", "results", "link", "audit"}

var catalogue = sync.OnceValue(func() map[string]*Words {
	c, err := load(templates.Words)
	if err != nil {
		panic(err) // it is part of the program
	}
	return c
})

// load reads the catalogue. A text that a language lacks is English, so that a page
// in a language that is being translated says all that it has to say.
func load(fsys fs.FS) (map[string]*Words, error) {
	c := make(map[string]*Words)
	for i, t := range tags {
		w := &Words{code: t.Code, own: make(map[string]string), all: make(map[string]string)}
		for _, part := range parts {
			if err := w.read(fsys, part); err != nil {
				return nil, fmt.Errorf("words/%s/%s.json: %w", t.Code, part, err)
			}
		}
		if i > 0 {
			w.fill(c[tags[0].Code])
		}
		for k, v := range w.own {
			w.all[k] = v
		}
		c[t.Code] = w
	}
	return c, nil
}

// fill takes English where the language has nothing. Of a text with a plural either
// all or nothing is the language's own: some have one form for all numbers.
func (w *Words) fill(source *Words) {
	for k, v := range source.own {
		if one, ok := strings.CutSuffix(k, ".one"); ok && w.own[one+".other"] != "" {
			continue
		}
		w.all[k] = v
	}
}

func (w *Words) read(fsys fs.FS, part string) error {
	b, err := fs.ReadFile(fsys, "words/"+w.code+"/"+part+".json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	texts := make(map[string]string)
	if err := json.Unmarshal(b, &texts); err != nil {
		return err
	}
	for k, v := range texts {
		if !strings.HasPrefix(k, part+".") {
			return fmt.Errorf("%s does not begin with the name of its file", k)
		}
		w.own[k] = v
	}
	return nil
}

// Of returns the words of a language by its code, and English for any other.
func Of(code string) *Words {
	if w, ok := catalogue()[code]; ok {
		return w
	}
	return catalogue()[tags[0].Code]
}

// Code returns the code of the language.
func (w *Words) Code() string { return w.code }

// Text returns the text of a key. For each placeholder {name} that stands in it there
// is a pair of a name and a value. It panics on a key that there is not, and on a
// placeholder without a value: no visitor can cause either, and a page that shows one
// misleads whoever reads it.
func (w *Words) Text(key string, pairs ...any) string {
	text, ok := w.all[key]
	if !ok {
		panic("language: no text " + key)
	}
	s, missing := substitute(text, pairs)
	if missing != "" {
		panic("language: no value for " + missing + " of " + key)
	}
	return s
}

// Count returns the text of key.one for one and of key.other for any other number. It
// has the number as {n}, written as the language writes it.
func (w *Words) Count(key string, n int64, pairs ...any) string {
	number := w.Number(uint64(max(n, 0)))
	if n < 0 {
		number = "-" + w.Number(uint64(-n))
	}
	form := key + ".other"
	if _, ok := w.all[key+".one"]; ok && n == 1 {
		form = key + ".one"
	}
	return w.Text(form, append([]any{"n", number}, pairs...)...)
}

// substitute puts values in the place of placeholders, once: what a value holds is no
// placeholder. It returns the name of one that has no value.
func substitute(text string, pairs []any) (s, missing string) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String(), missing
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString("{" + rest)
			return b.String(), missing
		}
		text = after
		i := 0
		for i+1 < len(pairs) && pairs[i] != name {
			i += 2
		}
		if i+1 >= len(pairs) {
			missing = name
			continue
		}
		fmt.Fprint(&b, pairs[i+1])
	}
}

// JSON returns the texts of some parts as one object, always the same bytes for the
// same texts. It has no < and no line separator of JavaScript: it may stand inside a
// script element.
func (w *Words) JSON(names ...string) []byte {
	for _, name := range names {
		if !slices.Contains(parts, name) {
			panic("language: no part " + name)
		}
	}
	texts := make(map[string]string)
	for k, v := range w.all {
		if part, _, _ := strings.Cut(k, "."); slices.Contains(names, part) {
			texts[k] = v
		}
	}
	b, err := json.Marshal(texts) // sorted by key, with <, > and & escaped
	if err != nil {
		panic(err) // texts can be written
	}
	return b
}
