package board

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// A Half is what one side publishes of an election: its log, and the files beside
// it. It must be safe for concurrent use. What is not there, or not yet, is
// [ErrNotFound]; entries that come at lock are an error that says so.
type Half interface {
	// Resource returns what a path of the record names, such as "manifest" or
	// "ballots/checkpoint".
	Resource(ctx context.Context, path string) ([]byte, error)
	// Files lists the paths of the files beside the log, in order.
	Files(ctx context.Context) ([]string, error)
	// AddCosignature keeps a cosignature, see [Log.AddCosignature].
	AddCosignature(ctx context.Context, line string) error
}

// Local returns the half of a log whose database this process can read. name is
// the log's in paths, [layout.Ledger] or [layout.Ballots].
func Local(name string, l *Log) Half { return local{l, name} }

type local struct {
	*Log
	name string
}

func (h local) Resource(ctx context.Context, path string) ([]byte, error) {
	rest, ok := strings.CutPrefix(path, h.name+"/")
	if !ok {
		if checkPath(path) != nil {
			return nil, ErrNotFound
		}
		return h.File(ctx, path)
	}
	t, ok := logPath(rest)
	switch {
	case !ok:
		return nil, ErrNotFound
	case rest == newest:
		return h.Checkpoint(ctx)
	case rest == first:
		return h.CheckpointAt(ctx, 1)
	case t.Level == tlog.Entries:
		hidden, err := h.withheld(ctx)
		if err != nil {
			return nil, err
		}
		if hidden {
			return nil, errWithheld
		}
	}
	return h.Tile(ctx, t)
}

// The checkpoints of a log, in paths.
const (
	newest = "checkpoint"
	first  = "checkpoint-1"
)

// logPath reports whether a path of a record can go on so after the name of a log:
// with a checkpoint, or with a tile, which it returns.
func logPath(rest string) (t tlog.Tile, ok bool) {
	if rest == newest || rest == first {
		return t, true
	}
	t, err := tlog.ParseTilePath(rest)
	return t, err == nil
}

// withheld reports whether entry bundles are hidden. Those of a ledger are
// until it is final: while voting is open they would say on whose leaf a ballot
// was issued, batch by batch.
func (h local) withheld(ctx context.Context) (bool, error) {
	if h.name != layout.Ledger {
		return false, nil
	}
	final, err := h.Final(ctx)
	return !final, err
}

// Remote returns the half that another process serves at an address, over HTTP.
// name is its log's in paths. What it answers is passed on as it is: whoever
// reads a record verifies it, and trusts no board.
func Remote(client *http.Client, origin string, id suite.ElectionID, name string) Half {
	return remote{client, origin + "/" + id.String() + "/", name}
}

// List returns the elections of which another process serves a half.
func List(ctx context.Context, client *http.Client, origin string) ([]suite.ElectionID, error) {
	body, err := remote{client: client, base: origin + "/"}.ask(ctx, http.MethodGet, "elections", "", maxList)
	if err != nil {
		return nil, err
	}
	var names []string
	if err := json.Unmarshal(body, &names); err != nil {
		return nil, fmt.Errorf("reading the list of elections: %w", err)
	}
	var ids []suite.ElectionID
	for _, name := range names {
		id, err := suite.ParseElectionID(name)
		if err != nil {
			return nil, fmt.Errorf("reading the list of elections: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

type remote struct {
	client *http.Client
	base   string
	name   string
}

func (h remote) Resource(ctx context.Context, path string) ([]byte, error) {
	// Nothing else is made part of an address: a "?" would ask for something
	// else than the path that is answered, and perhaps cached, here.
	rest, ok := strings.CutPrefix(path, h.name+"/")
	if ok {
		_, ok = logPath(rest)
	} else {
		ok = checkPath(path) == nil
	}
	if !ok {
		return nil, ErrNotFound
	}
	return h.ask(ctx, http.MethodGet, path, "", layout.Limit(path))
}

// maxList bounds a list of files: the acts of an election are at most 9,999.
const maxList = 1 << 20

func (h remote) Files(ctx context.Context) ([]string, error) {
	body, err := h.ask(ctx, http.MethodGet, filesPath, "", maxList)
	if err != nil {
		return nil, err
	}
	var list []string
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("reading the list of files: %w", err)
	}
	for _, path := range list {
		if checkPath(path) != nil {
			return nil, errors.New("reading the list of files: it names a path that no record has")
		}
	}
	return list, nil
}

func (h remote) AddCosignature(ctx context.Context, line string) error {
	_, err := h.ask(ctx, http.MethodPost, h.name+"/cosignatures", line, maxLine)
	return err
}

func (h remote) ask(ctx context.Context, method, path, body string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.base+path, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusUnprocessableEntity:
		return nil, fmt.Errorf("asking for %s: %w", path, refused(resp.StatusCode, answer))
	case resp.StatusCode/100 != 2:
		return nil, fmt.Errorf("asking for %s: the other process answers %d", path, resp.StatusCode)
	case int64(len(answer)) > limit:
		return nil, fmt.Errorf("asking for %s: the answer is longer than any should be", path)
	}
	return answer, nil
}

// refused returns the error of which [Site.Handler] made an answer, so that this
// process answers the same.
func refused(status int, answer []byte) error {
	var said struct{ Error string }
	_ = json.Unmarshal(answer, &said) // no code; a proxy may have answered
	switch {
	case status == http.StatusNotFound && said.Error == "withheld":
		return errWithheld
	case status == http.StatusNotFound:
		return ErrNotFound
	case said.Error == "ahead":
		return ErrAhead
	}
	return ErrUnknownCosignature
}
