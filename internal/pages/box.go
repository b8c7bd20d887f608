package pages

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// A boxPage is where a tracker is looked for. The tracker comes by POST: an address
// is kept by browsers and written down by whatever stands in between, and who holds a
// tracker beside it has tied a network to a ballot. Nothing of it is kept.
type boxPage struct {
	*view
	Empty     bool
	Size      int64
	Confirmed int // witnesses who cosigned the newest checkpoint
	Witnesses int
	Moment    int64
	Logs      []boxLog
	Script    asset

	State   string // "", or how the search ended
	Tracker string // as typed, or as it is written where it was found
	Signs   int    // as many letters and digits as were typed
}

// The ends of a search.
const (
	boxFound   = "found"
	boxUnknown = "unknown"
	boxLater   = "later" // nobody can say yet: no witnesses have confirmed what is there
	boxCode    = "code"
	boxLength  = "length"
	boxLetters = "letters"
)

// A boxLog is a log as auditors look at it.
type boxLog struct {
	Name      string
	Size      int64
	Path      string
	Witnesses []boxWitness
}

type boxWitness struct {
	Name string
	Seen int64 // 0: not under this checkpoint
}

func boxOf(s *Site, ctx context.Context, v *view) (any, error) { return s.box(ctx, v) }

func (s *Site) box(ctx context.Context, v *view) (*boxPage, error) {
	p := &boxPage{view: v, Script: hashed.Box, Empty: true, Witnesses: len(v.Manifest.Witnesses.Keys)}
	for _, name := range []string{layout.Ballots, layout.Ledger} {
		if err := ignoreAbsent(p.look(ctx, name)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// look reads the newest checkpoint of a log and who cosigned it.
func (p *boxPage) look(ctx context.Context, name string) error {
	policy, err := p.Manifest.BallotsPolicy()
	if name == layout.Ledger {
		policy, err = p.Manifest.LedgerPolicy()
	}
	if err != nil {
		return err
	}
	note, err := p.record.Resource(ctx, layout.Checkpoint(name))
	if err != nil {
		return err
	}
	opened, err := policy.OpenLog(note)
	if err != nil {
		return err
	}
	l := boxLog{Name: name, Size: opened.Checkpoint.Size, Path: p.Record() + "/" + layout.Checkpoint(name)}
	seen := make(map[string]int64)
	for _, c := range opened.Cosignatures {
		seen[c.Witness] = c.Time
	}
	for _, key := range policy.Witnesses {
		l.Witnesses = append(l.Witnesses, boxWitness{key.Name(), seen[key.Name()]})
	}
	p.Logs = append(p.Logs, l)
	if name != layout.Ballots {
		return nil
	}
	// The manifest's entry is no ballot, and neither is the last one of a box that is
	// closed.
	ballots := opened.Checkpoint.Size - 1
	if p.Has(layout.StatementBox) {
		ballots--
	}
	p.Size, p.Empty = max(0, ballots), ballots < 1
	p.Confirmed, p.Moment = len(opened.Cosignatures), 0
	if p.Confirmed >= policy.Threshold {
		p.Moment = opened.Moment(policy.Threshold)
	}
	return nil
}

// postBox looks for a tracker. It answers a program, which is the page's own script
// or somebody's, with the entry and the proof, and a reader with a page.
func (s *Site) postBox(w http.ResponseWriter, r *http.Request) error {
	v, err := s.view(r)
	if err != nil {
		return err
	}
	v.Path = "box"
	if err := r.ParseForm(); err != nil {
		return ErrNotFound
	}
	typed := r.PostForm.Get("tracker")
	state, signs, prefix := readTracker(typed)
	var hit *tlog.Proof
	if state == "" {
		hit, err = s.trackersOf(v.ID).find(r.Context(), v.record, v.Manifest, prefix)
		if errors.Is(err, ErrNotFound) {
			// Nobody is told that a ballot is not there because a part of the log is not.
			err = errors.New("looking for a ballot: a part of the log is missing")
		}
		switch {
		case errors.Is(err, errUnseen):
			state = boxLater
		case err != nil:
			return err
		case hit != nil:
			state = boxFound
		default:
			state = boxUnknown
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case strings.Contains(r.Header.Get("Accept"), "application/json"):
		answerTracker(w, state, hit)
		return nil
	case hit != nil && r.PostForm.Get("proof") != "":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="proof.txt"`)
		_, _ = w.Write(hit.Bytes()) // the reader went away
		return nil
	}
	p, err := s.box(r.Context(), v)
	if err != nil {
		return err
	}
	p.State, p.Signs = state, signs
	if !p.Wrong() {
		p.Tracker = suite.Group4(suite.CleanBase32(typed))
	}
	w.Header().Set("Content-Security-Policy", policyOf("box", v))
	return renderAs(w, r, http.StatusOK, "box", p, "no-store")
}

// answerTracker answers a program.
func answerTracker(w http.ResponseWriter, state string, hit *tlog.Proof) {
	answer := struct {
		State string `json:"state"`
		Proof string `json:"proof,omitempty"`
	}{State: state}
	if hit != nil {
		answer.Proof = string(hit.Bytes())
	}
	web.WriteJSON(w, http.StatusOK, answer)
}

// readTracker reads what somebody typed. A code has one sign more than a tracker, and
// is what opens a ballot: it is refused by its length alone, and looked up nowhere.
func readTracker(typed string) (state string, signs int, prefix []byte) {
	const tracker, code = 20, 21
	switch signs = utf8.RuneCountInString(suite.CleanBase32(typed)); signs {
	case code:
		return boxCode, signs, nil
	case tracker:
	default:
		return boxLength, signs, nil
	}
	prefix, err := receipt.ParseTracker(typed)
	if err != nil {
		return boxLetters, signs, nil
	}
	return "", signs, prefix
}

// trackersOf returns what finds ballots of an election.
func (s *Site) trackersOf(id suite.ElectionID) *trackers {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil {
		s.found = make(map[suite.ElectionID]*trackers)
	}
	t := s.found[id]
	if t == nil {
		t = new(trackers)
		s.found[id] = t
	}
	return t
}

// A problem is what can be wrong with what was typed. Pattern is its text for a number
// that the page's script counts.
type problem struct{ State, Text, Pattern string }

// Problems lists them: the page's script shows the same words.
func (p *boxPage) Problems() []problem {
	return []problem{
		{boxCode, p.Text("results.box.code"), ""},
		{boxLength, p.Text("results.box.length", "n", p.Signs), p.Text("results.box.length", "n", "{n}")},
		{boxLetters, p.Text("results.box.letters"), ""},
	}
}

// Wrong reports whether what was typed is no tracker.
func (p *boxPage) Wrong() bool {
	return p.State == boxCode || p.State == boxLength || p.State == boxLetters
}

// Filling reports whether ballots that were received may still be on their way into the
// box: then it alarms nobody that one is not there.
func (p *boxPage) Filling() bool { return !p.Locked() && !p.Acts.Cancelled }

// Find is where the box itself is asked for a ballot that is not in it yet.
func (p *boxPage) Find() string { return p.Manifest.Origins.Box + "/v1/" + p.ID.String() + "/find" }
