package deployment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"strikevote/internal/platform/host"
	"strikevote/internal/platform/metrics"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// A State says how a check ended.
type State string

// The states. A warning is something to look at before a vote; what fails would
// lose, leak or stop something.
const (
	StateOK   State = "ok"
	StateWarn State = "WARN"
	StateFail State = "FAIL"
)

// A Finding is what one check found. It holds no secret.
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Says  string `json:"says"`
	Do    string `json:"do,omitempty"` // what to do about it
}

// A Machine tells of the machine that the service runs on. It is a variable of
// [Checkup] because a test cannot fill a disk.
type Machine struct {
	Disk         func(path string) (host.Disk, error)
	CoreLimit    func() (uint64, error)
	OpenFiles    func() (uint64, error)
	Swaps        func() ([]string, error)
	Synchronized func() (bool, error)
}

// ThisMachine returns what the kernel says.
func ThisMachine() Machine {
	return Machine{host.DiskOf, host.CoreLimit, host.OpenFiles, host.Swaps, host.ClockSynchronized}
}

// A Checkup says what to examine.
type Checkup struct {
	Config                // as for [Open]
	CertFile string       // the certificate, if it is in a file
	Carried  bool         // whether the settings name who sends the mails
	Machine  Machine      // ThisMachine, but in tests
	Client   *http.Client // for the origins; nil for a usual one
}

// examination gathers findings.
type examination struct {
	Checkup
	d        *Deployment // only its settings are used; it was not opened
	findings []Finding
	sealed   map[suite.ElectionID]bool             // on the registrar's side
	pages    map[suite.ElectionID]*election.Client // that the committee named, of what may be open
}

func (x *examination) ok(check, format string, args ...any) {
	x.findings = append(x.findings, Finding{check, StateOK, fmt.Sprintf(format, args...), ""})
}

func (x *examination) warn(check, do, format string, args ...any) {
	x.findings = append(x.findings, Finding{check, StateWarn, fmt.Sprintf(format, args...), do})
}

func (x *examination) fail(check, do, format string, args ...any) {
	x.findings = append(x.findings, Finding{check, StateFail, fmt.Sprintf(format, args...), do})
}

// unknown notes what this system does not tell.
func (x *examination) unknown(check string, err error) {
	x.warn(check, "look at it by other means", "it cannot be found out: %v", err)
}

// Examine checks a deployment on this machine, also while it runs, and changes
// nothing; private databases that do not run are started for it and stopped. It
// returns an error only if it could not look at all.
func Examine(ctx context.Context, c Checkup) ([]Finding, error) {
	if _, err := os.Stat(c.Data); err != nil {
		return nil, fmt.Errorf("looking for the data folder: %w", err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(c.Parts) == 0 {
		d := &Deployment{c: c.Config}
		if err := d.readServing(); err != nil {
			return nil, err
		}
		if c.Parts = d.c.Parts; len(c.Parts) == 0 {
			c.Parts = Parts()
		}
	}
	if c.Client == nil {
		t := &http.Transport{}
		defer t.CloseIdleConnections()
		c.Client = &http.Client{Timeout: 10 * time.Second, Transport: t}
	}
	x := &examination{Checkup: c, sealed: make(map[suite.ElectionID]bool), pages: make(map[suite.ElectionID]*election.Client),
		d: &Deployment{c: c.Config, client: c.Client}}
	x.machine()
	x.folders()
	x.master()
	x.keyFiles()
	if err := x.databases(ctx); err != nil {
		return nil, err
	}
	if err := x.reach(ctx); err != nil {
		return nil, err
	}
	return x.findings, nil
}

const (
	// fullFree and fullPart are when a disk counts as full: PostgreSQL stops
	// when it cannot write, so voting is to stop before.
	fullFree = 64 << 20
	fullPart = 100 // one part in it
	// lowFree and lowPart are when somebody should make room.
	lowFree = 1 << 30
	lowPart = 10
)

// full returns an error for a disk that is nearly full.
func full(d host.Disk) error {
	if d.Free < fullFree || d.Free < d.Size/fullPart {
		return fmt.Errorf("%d MB of %d MB are free", d.Free>>20, d.Size>>20)
	}
	if d.Files > 0 && d.FreeFiles < d.Files/fullPart {
		return fmt.Errorf("%d of %d files are free", d.FreeFiles, d.Files)
	}
	return nil
}

// DiskCheck fails while the disk of a folder is nearly full.
func DiskCheck(dir string) metrics.Check { return diskCheck(dir, host.DiskOf) }

func diskCheck(dir string, disk func(string) (host.Disk, error)) metrics.Check {
	return func(context.Context) error {
		d, err := disk(dir)
		if errors.Is(err, host.ErrUnknown) {
			return nil
		}
		if err != nil {
			return err
		}
		return full(d)
	}
}

func (x *examination) machine() {
	x.disk("disk of the data", x.Data)
	if x.Mail != "" && !within(x.Mail, x.Data) {
		x.disk("disk of the mails", x.Mail)
	}
	const cores = "core dumps"
	switch n, err := x.Machine.CoreLimit(); {
	case err != nil:
		x.unknown(cores, err)
	case n > 1: // a limit of one byte is the one that holds for pipes too
		x.warn(cores, "set LimitCORE=1 in the unit, or ulimit -c 0 in this shell, and start serve from there",
			"a crash may write keys to the disk")
	default:
		x.ok(cores, "they are off")
	}
	const swap = "swap"
	switch list, err := x.Machine.Swaps(); {
	case err != nil:
		x.unknown(swap, err)
	case len(list) > 0:
		x.warn(swap, "run swapoff -a, or encrypt it, or set MemorySwapMax=0 in the unit", "keys in memory may be written to %s", strings.Join(list, ", "))
	default:
		x.ok(swap, "there is none")
	}
	const files = "open files"
	switch n, err := x.Machine.OpenFiles(); {
	case err != nil:
		x.unknown(files, err)
	case n < 1024:
		x.fail(files, "set LimitNOFILE=65536 in the unit", "%d files and connections may be open at once, too few for one hospital", n)
	case n < 8192:
		x.warn(files, "set LimitNOFILE=65536 in the unit", "%d files and connections may be open at once", n)
	default:
		x.ok(files, "enough may be open at once")
	}
	const clock = "clock"
	switch right, err := x.Machine.Synchronized(); {
	case err != nil:
		x.unknown(clock, err)
	case !right:
		x.warn(clock, "install chrony or systemd-timesyncd, and look at timedatectl", "nothing keeps this machine's clock right, and it opens and closes voting")
	default:
		x.ok(clock, "it is kept right")
	}
}

// within reports whether a path is a folder or below it.
func within(path, folder string) bool {
	const end = string(filepath.Separator)
	return strings.HasPrefix(filepath.Clean(path)+end, strings.TrimSuffix(filepath.Clean(folder), end)+end)
}

func (x *examination) disk(check, path string) {
	d, err := x.Machine.Disk(path)
	switch {
	case err != nil:
		x.unknown(check, err)
	case full(d) != nil:
		x.fail(check, "make room now; /readyz fails", "%v", full(d))
	case d.Free < lowFree || d.Free < d.Size/lowPart || d.Files > 0 && d.FreeFiles < d.Files/lowPart:
		x.warn(check, "make room", "%d MB of %d MB and %d of %d files are free", d.Free>>20, d.Size>>20, d.FreeFiles, d.Files)
	default:
		x.ok(check, "%d MB are free", d.Free>>20)
	}
}

// folders checks who may look into the data folder.
func (x *examination) folders() {
	const check = "permissions"
	before := len(x.findings)
	look := func(path string, forbidden fs.FileMode, do string) {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it is made when it is needed
		case err != nil:
			x.fail(check, "run doctor as root, or as the account of the service", "%v", err)
		case info.Mode().Perm()&forbidden != 0:
			x.fail(check, fmt.Sprintf(do, path), "%s is %v: others may change or read it", path, info.Mode().Perm())
		}
	}
	// The database's account passes through the data folder.
	look(x.Data, 0o022, "run chmod 0711 %s")
	if info, err := os.Stat(x.Data); err == nil && info.Mode().Perm()&0o044 != 0 {
		x.warn(check, "run chmod 0711 "+x.Data, "others may see what is in the data folder")
	}
	look(filepath.Join(x.Data, "listen.json"), 0o077, "run chmod 0600 %s")
	look(filepath.Join(x.Data, "keys"), 0o077, "run chmod 0700 %s")
	if x.Mail != "" {
		look(x.Mail, 0o077, "run chmod 0700 %s; it holds links")
	}
	x.ownership(look)
	if len(x.findings) == before {
		x.ok(check, "only the service reads keys and mails")
	}
}

// ownership checks the files of keys: each is the service's own, and nobody
// else's.
func (x *examination) ownership(look func(string, fs.FileMode, string)) {
	root := filepath.Join(x.Data, "keys")
	top, err := os.Stat(root)
	if err != nil {
		return // there are none, or it was said
	}
	owner, err := host.Owner(top)
	if err != nil {
		return // this system does not tell
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		look(path, 0o077, "run chmod go= %s")
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if uid, err := host.Owner(info); err == nil && uid != owner {
			x.fail("permissions", "run chown -R on the keys, for the account of the service", "%s belongs to another account than the folder of the keys", path)
		}
		return nil
	})
	if err != nil {
		x.fail("permissions", "run doctor as root, or as the account of the service", "%v", err)
	}
}
