package bundletest

import (
	"encoding/json"
	"testing"
	"time"

	"strikevote/internal/language"
)

// A momentCase is how one language writes moments and numbers.
type momentCase struct {
	Code    string          `json:"code"`
	Texts   json.RawMessage `json:"texts"`
	Moments []moment        `json:"moments"`
	Numbers []number        `json:"numbers"`
}

type moment struct {
	At     int64  `json:"at"`
	Zone   string `json:"zone"`
	Moment string `json:"moment"`
	Clock  string `json:"clock"`
}

type number struct {
	N    uint64 `json:"n"`
	Text string `json:"text"`
}

// momentCases writes moments of summer and winter, at the turns of days, in the zones
// that have names: English first.
func momentCases(t testing.TB) []momentCase {
	t.Helper()
	var cases []momentCase
	for _, tag := range language.Tags() {
		w := language.Of(tag.Code)
		c := momentCase{Code: tag.Code, Texts: w.JSON("format")}
		for _, zone := range []string{"America/Los_Angeles", "America/Denver", "America/Chicago", "America/New_York", "America/Anchorage", "Pacific/Honolulu", "UTC"} {
			l, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []time.Time{
				time.Date(2026, 10, 1, 17, 0, 0, 0, l), time.Date(2026, 1, 4, 12, 30, 59, 0, l),
				time.Date(2026, 12, 31, 0, 5, 0, 0, l), time.Date(2027, 3, 9, 9, 7, 0, 0, l), time.Date(2028, 2, 29, 23, 59, 59, 0, l),
			} {
				c.Moments = append(c.Moments, moment{at.Unix(), zone, w.Moment(at), w.Clock(at)})
			}
		}
		for _, n := range []uint64{0, 7, 999, 1000, 22000, 123456, 1000000} {
			c.Numbers = append(c.Numbers, number{n, w.Number(n)})
		}
		cases = append(cases, c)
	}
	return cases
}
