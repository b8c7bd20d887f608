package voter_test

import (
	"strings"
	"testing"

	"strikevote/internal/voter"
)

// letter is a mail as the mailer writes it: a text part in quoted-printable,
// which breaks the link over lines, and an HTML part.
func letter(link string) string {
	text := strings.ReplaceAll("Dear Ana,\n\nvote here:\n\n"+link+"\n\nThe committee\n", "=", "=3D")
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		for len(line) > 60 {
			// Not in the middle of an escape.
			cut := 60
			for strings.Contains(line[cut-2:cut], "=") {
				cut--
			}
			lines = append(lines, line[:cut]+"=")
			line = line[cut:]
		}
		lines = append(lines, line)
	}
	return "From: Union <ballot@union.example>\r\nTo: Ana <ana@mail.example>\r\nSubject: Your ballot\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=xyz\r\n\r\n" +
		"--xyz\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		strings.Join(lines, "\r\n") + "\r\n--xyz\r\nContent-Type: text/html\r\n\r\n<p>http://evil.example/v1/#t=x</p>\r\n--xyz--\r\n"
}

func TestReadMail(t *testing.T) {
	t.Parallel()
	link := newService(t).link(3)
	good := letter(link)
	if to, got, err := voter.ReadMail(strings.NewReader(good)); err != nil || got != link || to != "ana@mail.example" {
		t.Errorf("got %q, %q, %v", to, got, err)
	}
	gateway := strings.Replace(link, "#", "%23", 1)
	if _, got, err := voter.ReadMail(strings.NewReader(letter(gateway))); err != nil || got != gateway {
		t.Errorf("got %q, %v", got, err)
	}
	if to, got, err := voter.ReadMail(strings.NewReader(letter("nothing"))); err != nil || got != "" || to != "ana@mail.example" {
		t.Errorf("without a link: got %q, %q, %v", to, got, err)
	}
	for name, bad := range map[string]string{
		"empty":          "",
		"no mail":        "hello\n",
		"to nobody":      strings.Replace(good, "To: Ana <ana@mail.example>\r\n", "", 1),
		"to two":         strings.Replace(good, "<ana@mail.example>", "<ana@mail.example>, b@mail.example", 1),
		"no parts":       strings.Replace(good, "multipart/alternative; boundary=xyz", "text/plain", 1),
		"no type":        strings.Replace(good, "Content-Type: multipart", "X-Type: multipart", 1),
		"other boundary": strings.Replace(good, "boundary=xyz", "boundary=abc", 1),
		"cut off":        good[:300],
	} {
		if _, got, err := voter.ReadMail(strings.NewReader(bad)); err == nil && got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func FuzzReadMail(f *testing.F) {
	f.Add(letter("http://a.example/v1/#t=x"))
	f.Add("To: a@b\nContent-Type: multipart/mixed; boundary=\"\"\n\n--\n\n--")
	f.Fuzz(func(t *testing.T, s string) {
		to, link, err := voter.ReadMail(strings.NewReader(s))
		if err != nil && (to != "" || link != "") {
			t.Errorf("got %q, %q with %v", to, link, err)
		}
		if link != "" && !strings.Contains(strings.Replace(link, "%23", "#", 1), "/v1/#t=") {
			t.Errorf("got link %q", link)
		}
	})
}
