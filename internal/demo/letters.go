package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
	"strikevote/internal/voter"
)

// A Letter is a mail with a link, in a file. Two members may share an address.
type Letter struct{ Address, Link, Path string }

// Format redacts the letter under every verb: a link is a vote.
func (Letter) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[a member's mail]") }

// ReadLetters reads every mail of a folder that has a link.
func ReadLetters(dir string) (letters []Letter, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".eml" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		address, link, err := voter.ReadMail(f)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		if link != "" {
			letters = append(letters, Letter{address, link, path})
		}
		return nil
	})
	return letters, err
}

// ReadLoad reads the links of n voters, or of all for 0, from a folder of mails.
// The seed draws who they are and what they choose. A link that came in several
// mails is one voter's.
func ReadLoad(dir string, n int, seed uint64) (*Load, error) {
	letters, err := ReadLetters(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the mails: %w", err)
	}
	slices.SortFunc(letters, func(a, b Letter) int {
		return cmp.Or(strings.Compare(a.Address, b.Address), strings.Compare(a.Link, b.Link))
	})
	letters = slices.CompactFunc(letters, func(a, b Letter) bool { return a.Link == b.Link })
	if len(letters) == 0 {
		return nil, errors.New("there is no mail with a voting link in the folder; name the one that the service writes its mails to")
	}
	if n > len(letters) {
		return nil, fmt.Errorf("%d voters need a link each, and the mails hold %d; ask for fewer voters", n, len(letters))
	}
	order := random(seed, "order")
	order.Shuffle(len(letters), func(i, j int) { letters[i], letters[j] = letters[j], letters[i] })
	if n > 0 {
		letters = letters[:n]
	}
	return &Load{letters: letters, seed: seed}, nil
}

// Check returns an error unless all links are of one election, the service at
// an address of its booth or of its record serves that one, and voting is open.
func (l *Load) Check(ctx context.Context, address string) error {
	booth, mid, err := l.election()
	if err != nil {
		return err
	}
	address = strings.TrimSuffix(strings.TrimRight(address, "/"), "/v1")
	if address != booth {
		if err := ofRecord(ctx, address, mid); err != nil {
			return err
		}
	}
	client, leave := newClient()
	defer leave()
	s, err := voter.Open(ctx, client, l.letters[0].Link, voter.NoMemory{})
	if err == nil {
		var status *voter.Status
		if status, err = s.Status(ctx, ""); err == nil && status.Phase != string(election.PhaseOpen) {
			return fmt.Errorf("voting is not open: the election is %s; voters can be tried only while it is open", status.Phase)
		}
	}
	if err != nil && ctx.Err() == nil {
		return errors.New(Reason(err))
	}
	return err
}

// election returns the booth and the election of all links.
func (l *Load) election() (booth string, mid suite.MID, err error) {
	for i, one := range l.letters {
		b, _, _, m, err := token.ParseLink(one.Link)
		if err != nil {
			return "", mid, errors.New("a link in the mails is damaged; fetch the mails again")
		}
		if i > 0 && (b != booth || m != mid) {
			return "", mid, errors.New("the mails hold links of more than one election; name a folder with the mails of one")
		}
		booth, mid = b, m
	}
	return booth, mid, nil
}

// ofRecord returns an error unless the public record at an address is that of
// the election that the links name.
func ofRecord(ctx context.Context, address string, mid suite.MID) error {
	fsys, closer, err := record.Open(ctx, address)
	if err != nil {
		return err
	}
	defer closer.Close()
	manifest, err := fs.ReadFile(fsys, layout.Manifest)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && unreachable(err):
		return errors.New(Reason(err))
	case err != nil || election.MID(manifest) != mid:
		return errors.New("the links in the mails are of another election than the one at the address; " +
			"name the voter's pages or the public record of the election that the mails are for")
	}
	return nil
}

// Reason says in one sentence why something failed, without the link, token or
// address that an error of the network carries. Equal reasons give equal
// sentences.
func Reason(err error) string {
	if !unreachable(err) {
		return err.Error()
	}
	var why syscall.Errno
	var slow net.Error
	switch {
	case errors.As(err, &slow) && slow.Timeout():
		return "the service did not answer in time"
	case errors.As(err, &why):
		return "the service cannot be reached: " + why.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the service ended the connection without an answer"
	}
	return "the service cannot be reached"
}

// unreachable reports whether an error is one of the network.
func unreachable(err error) bool {
	return errors.As(err, new(*url.Error)) || errors.As(err, new(*net.OpError)) || errors.Is(err, io.ErrUnexpectedEOF)
}
