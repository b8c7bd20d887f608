package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/record/layout"
)

// say makes a sentence of the report.
func say(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// open reads the manifest, without which nothing can be checked, and sees how
// far the record goes.
func (a *auditor) open() error {
	raw, err := a.read(layout.Manifest)
	if errors.Is(err, errMissing) {
		return layout.ErrNoManifest
	}
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if a.m, err = layout.ParseManifest(raw); err != nil {
		return err
	}
	a.mid = election.MID(raw)
	a.r.Manifest, a.r.MID = a.m, a.mid
	a.r.Election = Election{ID: a.m.ElectionID, Title: a.m.Title[0], MID: a.mid, Words: election.SixWords(a.mid)}
	if a.stage, err = a.findStage(); err != nil {
		return err
	}
	a.r.Stage = a.stage
	a.check("manifest", func(*auditor, *finding) string {
		return say("It keeps every rule of section 3. Its six words are: %s.", a.r.Election.Words)
	})
	return nil
}

// findStage is the last stage of which any file is present (section 17).
func (a *auditor) findStage() (layout.Stage, error) {
	last := layout.Shape{Manifest: a.m, Stage: layout.Certified}
	files := append(last.May(), layout.Result, layout.Certificate, layout.Certification)
	stage := layout.Locked
	for _, path := range files {
		there, err := a.present(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		if late := layout.Late(path); there && late.Rank() > stage.Rank() {
			stage = late
		}
	}
	return stage, nil
}

func (a *auditor) checkMID(f *finding) string {
	if a.o.MID == nil {
		return "None was given to compare with. A record proves itself only against a mid, or six words, " +
			"that you have from elsewhere: a mail, a notice board."
	}
	if *a.o.MID != a.mid {
		f.fault(18, layout.Manifest, "its mid is %s, not %s that was asked for: it is another election", a.mid, *a.o.MID)
	}
	return "The manifest is the one that was asked for."
}

func (a *auditor) checkSealing(f *finding) string {
	file, err := a.read(layout.Sealing)
	if err == nil {
		err = a.m.VerifySealing(a.mid, file)
	}
	if err != nil {
		f.fail(3, layout.Sealing, err)
	}
	return say("At least %d of the committee signed this manifest.", a.m.Committee.Quorum)
}

// checkFiles compares the files that are there with those that have to be.
func (a *auditor) checkFiles(f *finding) string {
	if a.entries == nil || a.ballots == nil {
		f.cannot("which files belong to a record depends on both logs, and they do not hold")
		return ""
	}
	shape := layout.Shape{
		Manifest: a.m, Stage: a.stage, Acts: len(a.entries.acts),
		LedgerSize: int64(len(a.ledger.leaves)), BallotsSize: int64(len(a.ballots.leaves)),
	}
	known := make(map[string]bool)
	for _, path := range shape.May() {
		known[path] = true
	}
	n := 0
	for path := range shape.Must() {
		known[path] = true
		n++
		if there, err := a.present(path); err != nil {
			f.fail(17, path, err)
		} else if !there {
			f.fail(17, path, errMissing)
		}
	}
	if _, remote := a.fsys.(layout.Remote); remote {
		return say("All %d are there. Whether there are others cannot be seen over the network.", n)
	}
	a.checkExtra(f, known)
	return say("All %d are there, and no others.", n)
}

// checkExtra reports files that do not belong to the record: somebody might
// take them for a part of it.
func (a *auditor) checkExtra(f *finding, known map[string]bool) {
	err := fs.WalkDir(a.fsys, ".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case a.ctx.Err() != nil:
			return a.ctx.Err()
		case e.IsDir():
		case !e.Type().IsRegular():
			f.fault(17, fmt.Sprintf("%q", path), "it is not a plain file")
		case !known[path]:
			f.fault(17, fmt.Sprintf("%q", path), "no such file belongs to a record of this stage (%s)", a.stage)
		}
		return nil
	})
	if err != nil {
		f.fail(17, ".", &sourceError{err})
	}
}

// checkStage compares the stage with what the caller demands, and a cancelled
// election with what it may have.
func (a *auditor) checkStage(f *finding) string {
	want := a.o.Stage
	// A cancelled election is not a locked one that may still be opened, so
	// that whoever demands locked and goes on to open is refused.
	other := (want == layout.Cancelled) != (a.r.Stage == layout.Cancelled)
	switch {
	case want == "":
	case want.Rank() == 0:
		f.fault(17, "record", "there is no stage %q", want)
	case other || want.Rank() > a.r.Stage.Rank():
		f.fault(17, "record", "it is %s, and %s was asked for", a.r.Stage, want)
	}
	if a.acts != nil && a.acts.Cancelled && a.stage != layout.Locked {
		f.fault(17, "record", "a cancelled election has no shares and no result, and files of the stage %s are there", a.stage)
	}
	return say("It is %s.", a.r.Stage)
}

// checkCeremony checks that the key belongs to the tellers and to nobody else:
// all n signed the transcript that it comes from.
func (a *auditor) checkCeremony(f *finding) string {
	var files [3][]byte
	for i, path := range []string{layout.CeremonyFresh, layout.CeremonyTranscript, layout.CeremonySignatures} {
		var err error
		if files[i], err = a.read(path); err != nil {
			f.fail(13, path, err)
			return ""
		}
	}
	fresh, transcript, signatures := files[0], files[1], files[2]
	if len(fresh) != 32 {
		f.fault(13, layout.CeremonyFresh, "it has %d bytes, not 32", len(fresh))
		return ""
	}
	if dkg.CertificateHash(transcript, signatures) != a.m.Tellers.Certificate {
		f.fault(13, layout.CeremonyTranscript, "the manifest names another certificate")
	}
	t, err := dkg.VerifyCertificate(transcript, signatures)
	if err != nil {
		f.fail(13, layout.CeremonyTranscript, err)
		return ""
	}
	a.compareCeremony(f, t, [32]byte(fresh))
	return say("All %d tellers proved and signed how the key was made; any %d of them can open a sum.", a.m.Tellers.N, a.m.Tellers.T)
}

// compareCeremony ties the transcript to this election and its manifest.
func (a *auditor) compareCeremony(f *finding, t *dkg.Transcript, fresh [32]byte) {
	static, ok := points(a.m.Tellers.StaticKeys)
	if !ok {
		f.fault(13, layout.Manifest, "a static key is not a point")
		return
	}
	path := layout.CeremonyTranscript
	if !slices.Equal(t.Context, dkg.Context(a.m.ElectionID, fresh, a.m.Tellers.T, static)) {
		f.fault(13, path, "its context is not that of this election and ceremony/fresh")
	}
	if !slices.Equal(t.Extension, dkg.Extension(a.m.ElectionID, a.m.Tellers.T, static)) {
		f.fault(13, path, "its extension is not that of this election")
	}
	if t.T != int(a.m.Tellers.T) {
		f.fault(13, path, "its threshold is %d, the manifest's is %d", t.T, a.m.Tellers.T)
	}
	if !slices.EqualFunc(t.Static, static, (*group.Element).Equal) {
		f.fault(13, path, "its tellers are not the manifest's")
	}
	if election.Point(t.Key().Bytes()) != a.m.Tellers.Key {
		f.fault(13, path, "its key is not the manifest's")
	}
	shares, ok := points(a.m.Tellers.Shares)
	if !ok || !slices.EqualFunc(t.Shares(), shares, (*group.Element).Equal) {
		f.fault(13, path, "its keys of the tellers are not the manifest's")
	}
}

func points(list []election.Point) ([]*group.Element, bool) {
	var out []*group.Element
	for _, p := range list {
		e, err := p.Element()
		if err != nil {
			return nil, false
		}
		out = append(out, e)
	}
	return out, true
}

// checkDrill checks that every teller showed, before the voting, that both
// copies of its key work.
func (a *auditor) checkDrill(f *finding) string {
	key, err := a.m.Key()
	if err != nil {
		f.fail(13, layout.Manifest, err)
		return ""
	}
	for i := 1; i <= int(a.m.Tellers.N); i++ {
		path := layout.Drill(i)
		if err := a.drill(path, i, key); err != nil {
			f.fail(13, path, err)
		}
	}
	return say("All %d tellers answered from both copies of their keys.", a.m.Tellers.N)
}

func (a *auditor) drill(path string, i int, key *group.Element) error {
	b, err := a.read(path)
	if err != nil {
		return err
	}
	d, err := share.ParseDrill(b)
	if err != nil {
		return err
	}
	if int(d.Teller) != i {
		return fmt.Errorf("it is the file of teller %d", d.Teller)
	}
	own, err := a.m.TellerKey(i)
	if err != nil {
		return err
	}
	return d.Verify(a.m.ElectionID, key, own)
}
