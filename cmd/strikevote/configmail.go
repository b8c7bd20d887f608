package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
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
	switch strings.ToLower(string(b)) {
	case "ssl", "smtps", "ssl/tls":
		return fmt.Errorf("%s is called tls here; write tls, usual on port 465, or starttls, usual on 587", b)
	}
	if !slices.Contains([]string{smtp.StartTLS, smtp.TLS, smtp.None}, string(b)) {
		return fmt.Errorf("%q is none; write starttls, tls or none", b)
	}
	*x = encryption(b)
	return nil
}

func (x encryption) MarshalText() ([]byte, error) { return []byte(x), nil }

// A hostName is the name of a server, or its address, without a port.
type hostName string

func (h *hostName) UnmarshalText(b []byte) error {
	text := string(b)
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		rest, _, _ = strings.Cut(rest, "/")
		rest = rest[strings.LastIndexByte(rest, '@')+1:]
		more := ""
		if host, p, err := net.SplitHostPort(rest); err == nil {
			rest, more = host, fmt.Sprintf(", and %sSMTP_PORT=%s", prefix, p)
		}
		if scheme == "smtps" {
			more += fmt.Sprintf(", and %sSMTP_TLS=tls", prefix)
		}
		return fmt.Errorf("write only the host, %s, without what stands before it%s", rest, more)
	}
	if host, p, err := net.SplitHostPort(text); err == nil {
		return fmt.Errorf("write only the host, %s, and %sSMTP_PORT=%s", host, prefix, p)
	}
	if strings.ContainsAny(text, " \t\r\n/@[]") {
		return errors.New("it is not the name of a server; write it like smtp.union.example")
	}
	*h = hostName(text)
	return nil
}

func (h hostName) MarshalText() ([]byte, error) { return []byte(h), nil }

// A secretFile is the name of a file that holds a secret. Whoever put the secret itself
// there does not see it again on a screen, or in a log.
type secretFile string

func (f *secretFile) UnmarshalText(b []byte) error {
	text := string(b)
	if strings.HasPrefix(strings.TrimSpace(text), "SG.") {
		return errors.New("this looks like the key itself; put the key into a file that nobody else may read, and name the file here")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
		return errors.New("it holds a line end or another character that cannot be seen")
	}
	*f = secretFile(text)
	return nil
}

func (f secretFile) MarshalText() ([]byte, error) { return []byte(f), nil }

// read returns the secret of a setting.
func (f secretFile) read(name string) (string, error) {
	b, err := secret.Read(string(f))
	if errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(string(f)) {
		// It may be the secret.
		return "", fmt.Errorf("%s%s: there is no such file; write the name of the file that holds the secret, from the root on, not the secret", prefix, name)
	}
	if err != nil {
		return "", fmt.Errorf("%s%s: %w", prefix, name, err)
	}
	text := strings.TrimRight(string(b), "\r\n")
	if strings.TrimSpace(text) == "" {
		return "", fmt.Errorf("%s%s: %s is empty; put the secret into it", prefix, name, f)
	}
	return text, nil
}

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
	if c.SMTPTLS == smtp.None && c.SMTPHost != "" && !loopback(string(c.SMTPHost)) {
		bad("SMTP_TLS", "none is for a server on this machine only: anybody on the way to %s could read the links; write starttls or tls", c.SMTPHost)
	}
	if c.SMTPTLS == smtp.None && c.SMTPUser != "" && loopback(string(c.SMTPHost)) {
		bad("SMTP_USER", "a password is not sent unencrypted, and %sSMTP_TLS is none; write starttls there, or leave name and password out if the server on this machine wants none", prefix)
	}
	c.checkBounceAddress(bad)
	if c.SMTPUser == "" && c.SMTPPasswordFile != "" {
		bad("SMTP_USER", "set it together with %sSMTP_PASSWORD_FILE, or neither", prefix)
	}
	if c.MailBounces != "" && c.SMTPBounceAddress == "" {
		bad("SMTP_BOUNCE_ADDRESS", "%sMAIL_BOUNCES is set; say to which address these bounces come", prefix)
	}
	_, domain, _ := strings.Cut(string(c.MailFromAddress), "@")
	switch {
	case freeMail(domain) && c.MailSenders.carried():
		bad("MAIL_FROM_ADDRESS", "nobody but %s may send for %s, and receiving systems refuse what others send; use a domain of the union", domain, domain)
	case !c.MailSenders.carried():
	case domain == "":
		bad("MAIL_FROM_ADDRESS", "it is empty, and mails leave this machine; write the address they are from, in a domain of the union")
	case !strings.Contains(domain, "."):
		bad("MAIL_FROM_ADDRESS", "%s is not a domain that anybody can answer to; write one like ballot@union.example", domain)
	}
}

// longestBounce is how long what stands before the @ may be: RFC 5321 has room for 64
// characters, and the mail's own number takes 33.
const longestBounce = 64 - 33

func (c *Config) checkBounceAddress(bad reportFunc) {
	const name = "SMTP_BOUNCE_ADDRESS"
	local, domain, _ := strings.Cut(string(c.SMTPBounceAddress), "@")
	switch {
	case strings.Contains(local, "+"):
		bad(name, "there is a + in it, behind which the number of each mail is put; write it without, like bounce@%s", domain)
	case len(local) > longestBounce:
		bad(name, "before the @ there are %d characters, and there is room for %d, since the number of each mail is added; write it like bounce@%s", len(local), longestBounce, domain)
	case strings.ContainsFunc(string(c.SMTPBounceAddress), func(r rune) bool { return r > '~' }):
		bad(name, "not every mail system takes letters like those in it; write it like bounce@union.example")
	}
}

// freeMail reports whether a domain is one in which everybody may have a mailbox.
func freeMail(domain string) bool {
	switch domain = strings.ToLower(domain); domain {
	case "gmx.net", "gmx.com", "gmx.de", "proton.me", "protonmail.com", "mail.com", "comcast.net", "att.net", "sbcglobal.net", "verizon.net", "qq.com", "163.com", "naver.com":
		return true
	}
	// yahoo.com and yahoo.co.uk, but not live.union.example.
	_, rest, _ := strings.Cut(domain, ".")
	country := strings.HasPrefix(rest, "co.") || strings.HasPrefix(rest, "com.")
	return mailboxes(domain) != "elsewhere" && (country || !strings.Contains(rest, "."))
}

// outsideUnit is what to do where systemd keeps a secret for the service alone.
const outsideUnit = "where systemd gives it to the unit, give it to this command too, as deploy/README.md says under Mail"

// checkMailSecrets says which secret of a sender is missing. Only who sends needs them.
func (c *Config) checkMailSecrets(bad reportFunc) {
	if c.MailSenders.has(senderSendGrid) && c.SendGridKeyFile == "" {
		bad("SENDGRID_KEY_FILE", "%sMAIL_SENDERS names sendgrid, and there is no key; name the file that holds it; %s", prefix, outsideUnit)
	}
	if c.SMTPUser != "" && c.SMTPPasswordFile == "" {
		bad("SMTP_USER", "set it together with %sSMTP_PASSWORD_FILE, or neither; %s", prefix, outsideUnit)
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
	if missing := c.maildirMissing(); missing != "" {
		list = append(list, missing)
	}
	return list
}

// sendGrid returns what the settings say of SendGrid.
func (c *Config) sendGrid(log *slog.Logger) (sendgrid.Config, error) {
	key, err := c.SendGridKeyFile.read("SENDGRID_KEY_FILE")
	if err != nil {
		return sendgrid.Config{}, err
	}
	return sendgrid.Config{Key: strings.TrimSpace(key), BaseURL: string(c.SendGridURL), Sandbox: bool(c.SendGridSandbox), Log: log}, nil
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
	s := smtp.Config{Host: string(c.SMTPHost), Port: c.smtpPort(), User: c.SMTPUser, TLS: string(c.SMTPTLS), Bounce: string(c.SMTPBounceAddress)}
	if c.SMTPPasswordFile == "" {
		return s, nil
	}
	var err error
	s.Password, err = c.SMTPPasswordFile.read("SMTP_PASSWORD_FILE")
	return s, err
}

// envelope returns an address like those that mails leave from for the mail server: what
// takes one with a mail's number takes them all.
func (c *Config) envelope() string {
	if local, domain, ok := strings.Cut(string(c.SMTPBounceAddress), "@"); ok {
		return local + "+" + strings.Repeat("0", 32) + "@" + domain
	}
	return string(c.MailFromAddress)
}

// senders returns who carries the mails, by rank; none where they stay in the outbox.
func (c *Config) senders(log *slog.Logger) ([]mailer.Sender, error) { return c.carriers(log, false) }

// carriers are the same; quote has them repeat what they are answered, for tests.
func (c *Config) carriers(log *slog.Logger, quote bool) ([]mailer.Sender, error) {
	var list []mailer.Sender
	var errs []error
	for _, name := range c.MailSenders {
		var s mailer.Sender
		var err error
		switch name {
		case senderSendGrid:
			var g sendgrid.Config
			if g, err = c.sendGrid(log); err == nil {
				g.Quote = quote
				s, err = sendgrid.New(g)
			}
		case senderSMTP:
			var m smtp.Config
			if m, err = c.smtp(); err == nil {
				m.Quote = quote
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
