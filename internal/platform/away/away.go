// Package away says in a person's words that a service did not answer.
//
// What an HTTP client says of it holds a method, an address and a system call, and
// nobody who votes or counts can use them. It knows no service: who asks names it. It
// must never show an address beyond its host, for a path can say who asks for what.
package away

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
)

// An Error says that a service did not answer.
type Error struct {
	Service string // as in "the ballot box"
	Reason  string // for whoever can do something about it; may be empty
	Err     error
}

func (e *Error) Error() string {
	text := e.Service + " does not answer now"
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Of makes of an error of an HTTP client one for a person who can set right a host's
// name or a certificate. What the person broke off is returned as it is.
func Of(service string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &Error{Service: service, Reason: reason(err), Err: err}
}

// reason is what failed, without the request.
func reason(err error) string {
	if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() {
		return "it took too long"
	}
	if u := new(url.Error); errors.As(err, &u) {
		err = u.Err
	}
	if name := new(net.DNSError); errors.As(err, &name) {
		return "no host " + name.Name + " was found"
	}
	if call := new(os.SyscallError); errors.As(err, &call) {
		err = call.Err
	}
	return err.Error()
}
