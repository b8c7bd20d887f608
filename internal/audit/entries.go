package audit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// A seat is a leaf of the roll, or of an addition, and what became of it. It
// may be used once: for a credential, for an envelope, or not at all.
type seat struct {
	group suite.GroupID
	use   use
}

type use uint8

const (
	unused use = iota
	issued
	deposited
	struck
)

func (u use) String() string {
	return [...]string{"unused", "issued on", "deposited on", "struck"}[u]
}

// An eligibility is what the ledger's entries say about who may vote.
type eligibility struct {
	counter  *ledger.Counter
	acts     []ledgerAct
	accepted map[suite.BallotID]suite.GroupID // envelopes that were accepted
	outside  map[suite.Hash]bool              // deposits of those not on the roll
	taken    map[suite.Hash]seat              // where there is no roll, all that were used
	final    *ledger.Final
}

type ledgerAct struct {
	index int64
	act   *act.Act
}

// checkRoll checks that the published rolls are those that the manifest fixed
// before the voting.
func (a *auditor) checkRoll(f *finding) string {
	seats := make(map[suite.Hash]seat)
	for _, g := range a.m.Groups {
		path := layout.Roll(g.ID)
		b, err := a.read(path)
		if err != nil {
			f.fail(4, path, err)
			continue
		}
		leaves, err := ledger.ParseRoll(b)
		if err != nil {
			f.fail(4, path, err)
			continue
		}
		if uint64(len(leaves)) != uint64(g.RollSize) {
			f.fault(4, path, "it has %d members, the manifest says %d", len(leaves), g.RollSize)
		}
		if ledger.Root(leaves) != g.RollRoot {
			f.fault(4, path, "its root is not the manifest's")
		}
		for _, leaf := range leaves {
			blinded := ledger.Blinded(leaf)
			if _, twice := seats[blinded]; twice {
				f.fault(4, path, "leaf %s stands on two rolls", leaf)
			}
			seats[blinded] = seat{group: g.ID}
		}
	}
	if f.ok() {
		a.seats = seats
	}
	groups := "groups"
	if len(a.m.Groups) == 1 {
		groups = "group"
	}
	return say("%d members on the rolls of %d %s, as the manifest fixed them; acts may add and strike some.", len(seats), len(a.m.Groups), groups)
}

// checkEntries goes through the ledger in its order: every credential issued
// and every envelope deposited belongs to a member who was on the roll by then
// and has nothing else.
func (a *auditor) checkEntries(f *finding) string {
	if a.ledger == nil {
		f.cannot("the ledger does not hold")
		return ""
	}
	a.entries = &eligibility{
		counter:  ledger.NewCounter(a.m),
		accepted: make(map[suite.BallotID]suite.GroupID),
		outside:  make(map[suite.Hash]bool),
		taken:    make(map[suite.Hash]seat),
	}
	if a.seats == nil {
		f.cannot("whether issuances and deposits belong to members, because the roll does not hold")
	}
	bundles := a.ledger.bundles()
	for n, t := range bundles {
		path := layout.Tile(layout.Ledger, t)
		for i, entry := range a.bundle(f, a.ledger, t) {
			index := t.Index*tlog.TileWidth + int64(i)
			if err := a.readEntry(index, entry); err != nil {
				f.fault(9, path, "entry %d: %v", index, err)
			}
		}
		if err := a.progress("ledger", n+1, len(bundles)); err != nil {
			f.fail(9, path, err)
			return ""
		}
	}
	if a.live() && a.entries.final == nil {
		a.ledger.ending = true
		f.await(9, layout.Checkpoint(layout.Ledger), "the ledger has no final entry")
	}
	return "Every credential and every envelope of a member stands on a leaf of its own, which was on the roll by then."
}

// readEntry reads one entry of the ledger.
func (a *auditor) readEntry(index int64, entry []byte) error {
	parsed, err := ledger.ParseLedger(entry)
	if err != nil {
		return err
	}
	_, first := parsed.(ledger.Manifest)
	_, last := parsed.(ledger.Final)
	end := index == int64(len(a.ledger.leaves))-1
	if first != (index == 0) || last && !end || end && !last && !a.live() {
		return errors.New("the manifest's entry is the first and the final entry the last, and neither stands elsewhere")
	}
	// All kinds but one name their election; an act's signatures do.
	if _, signed := parsed.(ledger.Act); !signed && !bytes.Equal(entry[1:1+len(a.mid)], a.mid[:]) {
		return errors.New("it is of another election")
	}
	if err := a.entries.counter.Add(parsed); err != nil {
		return err
	}
	switch x := parsed.(type) {
	case ledger.Issuance:
		return a.take(x.Blinded, x.Group, issued)
	case ledger.Deposit:
		return a.deposit(x)
	case ledger.Act:
		a.entries.acts = append(a.entries.acts, ledgerAct{index, x.Act})
		return a.follow(x.Act)
	case ledger.Final:
		a.entries.final = &x
	}
	return nil
}

func (a *auditor) deposit(x ledger.Deposit) error {
	if x.OnRoll {
		return a.take(x.Ref, x.Group, deposited)
	}
	if a.entries.outside[x.Ref] {
		return errors.New("the same envelope was deposited before (SPEC 12)")
	}
	a.entries.outside[x.Ref] = true
	return nil
}

// take uses a seat.
func (a *auditor) take(blinded suite.Hash, g suite.GroupID, to use) error {
	seats := a.seats
	if seats == nil {
		seats = a.entries.taken
	}
	s, ok := seats[blinded]
	if !ok && a.seats == nil {
		s, ok = seat{group: g}, true // that the roll does not hold is reported once
	}
	switch {
	case !ok:
		return errors.New("its leaf is not on the roll, nor was it added before (SPEC 18)")
	case s.group != g:
		return fmt.Errorf("its leaf is of group %d, not %d (SPEC 18)", s.group, g)
	case s.use != unused:
		return fmt.Errorf("its leaf was %s before (SPEC 18)", s.use)
	}
	seats[blinded] = seat{g, to}
	return nil
}

// follow does what an act does to the roll and to envelopes, at its place in
// the ledger. Whether the act is one is for checkActs.
func (a *auditor) follow(x *act.Act) error {
	payload, err := x.Decode()
	if err != nil {
		return err
	}
	switch p := payload.(type) {
	case act.Amend:
		if p.Op == act.OpStrike {
			return a.take(p.Hash, p.Group, struck)
		}
		return a.add(p)
	case act.Decide:
		// Groups fails where more is decided than deposited so far.
		if _, err := a.entries.counter.Groups(); err != nil {
			return fmt.Errorf("%w (SPEC 10)", err)
		}
		for _, id := range p.Accepted {
			a.entries.accepted[id] = p.Group // that it stands there once is for checkActs
		}
	}
	return nil
}

func (a *auditor) add(p act.Amend) error {
	if a.seats == nil {
		return nil
	}
	blinded := ledger.Blinded(p.Hash)
	if _, there := a.seats[blinded]; there {
		return errors.New("the leaf that it adds was there before (SPEC 10)")
	}
	a.seats[blinded] = seat{group: p.Group}
	return nil
}

// checkActs checks every act in its sequence: that enough of the committee in
// force signed it, that it could be done, that its published proof is of this
// very entry, and that a change of the close was seen by the witnesses before
// the close that it replaces.
func (a *auditor) checkActs(f *finding) string {
	if a.entries == nil {
		f.cannot("the ledger does not hold")
		return ""
	}
	if n := len(a.entries.acts); n > layout.MaxActs {
		f.fault(17, "acts", "%d acts cannot be named in four digits", n)
	}
	state := act.NewState(a.m, a.mid)
	for i, x := range a.entries.acts {
		path := layout.Act(i + 1)
		moment, err := a.actMoment(path, x)
		if err != nil {
			a.failAct(f, path, err)
		} else if moves := x.act.Kind == act.KindExtend || x.act.Kind == act.KindCloseEarly; moves && moment >= state.Close {
			f.fault(10, path, "witnesses saw it at %s, not before the close at %s that it replaces", clock(moment), clock(state.Close))
		}
		if err := state.Apply(x.act); err != nil {
			f.fail(10, path, err)
			return "" // those after it depend on it
		}
	}
	a.acts = state
	if state.Cancelled && a.stage == layout.Locked {
		a.r.Stage = layout.Cancelled
	}
	return say("%d acts, each signed by at least %d of the committee and seen by the witnesses; voting closed at %s.",
		len(a.entries.acts), a.m.Committee.Quorum, clock(state.Close))
}

// errNewer is of an act that is proven under a larger ledger than is shown.
var errNewer = errors.New("its checkpoint is of a larger ledger than the one published")

// failAct records why an act's file does not show what it has to. Where the ledger
// grew while it was read, an act may be proven by more of it than was read.
func (a *auditor) failAct(f *finding, path string, err error) {
	if errors.Is(err, errNewer) && a.entries.final == nil {
		f.await(10, path, "%v", err)
		return
	}
	f.fail(10, path, err)
}

// actMoment checks the file of an act and returns when the witnesses saw it.
func (a *auditor) actMoment(path string, x ledgerAct) (int64, error) {
	b, err := a.read(path)
	if err != nil {
		return 0, err
	}
	p, err := tlog.ParseProof(b)
	if err != nil {
		return 0, err
	}
	// An act has one encoding, so this is the entry that was read.
	entry := ledger.ActEntry(x.act.Bytes())
	if !bytes.Equal(p.Extra, entry) || p.Index != x.index {
		return 0, fmt.Errorf("it is not the act that is entry %d of the ledger", x.index)
	}
	opened, err := p.Check(a.ledger.policy, tlog.LeafHash(entry))
	if err != nil {
		return 0, err
	}
	// Witnesses cosign growth only; this ties the ledger that was shown then to
	// the one that is published now.
	if opened.Checkpoint.Size > int64(len(a.ledger.leaves)) {
		return 0, errNewer
	}
	root, err := a.ledger.tree.RootAt(opened.Checkpoint.Size)
	if err != nil || root != opened.Checkpoint.Root {
		return 0, errors.New("its checkpoint is of another ledger than the one published")
	}
	return opened.Moment(a.ledger.policy.Threshold), nil
}

// checkFinal compares the ledger's last entry with all others.
func (a *auditor) checkFinal(f *finding) string {
	if a.entries == nil || a.entries.final == nil {
		f.cannot("there is no final entry in a ledger that holds")
		return ""
	}
	groups, err := a.entries.counter.Groups()
	if err != nil {
		f.fail(18, layout.Ledger, err)
		return ""
	}
	stated := a.entries.final.Groups
	if len(stated) != len(groups) {
		f.fault(9, layout.Ledger, "the final entry counts %d groups of %d", len(stated), len(groups))
		return ""
	}
	for i, g := range groups {
		if stated[i] != g {
			f.fault(18, layout.Ledger, "the final entry counts %+v, the entries are %+v", stated[i], g)
		}
	}
	if f.ok() {
		a.counts = groups
	}
	return "What the final entry counts is what the ledger holds, group by group."
}

// count returns the counters of a group.
func (a *auditor) count(g suite.GroupID) *ledger.FinalGroup {
	i := slices.IndexFunc(a.counts, func(c ledger.FinalGroup) bool { return c.Group == g })
	return &a.counts[i]
}
