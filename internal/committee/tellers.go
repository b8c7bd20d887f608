package committee

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
)

// State returns what a teller's program needs to go on.
func (s *Service) State(ctx context.Context, id suite.ElectionID) (*ceremony.State, error) {
	draft, err := s.Draft(ctx, id)
	if err != nil {
		return nil, err
	}
	session, fresh, err := s.store.session(ctx, id)
	if err != nil {
		return nil, err
	}
	n := int(draft.Tellers.N)
	st := &ceremony.State{
		ElectionID: id, Title: draft.Title[0], N: draft.Tellers.N, T: draft.Tellers.T,
		Names: draft.Tellers.Names, Session: session, Fresh: fresh,
		Drilled: make([]bool, n), Shared: make([]bool, n), Phase: "draft",
	}
	for round, list := range map[ceremony.Round]*[]suite.Bytes{
		ceremony.RoundKey: &st.Keys, ceremony.RoundMessage: &st.Messages, ceremony.RoundSignature: &st.Signatures,
	} {
		got, err := s.store.all(ctx, id, session, string(round))
		if err != nil {
			return nil, err
		}
		for i := range n {
			// Never nil: nil would be written as null.
			*list = append(*list, append(suite.Bytes{}, got[uint8(i+1)]...))
		}
	}
	for round, list := range map[ceremony.Round][]bool{ceremony.RoundDrill: st.Drilled, ceremony.RoundShares: st.Shared} {
		numbers, err := s.store.senders(ctx, id, session, string(round))
		if err != nil {
			return nil, err
		}
		for _, i := range numbers {
			list[i-1] = true
		}
	}
	if status, ok := s.c.Status(ctx, id); ok {
		st.MID, st.Record, st.Phase = status.MID.String(), status.Record, status.Phase
	}
	return st, nil
}

// Accept keeps what a teller sends for a round, after the checks that a
// coordinator can make. A teller's program makes them all again itself.
func (s *Service) Accept(ctx context.Context, id suite.ElectionID, number uint8, round ceremony.Round, p *ceremony.Post) error {
	if err := s.authenticate(ctx, id, number, p.Enrollment); err != nil {
		return err
	}
	st, err := s.State(ctx, id)
	if err != nil {
		return err
	}
	if p.Session != st.Session {
		return &RefusedError{fmt.Errorf("the ceremony was started again (it is session %d now); start again too", st.Session)}
	}
	switch round {
	case ceremony.RoundKey:
		err = checkKey(st, number, p.Body)
	case ceremony.RoundMessage:
		err = checkMessage(st, number, p.Body)
	case ceremony.RoundSignature:
		err = checkSignature(st, number, p.Body)
	case ceremony.RoundDrill:
		err = checkDrill(st, number, p.Body)
	case ceremony.RoundShares:
		err = s.checkShares(ctx, st, number, p.Body)
	case ceremony.RoundStatement:
		err = s.checkStatement(ctx, st, number, p.Body)
	default:
		return ErrUnknown
	}
	if err != nil {
		return err
	}
	return s.keep(ctx, place{id, st.Session, string(round), number}, p.Body)
}

// keep keeps what was checked.
func (s *Service) keep(ctx context.Context, at place, body []byte) error {
	switch ceremony.Round(at.round) {
	case ceremony.RoundDrill, ceremony.RoundShares:
		// Their proofs are drawn anew each time, so a teller whose answer was
		// lost sends other bytes that say the same. The first are kept.
		_, err := s.store.first(ctx, at, body)
		return err
	case ceremony.RoundStatement:
		if err := s.store.put(ctx, at, body); err != nil {
			return err
		}
		return s.publishStatements(ctx, at)
	}
	return s.store.put(ctx, at, body)
}

// Restart begins the ceremony again with fresh randomness: a teller's computer
// was lost before sealing. All keys of the session before are dead, and so is a
// manifest that names them.
func (s *Service) Restart(ctx context.Context, id suite.ElectionID) error {
	fresh := make([]byte, 32)
	rand.Read(fresh) // never fails
	return s.store.alone(ctx, id, func(tx store) error {
		session, _, err := tx.session(ctx, id)
		if err != nil {
			return err
		}
		_, err = tx.get(ctx, place{id, session, manifestPaper.fixed, 0})
		if err == nil {
			return &RefusedError{errors.New("the election is sealed; its tellers' key cannot change any more")}
		}
		if !errors.Is(err, ErrNotYet) {
			return err
		}
		return tx.put(ctx, place{id, session + 1, roundFresh, 0}, fresh)
	})
}

func checkKey(st *ceremony.State, number uint8, body []byte) error {
	if _, err := group.DecodeElement(body); err != nil {
		return &RefusedError{fmt.Errorf("reading teller's key: %w", err)}
	}
	for i, k := range st.Keys {
		if i+1 != int(number) && string(k) == string(body) {
			return &RefusedError{errors.New("another teller sent this key")}
		}
	}
	return nil
}

// setup returns the ceremony's parameters once every key is there.
func setup(st *ceremony.State) (*dkg.Setup, error) {
	if !ceremony.Complete(st.Keys) {
		return nil, ErrNotYet
	}
	return st.Setup()
}

func checkMessage(st *ceremony.State, number uint8, body []byte) error {
	su, err := setup(st)
	if err != nil {
		return err
	}
	if err := dkg.CheckMessage(su, int(number), body); err != nil {
		return &RefusedError{err}
	}
	return nil
}

// transcript rebuilds the ceremony's transcript from the messages.
func transcript(st *ceremony.State) ([]byte, error) {
	su, err := setup(st)
	if err != nil {
		return nil, err
	}
	if !ceremony.Complete(st.Messages) {
		return nil, ErrNotYet
	}
	msgs := make([][]byte, len(st.Messages))
	for i, m := range st.Messages {
		msgs[i] = m
	}
	t, err := dkg.TranscriptOf(su, msgs)
	if err != nil {
		return nil, err
	}
	return t.Bytes(), nil
}

func checkSignature(st *ceremony.State, number uint8, body []byte) error {
	t, err := transcript(st)
	if err != nil {
		return err
	}
	pk, err := group.DecodeElement(st.Keys[number-1])
	if err != nil {
		return &RefusedError{err}
	}
	if err := dkg.Verify(pk, t, body); err != nil {
		return &RefusedError{fmt.Errorf("checking signature over the transcript: %w", err)}
	}
	return nil
}

// A Ceremony is what a finished ceremony leaves for the record.
type Ceremony struct {
	Fresh, Transcript, Signatures []byte
	Parsed                        *dkg.Transcript
	Drills                        [][]byte // by teller; nil where not there yet
	session                       uint32
}

// Ceremony returns the finished ceremony, or [ErrNotYet].
func (s *Service) Ceremony(ctx context.Context, id suite.ElectionID) (*Ceremony, error) {
	st, err := s.State(ctx, id)
	if err != nil {
		return nil, err
	}
	if !ceremony.Complete(st.Signatures) {
		return nil, ErrNotYet
	}
	t, err := transcript(st)
	if err != nil {
		return nil, err
	}
	c := &Ceremony{Fresh: st.Fresh, Transcript: t, Signatures: ceremony.Joined(st.Signatures), session: st.Session}
	if c.Parsed, err = dkg.VerifyCertificate(c.Transcript, c.Signatures); err != nil {
		return nil, fmt.Errorf("checking the ceremony's certificate: %w", err)
	}
	drills, err := s.store.all(ctx, id, st.Session, string(ceremony.RoundDrill))
	if err != nil {
		return nil, err
	}
	for i := range st.N {
		c.Drills = append(c.Drills, drills[i+1])
	}
	return c, nil
}

// Tellers returns what the manifest says of the tellers after the ceremony.
func (c *Ceremony) Tellers(draft election.Tellers) election.Tellers {
	point := func(e *group.Element) election.Point { return election.Point(e.Bytes()) }
	draft.StaticKeys, draft.Shares = nil, nil
	for i, k := range c.Parsed.Static {
		draft.StaticKeys = append(draft.StaticKeys, point(k))
		draft.Shares = append(draft.Shares, point(c.Parsed.Shares()[i]))
	}
	draft.Key = point(c.Parsed.Key())
	draft.Certificate = dkg.CertificateHash(c.Transcript, c.Signatures)
	return draft
}

func checkDrill(st *ceremony.State, number uint8, body []byte) error {
	if !ceremony.Complete(st.Signatures) {
		return ErrNotYet
	}
	t, err := transcript(st)
	if err != nil {
		return err
	}
	parsed, err := dkg.ParseTranscript(t)
	if err != nil {
		return &RefusedError{err}
	}
	f, err := share.ParseDrill(body)
	if err != nil {
		return &RefusedError{fmt.Errorf("reading drill: %w", err)}
	}
	if f.Teller != number {
		return &RefusedError{fmt.Errorf("the drill is of teller %d", f.Teller)}
	}
	if err := f.Verify(st.ElectionID, parsed.Key(), parsed.Shares()[number-1]); err != nil {
		return &RefusedError{fmt.Errorf("checking drill: %w", err)}
	}
	return nil
}
