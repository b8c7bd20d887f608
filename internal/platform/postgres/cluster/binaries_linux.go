package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// minVersion is the first whose databases let nobody but their owner create
// things in the schema public.
const minVersion = 15

// A release is an installed server.
type release struct {
	version int // major
	bin     string
}

var (
	packaged = []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"}
	digits   = regexp.MustCompile(`[0-9]+`)
)

// installed lists the servers of the system, newest first.
func installed(ctx context.Context) []release {
	var found []release
	for _, pattern := range packaged {
		dirs, _ := filepath.Glob(pattern) // fails on a bad pattern only
		for _, dir := range dirs {
			version, err := strconv.Atoi(digits.FindString(filepath.Base(filepath.Dir(dir))))
			if err == nil && complete(dir) {
				found = append(found, release{version, dir})
			}
		}
	}
	if program, err := exec.LookPath("postgres"); err == nil {
		if out, err := exec.CommandContext(ctx, program, "--version").Output(); err == nil {
			dir := filepath.Dir(program)
			version, err := strconv.Atoi(digits.FindString(string(out)))
			if err == nil && complete(dir) {
				found = append(found, release{version, dir})
			}
		}
	}
	found = slices.DeleteFunc(found, func(r release) bool { return r.version < minVersion })
	slices.SortStableFunc(found, func(a, b release) int { return cmp.Compare(b.version, a.version) })
	return found
}

// complete reports whether a directory has what is needed to run a cluster.
func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// choose returns the release that fits a data directory: the one that wrote
// it, or the newest if there are no data yet.
func choose(all []release, data string) (release, error) {
	if len(all) == 0 {
		return release{}, ErrNoBinaries
	}
	b, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(data); err == nil {
			return release{}, fmt.Errorf("%s exists and is not a database: move it away", data)
		}
		return all[0], nil
	}
	if err != nil {
		return release{}, fmt.Errorf("reading the version of the data: %w", err)
	}
	wrote := strings.TrimSpace(string(b))
	failure := &VersionError{Dir: data, Data: wrote}
	for _, r := range all {
		if strconv.Itoa(r.version) == wrote {
			return r, nil
		}
		failure.Installed = append(failure.Installed, strconv.Itoa(r.version))
	}
	return release{}, failure
}
