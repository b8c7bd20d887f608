package main

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// sample is the file that election sample writes: it explains itself.
//
//go:embed sample.json
var sample []byte

// An electionFile is what a committee writes down of an election: JSON, with lines
// that begin with // as notes.
type electionFile struct {
	Languages []string            `json:"languages"`
	Title     []string            `json:"title"`
	Statement []string            `json:"statement"`
	Questions []election.Question `json:"questions"`
	Rule      json.RawMessage     `json:"rule"` // a preset's name, or a rule
	Groups    []fileGroup         `json:"groups"`
	Tellers   struct {
		Needed uint8    `json:"needed"`
		Names  []string `json:"names"`
	} `json:"tellers"`
	Committee struct {
		Quorum  uint8  `json:"quorum"`
		RPID    string `json:"passkey_domain"`
		Members []struct {
			Name string   `json:"name"`
			Keys []string `json:"keys"`
		} `json:"members"`
	} `json:"committee"`
	Schedule struct {
		Zone         string  `json:"zone"`
		Open         string  `json:"open"`
		Close        string  `json:"close"`
		LatestClose  string  `json:"latest_close"`
		DecideUntil  string  `json:"decide_until"`
		GraceMinutes float64 `json:"grace_minutes"`
	} `json:"schedule"`
	SmallestCount uint32              `json:"smallest_count"`
	Factor        []string            `json:"factor"`
	Separation    election.Separation `json:"separation"`
	Witnesses     struct {
		Needed uint8    `json:"needed"`
		Keys   []string `json:"keys"`
	} `json:"witnesses"`
	Help election.Help `json:"help"`
	Demo bool          `json:"demo"`
}

type fileGroup struct {
	Name   string   `json:"name"`
	Units  []string `json:"units"`
	Parent string   `json:"parent"`
}

// parseElectionFile reads an election file and makes the draft of a manifest. All
// that is wrong with what it says is returned at once.
func parseElectionFile(b []byte, origins election.Origins, rehearsal bool) (*election.Manifest, *time.Location, error) {
	var f electionFile
	if err := decodeNotes(b, &f); err != nil {
		return nil, nil, err
	}
	m := &election.Manifest{
		Suite: election.Suite, Demo: f.Demo, Rehearsal: rehearsal,
		Languages: f.Languages, Title: f.Title, Statement: f.Statement, Questions: f.Questions,
		Tellers:    election.Tellers{N: uint8(len(f.Tellers.Names)), T: f.Tellers.Needed, Names: f.Tellers.Names},
		KMin:       f.SmallestCount,
		Separation: f.Separation, Help: f.Help, Origins: origins, Program: versionText(),
		Witnesses: election.Witnesses{Threshold: f.Witnesses.Needed, Keys: f.Witnesses.Keys},
	}
	rand.Read(m.ElectionID[:]) // never fails
	if f.Factor != nil {
		m.Factor = &election.Factor{Label: f.Factor}
	}
	var errs []error
	for _, fill := range []func(*election.Manifest) error{f.fillRule, f.fillGroups, f.fillCommittee, f.fillSchedule} {
		errs = append(errs, fill(m))
	}
	if f.Help.Email != "" && !mailer.Answerable(f.Help.Email) { // if it is empty, that is said below
		errs = append(errs, errors.New("help.email: not a mail address like help@union.example, which is where answers to the mails go"))
	}
	for _, l := range f.Languages {
		first, _, _ := strings.Cut(l, "-") // es-mx is Spanish, too
		if strings.ToLower(l) != l || !slices.ContainsFunc(language.Tags(), func(t language.Tag) bool { return t.Code == first || strings.HasPrefix(t.Code, first+"-") }) {
			errs = append(errs, fmt.Errorf("languages: pages and mails are not in %q; write %s", l, languageList()))
		}
	}
	zone, err := f.zone()
	// What the rules of a manifest say of parts that could not be read would only
	// repeat it.
	unread := errors.Join(append(errs, err)...)
	for _, p := range election.Problems(m.ValidateDraft()) {
		part, _, _ := strings.Cut(p.Path, ".")
		part, _, _ = strings.Cut(part, "[")
		if unread == nil || !strings.Contains(unread.Error(), part+".") && !strings.Contains(unread.Error(), part+"[") && !strings.Contains(unread.Error(), part+":") {
			errs = append(errs, &election.Problem{Path: inFile(p.Path), Err: p.Err})
		}
	}
	return m, zone, errors.Join(append(errs, err)...)
}

// fileNames are the fields of a manifest that an election file calls otherwise.
var fileNames = map[string]string{
	"witnesses.threshold": "witnesses.needed", "tellers.t": "tellers.needed", "tellers.n": "tellers.names", "k_min": "smallest_count",
	"committee.rp_id": "committee.passkey_domain", "schedule.grace": "schedule.grace_minutes",
}

// inFile returns what the file calls a field of a manifest.
func inFile(path string) string {
	if name, ok := fileNames[path]; ok {
		return name
	}
	return path
}

// zone returns the time zone in which the file's moments are written.
func (f *electionFile) zone() (*time.Location, error) {
	zone, err := time.LoadLocation(f.Schedule.Zone)
	if err != nil || f.Schedule.Zone == "" || f.Schedule.Zone == "Local" {
		return nil, errors.New("schedule.zone: not a time zone like America/Los_Angeles")
	}
	return zone, nil
}

// decodeNotes decodes JSON in which lines that begin with // are notes. A mistake
// is named by its line.
func decodeNotes(b []byte, v any) error {
	lines := strings.SplitAfter(string(bytes.TrimPrefix(b, []byte("\uFEFF"))), "\n")
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "//") {
			lines[i] = "\n" // so that lines keep their numbers
		}
	}
	text := strings.Join(lines, "")
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is something after the end")
		}
	}
	if err == nil {
		return nil
	}
	at := d.InputOffset()
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		at = syntax.Offset
	} else if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
		at = wrong.Offset
	}
	return fmt.Errorf("line %d: %w", 1+strings.Count(text[:min(int(at), len(text))], "\n"), err)
}

func (f *electionFile) fillRule(m *election.Manifest) (err error) {
	var name string
	if json.Unmarshal(f.Rule, &name) == nil {
		if m.Rule, err = election.Preset(name); err != nil {
			return fmt.Errorf("rule: there is no rule %q; the rules are %s", name, strings.Join(election.Presets(), ", "))
		}
		return nil
	}
	if err := json.Unmarshal(f.Rule, &m.Rule); err != nil {
		return fmt.Errorf("rule: %w", err)
	}
	return nil
}

func (f *electionFile) fillGroups(m *election.Manifest) error {
	var errs []error
	for i, g := range f.Groups {
		group := election.Group{ID: suite.GroupID(i + 1), Name: g.Name, Units: g.Units}
		if g.Parent != "" {
			at := slices.IndexFunc(f.Groups, func(p fileGroup) bool { return p.Name == g.Parent })
			if at < 0 {
				errs = append(errs, fmt.Errorf("groups[%d].parent: there is no group of this name", i))
			}
			group.Parent = suite.GroupID(at + 1)
		}
		m.Groups = append(m.Groups, group)
	}
	return errors.Join(errs...)
}

func (f *electionFile) fillCommittee(m *election.Manifest) error {
	m.Committee = election.Committee{Quorum: f.Committee.Quorum, RPID: f.Committee.RPID}
	var errs []error
	for i, member := range f.Committee.Members {
		x := election.Member{Name: member.Name}
		for j, text := range member.Keys {
			kind, digits, ok := strings.Cut(text, ":")
			if !ok {
				kind, digits = "ed25519", text
			}
			key, err := hex.DecodeString(strings.TrimSpace(digits))
			if err != nil {
				errs = append(errs, fmt.Errorf("committee.members[%d].keys[%d]: not the 64 digits that strikevote committee key prints", i, j))
				continue
			}
			x.Keys = append(x.Keys, election.Key{Kind: kind, Key: key})
		}
		m.Committee.Members = append(m.Committee.Members, x)
	}
	return errors.Join(errs...)
}

// momentForm is how a moment is written in the file.
const momentForm = "2006-01-02 15:04"

func (f *electionFile) fillSchedule(m *election.Manifest) error {
	s := f.Schedule
	zone, err := f.zone()
	if err != nil {
		return nil // it is said once
	}
	m.Schedule.Grace = int64(math.Round(s.GraceMinutes * 60))
	var errs []error
	for _, x := range []struct {
		name, text string
		into       *int64
	}{
		{"open", s.Open, &m.Schedule.Open}, {"close", s.Close, &m.Schedule.Close},
		{"latest_close", s.LatestClose, &m.Schedule.LatestClose}, {"decide_until", s.DecideUntil, &m.Schedule.DecideUntil},
	} {
		if *x.into, err = parseMoment(x.text, zone); err != nil {
			errs = append(errs, fmt.Errorf("schedule.%s: %w", x.name, err))
		}
	}
	return errors.Join(errs...)
}

// parseMoment reads a moment of a time zone, to the minute or to the second.
func parseMoment(text string, zone *time.Location) (int64, error) {
	for _, form := range []string{momentForm, momentForm + ":05"} {
		t, err := time.ParseInLocation(form, text, zone)
		if err != nil {
			continue
		}
		// A moment that the clocks skip is read as another one.
		if t.Format(form) != text {
			return 0, errors.New("there is no such moment: the clocks are moved then")
		}
		return t.Unix(), nil
	}
	return 0, errors.New("not a moment like 2027-02-05 20:00")
}

// languageList lists the languages that pages and mails are in, as a file takes them.
func languageList() string {
	var list []string
	for _, t := range language.Tags() {
		list = append(list, strings.ToLower(t.Code))
	}
	return strings.Join(list, ", ")
}
