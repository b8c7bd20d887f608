package main

import (
	"slices"
	"testing"
)

// TestNumber puts numbers in the place of names, and refuses a name that it cannot
// number: the page would show it to a member.
func TestNumber(t *testing.T) {
	t.Parallel()
	got, names, err := number([]byte("t(\"booth.a.b\"),t(`booth.c.${x}`),t(a?\"common.d\":\"booth.a.b\"),\"booth\",\"a.booth.b\""))
	if want := "t(1),t(`2.${x}`),t(a?3:1),\"booth\",\"a.booth.b\""; err != nil || string(got) != want {
		t.Errorf("%s: %v, want %s", got, err, want)
	}
	if want := []string{"booth.a.b", "booth.c", "common.d"}; !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	for _, bad := range []string{"t(`booth.${x}`)", `t("booth."+x)`, "t(`common.a${x}`)", "t('format.a')"} {
		if _, _, err := number([]byte(bad)); err == nil {
			t.Errorf("%s: not refused", bad)
		}
	}
}
