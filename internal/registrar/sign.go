package registrar

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"runtime"
	"sync"

	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// queuePerWorker is how many requests may wait for one worker. A signature
// takes some milliseconds, so the last of them waits about half a second.
const queuePerWorker = 100

// A signer makes blind signatures, a few at a time: however many ask at once,
// the rest of the service keeps its share of the processors.
type signer struct {
	admitted chan struct{} // one for each request under way
	slots    chan struct{} // one for each signature being made
	ranges   map[suite.GroupID]keyRange

	mu   sync.RWMutex // held for writing while wiping
	keys map[suite.GroupID]*issuer.Key
}

// A keyRange are the modulus and the modulus less one.
type keyRange struct{ n, minus1 []byte }

func newSigner(m *election.Manifest, keys map[suite.GroupID]*issuer.Key, workers int) (*signer, error) {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	s := &signer{
		admitted: make(chan struct{}, workers*queuePerWorker),
		slots:    make(chan struct{}, workers),
		ranges:   map[suite.GroupID]keyRange{},
		keys:     map[suite.GroupID]*issuer.Key{},
	}
	for _, g := range m.Groups {
		pk, err := m.IssuerKey(g.ID)
		if err != nil {
			return nil, err
		}
		if k := keys[g.ID]; k != nil {
			if !k.Public().Equal(pk) {
				return nil, fmt.Errorf("the issuer key of group %d is not the manifest's", g.ID)
			}
			s.keys[g.ID] = k
		}
		spki := pk.Bytes()
		n := spki[len(spki)-5-credential.Size : len(spki)-5]
		minus1 := new(big.Int).Sub(new(big.Int).SetBytes(n), big.NewInt(1))
		s.ranges[g.ID] = keyRange{n, minus1.Bytes()}
	}
	return s, nil
}

// enter admits a request, or returns [ErrBusy] at once: before anything is used
// up, and before a flood holds every connection to the database.
func (s *signer) enter() (leave func(), err error) {
	select {
	case s.admitted <- struct{}{}:
		return func() { <-s.admitted }, nil
	default:
		return nil, ErrBusy
	}
}

// check returns [ErrRequest] for what the issuer would refuse (SPEC 7). It is
// asked before a member is used up.
func (s *signer) check(g suite.GroupID, z []byte) error {
	k, ok := s.ranges[g]
	one := make([]byte, credential.Size)
	one[credential.Size-1] = 1
	if !ok || len(z) != credential.Size || bytes.Compare(z, one) <= 0 || bytes.Compare(z, k.minus1) >= 0 {
		return ErrRequest
	}
	return nil
}

// sign signs, when a worker is free.
func (s *signer) sign(ctx context.Context, g suite.GroupID, z []byte) (answer [credential.Size]byte, err error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return answer, ctx.Err()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := s.keys[g]
	if k == nil {
		return answer, fmt.Errorf("there is no issuer key of group %d", g)
	}
	if answer, err = k.Sign(z); err != nil {
		return answer, fmt.Errorf("signing: %w", err)
	}
	return answer, nil
}

func (s *signer) wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g, k := range s.keys {
		k.Wipe()
		delete(s.keys, g)
	}
}

// signMessage signs an accepted envelope's message in the clear.
func (s *signer) signMessage(g suite.GroupID, msg []byte) (credential.Signature, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := s.keys[g]
	if k == nil {
		return credential.Signature{}, fmt.Errorf("there is no issuer key of group %d", g)
	}
	return k.SignMessage(msg)
}
