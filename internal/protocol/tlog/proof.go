package tlog

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"strikevote/internal/protocol/suite"
)

const (
	proofHeader = "c2sp.org/tlog-proof@v1\n"

	// maxPath is the longest audit path: the height of a tree of MaxSize.
	maxPath = 53

	// MaxProof is the largest length of a proof, in bytes.
	MaxProof = 1 << 18
)

// A Proof shows offline that an entry is in a log at an index, under a
// checkpoint with its cosignatures (c2sp.org/tlog-proof). It proves nothing
// until [Proof.Check].
type Proof struct {
	Extra  []byte // opaque, not covered by any signature; at most MaxEntry bytes
	Index  int64
	Hashes []suite.Hash // the audit path, from the leaf's sibling upwards
	Note   []byte       // the checkpoint, as published
}

// Bytes returns the proof's text.
func (p *Proof) Bytes() []byte {
	var b strings.Builder
	b.WriteString(proofHeader)
	if len(p.Extra) > 0 {
		b.WriteString("extra " + encode64(p.Extra) + "\n")
	}
	b.WriteString("index " + strconv.FormatInt(p.Index, 10) + "\n")
	for _, h := range p.Hashes {
		b.WriteString(encode64(h[:]) + "\n")
	}
	b.WriteString("\n")
	b.Write(p.Note)
	return []byte(b.String())
}

// ParseProof accepts exactly what [Proof.Bytes] makes of a proof whose note is
// one of a checkpoint.
func ParseProof(b []byte) (*Proof, error) {
	p, err := parseProof(b)
	if err != nil {
		return nil, fmt.Errorf("reading proof: %w", err)
	}
	return p, nil
}

func parseProof(b []byte) (*Proof, error) {
	if len(b) > MaxProof {
		return nil, fmt.Errorf("longer than %d bytes", MaxProof)
	}
	s, ok := strings.CutPrefix(string(b), proofHeader)
	if !ok {
		return nil, errors.New("first line is not tlog-proof@v1")
	}
	p := new(Proof)
	line, rest, _ := strings.Cut(s, "\n")
	if text, ok := strings.CutPrefix(line, "extra "); ok {
		extra, err := decode64(text)
		// An empty extra is written by leaving the line out.
		if err != nil || len(extra) == 0 || len(extra) > MaxEntry {
			return nil, errors.New("extra is not base64 of an entry")
		}
		p.Extra = extra
		line, rest, _ = strings.Cut(rest, "\n")
	}
	text, ok := strings.CutPrefix(line, "index ")
	if !ok {
		return nil, errors.New("no index")
	}
	index, err := parseDecimal(text, MaxSize-1)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	p.Index = index
	for {
		line, rest, ok = strings.Cut(rest, "\n")
		if !ok {
			return nil, errors.New("no checkpoint")
		}
		if line == "" {
			break
		}
		h, err := decode64(line)
		if err != nil || len(h) != len(suite.Hash{}) || len(p.Hashes) == maxPath {
			return nil, errors.New("audit path is not base64 hashes")
		}
		p.Hashes = append(p.Hashes, suite.Hash(h))
	}
	p.Note = []byte(rest)
	return p, checkNoteForm(p.Note)
}

// checkNoteForm returns an error unless a note has the form of a checkpoint's.
func checkNoteForm(note []byte) error {
	text, _, err := splitNote(note)
	if err != nil {
		return err
	}
	_, err = ParseCheckpointText(text)
	return err
}

// Check returns the checkpoint if it satisfies the policy, threshold included,
// and the proof shows that its log has the leaf.
func (p *Proof) Check(policy Policy, leaf suite.Hash) (*Opened, error) {
	o, err := policy.Open(p.Note)
	if err != nil {
		return nil, fmt.Errorf("checking proof: %w", err)
	}
	c := o.Checkpoint
	if err := CheckInclusion(p.Hashes, c.Size, c.Root, p.Index, leaf); err != nil {
		return nil, fmt.Errorf("checking proof: %w", err)
	}
	return o, nil
}

// Prove makes the proof of an entry's index under a checkpoint note of that
// size. It does not open the note.
func Prove(size, index int64, read HashReader, note, extra []byte) (*Proof, error) {
	hashes, err := ProveInclusion(size, index, read)
	if err != nil {
		return nil, err
	}
	return &Proof{Extra: slices.Clone(extra), Index: index, Hashes: hashes, Note: slices.Clone(note)}, nil
}
