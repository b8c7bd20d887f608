package pages

import (
	"encoding/json"
	"errors"
	"time"

	"strikevote/internal/protocol/suite"
)

// Content is what the union wrote for the pages of one election. Every part may be
// empty: a page says nothing of what it was not told.
type Content struct {
	Settings
	View      Text            `json:"view,omitempty"`    // statement, by language; Markdown
	For       Text            `json:"for,omitempty"`     // opinions, with the same room
	Against   Text            `json:"against,omitempty"` //
	Expired   Text            `json:"expired,omitempty"` // the expired contract, in short
	Stories   []Story         `json:"stories,omitempty"`
	Questions map[string][]QA `json:"questions,omitempty"` // beyond those of every vote
	Contacts  []Contact       `json:"contacts,omitempty"`
	Documents []Document      `json:"documents,omitempty"`
	// Lot is the order of For and Against that was drawn.
	Lot *Lot `json:"lot,omitempty"`
}

// Settings are the values that sentences of the pages hold and no manifest does.
// Dates are "2027-01-15".
type Settings struct {
	Union       Text   `json:"union,omitempty"`           // name, in the head of every page
	Zone        string `json:"zone,omitempty"`            // of dates, "America/Los_Angeles"
	RecordDate  string `json:"record_date,omitempty"`     // who was eligible then may vote
	Eligibility Text   `json:"eligibility,omitempty"`     // "a member in good standing"
	Cutoff      string `json:"cutoff,omitempty"`          // who joined later cannot vote
	JoinURL     string `json:"join_url,omitempty"`        // for those who are not members yet
	DesksURL    string `json:"desks_url,omitempty"`       // where the desks are
	HelpHours   Text   `json:"help_hours,omitempty"`      // of the manifest's phone
	Organizer   Text   `json:"organizer,omitempty"`       // whom to ask at work
	Observer    Text   `json:"observer,omitempty"`        // whom to tell of a false record
	Provider    string `json:"mail_provider,omitempty"`   // who carries the mails
	From        string `json:"from_name,omitempty"`       // whom they are from
	Observers   Text   `json:"named_observers,omitempty"` // who may see to whom a ballot was issued
	NextNo      Text   `json:"next_after_no,omitempty"`   // what happens after a no
	ResultOn    string `json:"result_expected,omitempty"`
	Represented uint64 `json:"represented_employees,omitempty"` // members or not, said beside the result
	// Compared says who signed that two lists were compared, and when.
	Compared *Compared `json:"lists_compared,omitempty"`
	Reasons  Reasons   `json:"reasons"`
	Limits   Limits    `json:"limits"`
}

// Compared are two people who signed the declaration of the roll.
type Compared struct {
	Names string `json:"names"`
	Date  string `json:"date"`
}

// Reasons are why the committee moved the close or cancelled the vote.
type Reasons struct {
	Moved     Text `json:"moved,omitempty"`
	Cancelled Text `json:"cancelled,omitempty"`
}

// Limits hold opinions to their room.
type Limits struct {
	// Words is the most that For and Against have each; 0 is [normalWords].
	Words int `json:"opinion_words,omitempty"`
	// OneSided allows one of the two without the other.
	OneSided bool `json:"one_sided,omitempty"`
}

// Text is a text of the union by language; that under "" is in the election's first.
type Text map[string]string

// UnmarshalJSON also takes a text alone.
func (t *Text) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*t = Text{"": one}
		return nil
	}
	many := make(map[string]string)
	if err := json.Unmarshal(b, &many); err != nil {
		return errors.New("neither a text nor an object with a text for each language")
	}
	*t = many
	return nil
}

// A Story is a member's own, shown with consent.
type Story struct {
	Language string `json:"language"`
	Name     string `json:"name,omitempty"`
	Title    string `json:"title"` // the member's work
	Campus   string `json:"campus"`
	Text     string `json:"text"`
}

// A QA is a question and its answer.
type QA struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// A Contact helps members of a campus to vote.
type Contact struct {
	Campus    string `json:"campus"`
	Name      string `json:"name"`
	Phone     string `json:"phone,omitempty"`
	Hours     string `json:"hours,omitempty"`
	Languages string `json:"languages,omitempty"`
	Desk      string `json:"desk,omitempty"`
}

// A Document is a file that is shown as it came.
type Document struct {
	Date      string     `json:"date"`
	Title     string     `json:"title"`
	From      string     `json:"from"`
	Language  string     `json:"language"`
	File      string     `json:"file"`
	LastOffer bool       `json:"last_offer,omitempty"` // the employer's, complete and unedited
	Size      int64      `json:"size"`
	SHA256    suite.Hash `json:"sha256"`
}

// A Lot says which opinion stands first, and since when.
type Lot struct {
	AgainstFirst bool      `json:"against_first"`
	Drawn        time.Time `json:"drawn"`
}

// An Edition is the content of an election as it was shown from one moment on, until
// there is a next one.
type Edition struct {
	Number  int       `json:"number"` // from 1
	Stored  time.Time `json:"stored"`
	Content Content   `json:"content"`
	// Withdrawn is what was shown before and taken back.
	Withdrawn []Withdrawn `json:"withdrawn,omitempty"`
}
