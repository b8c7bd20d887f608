package signer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"strikevote/internal/agenda"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record/layout"
	"strikevote/internal/signer"
)

// newOpened is an election whose result is published, with its acts, and whose
// certificate the service proposes.
func newOpened(t *testing.T) (*world, *audittest.Election, audittest.Files) {
	t.Helper()
	e, files := audittest.Record(t, audittest.Options{Stage: layout.Opened, Ballots: 5})
	w := &world{t: t}
	w.serve(e.Manifest)
	w.propose(e.Raw)
	for _, entry := range e.Entries {
		if entry.Bytes[0] == 5 {
			w.acts = append(w.acts, entry.Bytes[1:])
		}
	}
	server := httptest.NewServer(http.FileServerFS(fstest.MapFS(files)))
	t.Cleanup(server.Close)
	w.set(election.PhaseTallied, server.URL)
	result := files[layout.Result].Data
	w.must(w.service.ProposeCertificate(t.Context(), e.Manifest.ElectionID, result, 1, audittest.Certified))
	return w, e, files
}

// TestCertificate shows a certificate, verifies the public record for it, and
// signs it.
func TestCertificate(t *testing.T) {
	t.Parallel()
	w, e, files := newOpened(t)
	c, a := w.read()
	i := a.Items[len(a.Items)-1]
	if i.Name != agenda.PaperCertificate {
		t.Fatalf("got %+v", i)
	}
	body, err := w.service.Certificate(t.Context(), e.Manifest.ElectionID)
	w.must(err)
	cert, err := tally.ParseCertificate(body)
	w.must(err)
	material := "could not change the outcome"
	if cert.Material {
		material = "MATERIAL"
	}
	w.says(i.Name, cert.Sentence, e.Manifest.Groups[0].Name, "uphold: 1", material, election.SixWords(e.MID))
	showsTotals(w, e, cert, files)
	steps := 0
	w.must(a.Verify(t.Context(), i, func(string, int, int) { steps++ }))
	if steps == 0 {
		t.Error("nothing was said about progress")
	}
	if err := a.Verify(t.Context(), a.Items[0], nil); err == nil {
		t.Errorf("%s was verified as a certificate", a.Items[0].Name)
	}
	// The committee is the one after all acts.
	state := act.NewState(e.Manifest, e.MID)
	for _, body := range w.acts {
		one, err := act.Parse(body)
		w.must(err)
		w.must(state.Apply(one))
	}
	if !reflect.DeepEqual(i.Committee, state.Committee) {
		t.Errorf("got %v", i.Committee)
	}
	for n, private := range e.Committee {
		path := filepath.Join(t.TempDir(), fmt.Sprint(n))
		w.must(signer.Keep(path, pass, private))
		k, err := signer.Open(path, pass)
		w.must(err)
		w.must(c.Sign(t.Context(), i, k, ""))
	}
	if _, err := w.service.Certification(t.Context(), e.Manifest.ElectionID); err != nil {
		t.Error(err)
	}
}

// showsTotals demands the totals with what each percentage is of, the turnout and
// the watermark; and that a record with another result, or none, is told.
func showsTotals(w *world, e *audittest.Election, cert *tally.Certificate, files audittest.Files) {
	w.t.Helper()
	r, err := tally.ParseResult(files[layout.Result].Data)
	w.must(err)
	want := []string{"\"Not me\" is the report of a member", "It means that", "Envelopes: ", "Rule: authorized if", " yes and no votes ("}
	if e.Manifest.Demo {
		want = append(want, "DEMO. This is not a real vote.")
	}
	var entitled, cast uint64
	for _, g := range cert.Groups {
		entitled, cast = entitled+g.Entitled, cast+g.Cast
	}
	want = append(want, fmt.Sprintf("Turnout: %d of %d people entitled cast a ballot (%.1f%%).", cast, entitled, 100*float64(cast)/float64(entitled)))
	for _, set := range r.Sets {
		for q, votes := range set.Votes {
			for i, n := range votes {
				o := e.Manifest.Questions[q].Options[i]
				want = append(want, fmt.Sprintf("%8d of %d ballots (%.1f%% of the ballots)  %s (%s)\n", n, set.Count, 100*float64(n)/float64(set.Count), o.Text[0], o.Role))
			}
		}
	}
	w.says(agenda.PaperCertificate, want...)
	other := maps.Clone(files)
	other[layout.Result] = &fstest.MapFile{Data: append(bytes.Clone(files[layout.Result].Data), ' ')}
	before := w.status.Record
	for said, record := range map[string]fstest.MapFS{"another result than the certificate names": fstest.MapFS(other), "does not answer now": {}} {
		server := httptest.NewServer(http.FileServerFS(record))
		w.set(election.PhaseTallied, server.URL)
		w.says(agenda.PaperCertificate, said, cert.Sentence)
		server.Close()
	}
	w.set(election.PhaseTallied, w.t.TempDir()) // a folder of this computer is not opened
	w.says(agenda.PaperCertificate, "does not answer now")
	w.set(election.PhaseTallied, before)
}

// TestFalseCertificate proposes certificates, and serves records, that are not
// what they should be.
func TestFalseCertificate(t *testing.T) {
	t.Parallel()
	w, e, files := newOpened(t)
	good, err := w.service.Certificate(t.Context(), e.Manifest.ElectionID)
	w.must(err)
	with := func(change func(*tally.Certificate)) *signer.Agenda {
		t.Helper()
		cert, err := tally.ParseCertificate(good)
		w.must(err)
		change(cert)
		b, err := cert.Encode()
		w.must(err)
		c := w.proxy(func(path string, body []byte) []byte {
			if path == "/certificate" {
				return b
			}
			return body
		})
		a, err := c.Read(t.Context(), nil, zone)
		w.must(err)
		return a
	}
	verify := func(a *signer.Agenda) error {
		return a.Verify(t.Context(), a.Items[len(a.Items)-1], nil)
	}
	w.must(verify(with(func(*tally.Certificate) {})))
	// What is the committee's own word may be another.
	w.must(verify(with(func(c *tally.Certificate) { c.CertifiedAt++ })))
	for name, change := range map[string]func(*tally.Certificate){
		"sentence":    func(c *tally.Certificate) { c.Sentence = "The members do not." },
		"material":    func(c *tally.Certificate) { c.Material = !c.Material },
		"not cast":    func(c *tally.Certificate) { c.NotCast++ },
		"a count":     func(c *tally.Certificate) { c.Groups[0].Cast++ },
		"entitled":    func(c *tally.Certificate) { c.Groups[0].Entitled++ },
		"result":      func(c *tally.Certificate) { c.Result[0]++ },
		"close root":  func(c *tally.Certificate) { c.CloseRoot[0]++ },
		"close size":  func(c *tally.Certificate) { c.CloseSize++ },
		"ledger root": func(c *tally.Certificate) { c.LedgerRoot[0]++ },
		"ledger size": func(c *tally.Certificate) { c.LedgerSize++ },
	} {
		wrong := new(signer.FalseError)
		if err := verify(with(change)); !errors.As(err, &wrong) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	a, err := w.proxy(func(path string, body []byte) []byte {
		if path == "/certificate" {
			return []byte(strings.Replace(string(body), e.MID.String(), strings.Repeat("0", 64), 1))
		}
		return body
	}).Read(t.Context(), nil, zone)
	if err == nil || !strings.Contains(err.Error(), "another election") {
		t.Errorf("another election: got %v, %v", a, err)
	}
	// A record in which one bit is another.
	flipped := fstest.MapFS{}
	for name, f := range files {
		flipped[name] = &fstest.MapFile{Data: append([]byte{}, f.Data...)}
	}
	flipped[layout.Result].Data[len(flipped[layout.Result].Data)/2] ^= 1
	server := httptest.NewServer(http.FileServerFS(flipped))
	defer server.Close()
	w.set(election.PhaseTallied, server.URL)
	_, a = w.read()
	wrong := new(signer.FalseError)
	if err := verify(a); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "does not hold") {
		t.Errorf("a flipped bit: got %v", err)
	}
	// No record at all is no false one.
	server.Close()
	if err := verify(a); err == nil || errors.As(err, &wrong) {
		t.Errorf("no record: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Verify(ctx, a.Items[len(a.Items)-1], nil); err == nil {
		t.Error("an interrupted verification holds")
	}
}

// TestStrangeResult reads results that name what the manifest does not have:
// their numbers are not shown.
func TestStrangeResult(t *testing.T) {
	t.Parallel()
	w, e, files := newOpened(t)
	good, err := w.service.Certificate(t.Context(), e.Manifest.ElectionID)
	w.must(err)
	words := func(change func(*tally.Result)) string {
		t.Helper()
		r, err := tally.ParseResult(files[layout.Result].Data)
		w.must(err)
		change(r)
		b, err := r.Encode()
		w.must(err)
		cert, err := tally.ParseCertificate(good)
		w.must(err)
		cert.Result = sha256.Sum256(b)
		body, err := cert.Encode()
		w.must(err)
		other := maps.Clone(files)
		other[layout.Result] = &fstest.MapFile{Data: b}
		server := httptest.NewServer(http.FileServerFS(fstest.MapFS(other)))
		defer server.Close()
		w.set(election.PhaseTallied, server.URL)
		a, err := w.proxy(func(path string, b []byte) []byte {
			if path == "/certificate" {
				return body
			}
			return b
		}).Read(t.Context(), nil, zone)
		w.must(err)
		return a.Items[len(a.Items)-1].Words
	}
	const refused = "the result is not one of this election"
	if said := words(func(*tally.Result) {}); strings.Contains(said, refused) || !strings.Contains(said, "\nRule: ") {
		t.Errorf("the control: %s", said)
	}
	for name, change := range map[string]func(*tally.Result){
		"a group of a set":   func(r *tally.Result) { r.Sets[0].Groups = append(r.Sets[0].Groups, 999) },
		"a group of a unit":  func(r *tally.Result) { r.Units[0].Groups = append(r.Units[0].Groups, 999) },
		"another unit":       func(r *tally.Result) { r.Units[len(r.Units)-1].Groups = []suite.GroupID{999} },
		"a question more":    func(r *tally.Result) { r.Sets[0].Votes = append(r.Sets[0].Votes, r.Sets[0].Votes[0]) },
		"an option too many": func(r *tally.Result) { r.Sets[0].Votes[0] = append(r.Sets[0].Votes[0], 1) },
	} {
		if said := words(change); !strings.Contains(said, refused) || strings.Contains(said, "\nRule: ") {
			t.Errorf("%s: %s", name, said)
		}
	}
}

// TestNothingLeft verifies certificates, and leaves no record on this computer.
func TestNothingLeft(t *testing.T) {
	w, _, files := newOpened(t)
	_, a := w.read()
	certificate := a.Items[len(a.Items)-1]
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary) // of this process: not at once with other tests
	t.Setenv("TMP", temporary)
	empty := func(when string) {
		t.Helper()
		if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
			t.Errorf("%s: got %v, %v", when, left, err)
		}
	}
	seen := 0
	w.must(a.Verify(t.Context(), certificate, func(step string, _, _ int) {
		if left, err := os.ReadDir(temporary); step == "downloading the record" && err == nil {
			seen += len(left)
		}
	}))
	if seen == 0 {
		t.Error("the control: it is kept elsewhere meanwhile")
	}
	empty("verified")
	flipped := maps.Clone(files)
	flipped[layout.Result] = &fstest.MapFile{Data: append(bytes.Clone(files[layout.Result].Data), ' ')}
	for name, record := range map[string]fstest.MapFS{"false": fstest.MapFS(flipped), "none": {}} {
		server := httptest.NewServer(http.FileServerFS(record))
		w.set(election.PhaseTallied, server.URL)
		_, a := w.read()
		if err := a.Verify(t.Context(), a.Items[len(a.Items)-1], nil); err == nil {
			t.Errorf("%s: it holds", name)
		}
		server.Close()
		empty(name)
	}
}
