package teller

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
)

// Copy writes a second copy of the key file for another medium, sealed under a
// passphrase of its own, which may be the same. The copy remembers that it is one.
func (t *Teller) Copy(path string, passphrase []byte) (*Teller, error) {
	if !t.done() {
		return nil, errors.New("the ceremony is not done yet; copy the key afterwards")
	}
	k := t.k
	k.Copy++
	// The two must not share memory: closing one would wipe the other.
	k.Static, k.Share = bytes.Clone(k.Static), bytes.Clone(k.Share)
	return create(path, passphrase, k, t.file.cost)
}

// Drill proves that both copies of the key can open, and sends the proof. It
// opens nothing: the drill's challenge is made from public values alone.
func Drill(ctx context.Context, first, second *Teller) error {
	a, err := first.drill()
	if err != nil {
		return err
	}
	b, err := second.drill()
	if err != nil {
		return fmt.Errorf("drilling the second copy: %w", err)
	}
	if first.k.Election != second.k.Election || first.k.Number != second.k.Number || !bytes.Equal(first.k.Share, second.k.Share) {
		return errors.New("the second file is not a copy of the first")
	}
	// A file that was copied in another way does not know that it is one.
	if first.k.Copy == second.k.Copy {
		return errors.New("a drill needs the key file and the second copy that this program made of it")
	}
	if err := first.coordinator.ready(); err != nil {
		return err
	}
	if _, err := first.current(ctx); err != nil {
		return err
	}
	body, err := (&share.DrillFile{Teller: first.k.Number, Copies: [2]share.Share{*a, *b}}).Encode()
	if err != nil {
		return fmt.Errorf("encoding drill: %w", err)
	}
	return first.coordinator.post(ctx, first.k.Session, ceremony.RoundDrill, body)
}

func (t *Teller) drill() (*share.Share, error) {
	if !t.done() {
		return nil, errors.New("the ceremony is not done yet; drill afterwards")
	}
	x, err := t.share()
	if err != nil {
		return nil, err
	}
	defer wipe(x)
	y, err := group.DecodeElement(t.k.Key)
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	yi, err := group.DecodeElement(t.k.KeyShare)
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	if !group.BaseMul(x).Equal(yi) {
		return nil, errors.New("this key file is damaged: its share does not fit the key; use the other copy")
	}
	return share.Drill(x, t.k.Election, t.k.Number, y, yi), nil
}

// Second reports whether this is a copy that [Teller.Copy] made.
func (t *Teller) Second() bool { return t.k.Copy > 1 }

// Discard destroys the key file without a statement: that of the other copy
// speaks for both.
func (t *Teller) Discard() error { return t.file.destroy() }
