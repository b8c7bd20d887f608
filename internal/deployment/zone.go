package deployment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"strikevote/internal/protocol/suite"
)

// The manifest has moments and no time zone. Which zone the committee writes and
// reads them in is noted beside the databases.

func (d *Deployment) zonePath(id suite.ElectionID) string {
	return filepath.Join(d.c.Data, "zone-"+id.String())
}

// SetZone notes the time zone of an election.
func (d *Deployment) SetZone(id suite.ElectionID, zone *time.Location) error {
	if err := place(d.zonePath(id), []byte(zone.String()+"\n"), os.Rename); err != nil {
		return fmt.Errorf("noting the time zone: %w", err)
	}
	return nil
}

// Zone returns the time zone of an election: the one that was noted, or else the
// deployment's.
func (d *Deployment) Zone(id suite.ElectionID) *time.Location {
	b, err := os.ReadFile(d.zonePath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return d.c.Zone
	}
	zone, lerr := time.LoadLocation(strings.TrimSpace(string(b)))
	if err := errors.Join(err, lerr); err != nil {
		d.c.Log.Warn("the election's time zone is not known; dates are in the deployment's", "err", err)
		return d.c.Zone
	}
	return zone
}
