package main

import (
	_ "embed"
	"reflect"
	"strings"
	"time"
)

// Config holds every setting of the service. A command uses some of them.
//
// A setting is an environment variable, STRIKEVOTE_ and its name, or a line of a
// file; see [loader]. What stands above a field here is what config sample
// prints. A secret is never a setting: a setting names the file that holds it.
type Config struct {
	// Folder for private databases, keys, mails, and what must survive a restart.
	Data string `env:"DATA" example:"/var/lib/strikevote"`
	// What this process runs of the service: some of registrar, box, board, booth and
	// console. Empty: all of it.
	Only parts `env:"ONLY" example:"registrar,console,booth"`
	// How often due work is looked for.
	Pace time.Duration `env:"PACE" default:"1s"`
	// What the log holds: debug, info, warn or error, and what is worse.
	LogLevel level `env:"LOG_LEVEL" default:"info"`

	// The registrar's database server, if somebody else runs it: where it is, without
	// a user or a password. Empty: a private one in the data folder. The box's must
	// be another server.
	RegistrarDatabase databaseURL `env:"REGISTRAR_DATABASE_URL" group:"Databases" example:"postgres://names.internal:5432/?sslmode=verify-full"`
	// Lines of role=password for it. Roles that are not listed log in by other means.
	RegistrarPasswordsFile string `env:"REGISTRAR_DATABASE_PASSWORDS_FILE" credential:"registrar-database-passwords" example:"/etc/strikevote/registrar-passwords"`
	// The box's database server, if somebody else runs it.
	BoxDatabase databaseURL `env:"BOX_DATABASE_URL" example:"postgres://box.internal:5432/?sslmode=verify-full"`
	// Lines of role=password for it.
	BoxPasswordsFile string `env:"BOX_DATABASE_PASSWORDS_FILE" credential:"box-database-passwords" example:"/etc/strikevote/box-passwords"`

	// Where the parts listen, host:port. Empty: a free port on this machine, the same
	// after a restart. Two parts may have one address if there are certificates and
	// their origins are different hosts.
	ListenBooth     address `env:"LISTEN_BOOTH" flag:"booth" group:"Addresses" example:"127.0.0.1:8001"`
	ListenRegistrar address `env:"LISTEN_REGISTRAR" flag:"registrar" example:"127.0.0.1:8002"`
	ListenBox       address `env:"LISTEN_BOX" flag:"box" example:"127.0.0.1:8003"`
	ListenBoard     address `env:"LISTEN_BOARD" flag:"board" example:"127.0.0.1:8004"`
	ListenConsole   address `env:"LISTEN_CONSOLE" flag:"console" example:"127.0.0.1:8005"`
	// The halves of the public record beside the registrar and beside the box, for a
	// board that runs elsewhere.
	ListenLedger  address `env:"LISTEN_LEDGER" flag:"ledger" example:"127.0.0.1:8006"`
	ListenBallots address `env:"LISTEN_BALLOTS" flag:"ballots" example:"127.0.0.1:8007"`
	// Health and metrics, for operators on this machine only.
	ListenAdmin address `env:"LISTEN_ADMIN" flag:"admin" example:"127.0.0.1:9090"`

	// Under which addresses people reach the parts, as browsers write them. They stand
	// in every manifest and link, and cannot change while a vote is on. Empty: the
	// addresses that the parts listen on.
	OriginBooth     origin `env:"ORIGIN_BOOTH" example:"https://vote.union.example"`
	OriginRegistrar origin `env:"ORIGIN_REGISTRAR" example:"https://registrar.union.example"`
	OriginBox       origin `env:"ORIGIN_BOX" example:"https://box.union.example"`
	OriginBoard     origin `env:"ORIGIN_BOARD" example:"https://record.union.example"`
	OriginConsole   origin `env:"ORIGIN_CONSOLE" example:"https://committee.union.example"`

	// Where a part finds what runs elsewhere: the registrar's half of the record, the
	// box's half, and the box. Empty: the origins of board and box.
	UpstreamLedger  origin `env:"UPSTREAM_LEDGER" example:"https://registrar.union.example:8443"`
	UpstreamBallots origin `env:"UPSTREAM_BALLOTS" example:"https://box.union.example:8443"`
	UpstreamBox     origin `env:"UPSTREAM_BOX" example:"https://box.union.example"`

	// A certificate with its chain, and its key, in PEM. They are read again when
	// they change.
	TLSCertFile string `env:"TLS_CERT_FILE" credential:"tls-cert" group:"TLS: certificate files, or ordered certificates, or a proxy" example:"/etc/strikevote/cert.pem"`
	TLSKeyFile  string `env:"TLS_KEY_FILE" credential:"tls-key" example:"/etc/strikevote/key.pem"`
	// Hosts to order certificates for, from Let's Encrypt, whose terms you accept so.
	TLSAutocert hosts `env:"TLS_AUTOCERT" example:"vote.union.example,registrar.union.example,box.union.example,record.union.example,committee.union.example"`
	// Folder for them. Empty: certificates in the data folder.
	TLSAutocertDir string `env:"TLS_AUTOCERT_DIR" example:"/var/lib/strikevote/certificates"`
	// Address for the authority's notices.
	TLSAutocertEmail string `env:"TLS_AUTOCERT_EMAIL" example:"it@union.example"`
	// Plain HTTP on port 80: answers the authority, and sends readers on to TLS.
	ListenHTTP address `env:"LISTEN_HTTP" example:":80"`
	// Addresses of the proxies that end TLS in front. Only they may speak plain HTTP to
	// this program from other machines, and only they are believed when they say
	// where a request came from. Name 127.0.0.1 for a proxy on this machine.
	TLSTerminator proxies `env:"TLS_TERMINATOR" example:"127.0.0.1"`

	// The master key under which key files are sealed; see strikevote keys. Empty: key
	// files are plain, and whoever has a copy of the disk has the keys.
	MasterKeyFile string `env:"MASTER_KEY_FILE" credential:"master-key" group:"Keys" example:"/etc/strikevote/master.key"`

	// Who carries the mails: sendgrid, smtp, or both, the first that takes a mail; or
	// outbox alone, a folder that gets them and from which nobody sends them. What goes
	// together: sendgrid with MAIL_FROM_ADDRESS, SENDGRID_KEY_FILE and
	// SENDGRID_WEBHOOK_KEY; smtp with MAIL_FROM_ADDRESS, SMTP_HOST, SMTP_USER with
	// SMTP_PASSWORD_FILE, and SMTP_BOUNCE_ADDRESS.
	MailSenders senders `env:"MAIL_SENDERS" default:"outbox" group:"Mail" example:"sendgrid,smtp"`
	// Who the mails are from. Whoever carries them wants a domain of the union's own.
	MailFromName    string      `env:"MAIL_FROM_NAME" default:"Union ballot"`
	MailFromAddress mailAddress `env:"MAIL_FROM_ADDRESS" example:"ballot@union.example"`
	// Folder of the outbox. Empty: mail in the data folder.
	MailDir string `env:"MAIL_DIR" example:"/var/lib/strikevote/mail"`
	// The time zone of dates in mails. Empty: this machine's.
	TimeZone zone `env:"TIME_ZONE" example:"America/Los_Angeles"`
	// Over which time mails to everybody leave, at random: announcement, invitations, reminders,
	// result. Reckon: members divided by the mails that whoever carries them takes in an hour
	// are the hours that it needs at least. 22,000 members and 4,000 mails an hour: 6h.
	MailSpread time.Duration `env:"MAIL_SPREAD" default:"1h"`

	// The key of SendGrid's API: with Mail Send, and read access to what strikevote
	// doctor mail looks at.
	SendGridKeyFile secretFile `env:"SENDGRID_KEY_FILE" credential:"sendgrid-key" group:"SendGrid" example:"/etc/strikevote/sendgrid.key"`
	// Where its API is. An account in the EU has https://api.eu.sendgrid.com.
	SendGridURL origin `env:"SENDGRID_URL" default:"https://api.sendgrid.com"`
	// The public key of its signed event webhook, as its pages show it. Without it nobody
	// learns which mails came back.
	SendGridWebhookKey string `env:"SENDGRID_WEBHOOK_KEY" example:"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9zQBVsKKn1uOTSIMaGEFWZ6JTmij5+GwWN0z8O3mYRIicsh0Xcl4Xt9x68sBpASHWiz/EH+sfznI/Pu6LEEO5g=="`
	// yes: it only checks the mails, and none arrives. For tests.
	SendGridSandbox yesno `env:"SENDGRID_SANDBOX" default:"no"`

	// The mail server that takes the mails, by its name alone.
	SMTPHost hostName `env:"SMTP_HOST" group:"A mail server" example:"smtp.union.example"`
	// Its port; 0 is 465 with tls, otherwise 587.
	SMTPPort port `env:"SMTP_PORT" default:"0"`
	// How the way there is encrypted: starttls, tls, or none, which is for a server on
	// this machine only.
	SMTPTLS encryption `env:"SMTP_TLS" default:"starttls"`
	// Name and password, if it wants them.
	SMTPUser         string     `env:"SMTP_USER" example:"ballot@union.example"`
	SMTPPasswordFile secretFile `env:"SMTP_PASSWORD_FILE" credential:"smtp-password" example:"/etc/strikevote/smtp.password"`
	// Where bounces go. Each mail has an address of its own there, like
	// bounce+0123…@union.example, so the mail system has to deliver what has a + in it.
	// Before the @ it has 31 characters at most, and no + itself.
	SMTPBounceAddress mailAddress `env:"SMTP_BOUNCE_ADDRESS" example:"bounce@union.example"`
	// Maildir that gets the bounces and that serve reads. Empty: they are given to
	// strikevote mail bounce, or nobody counts them.
	MailBounces string `env:"MAIL_BOUNCES" example:"/var/mail/bounces"`

	// How many requests one network may make: so many at once, and so many in each
	// period. Whole hospitals share one address, so keep them high. The box has no
	// such limit, because it does not look at addresses.
	RateBooth     rate `env:"RATE_BOOTH" default:"6000/1m" group:"Limits"`
	RateRegistrar rate `env:"RATE_REGISTRAR" default:"3000/1m"`
	RateBoard     rate `env:"RATE_BOARD" default:"12000/1m"`
	RateConsole   rate `env:"RATE_CONSOLE" default:"600/1m"`
}

// prefix begins the names of all settings in the environment.
const prefix = "STRIKEVOTE_"

//go:embed config.go
var configSource string

// A setting is a field of [Config].
type setting struct {
	name       string // after the prefix
	flag       string // on the command line, where a command has it
	group      string // begins a group of settings in the sample
	doc        string // several lines; "" for one that stands together with those before it
	shared     string // doc, or that of those before it
	fallback   string // the default
	example    string
	credential string // name of the systemd credential that is used if it is empty
	index      int    // of the field
}

func (s setting) variable() string { return prefix + s.name }

// allSettings lists the settings in the order of the fields. What they are for is
// read from this file, so that it is written once.
func allSettings() []setting {
	docs := fieldDocs(configSource)
	var list []setting
	for i := range reflect.TypeFor[Config]().NumField() {
		f := reflect.TypeFor[Config]().Field(i)
		s := setting{
			name: f.Tag.Get("env"), flag: f.Tag.Get("flag"), group: f.Tag.Get("group"), doc: docs[f.Name],
			fallback: f.Tag.Get("default"), example: f.Tag.Get("example"), credential: f.Tag.Get("credential"), index: i,
		}
		if s.shared = s.doc; s.doc == "" {
			s.shared = list[i-1].shared
		}
		if s.flag == "" {
			s.flag = strings.ReplaceAll(strings.ToLower(s.name), "_", "-")
		}
		list = append(list, s)
	}
	return list
}

// fieldDocs returns the comments above the fields of Config. A field without one
// stands together with those before it, and has none of its own.
func fieldDocs(source string) map[string]string {
	_, body, _ := strings.Cut(source, "\ntype Config struct {\n")
	body, _, _ = strings.Cut(body, "\n}\n")
	docs := make(map[string]string)
	var doc []string
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "//"); ok {
			doc = append(doc, strings.TrimSpace(text))
			continue
		}
		if name, _, ok := strings.Cut(line, " "); ok {
			docs[name] = strings.Join(doc, "\n")
		}
		doc = nil
	}
	return docs
}

// listeners returns the configured addresses by the names of listeners.
func (c *Config) listeners() map[string]address {
	return map[string]address{
		"booth": c.ListenBooth, "registrar": c.ListenRegistrar, "box": c.ListenBox, "board": c.ListenBoard, "console": c.ListenConsole,
		"ledger": c.ListenLedger, "ballots": c.ListenBallots, "admin": c.ListenAdmin,
	}
}

// origins returns the configured origins by the names of parts.
func (c *Config) origins() map[string]origin {
	return map[string]origin{
		"booth": c.OriginBooth, "registrar": c.OriginRegistrar, "box": c.OriginBox, "board": c.OriginBoard, "console": c.OriginConsole,
	}
}
