package sendgrid

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"github.com/sendgrid/sendgrid-go/helpers/mail"

	"strikevote/internal/mailbox"
	"strikevote/internal/mailer"
)

// maxSubstitutions is how many bytes a mail's own part of a call may have.
const maxSubstitutions = 10_000

// settingsPause is how long nothing goes to SendGrid when a person has to mend
// something first.
const settingsPause = 5 * time.Minute

// An item is a mail in a call.
type item struct {
	at    int // in what [Sender.Send] was given
	mail  mailer.Mail
	to    string // the address in SendGrid's form
	alone bool   // it needs a call of its own
}

// A call is what goes to SendGrid at once: mails of one sender in one language, and no
// two for one mailbox.
type call []item

// kind is what all mails of a call have in common.
type kind struct {
	from            mailer.Address
	reply, language string
	round           int // the how-manieth for its mailbox
}

// plan sorts mails into calls and answers for those that can be in none.
func plan(mails []mailer.Mail, answers []mailer.Answer) (calls []call) {
	at := make(map[kind]int)
	seen := make(map[string]int)
	for i, m := range mails {
		to, ok := plain(m.To)
		if !ok {
			answers[i] = mailer.Answer{Verdict: mailer.Refused, Reason: mailer.ReasonAddress}
			continue
		}
		if m.Subject == "" || m.Text == "" || m.HTML == "" || strings.ContainsAny(m.Subject, "\r\n\x00") {
			answers[i] = mailer.Answer{Verdict: mailer.Refused, Reason: mailer.ReasonOther}
			continue
		}
		from, ok := plain(m.From.Address)
		reply, ok2 := plain(m.ReplyTo)
		if !ok || !ok2 || strings.ContainsAny(m.From.Name+m.Language, "\r\n\x00") {
			answers[i] = mailer.Answer{Reason: mailer.ReasonSettings, Pause: settingsPause}
			continue
		}
		m.From.Address, m.ReplyTo = from, reply
		x := item{at: i, mail: m, to: to, alone: len(m.Text)+len(m.HTML)+2*len(newTag()) > maxSubstitutions}
		if x.alone {
			calls = append(calls, call{x})
			continue
		}
		// SendGrid refuses a whole call with one mailbox twice.
		box := mailbox.Key(to)
		k := kind{from: m.From, reply: reply, language: m.Language, round: seen[box]}
		seen[box]++
		if n, ok := at[k]; ok {
			calls[n] = append(calls[n], x)
			continue
		}
		at[k] = len(calls)
		calls = append(calls, call{x})
	}
	return calls
}

// answer says the same of all mails of a call.
func (c call) answer(answers []mailer.Answer, a mailer.Answer) {
	for _, x := range c {
		answers[x.at] = a
	}
}

// newTag returns what stands for a part of a mail. It is drawn for each call: nobody
// who can choose a word of some mail, such as a name, can choose one of these, so that
// nothing in a mail is replaced by a part of another.
func newTag() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return "-" + hex.EncodeToString(b[:]) + "-"
}

// body writes the call as JSON. What is said of tracking stands in every call, whatever
// the account's settings are, and nothing of it may be left out: what is not said
// follows the account.
func (c call) body(s Config) []byte {
	m := mail.NewV3Mail()
	first := c[0].mail
	m.SetFrom(mail.NewEmail(senderName(first.From.Name), first.From.Address))
	m.SetReplyTo(mail.NewEmail("", first.ReplyTo))
	m.AddCategories(s.Category)
	text, html := first.Text, first.HTML
	tagText, tagHTML := newTag(), newTag()
	if !c[0].alone {
		text, html = tagText, tagHTML
	}
	for _, x := range c {
		p := x.personalization()
		if !x.alone {
			p.SetSubstitution(tagText, x.mail.Text)
			p.SetSubstitution(tagHTML, x.mail.HTML)
		}
		m.AddPersonalizations(p)
	}
	m.AddContent(mail.NewContent("text/plain", text), mail.NewContent("text/html", html))
	m.SetTrackingSettings(mail.NewTrackingSettings().
		SetClickTracking(mail.NewClickTrackingSetting().SetEnable(false).SetEnableText(false)).
		SetOpenTracking(mail.NewOpenTrackingSetting().SetEnable(false)).
		SetSubscriptionTracking(mail.NewSubscriptionTrackingSetting().SetEnable(false)).
		SetGoogleAnalytics(mail.NewGaSetting().SetEnable(false)))
	// To vote is a right: who once unsubscribed from the union's news still gets a
	// ballot. Addresses that bounced or complained stay barred; a person sees to them.
	settings := mail.NewMailSettings().SetBypassUnsubscribeManagement(mail.NewSetting(true))
	if s.Sandbox {
		settings.SetSandboxMode(mail.NewSetting(true))
	}
	m.SetMailSettings(settings)
	return mail.GetRequestBody(m)
}

// personalization is what a call says of one mail. The mail's id is all that SendGrid
// keeps beside the address, and it can never be made to forget it.
func (x item) personalization() *mail.Personalization {
	p := mail.NewPersonalization()
	p.AddTos(mail.NewEmail("", x.to))
	p.Subject = x.mail.Subject
	id := hex.EncodeToString(x.mail.ID[:])
	p.SetCustomArg("mid", id)
	_, host, _ := strings.Cut(x.mail.From.Address, "@")
	p.SetHeader("Message-ID", "<"+id+"@"+host+">")
	p.SetHeader("Auto-Submitted", "auto-generated")
	if x.mail.Language != "" {
		p.SetHeader("Content-Language", x.mail.Language)
	}
	return p
}
