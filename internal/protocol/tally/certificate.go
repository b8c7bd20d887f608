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
// taken together.
type GroupCounts struct {
	ID        suite.GroupID `json:"id"`
	Entitled  uint64        `json:"entitled"` // roll_size + added - struck + accepted_off
	Issued    uint64        `json:"issued"`
	Cast      uint64        `json:"cast"`
	Deposited uint64        `json:"deposited"`
	Accepted  uint64        `json:"accepted"`
	Rejected  uint64        `json:"rejected"`
	Undecided uint64        `json:"undecided"`
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
	var given, cast, undecided uint64
	for i := range f.Groups {
		g := &f.Groups[i]
		given += g.Issued + g.Accepted
		cast += g.Cast
		undecided += g.Undecided
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
	for i := range r.Units {
		if outcome.Material(f.Manifest.Rule, r.Units[i].Unit(), undecided+c.NotCast, disputed) {
			c.Material = true
		}
	}
	return c, nil
}

// checkCounts compares the counts with the manifest's groups and with the
// result, so that a certificate cannot say one thing in its groups and another
// in its result.
func (f *Final) checkCounts(r *Result) error {
	if len(f.Groups) != len(f.Manifest.Groups) {
		return errors.New("certifying: counts are not those of the manifest's groups")
	}
	counts := make(map[suite.GroupID]*GroupCounts, len(f.Groups))
	for i := range f.Groups {
		if f.Groups[i].ID != f.Manifest.Groups[i].ID {
			return errors.New("certifying: counts are not those of the manifest's groups")
		}
		counts[f.Groups[i].ID] = &f.Groups[i]
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
