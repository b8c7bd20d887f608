package sendgridtest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	schemaFile    = "sendgrid-mail-v3.openapi.json"
	schemaPointer = "#/components/requestBodies/PostMailSend/content/application~1json/schema"
)

// officialSchema compiles SendGrid's published schema of a request. It is kept beside
// the repository, in the directory TEST_VECTORS. Where it is not, what [Request] has
// and the checks of this package stand in for it, but not in continuous integration.
func officialSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	dirs := []string{os.Getenv("TEST_VECTORS")}
	if wd, err := os.Getwd(); err == nil {
		for ; filepath.Dir(wd) != wd; wd = filepath.Dir(wd) {
			if _, err := os.Stat(filepath.Join(wd, "go.mod")); err == nil {
				dirs = append(dirs, filepath.Join(filepath.Dir(wd), "shared", "vectors"))
			}
		}
	}
	for _, dir := range dirs {
		file := filepath.Join(dir, schemaFile)
		if _, err := os.Stat(file); dir == "" || err != nil {
			continue
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		schema, err := c.Compile(file + schemaPointer)
		if err != nil {
			t.Fatal(err)
		}
		return schema
	}
	if os.Getenv("CI") != "" || dirs[0] != "" {
		t.Fatal("TEST_VECTORS does not name the directory with " + schemaFile)
	}
	t.Log("requests are not held against SendGrid's schema: there is no " + schemaFile)
	return nil
}

// An Address is one in a request.
type Address struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

// A Request is the part of a request that this project uses. There is no field for what
// it must not use, such as a template or an attachment, so a request with one is refused.
type Request struct {
	From             Address           `json:"from"`
	ReplyTo          *Address          `json:"reply_to"`
	Personalizations []Personalization `json:"personalizations"`
	Content          []struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"content"`
	Categories   []string `json:"categories"`
	MailSettings struct {
		BypassUnsubscribe setting `json:"bypass_unsubscribe_management"`
		Sandbox           setting `json:"sandbox_mode"`
	} `json:"mail_settings"`
	Tracking struct {
		Click struct {
			setting
			EnableText *bool `json:"enable_text"`
		} `json:"click_tracking"`
		Open         setting `json:"open_tracking"`
		Subscription setting `json:"subscription_tracking"`
		Analytics    setting `json:"ganalytics"`
	} `json:"tracking_settings"`
}

// A Personalization is what a request says of one mail.
type Personalization struct {
	To            []Address         `json:"to"`
	Subject       string            `json:"subject"`
	Headers       map[string]string `json:"headers"`
	Substitutions map[string]string `json:"substitutions"`
	CustomArgs    map[string]string `json:"custom_args"`
}

type setting struct {
	Enable *bool `json:"enable"`
}

func is(b *bool, want bool) bool { return b != nil && *b == want }

var (
	mailID = regexp.MustCompile(`^[0-9a-f]{32}$`)
	// headerNames are the headers that a mail may have beside those of SendGrid.
	headerNames = []string{"Message-ID", "Auto-Submitted", "Content-Language"}
)

// check holds a request against the schema, SendGrid's documented limits, and what this
// project promises. The caller holds the mutex.
func (s *Server) check(body []byte) (Request, error) {
	var r Request
	if len(body) > 30<<20 {
		return r, errors.New("larger than 30 MB")
	}
	if s.schema != nil {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		if err != nil {
			return r, err
		}
		if err := s.schema.Validate(v); err != nil {
			return r, err
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	return r, errors.Join(s.checkMessage(&r), s.checkTracking(&r), s.checkPeople(&r))
}

func (s *Server) checkTracking(r *Request) error {
	for what, ok := range map[string]bool{
		"click tracking":               is(r.Tracking.Click.Enable, false),
		"click tracking of text":       is(r.Tracking.Click.EnableText, false),
		"open tracking":                is(r.Tracking.Open.Enable, false),
		"subscription tracking":        is(r.Tracking.Subscription.Enable, false),
		"analytics":                    is(r.Tracking.Analytics.Enable, false),
		"the pass by unsubscription":   is(r.MailSettings.BypassUnsubscribe.Enable, true),
		"the sandbox":                  s.o.Sandbox && is(r.MailSettings.Sandbox.Enable, true) || !s.o.Sandbox && r.MailSettings.Sandbox.Enable == nil,
		"a category that says nothing": slices.Equal(r.Categories, []string{"ballot"}),
	} {
		if !ok {
			return fmt.Errorf("%s is not set as it must be", what)
		}
	}
	s.records = append(s.records, strings.Join(r.Categories, ","))
	return nil
}

func (s *Server) checkMessage(r *Request) error {
	if from := r.From; !isASCII(from.Email) || !isASCII(from.Name) || strings.ContainsAny(from.Name, "\r\n") || !oneAddress(from.Email) {
		return errors.New("the sender is not ASCII")
	}
	if r.ReplyTo == nil || !oneAddress(r.ReplyTo.Email) {
		return errors.New("there is nobody to reply to")
	}
	if len(r.Content) != 2 || r.Content[0].Type != "text/plain" || r.Content[1].Type != "text/html" {
		return errors.New("the parts are not text and HTML in this order")
	}
	return nil
}

// checkPeople checks what is said of each mail.
func (s *Server) checkPeople(r *Request) error {
	if n := len(r.Personalizations); n < 1 || n > 1000 {
		return fmt.Errorf("%d mails", n)
	}
	boxes := make(map[string]bool)
	for _, p := range r.Personalizations {
		if len(p.To) != 1 || p.To[0].Name != "" || !isASCII(p.To[0].Email) || !oneAddress(p.To[0].Email) || len(p.To[0].Email) > 254 {
			return errors.New("a mail is not to one address without a name")
		}
		box := strings.ToLower(p.To[0].Email)
		if boxes[box] {
			return errors.New("an address is there twice")
		}
		boxes[box] = true
		if len(p.CustomArgs) != 1 || !mailID.MatchString(p.CustomArgs["mid"]) {
			return errors.New("the custom arguments are not the mail's id alone")
		}
		if strings.ContainsAny(p.Subject, "\r\n\x00") || p.Subject == "" {
			return errors.New("the subject makes a header, or none")
		}
		for name, v := range p.Headers {
			if !slices.Contains(headerNames, name) || strings.ContainsAny(v, "\r\n\x00") || !isASCII(v) {
				return fmt.Errorf("the header %q", name)
			}
			s.records = append(s.records, name+": "+v)
		}
		if !strings.Contains(p.Headers["Message-ID"], p.CustomArgs["mid"]) {
			return errors.New("the id of the message is not the mail's")
		}
		size := 0
		for tag, v := range p.Substitutions {
			size += len(tag) + len(v)
		}
		s.counts.LargestPersonalization = max(s.counts.LargestPersonalization, size)
		if size > 10_000 {
			return errors.New("the substitutions are larger than 10,000 bytes")
		}
		s.records = append(s.records, "mid="+p.CustomArgs["mid"])
		if err := r.checkBody(p); err != nil {
			return err
		}
	}
	return nil
}

// checkBody demands that what is put in for a tag is not searched for tags again.
func (r *Request) checkBody(p Personalization) error {
	tags := make([]string, 0, len(p.Substitutions))
	for tag := range p.Substitutions {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	back := slices.Clone(tags)
	slices.Reverse(back)
	for _, c := range r.Content {
		if body := substitute(c.Value, p.Substitutions, tags); body == "" || body != substitute(c.Value, p.Substitutions, back) ||
			slices.ContainsFunc(tags, func(tag string) bool { return strings.Contains(body, tag) }) {
			return errors.New("what is in a mail depends on the order in which SendGrid puts it in")
		}
		if subject := substitute(p.Subject, p.Substitutions, tags); subject != p.Subject {
			return errors.New("a tag is in a subject")
		}
	}
	return nil
}

// substitute puts in one after the other, each everywhere, as the least careful would.
func substitute(s string, by map[string]string, tags []string) string {
	for _, tag := range tags {
		s = strings.ReplaceAll(s, tag, by[tag])
	}
	return s
}

func oneAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f }) < 0
}

// A Message is a mail that was accepted, as it arrives.
type Message struct {
	ID                  [16]byte
	To, From, FromName  string
	ReplyTo             string
	Subject, Text, HTML string
	Headers             map[string]string
	Call                int // in which it came, from 1
	At                  time.Time
}

func (r *Request) messages(call int) []Message {
	list, now := make([]Message, len(r.Personalizations)), time.Now()
	for i, p := range r.Personalizations {
		m := Message{To: p.To[0].Email, From: r.From.Email, FromName: r.From.Name, ReplyTo: r.ReplyTo.Email, Subject: p.Subject, Headers: p.Headers, Call: call, At: now}
		_, _ = hex.Decode(m.ID[:], []byte(p.CustomArgs["mid"])) // was checked
		tags := make([]string, 0, len(p.Substitutions))
		for tag := range p.Substitutions {
			tags = append(tags, tag)
		}
		m.Text, m.HTML = substitute(r.Content[0].Value, p.Substitutions, tags), substitute(r.Content[1].Value, p.Substitutions, tags)
		list[i] = m
	}
	return list
}
