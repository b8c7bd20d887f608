// Package audit verifies an election from its published record alone.
//
// It recomputes everything that internal/protocol/SPEC.md, section 18, names
// and believes nothing else: not the service, not a database, not a clock, but for
// the reader's, which ends the wait for a lock (see auditor.locking). It
// must never reach the network or the disk (a record is an [fs.FS] that
// somebody opened), never decide by a file that is not covered by a hash or a
// signature it has checked, and never fail to say why a record is false.
// Sections 17 and 18 are what it implements.
//
// Read auditor.verify first: it is the list of the checks, in order. Each is one
// function; what it established for those after it stands in type auditor.
//
// # Security considerations
//
// The record may come from anybody. Files are read up to the size that a file
// of their kind can have, logs bundle by bundle, and a size that a checkpoint
// claims is bounded before anything is allocated for it. Batches of proofs are
// checked with random weights, drawn after every byte is read; on failure the
// false ones are named.
package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"time"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record/layout"
)

// Options say what is demanded of a record beyond that it holds.
type Options struct {
	// Stage is demanded at least: locked, opened or certified, and then a
	// cancelled election will not do; or cancelled. Empty takes the record as
	// it is.
	Stage layout.Stage

	// MID is the one that the reader has from elsewhere: the mail, a notice
	// board. Without it a record of another election, or of one that never
	// was, can hold.
	MID *suite.MID

	// Progress may be nil. It is told the step and how far it has come. Calls
	// do not overlap.
	Progress func(step string, done, total int)

	// Fetched is when the record was fetched from the service that runs the
	// election, by the reader's clock: such a record may be one that is being
	// locked, of which [layout.ErrLocking] is returned. Zero is a copy, which
	// nobody has a reason to make of a record that is not whole.
	Fetched time.Time

	// Workers check ballots at a time; 0 is as many as there are processors.
	Workers int
}

// An auditor is one verification. Its fields below the first block are what
// earlier checks established, nil or empty where they could not.
type auditor struct {
	ctx  context.Context
	fsys fs.FS
	o    Options
	r    *Report
	// broken is why the record cannot be read, as opposed to false: the
	// network, the disk, the caller's context.
	broken error
	// seen are the files that were read, so that none is fetched anew only to
	// see that it is there. Workers write it, under mu.
	mu   sync.Mutex
	seen map[string]bool
	// awaits and wrong are of all findings; see there.
	awaits, wrong bool
	// spare, if it is not nil, leaves out a fault that it is true for. It is for
	// tests that show what goes unnoticed without a check; see export_test.go.
	spare func(check, reason string) bool

	m       *election.Manifest
	mid     suite.MID
	stage   layout.Stage // by the files that are there
	ledger  *logState
	ballots *logState
	seats   map[suite.Hash]seat // by blinded leaf
	entries *eligibility
	acts    *act.State          // after the last act
	counts  []ledger.FinalGroup // group by group, as the manifest
	cast    *castings
	opening *tally.Opening
	shares  []*share.File
	result  *tally.Result

	// Files that two checks are about are read once: a server could give each
	// check the bytes that it likes.
	resultFile  []byte
	certificate []byte
}

// Verify checks the record. It returns an error only if the record cannot be
// read: there is no manifest, it is not one, the source fails, the context ends, or
// the election is being locked. Everything else it finds is a [Check] of the report.
func Verify(ctx context.Context, fsys fs.FS, o Options) (*Report, error) {
	a := &auditor{ctx: ctx, fsys: fsys, o: o, r: new(Report), seen: make(map[string]bool)}
	if err := a.verify(); err != nil {
		return nil, a.unread(err)
	}
	if a.locking() {
		return nil, layout.ErrLocking
	}
	a.conclude()
	return a.r, nil
}

// unread says why there is no report. What is a sentence of its own needs no file before it.
func (a *auditor) unread(err error) error {
	switch {
	case errors.Is(err, layout.ErrNotLocked) && a.live() && a.m != nil:
		return UntilLock(a.m, a.o.Fetched)
	case errors.Is(err, layout.ErrNotLocked):
		return layout.ErrNotLocked
	case errors.Is(err, layout.ErrNoRecord):
		return err
	}
	return fmt.Errorf("reading record: %w", err)
}

// verify makes the checks.
func (a *auditor) verify() error {
	if a.o.Workers <= 0 {
		a.o.Workers = runtime.GOMAXPROCS(0)
	}
	if err := a.open(); err != nil {
		return err
	}
	a.check("mid", (*auditor).checkMID)
	a.check("sealing", (*auditor).checkSealing)
	// Hashes first: both logs are tied to their signed roots before anything
	// in them is looked at.
	a.check("ledger", (*auditor).checkLedgerLog)
	a.check("ballot log", (*auditor).checkBallotLog)
	a.check("roll", (*auditor).checkRoll)
	a.check("entries", (*auditor).checkEntries)
	a.check("acts", (*auditor).checkActs)
	a.check("final entry", (*auditor).checkFinal)
	a.check("ceremony", (*auditor).checkCeremony)
	a.check("drill", (*auditor).checkDrill)
	a.check("ballots", (*auditor).checkBallots)
	a.check("close record", (*auditor).checkClose)
	a.check("envelopes", (*auditor).checkEnvelopes)
	a.check("counts", (*auditor).checkCounts)
	a.check("lock", (*auditor).checkLock)
	a.check("statements", (*auditor).checkStatements)
	if a.stage.Rank() >= layout.Opened.Rank() {
		a.check("shares", (*auditor).checkShares)
		a.check("sets", (*auditor).checkSets)
		a.check("result", (*auditor).checkResult)
	}
	if a.stage == layout.Certified {
		a.check("certificate", (*auditor).checkCertificate)
		a.check("certification", (*auditor).checkCertification)
	}
	a.check("stage", (*auditor).checkStage)
	a.check("files", (*auditor).checkFiles)
	return a.broken
}

// conclude fills in what only a record that holds may say.
func (a *auditor) conclude() {
	r := a.r
	r.Verified = !slices.ContainsFunc(r.Checks, func(c Check) bool { return !c.OK })
	r.Sets = []Set{}
	// A cancelled election is not to be opened, so nobody is given its sums.
	if !r.Verified || r.Stage == layout.Cancelled {
		return
	}
	c := a.opening.Close
	r.Sums, r.Partition, r.CloseRoot, r.CloseSize = a.opening.Sums, a.opening.Sets(), c.Root, c.Size
	r.Opening, r.Final, r.EntitledByGroup = a.opening, a.final(), a.entitled()
	r.Committee = a.acts.Committee
	if a.result == nil {
		return
	}
	r.Outcome = a.result.Sentence
	for _, set := range a.result.Sets {
		for q, votes := range set.Votes {
			r.Sets = append(r.Sets, a.describeSet(set, q, votes))
		}
	}
}
