package pages

import (
	"context"
	"html/template"
	"strings"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/platform/web"
)

// A documentsPage lists what passed between the sides, as it came.
type documentsPage struct {
	*view
	Documents []paper
	Withdrawn []takenBack
	Again     []takenBack // what was taken back once and is given out again
}

// What was taken back, and when.
type takenBack struct {
	What Said
	At   time.Time
}

type paper struct {
	Document
	Link string
	// In is the name of the document's language, in itself.
	In string
	// Size says how large it is.
	Size string
}

func documentsOf(_ *Site, _ context.Context, v *view) (any, error) {
	p := documentsPage{view: v}
	for _, d := range v.Content().Documents {
		in := d.Language
		for _, t := range language.Tags() {
			if t.Code == d.Language {
				in = t.Name
			}
		}
		p.Documents = append(p.Documents, paper{d, "/e/" + v.ID.String() + "/documents/" + d.File, in, v.size(d.Size)})
	}
	for _, w := range v.Edition.shown(v.Edition.Withdrawn).Withdrawn {
		to := &p.Withdrawn
		if w.Again {
			to = &p.Again
		}
		*to = append(*to, takenBack{v.takenBack(w), w.At})
	}
	return p, nil
}

// takenBack says what a withdrawn part was: a document by its title and file, a text by the page
// on which it stood.
func (v *view) takenBack(w Withdrawn) Said {
	if w.Title != "" {
		// Several may have one title, and a list of files may name the other.
		return v.said(v.Text("pages.withdrawn.file", "title", w.Title, "file", strings.TrimPrefix(w.Name, documentsName+"/")), w.Language)
	}
	page := "pages.view.name"
	switch {
	case w.Name == contactsName:
		page = "pages.contacts.name"
	case strings.HasSuffix(w.Name, "/questions.md"):
		page = "pages.questions.name"
	}
	return Said{Text: v.Text("pages.withdrawn.part", "page", v.Text(page))}
}

// size writes how large a file is.
func (v *view) size(n int64) string {
	const kilo, mega = 1000, 1000 * 1000
	if n < mega {
		return v.Text("pages.documents.kilo", "n", v.Number(uint64(max(1, (n+kilo/2)/kilo))))
	}
	return v.Text("pages.documents.mega", "n", v.Number(uint64((n+mega/2)/mega)))
}

// A contactsPage says who helps members to vote, by campus.
type contactsPage struct {
	*view
	Campuses []campus
}

type campus struct {
	Name     string
	Contacts []reached
}

type reached struct {
	Contact
	Call template.URL // the address that calls; may be empty
}

func contactsOf(_ *Site, _ context.Context, v *view) (any, error) {
	p := contactsPage{view: v}
	at := make(map[string]int)
	for _, c := range v.Content().Contacts {
		i, ok := at[c.Campus]
		if !ok {
			i = len(p.Campuses)
			at[c.Campus] = i
			p.Campuses = append(p.Campuses, campus{Name: c.Campus})
		}
		p.Campuses[i].Contacts = append(p.Campuses[i].Contacts, reached{c, template.URL(web.Tel(c.Phone))})
	}
	return p, nil
}
