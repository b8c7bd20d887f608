package deployment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"strikevote/internal/platform/durable"
	"strikevote/internal/platform/secret"
)

const (
	// replaced ends the name of a plain key file while a sealed one takes its
	// place.
	replaced = ".replaced"
	// unfinished begins the name of a file that a crash kept from its place.
	unfinished = "new-"
)

// SealKeys seals every key file of a data folder under a master key. It has the folder
// alone, and returns [ErrServed] while a service runs there: that would make a plain key
// beside the sealed ones, or its new file be taken for what a crash left. Files that are sealed already stay; those sealed under the
// master key old, which may be nil, are sealed anew. Unless do is set it only
// says what it would do.
//
// It may be interrupted at any moment and run again: a key is overwritten only
// after its sealed file was read back from the disk, opened and compared.
func SealKeys(data string, master, old *secret.Sealer, do bool, say func(format string, args ...any)) (err error) {
	held, err := holdAlone(data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.release()) }()
	found, err := keyFiles(data)
	if err != nil {
		return err
	}
	// What an interruption left behind comes first: it is in the way of the rest.
	var errs []error
	for _, leftover := range []bool{true, false} {
		for _, f := range found {
			if f.leftover() != leftover {
				continue
			}
			if err := f.seal(master, old, do, say); err != nil {
				errs = append(errs, fmt.Errorf("sealing %s: %w", f.show(), err))
			}
		}
	}
	return errors.Join(errs...)
}

// A keyFile is a file in a folder of keys.
type keyFile struct{ root, election, side, base string }

func (f keyFile) show() string { return f.election + "/" + f.side + "/" + f.base }
func (f keyFile) path() string { return filepath.Join(f.root, f.election, f.side, f.base) }
func (f keyFile) name() string { return sealedName(f.path()) }
func (f keyFile) leftover() bool {
	return strings.HasPrefix(f.base, unfinished) || strings.HasSuffix(f.base, replaced)
}

// keyFiles lists the files of all keys of a data folder.
func keyFiles(data string) ([]keyFile, error) {
	root := filepath.Join(data, "keys")
	var found []keyFile
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		parts := strings.Split(filepath.ToSlash(rel), "/")
		if len(parts) != 3 || !entry.Type().IsRegular() {
			return fmt.Errorf("%s does not belong in a folder of keys; move it away", path)
		}
		found = append(found, keyFile{root, parts[0], parts[1], parts[2]})
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for keys: %w", err)
	}
	return found, nil
}

// seal brings one file to where it should be, and ends what an interruption
// left behind.
func (f keyFile) seal(master, old *secret.Sealer, do bool, say func(string, ...any)) error {
	switch {
	case strings.HasPrefix(f.base, unfinished):
		// It never got a name, so nothing was made or signed with it.
		say("remove %s, which was never used", f.show())
		return only(do, func() error { return durable.Destroy(f.path()) })
	case strings.HasSuffix(f.base, replaced):
		return f.finish(master, do, say)
	case !strings.HasSuffix(f.base, ".key"):
		return errors.New("it is no key file; move it away")
	}
	b, err := os.ReadFile(f.path())
	if err != nil {
		return err
	}
	plain := b
	if secret.Sealed(b) {
		_, err := master.Open(f.name(), f.election, b)
		if err == nil {
			return nil
		}
		if old == nil || !errors.Is(err, secret.ErrOtherKey) {
			return err
		}
		if plain, err = old.Open(f.name(), f.election, b); err != nil {
			return err
		}
	}
	say("seal %s", f.show())
	return only(do, func() error { return f.replace(master, plain) })
}

func only(do bool, f func() error) error {
	if !do {
		return nil
	}
	return f()
}

// replace puts a sealed file in the place of a plain one. The plain one keeps a
// second name until the sealed one was read back, so that at any moment a crash
// leaves one whole file, and then is overwritten.
func (f keyFile) replace(master *secret.Sealer, plain []byte) error {
	path := f.path()
	if err := os.Link(path, path+replaced); err != nil {
		return err
	}
	if err := place(path, master.Seal(f.name(), f.election, plain), os.Rename); err != nil {
		return err
	}
	if err := f.holds(master, plain); err != nil {
		return err
	}
	return durable.Destroy(path + replaced)
}

// holds checks that the file is sealed and opens to what it should.
func (f keyFile) holds(master *secret.Sealer, plain []byte) error {
	b, err := os.ReadFile(f.path())
	if err != nil {
		return err
	}
	got, err := master.Open(f.name(), f.election, b)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, plain) {
		return fmt.Errorf("reading it back: %w", secret.ErrDamaged)
	}
	return nil
}

// finish ends an interrupted replacement: the second name of the plain file goes
// once the sealed file is whole. If the sealed one never came to its place, both
// names are one file, and only the second name goes.
func (f keyFile) finish(master *secret.Sealer, do bool, say func(string, ...any)) error {
	key := f
	key.base = strings.TrimSuffix(f.base, replaced)
	b, err := os.ReadFile(f.path())
	if err != nil {
		return err
	}
	now, err := os.ReadFile(key.path())
	if err != nil {
		// The program makes this name only beside the other one.
		return fmt.Errorf("looking for what replaced it: %w", err)
	}
	say("finish the interrupted sealing of %s", key.show())
	if bytes.Equal(b, now) {
		return only(do, func() error { return errors.Join(os.Remove(f.path()), durable.SyncDir(filepath.Dir(f.path()))) })
	}
	// What was replaced may itself have been sealed, under an older master key,
	// or be overwritten already, which begins only after the comparison.
	if secret.Sealed(b) || len(bytes.Trim(b, "\x00")) == 0 {
		_, err = master.Open(key.name(), key.election, now)
	} else {
		err = key.holds(master, b)
	}
	if err != nil {
		return err
	}
	return only(do, func() error { return durable.Destroy(f.path()) })
}
