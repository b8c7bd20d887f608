package language

import (
	"fmt"
	"strconv"
	"time"
)

// Moment writes a day, a time and its zone in words: "Thursday, October 2, 5:00 p.m.
// Pacific time". The zone is that of t.
func (w *Words) Moment(t time.Time) string {
	return w.Text("format.moment", "date", w.Day(t), "clock", w.Clock(t))
}

// Day writes "Thursday, October 2".
func (w *Words) Day(t time.Time) string {
	return w.Text("format.day", "weekday", w.Weekday(t),
		"month", w.Text("format.month."+strconv.Itoa(int(t.Month()))), "day", t.Day())
}

// Weekday writes "Thursday".
func (w *Words) Weekday(t time.Time) string {
	return w.Text("format.weekday." + strconv.Itoa(int(t.Weekday())))
}

// Clock writes "5:00 p.m. Pacific time". The names of the halves of a day say noon and
// midnight where a language has words that leave no doubt which of the two is meant.
func (w *Words) Clock(t time.Time) string {
	hour := t.Hour()
	half := "afternoon"
	switch {
	case hour == 0:
		half = "midnight"
	case hour < 12:
		half = "morning"
	case hour == 12:
		half = "noon"
	}
	return w.Text("format.clock", "hour12", (hour+11)%12+1, "hour24", fmt.Sprintf("%02d", hour),
		"minute", fmt.Sprintf("%02d", t.Minute()), "half", w.Text("format.half."+half), "zone", w.zone(t))
}

// zones are those in which people say a name, by abbreviation and hours from UTC: the
// same abbreviation stands for other zones elsewhere. Summer and winter are not told
// apart: nobody does who says "Pacific time".
var zones = map[string]string{
	"PST-8": "pacific", "PDT-7": "pacific", "MST-7": "mountain", "MDT-6": "mountain", "CST-6": "central", "CDT-5": "central",
	"EST-5": "eastern", "EDT-4": "eastern", "AKST-9": "alaska", "AKDT-8": "alaska", "HST-10": "hawaii", "UTC+0": "universal",
}

// zone returns the name of a moment's zone, or else how far it is from UTC: an
// abbreviation that few know can be taken for another.
func (w *Words) zone(t time.Time) string {
	abbreviation, offset := t.Zone()
	if key, ok := zones[fmt.Sprintf("%s%+d", abbreviation, offset/3600)]; ok && offset%3600 == 0 {
		return w.Text("format.zone." + key)
	}
	return "UTC" + t.Format("-07:00")
}

// Number writes a whole number with a mark between each three digits.
func (w *Words) Number(n uint64) string {
	s := strconv.FormatUint(n, 10)
	mark := w.Text("format.number.group")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + mark + s[i:]
	}
	return s
}

// Percent writes which share of a whole a part is, with one decimal. It says 100 only
// of all and 0 only of none: of 22,000 members one who did not vote is not nobody.
// The share of nothing is written as 0.
func (w *Words) Percent(part, whole uint64) string {
	tenths := uint64(0)
	if whole > 0 {
		tenths = (part*1000 + whole/2) / whole
	}
	switch {
	case part > 0 && tenths == 0:
		tenths = 1
	case part < whole && tenths >= 1000:
		tenths = 999
	}
	number := w.Number(tenths/10) + w.Text("format.number.decimal") + strconv.FormatUint(tenths%10, 10)
	return w.Text("format.number.percent", "number", number)
}
