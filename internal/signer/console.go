package signer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/platform/away"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// A Console is the service as a member's program sees it.
type Console struct {
	election suite.ElectionID
	base     string // <console>/v1/<election>
	client   *http.Client
}

const (
	maxAnswer  = suite.MaxFile + 4096
	maxMessage = 500
	// patience is longer than the service verifies a record before it takes a
	// signature over the certificate.
	patience = 3 * time.Minute
)

var errAddress = errors.New("this is not the address of an election; it looks like https://console.example/v1/ and 32 digits")

// Dial reads the address of an election at the console:
// <console>/v1/<election_id>. Nothing is asked yet.
func Dial(address string) (*Console, error) {
	address = strings.TrimSuffix(strings.TrimSpace(address), "/")
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errAddress
	}
	text, ok := strings.CutPrefix(u.Path, "/v1/")
	id, err := suite.ParseElectionID(text)
	if !ok || err != nil {
		return nil, errAddress
	}
	return &Console{
		election: id, base: u.Scheme + "://" + u.Host + "/v1/" + id.String(),
		// A redirect would let the service make this computer ask others.
		client: &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
	}, nil
}

// errNotYet says that nothing was proposed yet.
var errNotYet = errors.New("nothing was proposed yet")

// get fetches bytes. It returns [errNotYet] where there is nothing yet.
func (c *Console) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking the service: %w", err)
	}
	status, body, err := c.ask(req)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusTooEarly:
		return nil, errNotYet
	case status != http.StatusOK:
		return nil, said(status, body)
	}
	return body, nil
}

// list fetches something that the service says in JSON.
func (c *Console) list(ctx context.Context, path string, v any) error {
	b, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("reading the service's answer: %w; it may be of another version", err)
	}
	return nil
}

// Sign signs an item with a key, as a member, and sends the signature. It returns
// a [*NotMemberError] where the key is none of that member.
func (c *Console) Sign(ctx context.Context, i *Item, k *Key, as string) error {
	member, key, err := Place(&i.Committee, k.Public(), as)
	if err != nil {
		return err
	}
	if int(member) == i.Barred {
		return errors.New("you are to be replaced by it, so that you cannot sign it; two others have to")
	}
	b, err := json.Marshal(election.MemberSignature{Member: member, Key: key, Signature: ed25519.Sign(k.private, i.Message)})
	if err != nil {
		return fmt.Errorf("encoding signature: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+i.path+"/signatures", bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("sending the signature: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	status, body, err := c.ask(req)
	if err == nil && status != http.StatusOK {
		err = said(status, body)
	}
	if err != nil {
		return fmt.Errorf("sending the signature: %w", err)
	}
	return nil
}

func (c *Console) ask(req *http.Request) (status int, body []byte, err error) {
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("%w; nothing is lost, run this again", away.Of("the service at "+req.URL.Host, err))
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the service's answer: %w", err)
	}
	if len(body) > maxAnswer {
		return 0, nil, errors.New("the service's answer is longer than any should be")
	}
	return resp.StatusCode, body, nil
}

// said is an error of the service in its own words, if they are words: on a
// terminal other characters can overwrite what stands there.
func said(status int, body []byte) error {
	var e struct{ Error, Message string }
	if json.Unmarshal(body, &e) == nil && suite.CheckText(e.Message, maxMessage) == nil {
		return errors.New(e.Message)
	}
	return fmt.Errorf("the service answered %d %s", status, http.StatusText(status))
}

// word returns a text of the service if it is one that may be shown.
func word(s string, most int) string {
	if suite.CheckTextOrEmpty(s, most) != nil {
		return "(not shown: it holds characters that do not show)"
	}
	return s
}

// known returns a state that this program knows.
func known(state string) string {
	switch state {
	case agenda.Open, agenda.Signed, agenda.Applied, agenda.Refused, agenda.Withdrawn:
		return state
	}
	return "in a state that this program does not know"
}
