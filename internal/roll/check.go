package roll

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"strikevote/internal/mailbox"
)

// maxBytes bounds a cell's text in bytes; group is what the manifest allows a
// unit. An address has its length in the form in which it is kept.
var maxBytes = [numFields]int{number: 64, name: 200, firstName: 100, lastName: 100, email: mailbox.MaxTyped, group: 80,
	campus: 200, worksite: 200, title: 200, language: 35, factor: 200}

// A checker looks at cells, and remembers what has to be compared over the
// whole file.
type checker struct {
	o         Options
	r         *reader
	groups    map[string]string // folded to as spelled
	languages map[string]string
	numbers   map[string]place // folded; where first seen
	bare      map[string]place // those of digits, without leading zeros
	emails    map[string]place
	numeric   []place // member numbers of digits only, in order

	bad [numFields]bool // of the row at hand: the cell has a fault already
	any bool            // of the row at hand: some cell has
}

// A place is where a value stands.
type place struct {
	row, line int
	number    string
}

func newChecker(o Options, r *reader) *checker {
	c := &checker{o: o, r: r, groups: map[string]string{}, languages: map[string]string{},
		numbers: map[string]place{}, bare: map[string]place{}, emails: map[string]place{}}
	for _, g := range o.Groups {
		c.groups[fold(g)] = g
	}
	for _, l := range o.Languages {
		c.languages[strings.ToLower(l)] = l
	}
	return c
}

// row checks one row, and says whether it is free of faults.
func (c *checker) row(cells *[numFields]string, kinds *[numFields]kind) (Member, bool) {
	c.bad, c.any = [numFields]bool{}, false
	for f := range numFields {
		cells[f] = c.cell(f, strings.TrimSpace(cells[f]), kinds[f])
	}
	m := Member{Row: c.r.row, Line: c.r.line, Number: cells[number], Name: cells[name], Email: cells[email],
		Campus: cells[campus], Worksite: cells[worksite], Title: cells[title], Factor: cells[factor]}
	if m.Name == "" {
		m.Name = strings.TrimSpace(cells[firstName] + " " + cells[lastName])
	}
	c.number(m.Number)
	if c.r.file.list {
		m.Group = c.group(cells[group])
		return m, !c.any
	}
	c.name(m.Name)
	m.Email = c.email(m.Email, m.Number)
	m.Group = c.group(cells[group])
	m.Language = c.language(cells[language])
	if m.Factor == "" && c.o.NeedFactor && !c.bad[factor] {
		c.fault(factor, "", "The answer to the extra question is missing.", "Enter it: without it the member could not vote.")
	}
	return m, !c.any
}

func (c *checker) fault(f field, value, problem, remedy string) {
	c.bad[f], c.any = true, true
	c.r.add(Fault{Column: c.r.header(f), Value: shorten(value), Problem: problem, Remedy: remedy})
}

func (c *checker) warn(f field, value, problem, remedy string) {
	c.r.add(Fault{Column: c.r.header(f), Value: shorten(value), Problem: problem, Remedy: remedy, Warning: true})
}

// missing reports whether an empty cell is worth a word: not if the whole
// column is missing, which is said once, nor if the cell has a fault.
func (c *checker) missing(f field) bool { return c.r.columns[f] >= 0 && !c.bad[f] }

// cell checks what holds for every cell, and returns its text.
func (c *checker) cell(f field, s string, k kind) string {
	if c.r.file.list && (f == name || f == firstName || f == lastName) {
		return s // names on a list to compare with only help to find the person
	}
	if c.kind(f, s, k) || s == "" {
		return ""
	}
	if (f == name || f == firstName || f == lastName) && strings.ContainsAny(strings.TrimSpace(s), "\r\n") {
		c.warn(f, s, "The name stands in more than one line.", "It is put into one. See that nothing else was typed there: it begins the member's mail.")
	}
	if f != number && f != email {
		s = oneLine(s) // a line break typed into a spreadsheet cell
	}
	switch {
	case strings.ContainsFunc(s, hidden):
		c.fault(f, s, "The cell holds a character that cannot be seen or was garbled.",
			"Type the cell anew. The character is shown as <U+…> here.")
	case formula(s):
		c.fault(f, s, "The cell holds a formula, not a text.", "Type its value, or format the column as text and export again.")
	case spreadsheetErrors[strings.ToUpper(s)]:
		c.fault(f, s, "The cell holds a spreadsheet's error, not a text.", "Type the value.")
	case len(s) > maxBytes[f]:
		c.tooLong(f, s, maxBytes[f])
	case garbled(s):
		c.fault(f, s, "Letters with accents were garbled by an earlier export.", "Export again as \"CSV UTF-8\", or type the cell anew.")
	default:
		return s
	}
	return ""
}

func (c *checker) tooLong(f field, s string, most int) {
	c.fault(f, s, "The text is too long.", fmt.Sprintf("At most %d characters. Perhaps two cells ran together.", most))
}

func (c *checker) number(s string) {
	if s == "" {
		if c.missing(number) {
			c.fault(number, "", "The member number is missing.", "Enter it, or delete the row.")
		}
		return
	}
	at := place{c.r.row, c.r.line, s}
	if scientific(s) {
		c.fault(number, s, "The spreadsheet turned the member number into a rounded number.",
			"Format the column as text, enter the numbers again from their source, and export again.")
		return
	}
	if digits(s) {
		c.numeric = append(c.numeric, at)
	}
	if first, ok := c.numbers[fold(s)]; ok {
		c.fault(number, s, "The member number stands in two rows.", "Delete one of the rows, or correct the number.")
		c.see(first.row)
		return
	}
	c.numbers[fold(s)] = at
	if bare := strings.TrimLeft(s, "0"); digits(s) {
		if first, ok := c.bare[bare]; ok {
			// One person would be on the roll twice and get two ballots.
			c.fault(number, s, "The member number is that of another row but for zeros at its start.",
				"If it is one person, delete one of the rows; otherwise correct the number.")
			c.see(first.row)
			return
		}
		c.bare[bare] = at
	}
}

func (c *checker) name(s string) {
	if s != "" || c.bad[name] || c.bad[firstName] || c.bad[lastName] {
		return
	}
	switch {
	case c.r.columns[name] >= 0:
		c.fault(name, "", "The name is missing.", "Enter it.")
	case c.r.columns[lastName] >= 0 && c.r.columns[firstName] >= 0:
		c.fault(lastName, "", "The name is missing.", "Enter it.")
	}
}

func (c *checker) group(s string) string {
	if s == "" {
		if c.missing(group) && !c.r.file.list {
			c.fault(group, "", "The group is missing.", "Enter the member's group.")
		}
		return ""
	}
	g, ok := c.groups[fold(s)]
	if !ok && (len(c.o.Groups) == 0 || c.r.file.list) {
		c.groups[fold(s)] = s // the first spelling is the group's
		return s
	}
	if !ok {
		c.fault(group, s, "This group does not exist in this vote.",
			"Correct it to one of: "+shorten(strings.Join(c.o.Groups, ", "))+"; or delete the row if the person may not vote.")
	}
	return g
}

// email checks an address, and returns it in the form in which it is kept.
func (c *checker) email(s, number string) string {
	if s == "" {
		if c.missing(email) {
			c.warn(email, "", "The email address is missing.", "Enter a private address. Without one the member gets a sealed slip with a code.")
		}
		return ""
	}
	address, err := mailbox.Read(s)
	switch {
	case errors.Is(err, mailbox.ErrLocal):
		c.fault(email, s, "Many mail services carry only a-z, digits and plain signs before the @.",
			"If a letter there was mistyped, correct it. Otherwise ask the member for another address.")
	case errors.Is(err, mailbox.ErrLong):
		c.tooLong(email, s, mailbox.MaxAddress)
	case err != nil:
		c.fault(email, s, "This is not an email address.", "Enter one address, such as maria@example.org, and nothing else in the cell.")
	}
	if err != nil {
		return ""
	}
	if address != s {
		c.r.file.Rewritten++
	}
	if mailbox.Mixed(address) {
		c.warn(email, s, "The address mixes letters of alphabets that look alike.",
			"Type it anew, from what the member wrote. One letter that only looks right sends the link elsewhere.")
	}
	_, domain, _ := strings.Cut(address, "@")
	for _, d := range c.o.EmployerDomains {
		if mailbox.Within(domain, strings.TrimPrefix(d, "@")) {
			c.warn(email, s, "The address belongs to the employer.", "The employer may read mail there. Ask the member for a private address.")
			break
		}
	}
	c.shared(s, mailbox.Key(address), number)
	return address
}

// shared looks for an address that two members have.
func (c *checker) shared(s, box, number string) {
	first, ok := c.emails[box]
	if !ok {
		c.emails[box] = place{c.r.row, c.r.line, number}
		return
	}
	if fold(first.number) == fold(number) && number != "" {
		return // the same person twice: the number says so already
	}
	const problem = "The email address stands in two rows."
	if c.o.SharedEmails {
		c.warn(email, s, problem, "Both get their own link there. Make sure that they share it on purpose.")
	} else {
		c.fault(email, s, problem, "Each member needs an address of their own; or allow shared addresses for couples, with -shared-mail.")
	}
	c.see(first.row)
}

func (c *checker) see(row int) { c.r.file.Faults[len(c.r.file.Faults)-1].See = row }

// languageNames are languages as people write them.
var languageNames = map[string]string{"english": "en", "spanish": "es", "español": "es", "espanol": "es",
	"chinese": "zh", "mandarin": "zh", "中文": "zh", "tagalog": "tl", "filipino": "tl", "vietnamese": "vi",
	"tiếng việt": "vi", "korean": "ko", "한국어": "ko"}

func (c *checker) language(s string) string {
	if s == "" {
		return ""
	}
	tag := strings.ToLower(strings.ReplaceAll(s, "_", "-"))
	if known, ok := languageNames[tag]; ok {
		tag = known
	}
	if len(c.languages) == 0 && languageTag(tag) {
		return tag
	}
	if l, ok := c.languages[tag]; ok {
		return l
	}
	base, _, _ := strings.Cut(tag, "-")
	if l, ok := c.languages[base]; ok {
		return l
	}
	c.warn(language, s, "This vote has no mails in this language.", "The member gets the first language of the vote.")
	return ""
}

func languageTag(s string) bool {
	return len(s) >= 2 && len(s) <= 16 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && !(r >= 'a' && r <= 'z') && !(r >= '0' && r <= '9')
	})
}

// wholeFile looks for member numbers that lost their leading zeros, which one
// row alone cannot show: where more numbers of digits have one width than any
// other and some of that width begin with 0, a shorter one was a number to a
// spreadsheet once.
func (c *checker) wholeFile() {
	widths := map[int]int{}
	zero := map[int]bool{}
	for _, p := range c.numeric {
		widths[len(p.number)]++
		zero[len(p.number)] = zero[len(p.number)] || p.number[0] == '0'
	}
	width := 0
	for w, n := range widths {
		if n > widths[width] || n == widths[width] && w > width {
			width = w
		}
	}
	if width == 0 || !zero[width] {
		return
	}
	for _, p := range c.numeric {
		if len(p.number) < width {
			c.r.add(Fault{Row: p.row, Line: p.line, Column: c.r.header(number), Value: p.number,
				Problem: "The member number seems to have lost zeros at its start.",
				Remedy:  fmt.Sprintf("Most numbers have %d digits. Format the column as text and export again.", width)})
		}
	}
}

// fold makes texts equal that differ in case and spaces only.
func fold(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !(r >= '0' && r <= '9') }) && s != ""
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }), " ")
}

// hidden reports characters that show nothing or make two texts look alike.
func hidden(r rune) bool {
	if r < 0x7f {
		return r < ' ' // most of a roll
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Noncharacter_Code_Point) || r == unicode.ReplacementChar
}
