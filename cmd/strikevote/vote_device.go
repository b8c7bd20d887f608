package main

import (
	"fmt"
	"os"

	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/voter"
)

// A testFile is what -test prints and -check reads.
type testFile struct {
	BallotID suite.BallotID `json:"ballot_id"`
	Code     string         `json:"code"`
	Typed    string         `json:"typed"`
	Body     suite.Bytes    `json:"body"`
}

func showTest(e *env, s *voter.Session, path string) error {
	t, err := s.Test()
	if err != nil {
		return err
	}
	b, err := suite.EncodeJSON(&testFile{t.BallotID, t.RecoveryCode, t.Typed, t.Body})
	if err != nil {
		return fmt.Errorf("printing test: %w", err)
	}
	if path != "" {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return fmt.Errorf("writing test: %w", err)
		}
		fmt.Fprintf(e.out, "\nEverything that the sealed ballot is made of is in %s. Check it on another device:\nstrikevote vote -check FILE LINK. This sealed ballot is given up now; it was not cast, and\nyou can still vote.\n", path)
		return nil
	}
	fmt.Fprintf(e.out, "\nThis is everything that the sealed ballot is made of. Save it to a file and check it\non another device: strikevote vote -check FILE LINK. This sealed ballot is given up\nnow; it was not cast, and you can still vote.\n\n%s", b)
	return nil
}

func checkTest(e *env, s *voter.Session, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading test: %w", err)
	}
	var f testFile
	if err := suite.DecodeJSON(b, &f); err != nil {
		return fmt.Errorf("reading test: %w", err)
	}
	choices, err := s.Check(s.Group().ID, &voter.Test{BallotID: f.BallotID, RecoveryCode: f.Code, Typed: f.Typed, Body: f.Body})
	if err != nil {
		fmt.Fprintln(e.out, "The test does not hold: no choice seals to this ballot. Do not vote on that device, and call the committee.")
		return errFalse
	}
	// A device that chooses what to open only after it knows that it is tested can open
	// another ballot than the one that it would have cast: only the tracker that somebody
	// wrote down before shows that.
	fmt.Fprintf(e.out, "The test holds. It opens the sealed ballot with this tracker:\n%s\nIs that the tracker that was written down before the device opened the test? The sealed\nballot held:\n", receipt.Tracker(f.BallotID))
	showChoices(e, s.Manifest, choices)
	fmt.Fprintln(e.out, "Is that what was chosen? If one of the two differs, do not vote on that device, and call\nthe committee.")
	return nil
}
