// Package cluster runs a private PostgreSQL cluster from the binaries that the
// system has, as a child of this program.
//
// It knows nothing of voting. It listens on no network: the only way in is a
// Unix socket in a private directory, and the server asks the kernel who is on
// the other end of it (peer authentication), so there is no password to lose.
// It logs no statement, no parameter and no time. It never deletes a data
// directory, nor writes as root into one.
//
// When this program dies, however it dies, the server shuts itself down: the
// kernel sends it SIGINT. When this program is started again before that is
// done, it waits.
//
// Linux only; elsewhere [Start] says so.
package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// A Config says what to run.
type Config struct {
	// Dir belongs to this cluster alone and is created if it is missing. The
	// data are in Dir/data. Empty means DefaultDir(Name).
	Dir string
	// Name is shown in the list of processes: "registrar" or "ballotbox".
	Name string
	// Roles may log in, and are created if they are missing. A name that ends
	// in _owner may create databases. See postgres.CreateRoles.
	Roles []string
	// Log gets what the server has to say. It may be nil.
	Log *slog.Logger
	// Scratch is for tests: the server does not wait for the disk, and a crash
	// of the machine may lose everything.
	Scratch bool
}

// ErrNoBinaries is returned by [Start] when the system has no PostgreSQL server.
var ErrNoBinaries = errors.New("no PostgreSQL server, version 15 or newer, was found; " +
	"run deploy/dependencies.sh, or: sudo apt-get install -y postgresql")

// ErrInUse is returned by [Start] when another program has the cluster.
var ErrInUse = errors.New("the database directory is in use by another strikevote")

// ErrNotRunning is returned by [Attach] when no program runs the cluster.
var ErrNotRunning = errors.New("no other strikevote runs the database")

// A VersionError is returned by [Start] when the data were written by a version
// of PostgreSQL that is not installed.
type VersionError struct {
	Dir       string   // the data directory
	Data      string   // the version that wrote it
	Installed []string // what the system has
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("the database in %s was written by PostgreSQL %s, and the system has %s: "+
		"install postgresql-%s, or convert the data with pg_upgrade; nothing was changed",
		e.Dir, e.Data, strings.Join(e.Installed, ", "), e.Data)
}

// DefaultDir returns where a cluster is kept if nothing is said: for root in
// /var/lib, since the account that the server drops to cannot enter root's
// home; for others in their state directory.
func DefaultDir(name string) (string, error) {
	if os.Geteuid() == 0 {
		return filepath.Join("/var/lib/strikevote", name), nil
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "strikevote", name), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding a directory for the database: %w", err)
	}
	return filepath.Join(home, ".local", "state", "strikevote", name), nil
}

// admin is the superuser of a cluster. No service logs in as it.
const admin = "sv_admin"

// socketFile is the name that the server gives its socket; the port is only a
// part of a name, nothing listens on it.
const (
	port       = "5432"
	socketFile = ".s.PGSQL." + port
	// maxSocket is the size of sun_path less the final zero.
	maxSocket = 107
)

// fits reports whether a socket in dir has a path that the kernel can hold.
func fits(dir string) bool { return len(filepath.Join(dir, socketFile)) <= maxSocket }

// socketURL returns the address of a database behind a socket.
func socketURL(socket, database, role string) string {
	u := url.URL{
		Scheme: "postgres",
		User:   url.User(role),
		Path:   "/" + database,
		RawQuery: url.Values{
			"host": {socket}, "port": {port}, "sslmode": {"disable"},
		}.Encode(),
	}
	return u.String()
}
