package demo

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/roll"
	"strikevote/internal/teller"
)

// The wording of the demo's ballot, in every language that the pages have.
//
//go:embed ballot.json
var ballotFile []byte

// A wording is what ballot.json holds: texts with one entry for each language.
type wording struct {
	Languages []string          `json:"languages"`
	Title     []string          `json:"title"`
	Statement []string          `json:"statement"`
	Question  []string          `json:"question"`
	Options   []election.Option `json:"options"`
}

// create notes the election and imports the roll.
func (w *World) create(ctx context.Context) error {
	w.o.Progress("importing the roll", 0, len(w.members))
	var err error
	if w.people, err = newPeople(); err != nil {
		return err
	}
	draft, err := w.draft()
	if err != nil {
		return err
	}
	if w.people.invitations, err = w.d.Create(ctx, draft); err != nil {
		return err
	}
	w.id = draft.ElectionID
	if err := w.d.ImportRoll(ctx, w.id, w.members); err != nil {
		return err
	}
	return w.publish(ctx)
}

// draft is what the committee agrees on before anybody's keys are known.
func (w *World) draft() (*election.Manifest, error) {
	rule, err := election.Preset("simple")
	if err != nil {
		return nil, err
	}
	var words wording
	if err := json.Unmarshal(ballotFile, &words); err != nil {
		return nil, fmt.Errorf("reading the demo's wording: %w", err)
	}
	now := time.Now().Unix()
	const day = 24 * 3600
	m := &election.Manifest{
		Suite: "SV1", Demo: true, Languages: words.Languages, Title: words.Title, Statement: words.Statement,
		Questions: []election.Question{{Text: words.Question, Options: words.Options}},
		Rule:      rule,
		Groups:    draftGroups(w.members),
		Tellers:   election.Tellers{N: nTellers, T: tTellers, Names: tellerNames},
		Committee: election.Committee{Quorum: 2},
		// Grace is 0 and the close comes by an act, so that a demo ends.
		Schedule:   election.Schedule{Open: now, Close: now + day, LatestClose: now + 2*day, Grace: 0, DecideUntil: now + 3*day},
		KMin:       10,
		Separation: election.Separation{Kind: "one-machine", Operators: []string{"the operator of the demo"}},
		Witnesses:  election.Witnesses{Threshold: 1, Keys: []string{w.people.witness.VKey()}},
		Help:       election.Help{Email: "help@union.example", Phone: "555 0100"},
		Origins:    w.d.Origins(), Program: w.o.Version,
	}
	rand.Read(m.ElectionID[:])
	for i, key := range w.people.committee {
		m.Committee.Members = append(m.Committee.Members, election.Member{
			Name: committeeNames[i],
			Keys: []election.Key{{Kind: "ed25519", Key: suite.Bytes(key.Public().(ed25519.PublicKey))}},
		})
	}
	if w.o.Draft != nil {
		w.o.Draft(m)
	}
	return m, nil
}

// draftGroups makes one group of each unit on the roll, pooled where a unit is
// too small to be counted by itself.
func draftGroups(members []roll.Member) []election.Group {
	sizes := make(map[string]uint32)
	for _, m := range members {
		sizes[m.Group]++
	}
	var units []string
	for unit := range sizes {
		units = append(units, unit)
	}
	slices.Sort(units)
	var drafts []election.GroupDraft
	for i, unit := range units {
		drafts = append(drafts, election.GroupDraft{ID: suite.GroupID(i + 1), Name: unit, Units: []string{unit}, Size: sizes[unit]})
	}
	var groups []election.Group
	for _, g := range election.Pool(drafts) {
		groups = append(groups, election.Group{ID: g.ID, Name: g.Name, Units: g.Units, RollSize: g.Size, Parent: g.Parent})
	}
	return groups
}

// seal has the manifest made, signed by two, and written as the first entry of
// both logs.
func (w *World) seal(ctx context.Context) error {
	w.o.Progress("sealing the election", 0, 1)
	manifest, err := w.d.Propose(ctx, w.id)
	if err != nil {
		return err
	}
	w.mid = election.MID(manifest)
	if w.manifest, err = election.Parse(manifest); err != nil {
		return err
	}
	if err := w.signed(ctx, "/manifest", func(paper []byte) []byte { return election.SealMessage(election.MID(paper)) }); err != nil {
		return err
	}
	if err := w.drill(ctx); err != nil {
		return err
	}
	if err := w.d.Seal(ctx, w.id); err != nil {
		return err
	}
	w.o.Say("Six check words: %s", election.SixWords(w.mid))
	return nil
}

// drillAndOpen starts the witness, whose signatures the mail waits for, and
// waits until voting is open and every invitation has left.
func (w *World) drillAndOpen(ctx context.Context) error {
	w.watch(ctx)
	if err := w.awaitPhase(ctx, election.PhaseOpen); err != nil {
		return err
	}
	for i, t := range w.people.tellers {
		if _, err := t.Check(ctx, &w.mid); err != nil {
			return fmt.Errorf("teller %d: %w", i+1, err)
		}
	}
	total := 0
	for _, m := range w.members {
		if m.Email != "" {
			total++
		}
	}
	return until(ctx, "the invitations", func(ctx context.Context) (bool, error) {
		sent, err := w.d.MailsSent(ctx, w.id)
		w.o.Progress("mailing the links", sent, total)
		return sent >= total, err
	})
}

// watch runs the witness beside the service; stopping the demo stops it.
func (w *World) watch(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- w.follow(ctx) }()
	stop := w.stop
	w.stop = func() error {
		cancel()
		err := <-done
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return errors.Join(err, stop())
	}
}

func (w *World) awaitPhase(ctx context.Context, want election.Phase) error {
	return until(ctx, "the election to be "+string(want), func(ctx context.Context) (bool, error) {
		phase, err := w.d.Phase(ctx, w.id)
		return phase == want, err
	})
}

// addLate brings in the late member: by an act of two, before voting ends.
func (w *World) addLate(ctx context.Context) error {
	amend, err := w.d.StageAddition(ctx, w.id, w.late)
	if err != nil {
		return err
	}
	return w.act(ctx, act.KindAmend, amend)
}

// closePolls closes early, by an act of two, and waits for the lock.
func (w *World) closePolls(ctx context.Context) error {
	w.o.Progress("closing and locking", 0, 1)
	// A second or two from now: the witness has to sign for the act before the
	// close that it replaces, and nobody votes any more in a demo.
	at := act.CloseEarly{Close: time.Now().Unix() + 2}
	if err := w.act(ctx, act.KindCloseEarly, at.Bytes()); err != nil {
		return err
	}
	return w.awaitPhase(ctx, election.PhaseLocked)
}

// openTotals lets three of the five tellers verify the record and open the sums.
func (w *World) openTotals(ctx context.Context) error {
	w.o.Progress("tellers verify and open", 0, tTellers)
	for i, t := range w.people.tellers[:tTellers] {
		var opening *teller.Opening
		err := until(ctx, "the locked record", func(ctx context.Context) (bool, error) {
			ready, err := w.d.Ready(ctx, w.id)
			return ready, err
		})
		if err != nil {
			return err
		}
		if opening, err = t.Examine(ctx, teller.Options{MID: &w.mid}); err != nil {
			return fmt.Errorf("teller %d: %w", i+1, err)
		}
		if err := t.Send(ctx, opening); err != nil {
			return fmt.Errorf("teller %d: %w", i+1, err)
		}
		w.o.Progress("tellers verify and open", i+1, tTellers)
	}
	return w.awaitPhase(ctx, election.PhaseTallied)
}

// certify lets two members sign the certificate, and the tellers destroy their keys.
func (w *World) certify(ctx context.Context) error {
	w.o.Progress("certifying", 0, 1)
	if err := w.signCertificate(ctx); err != nil {
		return err
	}
	if err := w.awaitPhase(ctx, election.PhaseCertified); err != nil {
		return err
	}
	return all(nTellers, func(i int) error {
		end, err := w.people.tellers[i].End(ctx, nil)
		if err == nil {
			err = w.people.tellers[i].Destroy(ctx, end)
		}
		if err != nil {
			return fmt.Errorf("teller %d: %w", i+1, err)
		}
		return w.people.copies[i].Discard()
	})
}
