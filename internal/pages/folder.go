package pages

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"strikevote/internal/language"
	"strikevote/internal/protocol/suite"
)

// Limits of a folder. They are far above what a page needs, and far below what would
// burden those who read it.
const (
	maxText      = 64 << 10 // one file of text
	maxStories   = 100      // in each language
	maxRows      = 500      // of contacts, and of documents
	maxFiles     = 60 << 20 // all documents together
	normalWords  = 400      // of an opinion
	maxStory     = 400      // words of a member's story
	maxStatement = 2000     // words of the union's statement
)

// Names in a folder, see [WriteSample].
const (
	settingsName  = "settings.json"
	contactsName  = "contacts.csv"
	documentsName = "documents"
	readmeName    = "README.txt"
)

// A Problem is something in a folder that has to be mended before it is shown.
type Problem struct {
	File string
	Line int // 0: the whole file
	Text string
}

func (p Problem) Error() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return p.File + ": " + p.Text
}

// A Folder is what the union wrote, as it was read from a folder.
type Folder struct {
	Content   Content
	Documents map[suite.Hash][]byte
}

// ReadFolder reads a folder, see [WriteSample] for what is in one. It returns every
// problem that it has, joined: see [Problem]. In a vote that counts, what the sample
// holds is one.
//
// The folder may have come by mail. Nothing outside of it is read, through no link,
// and nothing that is not a plain file.
func ReadFolder(dir string, counts bool) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the folder: %w", err)
	}
	defer root.Close()
	r := &reader{root: root, counts: counts, folder: &Folder{Documents: make(map[suite.Hash][]byte)}}
	r.top()
	r.balance()
	return r.folder, errors.Join(r.problems...)
}

// code returns the code of a language of the pages for a tag of the manifest's, or "".
func code(tag string) string {
	for _, t := range language.Tags() {
		if strings.EqualFold(t.Code, tag) {
			return t.Code
		}
	}
	return ""
}

// A reader reads one folder and collects what is wrong with it.
type reader struct {
	root     *os.Root
	counts   bool
	folder   *Folder
	problems []error
}

func (r *reader) wrong(file string, line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{file, line, fmt.Sprintf(format, args...)})
}

// list returns the names in a folder. What is neither a file nor a folder is a problem.
func (r *reader) list(dir string) []fs.DirEntry {
	entries, err := fs.ReadDir(r.root.FS(), dir)
	if err != nil {
		r.wrong(dir, 0, "it cannot be read")
		return nil
	}
	var list []fs.DirEntry
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
			// What file managers and editors leave behind.
		case !utf8.ValidString(e.Name()):
			r.wrong(dir, 0, "a name in it is not valid UTF-8")
		case !e.IsDir() && !e.Type().IsRegular():
			r.wrong(name, 0, "it is a link or something else than a plain file; put the file itself here")
		default:
			list = append(list, e)
		}
	}
	return list
}

func (r *reader) top() {
	for _, e := range r.list(".") {
		name := e.Name()
		switch {
		case name == readmeName && !e.IsDir():
		case name == settingsName && !e.IsDir():
			r.settings()
		case name == contactsName && !e.IsDir():
			r.contacts()
		case name == documentsName && e.IsDir():
			r.documents()
		case e.IsDir() && code(name) == name && name != "":
			r.language(name)
		default:
			r.wrong(name, 0, "the pages have no use for it; they know %s, %s, %s/ and a folder for each language (%s)",
				settingsName, contactsName, documentsName, strings.Join(codes(), " "))
		}
	}
}

func codes() []string {
	var list []string
	for _, t := range language.Tags() {
		list = append(list, t.Code)
	}
	return list
}

// bytes reads a file of at most limit bytes.
func (r *reader) bytes(name string, limit int64) ([]byte, bool) {
	f, err := r.root.Open(name)
	if err != nil {
		r.wrong(name, 0, "it cannot be read")
		return nil, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		r.wrong(name, 0, "it cannot be read")
	case int64(len(b)) > limit:
		r.wrong(name, 0, "it is larger than %d bytes", limit)
	case r.counts && untouched(name, b):
		r.wrong(name, 0, "it is still the sample's; change it, or delete it")
	default:
		return b, true
	}
	return nil, false
}

// text reads a file of text: UTF-8 without characters that do not show, which let two
// texts look alike, or one look like another.
func (r *reader) text(name string) (string, bool) {
	b, ok := r.bytes(name, maxText)
	if !ok {
		return "", false
	}
	s := strings.ReplaceAll(strings.TrimPrefix(string(b), "\ufeff"), "\r\n", "\n")
	for i, line := range strings.Split(s, "\n") {
		if !utf8.ValidString(line) {
			r.wrong(name, i+1, "it is not valid UTF-8; save it as UTF-8")
			return "", false
		}
		for _, c := range line {
			if c != '\t' && suite.Invisible(c) {
				r.wrong(name, i+1, "the character %U does not show, and is not allowed", c)
				return "", false
			}
		}
	}
	return s, true
}

// language reads the texts of one language.
func (r *reader) language(lang string) {
	c := &r.folder.Content
	for _, e := range r.list(lang) {
		name := path.Join(lang, e.Name())
		switch {
		case e.Name() == "view.md" && !e.IsDir():
			r.markdown(name, lang, &c.View)
		case e.Name() == "for.md" && !e.IsDir():
			r.markdown(name, lang, &c.For)
		case e.Name() == "against.md" && !e.IsDir():
			r.markdown(name, lang, &c.Against)
		case e.Name() == "expired.md" && !e.IsDir():
			r.markdown(name, lang, &c.Expired)
		case e.Name() == "questions.md" && !e.IsDir():
			r.questions(name, lang)
		case e.Name() == "stories" && e.IsDir():
			r.stories(name, lang)
		default:
			r.wrong(name, 0, "the pages have no use for it; they know view.md, for.md, against.md, expired.md, questions.md and stories/")
		}
	}
}

// markdown reads one text of a language.
func (r *reader) markdown(name, lang string, into *Text) {
	s, ok := r.text(name)
	if !ok || strings.TrimSpace(s) == "" {
		return // a sample that nobody filled in says nothing
	}
	r.check(name, s, 1)
	if *into == nil {
		*into = make(Text)
	}
	(*into)[lang] = strings.TrimSpace(s)
}

// balance holds the opinions to the same room: where there is one there is the other,
// and neither is longer than the other may be.
func (r *reader) balance() {
	c := &r.folder.Content
	limit := c.Limits.Words
	if limit == 0 {
		limit = normalWords
	}
	for _, lang := range codes() {
		for _, x := range []struct {
			name, other string
			have, lack  Text
		}{{"for.md", "against.md", c.For, c.Against}, {"against.md", "for.md", c.Against, c.For}} {
			text := x.have[lang]
			if text == "" {
				continue
			}
			if n := countWords(text); n > limit {
				r.wrong(path.Join(lang, x.name), 0, "it has %d words, and each side has %d", n, limit)
			}
			if x.lack[lang] == "" && !c.Limits.OneSided {
				r.wrong(path.Join(lang, x.name), 0, `there is no %s: both sides have the same room, or neither has any (or "one_sided": true in %s)`, x.other, settingsName)
			}
		}
		if n := countWords(c.View[lang]); n > maxStatement {
			r.wrong(path.Join(lang, "view.md"), 0, "it has %d words, and the most is %d", n, maxStatement)
		}
	}
}

// document takes a file of the folder documents, and returns what is said of it.
func (r *reader) document(name string) (size int64, hash suite.Hash, ok bool) {
	b, ok := r.bytes(path.Join(documentsName, name), maxDocument)
	if !ok {
		return 0, hash, false
	}
	if err := checkKind(name, b); err != nil {
		r.wrong(path.Join(documentsName, name), 0, "%v", err)
		return 0, hash, false
	}
	hash = sha256.Sum256(b)
	r.folder.Documents[hash] = b
	total := 0
	for _, d := range r.folder.Documents {
		total += len(d)
	}
	if total > maxFiles {
		r.wrong(documentsName, 0, "all files together are larger than %d bytes", maxFiles)
		return 0, hash, false
	}
	return int64(len(b)), hash, true
}

// checkKind returns an error unless a file begins as its name promises.
func checkKind(name string, b []byte) error {
	begins := map[string]string{
		"application/pdf": "%PDF-", "image/png": "\x89PNG\r\n\x1a\n", "image/jpeg": "\xff\xd8\xff",
	}
	kind := kindOf(name)
	begin, ok := begins[kind]
	switch {
	case kind == "":
		return fmt.Errorf("a file of this kind cannot be shown safely; the kinds are %s", strings.Join(kindNames(), " "))
	case strings.HasPrefix(kind, "text/"):
		if !utf8.Valid(b) || strings.ContainsRune(string(b), 0) {
			return errors.New("it is not a text in UTF-8")
		}
		return nil
	case !ok:
		begin = "PK\x03\x04" // the formats of word processors are archives
	}
	if !strings.HasPrefix(string(b), begin) {
		return errors.New("it does not begin as a file of its kind does")
	}
	return nil
}

func kindNames() []string {
	var list []string
	for ext := range kinds {
		list = append(list, ext)
	}
	slices.Sort(list)
	return list
}
