package sendgrid

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// answerTime bounds one question to the account.
	answerTime = 30 * time.Second
	// answerSize bounds an answer: 500 entries of a list, with the reasons of other
	// mail systems in them.
	answerSize = 8 << 20
	// maxWait is how long a question waits in all while the account says that it was
	// asked too often.
	maxWait = 2 * time.Minute
)

var (
	// ErrForbidden is returned for what the key may not see or do.
	ErrForbidden = errors.New("the key may not do that")
	// ErrRefusedKey is returned where the provider does not know the key.
	ErrRefusedKey = errors.New("the provider does not know the key")
	// ErrShape is returned for an answer in which what was asked for is not found.
	ErrShape = errors.New("the answer has a shape that is not known here")
)

// An Account asks for the settings and the lists of an account. It is safe for
// concurrent use. Its errors hold neither the key nor an address.
type Account struct {
	key, base string
	client    *http.Client
}

// NewAccount returns the account of a key. Its errors quote no setting.
func NewAccount(c Config) (*Account, error) {
	if err := checkKey(c.Key); err != nil {
		return nil, err
	}
	base, err := checkURL(cmp.Or(c.BaseURL, Global))
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	return &Account{key: c.Key, base: base, client: &http.Client{Timeout: answerTime, Transport: t,
		// The key goes to nobody whom an answer names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Format hides the key, whatever the verb.
func (*Account) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[account]") }

// ask asks one question and reads the answer into v, which may be nil. what names it in
// errors, in place of its path, which may hold an address.
func (a *Account) ask(ctx context.Context, method, path, what string, v any) error {
	waited := time.Duration(0)
	for {
		pause, err := a.once(ctx, method, path, v)
		if pause > 0 && waited+pause <= maxWait {
			waited += pause
			if err := sleep(ctx, pause); err != nil {
				return fmt.Errorf("asking the provider for %s: %w", what, err)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("asking the provider for %s: %w", what, err)
		}
		return nil
	}
}

// once asks once. A pause above 0 says to ask again after it.
func (a *Account) once(ctx context.Context, method, path string, v any) (pause time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, nil)
	if err != nil {
		return 0, errors.New("it cannot be asked so") // the error holds the path
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	req.Header.Set("Accept", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		var u *url.Error // holds the path
		if errors.As(err, &u) {
			err = u.Err
		}
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, answerSize+1))
	switch {
	case err != nil:
		return 0, errors.New("the answer broke off")
	case resp.StatusCode == http.StatusTooManyRequests:
		return wait(resp.Header, time.Now()), errors.New("it was asked too often; try again later")
	case resp.StatusCode == http.StatusUnauthorized:
		return 0, ErrRefusedKey
	case resp.StatusCode == http.StatusForbidden:
		return 0, ErrForbidden
	case resp.StatusCode == http.StatusNotFound && method == http.MethodDelete:
		return 0, nil // it is gone already
	case resp.StatusCode/100 != 2:
		return 0, fmt.Errorf("it answered %d", resp.StatusCode)
	case len(b) > answerSize:
		return 0, errors.New("the answer is too long")
	}
	if v == nil {
		return 0, nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return 0, ErrShape // the error may quote it
	}
	return 0, nil
}

// shaped returns an error for an answer without what was asked for: an empty list is one.
func shaped(err error, found bool) error {
	if err == nil && !found {
		return ErrShape
	}
	return err
}

// Scopes returns what the key may do.
func (a *Account) Scopes(ctx context.Context) ([]string, error) {
	var v struct{ Scopes []string }
	err := a.ask(ctx, http.MethodGet, "/v3/scopes", "the key's scopes", &v)
	return v.Scopes, shaped(err, v.Scopes != nil)
}

// Tracking returns whether the account tracks readers, by the kinds click, open,
// subscription and google_analytics.
func (a *Account) Tracking(ctx context.Context) (map[string]bool, error) {
	var v struct {
		Result []struct {
			Name    string
			Enabled bool
		}
	}
	err := a.ask(ctx, http.MethodGet, "/v3/tracking_settings", "tracking settings", &v)
	m := make(map[string]bool)
	for _, t := range v.Result {
		m[t.Name] = t.Enabled
	}
	return m, shaped(err, v.Result != nil)
}

// A Hook is where the account sends events.
type Hook struct {
	Enabled   bool
	URL       string
	PublicKey string `json:"public_key"` // empty: they are not signed

	Processed  bool
	Deferred   bool
	Delivered  bool
	Bounce     bool
	Dropped    bool
	SpamReport bool `json:"spam_report"`
	Open       bool
	Click      bool
}

// Hooks returns where the account sends events.
func (a *Account) Hooks(ctx context.Context) ([]Hook, error) {
	var v struct{ Webhooks []Hook }
	err := a.ask(ctx, http.MethodGet, "/v3/user/webhooks/event/settings/all", "webhooks", &v)
	return v.Webhooks, shaped(err, v.Webhooks != nil)
}

// A Domain is one that the account may send for.
type Domain struct {
	Domain    string
	Subdomain string // with Domain, what the envelope names
	Valid     bool
	DNS       struct {
		DKIM1 struct{ Host string } `json:"dkim1"`
		DKIM2 struct{ Host string } `json:"dkim2"`
	}
}

// Envelope returns the domain that bounces go to.
func (d Domain) Envelope() string {
	if d.Subdomain == "" {
		return ""
	}
	return d.Subdomain + "." + d.Domain
}

// Selectors returns under which names the keys of signatures stand.
func (d Domain) Selectors() []string {
	var list []string
	for _, host := range []string{d.DNS.DKIM1.Host, d.DNS.DKIM2.Host} {
		if name, _, ok := strings.Cut(host, "._domainkey."); ok {
			list = append(list, name)
		}
	}
	return list
}

// Domains returns the domains that the account may send for.
func (a *Account) Domains(ctx context.Context) ([]Domain, error) {
	var list []Domain
	err := a.ask(ctx, http.MethodGet, "/v3/whitelabel/domains?limit=200", "authenticated domains", &list)
	return list, err
}

// Credits are how many mails the account may still send in its period.
type Credits struct {
	Remain    int
	NextReset string // the day on which there are new ones; empty: never
}

// Credits returns how many mails the account may still send.
func (a *Account) Credits(ctx context.Context) (Credits, error) {
	var v struct {
		Remain    *int
		NextReset string `json:"next_reset"`
	}
	err := a.ask(ctx, http.MethodGet, "/v3/user/credits", "credits", &v)
	if err := shaped(err, v.Remain != nil); err != nil {
		return Credits{}, err
	}
	return Credits{*v.Remain, v.NextReset}, nil
}

// A List is one that the provider keeps of addresses.
type List string

// The lists. Whoever is on one of bounces, invalid addresses or spam reports gets
// nothing, and no error comes back. Blocks hold up nothing; they say what was refused
// once.
const (
	Bounces      List = "bounces"
	Blocks       List = "blocks"
	Invalid      List = "invalid_emails"
	SpamReports  List = "spam_reports"
	Unsubscribes List = "unsubscribes"
)

// Lists returns the lists, those that hold most up first.
func Lists() []List { return []List{SpamReports, Bounces, Invalid, Unsubscribes, Blocks} }

// An Entry is an address on a list. It redacts itself. What the receiving system said
// stands beside it in the list and is not read: it may hold anything.
type Entry struct{ Email string }

// Format hides the address, whatever the verb.
func (Entry) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[entry]") }

// page is how many entries of a list come at once, and maxPages how many are asked for:
// a list that does not end is none.
const (
	page     = 500
	maxPages = 4000
)

// Entries calls do with each part of a list, until the list or its error ends it.
func (a *Account) Entries(ctx context.Context, l List, do func([]Entry) error) error {
	for n := range maxPages {
		var list []Entry
		path := fmt.Sprintf("/v3/suppression/%s?limit=%d&offset=%d", l, page, n*page)
		if err := a.ask(ctx, http.MethodGet, path, "its list of "+l.Words(), &list); err != nil {
			return err
		}
		if err := do(list); err != nil {
			return err
		}
		if len(list) < page {
			return nil
		}
	}
	return fmt.Errorf("the provider's list of %s does not end", l.Words())
}

// Listed reports whether an address is on a list.
func (a *Account) Listed(ctx context.Context, l List, address string) (bool, error) {
	what := "one address on its list of " + l.Words()
	if l == Unsubscribes {
		var v struct {
			Email string `json:"recipient_email"`
		}
		err := a.ask(ctx, http.MethodGet, "/v3/asm/suppressions/global/"+url.PathEscape(address), what, &v)
		return v.Email != "", err
	}
	var list []Entry
	err := a.ask(ctx, http.MethodGet, "/v3/suppression/"+string(l)+"/"+url.PathEscape(address), what, &list)
	return len(list) > 0, err
}

// Clear takes an address off a list.
func (a *Account) Clear(ctx context.Context, l List, address string) error {
	if !slices.Contains(Lists(), l) {
		return errors.New("there is no such list")
	}
	path := "/v3/suppression/" + string(l) + "/" + url.PathEscape(address)
	if l == Unsubscribes {
		path = "/v3/asm/suppressions/global/" + url.PathEscape(address)
	}
	return a.ask(ctx, http.MethodDelete, path, "the removal from its list of "+l.Words(), nil)
}

// Words names the list to people.
func (l List) Words() string {
	return strings.NewReplacer("_emails", " addresses", "_", " ").Replace(string(l))
}
