package tlog

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// maxWitnesses bounds the work of checking a note.
const maxWitnesses = 100

// ErrThreshold is returned by [Policy.Open] for a note that is in order but has
// fewer cosignatures than the policy demands.
var ErrThreshold = errors.New("fewer cosignatures than the policy demands")

// A Policy says who must have signed the checkpoints of one log. A manifest
// fixes it; whether the threshold is a majority is checked there.
type Policy struct {
	Log       LogKey
	Witnesses []WitnessKey // in the order of the manifest, which lines follow
	Threshold int
}

// Check returns an error unless the policy can be followed: a log, a threshold
// that its witnesses can reach, and no name or key twice. One key under two
// names would let one witness count as two, since a cosigned message does not
// contain the name.
func (p Policy) Check() error {
	if p.Log.k.name == "" {
		return errors.New("policy has no log")
	}
	if p.Threshold < 1 || p.Threshold > len(p.Witnesses) || len(p.Witnesses) > maxWitnesses {
		return errors.New("policy's threshold does not fit its witnesses")
	}
	for i, w := range p.Witnesses {
		if w.k.name == "" {
			return errors.New("policy has a witness without a key")
		}
		if w.k.name == p.Log.k.name || w.k.key == p.Log.k.key {
			return errors.New("policy has the log as a witness")
		}
		for _, v := range p.Witnesses[:i] {
			if v.k.name == w.k.name || v.k.key == w.k.key {
				return errors.New("policy has a witness twice")
			}
		}
	}
	return nil
}

// An Opened note is a checkpoint with the cosignatures found valid, in the
// order of the policy.
type Opened struct {
	Checkpoint   Checkpoint
	Cosignatures []Cosignature
}

// Moment returns the moment of the checkpoint: the threshold-th smallest of its
// cosignatures' times, since so many witnesses had seen it by then. With fewer
// cosignatures it returns the largest int64: not enough witnesses have seen it
// before any moment.
func (o *Opened) Moment(threshold int) int64 {
	if threshold < 1 || threshold > len(o.Cosignatures) {
		return math.MaxInt64
	}
	times := make([]int64, len(o.Cosignatures))
	for i, c := range o.Cosignatures {
		times[i] = c.Time
	}
	slices.Sort(times)
	return times[threshold-1]
}

// Open verifies a checkpoint note: the text is a checkpoint of the policy's
// log, the first line is the log's, all others are of different witnesses of
// the policy in its order, every line is valid, and there are enough of them.
// It returns [ErrThreshold] if only the last is not so.
func (p Policy) Open(note []byte) (*Opened, error) {
	o, err := p.OpenLog(note)
	if err != nil {
		return nil, err
	}
	if len(o.Cosignatures) < p.Threshold {
		return nil, fmt.Errorf("opening checkpoint: %w", ErrThreshold)
	}
	return o, nil
}

// OpenLog is [Policy.Open] without a demand on the number of cosignatures.
func (p Policy) OpenLog(note []byte) (*Opened, error) {
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("opening checkpoint: %w", err)
	}
	text, lines, err := splitNote(note)
	if err != nil {
		return nil, fmt.Errorf("opening checkpoint: %w", err)
	}
	c, err := ParseCheckpointText(text)
	if err != nil {
		return nil, fmt.Errorf("opening checkpoint: %w", err)
	}
	if c.Origin != p.Log.k.name {
		return nil, errors.New("opening checkpoint: it is of another log")
	}
	if err := p.Log.check(text, lines[0]); err != nil {
		return nil, fmt.Errorf("opening checkpoint: %w", err)
	}
	o := &Opened{Checkpoint: c}
	last := -1
	for _, line := range lines[1:] {
		i, cos, err := p.checkLine(text, line)
		if err != nil {
			return nil, fmt.Errorf("opening checkpoint: %w", err)
		}
		if i <= last {
			return nil, errors.New("opening checkpoint: cosignatures are not in the order of the policy")
		}
		last = i
		o.Cosignatures = append(o.Cosignatures, cos)
	}
	return o, nil
}

// checkLine verifies a cosignature and says whose it is.
func (p Policy) checkLine(text, line string) (int, Cosignature, error) {
	for i, w := range p.Witnesses {
		cos, err := w.check(text, line)
		if errors.Is(err, errUnknownKey) {
			continue
		}
		return i, cos, err
	}
	return 0, Cosignature{}, errUnknownKey
}

// CheckLine verifies one cosignature line, with its line end, against a
// checkpoint's text.
func (p Policy) CheckLine(text, line string) (Cosignature, error) {
	if err := p.Check(); err != nil {
		return Cosignature{}, fmt.Errorf("checking cosignature: %w", err)
	}
	c, err := ParseCheckpointText(text)
	if err != nil {
		return Cosignature{}, fmt.Errorf("checking cosignature: %w", err)
	}
	if c.Origin != p.Log.k.name {
		return Cosignature{}, errors.New("checking cosignature: it is of another log")
	}
	_, cos, err := p.checkLine(text, line)
	if err != nil {
		return Cosignature{}, fmt.Errorf("checking cosignature: %w", err)
	}
	return cos, nil
}

// AddCosignature verifies the note and the line and returns the note with the
// line in its place. A witness that has cosigned already keeps its first line,
// and the note comes back as it was: of two times the earlier statement stands.
func (p Policy) AddCosignature(note []byte, line string) ([]byte, error) {
	o, err := p.OpenLog(note)
	if err != nil {
		return nil, err
	}
	text, lines, err := splitNote(note)
	if err != nil {
		return nil, err
	}
	at, _, err := p.checkLine(text, line)
	if err != nil {
		return nil, fmt.Errorf("adding cosignature: %w", err)
	}
	place := 1
	for _, c := range o.Cosignatures {
		i := slices.IndexFunc(p.Witnesses, func(w WitnessKey) bool { return w.k.name == c.Witness })
		if i == at {
			return slices.Clone(note), nil
		}
		if i < at {
			place++
		}
	}
	lines = slices.Insert(lines, place, line)
	return []byte(text + "\n" + strings.Join(lines, "")), nil
}
