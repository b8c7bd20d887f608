package mailcheck

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"strikevote/internal/mailer/sendgrid"
)

// A Provided says what is expected of an account with SendGrid.
type Provided struct {
	From       string // domain of the address that mails are from
	Hook       string // address of this service's webhook; empty: it is not known
	HookKey    string // with which its events have to be signed, as configured; may be empty
	Recipients int
	Spread     time.Duration // over which they leave
}

// Account checks the settings of an account with SendGrid, and returns the
// authenticated domain that is From's, or nil.
func Account(ctx context.Context, a *sendgrid.Account, p Provided) ([]Finding, *sendgrid.Domain) {
	x := &questions{ctx: ctx, a: a}
	if !x.scopes() {
		return x.findings, nil
	}
	x.tracking()
	x.hooks(p)
	x.credits(p)
	return x.findings, x.domain(p)
}

type questions struct {
	ctx context.Context
	a   *sendgrid.Account
	findings
}

// unread notes what was not to be found out.
func (x *questions) unread(check, scope, where string, err error) {
	if errors.Is(err, sendgrid.ErrForbidden) {
		x.warn(check, "give it the scope "+scope+", or look at "+where+" in the provider's pages", "the key may not look")
		return
	}
	x.warn(check, "run this again, or look at "+where+" in the provider's pages", "%v", err)
}

// scopes checks what the key may do, and reports whether there is any use in asking on.
func (x *questions) scopes() bool {
	const check = "SendGrid key"
	list, err := x.a.Scopes(x.ctx)
	switch {
	case errors.Is(err, sendgrid.ErrRefusedKey):
		x.fail(check, "make a new key under Settings, API Keys, and put it in the file of STRIKEVOTE_SENDGRID_KEY_FILE; for an account in the EU set STRIKEVOTE_SENDGRID_URL", "the provider does not know it")
		return false
	case errors.Is(err, sendgrid.ErrShape):
		x.warn(check, "look at Settings, API Keys, in the provider's pages: it needs Mail Send", "%v", err)
		return true
	case err != nil:
		x.fail(check, "see that this machine reaches the address of STRIKEVOTE_SENDGRID_URL", "%v", err)
		return false
	case !slices.Contains(list, "mail.send"):
		x.fail(check, "make a key with the scope mail.send", "it may not send mail")
		return true
	}
	if strong := tooMuch(list); len(strong) > 0 {
		x.warn(check, "make one with Restricted Access: Mail Send, and read access to Tracking, Suppressions, Sender Authentication, Event Notification and Billing; Suppressions with full access only for strikevote mail clear",
			"it may do more than is needed, %s among it: whoever gets it can change the account", strong[0])
		return true
	}
	x.ok(check, "it may send mail, and not change the account")
	return true
}

// tooMuch returns the scopes that change what is not a mail.
func tooMuch(list []string) []string {
	var strong []string
	for _, s := range list {
		verb := s[strings.LastIndexByte(s, '.')+1:]
		if slices.Contains([]string{"create", "update", "delete"}, verb) &&
			!strings.HasPrefix(s, "suppression.") && !strings.HasPrefix(s, "asm.") && !strings.HasPrefix(s, "mail.batch.") {
			strong = append(strong, s)
		}
	}
	slices.Sort(strong)
	return strong
}

func (x *questions) tracking() {
	const check, where = "SendGrid tracking", "Settings, Tracking"
	on, err := x.a.Tracking(x.ctx)
	if err != nil {
		x.unread(check, "tracking_settings.read", where, err)
		return
	}
	good := true
	for _, t := range []struct{ name, says string }{
		{"click", "Click Tracking is on: each member's voting link would lead over the provider's server, which notes who opens it"},
		{"open", "Open Tracking is on: the provider notes when each member reads the mail"},
		{"subscription", "Subscription Tracking is on: a member who presses unsubscribe gets no ballot any more"},
		{"google_analytics", "Google Analytics is on: it changes the links"},
	} {
		if on[t.name] {
			x.fail(check, "turn it off under "+where, "%s", t.says)
			good = false
		}
	}
	if good {
		x.ok(check, "nothing is tracked")
	}
}

// hooks checks where events go, and which.
func (x *questions) hooks(p Provided) {
	const check, where = "SendGrid events", "Settings, Mail Settings, Event Webhooks"
	list, err := x.a.Hooks(x.ctx)
	if err != nil {
		x.unread(check, "user.webhooks.event.settings.read", where, err)
		return
	}
	ours := false
	for _, h := range list {
		if !h.Enabled {
			continue
		}
		if p.Hook != "" && h.URL == p.Hook {
			ours = true
			x.hook(check, where, h, p)
			continue
		}
		x.warn(check, "remove it under "+where+" if the union does not know whose it is",
			"there is a webhook that is not this service's: whoever reads it learns which addresses get mail from the union")
	}
	if !ours {
		x.warn(check, strings.TrimSpace("add a webhook under "+where+" that posts to "+p.Hook),
			"no events come to this service: nobody learns which members got nothing")
	}
}

func (x *questions) hook(check, where string, h sendgrid.Hook, p Provided) {
	good := true
	switch {
	case h.PublicKey == "":
		x.fail(check, "turn on Signed Event Webhook under "+where+", and put its public key in STRIKEVOTE_SENDGRID_WEBHOOK_KEY", "the events are not signed, so they are not believed")
		good = false
	case p.HookKey == "":
		x.fail(check, "put the webhook's public key in STRIKEVOTE_SENDGRID_WEBHOOK_KEY", "this service does not know the key of the events, so it does not believe them")
		good = false
	case p.HookKey != h.PublicKey:
		x.fail(check, "put the webhook's public key in STRIKEVOTE_SENDGRID_WEBHOOK_KEY", "the events are signed with another key than is configured")
		good = false
	}
	if h.Open || h.Click {
		x.fail(check, "leave Opened and Clicked out under "+where, "it asks for who opens mails and links, which nobody is to know")
		good = false
	}
	var missing []string
	for _, e := range []struct {
		name string
		on   bool
	}{{"Processed", h.Processed}, {"Deferred", h.Deferred}, {"Delivered", h.Delivered}, {"Bounced", h.Bounce}, {"Dropped", h.Dropped}, {"Spam Reports", h.SpamReport}} {
		if !e.on {
			missing = append(missing, e.name)
		}
	}
	if len(missing) > 0 {
		x.warn(check, "tick them under "+where, "it leaves out %s: that is not counted", strings.Join(missing, ", "))
		good = false
	}
	if good {
		x.ok(check, "they come signed, and none says who opened a mail")
	}
}

func (x *questions) credits(p Provided) {
	const check, where = "SendGrid credits", "Settings, Account Details"
	c, err := x.a.Credits(x.ctx)
	switch {
	case err != nil:
		x.unread(check, "user.credits.read", where, err)
	case p.Recipients > 0 && c.Remain < p.Recipients:
		x.fail(check, "buy a larger plan before the vote; count a reminder and the result too, which makes three mails a member",
			"%d mails may still be sent until %s, fewer than the %d members", c.Remain, resetWords(c), p.Recipients)
	case p.Recipients > 0 && c.Remain < 3*p.Recipients:
		x.warn(check, "see that invitation, reminders and the result fit, or buy a larger plan", "%d mails may still be sent until %s; three for each of the %d members are %d",
			c.Remain, resetWords(c), p.Recipients, 3*p.Recipients)
	default:
		x.ok(check, "%d mails may still be sent until %s", c.Remain, resetWords(c))
	}
	if p.Recipients >= Bulk && p.Spread < 30*time.Minute {
		x.warn("staggering", "set STRIKEVOTE_MAIL_SPREAD to 1h or more", "%d mails would leave within %v: large mailbox providers slow down or refuse a sender whom they see for the first time", p.Recipients, p.Spread)
	}
}

func resetWords(c sendgrid.Credits) string {
	if c.NextReset == "" {
		return "they are used up"
	}
	return c.NextReset
}

// domain checks that the account may send for the domain of From.
func (x *questions) domain(p Provided) *sendgrid.Domain {
	const check, where = "SendGrid domain", "Settings, Sender Authentication"
	list, err := x.a.Domains(x.ctx)
	if err != nil {
		x.unread(check, "whitelabel.read", where, err)
		return nil
	}
	var best *sendgrid.Domain
	score := 0
	for i, d := range list {
		n := 0
		switch {
		case strings.EqualFold(d.Domain, p.From):
			n = 2
		case aligned(d.Domain, p.From, false):
			n = 1
		default:
			continue
		}
		if d.Valid {
			n += 2
		}
		if n > score {
			best, score = &list[i], n
		}
	}
	switch {
	case best == nil:
		x.fail(check, "authenticate "+p.From+" under "+where+" and enter the records it shows in the DNS", "the account is not authenticated for %s: its mails are not signed for it, and bulk mail is refused", p.From)
	case !best.Valid:
		x.fail(check, "enter the records in the DNS and press Verify under "+where, "the records of %s are not verified yet", best.Domain)
	default:
		x.ok(check, "the account may send for %s", best.Domain)
	}
	return best
}
