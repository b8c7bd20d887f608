// Package voter is the voter's program: what the page in a browser does, in Go,
// for the command line, for tests, and for those who distrust a browser.
//
// It seals the ballot on the voter's own device, checks everything that the
// service says, and tells no server what was chosen. It must never send a
// choice, the secret that seals it, or the unblinded credential to the
// registrar, nor the token to the box (SPEC.md sections 6 to 8).
package voter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/protocol/token"
)

var (
	// ErrOtherElection is returned when the service shows another manifest
	// than the link names: either may be forged.
	ErrOtherElection = errors.New("the service shows another election than your link names; do not vote, and call the committee")
	// ErrNotWitnessed is returned when no independent witness has seen the
	// election's manifest.
	ErrNotWitnessed = errors.New("the independent witnesses have not confirmed this election; do not vote, and call the committee")
)

// An Election is an election as a voter's program sees it: the manifest that
// the link names, confirmed by the witnesses. It is safe for concurrent use.
type Election struct {
	Manifest *election.Manifest
	MID      suite.MID
	Standing Standing
	client   *http.Client

	mu       sync.Mutex
	contexts map[suite.GroupID]*ballot.Context // guarded by mu
}

// A Standing is where an election stood when it was fetched, by the booth's word,
// which nobody has signed: it is to be shown, and nothing is decided by it. The phase
// is empty where the booth did not say.
type Standing struct {
	Phase election.Phase
	Close int64 // in force
}

// readStanding reads what the booth says beside the manifest. So nobody who only looks
// has to ask the registrar, and with a token at that.
func readStanding(m *election.Manifest, header http.Header) Standing {
	var said Standing
	s := m.Schedule
	if json.Unmarshal([]byte(header.Get("Strikevote-Phase")), &said) != nil || said.Close <= s.Open || said.Close > s.LatestClose {
		return Standing{}
	}
	return said
}

// Fetch reads an election's manifest from the booth, checks that it is the one
// that mid names, and that enough witnesses have seen it in the ledger. Without
// this a voter could be shown a manifest of their own, with an issuer key or a
// tellers' key that nobody else has (THREATS.md).
func Fetch(ctx context.Context, client *http.Client, booth string, id suite.ElectionID, mid suite.MID) (*Election, error) {
	return fetch(ctx, client, booth, id, func(got suite.MID) bool { return got == mid })
}

func fetch(ctx context.Context, client *http.Client, booth string, id suite.ElectionID, wanted func(suite.MID) bool) (*Election, error) {
	client = safe(client)
	body, header, err := getHeader(ctx, client, place{theBooth, booth + "/v1/" + id.String() + "/manifest"}, suite.MaxFile)
	if err != nil {
		return nil, fmt.Errorf("fetching the election: %w", err)
	}
	mid := election.MID(body)
	if !wanted(mid) {
		return nil, ErrOtherElection
	}
	m, err := election.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("reading the election: %w", err)
	}
	if m.ElectionID != id || m.Origins.Booth != booth {
		return nil, ErrOtherElection
	}
	e := &Election{Manifest: m, MID: mid, Standing: readStanding(m, header), client: client, contexts: make(map[suite.GroupID]*ballot.Context)}
	if err := e.checkWitnessed(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// checkWitnessed checks that the first entry of the ledger, as the witnesses
// cosigned it, is this manifest.
func (e *Election) checkWitnessed(ctx context.Context) error {
	note, err := get(ctx, e.client, place{theBoard, e.board() + "/ledger/checkpoint-1"}, tlog.MaxNote)
	if err != nil {
		return fmt.Errorf("asking for the witnesses' signatures: %w", err)
	}
	policy, err := e.Manifest.LedgerPolicy()
	if err != nil {
		return fmt.Errorf("reading the election: %w", err)
	}
	opened, err := policy.Open(note)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotWitnessed, err)
	}
	// The root of a tree of one leaf is the leaf's hash.
	if opened.Checkpoint.Size != 1 || opened.Checkpoint.Root != tlog.LeafHash(ledger.ManifestEntry(e.MID)) {
		return ErrNotWitnessed
	}
	return nil
}

func (e *Election) board() string {
	return e.Manifest.Origins.Board + "/" + e.Manifest.ElectionID.String()
}

// context returns what a ballot of a group is sealed for.
func (e *Election) context(g suite.GroupID) (*ballot.Context, error) {
	if e.Manifest.Group(g) == nil {
		return nil, errors.New("the link is of a unit that does not vote in this election")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.contexts[g]; c != nil {
		return c, nil
	}
	key, err := e.Manifest.Key()
	if err != nil {
		return nil, fmt.Errorf("reading the election: %w", err)
	}
	c := &ballot.Context{MID: e.MID, Group: g, Key: key, Options: e.Manifest.Options()}
	c.Prepare()
	e.contexts[g] = c
	return c, nil
}

// A Session is one voter's way through one election. It is not safe for
// concurrent use. It redacts itself.
type Session struct {
	*Election
	shown  shown
	group  suite.GroupID // 0 while a code has not been asked about
	memory Memory
	// only is set where the registrar takes nothing but an envelope.
	only   bool
	state  state
	sealed *ballot.Sealed // what state was made from, if in this run
	// kept is the ballot that memory holds, or zero. It may have been asked
	// for, and then it is the only one that this link ever gets.
	kept suite.BallotID
	// unissued is set when the registrar has said in this run that nothing is
	// issued on the link, and nothing was asked for since.
	unissued bool
}

// Format redacts the session under every verb: it holds the link and the choice.
func (*Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[voter's session]") }

// Open reads a link, fetches its election, and takes up what an earlier,
// interrupted run left in memory.
func Open(ctx context.Context, client *http.Client, link string, memory Memory) (*Session, error) {
	booth, _, body, mid, err := token.ParseLink(strings.TrimSpace(link))
	if err != nil {
		return nil, err
	}
	e, err := Fetch(ctx, client, booth, body.Election, mid)
	if err != nil {
		return nil, err
	}
	return e.Session(link, memory)
}

// Session opens a further link of the same election.
func (e *Election) Session(link string, memory Memory) (*Session, error) {
	_, tok, body, mid, err := token.ParseLink(strings.TrimSpace(link))
	if err != nil {
		return nil, err
	}
	if mid != e.MID || body.Election != e.Manifest.ElectionID {
		return nil, ErrOtherElection
	}
	s := &Session{Election: e, shown: shown{token: tok}, group: body.Group, memory: memory, only: body.Kind == token.KindEnvelope}
	if _, err := e.context(body.Group); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// Group returns the unit that the link votes in; nil for a code before
// [Session.Status].
func (s *Session) Group() *election.Group { return s.Manifest.Group(s.group) }

// EnvelopeOnly reports whether the link opens an envelope and nothing else. Of a
// code it is known after [Session.Status].
func (s *Session) EnvelopeOnly() bool { return s.only }

// InEnvelope reports whether the ballot on this device is, or is to be, in an
// envelope.
func (s *Session) InEnvelope() bool { return s.state.Envelope }

// Stage says how far this voter has come on this device.
func (s *Session) Stage() Stage { return s.state.Stage }

// Kept reports whether this device keeps something of the link.
func (s *Session) Kept() bool { return s.kept != suite.BallotID{} }

// Tracker returns the sealed ballot's id, once there is one.
func (s *Session) Tracker() (suite.BallotID, bool) {
	return s.state.BallotID, s.state.Stage != StageNew
}

// Choices returns what was chosen, as long as this device knows it: until the
// box has promised.
func (s *Session) Choices() ballot.Choices {
	return ballot.Choices(slices.Clone(s.state.Choices))
}

// RecoveryCode returns the code with which the ballot can be finished on
// another device. Whoever has it can see what was chosen.
func (s *Session) RecoveryCode() (string, error) {
	if len(s.state.Secret) != len(ballot.Secret{}) {
		return "", errors.New("there is no unfinished ballot on this device")
	}
	return ballot.Secret(s.state.Secret).RecoveryCode(), nil
}

// Seal seals the choices on this device. Nothing is sent. typed is optional
// text of the voter's own that goes into the randomness. A ballot that was
// sealed and not asked for is sealed anew; one that was may have been issued, and
// is then the only one, so [Session.Status] has to say first that it was not.
func (s *Session) Seal(choices ballot.Choices, typed string) error {
	if s.state.Stage == StageSealed && s.kept != (suite.BallotID{}) && !s.unissued {
		return errBegun
	}
	return s.SealWith(ballot.NewSecret(), choices, typed)
}

var errBegun = errors.New("a ballot was begun on this device and may have been issued; finish it, it cannot be changed any more")

// SealWith is [Session.Seal] with the secret of a recovery code: the same code
// and the same choices make the same ballot, on any device.
func (s *Session) SealWith(secret ballot.Secret, choices ballot.Choices, typed string) error {
	if s.state.Stage != StageNew && s.state.Stage != StageSealed {
		return errors.New("a ballot was already issued for this link; it cannot be changed any more")
	}
	c, err := s.context(s.group)
	if err != nil {
		return err
	}
	sealed, err := ballot.Seal(c, secret, typed, choices)
	if err != nil {
		return fmt.Errorf("sealing the ballot: %w", err)
	}
	s.sealed = sealed
	s.state = state{
		Stage: StageSealed, MID: s.MID, Group: s.group, Secret: secret[:], Typed: typed,
		Choices: bytes.Clone(choices), Body: sealed.Body, BallotID: sealed.ID,
	}
	return nil
}

// A Test is what testing the device reveals: everything the sealed ballot is
// made of, to be recomputed on a second device.
type Test struct {
	BallotID     suite.BallotID
	RecoveryCode string
	Typed        string
	Body         []byte
}

// Test reveals how the sealed ballot was made (Benaloh's challenge). That
// ballot is then dead: the voter chooses and seals again. One that was asked for
// is not tested: it would be the voter's only one.
func (s *Session) Test() (*Test, error) {
	if s.state.Stage != StageSealed {
		return nil, errors.New("only a ballot that was sealed and not yet issued can be tested")
	}
	if s.kept != (suite.BallotID{}) {
		return nil, errBegun
	}
	t := &Test{
		BallotID: s.state.BallotID, RecoveryCode: ballot.Secret(s.state.Secret).RecoveryCode(),
		Typed: s.state.Typed, Body: s.state.Body,
	}
	s.state, s.sealed = state{}, nil
	return t, nil
}

// Check recomputes a test on this device: it returns the choices that the
// revealed code seals to the revealed ballot, or an error if none does. The
// ballot must be the one whose tracker was shown before the test: a device that
// may choose what it opens afterwards proves nothing.
func (e *Election) Check(g suite.GroupID, t *Test) (ballot.Choices, error) {
	c, err := e.context(g)
	if err != nil {
		return nil, err
	}
	secret, err := ballot.ParseRecoveryCode(t.RecoveryCode)
	if err != nil {
		return nil, err
	}
	b, err := ballot.Parse(t.Body)
	if err != nil {
		return nil, err
	}
	if b.ID() != t.BallotID {
		return nil, errors.New("the test opens another ballot than the one that was sealed")
	}
	return ballot.Open(c, secret, t.Typed, t.Body)
}

// request blinds the sealed ballot's credential. It is deterministic, so that
// an interrupted run asks for the same one again.
func (s *Session) request() (*credential.Request, error) {
	if err := s.reseal(); err != nil {
		return nil, err
	}
	pk, err := s.Manifest.IssuerKey(s.group)
	if err != nil {
		return nil, fmt.Errorf("reading the election: %w", err)
	}
	req, err := credential.Blind(pk, credential.Message(s.MID, s.group, s.sealed.ID), s.sealed.OKM)
	if err != nil {
		return nil, fmt.Errorf("preparing the ballot: %w", err)
	}
	return req, nil
}

// reseal makes the ballot of an interrupted run again from what was kept.
func (s *Session) reseal() error {
	if s.sealed != nil {
		return nil
	}
	c, err := s.context(s.group)
	if err != nil {
		return err
	}
	sealed, err := ballot.Seal(c, ballot.Secret(s.state.Secret), s.state.Typed, ballot.Choices(s.state.Choices))
	if err != nil {
		return fmt.Errorf("sealing the ballot: %w", err)
	}
	if sealed.ID != s.state.BallotID {
		return errors.New("what this device kept of the ballot is damaged")
	}
	s.sealed = sealed
	return nil
}
