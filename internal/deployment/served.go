package deployment

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

var (
	// ErrServed is returned for what needs a data folder alone, or the addresses of its
	// service, while a service runs there.
	ErrServed = errors.New("strikevote serve runs on this data folder already; stop it first")
	// ErrTaken is returned for an address of a service that another program has: a
	// service of another folder perhaps, from whose backup this one was restored.
	ErrTaken = errors.New("no service runs on this data folder, and another program has an address of it, perhaps strikevote serve on another folder; " +
		"stop that one, or give this one other addresses, see strikevote serve -h")
)

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
