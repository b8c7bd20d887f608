package pages

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"html/template"
	"strings"
	"sync"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// What the union writes is Markdown without markup of its own, without pictures, and
// with links to whole addresses only. It is refused when it is read, and left out
// again when it is shown: what is stored may have been written by another program.

// marked makes HTML of Markdown.
var marked = goldmark.New(goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(safe{}, 1))))

// rendered are texts as they were shown: parsing one takes longer than everything else
// of its page, and everybody who opens the page is shown the same.
var rendered = texts{most: 8 << 20}

// texts keeps HTML by what it was made of. Its zero value keeps nothing.
type texts struct {
	most int // bytes

	mu   sync.Mutex
	size int                       // guarded by mu
	kept map[shownAs]template.HTML // guarded by mu
}

// shownAs is a text and the level of its highest heading.
type shownAs struct {
	hash  [sha256.Size]byte
	level int
}

// of returns what was kept, or makes it and keeps it. Who wrote the texts is the union, a
// few at a time; if there are too many all the same, it begins anew.
func (t *texts) of(source string, level int, render func(string, int) template.HTML) template.HTML {
	key := shownAs{sha256.Sum256([]byte(source)), level}
	t.mu.Lock()
	html, ok := t.kept[key]
	t.mu.Unlock()
	if ok {
		return html
	}
	html = render(source, level)
	if len(html) > t.most {
		return html
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept == nil || t.size+len(html) > t.most {
		t.size, t.kept = 0, make(map[shownAs]template.HTML)
	}
	if _, ok := t.kept[key]; !ok {
		t.size += len(html)
		t.kept[key] = html
	}
	return html
}

// Markdown makes HTML of a text. Its highest heading gets a level of the page's, so that
// who hears the page finds no level left out.
func (v *view) Markdown(source string, level int) template.HTML {
	return rendered.of(source, level, renderMarkdown)
}

func renderMarkdown(source string, level int) template.HTML {
	b := []byte(source)
	doc := marked.Parser().Parse(text.NewReader(b))
	var headings []*ast.Heading
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if h, ok := n.(*ast.Heading); ok && entering {
			headings = append(headings, h)
		}
		return ast.WalkContinue, nil
	})
	highest := 6
	for _, h := range headings {
		highest = min(highest, h.Level)
	}
	for _, h := range headings {
		h.Level = min(h.Level-highest+level, 6)
		h.RemoveAttributes()
	}
	var out bytes.Buffer
	if err := marked.Renderer().Render(&out, b, doc); err != nil {
		panic("pages: a text cannot be rendered: " + err.Error()) // a buffer never fails
	}
	return template.HTML(out.String())
}

// safe renders what could do harm.
type safe struct{}

func (safe) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(ast.KindRawHTML, nothing)
	reg.Register(ast.KindHTMLBlock, nothing)
	reg.Register(ast.KindImage, nothing)
	reg.Register(ast.KindLink, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		anchor(w, string(n.(*ast.Link).Destination), entering)
		return ast.WalkContinue, nil
	})
	reg.Register(ast.KindAutoLink, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		link := n.(*ast.AutoLink)
		address := target(link, source)
		anchor(w, address, true)
		html.DefaultWriter.RawWrite(w, link.Label(source))
		anchor(w, address, false)
		return ast.WalkContinue, nil
	})
}

// target returns the address of a link that is written as itself.
func target(n *ast.AutoLink, source []byte) string {
	address := string(n.URL(source))
	if n.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(strings.ToLower(address), "mailto:") {
		address = "mailto:" + address
	}
	return address
}

func nothing(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus, error) {
	return ast.WalkSkipChildren, nil
}

// anchor begins or ends a link; to anything but a whole address there is none.
func anchor(w util.BufWriter, address string, entering bool) {
	switch {
	case !linked(address, "https", "http", "mailto"):
	case entering:
		_, _ = fmt.Fprintf(w, `<a href="%s" rel="nofollow noopener noreferrer">`, template.HTMLEscapeString(address))
	default:
		_, _ = w.WriteString("</a>")
	}
}

// check adds a problem for everything in a text that is not shown. first is the line
// of the file on which the text begins.
func (r *reader) check(file, source string, first int) {
	b := []byte(source)
	line := first
	_ = ast.Walk(marked.Parser().Parse(text.NewReader(b)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if n.Type() == ast.TypeBlock && n.Lines() != nil && n.Lines().Len() > 0 {
			line = first + bytes.Count(b[:n.Lines().At(0).Start], []byte("\n"))
		}
		switch x := n.(type) {
		case *ast.Text:
			// What stands behind it in the line says not where it is.
			line = first + bytes.Count(b[:x.Segment.Stop], []byte("\n"))
			if x.SoftLineBreak() || x.HardLineBreak() {
				line++
			}
		case *ast.RawHTML, *ast.HTMLBlock:
			r.wrong(file, line, "HTML is not shown; write it in Markdown, or put a backslash before <")
		case *ast.Image:
			r.wrong(file, line, "pictures are not shown; put the file among the documents")
			return ast.WalkSkipChildren, nil
		case *ast.Link:
			r.checkLink(file, line, string(x.Destination))
		case *ast.AutoLink:
			r.checkLink(file, line, target(x, b))
		}
		return ast.WalkContinue, nil
	})
}

func (r *reader) checkLink(file string, line int, address string) {
	if !linked(address, "https", "http", "mailto") {
		r.wrong(file, line, "a link leads to a whole address that begins with https:, http: or mailto:")
	}
}

// countWords counts words: runs of letters and digits. Two characters of a script that
// is written without spaces count as one.
func countWords(s string) int {
	words, han, in := 0, 0, false
	for _, c := range s {
		switch {
		case unicode.In(c, unicode.Han, unicode.Hiragana, unicode.Katakana):
			han++
			in = false
		case unicode.IsLetter(c), unicode.IsDigit(c), unicode.IsMark(c), in && (c == '\'' || c == '’' || c == '-'):
			if !in {
				words++
			}
			in = true
		default:
			in = false
		}
	}
	return words + (han+1)/2
}
