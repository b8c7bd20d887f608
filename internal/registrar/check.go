package registrar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"strikevote/internal/protocol/suite"
)

// checkTime bounds how long the box may take to check a body. It is shorter
// than a request may take, so that who waits is told in time to come back.
const checkTime = 5 * time.Second

// CheckAt returns a function for [Config].CheckEnvelope that asks the box, as
// from another machine: the registrar itself cannot read a ballot, and must not.
// box is the box's address with the election, as in
// https://box.example/v1/<election_id>. No redirect is followed.
//
// The function returns [ErrNotBallot] where the box says that the body is none,
// and [ErrBoxAway] where it says nothing that could be relied on.
func CheckAt(client *http.Client, box string) func(ctx context.Context, body []byte) (suite.BallotID, suite.GroupID, error) {
	c := *client
	c.Jar = nil
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return func(ctx context.Context, body []byte) (suite.BallotID, suite.GroupID, error) {
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		defer cancel()
		id, g, err := checkAt(ctx, &c, box+"/check", body)
		if err != nil && !errors.Is(err, ErrNotBallot) {
			err = fmt.Errorf("%w: %w", ErrBoxAway, err)
		}
		return id, g, err
	}
}

func checkAt(ctx context.Context, client *http.Client, url string, body []byte) (id suite.BallotID, g suite.GroupID, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return id, 0, err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := client.Do(req)
	if err != nil {
		return id, 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxRequest))
	if err != nil {
		return id, 0, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return id, 0, ErrNotBallot
	default:
		return id, 0, fmt.Errorf("it answered %d", resp.StatusCode)
	}
	var said struct {
		BallotID *suite.BallotID `json:"ballot_id"`
		Group    *suite.GroupID  `json:"group"`
	}
	if err := json.Unmarshal(answer, &said); err != nil || said.BallotID == nil || said.Group == nil {
		return id, 0, errors.New("its answer makes no sense")
	}
	return *said.BallotID, *said.Group, nil
}
