package signer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// Read fetches everything that was proposed to be signed. mid is the election
// that the member expects, and may be nil. zone is that of the moments in the
// words.
func (c *Console) Read(ctx context.Context, mid *suite.MID, zone *time.Location) (*Agenda, error) {
	var o agenda.Overview
	if err := c.list(ctx, "/agenda", &o); err != nil {
		return nil, err
	}
	for _, m := range o.Committee.Members {
		if election.CheckName(m.Name) != nil {
			return nil, errors.New("the service's answer makes no sense: a member of the committee has no name")
		}
	}
	a := &Agenda{Title: word(o.Title, 200), Phase: word(o.Phase, 20), record: o.Record}
	w := words{zone: zone}
	for _, read := range []func(context.Context, *Agenda, *agenda.Overview, words) error{c.readDeclaration, c.readManifest} {
		if err := read(ctx, a, &o, w); err != nil {
			return nil, err
		}
	}
	if mid != nil && (a.Manifest == nil || a.MID != *mid) {
		return nil, errors.New("the service shows another election than the one you mean; sign nothing, and call the others of the committee")
	}
	if a.Manifest == nil {
		return a, nil
	}
	committee, err := c.readActs(ctx, a, w)
	if err != nil {
		return nil, err
	}
	if err := c.readSlips(ctx, a, committee, w); err != nil {
		return nil, err
	}
	return a, c.readCertificate(ctx, a, &o, committee, w)
}

// paper fetches a paper, or nil where none is proposed, and what the overview
// says of it.
func (c *Console) paper(ctx context.Context, o *agenda.Overview, name string) (*Item, []byte, error) {
	body, err := c.get(ctx, "/"+name)
	if errors.Is(err, errNotYet) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("fetching the %s: %w", name, err)
	}
	i := &Item{Name: name, State: agenda.Open, path: "/" + name, Barred: -1}
	for _, p := range o.Papers {
		if p.Name == name {
			i.State, i.Signed = known(p.State), p.Signed
		}
	}
	return i, body, nil
}

func (c *Console) readDeclaration(ctx context.Context, a *Agenda, o *agenda.Overview, w words) error {
	i, body, err := c.paper(ctx, o, agenda.PaperDeclaration)
	if i == nil {
		return err
	}
	d, err := agenda.ParseDeclaration(body)
	if err != nil {
		return err
	}
	if d.ElectionID != c.election {
		return errors.New("the service shows the declaration of another election; sign nothing, and call the others of the committee")
	}
	i.Message, i.Words, i.Committee = agenda.DeclarationMessage(body), w.declaration(d), o.Committee
	a.Items = append(a.Items, i)
	return nil
}

func (c *Console) readManifest(ctx context.Context, a *Agenda, o *agenda.Overview, w words) error {
	i, body, err := c.paper(ctx, o, agenda.PaperManifest)
	if i == nil {
		return err
	}
	m, err := election.Parse(body)
	if err != nil {
		return fmt.Errorf("the proposed manifest breaks a rule, so that it must not be signed: %w", err)
	}
	if m.ElectionID != c.election {
		return errors.New("the service shows the manifest of another election; sign nothing, and call the others of the committee")
	}
	a.Manifest, a.MID = m, election.MID(body)
	i.Message, i.Words, i.Committee = election.SealMessage(a.MID), w.manifest(m, a.MID), m.Committee
	a.Items = append(a.Items, i)
	return nil
}

// readActs reads the acts and returns the committee in force. The service's list
// is read as one from which everything follows: which close an act moves, and
// whose signatures count.
func (c *Console) readActs(ctx context.Context, a *Agenda, w words) (election.Committee, error) {
	state := act.NewState(a.Manifest, a.MID)
	now := state.Committee
	var list agenda.Acts
	err := c.list(ctx, "/acts", &list)
	if errors.Is(err, errNotYet) {
		return now, nil
	}
	if err != nil {
		return now, err
	}
	if list.MID != a.MID {
		return now, errors.New("the service's acts are of another manifest than the one it shows; sign nothing, and call the others of the committee")
	}
	for _, one := range list.Acts {
		i := &Item{
			Name: fmt.Sprintf("act:%d", one.Sequence), State: known(one.State), Reason: word(one.Reason, maxMessage), Signed: one.Signed,
			Committee: state.Clone().Committee, path: fmt.Sprintf("/acts/%d", one.Sequence), Barred: -1,
			Message: act.Message(a.MID, one.Kind, one.Sequence, one.Payload),
		}
		proposed := &act.Act{Kind: one.Kind, Sequence: one.Sequence, Payload: one.Payload}
		if payload, err := proposed.Decode(); err == nil {
			i.Words = w.act(a.Manifest, state, payload)
			if r, ok := payload.(act.Replace); ok {
				i.Barred = int(r.Member)
			}
		}
		switch one.State {
		case agenda.Open, agenda.Signed, agenda.Applied:
			if err := state.Foresee(proposed); err != nil {
				return now, fmt.Errorf("the service's list of acts makes no sense: %w", err)
			}
		}
		if one.State == agenda.Applied {
			now = state.Clone().Committee
		}
		a.Items = append(a.Items, i)
	}
	return now, nil
}

func (c *Console) readSlips(ctx context.Context, a *Agenda, committee election.Committee, w words) error {
	var list agenda.AllSlips
	err := c.list(ctx, "/slips", &list)
	if errors.Is(err, errNotYet) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, one := range list.Slips {
		s, err := agenda.ParseSlips(one.Body)
		if err != nil {
			return err
		}
		if s.MID != a.MID {
			return errors.New("the service shows slips of another election; sign nothing, and call the others of the committee")
		}
		a.Items = append(a.Items, &Item{
			Name: fmt.Sprintf("slips:%d", s.Number), State: known(one.State), Signed: one.Signed, Committee: committee,
			path: fmt.Sprintf("/slips/%d", s.Number), Barred: -1,
			Message: agenda.SlipsMessage(a.MID, one.Body), Words: w.slips(s),
		})
	}
	return nil
}

func (c *Console) readCertificate(ctx context.Context, a *Agenda, o *agenda.Overview, committee election.Committee, w words) error {
	i, body, err := c.paper(ctx, o, agenda.PaperCertificate)
	if i == nil {
		return err
	}
	cert, err := tally.ParseCertificate(body)
	if err != nil {
		return err
	}
	if cert.MID != a.MID {
		return errors.New("the service shows the certificate of another election; sign nothing, and call the others of the committee")
	}
	result, why := a.result(ctx, cert)
	i.Message, i.Words = tally.CertificateMessage(a.MID, body), w.certificate(a.Manifest, cert, result, why)
	i.Committee, i.body = committee, body
	a.Items = append(a.Items, i)
	return nil
}

// result reads the result that a certificate names, by its hash, from the public
// record: the certificate has no totals. Where it cannot be had, why says so; what
// is signed is verified all the same.
func (a *Agenda) result(ctx context.Context, c *tally.Certificate) (r *tally.Result, why string) {
	const missing = "The totals cannot be shown: the public record does not answer now."
	// A path would be one on this computer.
	if !strings.HasPrefix(a.record, "https://") && !strings.HasPrefix(a.record, "http://") {
		return nil, missing
	}
	fsys, closer, err := record.Open(ctx, a.record)
	if err != nil {
		return nil, missing
	}
	defer closer.Close()
	b, err := fs.ReadFile(fsys, layout.Result)
	if err != nil {
		return nil, missing
	}
	if sha256.Sum256(b) != c.Result {
		return nil, "The totals cannot be shown: the public record has another result than the certificate names.\nDo not sign it, and call the others of the committee."
	}
	if r, err = tally.ParseResult(b); err != nil || !fits(a.Manifest, r) {
		return nil, "The totals cannot be shown: the result is not one of this election.\nDo not sign it, and call the others of the committee."
	}
	return r, ""
}
