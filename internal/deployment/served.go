package deployment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"
)

// ErrServed is returned for what needs a data folder alone, or the addresses of its
// service, while a service runs there.
var ErrServed = errors.New("strikevote serve runs on this data folder already; stop it first")

// Unserved returns [ErrServed] while a service of a data folder answers, on the
// address of its health that one of its processes noted there or on one that is given,
// which may be empty. A service that listens and is too busy to answer counts as one
// too. A second process for the same parts, on addresses of its own, is not noted.
func Unserved(ctx context.Context, data, given string) error {
	d := &Deployment{c: Config{Data: data}}
	noted, err := d.readNoted()
	if err != nil {
		return err
	}
	addrs := []string{noted[listenAdmin], given}
	all, err := d.readServings()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, s := range all {
		addrs = append(addrs, s.Health)
	}
	for _, addr := range addrs {
		if addr != "" && listens(ctx, addr) {
			return ErrServed
		}
	}
	return nil
}

// healthTime bounds the wait for an answer from this machine.
const healthTime = 2 * time.Second

// listens reports whether something listens on an address as a service does.
func listens(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/healthz", nil)
	if err != nil {
		return false
	}
	// No proxy: it is this machine that is asked.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if late := net.Error(nil); errors.As(err, &late) {
		return late.Timeout()
	}
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// occupied says why an address was not to be had, where it is a service of the same
// folder that has it.
func (d *Deployment) occupied(ctx context.Context, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) && errors.Is(Unserved(ctx, d.c.Data, d.c.Listen[listenAdmin]), ErrServed) {
		return fmt.Errorf("%w: %w", ErrServed, err)
	}
	return err
}
