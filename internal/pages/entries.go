package pages

import (
	"encoding/csv"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"strikevote/internal/protocol/suite"
)

// maxCell bounds one cell of a table and one line of what stands before a story.
const maxCell = 300

// table reads a CSV file with exactly these columns and calls row for each row. It
// reports whether it has read all of them: what is not named in the others may be in one.
func (r *reader) table(name string, columns []string, row func(line int, cell map[string]string)) (all bool) {
	s, ok := r.text(name)
	if !ok {
		return false
	}
	all = true
	c := csv.NewReader(strings.NewReader(s))
	c.FieldsPerRecord = -1
	head, err := c.Read()
	if errors.Is(err, io.EOF) {
		return true // an empty file says nothing
	}
	if err != nil || !slices.Equal(head, columns) {
		r.wrong(name, 1, "the first line has to be %s", strings.Join(columns, ","))
		return false
	}
	for n := 0; ; n++ {
		cells, err := c.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if bad := new(csv.ParseError); errors.As(err, &bad) {
			r.wrong(name, bad.Line, "%v", bad.Err)
			return false
		}
		line, _ := c.FieldPos(0)
		switch {
		case n == maxRows:
			r.wrong(name, line, "there are more than %d rows", maxRows)
			return false
		case len(cells) != len(columns):
			r.wrong(name, line, "it has %d cells, and the first line has %d", len(cells), len(columns))
			all = false
			continue
		}
		cell := make(map[string]string)
		good := true
		for i, column := range columns {
			cell[column] = strings.TrimSpace(cells[i])
			if err := suite.CheckTextOrEmpty(cell[column], maxCell); err != nil {
				r.wrong(name, line, "%s: %v", column, err)
				good = false
			}
		}
		if all = all && good; good {
			row(line, cell)
		}
	}
}

func (r *reader) contacts() {
	r.table(contactsName, []string{"campus", "name", "phone", "hours", "languages", "desk"}, func(line int, cell map[string]string) {
		if cell["campus"] == "" || cell["name"] == "" {
			r.wrong(contactsName, line, "it needs a campus and a name")
			return
		}
		if cell["phone"] == "" && cell["desk"] == "" {
			r.wrong(contactsName, line, "it needs a phone or a desk: nobody could reach it")
		}
		c := &r.folder.Content
		c.Contacts = append(c.Contacts, Contact{cell["campus"], cell["name"], cell["phone"], cell["hours"], cell["languages"], cell["desk"]})
	})
}

// lastOffer marks the employer's last offer in the list of documents.
const lastOffer = "last-offer"

// documents reads the folder documents: the list, and every file that it names.
func (r *reader) documents() {
	list := path.Join(documentsName, "documents.csv")
	files := make(map[string]bool)
	for _, e := range r.list(documentsName) {
		if e.IsDir() {
			r.wrong(path.Join(documentsName, e.Name()), 0, "a folder in here is not read")
			continue
		}
		files[e.Name()] = true
	}
	if !files["documents.csv"] {
		if len(files) > 0 {
			r.wrong(list, 0, "it is missing, and nothing says what the files are")
		}
		return
	}
	named := map[string]bool{"documents.csv": true}
	offers := 0
	all := r.table(list, []string{"date", "title", "from", "language", "file", "mark"}, func(line int, cell map[string]string) {
		name := cell["file"]
		d := Document{Date: cell["date"], Title: cell["title"], From: cell["from"], Language: cell["language"], File: name, LastOffer: cell["mark"] == lastOffer}
		switch {
		case !dated(d.Date):
			r.wrong(list, line, "date: write one like 2027-01-31")
		case d.Title == "" || d.From == "":
			r.wrong(list, line, "it needs a title, and from whom it is")
		case cell["mark"] != "" && !d.LastOffer:
			r.wrong(list, line, "mark: %s, or nothing", lastOffer)
		case !plainName(name):
			r.wrong(list, line, "file: the name of a file in this folder, of letters, digits, dots, dashes and underscores")
		case named[name]:
			r.wrong(list, line, "file: %s is listed twice", name)
		case !files[name]:
			r.wrong(list, line, "file: there is no %s in this folder", name)
		default:
			if d.LastOffer {
				offers++
			}
			var ok bool
			if d.Size, d.SHA256, ok = r.document(name); ok {
				r.folder.Content.Documents = append(r.folder.Content.Documents, d)
			}
		}
		named[name] = true
	})
	if offers > 1 {
		r.wrong(list, 0, "only one document is the last offer")
	}
	for name := range files {
		if all && !named[name] {
			r.wrong(path.Join(documentsName, name), 0, "the list does not name it, so that it would not be shown")
		}
	}
}

// plainName reports whether a name is one that every system saves a file under.
func plainName(s string) bool {
	if s == "" || len(s) > 100 || s[0] == '.' || s[0] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

// questions reads questions of the union's own: each heading is one, and what follows
// it is the answer.
func (r *reader) questions(name, lang string) {
	s, ok := r.text(name)
	if !ok {
		return
	}
	var list []QA
	at := 0 // line of the question
	end := func() {
		if n := len(list); n > 0 && strings.TrimSpace(list[n-1].Answer) == "" {
			r.wrong(name, at, "there is no answer to it")
		}
	}
	for i, line := range strings.Split(s, "\n") {
		question, heading := strings.CutPrefix(line, "## ")
		switch {
		case heading:
			end()
			at = i + 1
			list = append(list, QA{Question: strings.TrimSpace(question)})
		case len(list) > 0:
			list[len(list)-1].Answer += line + "\n"
		case strings.TrimSpace(line) != "":
			r.wrong(name, i+1, "begin with a question, in a line that begins with ##")
			return
		}
	}
	end()
	r.check(name, s, 1)
	for i := range list {
		list[i].Answer = strings.TrimSpace(list[i].Answer)
	}
	if len(list) > maxStories {
		r.wrong(name, 0, "there are more than %d questions", maxStories)
	}
	if len(list) == 0 {
		return
	}
	c := &r.folder.Content
	if c.Questions == nil {
		c.Questions = make(map[string][]QA)
	}
	c.Questions[lang] = list
}

// stories reads the folder of members' stories.
func (r *reader) stories(dir, lang string) {
	entries := r.list(dir)
	if len(entries) > maxStories {
		r.wrong(dir, 0, "there are more than %d stories", maxStories)
		return
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() || path.Ext(name) != ".md" {
			r.wrong(name, 0, "a story is a file whose name ends in .md")
			continue
		}
		r.story(name, lang)
	}
}

// story reads one story: between two lines of three dashes stand title, campus and
// that its member consents, and perhaps a name.
func (r *reader) story(name, lang string) {
	s, ok := r.text(name)
	if !ok {
		return
	}
	lines := strings.Split(s, "\n")
	end := 0
	if strings.TrimSpace(lines[0]) == "---" {
		end = slices.IndexFunc(lines[1:], func(l string) bool { return strings.TrimSpace(l) == "---" }) + 1
	}
	if end == 0 {
		r.wrong(name, 1, "it has to begin with title, campus and consent between two lines of ---")
		return
	}
	said := make(map[string]string)
	for i, line := range lines[1:end] {
		key, value, found := strings.Cut(line, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case strings.TrimSpace(line) == "":
		case !found || !slices.Contains([]string{"name", "title", "campus", "consent"}, key):
			r.wrong(name, i+2, "write name, title, campus or consent, a colon, and its value")
		case suite.CheckTextOrEmpty(value, maxCell) != nil:
			r.wrong(name, i+2, "%s: %v", key, suite.CheckTextOrEmpty(value, maxCell))
		default:
			said[key] = value
		}
	}
	text := strings.Join(lines[end+1:], "\n")
	r.check(name, text, end+2)
	switch n := countWords(text); {
	case said["consent"] != "yes":
		r.wrong(name, 1, "it is shown only with the member's consent: write consent: yes")
	case said["title"] == "" || said["campus"] == "":
		r.wrong(name, 1, "it needs the member's title and campus")
	case n == 0:
		r.wrong(name, end+2, "there is no story in it")
	case n > maxStory:
		r.wrong(name, 0, "it has %d words, and the most is %d", n, maxStory)
	default:
		c := &r.folder.Content
		c.Stories = append(c.Stories, Story{lang, said["name"], said["title"], said["campus"], strings.TrimSpace(text)})
	}
}
