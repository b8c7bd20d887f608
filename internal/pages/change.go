package pages

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Next returns the edition that follows another. The order of two opinions is drawn
// once and then kept: who draws again until it suits draws no lot.
func (c Content) Next(before *Edition, now time.Time) *Edition {
	c.Lot = nil
	if len(c.For) > 0 && len(c.Against) > 0 {
		c.Lot = before.Content.Lot
		if c.Lot == nil {
			var b [1]byte
			rand.Read(b[:]) // never fails
			c.Lot = &Lot{AgainstFirst: b[0]&1 == 1, Drawn: now.UTC().Truncate(time.Second)}
		}
	}
	return &Edition{Stored: now.UTC().Truncate(time.Second), Content: c}
}

// Changes says what of the content is new, changed or gone, part by part.
func Changes(before, after Content) []string {
	was, is := before.parts(), after.parts()
	var list []string
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, had := was[name]
		text, has := is[name]
		switch {
		case !had:
			list = append(list, "new      "+name)
		case !has:
			list = append(list, "gone     "+name)
		case old != text:
			list = append(list, "changed  "+name)
		}
	}
	return list
}

// parts returns the content part by part, by the names of the files that they are in.
func (c Content) parts() map[string]string {
	parts := make(map[string]string)
	for name, text := range map[string]Text{"view.md": c.View, "for.md": c.For, "against.md": c.Against, "expired.md": c.Expired} {
		for lang, s := range text {
			parts[lang+"/"+name] = s
		}
	}
	for lang, list := range c.Questions {
		parts[lang+"/questions.md"] = encoded(list)
	}
	told := make(map[string]int)
	for _, s := range c.Stories {
		told[s.Language]++
		parts[fmt.Sprintf("%s/stories, number %d", s.Language, told[s.Language])] = encoded(s)
	}
	if len(c.Contacts) > 0 {
		parts[contactsName] = encoded(c.Contacts)
	}
	for _, d := range c.Documents {
		parts[documentsName+"/"+d.File] = encoded(d)
	}
	if s := encoded(c.Settings); s != encoded(Settings{}) {
		parts[settingsName] = s
	}
	return parts
}

func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("pages: " + err.Error()) // only texts and numbers
	}
	return string(b)
}
