package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/mailer/sendgrid"
	"strikevote/internal/mailer/smtp"
	"strikevote/internal/platform/secret"
)

// The names of senders, as the outbox keeps them.
const (
	senderOutbox   = "outbox"
	senderSendGrid = "sendgrid"
	senderSMTP     = "smtp"
)

// senders is a ranked list of who carries the mails.
type senders []string

func (s *senders) UnmarshalText(b []byte) error {
	list := items(string(b))
	for i, name := range list {
		if !slices.Contains([]string{senderOutbox, senderSendGrid, senderSMTP}, name) {
			return fmt.Errorf("there is no %q; write outbox, smtp or sendgrid, or two like sendgrid,smtp", name)
		}
		if slices.Contains(list[:i], name) {
			return fmt.Errorf("%s is named twice", name)
		}
	}
	// A folder takes everything: nobody would notice that mails stay there.
	if len(list) > 1 && slices.Contains(list, senderOutbox) {
		return errors.New("outbox is a folder that nobody sends from; name it alone")
	}
	*s = list
	return nil
}

func (s senders) MarshalText() ([]byte, error) { return []byte(strings.Join(s, ",")), nil }

func (s senders) has(name string) bool { return slices.Contains(s, name) }

// carried reports whether mails leave this machine.
func (s senders) carried() bool { return len(s) > 0 && !s.has(senderOutbox) }

// A yesno is yes or no.
type yesno bool

func (y *yesno) UnmarshalText(b []byte) error {
	switch strings.ToLower(string(b)) {
	case "yes", "true":
		*y = true
	case "no", "false":
		*y = false
	default:
		return errors.New("write yes or no")
	}
	return nil
}

func (y yesno) MarshalText() ([]byte, error) {
	if y {
		return []byte("yes"), nil
	}
	return []byte("no"), nil
}

// A port is one of TCP; 0 is the usual one.
type port uint16

func (p *port) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 10, 16)
	if err != nil {
		return fmt.Errorf("%q is not a port; write it like 587", b)
	}
	*p = port(n)
	return nil
}

func (p port) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(p), 10), nil }

// encryption says how the way to a mail server is encrypted.
type encryption string

func (x *encryption) UnmarshalText(b []byte) error {
	if !slices.Contains([]string{smtp.StartTLS, smtp.TLS, smtp.None}, string(b)) {
		return fmt.Errorf("%q is none; write starttls, tls or none", b)
	}
	*x = encryption(b)
	return nil
}

func (x encryption) MarshalText() ([]byte, error) { return []byte(x), nil }

// smtpPort is the configured port of the mail server, or the usual one.
func (c *Config) smtpPort() int {
	switch {
	case c.SMTPPort != 0:
		return int(c.SMTPPort)
	case c.SMTPTLS == smtp.TLS:
		return 465
	}
	return 587
}

// checkMail says what would keep mails from leaving, or from being from the union.
func (c *Config) checkMail(bad reportFunc) {
	if c.MailSenders.has(senderSendGrid) {
		if c.SendGridKeyFile == "" {
			bad("SENDGRID_KEY_FILE", "%sMAIL_SENDERS names sendgrid, and there is no key; name the file that holds it", prefix)
		}
		if _, err := c.webhook(); err != nil {
			bad("SENDGRID_WEBHOOK_KEY", "%v", err)
		}
		if !c.SendGridURL.secure() && !loopback(c.SendGridURL.host()) {
			bad("SENDGRID_URL", "it is plain HTTP, over which anybody on the way reads the links; write https://%s", c.SendGridURL.host())
		}
	}
	if c.MailSenders.has(senderSMTP) && c.SMTPHost == "" {
		bad("SMTP_HOST", "%sMAIL_SENDERS names smtp, and there is no server; name it", prefix)
	}
	if c.SMTPTLS == smtp.None && c.SMTPHost != "" && !loopback(c.SMTPHost) {
		bad("SMTP_TLS", "none is for a server on this machine only: anybody on the way to %s could read the links; write starttls or tls", c.SMTPHost)
	}
	if (c.SMTPUser == "") != (c.SMTPPasswordFile == "") {
		bad("SMTP_USER", "set it together with %sSMTP_PASSWORD_FILE, or neither", prefix)
	}
	if c.MailBounces != "" && c.SMTPBounceAddress == "" {
		bad("SMTP_BOUNCE_ADDRESS", "%sMAIL_BOUNCES is set; say to which address these bounces come", prefix)
	}
	_, domain, _ := strings.Cut(string(c.MailFromAddress), "@")
	switch {
	case !c.MailSenders.carried():
	case domain == "":
		bad("MAIL_FROM_ADDRESS", "it is empty, and mails leave this machine; write the address they are from, in a domain of the union")
	case !strings.Contains(domain, "."):
		bad("MAIL_FROM_ADDRESS", "%s is not a domain that anybody can answer to; write one like ballot@union.example", domain)
	}
}

// warnings are what serve would take and somebody should look at.
func (c *Config) warnings() []string {
	var list []string
	if c.MailSenders.has(senderSMTP) && c.SMTPBounceAddress == "" {
		list = append(list, prefix+"SMTP_BOUNCE_ADDRESS is empty: bounces go to the sender's own address, and nobody learns which members got nothing")
	}
	if c.MailSenders.has(senderSendGrid) && c.SendGridWebhookKey == "" {
		list = append(list, prefix+"SENDGRID_WEBHOOK_KEY is empty: nobody learns which members got nothing")
	}
	if c.MailSenders.has(senderSendGrid) && bool(c.SendGridSandbox) {
		list = append(list, prefix+"SENDGRID_SANDBOX is yes: no mail arrives")
	}
	return list
}

// sendGrid returns what the settings say of SendGrid.
func (c *Config) sendGrid(log *slog.Logger) (sendgrid.Config, error) {
	key, err := secret.Read(c.SendGridKeyFile)
	if err != nil {
		return sendgrid.Config{}, fmt.Errorf("%sSENDGRID_KEY_FILE: %w", prefix, err)
	}
	return sendgrid.Config{Key: strings.TrimSpace(string(key)), BaseURL: string(c.SendGridURL), Sandbox: bool(c.SendGridSandbox), Log: log}, nil
}

// webhook returns what reads SendGrid's events, or nil.
func (c *Config) webhook() (deployment.Webhook, error) {
	if c.SendGridWebhookKey == "" || !c.MailSenders.has(senderSendGrid) {
		return nil, nil
	}
	key, err := sendgrid.ParseKey(c.SendGridWebhookKey)
	if err != nil {
		return nil, err
	}
	return sendgrid.Webhook{Key: key}, nil
}

// smtp returns what the settings say of the mail server.
func (c *Config) smtp() (smtp.Config, error) {
	s := smtp.Config{Host: c.SMTPHost, Port: c.smtpPort(), User: c.SMTPUser, TLS: string(c.SMTPTLS), Bounce: string(c.SMTPBounceAddress)}
	if c.SMTPPasswordFile == "" {
		return s, nil
	}
	password, err := secret.Read(c.SMTPPasswordFile)
	if err != nil {
		return s, fmt.Errorf("%sSMTP_PASSWORD_FILE: %w", prefix, err)
	}
	s.Password = strings.TrimRight(string(password), "\r\n")
	return s, nil
}

// senders returns who carries the mails, by rank; none where they stay in the outbox.
func (c *Config) senders(log *slog.Logger) ([]mailer.Sender, error) {
	var list []mailer.Sender
	var errs []error
	for _, name := range c.MailSenders {
		var s mailer.Sender
		var err error
		switch name {
		case senderSendGrid:
			var g sendgrid.Config
			if g, err = c.sendGrid(log); err == nil {
				s, err = sendgrid.New(g)
			}
		case senderSMTP:
			var m smtp.Config
			if m, err = c.smtp(); err == nil {
				s, err = smtp.New(m)
			}
		default:
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, s)
	}
	return list, errors.Join(errs...)
}

// closeSenders ends the connections that senders keep.
func closeSenders(list []mailer.Sender) {
	for _, s := range list {
		if c, ok := s.(interface{ Close() }); ok {
			c.Close()
		}
	}
}
