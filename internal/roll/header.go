package roll

import (
	"encoding/csv"
	"strings"
	"unicode"
)

// A field is what a column can mean.
type field int

const (
	number field = iota
	name
	firstName
	lastName
	email
	group
	campus
	worksite
	title
	language
	factor
	numFields
)

// fieldNames are the fields in the words of the report.
var fieldNames = [numFields]string{"member number", "name", "first name", "last name", "email",
	"group", "campus", "worksite", "title", "language", "extra question"}

// aliases are the headers that unions' systems write, in small letters without
// spaces, dots and dashes.
var aliases = func() map[string]field {
	all := map[string]field{}
	for f, names := range map[field]string{
		number: "number member membernumber memberno membernr memberid memberidnumber memberidno membershipnumber membershipno " +
			"membershipid id idnumber idno employeeid employeenumber employeeno employeenr empid empno empnumber emplid " +
			"staffid staffnumber unionid unionnumber cardnumber badge badgenumber",
		name:      "name fullname membername employeename lastnamefirstname namelastfirst displayname preferredname",
		firstName: "firstname first givenname forename fname namefirst",
		lastName:  "lastname last surname familyname lname namelast",
		email: "email emailaddress mail mailaddress address1email personalemail homeemail personalemailaddress nonworkemail " +
			"preferredemail primaryemail emailpersonal emailhome",
		group: "group groupname unit bargainingunit bargainingunitcode bu unitcode unitname votinggroup bargunit " +
			"bargainunit ballotgroup",
		campus:   "campus campusname location locationname site city locality",
		worksite: "worksite workplace worklocation building facility department dept departmentname hospital shop worksitename",
		title:    "title jobtitle position classification jobclass jobclassification jobcode occupation classificationtitle",
		language: "language lang languagecode preferredlanguage locale",
		factor:   "factor secondfactor extraquestion securityanswer answer secret",
	} {
		for _, n := range strings.Fields(names) {
			all[n] = f
		}
	}
	return all
}()

// recognize returns the field that a header names.
func recognize(header string) (field, bool) {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		if r == '#' {
			return '#'
		}
		return -1
	}, header)
	plain = strings.ReplaceAll(plain, "#", "number") // "Member #"
	f, ok := aliases[plain]
	return f, ok
}

var separatorNames = map[rune]string{',': "comma", ';': "semicolon", '\t': "tab"}

// separator finds what separates the cells: whatever makes the most known
// headers of the first line, and of equals the one that makes the most cells.
// A line "sep=;" that spreadsheets write first is believed and removed.
func separator(text string) (rest string, comma rune) {
	if line, after, ok := strings.Cut(text, "\n"); ok {
		if s, ok := strings.CutPrefix(strings.ToLower(strings.TrimRight(line, "\r")), "sep="); ok && len(s) == 1 {
			if _, known := separatorNames[rune(s[0])]; known {
				// The line break stays, so that line numbers are the file's.
				return "\n" + after, rune(s[0])
			}
		}
	}
	best, comma := -1, ','
	for _, c := range []rune{',', ';', '\t'} {
		r := csv.NewReader(strings.NewReader(text))
		r.Comma, r.LazyQuotes = c, true
		header, err := r.Read()
		if err != nil {
			continue
		}
		score := len(header)
		for _, h := range header {
			if _, ok := recognize(h); ok {
				score += 1000
			}
		}
		if score > best {
			best, comma = score, c
		}
	}
	return text, comma
}

// mapColumns assigns columns to fields, adds a fault for what is missing or
// there twice, and returns how many it recognized.
func (r *reader) mapColumns(header []string) int {
	for f := range r.columns {
		r.columns[f] = -1
	}
	known := 0
	for i, h := range header {
		h = strings.TrimSpace(h)
		c := Column{Header: shorten(h)}
		if f, ok := recognize(h); ok && !(r.file.list && !compared[f]) {
			known++
			switch {
			case r.columns[f] < 0:
				r.columns[f] = i
				c.Field = fieldNames[f]
			case f <= group || f == factor:
				// Which of two numbers or addresses is meant is not ours to
				// guess; of two campuses the first will do.
				r.headerFault(c.Header, "Two columns mean the same.", "Delete or rename the one that is not meant.")
			}
		}
		r.file.Columns = append(r.file.Columns, c)
	}
	if known == 0 {
		return 0
	}
	need := []field{number, email, group}
	if r.file.list {
		need = need[:1]
	}
	for _, f := range need {
		if r.columns[f] < 0 {
			r.headerFault(fieldNames[f], "A column is missing.", "Add the column, or name it so in the first line.")
		}
	}
	if !r.file.list && r.columns[name] < 0 && (r.columns[firstName] < 0 || r.columns[lastName] < 0) {
		r.headerFault(fieldNames[name], "A column is missing.", "Add the column, or name it so in the first line.")
	}
	return known
}

func (r *reader) headerFault(column, problem, remedy string) {
	r.add(Fault{Line: r.headerLine, Column: column, Problem: problem, Remedy: remedy})
}

// header returns a field's column as the file names it.
func (r *reader) header(f field) string {
	if at := r.columns[f]; at >= 0 {
		return r.file.Columns[at].Header
	}
	return fieldNames[f]
}
