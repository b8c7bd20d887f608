package pages

import (
	"crypto/rand"
	"encoding/json"
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
	return &Edition{Stored: now.UTC().Truncate(time.Second), Content: c, Withdrawn: before.Withdrawn}
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
	c.only(func(name, part string) bool {
		parts[name] = part
		return true
	})
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
