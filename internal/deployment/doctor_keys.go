package deployment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"strikevote/internal/board"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/secret"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

func (x *examination) master() {
	const check = "master key"
	if x.Master == nil {
		x.warn(check, "make one with strikevote keys new FILE, name it with STRIKEVOTE_MASTER_KEY_FILE, run strikevote keys seal",
			"there is none, so key files are plain: a copy of the disk holds every key")
		return
	}
	x.ok(check, "it is there, %s", x.Master.ID())
}

// keyFiles checks that every key file there is can be used.
func (x *examination) keyFiles() {
	const check = "key files"
	found, err := keyFiles(x.Data)
	if err != nil {
		x.fail(check, "see above", "%v", err)
		return
	}
	good := 0
	for _, f := range found {
		if f.leftover() {
			x.warn(check, "stop the service and run strikevote keys seal -data DIR -yes", "%s was left by an interruption", f.show())
			continue
		}
		b, err := os.ReadFile(f.path())
		if err == nil {
			err = f.usable(x.Master, b)
		}
		if err != nil {
			x.fail(check, "restore it from its copy, or do what is said", "%s: %v", f.show(), err)
			continue
		}
		good++
	}
	if good == len(found) {
		x.ok(check, "%d files can be read", good)
	}
}

// usable returns an error for a file that the service would refuse.
func (f keyFile) usable(master *secret.Sealer, b []byte) error {
	switch {
	case !strings.HasSuffix(f.base, ".key"):
		return errors.New("it is no key file; move it away")
	case master == nil && secret.Sealed(b):
		return ErrNoMaster
	case master == nil:
		return nil
	}
	_, err := master.Open(f.name(), f.election, b)
	if errors.Is(err, secret.ErrPlain) {
		return ErrPlainKey
	}
	return err
}

// A sealedElection is what the checks of one election need.
type sealedElection struct {
	manifest *election.Manifest
	mid      suite.MID
	keys     keyring
}

// registrarKeys checks that no key of the registrar's side is missing. Those that
// the program destroys are missed until it has.
func (x *examination) registrarKeys(ctx context.Context, s postgres.Server, e sealedElection) error {
	policy, err := e.manifest.LedgerPolicy()
	if err != nil {
		return err
	}
	var final, certified bool
	err = x.logState(ctx, s, e, policy, sideRegistrar, func(l *board.Log) (err error) {
		if final, err = l.Final(ctx); err == nil {
			certified, err = has(ctx, l, layout.Certification)
		}
		return err
	})
	if err != nil {
		return err
	}
	x.missing(e, registrarKeyNames(e.manifest, final, certified))
	return nil
}

// boxKeysThere checks that no key of the box is missing.
func (x *examination) boxKeysThere(ctx context.Context, s postgres.Server, e sealedElection) error {
	policy, err := e.manifest.BallotsPolicy()
	if err != nil {
		return err
	}
	var final bool
	err = x.logState(ctx, s, e, policy, sideBox, func(l *board.Log) (err error) {
		final, err = l.Final(ctx)
		return err
	})
	if err != nil {
		return err
	}
	x.missing(e, boxKeyNames(final))
	return nil
}

// registrarKeyNames lists the keys that the registrar's side cannot do without, by
// side and name.
func registrarKeyNames(m *election.Manifest, final, certified bool) [][2]string {
	wanted := [][2]string{{sideRegistrar, keyRoll}, {sideRegistrar, keyLedger}}
	if !certified {
		wanted = append(wanted, [2]string{sideRegistrar, keyFactor}, [2]string{sideMailer, keyToken}, [2]string{sideMailer, keyCode})
	}
	if !final {
		for _, g := range m.Groups {
			wanted = append(wanted, [2]string{sideRegistrar, issuerName(g.ID)})
		}
	}
	return wanted
}

// boxKeyNames lists those of the box.
func boxKeyNames(final bool) [][2]string {
	wanted := [][2]string{{sideBox, keyPromise}, {sideBox, keyBallots}}
	if !final {
		wanted = append(wanted, [2]string{sideBox, keyPending})
	}
	return wanted
}

// logState looks at a log as the board does, which may read what is public and
// nothing else.
func (x *examination) logState(ctx context.Context, s postgres.Server, e sealedElection, policy tlog.Policy, side string, look func(*board.Log) error) error {
	pool, err := openAs(ctx, s, e.manifest.ElectionID, "sv_board")
	if err != nil {
		return err
	}
	defer pool.Close()
	l := board.New(board.Config{Pool: pool, Newest: x.d.newestPath(e.manifest.ElectionID, side), MID: e.mid, Policy: policy, Log: x.Log})
	switch err := l.Standing(ctx); {
	case setBack(err):
		x.fail(fmt.Sprintf("election %s, %s", e.manifest.ElectionID, side),
			"put back its newest state, see Backups in deploy/README.md; members who hold a promise for a ballot that is not there tell the committee",
			"its database is an old state, and it is for reading only: %v", err)
	case err != nil:
		return err
	}
	return look(l)
}

func (x *examination) missing(e sealedElection, wanted [][2]string) {
	for _, key := range wanted {
		if _, err := os.Stat(e.keys.path(key[0], key[1])); err != nil {
			x.fail("key files", "restore it from its copy before serve is started again",
				"election %s: %s of the %s is missing", e.manifest.ElectionID, key[1], key[0])
		}
	}
}
