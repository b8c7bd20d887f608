package web_test

import (
	"testing"

	"strikevote/internal/platform/web"
)

// TestTel calls what is a number, and nothing else.
func TestTel(t *testing.T) {
	t.Parallel()
	for phone, want := range map[string]string{
		"+1 (555) 010-0101": "tel:+15550100101", "555 0100": "tel:5550100", "5": "", "": "",
		"555 0100 ext. 4": "", "javascript:555": "", `555"0100`: "", "555+0100": "",
	} {
		if got := web.Tel(phone); got != want {
			t.Errorf("%q: got %q, want %q", phone, got, want)
		}
	}
}
