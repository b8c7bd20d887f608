package share

import (
	"errors"
	"fmt"

	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// MaxTeller is the highest number a teller can have.
const MaxTeller = 32

// A File is what one teller publishes after the lock: the record's `shares/<i>`.
// Its shares are in order of set, then question.
type File struct {
	Teller    uint8
	MID       suite.MID
	CloseRoot suite.Hash
	CloseSize uint64
	Shares    []Item // empty only if nobody voted
}

// An Item is the partial decryption of one question of one set.
type Item struct {
	Set      suite.GroupID
	Question uint8
	Share
}

// A DrillFile is what one teller publishes before the opening: the record's
// `drill/<i>`, an answer from each of the two copies of its key.
type DrillFile struct {
	Teller uint8
	Copies [2]Share
}

type fileJSON struct {
	Teller    uint8      `json:"teller"`
	MID       suite.MID  `json:"mid"`
	CloseRoot suite.Hash `json:"close_root"`
	CloseSize uint64     `json:"close_size"`
	Shares    []itemJSON `json:"shares"`
}

type itemJSON struct {
	Set      suite.GroupID `json:"set"`
	Question uint8         `json:"question"`
	shareJSON
}

type drillJSON struct {
	Teller uint8       `json:"teller"`
	Copies []shareJSON `json:"copies"`
}

// shareJSON holds the points as 32 bytes each: suite.Hash has the text form
// that a point has.
type shareJSON struct {
	D suite.Hash `json:"d"`
	A suite.Hash `json:"a"`
	B suite.Hash `json:"b"`
	S suite.Hash `json:"s"`
}

// Encode returns the file, canonical JSON.
func (f *File) Encode() ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	w := fileJSON{Teller: f.Teller, MID: f.MID, CloseRoot: f.CloseRoot, CloseSize: f.CloseSize, Shares: []itemJSON{}}
	for i := range f.Shares {
		it := &f.Shares[i]
		w.Shares = append(w.Shares, itemJSON{Set: it.Set, Question: it.Question, shareJSON: it.Share.wire()})
	}
	b, err := suite.EncodeJSON(&w)
	if err != nil {
		return nil, fmt.Errorf("encoding share file: %w", err)
	}
	return b, nil
}

// Parse reads what [File.Encode] returned. It does not check the proofs.
func Parse(b []byte) (*File, error) {
	var w fileJSON
	if err := suite.DecodeJSON(b, &w); err != nil {
		return nil, fmt.Errorf("reading share file: %w", err)
	}
	f := &File{Teller: w.Teller, MID: w.MID, CloseRoot: w.CloseRoot, CloseSize: w.CloseSize}
	if w.Shares == nil {
		return nil, errors.New("reading share file: no list of shares")
	}
	for i := range w.Shares {
		it := &w.Shares[i]
		// A set's sum may be the identity, and so may what comes of it.
		sh, err := it.shareJSON.parse(group.DecodeElementOrIdentity)
		if err != nil {
			return nil, fmt.Errorf("reading share of set %d, question %d: %w", it.Set, it.Question, err)
		}
		f.Shares = append(f.Shares, Item{Set: it.Set, Question: it.Question, Share: *sh})
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) check() error {
	if err := checkTeller(f.Teller); err != nil {
		return err
	}
	last := -1
	for i := range f.Shares {
		// One number for the order: sets first, questions within.
		at := int(f.Shares[i].Set)<<8 | int(f.Shares[i].Question)
		if f.Shares[i].Set == 0 || at <= last {
			return errors.New("checking share file: shares out of order")
		}
		last = at
	}
	return nil
}

// Encode returns the file, canonical JSON.
func (f *DrillFile) Encode() ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	w := drillJSON{Teller: f.Teller, Copies: []shareJSON{f.Copies[0].wire(), f.Copies[1].wire()}}
	b, err := suite.EncodeJSON(&w)
	if err != nil {
		return nil, fmt.Errorf("encoding drill file: %w", err)
	}
	return b, nil
}

// ParseDrill reads what [DrillFile.Encode] returned. It does not check the
// proofs; [DrillFile.Verify] does.
func ParseDrill(b []byte) (*DrillFile, error) {
	var w drillJSON
	if err := suite.DecodeJSON(b, &w); err != nil {
		return nil, fmt.Errorf("reading drill file: %w", err)
	}
	f := &DrillFile{Teller: w.Teller}
	if len(w.Copies) != len(f.Copies) {
		return nil, fmt.Errorf("reading drill file: answers of %d copies", len(w.Copies))
	}
	for i := range w.Copies {
		sh, err := w.Copies[i].parse(group.DecodeElement)
		if err != nil {
			return nil, fmt.Errorf("reading drill file: copy %d: %w", i+1, err)
		}
		f.Copies[i] = *sh
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	return f, nil
}

// check refuses two answers with one nonce: they are one answer, copied, and
// say nothing of the second copy of the key.
func (f *DrillFile) check() error {
	if err := checkTeller(f.Teller); err != nil {
		return err
	}
	if f.Copies[0].A.Equal(f.Copies[1].A) {
		return errors.New("checking drill file: both answers are the same")
	}
	return nil
}

// Verify checks both answers of a drill file against the key of the election
// and the teller's public share.
func (f *DrillFile) Verify(eid suite.ElectionID, y, yi *group.Element) error {
	if err := f.check(); err != nil {
		return err
	}
	for i := range f.Copies {
		if err := VerifyDrill(eid, f.Teller, y, yi, &f.Copies[i]); err != nil {
			return fmt.Errorf("checking drill, copy %d: %w", i+1, err)
		}
	}
	return nil
}

func checkTeller(i uint8) error {
	if i < 1 || i > MaxTeller {
		return fmt.Errorf("checking file of a teller: no teller %d", i)
	}
	return nil
}

func (sh *Share) wire() shareJSON {
	return shareJSON{
		D: suite.Hash(sh.D.Bytes()), A: suite.Hash(sh.A.Bytes()),
		B: suite.Hash(sh.B.Bytes()), S: suite.Hash(sh.S.Bytes()),
	}
}

// parse decodes a share. A is never the identity: it is a nonce times G.
func (w *shareJSON) parse(point func([]byte) (*group.Element, error)) (*Share, error) {
	d, errD := point(w.D[:])
	a, errA := group.DecodeElement(w.A[:])
	b, errB := point(w.B[:])
	s, errS := group.DecodeScalar(w.S[:])
	if err := errors.Join(errD, errA, errB, errS); err != nil {
		return nil, err
	}
	return &Share{D: d, A: a, B: b, S: s}, nil
}
