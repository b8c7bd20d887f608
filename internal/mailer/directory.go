package mailer

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/wneessen/go-mail"

	"strikevote/internal/platform/durable"
)

// A Directory is a [Sender] that writes each mail as a file of its own, named
// by a random number, for demonstrations and for mail programs that pick up
// files.
type Directory struct {
	Path string
	// Unsynced skips the wait for the disk: for demonstrations, where a mail
	// that a power cut takes away is no loss.
	Unsynced bool
}

var _ Sender = (*Directory)(nil)

// Name is "outbox".
func (*Directory) Name() string { return "outbox" }

// Send writes the mails, a few at once. Each file appears under its name at once and
// whole, or not at all.
func (d *Directory) Send(ctx context.Context, mails []Mail) []Answer {
	answers := make([]Answer, len(mails))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(8, len(mails)) {
		wg.Go(func() {
			for i := range next {
				answers[i] = d.write(ctx, mails[i])
			}
		})
	}
	for i := range mails {
		next <- i
	}
	close(next)
	wg.Wait()
	return answers
}

func (d *Directory) write(ctx context.Context, m Mail) Answer {
	if ctx.Err() != nil {
		return Answer{Reason: ReasonDown}
	}
	b, err := Message(m)
	if err != nil {
		return Answer{Verdict: Refused, Reason: ReasonAddress}
	}
	// A mail that leaves twice is two files, as it would be two mails in a mailbox:
	// nothing hides that it did.
	var attempt [4]byte
	rand.Read(attempt[:])
	if err := writeFile(d.Path, fmt.Sprintf("%x-%x.eml", m.ID, attempt), b, !d.Unsynced); err != nil {
		return Answer{Reason: ReasonDown}
	}
	return Answer{Verdict: Accepted}
}

func writeFile(dir, name string, b []byte, sync bool) (err error) {
	f, err := os.CreateTemp(dir, ".mail-*")
	if err != nil {
		return fmt.Errorf("writing mail: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("writing mail: %w", err)
		}
	}()
	if _, err = f.Write(b); err != nil {
		return err
	}
	if sync {
		if err = f.Sync(); err != nil {
			return err
		}
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(dir, name)); err != nil || !sync {
		return err
	}
	// The name too must survive a power cut, or the outbox would say sent.
	return durable.SyncDir(dir)
}

// ErrMessage is returned for what cannot be made a message.
var ErrMessage = errors.New("this can be no mail")

// Message writes a mail as RFC 5322 and MIME have it: text first, then HTML. It
// returns [ErrMessage] for an address that is none, and for a header with a line
// break in it. Its errors quote nothing.
func Message(m Mail) ([]byte, error) {
	for _, a := range []string{m.To, m.From.Address, m.ReplyTo} {
		// One plain address: no name, comment, list, or line break.
		if p, err := netmail.ParseAddress(a); err != nil || p.Address != a {
			return nil, fmt.Errorf("not a mail address: %w", ErrMessage)
		}
	}
	if strings.ContainsAny(m.Subject+m.From.Name+m.Language, "\r\n\x00") {
		return nil, fmt.Errorf("a header has a line break: %w", ErrMessage)
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	_, host, _ := strings.Cut(m.From.Address, "@")
	if msg.FromFormat(m.From.Name, m.From.Address) != nil || msg.To(m.To) != nil || msg.ReplyTo(m.ReplyTo) != nil {
		return nil, fmt.Errorf("not a mail address: %w", ErrMessage)
	}
	msg.Subject(m.Subject)
	msg.SetDateWithValue(m.Date)
	msg.SetMessageIDWithValue(hex.EncodeToString(m.ID[:]) + "@" + host)
	msg.SetGenHeader("Content-Language", m.Language)
	// Away-from-the-desk answers to 22,000 mails help nobody.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("writing a mail failed: %w", ErrMessage)
	}
	return b.Bytes(), nil
}
