package demo

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/teller"
	"strikevote/internal/witness"
)

// people are everybody but the members.
type people struct {
	committee   []ed25519.PrivateKey
	witnessSeed [32]byte
	witness     *tlog.WitnessSigner
	invitations []ceremony.Invitation
	tellers     []*teller.Teller
	copies      []*teller.Teller
}

const (
	nTellers    = 5
	tTellers    = 3
	passphrase  = "a demo keeps no secrets"
	witnessName = "witness.demo.example"
)

var (
	committeeNames = []string{"Committee member A", "Committee member B", "Committee member C"}
	tellerNames    = []string{"Teller 1", "Teller 2", "Teller 3", "Teller 4", "Teller 5"}
)

// newPeople makes the committee's and the witness's keys.
func newPeople() (people, error) {
	var p people
	for range committeeNames {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return p, fmt.Errorf("making a committee key: %w", err)
		}
		p.committee = append(p.committee, key)
	}
	rand.Read(p.witnessSeed[:])
	var err error
	p.witness, err = tlog.NewWitnessSigner(witnessName, p.witnessSeed)
	return p, err
}

// patience bounds how long the demo waits for another part of it.
const patience = 5 * time.Minute

// until asks again and again until done says so.
func until(ctx context.Context, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		ok, err := done(ctx)
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// ceremony lets five tellers make the key, each with a program and a key file
// of their own, all at once.
func (w *World) ceremony(ctx context.Context) error {
	w.o.Progress("tellers make the opening key", 0, nTellers)
	w.people.tellers = make([]*teller.Teller, nTellers)
	w.people.copies = make([]*teller.Teller, nTellers)
	var mu sync.Mutex
	ready := 0
	return all(nTellers, func(i int) error {
		path := filepath.Join(w.dir, fmt.Sprintf("teller-%d.key", i+1))
		t, err := teller.EnrollDemo(ctx, w.people.invitations[i], path, []byte(passphrase))
		if err != nil {
			return fmt.Errorf("teller %d: %w", i+1, err)
		}
		err = until(ctx, "the ceremony", func(ctx context.Context) (bool, error) {
			waiting, err := t.Advance(ctx)
			return waiting == "", err
		})
		if err != nil {
			return fmt.Errorf("teller %d: %w", i+1, err)
		}
		second, err := t.Copy(path+".copy", []byte(passphrase))
		if err != nil {
			return fmt.Errorf("teller %d: %w", i+1, err)
		}
		w.people.tellers[i], w.people.copies[i] = t, second
		mu.Lock()
		ready++
		w.o.Progress("tellers make the opening key", ready, nTellers)
		mu.Unlock()
		return nil
	})
}

// all runs f for 0 to n-1 at once and returns every error.
func all(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// drill lets every teller prove both copies of their key.
func (w *World) drill(ctx context.Context) error {
	return all(nTellers, func(i int) error {
		if err := teller.Drill(ctx, w.people.tellers[i], w.people.copies[i]); err != nil {
			return fmt.Errorf("teller %d: %w", i+1, err)
		}
		return nil
	})
}

// follow runs the witness until ctx ends.
func (w *World) follow(ctx context.Context) error {
	return witness.Follow(ctx, witness.Config{
		URL: w.d.Record(w.id), MID: &w.mid, Key: w.people.witness,
		Dir: filepath.Join(w.dir, "witness"), Interval: 150 * time.Millisecond, Log: w.o.Log,
	})
}

// signed fetches what the committee is asked to sign, lets two members sign it
// with their own keys, and sends the signatures.
func (w *World) signed(ctx context.Context, path string, message func(paper []byte) []byte) error {
	base := w.d.Origins().Console + "/v1/" + w.id.String() + path
	var paper []byte
	err := until(ctx, "what is to be signed", func(ctx context.Context) (bool, error) {
		var err error
		paper, err = request(ctx, http.MethodGet, base, nil)
		return err == nil, ignoreNotYet(err)
	})
	if err != nil {
		return err
	}
	for i, key := range w.people.committee[:2] {
		body, err := json.Marshal(election.MemberSignature{Member: uint8(i), Key: 0, Signature: ed25519.Sign(key, message(paper))})
		if err != nil {
			return fmt.Errorf("encoding signature: %w", err)
		}
		if _, err := request(ctx, http.MethodPost, base+"/signatures", body); err != nil {
			return fmt.Errorf("signing: %w", err)
		}
	}
	return nil
}

func (w *World) signCertificate(ctx context.Context) error {
	return w.signed(ctx, "/certificate", func(paper []byte) []byte {
		return tally.CertificateMessage(w.mid, paper)
	})
}

// act lets two members sign an act, and sends it to the registrar. The service
// brings it to the box once the witnesses have signed for it.
func (w *World) act(ctx context.Context, kind act.Kind, payload []byte) error {
	w.acts++
	sequence := w.acts
	a := &act.Act{Kind: kind, Sequence: sequence, Payload: payload}
	for i, key := range w.people.committee[:2] {
		a.Signatures = append(a.Signatures, act.Signature{Member: uint8(i), Key: 0, Bytes: act.SignEd25519(key, w.mid, kind, sequence, payload)})
	}
	if _, err := request(ctx, http.MethodPost, w.d.Origins().Registrar+"/v1/"+w.id.String()+"/acts", a.Bytes()); err != nil {
		return fmt.Errorf("sending act %d: %w", sequence, err)
	}
	return nil
}

// errNotYet is what the console answers while a step waits for others.
var errNotYet = errors.New("not yet")

func ignoreNotYet(err error) error {
	if errors.Is(err, errNotYet) {
		return nil
	}
	return err
}

func request(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making request: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reaching the service: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, suite.MaxFile))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the service's answer: %w", err)
	case resp.StatusCode == http.StatusTooEarly:
		return nil, errNotYet
	case resp.StatusCode/100 != 2:
		return nil, fmt.Errorf("the service answered %s: %s", resp.Status, bytes.TrimSpace(answer))
	}
	return answer, nil
}
