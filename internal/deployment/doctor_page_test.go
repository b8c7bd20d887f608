package deployment

import (
	"net/http/httptest"
	"strings"
	"testing"

	"strikevote/internal/booth"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// TestDoctorPage compares pages that were named with this program's, and with what a
// booth serves.
func TestDoctorPage(t *testing.T) {
	t.Parallel()
	id := suite.ElectionID{7}
	served := httptest.NewServer(booth.Handler(booth.Config{}))
	defer served.Close()
	own := booth.Client(served.URL)
	for name, tt := range map[string]struct {
		named *election.Client
		want  string
	}{
		"the same":        {own, "ok that of this program is"},
		"another":         {&election.Client{URL: own.URL, SHA256: suite.Hash{1}}, "WARN that of this program is not the one that the committee named"},
		"another address": {booth.Client("https://other.example"), "WARN that of this program is not the one that the committee named"},
		"none":            {nil, "WARN the committee named none"},
	} {
		x := newExamination(Checkup{})
		x.judgePage(id, served.URL, tt.named)
		if got := found(x.findings, pageCheck(id)); !strings.HasPrefix(got, tt.want) || strings.HasPrefix(got, "WARN") != strings.Contains(got, "strikevote election client") {
			t.Errorf("%s: got %q", name, got)
		}
	}
	for name, tt := range map[string]struct {
		named  suite.Hash
		origin string
		want   bool
	}{
		"the same": {own.SHA256, served.URL, false},
		"another":  {suite.Hash{1}, served.URL, true},
		"no booth": {suite.Hash{1}, "http://127.0.0.1:1", false},
		"nowhere":  {suite.Hash{1}, "", false},
	} {
		x := newExamination(Checkup{})
		x.pages[id] = &election.Client{SHA256: tt.named}
		x.servedPage(t.Context(), tt.origin)
		if got := found(x.findings, pageCheck(id)); strings.HasPrefix(got, "WARN "+tt.origin+" serves another") != tt.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
