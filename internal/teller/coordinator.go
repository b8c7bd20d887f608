package teller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/suite"
)

// A coordinator is the service as a teller's program sees it.
type coordinator struct {
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

func newCoordinator(k key) coordinator {
	return coordinator{
		election: k.Election, base: k.Console + "/v1/" + k.Election.String(), number: k.Number, enrollment: k.Enrollment,
		// A redirect would let the service make this computer ask others, with
		// the enrollment word along.
		client: &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
	}
}

func (c coordinator) state(ctx context.Context) (*ceremony.State, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/ceremony", nil)
	if err != nil {
		return nil, fmt.Errorf("asking the service: %w", err)
	}
	st := new(ceremony.State)
	if err := c.do(req, st); err != nil {
		return nil, err
	}
	if st.ElectionID != c.election {
		return nil, errors.New("the service's answer is of another election")
	}
	// Lists of any other length would be indexed out of range later.
	n := int(st.N)
	if n < 1 || n > dkg.MaxTellers || st.T < 1 || st.T > st.N || c.number < 1 || int(c.number) > n ||
		len(st.Keys) != n || len(st.Messages) != n || len(st.Signatures) != n || len(st.Names) != n {
		return nil, errors.New("the service's answer makes no sense; it may be of another version")
	}
	return st, nil
}

func (c coordinator) post(ctx context.Context, session uint32, round ceremony.Round, body []byte) error {
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

// do sends a request and reads the answer into v. An error of the service is
// returned in its own words, if they are words: on a terminal other characters
// can overwrite what stands there.
func (c coordinator) do(req *http.Request, v any) error {
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
func (c coordinator) ask(req *http.Request, limit int64) (status int, body []byte, err error) {
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("reaching the service: %w", err)
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
