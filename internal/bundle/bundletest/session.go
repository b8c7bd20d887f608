package bundletest

import (
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/protocol/token"
)

// A Session is what services answer to one voter. Everything that the voter's
// page makes follows from the recovery code, so that the answers can be made
// before.
type Session struct {
	Booth        string         `json:"booth"`
	Manifest     string         `json:"manifest"`
	Checkpoint   string         `json:"checkpoint"` // of size 1, of the ledger
	Link         string         `json:"link"`
	EnvelopeOnly string         `json:"envelope_only"` // a link
	Code         string         `json:"code"`
	RecoveryCode string         `json:"recovery_code"`
	Typed        string         `json:"typed"`
	Choices      []int          `json:"choices"`
	ID           suite.BallotID `json:"id"`
	Z            string         `json:"z"`
	Answer       string         `json:"answer"`
	Promise      suite.Bytes    `json:"promise"`
	Proof        string         `json:"proof"`
	Envelope     string         `json:"envelope"` // proof of the ballot as one that came in an envelope
	// Cosigned and of the right logs, and no proof of this manifest or envelope.
	WrongCheckpoints []string `json:"wrong_checkpoints"`
	WrongEnvelopes   []string `json:"wrong_envelopes"`
}

// sessionCase plays the services to one voter.
func sessionCase(t testing.TB) Session {
	t.Helper()
	m, keys := electiontest.Manifest(t)
	file, mid := electiontest.Encode(t, m)
	key, err := m.Key()
	if err != nil {
		t.Fatal(err)
	}
	c := &ballot.Context{MID: mid, Group: 1, Key: key, Options: m.Options()}
	secret := ballot.NewSecret()
	v := Session{
		Booth: m.Origins.Booth, Manifest: string(file), Choices: []int{1}, Typed: "words of my own",
		RecoveryCode: secret.RecoveryCode(),
	}
	sealed, err := ballot.Seal(c, secret, v.Typed, ballot.Choices{1})
	if err != nil {
		t.Fatal(err)
	}
	v.ID = sealed.ID
	body := token.Body{Kind: token.KindMember, Election: m.ElectionID, Group: 1, Index: 3, JTI: token.JTI{1}, Expires: m.Schedule.TokenExpires()}
	v.Link = token.Link(v.Booth, token.Mint(keys.Token, body), mid)
	v.Code = token.MakeCode([32]byte{5}, body).Reveal()
	body.Kind = token.KindEnvelope
	v.EnvelopeOnly = token.Link(v.Booth, token.Mint(keys.Token, body), mid)
	v.answer(t, mid, keys, sealed)
	return v
}

// answer makes what the services answer to one ballot.
func (v *Session) answer(t testing.TB, mid suite.MID, keys electiontest.Keys, sealed *ballot.Sealed) {
	t.Helper()
	msg := credential.Message(mid, 1, sealed.ID)
	request, err := credential.Blind(keys.Issuers[1].Public(), msg, sealed.OKM)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := keys.Issuers[1].Sign(request.Z[:])
	if err != nil {
		t.Fatal(err)
	}
	signature, err := request.Finalize(answer[:])
	if err != nil {
		t.Fatal(err)
	}
	v.Z, v.Answer = base64.RawURLEncoding.EncodeToString(request.Z[:]), base64.RawURLEncoding.EncodeToString(answer[:])
	promise := receipt.SignPromise(keys.Promise, mid, sealed.ID)
	v.Promise = promise[:]
	other, err := keys.Issuers[1].SignMessage(msg)
	if err != nil {
		t.Fatal(err)
	}
	first := tlog.LeafHash(ledger.ManifestEntry(mid))
	v.Checkpoint = string(checkpoint(keys.Ledger, 1, first, keys.Witnesses))
	v.Proof = prove(t, keys, first, slices.Concat(sealed.Body, signature[:]), false)
	v.Envelope = prove(t, keys, first, slices.Concat(sealed.Body, other[:]), true)
	for _, cast := range [][]byte{
		slices.Concat(sealed.Body, flip(other[:], 100)),
		append(flip(sealed.Body, 80), other[:]...),
		sealed.Body,
	} {
		v.WrongEnvelopes = append(v.WrongEnvelopes, prove(t, keys, first, cast, true))
	}
	v.WrongCheckpoints = []string{
		string(checkpoint(keys.Ledger, 2, first, keys.Witnesses)),
		string(checkpoint(keys.Ledger, 1, tlog.LeafHash(ledger.ManifestEntry(suite.MID{1})), keys.Witnesses)),
		string(checkpoint(keys.Ballots, 1, first, keys.Witnesses)),
		string(checkpoint(keys.Ledger, 1, first, keys.Witnesses[:1])),
	}
}

func checkpoint(log *tlog.LogSigner, size int64, root suite.Hash, witnesses []*tlog.WitnessSigner) []byte {
	c := tlog.Checkpoint{Origin: log.Key().Name(), Size: size, Root: root}
	note := log.Sign(c)
	for _, w := range witnesses {
		note = append(note, w.Cosign(c.Text(), time.Unix(electiontest.Open, 0))...)
	}
	return note
}

// prove publishes a ballot behind one other, and proves it.
func prove(t testing.TB, keys electiontest.Keys, first suite.Hash, cast []byte, extra bool) string {
	t.Helper()
	entry := ledger.BallotEntry(cast)
	log := new(tlog.Tree)
	for _, leaf := range []suite.Hash{first, tlog.LeafHash(ledger.BallotEntry([]byte("another"))), tlog.LeafHash(entry)} {
		log.Append(leaf)
	}
	note := checkpoint(keys.Ballots, log.Size(), log.Root(), keys.Witnesses)
	var shown []byte
	if extra {
		shown = entry
	}
	p, err := tlog.Prove(log.Size(), 2, log.Reader(), note, shown)
	if err != nil {
		t.Fatal(err)
	}
	return string(p.Bytes())
}
