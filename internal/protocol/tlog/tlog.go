// Package tlog holds the arithmetic and the texts of the two public logs: leaf
// hashes, Merkle trees, the derived chain, checkpoints with the cosignatures of
// witnesses, proofs and tiles.
//
// It knows nothing of what the entries mean and must never fetch, store or
// order anything: hashes are read through a function that the caller gives, and
// a moment is an argument. It signs nothing but texts that the caller made.
//
// The bytes are those of SPEC.md section 9, which takes them from RFC 6962 and
// from c2sp.org: signed-note, tlog-checkpoint, tlog-cosignature (Ed25519,
// type 0x04), tlog-proof and tlog-tiles. Where those allow a reader to be
// lenient, this package is strict: a line by an unknown key, a second spelling
// of one value, or lines in another order are faults, because two programs that
// judge one record must not disagree.
//
// # Security considerations
//
// Everything here is public except the keys in [LogSigner] and [WitnessSigner],
// which redact themselves. Sizes and indexes are bounded by [MaxSize] before
// any arithmetic: golang.org/x/mod/sumdb/tlog loops for ever on a tree of more
// than 2^62 leaves, and a hostile checkpoint may claim one.
package tlog

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"strikevote/internal/protocol/suite"
)

// MaxSize is the largest size of a log: the largest integer that JavaScript
// holds exactly.
const MaxSize = 1<<53 - 1

// EmptyRoot is the root of a tree without leaves, SHA-256 of nothing.
var EmptyRoot = suite.Hash{
	0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
	0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
}

var errRange = errors.New("size or index out of range")

// A HashReader returns the stored hashes with the given indexes, as
// [StoredHashes] made them, one for each and in the same order.
type HashReader func(indexes []int64) ([]suite.Hash, error)

// reader adapts a HashReader to x/mod.
func (read HashReader) reader() tlog.HashReaderFunc {
	return func(indexes []int64) ([]tlog.Hash, error) {
		hashes, err := read(indexes)
		if err != nil {
			return nil, err
		}
		out := make([]tlog.Hash, len(hashes))
		for i, h := range hashes {
			out[i] = tlog.Hash(h)
		}
		return out, nil
	}
}

// LeafHash returns the leaf hash of an entry: SHA-256(00 || entry).
func LeafHash(entry []byte) suite.Hash { return suite.Hash(tlog.RecordHash(entry)) }

func nodeHash(left, right suite.Hash) suite.Hash {
	return suite.Hash(tlog.NodeHash(tlog.Hash(left), tlog.Hash(right)))
}

// StoredHashIndex returns the index of the first hash that is stored for the
// leaf with the given index, which is also how many were stored before it.
func StoredHashIndex(index int64) int64 { return tlog.StoredHashIndex(0, index) }

// StoredHashCount returns how many hashes are stored for a tree of that size.
func StoredHashCount(size int64) int64 { return tlog.StoredHashCount(size) }

// StoredHashes returns the hashes to store when the leaf with that index is
// appended; the first belongs at [StoredHashIndex], the others follow it.
func StoredHashes(index int64, leaf suite.Hash, read func(indexes []int64) ([]suite.Hash, error)) ([]suite.Hash, error) {
	if index < 0 || index >= MaxSize {
		return nil, errRange
	}
	hashes, err := tlog.StoredHashesForRecordHash(index, tlog.Hash(leaf), HashReader(read).reader())
	if err != nil {
		return nil, fmt.Errorf("completing subtrees: %w", err)
	}
	return fromMod(hashes), nil
}

// TreeHash returns the root of the tree of that size.
func TreeHash(size int64, read HashReader) (suite.Hash, error) {
	if size < 0 || size > MaxSize {
		return suite.Hash{}, errRange
	}
	h, err := tlog.TreeHash(size, read.reader())
	if err != nil {
		return suite.Hash{}, fmt.Errorf("computing root: %w", err)
	}
	return suite.Hash(h), nil
}

// ProveInclusion returns the audit path of a leaf in the tree of that size,
// from the leaf's sibling upwards.
func ProveInclusion(size, index int64, read HashReader) ([]suite.Hash, error) {
	if size < 0 || size > MaxSize || index < 0 || index >= size {
		return nil, errRange
	}
	p, err := tlog.ProveRecord(size, index, read.reader())
	if err != nil {
		return nil, fmt.Errorf("proving inclusion: %w", err)
	}
	return fromMod(p), nil
}

// CheckInclusion returns an error unless the proof shows that the tree of that
// size and root has the leaf at that index. Hashes too many are refused.
func CheckInclusion(proof []suite.Hash, size int64, root suite.Hash, index int64, leaf suite.Hash) error {
	if size < 0 || size > MaxSize || index < 0 || index >= size {
		return fmt.Errorf("checking inclusion: %w", errRange)
	}
	if err := tlog.CheckRecord(toMod(proof), size, tlog.Hash(root), index, tlog.Hash(leaf)); err != nil {
		return fmt.Errorf("checking inclusion: %w", err)
	}
	return nil
}

// ProveConsistency returns the proof that the tree of newSize continues the
// tree of oldSize, which is not empty.
func ProveConsistency(newSize, oldSize int64, read HashReader) ([]suite.Hash, error) {
	if oldSize < 1 || oldSize > newSize || newSize > MaxSize {
		return nil, errRange
	}
	p, err := tlog.ProveTree(newSize, oldSize, read.reader())
	if err != nil {
		return nil, fmt.Errorf("proving consistency: %w", err)
	}
	return fromMod(p), nil
}

// CheckConsistency returns an error unless the proof shows that the new tree
// continues the old one. The old tree is not empty: both logs begin with the
// manifest entry, and everything would continue nothing.
func CheckConsistency(proof []suite.Hash, newSize int64, newRoot suite.Hash, oldSize int64, oldRoot suite.Hash) error {
	if oldSize < 1 || oldSize > newSize || newSize > MaxSize {
		return fmt.Errorf("checking consistency: %w", errRange)
	}
	if err := tlog.CheckTree(toMod(proof), newSize, tlog.Hash(newRoot), oldSize, tlog.Hash(oldRoot)); err != nil {
		return fmt.Errorf("checking consistency: %w", err)
	}
	return nil
}

func fromMod(hashes []tlog.Hash) []suite.Hash {
	out := make([]suite.Hash, len(hashes))
	for i, h := range hashes {
		out[i] = suite.Hash(h)
	}
	return out
}

func toMod(hashes []suite.Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(hashes))
	for i, h := range hashes {
		out[i] = tlog.Hash(h)
	}
	return out
}
