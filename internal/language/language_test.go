package language_test

import (
	"strings"
	"testing"
	"time"

	"strikevote/internal/language"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ explicit, accept, want string }{
		{"", "", "en"},
		{"", "en-US,en;q=0.9", "en"},
		{"", "es-MX,es;q=0.8,en;q=0.5", "es"},
		{"", "en;q=0.5, es;q=0.8", "es"},
		{"", "es;q=0, ko", "ko"},
		{"", "es;q=0", "en"},
		{"", "zh-CN", "zh-Hans"},
		{"", "zh", "zh-Hans"},
		{"", "zh-TW,zh;q=0.9", "zh-Hant"},
		{"", "zh-HK", "zh-Hant"},
		{"", "zh-Hant-CN", "zh-Hant"},
		{"", "fil-PH", "tl"},
		{"", "tl", "tl"},
		{"", "vi-VN", "vi"},
		{"", "ko-KR;q=0.9", "ko"},
		{"", "de-DE, vi;q=0.3", "vi"},
		{"", "sw", "en"},
		{"", "*", "en"},
		{"", "\x00;;;q=", "en"},
		{"", strings.Repeat("ko,", 1000), "en"},
		{"ko", "es", "ko"},
		{"ZH-hant", "es", "zh-Hant"},
		{"es-MX", "ko", "ko"},
		{"sw", "ko", "ko"},
		{"'\"<>", "ko", "ko"},
		{"sw", "", "en"},
	} {
		if got := language.Match(tt.explicit, tt.accept); got != tt.want {
			t.Errorf("%q, %.40q: got %s, want %s", tt.explicit, tt.accept, got, tt.want)
		}
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	var codes []string
	for _, tag := range language.Tags() {
		codes = append(codes, tag.Code)
		if got := language.Of(tag.Code).Code(); got != tag.Code {
			t.Errorf("%s: got the words of %s", tag.Code, got)
		}
	}
	if got := strings.Join(codes, " "); got != "en es zh-Hans zh-Hant tl vi ko" {
		t.Errorf("got %s", got)
	}
	if got := language.Of("sw").Code(); got != "en" {
		t.Errorf("of a language that is not here: %s", got)
	}
}

// TestMoment writes three moments in each language. A no-break space is written as _.
func TestMoment(t *testing.T) {
	t.Parallel()
	evening := time.Date(2026, 10, 1, 17, 0, 0, 0, time.FixedZone("PDT", -7*3600))
	noon := time.Date(2026, 1, 4, 12, 30, 0, 0, time.FixedZone("EST", -5*3600))
	midnight := time.Date(2026, 12, 31, 0, 5, 0, 0, time.FixedZone("IST", 5*3600+1800))
	for code, want := range map[string][3]string{
		"en":      {"Thursday, October 1, 5:00 p.m. Pacific time", "Sunday, January 4, 12:30 p.m. Eastern time", "Thursday, December 31, 12:05 a.m. UTC+05:30"},
		"es":      {"jueves 1 de octubre, 5:00 p._m., hora del Pacífico", "domingo 4 de enero, 12:30 p._m., hora del este", "jueves 31 de diciembre, 12:05 a._m., UTC+05:30"},
		"zh-Hans": {"10月1日星期四，太平洋时间下午5:00", "1月4日星期日，东部时间中午12:30", "12月31日星期四，UTC+05:30凌晨12:05"},
		"zh-Hant": {"10月1日星期四，太平洋時間下午5:00", "1月4日星期日，東部時間中午12:30", "12月31日星期四，UTC+05:30凌晨12:05"},
		"tl":      {"Huwebes, Oktubre 1, 5:00 p.m., oras sa Pasipiko", "Linggo, Enero 4, 12:30 p.m., oras sa Eastern (ET)", "Huwebes, Disyembre 31, 12:05 a.m., UTC+05:30"},
		"vi":      {"Thứ Năm, ngày 1 tháng 10, 17:00 (giờ Thái Bình Dương)", "Chủ Nhật, ngày 4 tháng 1, 12:30 (giờ miền Đông)", "Thứ Năm, ngày 31 tháng 12, 00:05 (UTC+05:30)"},
		"ko":      {"10월 1일 목요일 오후 5:00(태평양 시간)", "1월 4일 일요일 낮 12:30(동부 시간)", "12월 31일 목요일 밤 12:05(UTC+05:30)"},
	} {
		w := language.Of(code)
		for i, at := range []time.Time{evening, noon, midnight} {
			if got := strings.ReplaceAll(w.Moment(at), "\u00a0", "_"); got != want[i] {
				t.Errorf("%s: got %q, want %q", code, got, want[i])
			}
			if !strings.Contains(w.Moment(at), w.Day(at)) || !strings.Contains(w.Moment(at), w.Clock(at)) {
				t.Errorf("%s: %q, %q are no parts of %q", code, w.Day(at), w.Clock(at), w.Moment(at))
			}
		}
	}
}

// TestZone takes an abbreviation for a zone only where it is that zone's.
func TestZone(t *testing.T) {
	t.Parallel()
	w := language.Of("en")
	for _, tt := range []struct {
		abbreviation string
		hours        int
		want         string
	}{
		{"CST", -6, "9:07 a.m. Central time"},
		{"CST", 8, "9:07 a.m. UTC+08:00"},
		{"MDT", -6, "9:07 a.m. Mountain time"},
		{"AKDT", -8, "9:07 a.m. Alaska time"},
		{"HST", -10, "9:07 a.m. Hawaii time"},
		{"UTC", 0, "9:07 a.m. universal time (UTC)"},
		{"-03", -3, "9:07 a.m. UTC-03:00"},
	} {
		if got := w.Clock(time.Date(2026, 3, 4, 9, 7, 0, 0, time.FixedZone(tt.abbreviation, tt.hours*3600))); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// TestFormats writes each day of a year in each language: none is written like another.
func TestFormats(t *testing.T) {
	t.Parallel()
	for _, tag := range language.Tags() {
		w := language.Of(tag.Code)
		seen := make(map[string]bool)
		for h := range 24 * 365 {
			seen[w.Moment(time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC))] = true
		}
		if len(seen) != 24*365 {
			t.Errorf("%s: %d moments of %d", tag.Code, len(seen), 24*365)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"en": "0 999 1,000 22,000 1,234,567 66.7% 100.0% 99.9% 0.0% 0.1% 0.0%",
		"es": "0 999 1,000 22,000 1,234,567 66.7_% 100.0_% 99.9_% 0.0_% 0.1_% 0.0_%",
		"vi": "0 999 1.000 22.000 1.234.567 66,7% 100,0% 99,9% 0,0% 0,1% 0,0%",
		"ko": "0 999 1,000 22,000 1,234,567 66.7% 100.0% 99.9% 0.0% 0.1% 0.0%",
	} {
		w := language.Of(code)
		var got []string
		for _, n := range []uint64{0, 999, 1000, 22000, 1234567} {
			got = append(got, w.Number(n))
		}
		for _, p := range [][2]uint64{{2, 3}, {22000, 22000}, {21999, 22000}, {0, 22000}, {1, 22000}, {0, 0}} {
			got = append(got, w.Percent(p[0], p[1]))
		}
		if s := strings.ReplaceAll(strings.Join(got, " "), "\u00a0", "_"); s != want {
			t.Errorf("%s: got %s, want %s", code, s, want)
		}
	}
}
