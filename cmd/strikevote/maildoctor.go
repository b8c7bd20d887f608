package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"strikevote/internal/deployment"
	"strikevote/internal/mailbox"
	"strikevote/internal/mailer/mailcheck"
	"strikevote/internal/mailer/sendgrid"
	"strikevote/internal/registrar"
)

func mailDoctorCommand() command {
	return command{
		name: "mail", args: "-data DIR [flags]",
		short: "see whether the mails would arrive",
		long: `
Looks up what receiving systems do about the union's domain: who may send for it (SPF),
the keys of its signatures (DKIM), its policy (DMARC), whether these belong to the
address that members see, and where bounces go (MX). Asks SendGrid for the key's rights,
tracking, events, credits and the authenticated domain; talks with the mail server as far
as the login. It sends no mail, unless -to names an address, and changes nothing.

Of the roll, where there is one on this machine, it counts the addresses, by the large
mailbox providers and those at -employer. Run it two weeks before a vote, and again on
the day before.

One line for each check: ok, WARN or FAIL, and what to do. Exit code 0: nothing failed.
3: something did. 1: it could not be checked.`,
		run: runMailDoctor,
	}
}

// A mailDoctor is what the command is told.
type mailDoctor struct {
	o                                       operation
	dns, selector, envelope, employer, test string
	reply                                   string // domain that answers go to, of the election
	recipients                              int
}

func runMailDoctor(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var m mailDoctor
	m.o.add(e, fs, false)
	asJSON := fs.Bool("json", false, "print the findings as JSON")
	fs.StringVar(&m.dns, "dns", "", "`SERVER` to ask, host or host:port (default: this machine's)")
	fs.StringVar(&m.selector, "selector", "", "names of the DKIM keys, separated by commas (default: those of SendGrid)")
	fs.StringVar(&m.envelope, "envelope", "", "domain that bounces go to (default: that of the account or of STRIKEVOTE_SMTP_BOUNCE_ADDRESS)")
	fs.StringVar(&m.employer, "employer", "", "mail domains of the employer, separated by commas")
	fs.StringVar(&m.test, "to", "", "also send a test mail to this `ADDRESS`")
	fs.IntVar(&m.recipients, "recipients", 0, "how many members get mail (default: those of the roll)")
	if err := m.o.parse(fs, args, 0, "it takes flags only"); err != nil {
		return err
	}
	c, err := m.o.settings.loadToSend()
	if err != nil {
		return err
	}
	list, unknown, err := m.examine(ctx, e, c)
	if err != nil {
		return err
	}
	if m.test != "" {
		if list, err = m.testMail(ctx, e, c, list); err != nil {
			return err
		}
	}
	if err := writeFindings(e.out, list, *asJSON); err != nil {
		return fmt.Errorf("printing the findings: %w", err)
	}
	if slices.ContainsFunc(list, func(f deployment.Finding) bool { return f.State == deployment.StateFail }) {
		return errFalse
	}
	if unknown {
		return errors.New("the DNS could not be asked, so the domain was not checked")
	}
	return nil
}

// examine looks at everything but a test. unknown: of the domain nothing was found out.
func (m *mailDoctor) examine(ctx context.Context, e *env, c *Config) (list []deployment.Finding, unknown bool, err error) {
	list = settingsFindings(c)
	_, from, _ := strings.Cut(string(c.MailFromAddress), "@")
	if from == "" {
		return append(list, deployment.Finding{Check: "sender", State: deployment.StateFail, Says: "it is not set whom the mails are from",
			Do: "set " + prefix + "MAIL_FROM_ADDRESS to an address in a domain of the union"}), false, nil
	}
	if m.at(from) {
		list = append(list, deployment.Finding{Check: "sender", State: deployment.StateFail, Says: from + " is the employer's domain: the employer's mail system would read replies, and may keep the mails out",
			Do: "send from a domain of the union"})
	}
	list = append(list, m.roll(ctx, e, c)...)
	var found []mailcheck.Finding
	var domain *sendgrid.Domain
	if c.MailSenders.has(senderSendGrid) {
		a, err := c.account()
		if err != nil {
			return nil, false, err
		}
		hook := ""
		if c.OriginRegistrar != "" {
			hook = string(c.OriginRegistrar) + deployment.EventsPath
		}
		found, domain = mailcheck.Account(ctx, a, mailcheck.Provided{
			From: from, Hook: hook, HookKey: c.SendGridWebhookKey, Recipients: m.recipients, Spread: c.MailSpread,
		})
	}
	if c.MailSenders.has(senderSMTP) {
		s, err := c.smtp()
		if err != nil {
			return nil, false, err
		}
		found = append(found, mailcheck.SMTP(ctx, mailcheck.Relay{Host: s.Host, Port: s.Port, User: s.User, Password: s.Password, TLS: s.TLS, From: c.envelope()})...)
	}
	for _, s := range m.sendings(c, from, domain) {
		found = append(found, mailcheck.DNS(ctx, mailcheck.Resolver(m.dns), s)...)
	}
	for i, f := range found {
		unknown = unknown || f.Unknown
		if slices.Contains(found[:i], f) {
			continue // the same of both senders
		}
		state := map[mailcheck.State]deployment.State{mailcheck.OK: deployment.StateOK, mailcheck.Warn: deployment.StateWarn, mailcheck.Fail: deployment.StateFail}[f.State]
		list = append(list, deployment.Finding{Check: f.Check, State: state, Says: f.Says, Do: f.Do})
	}
	return list, unknown, nil
}

// settingsFindings are the warnings of the settings, and a word on the outbox.
func settingsFindings(c *Config) []deployment.Finding {
	var list []deployment.Finding
	for _, w := range c.warnings() {
		name, says, _ := strings.Cut(w, " ")
		list = append(list, deployment.Finding{Check: "settings", State: deployment.StateWarn, Says: name + " " + says, Do: "see strikevote config sample"})
	}
	if !c.MailSenders.carried() {
		list = append(list, deployment.Finding{Check: "settings", State: deployment.StateWarn,
			Says: "mails stay in a folder of this machine, and nobody sends them", Do: "set " + prefix + "MAIL_SENDERS, unless another program sends what is in the folder"})
	}
	return list
}

// sendings say what is to be looked up for each sender. Who sends from the outbox's
// folder is taken for a mail server.
func (m *mailDoctor) sendings(c *Config, from string, domain *sendgrid.Domain) []mailcheck.Sending {
	var list []mailcheck.Sending
	for _, name := range c.MailSenders {
		s := mailcheck.Sending{From: from, Reply: m.reply, Envelope: m.envelope, Selectors: items(m.selector), Recipients: m.recipients}
		if name == senderSendGrid {
			if len(c.MailSenders) > 1 {
				s.Envelope, s.Selectors = "", nil // the flags are for the mail server
			}
			m.provided(&s, domain)
		} else if s.Envelope == "" {
			if _, s.Envelope, _ = strings.Cut(string(c.SMTPBounceAddress), "@"); s.Envelope == "" {
				s.Envelope = from // bounces go to the sender
			}
		}
		if len(c.MailSenders) > 1 {
			s.By = name
		}
		list = append(list, s)
	}
	return list
}

// provided fills in what the account tells, where no flag does.
func (m *mailDoctor) provided(s *mailcheck.Sending, domain *sendgrid.Domain) {
	s.Provided = true
	if domain != nil {
		s.Signed = domain.Domain
		if s.Envelope == "" {
			s.Envelope = domain.Envelope()
		}
		if len(s.Selectors) == 0 {
			s.Selectors = domain.Selectors()
		}
	}
	if len(s.Selectors) == 0 {
		s.Selectors = []string{"s1", "s2"}
	}
}

// at reports whether a domain is the employer's.
func (m *mailDoctor) at(domain string) bool {
	return slices.ContainsFunc(items(m.employer), func(d string) bool { return mailbox.Within(domain, d) })
}

// roll counts the addresses of the roll, if there is one here, and takes their number
// for that of the recipients.
func (m *mailDoctor) roll(ctx context.Context, e *env, c *Config) []deployment.Finding {
	const check = "roll"
	list, err := m.addressees(ctx, e, c)
	if err != nil {
		if m.recipients > 0 {
			return nil
		}
		return []deployment.Finding{{Check: check, State: deployment.StateWarn, Says: fmt.Sprintf("it was not read, so the rules for bulk mail are held to: %v", err),
			Do: "run this on the registrar's machine with -data and -id, or say how many members there are with -recipients"}}
	}
	if m.recipients == 0 {
		m.recipients = len(list)
	}
	counts := make(map[string]int)
	employer := 0
	for _, x := range list {
		_, domain, _ := strings.Cut(strings.ToLower(x.Email), "@")
		counts[mailboxes(domain)]++
		if m.at(domain) {
			employer++
		}
	}
	var parts []string
	for _, name := range []string{"Gmail", "Microsoft", "Yahoo", "Apple", "elsewhere"} {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	found := []deployment.Finding{{Check: check, State: deployment.StateOK, Says: fmt.Sprintf("%d members have an address: %s", len(list), strings.Join(parts, ", "))}}
	if employer > 0 {
		found = append(found, deployment.Finding{Check: "employer", State: deployment.StateWarn,
			Says: fmt.Sprintf("%d addresses are the employer's, who may read the mail, and open the link that is in it", employer),
			Do:   "ask these members for a private address; strikevote roll check -employer names the rows"})
	}
	return found
}

// mailboxes names who runs the mailboxes of a domain, of those that most members have.
func mailboxes(domain string) string {
	first, _, _ := strings.Cut(domain, ".")
	switch first {
	case "gmail", "googlemail":
		return "Gmail"
	case "outlook", "hotmail", "live", "msn":
		return "Microsoft"
	case "yahoo", "ymail", "rocketmail", "aol":
		return "Yahoo"
	case "icloud", "me", "mac":
		return "Apple"
	}
	return "elsewhere"
}

// addressees reads the roll of the election that is meant.
func (m *mailDoctor) addressees(ctx context.Context, e *env, c *Config) ([]registrar.Member, error) {
	if c.Data == "" {
		return nil, errors.New("no data folder is named")
	}
	if _, err := os.Stat(c.Data); err != nil {
		return nil, errors.New("there is no data folder here")
	}
	d, err := m.o.open(ctx, e)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if !d.Conducts() {
		return nil, errBoxOnly
	}
	id, err := m.o.election(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), errUsage.Error()+": "))
	}
	v, err := d.Overview(ctx, id)
	if err != nil {
		return nil, err
	}
	_, m.reply, _ = strings.Cut(strings.ToLower(v.Manifest.Help.Email), "@")
	return d.Addressees(ctx, id)
}

// testMail sends a test and notes what was answered.
func (m *mailDoctor) testMail(ctx context.Context, e *env, c *Config, list []deployment.Finding) ([]deployment.Finding, error) {
	var to mailAddress
	if err := to.UnmarshalText([]byte(m.test)); err != nil {
		return nil, usageError("-to: %v", err)
	}
	var said strings.Builder
	became, err := c.sendTest(ctx, &env{out: &said, err: e.err}, string(to), "")
	if err != nil {
		return nil, err
	}
	f := deployment.Finding{Check: "test mail", State: became, Says: strings.ReplaceAll(strings.TrimSpace(said.String()), "\n", "; "),
		Do: "look whether it arrives, and not among spam"}
	switch became {
	case deployment.StateFail:
		f.Do = "see what it answered, mend that, and try again"
	case deployment.StateWarn:
		f.Do = "try again in ten minutes: many systems ask a sender that they do not know yet to come again. The mails to members do so by themselves"
	}
	return append(list, f), nil
}
