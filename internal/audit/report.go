package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record/layout"
)

// A Report is what an audit found. The numbers are those that the auditor
// computed; sets and outcome are empty unless the record holds and was opened,
// so that nobody quotes the result of a false record from here.
type Report struct {
	Verified bool         `json:"verified"`
	Election Election     `json:"election"`
	Stage    layout.Stage `json:"stage"`
	Entitled uint64       `json:"entitled"`
	Issued   uint64       `json:"issued"`
	Ballots  uint64       `json:"ballots"`
	Sets     []Set        `json:"sets"`
	Outcome  string       `json:"outcome"` // the sentence
	Checks   []Check      `json:"checks"`

	Manifest *election.Manifest `json:"-"`
	MID      suite.MID          `json:"-"`

	// For programs that go on from what was verified: a teller decrypts these
	// sums and no others. They are set only if the record holds and the
	// election was not cancelled.
	Sums      *tally.Sums `json:"-"`
	Partition []tally.Set `json:"-"`
	CloseRoot suite.Hash  `json:"-"`
	CloseSize uint64      `json:"-"`
	// Opening is what tellers' shares are about, Final what a certificate is.
	Opening         *tally.Opening           `json:"-"`
	Final           *tally.Final             `json:"-"`
	EntitledByGroup map[suite.GroupID]uint64 `json:"-"`
	// Committee is the one in force after all acts: the keys of a replaced
	// member are dead.
	Committee election.Committee `json:"-"`
}

// Fault returns the first thing that does not hold, or "".
func (r *Report) Fault() string {
	for _, c := range r.Checks {
		if !c.OK {
			return c.Name + ": " + c.Detail
		}
	}
	return ""
}

// An Election says which election a record is of.
type Election struct {
	ID    suite.ElectionID `json:"id"`
	Title string           `json:"title"`
	MID   suite.MID        `json:"mid"`
	Words string           `json:"words"` // six, for people to compare
}

// A Set is the opened answer to one question of one set of groups.
type Set struct {
	Groups   []suite.GroupID `json:"groups"`
	Question int             `json:"question"`
	Count    uint64          `json:"count"` // ballots
	Options  []Option        `json:"options"`
}

// An Option is one answer and how many ballots gave it.
type Option struct {
	Text  string `json:"text"`
	Votes uint64 `json:"votes"`
}

// JSON returns the report for machines, ending in a line end.
func (r *Report) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("encoding report: %w", err)
	}
	return b.Bytes(), nil
}

// WriteText writes the report for a person who has never seen one.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	if !r.Verified {
		b.WriteString("THE RECORD DOES NOT HOLD\n\n")
		r.list(&b, false)
		b.WriteString("\nIt is a record of:\n")
	}
	fmt.Fprintf(&b, "%s\n", r.Election.Title)
	switch {
	case r.Manifest.Demo:
		b.WriteString("DEMO. This is not a real vote.\n")
	case r.Manifest.Rehearsal:
		b.WriteString("REHEARSAL. This is not a real vote.\n")
	}
	fmt.Fprintf(&b, "six words: %s\n", r.Election.Words)
	b.WriteString("\nThese checks hold:\n")
	r.list(&b, true)
	// Last, where the eye ends up: a terminal shows the end of a long text.
	if r.Verified {
		r.numbers(&b)
		b.WriteString("\nrecord verified\n")
	} else {
		fmt.Fprintf(&b, "\nTHE RECORD DOES NOT HOLD. Why stands above, at the top: %s.\n", strings.Join(r.failed(), ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// list writes the checks that hold, or those that do not.
func (r *Report) list(b *strings.Builder, ok bool) {
	for _, c := range r.Checks {
		if c.OK == ok {
			fmt.Fprintf(b, "  %-14s %s\n", c.Name, c.Detail)
		}
	}
}

// failed names the checks that do not hold.
func (r *Report) failed() []string {
	var names []string
	for _, c := range r.Checks {
		if !c.OK {
			names = append(names, c.Name)
		}
	}
	return names
}

func (r *Report) numbers(b *strings.Builder) {
	fmt.Fprintf(b, "\n%d of %d entitled cast a ballot (%s). %d ballots were issued.\n",
		r.Ballots, r.Entitled, percent(r.Ballots, r.Entitled), r.Issued)
	r.sums(b)
	for _, s := range r.Sets {
		names, question := r.name(s)
		r.table(b, names, question, s)
	}
	for _, s := range r.inAll() {
		_, question := r.name(s)
		r.table(b, "In all", question, s)
	}
	switch {
	case r.Stage == layout.Cancelled:
		b.WriteString("\nThe election was cancelled. It has no result.\n")
	case r.Outcome == "":
		b.WriteString("\nThe box is locked. The totals are not opened yet.\n")
	default:
		fmt.Fprintf(b, "\n%s\n", r.Outcome)
	}
}

// sums says how the numbers follow from each other where envelopes or changes of the roll
// are among them: more ballots than were issued look like a stuffed box to whoever is not
// told.
func (r *Report) sums(b *strings.Builder) {
	if r.Final == nil {
		return
	}
	all := tally.Sum(r.Final.Groups)
	if all.Accepted > 0 {
		given := r.Issued + all.Accepted
		fmt.Fprintf(b, "%d issued%s%s = %d in the box.\n", r.Issued, term(" + %d from accepted envelopes", all.Accepted),
			term(" - %d not cast", given-min(given, r.Ballots)), r.Ballots)
	}
	if all.Added+all.Struck+all.AcceptedOff > 0 {
		fmt.Fprintf(b, "%d on the signed roll%s%s%s = %d entitled.\n", all.RollSize, term(" + %d added", all.Added),
			term(" - %d taken off", all.Struck), term(" + %d not on the roll, by accepted envelope", all.AcceptedOff), r.Entitled)
	}
}

// term is a part of a sum, and nothing where it is none.
func term(text string, n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(text, n)
}

// table writes one question's totals, and of what every percentage is one. As on the
// public pages, it is what the rule counts where the rule reads the question, and all
// ballots elsewhere: two numbers for one answer would look like a fault.
func (r *Report) table(b *strings.Builder, names, question string, s Set) {
	fmt.Fprintf(b, "\n%s, %d ballots: %s\n", names, s.Count, question)
	asked, read := r.Manifest.Questions[s.Question], s.Question == int(r.Manifest.Rule.Question)
	whole, of := s.Count, "ballots in the box"
	if read {
		whole, of = r.base(s)
	}
	for i, o := range s.Options {
		share := percent(o.Votes, whole)
		if read && r.Manifest.Rule.Basis == election.BasisDecided && asked.Options[i].Role == election.RoleNeutral {
			share = "" // it is no part of the whole
		}
		fmt.Fprintf(b, "  %8d  %6s  %s\n", o.Votes, share, o.Text)
	}
	fmt.Fprintf(b, "  Percentages are of %d %s.\n", whole, of)
}

// base returns what the rule takes the share of, and its name.
func (r *Report) base(s Set) (whole uint64, of string) {
	switch r.Manifest.Rule.Basis {
	case election.BasisCast:
		return s.Count, "ballots in the box"
	case election.BasisEntitled:
		for _, id := range s.Groups {
			whole += r.EntitledByGroup[id]
		}
		return whole, "entitled members"
	}
	votes := make([]uint64, len(s.Options))
	for i, o := range s.Options {
		votes[i] = o.Votes
	}
	yes, no := outcome.Votes(r.Manifest.Questions[s.Question], votes)
	return yes + no, "yes and no votes"
}

// inAll adds the sets of each question up, where there are several.
func (r *Report) inAll() []Set {
	if len(r.Sets) <= len(r.Manifest.Questions) {
		return nil
	}
	sums := make([]Set, len(r.Manifest.Questions))
	for _, s := range r.Sets {
		sum := &sums[s.Question]
		sum.Question, sum.Count, sum.Groups = s.Question, sum.Count+s.Count, append(sum.Groups, s.Groups...)
		if sum.Options == nil {
			sum.Options = make([]Option, len(s.Options))
		}
		for i, o := range s.Options {
			sum.Options[i].Text, sum.Options[i].Votes = o.Text, sum.Options[i].Votes+o.Votes
		}
	}
	return sums
}

// name returns the names of a set's groups and the text of its question.
func (r *Report) name(s Set) (groups, question string) {
	var names []string
	for _, id := range s.Groups {
		if g := r.Manifest.Group(id); g != nil {
			names = append(names, g.Name)
		}
	}
	return strings.Join(names, ", "), r.Manifest.Questions[s.Question].Text[0]
}

func percent(part, whole uint64) string {
	if whole == 0 {
		return "0.0%"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(part)/float64(whole))
}
