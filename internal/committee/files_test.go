package committee_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"strikevote/internal/record/layout"
)

// TestExportTooLarge refuses a file of the record that is larger than it can be: cut
// at the limit, tellers would be handed another.
func TestExportTooLarge(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	dir := t.TempDir()
	path := filepath.Join(dir, layout.Manifest)
	s.must(os.WriteFile(path, []byte("{}"), 0o600))
	status := *s.status
	status.Record = dir
	s.set(status)
	for extra, refused := range map[int64]bool{0: false, 1: true} {
		s.must(os.Truncate(path, layout.Limit(layout.Manifest)+extra))
		if _, err := s.service.ExportCeremony(t.Context(), s.id()); errors.Is(err, layout.ErrTooLarge) != refused {
			t.Errorf("%d bytes more than the limit: got %v", extra, err)
		}
	}
}
