package teller

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrInUse is returned for a key file that another program has open.
var ErrInUse = errors.New("the key file is open in another program; end that one first")

// lockKey keeps other programs from a key file until unlock, or until this one
// ends, however it ends. The lock is on a file beside it: the key file itself is
// replaced with every save.
//
// Where no file can be made, as on a medium that is write-protected, there is no
// lock and no need for one: such a key cannot be saved, and what is not saved
// first is not answered for.
func lockKey(path string) (unlock func(), err error) {
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".lock")
	unlock, err = lockFile(name)
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, errReadOnly):
		if _, found := os.Lstat(name); found == nil && !errors.Is(err, errReadOnly) {
			return nil, err // somebody else's lock
		}
		return func() {}, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNoKeyFile // not even a folder
	}
	return unlock, err
}
