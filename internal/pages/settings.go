package pages

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// maxSetting bounds one text of the settings, in bytes.
const maxSetting = 500

// settings reads settings.json: JSON, with lines that begin with // as notes.
func (r *reader) settings() {
	s, ok := r.text(settingsName)
	if !ok {
		return
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "//") {
			lines[i] = "" // the line stays, so that the others keep their numbers
		}
	}
	s = strings.Join(lines, "\n")
	d := json.NewDecoder(strings.NewReader(s))
	d.DisallowUnknownFields()
	var x Settings
	err := d.Decode(&x)
	if err == nil && d.More() {
		err = errors.New("something follows the last brace")
	}
	if err != nil {
		r.wrong(settingsName, lineOf(s, err, d.InputOffset()), "%s", plainly(err))
		return
	}
	r.folder.Content.Settings = x
	r.checkSettings(&x, func(key string) int { return lineWith(s, key) })
}

var unknownField = regexp.MustCompile(`unknown field "([^"]*)"`)

// lineOf returns the line of a mistake.
func lineOf(s string, err error, offset int64) int {
	if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
		return lineWith(s, m[1])
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		offset = int64(len(s))
	}
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		offset = syntax.Offset
	}
	if kind := new(json.UnmarshalTypeError); errors.As(err, &kind) {
		offset = kind.Offset
	}
	return 1 + bytes.Count([]byte(s)[:min(offset, int64(len(s)))], []byte("\n"))
}

// lineWith returns the line of a key.
func lineWith(s, key string) int {
	before, _, found := strings.Cut(s, `"`+key+`"`)
	if !found {
		return 0
	}
	return 1 + strings.Count(before, "\n")
}

func plainly(err error) string {
	if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
		if m[1] == "dispute_until" {
			return "dispute_until: the manifest says until when a report counts (decide_until), and the pages and the mails say it from there; delete this line"
		}
		return `there is no setting "` + m[1] + `"`
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// checkSettings checks every value.
func (r *reader) checkSettings(x *Settings, line func(string) int) {
	for _, t := range []struct {
		key  string
		text Text
	}{
		{"union", x.Union}, {"eligibility", x.Eligibility}, {"help_hours", x.HelpHours}, {"organizer", x.Organizer},
		{"observer", x.Observer}, {"named_observers", x.Observers}, {"next_after_no", x.NextNo},
		{"moved", x.Reasons.Moved}, {"cancelled", x.Reasons.Cancelled},
	} {
		for lang, text := range t.text {
			if lang != "" && code(lang) != lang {
				r.wrong(settingsName, line(t.key), "%s: %q is none of the languages %s", t.key, lang, strings.Join(codes(), " "))
			}
			if err := suite.CheckTextOrEmpty(text, maxSetting); err != nil {
				r.wrong(settingsName, line(t.key), "%s: %v", t.key, err)
			}
		}
	}
	for key, text := range map[string]string{"mail_provider": x.Provider, "from_name": x.From} {
		if err := suite.CheckTextOrEmpty(text, maxSetting); err != nil {
			r.wrong(settingsName, line(key), "%s: %v", key, err)
		}
	}
	dates := map[string]string{"record_date": x.RecordDate, "cutoff": x.Cutoff, "result_expected": x.ResultOn}
	if x.Compared != nil {
		dates["lists_compared"] = x.Compared.Date
		if err := suite.CheckText(x.Compared.Names, maxSetting); err != nil {
			r.wrong(settingsName, line("lists_compared"), "lists_compared: names: %v", err)
		}
	}
	for key, date := range dates {
		if !dated(date) && date != "" {
			r.wrong(settingsName, line(key), "%s: write a date like 2027-01-31", key)
		}
	}
	for key, address := range map[string]string{"join_url": x.JoinURL, "desks_url": x.DesksURL} {
		if address != "" && !linked(address, "https", "http") {
			r.wrong(settingsName, line(key), "%s: write an address that begins with https://", key)
		}
	}
	if _, err := time.LoadLocation(x.Zone); err != nil || x.Zone == "Local" {
		r.wrong(settingsName, line("zone"), "zone: not a time zone like America/Los_Angeles")
	}
	if x.Limits.Words < 0 || x.Limits.Words > maxStatement {
		r.wrong(settingsName, line("opinion_words"), "opinion_words: a number of words up to %d", maxStatement)
	}
}

// Moments writes a moment of the vote as the public pages would, and as mails and ballot do, in
// the zone of the election. Where the two differ, members could take them for two moments.
func (c *Content) Moments(unix int64, zone *time.Location) (pages, elsewhere string) {
	w, at := language.Of("en"), time.Unix(unix, 0)
	elsewhere = w.Moment(at.In(zone))
	if own, err := time.LoadLocation(c.Zone); err == nil && c.Zone != "" {
		return w.Moment(at.In(own)), elsewhere
	}
	return elsewhere, elsewhere
}

// CheckDates returns every date of the content that contradicts the schedule, joined: see
// [Problem]. Members would read it beside the moments of the manifest. closing is the close
// in force, and zero that of the manifest.
func (c *Content) CheckDates(s election.Schedule, closing int64, zone *time.Location) error {
	if own, err := time.LoadLocation(c.Zone); err == nil && c.Zone != "" {
		zone = own
	}
	day := func(unix int64) string { return time.Unix(unix, 0).In(zone).Format(time.DateOnly) }
	last, planned := day(cmp.Or(closing, s.Close)), day(s.Close)
	late := time.Unix(s.LatestClose, 0).In(zone).AddDate(1, 0, 0).Format(time.DateOnly)
	var problems []error
	wrong := func(format string, args ...any) {
		problems = append(problems, Problem{File: settingsName, Text: fmt.Sprintf(format, args...)})
	}
	switch {
	case c.ResultOn != "" && c.ResultOn < last:
		wrong("result_expected: %s is before voting closes, on %s", c.ResultOn, last)
	case c.ResultOn > late:
		wrong("result_expected: %s is more than a year after the latest close, on %s", c.ResultOn, day(s.LatestClose))
	}
	for _, x := range []struct{ key, date string }{{"record_date", c.RecordDate}, {"cutoff", c.Cutoff}} {
		// A close that came early makes nobody's date wrong.
		if x.date > max(last, planned) {
			wrong("%s: %s is after voting closes, on %s", x.key, x.date, last)
		}
	}
	return errors.Join(problems...)
}

func dated(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// linked reports whether a text is a whole address of one of these schemes. A link
// without a host, or with a name and a password in front of it, leads elsewhere than
// it seems.
func linked(s string, schemes ...string) bool {
	u, err := url.Parse(s)
	if err != nil || u.User != nil || len(s) > 1000 {
		return false
	}
	for _, scheme := range schemes {
		if u.Scheme == scheme {
			return u.Host != "" || scheme == "mailto" && strings.Contains(u.Opaque, "@")
		}
	}
	return false
}
