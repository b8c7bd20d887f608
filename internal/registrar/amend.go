package registrar

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/mailbox"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

var (
	// ErrNoMember is returned where nobody has the member number.
	ErrNoMember = errors.New("nobody on the roll has this number")
	// ErrOnRoll is returned for an addition of somebody who is there already.
	ErrOnRoll = errors.New("this member number is on the roll, or about to be added")
	// ErrAddressTaken is returned for a disputed person with an address that is
	// known. It does not say whose it is.
	ErrAddressTaken = errors.New("somebody on the roll, or admitted before, has this address")

	errNoMinter = errors.New("the keys of links are destroyed, as they are once the result is certified: no link can be made any more")
)

// Stage keeps the data of somebody whom the committee is about to add, and
// returns the leaf that its act must name. It returns [ErrOnRoll]. Additions of
// a group take effect in the order in which they were staged. Staged again, in the
// same group, somebody keeps the place, with the new data.
func (r *Registrar) Stage(ctx context.Context, m Member) (g suite.GroupID, leaf suite.Hash, err error) {
	err = alone(ctx, r.c.Pool, func(tx pgx.Tx) error {
		g, leaf, err = r.stage(ctx, tx, m)
		return err
	})
	if err != nil {
		return 0, suite.Hash{}, fmt.Errorf("staging an addition: %w", scrub(err))
	}
	return g, leaf, nil
}

// stage needs the phase lock alone.
func (r *Registrar) stage(ctx context.Context, tx pgx.Tx, m Member) (suite.GroupID, suite.Hash, error) {
	g, ok := r.groupOf(m.Unit)
	if !ok {
		return 0, suite.Hash{}, errors.New("no group has this unit")
	}
	if m.Number == "" || m.Name == "" {
		return 0, suite.Hash{}, errors.New("number or name is missing")
	}
	place, err := stagedPlace(ctx, tx, g, m.Number)
	if err != nil {
		return 0, suite.Hash{}, err
	}
	p := person{Member: m, group: g, index: place,
		factor: factorHash(r.c.Keys.FactorKey, r.manifest.ElectionID, m.Number, m.Factor)}
	p.leaf = leafOf(r.c.Keys.RollKey, r.manifest.ElectionID, g, p.index, m.Number)
	_, err = tx.Exec(ctx, `INSERT INTO registrar.addition (group_id, roll_index, member_no, unit, name, email, campus, worksite, title,
			language, factor_hmac, leaf) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`, p.values()...)
	return g, suite.Hash(p.leaf), err
}

// stagedPlace is the place on the roll of whoever is staged next, or of one who was
// staged before and is taken out for it.
func stagedPlace(ctx context.Context, tx pgx.Tx, g suite.GroupID, number string) (place uint32, err error) {
	err = tx.QueryRow(ctx, `DELETE FROM registrar.addition WHERE group_id = $1 AND member_no = $2 RETURNING roll_index`, g, number).Scan(&place)
	if !errors.Is(err, pgx.ErrNoRows) {
		return place, err
	}
	var taken bool
	err = tx.QueryRow(ctx, `SELECT
		(SELECT count(*) FROM registrar.member WHERE group_id = $1) + (SELECT count(*) FROM registrar.addition WHERE group_id = $1),
		EXISTS (SELECT FROM registrar.member WHERE member_no = $2) OR EXISTS (SELECT FROM registrar.addition WHERE member_no = $2)`,
		g, number).Scan(&place, &taken)
	if err == nil && taken {
		err = ErrOnRoll
	}
	return place, err
}

// Unstage drops the additions for which no act waits any more, and those of their
// group that were staged after them: their place on the roll follows from theirs.
// waiting are the leaves that are named by acts that may still take effect.
func (r *Registrar) Unstage(ctx context.Context, waiting []suite.Hash) (dropped int, err error) {
	err = alone(ctx, r.c.Pool, func(tx pgx.Tx) error {
		dropped, err = unstage(ctx, tx, waiting)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("dropping additions: %w", err)
	}
	return dropped, nil
}

// unstage needs the phase lock alone.
func unstage(ctx context.Context, tx pgx.Tx, waiting []suite.Hash) (dropped int, err error) {
	leaves := make([][]byte, len(waiting))
	for i := range waiting {
		leaves[i] = waiting[i][:]
	}
	tag, err := tx.Exec(ctx, `DELETE FROM registrar.addition a USING registrar.addition b
		WHERE NOT b.leaf = ANY($1) AND a.group_id = b.group_id AND a.roll_index >= b.roll_index`, leaves)
	return int(tag.RowsAffected()), err
}

func (r *Registrar) groupOf(unit string) (suite.GroupID, bool) {
	for _, g := range r.manifest.Groups {
		for _, u := range g.Units {
			if u == unit {
				return g.ID, true
			}
		}
	}
	return 0, false
}

// add makes a staged member one of the roll, with a token and an invitation.
// The index must be the one that a verifier counts.
func (r *Registrar) add(ctx context.Context, tx pgx.Tx, p act.Amend, added int) error {
	if r.c.Minter == nil {
		return errNoMinter
	}
	at := Place{p.Group, r.manifest.Group(p.Group).RollSize + uint32(added)}
	var mail bool
	err := tx.QueryRow(ctx, `
		WITH staged AS (DELETE FROM registrar.addition WHERE leaf = $1 AND group_id = $2 AND roll_index = $3 RETURNING *)
		INSERT INTO registrar.member (group_id, roll_index, member_no, unit, name, email, campus, worksite, title, language, factor_hmac, leaf, added)
		SELECT group_id, roll_index, member_no, unit, name, email, campus, worksite, title, language, factor_hmac, leaf, true FROM staged
		RETURNING email IS NOT NULL`, p.Hash[:], at.Group, at.Index).Scan(&mail)
	if errors.Is(err, pgx.ErrNoRows) {
		return refuse("no addition with this leaf waits, or one that was staged before it comes first")
	}
	if err != nil {
		return scrub(err)
	}
	if err := keepToken(ctx, tx, mint(r.manifest, r.c.Minter, token.KindMember, at, 1)); err != nil {
		return err
	}
	if !mail {
		return nil
	}
	// Not before the opening: everybody's invitation leaves then.
	return r.mail(ctx, tx, mailer.Invitation, true, at, max(r.c.Now().Unix(), r.manifest.Schedule.Open))
}

// NewLink gives a member a new link and ends the old one, after an address was
// corrected or a theft reported; email may be empty to keep the address. It
// takes the phase lock alone, so that no ballot is being issued on the old
// link; if one was, it returns [ErrAlreadyIssued]. by and reason are kept.
func (r *Registrar) NewLink(ctx context.Context, number, email, by, reason string) error {
	if by == "" {
		return errors.New("replacing a link: it must be said by whom")
	}
	err := alone(ctx, r.c.Pool, func(tx pgx.Tx) error {
		at, old, version, err := liveToken(ctx, tx, number)
		if err != nil {
			return err
		}
		e, err := r.mayLink(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO registrar.token_revoked (token_id, revoked_by, reason) VALUES ($1, $2, $3)`, old, by, reason)
		if err != nil {
			return err
		}
		if err := keepToken(ctx, tx, mint(r.manifest, r.c.Minter, token.KindMember, at, version+1)); err != nil {
			return err
		}
		corrected := false
		if email != "" {
			// The old address hears of it: whoever reads it may be the member, and the one
			// who asked may not. Where the word to an older one has not left yet, that one
			// is kept: of two corrections the second must not hide the first from it.
			tag, err := tx.Exec(ctx, `UPDATE registrar.member SET email = $3,
				former_email = CASE WHEN `+formerWaits+` THEN former_email ELSE email END
				WHERE group_id = $1 AND roll_index = $2 AND email IS DISTINCT FROM $3`, at.Group, at.Index, kept(email))
			if err != nil {
				return err
			}
			if corrected = tag.RowsAffected() == 1; corrected {
				if err := r.mailFormer(ctx, tx, at); err != nil {
					return err
				}
			}
		}
		if e.phase == election.PhaseSealed {
			// No link has left, and the invitation brings this one.
			if corrected {
				return r.announceAgain(ctx, tx, at)
			}
			return nil
		}
		return r.mail(ctx, tx, mailer.Corrected, true, at, r.c.Now().Unix())
	})
	if err != nil {
		return fmt.Errorf("replacing a link: %w", scrub(err))
	}
	return nil
}

// announceAgain queues the announcement for an address that was corrected after everybody
// had been sent theirs: a second slip of the keys would be seen only by the invitation
// that did not come. One that has not left yet goes to the new address itself.
func (r *Registrar) announceAgain(ctx context.Context, tx pgx.Tx, at Place) error {
	if r.c.Now().Unix() >= r.manifest.Schedule.Open {
		return nil // it says when voting opens
	}
	var due bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM registrar.outbox WHERE kind = $3) AND NOT EXISTS (SELECT FROM registrar.outbox
		WHERE kind = $3 AND on_roll AND group_id = $1 AND roll_index = $2 AND state = 'queued')`, at.Group, at.Index, mailer.Announcement).Scan(&due)
	if err != nil || !due {
		return err
	}
	return r.mail(ctx, tx, mailer.Announcement, true, at, r.c.Now().Unix())
}

// mayLink refuses to give anybody a link when it would be of no use.
func (r *Registrar) mayLink(ctx context.Context, tx pgx.Tx) (row, error) {
	if r.c.Minter == nil {
		return row{}, errNoMinter
	}
	e, err := readRow(ctx, tx)
	if err == nil && e.phase != election.PhaseSealed && e.phase != election.PhaseOpen {
		err = ErrClosed
	}
	return e, err
}

func liveToken(ctx context.Context, tx pgx.Tx, number string) (at Place, id []byte, version int, err error) {
	var used bool
	err = tx.QueryRow(ctx, `
		SELECT m.group_id, m.roll_index, t.token_id, t.version, u.kind IS NOT NULL
		FROM registrar.member m
		JOIN registrar.token t ON t.on_roll AND t.group_id = m.group_id AND t.roll_index = m.roll_index
		LEFT JOIN registrar.used u ON u.group_id = m.group_id AND u.roll_index = m.roll_index
		WHERE m.member_no = $1 AND NOT EXISTS (SELECT FROM registrar.token_revoked r WHERE r.token_id = t.token_id)`, number).
		Scan(&at.Group, &at.Index, &id, &version, &used)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return at, nil, 0, ErrNoMember
	case err != nil:
		return at, nil, 0, err
	case used:
		return at, nil, 0, ErrAlreadyIssued
	}
	return at, id, version, nil
}

// BlindedLeaf returns what an act names to strike a member, also one who can not
// be struck any more. It returns [ErrNoMember].
func (r *Registrar) BlindedLeaf(ctx context.Context, number string) (suite.GroupID, suite.Hash, error) {
	g, blinded, _, err := r.blindedLeaf(ctx, number)
	return g, blinded, err
}

// Strikable is [Registrar.BlindedLeaf] for a member who can be struck now, so that
// nobody signs an act in vain. It returns [ErrAlreadyIssued] or [ErrStruck] for
// another.
func (r *Registrar) Strikable(ctx context.Context, number string) (suite.GroupID, suite.Hash, error) {
	g, blinded, used, err := r.blindedLeaf(ctx, number)
	switch {
	case err != nil || used == "":
	case used == usedStrike:
		err = ErrStruck
	default:
		err = ErrAlreadyIssued
	}
	return g, blinded, err
}

func (r *Registrar) blindedLeaf(ctx context.Context, number string) (g suite.GroupID, blinded suite.Hash, used string, err error) {
	var leaf []byte
	err = r.c.Pool.QueryRow(ctx, `SELECT m.group_id, m.leaf, COALESCE(u.kind, '') FROM registrar.member m
		LEFT JOIN registrar.used u ON u.group_id = m.group_id AND u.roll_index = m.roll_index
		WHERE m.member_no = $1`, number).Scan(&g, &leaf, &used)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, suite.Hash{}, "", ErrNoMember
	}
	if err != nil {
		return 0, suite.Hash{}, "", fmt.Errorf("reading a leaf: %w", err)
	}
	return g, ledger.Blinded(suite.Hash(leaf)), used, nil
}

// An Applicant is a disputed person who is not on the roll. It redacts itself.
type Applicant struct {
	Name, Email, Campus, Worksite, Title, Language string
	Group                                          suite.GroupID
	Reason                                         string
	Shared                                         bool // others may have this address
}

// Format keeps an applicant out of logs and error texts.
func (Applicant) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[applicant]") }

// Admit gives a disputed person who is not on the roll a link that opens an
// envelope only. It returns [ErrAddressTaken]: most often such a person is on the
// roll after all, or was admitted already, and would vote twice.
func (r *Registrar) Admit(ctx context.Context, a Applicant) (Place, error) {
	if err := r.readyFor(ctx, a); err != nil {
		return Place{}, fmt.Errorf("admitting an applicant: %w", err)
	}
	at := Place{Group: a.Group}
	err := alone(ctx, r.c.Pool, func(tx pgx.Tx) error {
		if err := r.mayAdmit(ctx, tx, a); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM registrar.applicant WHERE group_id = $1`, a.Group).Scan(&at.Index); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO registrar.applicant (group_id, roll_index, name, email, campus, worksite, title, language, reason)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			at.Group, at.Index, a.Name, kept(a.Email), a.Campus, a.Worksite, a.Title, a.Language, a.Reason)
		if err != nil {
			return err
		}
		if err := keepToken(ctx, tx, mint(r.manifest, r.c.Minter, token.KindEnvelope, at, 1)); err != nil {
			return err
		}
		if a.Email == "" {
			return nil
		}
		// Not before the opening, like every link.
		return r.mail(ctx, tx, mailer.Envelope, false, at, max(r.c.Now().Unix(), r.manifest.Schedule.Open))
	})
	if err != nil {
		return Place{}, fmt.Errorf("admitting an applicant: %w", scrub(err))
	}
	return at, nil
}

// readyFor is asked before the lock is taken: it may need a connection of its own.
func (r *Registrar) readyFor(ctx context.Context, a Applicant) error {
	if r.manifest.Group(a.Group) == nil {
		return errors.New("there is no such group")
	}
	if r.c.Ready == nil {
		return nil
	}
	return r.c.Ready(ctx)
}

// mayAdmit needs the phase lock alone, under which nobody is added meanwhile.
func (r *Registrar) mayAdmit(ctx context.Context, tx pgx.Tx, a Applicant) error {
	e, err := r.mayLink(ctx, tx)
	if err != nil {
		return err
	}
	if r.c.Now().Unix() >= e.close {
		return ErrClosed
	}
	if a.Shared || a.Email == "" {
		return nil
	}
	taken, err := addressTaken(ctx, tx, a.Email, "")
	if err == nil && taken {
		err = ErrAddressTaken
	}
	return err
}

// AddressTaken reports whether anybody but the member with a number has an address,
// which is the way in which most people come to stand on a roll twice.
func (r *Registrar) AddressTaken(ctx context.Context, email, number string) (taken bool, err error) {
	err = postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		taken, err = addressTaken(ctx, tx, email, number)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("looking for an address: %w", scrub(err))
	}
	return taken, nil
}

func addressTaken(ctx context.Context, tx pgx.Tx, email, number string) (taken bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM registrar.member WHERE lower(email) = lower($1) AND member_no <> $2)
		OR EXISTS (SELECT FROM registrar.addition WHERE lower(email) = lower($1) AND member_no <> $2)
		OR EXISTS (SELECT FROM registrar.applicant WHERE lower(email) = lower($1))`, mailbox.Kept(email), number).Scan(&taken)
	return taken, err
}

func random32() (b [32]byte) {
	rand.Read(b[:]) // never fails
	return b
}
