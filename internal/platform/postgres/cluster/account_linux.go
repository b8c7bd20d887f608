package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// An account is whom the server runs as. PostgreSQL refuses to run as root, and
// one that has no name in the system's list of users.
type account struct {
	name     string
	uid, gid uint32
	drop     bool // this program is root and changes to the account
}

// pick returns the account for a cluster: this program's own or, if it is root,
// whoever owns the data, or an unprivileged one.
func pick(data string) (account, error) {
	if os.Geteuid() != 0 {
		u, err := user.LookupId(strconv.Itoa(os.Geteuid()))
		if err != nil {
			return account{}, fmt.Errorf("the database cannot run as user number %d, which has no name: %w", os.Geteuid(), err)
		}
		return named(u, false)
	}
	if info, err := os.Lstat(data); err == nil {
		owner := strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Uid), 10)
		if u, err := user.LookupId(owner); err == nil && owner != "0" {
			return named(u, true)
		}
		return account{}, fmt.Errorf("%s belongs to user number %s, as whom no database can run", data, owner)
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return named(u, true)
		}
	}
	return account{}, errors.New("the database does not run as root, and there is no user postgres or nobody")
}

func named(u *user.User, drop bool) (account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("reading the number of user %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("reading the group of user %s: %w", u.Username, err)
	}
	return account{u.Username, uint32(uid), uint32(gid), drop}, nil
}

// identities are the names under which the kernel announces those who may log
// in: the account of the server and, if this program is root, root.
func (a account) identities() []string {
	names := []string{a.name}
	if a.drop {
		if u, err := user.LookupId("0"); err == nil {
			names = append(names, u.Username)
		}
	}
	return names
}

// attr makes a child of this program: it runs as the account without any other
// group, in a process group of its own (so that Ctrl-C in a terminal reaches
// only this program, which then stops it in order), and gets a signal when the
// thread that started it ends.
func (a account) attr(death syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
	if a.drop {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// own gives a new file or directory to the account.
func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// makeBase creates the directory of a cluster and its missing parents, and
// returns its path without symbolic links.
func (a account) makeBase(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", dir, err)
	}
	if err := mkdirs(dir); err != nil {
		return "", fmt.Errorf("making the database's directory: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("finding the database's directory: %w", err)
	}
	// The directory is the cluster's own, so it may be opened; those above it
	// are not.
	if info, err := os.Stat(dir); err == nil && a.drop && info.Mode()&0o001 == 0 {
		if err := os.Chmod(dir, info.Mode()|0o011); err != nil {
			return "", fmt.Errorf("opening the database's directory: %w", err)
		}
	}
	return dir, a.checkReach(dir)
}

// mkdirs is os.MkdirAll, but what it makes can be entered by others whatever
// the umask says: the account of the server must get to its data.
func mkdirs(dir string) error {
	err := os.Mkdir(dir, 0o755)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir:
		if err := mkdirs(filepath.Dir(dir)); err != nil {
			return err
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	return os.Chmod(dir, 0o755)
}

// checkReach returns an error if the account may not enter a directory, since
// the server's own words for that are hard to read.
func (a account) checkReach(dir string) error {
	if !a.drop {
		return nil
	}
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return fmt.Errorf("looking at %s: %w", d, err)
		}
		if !a.enters(info) && openTemporary(d, info) != nil {
			return fmt.Errorf("the database runs as user %s, who may not enter %s: "+
				"choose a directory elsewhere, for example below /var/lib", a.name, d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

// enters reports whether the account may pass through a directory.
func (a account) enters(info fs.FileInfo) bool {
	st := info.Sys().(*syscall.Stat_t)
	bit := fs.FileMode(0o001)
	switch {
	case st.Uid == a.uid:
		bit = 0o100
	case st.Gid == a.gid:
		bit = 0o010
	}
	return info.Mode()&bit != 0
}

// openTemporary lets others pass through a temporary directory of our own, but
// not list it: programs make those for themselves alone, and put databases in
// them for a demo or a test. No other directory is opened.
func openTemporary(dir string, info fs.FileInfo) error {
	if int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		return fs.ErrPermission
	}
	for d := dir; d != filepath.Dir(d); d = filepath.Dir(d) {
		if parent, err := os.Stat(filepath.Dir(d)); err == nil && parent.Mode()&fs.ModeSticky != 0 {
			return os.Chmod(dir, info.Mode()|0o011)
		}
	}
	return fs.ErrPermission
}
