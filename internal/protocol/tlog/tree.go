package tlog

import (
	"golang.org/x/mod/sumdb/tlog"

	"strikevote/internal/protocol/suite"
)

// A Tree is a log's Merkle tree in memory. The zero Tree is empty. It is not
// safe for concurrent use while leaves are appended.
type Tree struct {
	size   int64
	hashes []suite.Hash // in the order of StoredHashes
}

// Append adds a leaf. It is [LeafHash] of an entry.
func (t *Tree) Append(leaf suite.Hash) {
	n := t.size
	t.hashes = append(t.hashes, leaf)
	// Every trailing one bit of n completes a subtree with its left neighbour.
	h := leaf
	for level := 0; n>>level&1 == 1; level++ {
		left := t.hashes[tlog.StoredHashIndex(level, n>>level-1)]
		h = nodeHash(left, h)
		t.hashes = append(t.hashes, h)
	}
	t.size++
}

// Size returns the number of leaves.
func (t *Tree) Size() int64 { return t.size }

// Root returns the root over all leaves.
func (t *Tree) Root() suite.Hash {
	h, err := TreeHash(t.size, t.Reader())
	if err != nil {
		panic("tlog: a tree in memory lacks a hash: " + err.Error())
	}
	return h
}

// RootAt returns the root over the first leaves.
func (t *Tree) RootAt(size int64) (suite.Hash, error) {
	if size < 0 || size > t.size {
		return suite.Hash{}, errRange
	}
	return TreeHash(size, t.Reader())
}

// Reader reads the hashes of t as it is now and later.
func (t *Tree) Reader() HashReader {
	return func(indexes []int64) ([]suite.Hash, error) {
		out := make([]suite.Hash, len(indexes))
		for i, x := range indexes {
			if x < 0 || x >= int64(len(t.hashes)) {
				return nil, errRange
			}
			out[i] = t.hashes[x]
		}
		return out, nil
	}
}

// RootOf returns the RFC 6962 tree hash over the values, each the data of one
// leaf. The order is the caller's.
func RootOf(values [][]byte) suite.Hash {
	// complete[i] is the root of the last complete subtree of 2^i leaves that
	// is not yet part of a larger one: the bits of n say which are in use.
	var complete [64]suite.Hash
	n := uint64(0)
	for _, v := range values {
		h := LeafHash(v)
		level := 0
		for ; n>>level&1 == 1; level++ {
			h = nodeHash(complete[level], h)
		}
		complete[level] = h
		n++
	}
	if n == 0 {
		return EmptyRoot
	}
	var root suite.Hash
	some := false
	for level := range 64 {
		switch {
		case n>>level&1 == 0:
		case some:
			root = nodeHash(complete[level], root)
		default:
			root, some = complete[level], true
		}
	}
	return root
}

// A Chain is the derived hash chain over a log, for those who check it without
// Merkle trees. It is a value: a copy is a fork.
type Chain struct {
	head suite.Hash
}

// NewChain returns the chain before entry 0 of a log of that election.
func NewChain(mid suite.MID) Chain { return Chain{head: suite.H("chain-0", mid[:])} }

// ResumeChain returns the chain whose head was stored.
func ResumeChain(head suite.Hash) Chain { return Chain{head: head} }

// Add continues the chain with the leaf hash of the next entry.
func (c *Chain) Add(leaf suite.Hash) { c.head = suite.H("chain", c.head[:], leaf[:]) }

// Head returns the chain's value after the entries added so far.
func (c *Chain) Head() suite.Hash { return c.head }
