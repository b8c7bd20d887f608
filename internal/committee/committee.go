// Package committee is the side of the service that the people who hold the
// vote use: the list of elections, what is agreed before sealing, the tellers'
// ceremony, and the signatures that seal, change and certify.
//
// It carries messages and collects signatures; it is trusted with none of them.
// It never sees a token, a ballot, a teller's secret or a member's name, and
// everything that it publishes is verified by others from the record.
//
// What is sent is kept once: the same message again is fine, another one in its
// place is refused, so that a lost reply is harmless and nothing is replaced.
// Sections 13 to 16 and 19 of internal/protocol/SPEC.md.
package committee

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
)

var (
	// ErrUnknown is returned for an election or a teller that is not here.
	ErrUnknown = errors.New("there is no such election here")
	// ErrNoPaper is returned for an act or a permission that nobody proposed.
	ErrNoPaper = errors.New("nothing with this number was proposed; look at the list again")
	// ErrEnrollment is returned for a wrong enrollment word.
	ErrEnrollment = errors.New("the enrollment word is not the one of this teller")
	// ErrConflict is returned when something else was sent before.
	ErrConflict = errors.New("something else was sent for this step before; it cannot be replaced")
	// ErrNotYet is returned when a step waits for others.
	ErrNotYet = errors.New("this step waits for others; try again later")
)

// A RefusedError says why something that was sent is not accepted. Its text is
// safe to show.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// A Publisher keeps files of the public record beside the logs. PutFile with
// the same bytes again is not an error, with others it is.
type Publisher interface {
	PutFile(ctx context.Context, path string, body []byte) error
}

// Config holds what a [Service] needs. All fields are required but Roll, without
// which nothing can be sealed.
type Config struct {
	Pool *pgxpool.Pool // deployment database, as the committee's role
	Log  *slog.Logger
	Now  func() time.Time
	// Status says where a sealed election stands. ok is false before sealing.
	Status func(ctx context.Context, id suite.ElectionID) (s Status, ok bool)
	// Roll returns an error unless the roll is the one in a manifest that is about to
	// be fixed. No other is imported while it runs, see [Service.Regroup].
	Roll func(ctx context.Context, m *election.Manifest) error
}

// A Status is what the rest of the service says of a sealed election.
type Status struct {
	Manifest *election.Manifest
	MID      suite.MID
	Phase    string
	Record   string    // URL of its public record
	Files    Publisher // the board
	// Acts returns the acts that the registrar has applied, in their order. It
	// decides what is applied, so that two processes agree.
	Acts func(ctx context.Context) ([][]byte, error)
}

// A Service serves every election of a deployment. It is safe for concurrent use.
type Service struct {
	c     Config
	store store
	locks memory
}

// New returns a Service.
func New(c Config) *Service {
	return &Service{c: c, store: store{c.Pool, c.Pool}, locks: newMemory()}
}

// Elections returns the ids of all elections, oldest first.
func (s *Service) Elections(ctx context.Context) ([]suite.ElectionID, error) {
	return s.store.elections(ctx)
}

// Create notes a new election and its tellers, and returns the invitations to
// hand to them. The draft is a manifest in which what only others can know (the
// roll, the keys) is still empty.
func (s *Service) Create(ctx context.Context, draft *election.Manifest) ([]ceremony.Invitation, error) {
	id, t := draft.ElectionID, draft.Tellers
	if len(draft.Title) == 0 || t.T < 1 || t.T > t.N || t.N > share.MaxTeller || len(t.Names) != int(t.N) {
		return nil, errors.New("creating election: the draft has no title, or its tellers do not fit one another")
	}
	body, err := json.Marshal(draft)
	if err != nil {
		return nil, fmt.Errorf("encoding draft: %w", err)
	}
	var fresh [32]byte
	rand.Read(fresh[:]) // never fails
	var tellers []enrolled
	var invitations []ceremony.Invitation
	for i := range t.N {
		var word [10]byte
		rand.Read(word[:])
		enrollment := suite.Group4(suite.Base32(word[:], 80))
		tellers = append(tellers, enrolled{number: i + 1, name: t.Names[i], hash: enrollmentHash(id, i+1, enrollment)})
		invitations = append(invitations, ceremony.Invitation{
			Console: draft.Origins.Console, Election: id, Number: i + 1, Enrollment: enrollment,
		})
	}
	made := func(tx store) error { return s.note(ctx, tx, id, byOperator, "election made", "") }
	if err := s.store.create(ctx, draft, body, tellers, fresh[:], s.c.Now(), made); err != nil {
		return nil, fmt.Errorf("creating election: %w", err)
	}
	return invitations, nil
}

// enrollmentHash is what is stored of an enrollment word, which has 80 bits, so
// that a plain hash cannot be searched.
func enrollmentHash(id suite.ElectionID, number uint8, enrollment string) []byte {
	h := suite.H("enrollment", id[:], suite.U8(number), []byte(suite.CleanBase32(enrollment)))
	return h[:]
}

// Draft returns the election as it was created.
func (s *Service) Draft(ctx context.Context, id suite.ElectionID) (*election.Manifest, error) {
	return s.store.readDraft(ctx, id)
}

func (s store) readDraft(ctx context.Context, id suite.ElectionID) (*election.Manifest, error) {
	return parseDraft(s.draft(ctx, id))
}

func parseDraft(body []byte, err error) (*election.Manifest, error) {
	if err != nil {
		return nil, err
	}
	m := new(election.Manifest)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("reading draft: %w", err)
	}
	return m, nil
}

// Groups returns the groups that an election was created with, before any was
// pooled.
func (s *Service) Groups(ctx context.Context, id suite.ElectionID) ([]election.Group, error) {
	return s.store.groups(ctx, id)
}

func (s store) groups(ctx context.Context, id suite.ElectionID) ([]election.Group, error) {
	m, err := parseDraft(s.created(ctx, id))
	if err != nil {
		return nil, err
	}
	return m.Groups, nil
}

// authenticate checks a teller's enrollment word.
func (s *Service) authenticate(ctx context.Context, id suite.ElectionID, number uint8, enrollment string) error {
	want, err := s.store.enrollment(ctx, id, number)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(want, enrollmentHash(id, number, enrollment)) != 1 {
		return ErrEnrollment
	}
	return nil
}
