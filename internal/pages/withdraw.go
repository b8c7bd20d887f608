package pages

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"strikevote/internal/protocol/suite"
)

// Editions are kept for ever, since what was shown may be argued about. But the union may
// have to take something back: a document with somebody's address in it, a story of a
// member who thought better of it. Then it is given to nobody any more, neither as the
// page nor as an edition, and what is shown says that something was taken back, and when.
// The database keeps it for those who have to look.

// A Withdrawn part of the content was shown and is not any more.
type Withdrawn struct {
	Name     string    `json:"name"`            // as [Changes] writes it
	Title    string    `json:"title,omitempty"` // of a document
	Language string    `json:"language,omitempty"`
	At       time.Time `json:"at"`
	Last     int       `json:"last"` // the last edition that it was taken out of
	// Again tells that a later edition, this one, shows it as it was. No edition is kept with it.
	Again bool `json:"shown_again,omitempty"`
	// Parts are the SHA-256 of what it was, in each edition, and Files those of documents.
	// They are served to nobody: somebody might guess what was taken back.
	Parts []suite.Hash `json:"parts,omitempty"`
	Files []suite.Hash `json:"files,omitempty"`
}

// only returns the content with those of its parts that are to be kept. Their names are
// those of the files that they are in.
func (c Content) only(keep func(name, part string) bool) Content {
	for name, text := range map[string]*Text{"view.md": &c.View, "for.md": &c.For, "against.md": &c.Against, "expired.md": &c.Expired} {
		*text = maps.Clone(*text)
		maps.DeleteFunc(*text, func(lang, s string) bool { return !keep(lang+"/"+name, s) })
	}
	c.Questions = maps.Clone(c.Questions)
	maps.DeleteFunc(c.Questions, func(lang string, list []QA) bool { return !keep(lang+"/questions.md", encoded(list)) })
	told := make(map[string]int)
	c.Stories = slices.DeleteFunc(slices.Clone(c.Stories), func(s Story) bool {
		told[s.Language]++
		return !keep(fmt.Sprintf("%s/stories/%d", s.Language, told[s.Language]), encoded(s))
	})
	if len(c.Contacts) > 0 && !keep(contactsName, encoded(c.Contacts)) {
		c.Contacts = nil
	}
	c.Documents = slices.DeleteFunc(slices.Clone(c.Documents), func(d Document) bool {
		return !keep(documentsName+"/"+d.File, encoded(d))
	})
	return c
}

// shown returns an edition without what was withdrawn since, and with a list of all that
// was.
func (e *Edition) shown(withdrawn []Withdrawn) *Edition {
	out := *e
	out.Withdrawn = nil
	gone := make(map[suite.Hash]bool)
	for _, w := range withdrawn {
		for _, part := range w.Parts {
			if e.Number <= w.Last { // in a later one it was shown again, by whoever knew
				gone[part] = true
			}
		}
	}
	there := make(map[suite.Hash]bool)
	out.Content = e.Content.only(func(name, part string) bool {
		hash := hashOf(name, part)
		there[hash] = !gone[hash]
		return !gone[hash]
	})
	for _, w := range withdrawn {
		w.Again = w.Again || slices.ContainsFunc(w.Parts, func(part suite.Hash) bool { return there[part] }) ||
			// With another title it is the same document.
			slices.ContainsFunc(out.Content.Documents, func(d Document) bool {
				return documentsName+"/"+d.File == w.Name && slices.Contains(w.Files, d.SHA256)
			})
		w.Parts, w.Files = nil, nil
		out.Withdrawn = append(out.Withdrawn, w)
	}
	return &out
}

// hashOf is of a part. A story is one wherever it stands among others.
func hashOf(name, part string) suite.Hash {
	if lang, _, ok := strings.Cut(name, "/stories/"); ok {
		name = lang + "/stories"
	}
	return sha256.Sum256([]byte(name + "\x00" + part))
}

// withheld reports whether a file was withdrawn and is not shown again.
func (e *Edition) withheld(hash suite.Hash) bool {
	return slices.ContainsFunc(e.Withdrawn, func(w Withdrawn) bool { return slices.Contains(w.Files, hash) }) &&
		!slices.ContainsFunc(e.Content.Documents, func(d Document) bool { return d.SHA256 == hash })
}

// earlier finds the name of a story that stands in an earlier edition only, or in other
// words: "en/stories/2@1" is the second of edition 1. Without it nobody could take back a
// story that was left out of the folder first, or shown without its name since.
var earlier = regexp.MustCompile(`^(.+/stories/[0-9]+)@([0-9]+)$`)

// storyNamed returns the story that a name names: that of the newest edition with its
// number, unless the name says of which.
func storyNamed(name string, editions []*Edition, withdrawn []Withdrawn) (found Story, ok bool) {
	of := editions[len(editions)-1]
	if parts := earlier.FindStringSubmatch(name); parts != nil {
		at := slices.IndexFunc(editions, func(e *Edition) bool { return strconv.Itoa(e.Number) == parts[2] })
		if at < 0 {
			return Story{}, false
		}
		name, of = parts[1], editions[at]
	}
	// Its number is that among the stories which are still given to somebody.
	return of.shown(withdrawn).Content.story(name)
}

// withdraw returns the edition that follows all others, the newest of which is the last,
// without the named parts of any.
func withdraw(editions []*Edition, names []string, now time.Time) (*Edition, error) {
	if len(editions) == 0 {
		return nil, errors.New("nothing was ever shown")
	}
	newest := editions[len(editions)-1]
	next := *newest
	next.Number, next.Stored, next.Withdrawn = newest.Number+1, now.UTC().Truncate(time.Second), slices.Clone(newest.Withdrawn)
	for _, name := range names {
		w := Withdrawn{Name: name, At: next.Stored, Last: newest.Number}
		story, is := storyNamed(name, editions, newest.Withdrawn)
		for _, e := range editions {
			w.find(e.shown(newest.Withdrawn), story, is)
		}
		if len(w.Parts) == 0 {
			return nil, fmt.Errorf("nothing is shown as %s; what is shown: %s", name, strings.Join(namesOf(editions, newest.Withdrawn), ", "))
		}
		next.Withdrawn = append(next.Withdrawn, w)
	}
	lot := next.Content.Lot
	next.Content = newest.shown(next.Withdrawn).Content
	next.Content.Lot = lot // a lot is drawn once
	return &next, next.Content.balanced()
}

// namesOf lists what can be withdrawn.
func namesOf(editions []*Edition, withdrawn []Withdrawn) []string {
	names := make(map[string]bool)
	told := make(map[suite.Hash]bool) // stories that a later edition has too
	for i, e := range slices.Backward(editions) {
		e.shown(withdrawn).Content.only(func(name, part string) bool {
			hash := hashOf(name, part)
			switch is := strings.Contains(name, "/stories/"); {
			case is && told[hash]:
			case is && i < len(editions)-1:
				names[fmt.Sprintf("%s@%d", name, e.Number)] = true
			default:
				names[name] = true
			}
			told[hash] = true
			return true
		})
	}
	return slices.Sorted(maps.Keys(names))
}

// Again lists what was withdrawn and would be shown again as it was.
func Again(now *Edition, after Content) []Withdrawn {
	var list []Withdrawn
	shown := make(map[suite.Hash]bool)
	after.only(func(name, part string) bool {
		shown[hashOf(name, part)] = true
		return true
	})
	now.Content.only(func(name, part string) bool {
		delete(shown, hashOf(name, part))
		return true
	})
	for _, w := range now.Withdrawn {
		if slices.ContainsFunc(w.Parts, func(h suite.Hash) bool { return shown[h] }) {
			list = append(list, w)
		}
	}
	return list
}

// find adds what an edition has under the name, which may be that of a story.
func (w *Withdrawn) find(e *Edition, story Story, is bool) {
	add := func(list *[]suite.Hash, hash suite.Hash) {
		if !slices.Contains(*list, hash) {
			*list = append(*list, hash)
		}
	}
	e.Content.only(func(name, part string) bool {
		switch {
		case is && strings.Contains(name, "/stories/"):
			if s, ok := e.Content.story(name); ok && s.Language == story.Language && (s.Text == story.Text || s.Name == story.Name && s.Title == story.Title && s.Campus == story.Campus) {
				add(&w.Parts, hashOf(name, part))
			}
		case name == w.Name && !strings.Contains(name, "/stories/"):
			add(&w.Parts, hashOf(name, part))
		}
		return true
	})
	for _, d := range e.Content.Documents {
		if documentsName+"/"+d.File == w.Name {
			w.Title, w.Language = d.Title, d.Language
			add(&w.Files, d.SHA256)
		}
	}
}

// story returns the story that a name names.
func (c Content) story(name string) (found Story, ok bool) {
	at := make(map[string]int)
	for _, s := range c.Stories {
		at[s.Language]++
		if fmt.Sprintf("%s/stories/%d", s.Language, at[s.Language]) == name {
			return s, true
		}
	}
	return Story{}, false
}

// balanced returns an error where one opinion would stand without the other.
func (c Content) balanced() error {
	for _, lang := range codes() {
		if _, one := c.For[lang]; !c.Limits.OneSided {
			if _, other := c.Against[lang]; one != other {
				return fmt.Errorf("one of %[1]s/for.md and %[1]s/against.md would stand alone: name both, or show another text first", lang)
			}
		}
	}
	return nil
}
