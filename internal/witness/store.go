package witness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"strikevote/internal/platform/durable"
	"strikevote/internal/protocol/suite"
)

// A record is the last checkpoint of a log that was cosigned.
type record struct {
	Origin string     `json:"origin"`
	Size   int64      `json:"size"`
	Root   suite.Hash `json:"root"`
	Time   int64      `json:"time"`
	Note   string     `json:"note"` // with the log's line
	Line   string     `json:"line"` // the witness's
	Forked bool       `json:"forked"`
}

// cosigned reports whether the record is of a checkpoint, not of none.
func (r record) cosigned() bool { return r.Line != "" }

// state is what the file holds.
type state struct {
	MID  suite.MID `json:"mid"`
	Logs []record  `json:"logs"`
}

// A store is the state of one election in a directory. The file is replaced as
// a whole and synced before anything is answered; a lock on a second file keeps
// another process away.
type store struct {
	dir    string
	name   string
	unlock func() error

	mu    sync.Mutex
	state state // guarded by mu; what the file holds
}

// openStore opens the state of an election, or begins it.
func openStore(dir string, id suite.ElectionID, mid suite.MID) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockFile(filepath.Join(dir, id.String()+".lock"))
	if err != nil {
		return nil, fmt.Errorf("locking state: %w", err)
	}
	s := &store{dir: dir, name: id.String() + ".json", unlock: unlock}
	if err := s.load(mid); err != nil {
		return nil, errors.Join(err, unlock())
	}
	return s, nil
}

// load reads the file. One that cannot be read is an error and never a new
// beginning: a witness that forgets can be made to sign a fork.
func (s *store) load(mid suite.MID) error {
	b, err := os.ReadFile(filepath.Join(s.dir, s.name))
	if errors.Is(err, fs.ErrNotExist) {
		s.state = state{MID: mid, Logs: []record{}}
		return s.write(s.state)
	}
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s.state); err != nil {
		return fmt.Errorf("reading %s: %w", s.name, err)
	}
	if s.state.MID != mid {
		return ErrManifest
	}
	return nil
}

func (s *store) close() error { return s.unlock() }

// last returns the record of a log; the zero record of one never cosigned.
// The caller holds mu.
func (s *store) last(origin string) record {
	for _, r := range s.state.Logs {
		if r.Origin == origin {
			return r
		}
	}
	return record{Origin: origin}
}

// get is last for callers that do not hold mu.
func (s *store) get(origin string) record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last(origin)
}

// put replaces the record of a log, on the disk and then in memory. The caller
// holds mu.
func (s *store) put(r record) error {
	next := state{MID: s.state.MID, Logs: []record{r}}
	for _, old := range s.state.Logs {
		if old.Origin != r.Origin {
			next.Logs = append(next.Logs, old)
		}
	}
	if err := s.write(next); err != nil {
		return err
	}
	s.state = next
	return nil
}

func (s *store) write(next state) error {
	b, err := json.MarshalIndent(next, "", "\t")
	if err != nil {
		return err
	}
	return replace(s.dir, s.name, append(b, '\n'))
}

// convict keeps two checkpoints that cannot both be of one log, each with the
// log's signature, and never cosigns that log again. The caller holds mu.
func (s *store) convict(last record, note string) error {
	h := suite.H("fork", []byte(last.Note), []byte(note))
	name := fmt.Sprintf("fork-%x.txt", h[:8])
	if err := replace(s.dir, name, []byte(last.Note+"\n"+note)); err != nil {
		return fmt.Errorf("keeping evidence: %w", err)
	}
	last.Forked = true
	return s.put(last)
}

// replace writes a file so that a crash leaves the old or the new one.
func replace(dir, name string, b []byte) error {
	tmp, err := os.CreateTemp(dir, "."+name+"-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // after the rename it is gone
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, name))
	}
	if err == nil {
		err = durable.SyncDir(dir)
	}
	return err
}
