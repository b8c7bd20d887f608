package backup

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// final is the type of a log's last entry (SPEC 9).
const final = 0xff

// A State is what an archive holds of one election's log, recomputed.
type State struct {
	Manifest *election.Manifest
	MID      suite.MID
	Policy   tlog.Policy
	Size     int64
	Root     suite.Hash
	Signed   int64 // the size of the newest checkpoint
	Note     []byte
	Ended    bool     // nothing can follow it
	Files    []string // of the record, beside the log

	nodes []suite.Hash
	chain suite.Hash
}

// reader reads the recomputed nodes.
func (s *State) reader(indexes []int64) ([]suite.Hash, error) {
	out := make([]suite.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(s.nodes)) {
			return nil, fmt.Errorf("node %d is missing", x)
		}
		out[i] = s.nodes[x]
	}
	return out, nil
}

// Log recomputes the log of an election's database from its entries alone, and
// compares with it every stored node, the head, every checkpoint with its
// signatures, and what the manifest of the archive says. It returns nil for an
// election that is not sealed.
func (a *Archive) Log(d *Database) (*State, error) {
	s, err := a.log(d)
	if err != nil {
		return nil, fmt.Errorf("checking the log in database %s: %w", d.Name, err)
	}
	return s, nil
}

func (a *Archive) log(d *Database) (*State, error) {
	if d.Election == "" {
		return nil, nil
	}
	s, err := a.sealed(d)
	if err != nil {
		return nil, err
	}
	if s == nil {
		if d.Log != nil {
			return nil, errors.New("it is said to have one, and is not sealed")
		}
		return nil, nil
	}
	for _, step := range []func(*Database, *State) error{a.entries, a.stored, a.head, a.checkpoints, a.files} {
		if err := step(d, s); err != nil {
			return nil, err
		}
	}
	if l := d.Log; l != nil && (l.Size != s.Size || l.Root != hex.EncodeToString(s.Root[:]) || l.Origin != s.Policy.Log.Name() || l.Checkpoint != string(s.Note)) {
		return nil, errors.New("it is not the one that the backup's manifest names")
	}
	return s, nil
}

// Recorded returns what a manifest says of a log.
func (s *State) Recorded() *Log {
	return &Log{Origin: s.Policy.Log.Name(), Size: s.Size, Root: hex.EncodeToString(s.Root[:]), Checkpoint: string(s.Note)}
}

// sealed reads the election's manifest, nil if there is none yet.
func (a *Archive) sealed(d *Database) (*State, error) {
	table := "registrar.election"
	if a.Side == Box {
		table = "ballotbox.election"
	}
	var s *State
	err := a.each(d, table, []string{"manifest", "phase"}, func(row [][]byte) error {
		if row[0] == nil || string(row[1]) == "draft" {
			return nil
		}
		body, err := bytea(row[0])
		if err != nil {
			return err
		}
		m, err := election.Parse(body)
		if err != nil {
			return err
		}
		s = &State{Manifest: m, MID: election.MID(body)}
		if m.ElectionID.String() != d.Election {
			return errors.New("the manifest in it is another election's")
		}
		if a.Side == Box {
			s.Policy, err = m.BallotsPolicy()
		} else {
			s.Policy, err = m.LedgerPolicy()
		}
		return err
	})
	return s, err
}

// entries recomputes tree and chain.
func (a *Archive) entries(d *Database, s *State) error {
	chain := tlog.NewChain(s.MID)
	err := a.each(d, "board.entry", []string{"index", "body"}, func(row [][]byte) error {
		if string(row[0]) != strconv.FormatInt(s.Size, 10) {
			return fmt.Errorf("entry %d is missing", s.Size)
		}
		body, err := bytea(row[1])
		if err != nil || len(body) == 0 {
			return errors.Join(errors.New("an entry is malformed"), err)
		}
		leaf := tlog.LeafHash(body)
		hashes, err := tlog.StoredHashes(s.Size, leaf, s.reader)
		if err != nil {
			return err
		}
		s.nodes = append(s.nodes, hashes...)
		chain.Add(leaf)
		s.Size++
		s.Ended = body[0] == final
		return nil
	})
	if err != nil {
		return err
	}
	s.chain = chain.Head()
	s.Root, err = tlog.TreeHash(s.Size, s.reader)
	return err
}

// stored compares the nodes that are kept, from which the board answers.
func (a *Archive) stored(d *Database, s *State) error {
	n := 0
	err := a.each(d, "board.node", []string{"index", "hash"}, func(row [][]byte) error {
		hash, err := bytea(row[1])
		if err != nil {
			return err
		}
		if string(row[0]) != strconv.Itoa(n) || n >= len(s.nodes) || !bytes.Equal(hash, s.nodes[n][:]) {
			return fmt.Errorf("node %d is not that of the entries", n)
		}
		n++
		return nil
	})
	if err == nil && n != len(s.nodes) {
		err = fmt.Errorf("node %d is missing", n)
	}
	return err
}

func (a *Archive) head(d *Database, s *State) error {
	heads := 0
	err := a.each(d, "board.head", []string{"size", "root", "chain"}, func(row [][]byte) error {
		heads++
		root, err := bytea(row[1])
		chain, cerr := bytea(row[2])
		if err := errors.Join(err, cerr); err != nil {
			return err
		}
		if string(row[0]) != strconv.FormatInt(s.Size, 10) || !bytes.Equal(root, s.Root[:]) || !bytes.Equal(chain, s.chain[:]) {
			return errors.New("its head is not that of the entries")
		}
		return nil
	})
	if err == nil && heads != 1 {
		err = errors.New("it has no head")
	}
	return err
}

// checkpoints opens every checkpoint as its readers do. What was signed has to be of
// these entries.
func (a *Archive) checkpoints(d *Database, s *State) error {
	texts := make(map[string]string)
	err := a.each(d, "board.checkpoint", []string{"size", "note"}, func(row [][]byte) error {
		note, err := bytea(row[1])
		if err != nil {
			return err
		}
		o, err := s.Policy.OpenLog(note)
		if err != nil {
			return err
		}
		c := o.Checkpoint
		if string(row[0]) != strconv.FormatInt(c.Size, 10) || c.Size > s.Size {
			return fmt.Errorf("a checkpoint of %d entries was signed, and there are %d", c.Size, s.Size)
		}
		root, err := tlog.TreeHash(c.Size, s.reader)
		if err != nil {
			return err
		}
		if root != c.Root {
			return fmt.Errorf("the checkpoint of %d entries was signed for others", c.Size)
		}
		if c.Size > s.Signed {
			s.Signed, s.Note = c.Size, note
		}
		texts[string(row[0])] = c.Text()
		return nil
	})
	if err != nil {
		return err
	}
	return a.cosignatures(d, s, texts)
}

func (a *Archive) cosignatures(d *Database, s *State, texts map[string]string) error {
	return a.each(d, "board.cosignature", []string{"size", "line"}, func(row [][]byte) error {
		if _, err := s.Policy.CheckLine(texts[string(row[0])], string(row[1])); err != nil {
			return fmt.Errorf("a witness's line of size %s: %w", row[0], err)
		}
		return nil
	})
}

func (a *Archive) files(d *Database, s *State) error {
	return a.each(d, "board.file", []string{"path"}, func(row [][]byte) error {
		s.Files = append(s.Files, string(row[0]))
		return nil
	})
}

// Continues returns an error unless this state holds all of a checkpoint that was
// seen elsewhere: by a witness, in a mirror of the record, on an old disk.
func (s *State) Continues(note []byte) error {
	o, err := s.Policy.OpenLog(note)
	if err != nil {
		return err
	}
	c := o.Checkpoint
	if c.Size > s.Size {
		return fmt.Errorf("%w: the checkpoint has %d entries, and the backup %d", ErrBehind, c.Size, s.Size)
	}
	root, err := tlog.TreeHash(c.Size, s.reader)
	if err == nil && root != c.Root {
		err = fmt.Errorf("%w: its first %d entries are others", ErrBehind, c.Size)
	}
	return err
}

// ErrBehind is returned where the log went on after the backup.
var ErrBehind = errors.New("the log moved on after this backup was made")

// each reads the named columns of every row of a table. A column that is null is nil.
func (a *Archive) each(d *Database, table string, columns []string, do func(row [][]byte) error) (err error) {
	t := d.Table(table)
	if t == nil {
		return fmt.Errorf("table %s is missing", table)
	}
	places := make([]int, len(columns))
	for i, c := range columns {
		if places[i] = slices.Index(t.Columns, c); places[i] < 0 {
			return fmt.Errorf("column %s of table %s is missing", c, table)
		}
	}
	r, err := a.read(t.Part)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	in := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading table %s: %w", table, err)
		}
		fields := bytes.Split(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"))
		if len(fields) != len(t.Columns) {
			return fmt.Errorf("reading table %s: %w", table, ErrDamaged)
		}
		row := make([][]byte, len(columns))
		for i, place := range places {
			row[i] = unescape(fields[place])
		}
		if err := do(row); err != nil {
			return err
		}
	}
}

// unescape undoes what COPY does to a value; the mark of null is nil.
func unescape(field []byte) []byte {
	if string(field) == `\N` {
		return nil
	}
	out := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == '\\' && i+1 < len(field) {
			i++
			c = field[i]
			if at := bytes.IndexByte([]byte("bfnrtv"), c); at >= 0 {
				c = "\b\f\n\r\t\v"[at]
			}
		}
		out = append(out, c)
	}
	return out
}

// bytea reads a value of bytes.
func bytea(value []byte) ([]byte, error) {
	digits, ok := bytes.CutPrefix(value, []byte(`\x`))
	if !ok {
		return nil, ErrDamaged
	}
	b, err := hex.AppendDecode(nil, digits)
	if err != nil {
		return nil, ErrDamaged
	}
	return b, nil
}
