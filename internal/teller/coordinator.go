package teller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/ceremony"
	"strikevote/internal/platform/away"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// A coordinator is the service as a teller's program sees it: over the network,
// or by files that people carry. It delivers and is trusted with nothing; every
// rule is [Teller]'s and the same for both.
type coordinator interface {
	fmt.Stringer // what it is called in a sentence
	// state returns what the coordinator shows of the ceremony.
	state(ctx context.Context) (*ceremony.State, error)
	// ready returns an error if a message could not be delivered: it is asked
	// before anything is done that only a message tells.
	ready() error
	// post delivers this teller's part of a round.
	post(ctx context.Context, session uint32, round ceremony.Round, body []byte) error
	// file returns a file of the public record of a sealed election.
	file(ctx context.Context, st *ceremony.State, path string) ([]byte, error)
	// record opens the whole public record, which should be of a stage.
	record(ctx context.Context, stage layout.Stage, progress func(step string, done, total int)) (fs.FS, io.Closer, error)
	// close gives up what the coordinator holds.
	close()
}

// A network is a coordinator that is asked over HTTP.
type network struct {
	election   suite.ElectionID
	base       string // <console>/v1/<election>
	number     uint8
	enrollment string
	client     *http.Client
}

const (
	// maxAnswer bounds what the service can make the program read.
	maxAnswer = 4 << 20
	// maxMessage bounds what it can make the teller read.
	maxMessage = 500
	// patience is longer than the service verifies a record before it answers
	// to a share.
	patience = 3 * time.Minute
)

func overNetwork(k *key) network {
	return network{
		election: k.Election, base: k.Console + "/v1/" + k.Election.String(), number: k.Number, enrollment: k.Enrollment,
		// A redirect would let the service make this computer ask others, with
		// the enrollment word along.
		client: &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
	}
}

func (c network) String() string { return "the service" }

func (c network) ready() error { return nil }

func (c network) close() {}

func (c network) state(ctx context.Context) (*ceremony.State, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/ceremony", nil)
	if err != nil {
		return nil, fmt.Errorf("asking the service: %w", err)
	}
	st := new(ceremony.State)
	if err := c.do(req, st); err != nil {
		return nil, err
	}
	if err := st.Check(c.election, c.number); err != nil {
		return nil, fmt.Errorf("reading the service's answer: %w", err)
	}
	return st, nil
}

func (c network) post(ctx context.Context, session uint32, round ceremony.Round, body []byte) error {
	b, err := json.Marshal(ceremony.Post{Session: session, Enrollment: c.enrollment, Body: body})
	if err != nil {
		return fmt.Errorf("encoding message: %w", err)
	}
	url := fmt.Sprintf("%s/tellers/%d/%s", c.base, c.number, round)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("sending %s: %w", round, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if err := c.do(req, nil); err != nil {
		return fmt.Errorf("sending %s: %w", round, err)
	}
	return nil
}

func (c network) file(ctx context.Context, st *ceremony.State, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, st.Record+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	status, b, err := c.ask(req, layout.Limit(path))
	if err == nil && status != http.StatusOK {
		err = answered(status)
	}
	return b, err
}

// record downloads the record: what is verified is then what is opened,
// whatever the service shows a moment later.
func (c network) record(ctx context.Context, stage layout.Stage, progress func(step string, done, total int)) (fs.FS, io.Closer, error) {
	st, err := c.state(ctx)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case stage == layout.Certified && st.Phase != string(election.PhaseCertified):
		return nil, nil, errors.New("the result is not certified yet; until then the key may be needed again")
	case stage == layout.Locked && st.Record == "":
		return nil, nil, errNotSealed
	}
	var download func(done, total int)
	if progress != nil {
		download = func(done, total int) { progress("downloading the record", done, total) }
	}
	return record.Fetch(ctx, st.Record, download)
}

// untilLock says when the election is locked. Which file of its record is the first that is
// withheld helps nobody.
func (c network) untilLock(ctx context.Context, now time.Time) error {
	st, err := c.state(ctx)
	if err != nil {
		return layout.ErrNotLocked
	}
	b, err := c.file(ctx, st, layout.Manifest)
	if err != nil {
		return layout.ErrNotLocked
	}
	m, err := election.Parse(b)
	if err != nil {
		return layout.ErrNotLocked
	}
	return audit.UntilLock(m, now)
}

// do sends a request and reads the answer into v. An error of the service is
// returned in its own words, if they are words: on a terminal other characters
// can overwrite what stands there.
func (c network) do(req *http.Request, v any) error {
	status, body, err := c.ask(req, maxAnswer)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		var e struct{ Error, Message string }
		if json.Unmarshal(body, &e) == nil && suite.CheckText(e.Message, maxMessage) == nil {
			return errors.New(e.Message)
		}
		return answered(status)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("reading the service's answer: %w", err)
	}
	return nil
}

// ask sends a request and reads an answer of at most limit bytes.
func (c network) ask(req *http.Request, limit int64) (status int, body []byte, err error) {
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("%w; nothing is lost, run this again", away.Of("the service at "+req.URL.Host, err))
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the service's answer: %w", err)
	}
	if int64(len(body)) > limit {
		return 0, nil, errors.New("the service's answer is longer than any should be")
	}
	return resp.StatusCode, body, nil
}

// answered is the error of an answer that says nothing else. The reason in its
// first line is the service's and not shown.
func answered(status int) error {
	return fmt.Errorf("the service answered %d %s", status, http.StatusText(status))
}
