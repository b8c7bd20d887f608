package deployment

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// A serving is what one process of a data folder's service is, for operators'
// commands: they put its addresses into manifests, and leave alone the side that is
// elsewhere.
type serving struct {
	Origins election.Origins `json:"origins"`
	Parts   []Part           `json:"parts"`
	Health  string           `json:"health"`            // where it answers while it runs
	Carried bool             `json:"carried,omitempty"` // whether somebody sends its mails
}

// servingPath is where a process notes what it serves. Each that has other parts has
// a file of its own: one for all would be that of whoever started last, and commands
// would leave alone what the others serve.
func (d *Deployment) servingPath(parts []Part) string {
	name := "serving"
	for _, p := range Parts() {
		if slices.Contains(parts, p) {
			name += "-" + string(p)
		}
	}
	return filepath.Join(d.c.Data, name+".json")
}

// noteServing notes what this process serves, in place of what has ended.
func (d *Deployment) noteServing() error {
	all, err := d.readServings()
	if err != nil {
		return err
	}
	own := d.servingPath(d.c.Parts)
	for path, s := range all {
		switch {
		case path != own && !reachable(s.Health):
			// What it served may be on another host from now on.
			if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
				return fmt.Errorf("noting what is served: %w", err)
			}
		case path == own && s.Health != d.AdminAddress() && reachable(s.Health):
			return nil // this is a second process, on addresses that nobody was told
		}
	}
	b, err := suite.EncodeJSON(&serving{d.origins, d.c.Parts, d.AdminAddress(), len(d.c.Senders) > 0})
	if err == nil {
		err = place(own, b, os.Rename)
	}
	if err != nil {
		return fmt.Errorf("noting what is served: %w", err)
	}
	return nil
}

// healthTime bounds the wait for an answer from this machine.
const healthTime = 2 * time.Second

// reachable reports whether a process of this machine listens on an address.
func reachable(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, healthTime)
	return err == nil && c.Close() == nil
}

// readServings returns what the processes of this folder's service have noted, by
// file.
func (d *Deployment) readServings() (map[string]serving, error) {
	entries, err := os.ReadDir(d.c.Data)
	if err != nil {
		return nil, fmt.Errorf("reading what is served: %w", err)
	}
	all := make(map[string]serving)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "serving-") {
			continue
		}
		path := filepath.Join(d.c.Data, e.Name())
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // another process has just removed it
		}
		var s serving
		if err == nil {
			err = suite.DecodeJSON(b, &s)
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		all[path] = s
	}
	return all, nil
}

// readServing takes addresses and parts from the configuration, and what it does
// not name from what serve noted. An address is taken from whoever serves there.
func (d *Deployment) readServing() error {
	all, err := d.readServings()
	if err != nil {
		return err
	}
	var parts []Part
	d.origins = d.c.Origins
	for _, serves := range []bool{true, false} {
		for _, s := range all {
			for i, o := range byName(&d.origins) {
				if *o.origin == "" && slices.Contains(s.Parts, Part(o.name)) == serves {
					*o.origin = *byName(&s.Origins)[i].origin
				}
			}
		}
	}
	for _, p := range Parts() {
		for _, s := range all {
			if slices.Contains(s.Parts, p) && !slices.Contains(parts, p) {
				parts = append(parts, p)
			}
		}
	}
	if len(d.c.Parts) == 0 {
		d.c.Parts = parts
	}
	return nil
}
