package tally

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
)

// A Certificate is the record's file `certificate`: what the committee signs
// when it stands by the result.
type Certificate struct {
	MID         suite.MID     `json:"mid"`
	CloseRoot   suite.Hash    `json:"close_root"`
	CloseSize   uint64        `json:"close_size"`
	LedgerRoot  suite.Hash    `json:"ledger_root"`
	LedgerSize  uint64        `json:"ledger_size"`
	Result      suite.Hash    `json:"result"` // SHA-256 of the file
	Groups      []GroupCounts `json:"groups"`
	NotCast     uint64        `json:"not_cast"` // issued and accepted, and not in the log
	Disputed    uint64        `json:"disputed"` // reports "not me" that the committee upholds
	Material    bool          `json:"material"` // whether those could change the outcome
	Sentence    string        `json:"sentence"`
	CertifiedAt int64         `json:"certified_at"`
}

// GroupCounts are the counts of a group, those on the roll and those not on it
// taken together but where "off" says otherwise. They show what the entitled
// are made of: roll_size + added - struck + accepted_off.
type GroupCounts struct {
	ID           suite.GroupID `json:"id"`
	RollSize     uint64        `json:"roll_size"` // of the manifest
	Added        uint64        `json:"added"`
	Struck       uint64        `json:"struck"`
	Entitled     uint64        `json:"entitled"`
	Issued       uint64        `json:"issued"`
	Cast         uint64        `json:"cast"`
	Deposited    uint64        `json:"deposited"`
	Accepted     uint64        `json:"accepted"`
	AcceptedOff  uint64        `json:"accepted_off"` // among the accepted
	Rejected     uint64        `json:"rejected"`
	Undecided    uint64        `json:"undecided"`
	UndecidedOff uint64        `json:"undecided_off"` // among the undecided
}

// check returns an error unless the counts add up. A reader who adds them up
// again must not come to another number of people entitled than the one that
// was judged by.
func (g *GroupCounts) check() error {
	if g.AcceptedOff > g.Accepted || g.UndecidedOff > g.Undecided || g.Accepted+g.Rejected+g.Undecided != g.Deposited {
		return errors.New("certifying: envelopes that do not add up")
	}
	// The first comparison keeps the difference in the second from wrapping.
	if g.Struck > g.RollSize+g.Added || g.Entitled != g.RollSize+g.Added-g.Struck+g.AcceptedOff {
		return errors.New("certifying: the entitled are not those on the roll, added, not struck, and accepted off it")
	}
	return nil
}

// Sum returns the counts of all groups taken together, under no number.
func Sum(groups []GroupCounts) (all GroupCounts) {
	for i := range groups {
		g := &groups[i]
		all.RollSize += g.RollSize
		all.Added += g.Added
		all.Struck += g.Struck
		all.Entitled += g.Entitled
		all.Issued += g.Issued
		all.Cast += g.Cast
		all.Deposited += g.Deposited
		all.Accepted += g.Accepted
		all.AcceptedOff += g.AcceptedOff
		all.Rejected += g.Rejected
		all.Undecided += g.Undecided
		all.UndecidedOff += g.UndecidedOff
	}
	return all
}

// A Final is what a certificate is about. The caller has verified all of it.
type Final struct {
	Manifest   *election.Manifest
	Close      Close
	LedgerRoot suite.Hash
	LedgerSize uint64
	Result     []byte        // the file
	Groups     []GroupCounts // of every group, ascending
}

// regroups reports whether ballots added or taken away might change which groups
// are counted together, where the rule looks at each set: then an outcome might
// change by joining or leaving others, which no look at one unit shows. It
// errs on the side of yes.
func (f *Final) regroups(add, remove uint64) bool {
	if !f.Manifest.Rule.PerGroup || len(f.Groups) < 2 {
		return false
	}
	least := uint64(f.Manifest.KMin)
	for i := range f.Groups {
		cast := f.Groups[i].Cast
		// A group below k_min joins others, and may stop or, from nothing, begin.
		if cast < least && add > 0 || cast < least+remove && remove > 0 {
			return true
		}
	}
	return false
}

// Certificate makes the certificate for the committee to sign. disputed is the
// committee's own count, at the moment of certification.
func (f *Final) Certificate(disputed uint64, at int64) (*Certificate, error) {
	r, err := ParseResult(f.Result)
	if err != nil {
		return nil, err
	}
	if r.MID != f.Close.MID || r.CloseRoot != f.Close.Root || r.CloseSize != f.Close.Size {
		return nil, errors.New("certifying: the result is of another election or another close")
	}
	if err := f.checkCounts(r); err != nil {
		return nil, err
	}
	var given, cast, undecided, strangers uint64
	for i := range f.Groups {
		g := &f.Groups[i]
		given += g.Issued + g.Accepted
		cast += g.Cast
		undecided += g.Undecided
		strangers += g.UndecidedOff
	}
	if cast > given {
		return nil, errors.New("certifying: more ballots than were issued and accepted")
	}
	c := &Certificate{
		MID: f.Close.MID, CloseRoot: f.Close.Root, CloseSize: f.Close.Size,
		LedgerRoot: f.LedgerRoot, LedgerSize: f.LedgerSize,
		Result: sha256.Sum256(f.Result), Groups: f.Groups,
		NotCast: given - cast, Disputed: disputed, Sentence: r.Sentence, CertifiedAt: at,
	}
	add := undecided + c.NotCast
	c.Material = f.regroups(add, disputed)
	for i := range r.Units {
		if outcome.Material(f.Manifest.Rule, r.Units[i].Unit(), add, disputed, strangers) {
			c.Material = true
		}
	}
	return c, nil
}

// checkCounts compares the counts with each other, with the manifest's groups
// and with the result, so that a certificate cannot say one thing in its groups
// and another in its result.
func (f *Final) checkCounts(r *Result) error {
	if len(f.Groups) != len(f.Manifest.Groups) {
		return errors.New("certifying: counts are not those of the manifest's groups")
	}
	counts := make(map[suite.GroupID]*GroupCounts, len(f.Groups))
	for i := range f.Groups {
		g, of := &f.Groups[i], &f.Manifest.Groups[i]
		if g.ID != of.ID || g.RollSize != uint64(of.RollSize) {
			return errors.New("certifying: counts are not those of the manifest's groups")
		}
		if err := g.check(); err != nil {
			return err
		}
		counts[g.ID] = g
	}
	left := make(map[suite.GroupID]bool)
	for i := range r.Units {
		u := r.Units[i].Unit()
		for _, id := range u.Groups {
			g := counts[id]
			if g == nil || left[id] {
				return errors.New("certifying: the result's groups are not the manifest's")
			}
			left[id] = true
			u.Entitled -= g.Entitled
			u.Cast -= g.Cast
		}
		if u.Entitled != 0 || u.Cast != 0 {
			return errors.New("certifying: the result's counts are not those of the groups")
		}
	}
	if len(left) != len(counts) {
		return errors.New("certifying: the result leaves out a group")
	}
	return nil
}

// Verify checks a certificate file: everything in it follows from the record,
// but for the number of disputes and the moment, which are the committee's
// word.
func (f *Final) Verify(certificate []byte) (*Certificate, error) {
	got, err := ParseCertificate(certificate)
	if err != nil {
		return nil, err
	}
	want, err := f.Certificate(got.Disputed, got.CertifiedAt)
	if err != nil {
		return nil, err
	}
	b, err := want.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(b, certificate) {
		return nil, errors.New("checking certificate: it is not what follows from the record")
	}
	return got, nil
}

// Encode returns the file, canonical JSON.
func (c *Certificate) Encode() ([]byte, error) {
	b, err := suite.EncodeJSON(c)
	if err != nil {
		return nil, fmt.Errorf("encoding certificate: %w", err)
	}
	return b, nil
}

// ParseCertificate reads what [Certificate.Encode] returned. That it is true is
// for [Final.Verify] to find.
func ParseCertificate(b []byte) (*Certificate, error) {
	c := new(Certificate)
	if err := suite.DecodeJSON(b, c); err != nil {
		return nil, fmt.Errorf("reading certificate: %w", err)
	}
	return c, nil
}

// CertificateMessage is what a member of the committee signs.
func CertificateMessage(mid suite.MID, certificate []byte) []byte {
	h := sha256.Sum256(certificate)
	return suite.Message("certificate", mid[:], h[:])
}

// SignCertificate signs with a key file.
func SignCertificate(priv ed25519.PrivateKey, mid suite.MID, certificate []byte) []byte {
	return ed25519.Sign(priv, CertificateMessage(mid, certificate))
}

// VerifyCertification checks the file `certification` against the committee
// that is in force after all acts.
func VerifyCertification(c *election.Committee, mid suite.MID, certificate, certification []byte) error {
	s, err := election.ParseSignatures(certification)
	if err != nil {
		return err
	}
	if err := c.Verify(CertificateMessage(mid, certificate), s.Signatures); err != nil {
		return fmt.Errorf("verifying certification: %w", err)
	}
	return nil
}
