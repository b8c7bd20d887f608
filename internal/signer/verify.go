package signer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"strikevote/internal/audit"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// A FalseError says that a certificate was checked and does not follow from the
// record, or that the record itself does not hold.
type FalseError struct{ text string }

func (e *FalseError) Error() string { return e.text }

// Verify downloads the public record, verifies all of it, and compares the
// certificate with what follows from it. It returns a [*FalseError] where the
// record or the certificate does not hold. progress may be nil.
func (a *Agenda) Verify(ctx context.Context, certificate *Item, progress func(step string, done, total int)) error {
	if certificate.body == nil {
		return errors.New("this is no certificate")
	}
	var download func(done, total int)
	if progress != nil {
		download = func(done, total int) { progress("downloading the record", done, total) }
	}
	fsys, closer, err := record.Fetch(ctx, a.record, download)
	if err != nil {
		return err
	}
	defer closer.Close()
	r, err := audit.Verify(ctx, fsys, audit.Options{Stage: layout.Opened, MID: &a.MID, Progress: progress})
	switch {
	case err != nil:
		return fmt.Errorf("verifying the record: %w", err)
	case !r.Verified:
		return &FalseError{"the public record does not hold: " + r.Fault()}
	case r.Final == nil:
		return &FalseError{"the election was cancelled, so that it has no result"}
	}
	// The audit has verified this very file.
	final := *r.Final
	if final.Result, err = fs.ReadFile(fsys, layout.Result); err != nil {
		return fmt.Errorf("reading the result: %w", err)
	}
	if _, err := final.Verify(certificate.body); err != nil {
		return &FalseError{"the certificate is not what follows from the public record: " + err.Error()}
	}
	return nil
}
