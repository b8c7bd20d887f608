package sendgrid_test

import (
	"strings"
	"testing"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/sendgrid/sendgridtest"
)

// TestInput: whatever stands in a mail, it makes no header, no second address, and no
// part of another's mail. The stand-in checks each request; here is what arrives.
func TestInput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("l", 63) + "@" + strings.Repeat(strings.Repeat("d", 60)+".", 3) + "example"
	for name, tt := range map[string]struct {
		change func(*mailer.Mail)
		want   string
		arrive func(sendgridtest.Message) bool
	}{
		"address with a line end":    {func(m *mailer.Mail) { m.To = "a@x.example\r\nBcc: evil@x.example" }, "1 refused address", nil},
		"two addresses":              {func(m *mailer.Mail) { m.To = "a@x.example, evil@x.example" }, "1 refused address", nil},
		"address with a name":        {func(m *mailer.Mail) { m.To = "Evil <evil@x.example>" }, "1 refused address", nil},
		"address with a comment":     {func(m *mailer.Mail) { m.To = "a@x.example (evil)" }, "1 refused address", nil},
		"no address":                 {func(m *mailer.Mail) { m.To = "evil" }, "1 refused address", nil},
		"empty address":              {func(m *mailer.Mail) { m.To = "" }, "1 refused address", nil},
		"numbers for a host":         {func(m *mailer.Mail) { m.To = "a@[127.0.0.1]" }, "1 refused address", nil},
		"mailbox that is not ASCII":  {func(m *mailer.Mail) { m.To = "maría@x.example" }, "1 refused address", nil},
		"mailbox with a quote":       {func(m *mailer.Mail) { m.To = `"a b"@x.example` }, "1 refused address", nil},
		"domain that is none":        {func(m *mailer.Mail) { m.To = "a@x_y.exa mple" }, "1 refused address", nil},
		"domain that is not ASCII":   {func(m *mailer.Mail) { m.To = "a@Münster.example" }, "1 accepted", func(m sendgridtest.Message) bool { return m.To == "a@xn--mnster-3ya.example" }},
		"domain in capitals":         {func(m *mailer.Mail) { m.To = "A.B@X.EXAMPLE" }, "1 accepted", func(m sendgridtest.Message) bool { return m.To == "A.B@x.example" }},
		"domain with two hyphens":    {func(m *mailer.Mail) { m.To = "a@ab--cd.example" }, "1 accepted", func(m sendgridtest.Message) bool { return m.To == "a@ab--cd.example" }},
		"domain with a sign":         {func(m *mailer.Mail) { m.To = "a@x_y.example" }, "1 refused address", nil},
		"domain of one word":         {func(m *mailer.Mail) { m.To = "a@localhost" }, "1 refused address", nil},
		"a label of 64 bytes":        {func(m *mailer.Mail) { m.To = "a@" + strings.Repeat("d", 64) + ".example" }, "1 refused address", nil},
		"mailbox with a plus":        {func(m *mailer.Mail) { m.To = "o'neil+ballot@x.example" }, "1 accepted", func(m sendgridtest.Message) bool { return m.To == "o'neil+ballot@x.example" }},
		"254 bytes":                  {func(m *mailer.Mail) { m.To = long }, "1 accepted", func(m sendgridtest.Message) bool { return m.To == long && len(m.To) == 254 }},
		"255 bytes":                  {func(m *mailer.Mail) { m.To = "l" + long }, "1 refused address", nil},
		"65 bytes of a mailbox":      {func(m *mailer.Mail) { m.To = strings.Repeat("l", 65) + "@x.example" }, "1 refused address", nil},
		"subject with a line end":    {func(m *mailer.Mail) { m.Subject = "x\r\nBcc: evil@x.example" }, "1 refused other", nil},
		"subject with half of one":   {func(m *mailer.Mail) { m.Subject = "x\nBcc: evil@x.example" }, "1 refused other", nil},
		"subject with a name":        {func(m *mailer.Mail) { m.Subject = "Núñez; 王, <b>" }, "1 accepted", func(m sendgridtest.Message) bool { return m.Subject == "Núñez; 王, <b>" }},
		"no subject":                 {func(m *mailer.Mail) { m.Subject = "" }, "1 refused other", nil},
		"sender's name, line end":    {func(m *mailer.Mail) { m.From.Name = "x\r\nBcc: evil@x.example" }, "1 not taken settings", nil},
		"sender's name, marks":       {func(m *mailer.Mail) { m.From.Name = "Sección Única" }, "1 accepted", func(m sendgridtest.Message) bool { return m.FromName == "Seccion Unica" }},
		"sender's name, no letter":   {func(m *mailer.Mail) { m.From.Name = "工会" }, "1 accepted", func(m sendgridtest.Message) bool { return m.FromName == "" }},
		"sender, not ASCII":          {func(m *mailer.Mail) { m.From.Address = "votación@union.example" }, "1 not taken settings", nil},
		"sender, domain":             {func(m *mailer.Mail) { m.From.Address = "ballot@unión.example" }, "1 accepted", func(m sendgridtest.Message) bool { return m.From == "ballot@xn--unin-sqa.example" }},
		"reply with a line end":      {func(m *mailer.Mail) { m.ReplyTo = "a@x.example\nBcc: evil@x.example" }, "1 not taken settings", nil},
		"language with a line end":   {func(m *mailer.Mail) { m.Language = "en\r\nBcc: evil@x.example" }, "1 not taken settings", nil},
		"text that looks like MIME":  {func(m *mailer.Mail) { m.Text = "x\r\n.\r\nBcc: evil@x.example\r\n--boundary\r\n" }, "1 accepted", func(m sendgridtest.Message) bool { return strings.HasSuffix(m.Text, "--boundary\r\n") }},
		"text that looks like a tag": {func(m *mailer.Mail) { m.Text = "-HTML- -TEXT- {{name}} %name% [%evil%]" }, "1 accepted", func(m sendgridtest.Message) bool { return m.Text == "-HTML- -TEXT- {{name}} %name% [%evil%]" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, sendgridtest.Options{})
			m := sample(1)
			tt.change(&m)
			got := verdicts(b.Send(t.Context(), []mailer.Mail{m}))
			kept := b.server.Kept()
			if got != tt.want || (len(kept) > 0) != (tt.arrive != nil) || tt.arrive != nil && !tt.arrive(kept[0]) {
				t.Errorf("%s, arrived %+v", got, kept)
			}
			if strings.Contains(b.log.String(), "evil") {
				t.Errorf("logged: %s", &b.log)
			}
		})
	}
}

// TestOneMailbox: two members share a mailbox, spelled alike or not. Both get their
// mail, in calls of their own, as do members in another language.
func TestOneMailbox(t *testing.T) {
	t.Parallel()
	b := newBench(t, sendgridtest.Options{})
	mails := samples(8)
	mails[1].To = mails[0].To
	mails[2].To = strings.ToUpper(mails[0].To)
	mails[3].To = "canary4@MÜNSTER.example"
	mails[4].To = "Canary4@xn--mnster-3ya.example"
	mails[5].Language = "es"
	if got := verdicts(b.Send(t.Context(), mails)); got != "8 accepted" {
		t.Fatal(got)
	}
	calls := make(map[string][]int)
	for _, m := range b.server.Kept() {
		calls[strings.ToLower(m.To)] = append(calls[strings.ToLower(m.To)], m.Call)
	}
	if n := len(calls["canary0@mail.example"]); n != 3 || len(calls["canary4@xn--mnster-3ya.example"]) != 2 || b.server.Counts().Calls != 4 {
		t.Errorf("calls %v", calls)
	}
}

// TestLarge: a mail that is larger than a mail's own part of a call may be goes in a
// call of its own, and arrives as it is.
func TestLarge(t *testing.T) {
	t.Parallel()
	b := newBench(t, sendgridtest.Options{})
	mails := samples(6)
	mails[2].HTML = strings.Repeat("<p>ñ</p>", 2000)
	mails[4].Text = strings.Repeat("x", 10_000-len(mails[4].HTML)-2*26) // just not too large
	mails[5].Text = mails[4].Text + "xx"
	if got := verdicts(b.Send(t.Context(), mails)); got != "6 accepted" {
		t.Fatal(got)
	}
	calls := map[int]int{}
	for _, m := range b.server.Kept() {
		calls[m.Call]++
		sent := mails[m.ID[2]]
		if m.Text != sent.Text || m.HTML != sent.HTML {
			t.Errorf("mail %d is not what was sent", m.ID[2])
		}
	}
	if c := b.server.Counts(); c.Calls != 3 || c.LargestPersonalization != 10_000 {
		t.Errorf("calls %v, the largest part has %d bytes", calls, c.LargestPersonalization)
	}
}
