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
)

// A coordinator is the service as a teller's program sees it.
type coordinator struct {
	base       string // <console>/v1/<election>
	number     uint8
	enrollment string
	client     *http.Client
}

// maxAnswer bounds what the service can make the program read.
const maxAnswer = 4 << 20

func newCoordinator(k key) coordinator {
	return coordinator{
		base: k.Console + "/v1/" + k.Election.String(), number: k.Number, enrollment: k.Enrollment,
		client: &http.Client{Timeout: time.Minute},
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
	// Lists of any other length would be indexed out of range later.
	n := int(st.N)
	if n < 1 || n > 32 || st.T < 1 || st.T > st.N || int(c.number) > n ||
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
// returned in its own words.
func (c coordinator) do(req *http.Request, v any) error {
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("reaching the service: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the service's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var e struct{ Error, Message string }
		if json.Unmarshal(body, &e) == nil && e.Message != "" {
			return errors.New(e.Message)
		}
		return fmt.Errorf("the service answered %s", resp.Status)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("reading the service's answer: %w", err)
	}
	return nil
}
