package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"
	"syscall"

	"strikevote/internal/mailer"
)

// ports is which ports go with which settings, for whoever mixed them up.
const ports = "tls is usual on 465, starttls on 587"

// fault says what went wrong on the way to the server, for whoever set it up. wire is how
// the connection was to be protected.
func fault(err error, wire string) string {
	var (
		record   tls.RecordHeaderError
		op       *net.OpError
		name     *net.DNSError
		protocol textproto.ProtocolError
	)
	dialed := !errors.As(err, &op) || op.Op != "dial"
	switch {
	case errors.Is(err, errNoTLS) && wire == None:
		return "it is not on this machine, and nothing would be encrypted on the way to it"
	case errors.Is(err, errNoTLS):
		return "it offers no STARTTLS at this port, and links and password would pass in the open; " + ports
	case errors.Is(err, ErrNoAuth):
		return "it offers no way of signing in that this program has"
	case errors.As(err, &record):
		return "it does not speak TLS from the first byte at this port; " + ports
	case untrusted(err):
		_, why, _ := strings.Cut(err.Error(), "x509: ")
		return "its certificate cannot be trusted: " + mailer.Quote(why)
	case errors.As(err, &name) && name.IsNotFound:
		return "there is no server of this name"
	case errors.As(err, &name):
		return "its name could not be looked up"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing answers at this port"
	case timeout(err) && dialed && wire == StartTLS:
		return "it was silent for too long, as is a port at which TLS begins with the first byte; " + ports
	case timeout(err):
		return "it was silent for too long"
	case errors.As(err, &protocol):
		return "what answers there does not speak as a mail server does"
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET):
		return "it ended the connection"
	case !dialed:
		return "it was not reached"
	}
	return "the connection to it broke"
}

func timeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
