package deployment

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"

	"strikevote/internal/ballotbox"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/migrations"
)

// BoxKeys are the public halves of a box's keys, which the manifest names. Where
// the box is on a host of its own, its operator makes the keys there and hands
// these over; the secret halves never leave that host.
type BoxKeys struct {
	ElectionID suite.ElectionID `json:"election_id"`
	Log        election.Log     `json:"log"`
	Promise    election.Key32   `json:"promise"`
}

// PrepareBox makes the keys of an election's box on this host, at the first call,
// and returns their public halves as a file to hand over. The pending key is made
// now, so that it can be copied to every host of the box before voting opens.
func (d *Deployment) PrepareBox(id suite.ElectionID) ([]byte, error) {
	k, err := d.makeBoxKeys(id)
	if err != nil {
		return nil, err
	}
	return suite.EncodeJSON(&k)
}

func (d *Deployment) makeBoxKeys(id suite.ElectionID) (BoxKeys, error) {
	keys := d.keys(id)
	k := BoxKeys{ElectionID: id}
	var err error
	if k.Log, err = makeLog(keys, id, sideBox, keyBallots, "ballots"); err != nil {
		return k, err
	}
	promise, err := keys.create(sideBox, keyPromise)
	if err != nil {
		return k, err
	}
	k.Promise = election.Key32(ed25519.NewKeyFromSeed(promise[:]).Public().(ed25519.PublicKey))
	_, err = keys.create(sideBox, keyPending)
	return k, err
}

// makeLog makes the key of a log at the first call and returns what the manifest
// says of it.
func makeLog(keys keyring, id suite.ElectionID, side, key, name string) (election.Log, error) {
	seed, err := keys.create(side, key)
	if err != nil {
		return election.Log{}, err
	}
	origin := "strikevote/" + id.String() + "/" + name
	signer, err := tlog.NewLogSigner(origin, seed)
	if err != nil {
		return election.Log{}, fmt.Errorf("making log key: %w", err)
	}
	return election.Log{Origin: origin, Key: signer.VKey()}, nil
}

// errNoBoxKeys is returned where the box is on another host whose operator has
// not handed over its keys.
var errNoBoxKeys = errors.New("the box runs on another host, and its keys were not handed over yet: " +
	"its operator runs strikevote election box prepare, and you run strikevote election box keys with the file")

// GiveBoxKeys takes what [Deployment.PrepareBox] made on the box's host. It is
// kept once; other keys need another election.
func (d *Deployment) GiveBoxKeys(id suite.ElectionID, file []byte) error {
	var k BoxKeys
	if err := suite.DecodeJSON(file, &k); err != nil {
		return fmt.Errorf("reading the box's keys: %w", err)
	}
	if k.ElectionID != id {
		return errors.New("these keys are for another election")
	}
	if d.votes() {
		return errors.New("the box runs here, with keys of its own; nothing was changed")
	}
	keys := d.keys(id)
	kept, err := keys.read(sideRegistrar, boxPublic)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return keys.write(keys.path(sideRegistrar, boxPublic), file)
	case err != nil:
		return fmt.Errorf("reading the box's keys: %w", err)
	case !bytes.Equal(kept, file):
		return errors.New("other keys of a box were handed over before; nothing was changed")
	}
	return nil
}

// boxPublic is kept like a key, so that nobody puts another in its place.
const boxPublic = "box-public"

// boxKeys returns the public halves of the box's keys, wherever it runs.
func (d *Deployment) boxKeys(id suite.ElectionID) (BoxKeys, error) {
	if d.votes() {
		return d.makeBoxKeys(id)
	}
	var k BoxKeys
	b, err := d.keys(id).read(sideRegistrar, boxPublic)
	if errors.Is(err, fs.ErrNotExist) {
		return k, errNoBoxKeys
	}
	if err == nil {
		err = suite.DecodeJSON(b, &k)
	}
	if err != nil {
		return k, fmt.Errorf("reading the box's keys: %w", err)
	}
	return k, nil
}

// AcceptBox makes an election's box on this host from the sealed manifest. It
// refuses one that does not name this host's keys: a box that signs with other
// keys than the manifest's would be believed by nobody. It may be called again.
func (d *Deployment) AcceptBox(ctx context.Context, manifest, sealing []byte) error {
	m, err := election.Parse(manifest)
	if err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	if e := d.running(m.ElectionID); e != nil {
		if !bytes.Equal(e.bytes, manifest) {
			return errors.New("this host has the box of this election, under another manifest; nothing was changed")
		}
		return nil
	}
	// PrepareBox has made all of them. One that is gone must not be made anew: a
	// pending key is destroyed at the lock, and another is of no use before it,
	// for copies of the first are on the box's other hosts.
	for _, name := range []string{keyBallots, keyPromise, keyPending} {
		if _, err := d.keys(m.ElectionID).seed(sideBox, name); err != nil {
			return fmt.Errorf("this host has no keys for this election: %w", err)
		}
	}
	k, err := d.makeBoxKeys(m.ElectionID)
	if err != nil {
		return err
	}
	if k.Log != m.Ballots || k.Promise != m.PromiseKey {
		return errors.New("the manifest names other keys of the box than those of this host; nothing was made")
	}
	if err := d.createBox(ctx, m.ElectionID, manifest, sealing); err != nil {
		return err
	}
	return d.openElection(ctx, m.ElectionID)
}

func (d *Deployment) createBox(ctx context.Context, id suite.ElectionID, manifest, sealing []byte) error {
	if err := prepare(ctx, d.servers.box, databaseName(id), migrations.Ballotbox); err != nil {
		return err
	}
	owner, err := openAs(ctx, d.servers.box, id, migrations.Ballotbox.Owner)
	if err != nil {
		return err
	}
	defer owner.Close()
	return ballotbox.Create(ctx, owner, manifest, sealing)
}
