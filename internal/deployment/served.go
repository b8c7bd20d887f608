package deployment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

var (
	// ErrServed is returned for what needs a data folder alone, or the addresses of its
	// service, while a service runs there.
	ErrServed = errors.New("strikevote serve runs on this data folder already; stop it first")
	// ErrAlone is returned to a service whose data folder another command has alone.
	ErrAlone = errors.New("another command works on this data folder alone, as restore and keys seal do; start again when it has ended")
	// ErrTaken is returned for an address of a service that another program has: a
	// service of another folder perhaps, from whose backup this one was restored.
	ErrTaken = errors.New("no service runs on this data folder, and another program has an address of it, perhaps strikevote serve on another folder; " +
		"stop that one, or give this one other addresses, see strikevote serve -h")
	// ErrFolder is returned for a folder in which no service ever ran.
	ErrFolder = errors.New("it is no data folder of a service: strikevote serve has never run on it; name the right one with -data")
)

// begun returns an error for a data folder that has not what an operator's command works
// on. It would make what is missing, and who mistyped a name would be told that there is
// no election.
func (d *Deployment) begun() error {
	serves, err := d.readServings()
	if err != nil {
		return err
	}
	ran := len(serves) > 0
	for _, name := range []string{"listen.json", "postgres"} {
		_, err := os.Stat(filepath.Join(d.c.Data, name))
		ran = ran || err == nil
	}
	if !ran {
		return fmt.Errorf("%s: %w", d.c.Data, ErrFolder)
	}
	for _, side := range Sides(d.c.Parts) {
		if side == sideBox && d.c.Box != nil || side == sideRegistrar && d.c.Registrar != nil {
			continue
		}
		dir := filepath.Join(d.c.Data, "postgres", d.servers.sideOf(side).folder)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no database of the %s in %s: restore its backup, or start strikevote serve on it first; where its server is your own, name it in the settings here too", side, d.c.Data)
		}
	}
	return nil
}

// Unserved returns [ErrServed] while a service runs on a data folder. Every process of
// one holds the folder. What answers on the addresses that are noted there says nothing
// of that: they may be those of another folder, of which this one is a copy.
func Unserved(data string) error {
	h, err := holdAlone(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return h.release()
}

// ErrNotServed is returned where no service runs on a data folder.
var ErrNotServed = errors.New("no service runs on this data folder; start strikevote serve")

// HealthAddress returns where the running service of a data folder says whether it is
// ready, or [ErrNotServed].
func HealthAddress(data string) (string, error) {
	switch err := Unserved(data); {
	case err == nil:
		return "", ErrNotServed
	case !errors.Is(err, ErrServed):
		return "", err // whether one runs could not be seen
	}
	noted, err := (&Deployment{c: Config{Data: data}}).readNoted()
	if err == nil && noted[listenAdmin] == "" {
		err = ErrNotServed // it has just begun
	}
	return noted[listenAdmin], err
}

// occupied says why an address was not to be had.
func (d *Deployment) occupied(err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	// Its own hold would be in the way of the look for others.
	herr := d.held.release()
	d.held = nil
	if herr == nil {
		herr = Unserved(d.c.Data)
	}
	if herr == nil {
		herr = ErrTaken
	}
	return fmt.Errorf("%w: %w", herr, err)
}
