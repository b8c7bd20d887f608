package voter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"strikevote/internal/platform/away"
	"strikevote/internal/protocol/suite"
)

// NewClient returns the HTTP client of a voter's program.
func NewClient() *http.Client { return safe(&http.Client{Timeout: time.Minute}) }

// safe returns a copy of a client that follows no redirect, which would carry
// the token or the ballot to wherever an answer says, and keeps no cookie, by
// which one service could recognize whom another one knows.
func safe(client *http.Client) *http.Client {
	c := *client
	c.Jar = nil
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

const (
	maxReply   = 1 << 20 // bounds what the service can make the program read
	maxMessage = 500     // and what it can make it say
)

// A ServiceError is an answer in which the service says why it did not do what
// was asked. Message is a sentence for the voter, fit for a terminal.
type ServiceError struct {
	Status  int
	Code    string
	Message string
}

func (e *ServiceError) Error() string { return e.Message }

// An AwayError says that a service did not answer, however often it was asked.
// What it says names the service and neither an address nor a reason: a voter cannot
// use one.
type AwayError = away.Error

// A place is where a request goes: which of the services it is, and the address.
type place struct{ service, url string }

// The services, as a voter is told of them.
const (
	theBooth     = "the service with the voters' pages"
	theRegistrar = "the registrar"
	theBox       = "the ballot box"
	theBoard     = "the public board"
)

// attempts bounds how often a request is sent. All of them can be repeated:
// the service answers a repetition as it answered the first.
const attempts = 6

func get(ctx context.Context, client *http.Client, at place, limit int64) ([]byte, error) {
	body, _, err := getHeader(ctx, client, at, limit)
	return body, err
}

// getHeader is get with the header of the answer.
func getHeader(ctx context.Context, client *http.Client, at place, limit int64) ([]byte, http.Header, error) {
	return retry(ctx, client, at.service, limit, func() (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, at.url, nil)
	})
}

func post(ctx context.Context, client *http.Client, at place, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding request: %w", err)
	}
	return send(ctx, client, at, "application/json", body, out)
}

func postBytes(ctx context.Context, client *http.Client, at place, body []byte, out any) error {
	return send(ctx, client, at, "application/octet-stream", body, out)
}

func send(ctx context.Context, client *http.Client, at place, contentType string, body []byte, out any) error {
	answer, _, err := retry(ctx, client, at.service, maxReply, func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.url, bytes.NewReader(body))
		if err == nil {
			req.Header.Set("Content-Type", contentType)
		}
		return req, err
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("reading the service's answer: %w", err)
	}
	return nil
}

// retry sends a request until there is an answer: a lost connection and a busy,
// failing or restarting service are waited out, any other answer is final.
func retry(ctx context.Context, client *http.Client, service string, limit int64, build func() (*http.Request, error)) ([]byte, http.Header, error) {
	wait := 200 * time.Millisecond
	for n := 1; ; n++ {
		req, err := build()
		if err != nil {
			return nil, nil, fmt.Errorf("making request: %w", err)
		}
		body, header, after, err := once(client, req, limit)
		if err == nil {
			return body, header, nil
		}
		if after < 0 {
			return nil, nil, err
		}
		if said := new(ServiceError); !errors.As(err, &said) || said.Code == "" {
			err = &AwayError{Service: service, Err: err} // what stands before it may answer in its place
		}
		if n == attempts {
			return nil, nil, fmt.Errorf("gave up after %d tries: %w; nothing is lost, try again later", n, err)
		}
		// Jitter, so that many who were turned away do not come back at once.
		pause := max(after, wait/2+rand.N(wait))
		wait *= 2
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// once sends a request. after < 0 says that another try is of no use.
func once(client *http.Client, req *http.Request, limit int64) (body []byte, header http.Header, after time.Duration, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("reaching the service: %w", err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, nil, 0, fmt.Errorf("reading the service's answer: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, nil, -1, errors.New("the service's answer is too long")
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated {
		return body, resp.Header, 0, nil
	}
	if resp.StatusCode/100 == 3 {
		return nil, nil, -1, errors.New("the service sends this request elsewhere, where it is not taken; call the committee")
	}
	e := &ServiceError{Status: resp.StatusCode, Message: fmt.Sprintf("the service answered %d", resp.StatusCode)}
	var said struct{ Error, Message string }
	if json.Unmarshal(body, &said) == nil && suite.CheckText(said.Message, maxMessage) == nil {
		e.Code, e.Message = said.Error, said.Message
	}
	if resp.StatusCode/100 != 5 {
		return nil, nil, -1, e
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return nil, nil, time.Duration(min(max(seconds, 0), 10)) * time.Second, e
}
