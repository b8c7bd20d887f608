package teller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// Files are what a teller carries to and from a computer without a network.
type Files struct {
	// In is the state of the ceremony as the operator exported it: for
	// everything but [Teller.Examine] and [Teller.Destroy].
	In string
	// Record is a folder or a ZIP file with the public record, for those two.
	Record string
	// Out is where a message is written. The file must not be there yet. Empty
	// where nothing is to be sent.
	Out string
}

// A carried coordinator is files that people carry.
type carried struct {
	in, source string
	election   suite.ElectionID
	number     uint8
	enrollment string
	name       string // of the file for the message
	// out is reserved before anything is done, so that what was done can be
	// told; it is removed again if there was nothing to tell.
	out   *os.File
	wrote []byte
}

// reserve makes the file for the message, which must not be there yet.
func reserve(f Files) (*carried, error) {
	c := &carried{in: f.In, source: f.Record, name: f.Out}
	if f.Out == "" {
		return c, nil
	}
	var err error
	c.out, err = os.OpenFile(f.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there already, and is not overwritten; name a new file", f.Out)
	}
	if err != nil {
		return nil, fmt.Errorf("making the file for the message: %w", err)
	}
	return c, nil
}

func (c *carried) String() string { return "the state file" }

func (c *carried) state(context.Context) (*ceremony.State, error) {
	f, err := c.read()
	if err != nil {
		return nil, err
	}
	return &f.State, nil
}

func (c *carried) read() (*ceremony.StateFile, error) {
	if c.in == "" {
		return nil, errors.New("name the state file that the operator exported")
	}
	file, err := os.Open(c.in)
	if err != nil {
		return nil, fmt.Errorf("reading the state file: %w", err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, suite.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the state file: %w", err)
	}
	f, err := ceremony.ParseStateFile(b)
	if err == nil {
		err = f.State.Check(c.election, c.number)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state file: %w", err)
	}
	return f, nil
}

func (c *carried) ready() error {
	if c.out == nil {
		return errors.New("name a file for the message that is to be sent")
	}
	return nil
}

// post writes the message. The same one may come twice in one run.
func (c *carried) post(_ context.Context, session uint32, round ceremony.Round, body []byte) error {
	if err := c.ready(); err != nil {
		return err
	}
	m := ceremony.MessageFile{
		Election: c.election, Number: c.number, Round: round,
		Post: ceremony.Post{Session: session, Enrollment: c.enrollment, Body: body},
	}
	b, err := m.Encode()
	if err != nil {
		return err
	}
	if c.wrote != nil {
		if !bytes.Equal(c.wrote, b) {
			return errors.New("another message was written already; run this again with a new file for the next one")
		}
		return nil
	}
	if _, err = c.out.Write(b); err == nil {
		err = c.out.Sync()
	}
	if err != nil {
		return fmt.Errorf("writing the message: %w", err)
	}
	c.wrote = b
	return nil
}

// file returns what the operator put into the state file beside the state.
func (c *carried) file(_ context.Context, _ *ceremony.State, path string) ([]byte, error) {
	f, err := c.read()
	if err != nil {
		return nil, err
	}
	b := map[string][]byte{layout.Manifest: f.Manifest, layout.FirstCheckpoint(layout.Ledger): f.Checkpoint}[path]
	if len(b) == 0 {
		return nil, errors.New("it is not in the state file; ask the operator for a newer one")
	}
	return b, nil
}

// record opens the record where it lies: a computer without a network has
// nobody on it who could exchange it meanwhile.
func (c *carried) record(ctx context.Context, _ layout.Stage, _ func(string, int, int)) (fs.FS, io.Closer, error) {
	if c.source == "" || strings.Contains(c.source, "://") {
		return nil, nil, errors.New("name the record: a folder or a ZIP file with a copy of the public record")
	}
	return record.Open(ctx, c.source)
}

// close closes the file for the message, and removes it if it holds none. A
// message is on the disk by then.
func (c *carried) close() {
	if c.out == nil {
		return
	}
	_ = c.out.Close()
	if c.out = nil; c.wrote == nil {
		_ = os.Remove(c.name) // an empty file is no message to anybody
	}
}

// OpenByFiles opens a key file as [Open] does. The program then reads and writes
// files and makes no connection. Close it, or an empty file stays.
func OpenByFiles(path string, passphrase []byte, f Files) (*Teller, error) {
	c, err := reserve(f)
	if err != nil {
		return nil, err
	}
	t, err := Open(path, passphrase)
	if err != nil {
		c.close()
		return nil, err
	}
	t.by(c)
	return t, nil
}

// EnrollByFiles is [Enroll] by files. At most one message is written in a run,
// be it by this or by [Teller.Advance] after it.
func EnrollByFiles(ctx context.Context, inv ceremony.Invitation, path string, passphrase []byte, f Files) (*Teller, error) {
	c, err := reserve(f)
	if err != nil {
		return nil, err
	}
	t, err := enroll(ctx, inv, path, passphrase, kind.Cost, func(t *Teller) { t.by(c) })
	if err != nil {
		c.close()
	}
	return t, err
}

// by lets the program use files instead of the network.
func (t *Teller) by(c *carried) {
	c.election, c.number, c.enrollment = t.k.Election, t.k.Number, t.k.Enrollment
	t.coordinator = c
}

// Wrote reports whether a message was written to a file in this run.
func (t *Teller) Wrote() bool {
	c, ok := t.coordinator.(*carried)
	return ok && c.wrote != nil
}
