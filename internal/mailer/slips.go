package mailer

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
	"strikevote/templates"
)

// Slips prints the codes of members without a mail address: one page for each,
// to be folded and sealed.
type Slips struct {
	Manifest *election.Manifest
	MID      suite.MID
	Minter   *Minter
	Zone     *time.Location // of the times on the slips
	Close    int64          // of voting, in force now
}

// A Recipient is whom a slip is for. It redacts itself.
type Recipient struct {
	Name, Number     string // the name and the member number
	Unit             string // named beside the group where the group has several; may be empty
	Campus, Worksite string // may be empty
	Language         string // of the title, if the manifest has it; empty: the election's first
	Token            token.Body
}

// Format hides the recipient, whatever the verb.
func (Recipient) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[recipient]") }

// ErrNoSlip is returned for a recipient for whom no slip of this election can
// be printed, and for keys of another election. Nothing was written then.
var ErrNoSlip = errors.New("no slip of this election can be printed for a recipient")

// Write writes the slips as one HTML page to print on A4 or Letter: a page that
// says how to seal them, then a page for each recipient, in their order. It has
// no script and asks for nothing from elsewhere. For now its words are English;
// only titles are in the recipient's language.
//
// What is written is as secret as the code key: with it anybody can vote for
// every recipient. It belongs in a file that its owner alone can read, on a
// computer of those who print it, and is destroyed once it is printed. Nothing
// may log it, mail it, or serve it without a second person.
//
// It returns [ErrNoSlip], or an error of w. No error quotes a recipient.
func (s *Slips) Write(w io.Writer, list []Recipient) error {
	t, err := template.New("slips.html").Option("missingkey=error").ParseFS(templates.Slip, "slip/en/slips.html")
	if err != nil {
		return fmt.Errorf("reading the template of slips: %w", err)
	}
	page, err := s.page(list)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	// The errors of templates quote their data, which is names and codes.
	if t.Execute(&b, page) != nil {
		return errors.New("executing the template of slips")
	}
	defer clear(b.Bytes())
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing slips: %w", err)
	}
	return nil
}

// slipsPage is what the template sees.
type slipsPage struct {
	Demo, Rehearsal      bool
	Language             string
	Count                int
	Titles               []string
	URL, SixWords        string
	Open, Close          string
	HelpPhone, HelpEmail string
	Slips                []slip
}

type slip struct {
	Name, Number, Campus, Worksite string
	Title, GroupName, Code         string
}

func (s *Slips) page(list []Recipient) (*slipsPage, error) {
	m, w := s.Manifest, language.Of("en")
	if !bytes.Equal(s.Minter.Public(), m.TokenKey[:]) {
		return nil, fmt.Errorf("the keys are not this election's: %w", ErrNoSlip)
	}
	p := &slipsPage{
		Demo: m.Demo, Rehearsal: m.Rehearsal, Language: "en", Count: len(list), Titles: m.Title,
		URL: m.Origins.Booth + "/v1/" + m.ElectionID.String(), SixWords: election.SixWords(s.MID),
		Open: w.Moment(time.Unix(m.Schedule.Open, 0).In(s.Zone)), Close: w.Moment(time.Unix(s.Close, 0).In(s.Zone)),
		HelpPhone: m.Help.Phone, HelpEmail: m.Help.Email,
	}
	seen := make(map[token.Body]bool, len(list))
	for i, r := range list {
		b := r.Token
		// A disputed person votes in an envelope, of which a slip says nothing.
		if b.Kind != token.KindMember || b.Election != m.ElectionID || m.Group(b.Group) == nil || b.Expires != m.Schedule.TokenExpires() || seen[b] {
			return nil, fmt.Errorf("recipient %d: %w", i+1, ErrNoSlip)
		}
		seen[b] = true
		_, code := s.Minter.Mint(b)
		p.Slips = append(p.Slips, slip{Name: r.Name, Number: r.Number, Campus: r.Campus, Worksite: r.Worksite,
			Title: m.Title[max(0, languageIndex(m, r.Language))], GroupName: groupName(m, person{group: b.Group, unit: r.Unit}), Code: code.Reveal()})
	}
	return p, nil
}
