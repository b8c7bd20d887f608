package sendgrid

import (
	"bytes"
	"strings"

	"strikevote/internal/mailer"
)

// byCode returns the reason in the first code of RFC 3463 in a text, such as "5.1.1",
// and [mailer.ReasonOther] where there is none that says something. The words beside
// it are another mail system's, and may hold an address.
func byCode(text []byte) mailer.Reason {
	for word := range bytes.FieldsFuncSeq(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		parts := strings.Split(strings.Trim(string(word), "."), ".")
		if len(parts) != 3 || parts[0] != "4" && parts[0] != "5" {
			continue
		}
		return ofCode(parts[1], parts[2])
	}
	return mailer.ReasonOther
}

// ofCode reads subject and detail of a code.
func ofCode(subject, detail string) mailer.Reason {
	switch subject {
	case "1": // the address
		return mailer.ReasonAddress
	case "2": // the mailbox
		switch detail {
		case "1":
			return mailer.ReasonAddress // it is disabled
		case "2":
			return mailer.ReasonFull
		}
	case "3", "4": // the mail system, the network
		return mailer.ReasonDown
	case "7": // security or policy
		return mailer.ReasonPolicy
	}
	return mailer.ReasonOther
}
