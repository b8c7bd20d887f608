package voter

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
)

// errNoMail is of a file that is no mail. What a parser says of it would show what
// stands in the file.
var errNoMail = errors.New("it is not a mail as it was sent")

// ReadMail takes the address and the voting link out of a mail as it was sent,
// from its text part. link is "" if there is none.
func ReadMail(r io.Reader) (address, link string, err error) {
	msg, err := mail.ReadMessage(r)
	if err != nil {
		return "", "", errNoMail
	}
	to, err := msg.Header.AddressList("To")
	if err != nil || len(to) != 1 {
		return "", "", errors.New("it is not to one address")
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return "", "", errNoMail
	}
	// NextPart decodes quoted-printable by itself.
	part, err := multipart.NewReader(msg.Body, params["boundary"]).NextPart()
	if err != nil {
		return "", "", errNoMail
	}
	text, err := io.ReadAll(io.LimitReader(part, 1<<20))
	if err != nil {
		return "", "", err
	}
	for word := range strings.FieldsSeq(string(text)) {
		// The latter is how some mail gateways write it.
		if strings.Contains(word, "/v1/#t=") || strings.Contains(word, "/v1/%23t=") {
			return to[0].Address, word, nil
		}
	}
	return to[0].Address, "", nil
}
