package witness

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

const (
	maxRequest = 1 << 16
	maxProof   = 63 // lines, c2sp.org/tlog-witness
)

// Handler lets logs push checkpoints to witnesses of different elections
// (c2sp.org/tlog-witness): POST /add-checkpoint, and GET
// /<hex SHA-256 of the origin>/checkpoint for monitors.
func Handler(witnesses ...*Witness) http.Handler {
	s := server(witnesses)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", s.addCheckpoint)
	mux.HandleFunc("GET /{origin}/checkpoint", s.getCheckpoint)
	return mux
}

type server []*Witness

// find returns the witness and the log of an origin.
func (s server) find(is func(origin string) bool) (*Witness, followed, bool) {
	for _, w := range s {
		for _, l := range w.logs {
			if is(l.policy.Log.Name()) {
				return w, l, true
			}
		}
	}
	return nil, followed{}, false
}

func (s server) addCheckpoint(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxRequest))
	if err != nil {
		answer(rw, refuse(http.StatusBadRequest, errors.New("the request cannot be read")))
		return
	}
	line, err := s.add(string(body))
	if err != nil {
		answer(rw, err)
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(rw, line) // the log went away
}

// add is add-checkpoint, in the order of checks that tlog-witness gives.
func (s server) add(body string) (string, error) {
	q, err := parseRequest(body)
	if err != nil {
		return "", refuse(http.StatusBadRequest, err)
	}
	w, l, ok := s.find(func(origin string) bool { return origin == q.checkpoint.Origin })
	if !ok {
		return "", refuse(http.StatusNotFound, errors.New("this witness does not know the log"))
	}
	note, err := logSigned(l.policy.Log, q.text, q.lines)
	if err != nil {
		return "", refuse(http.StatusForbidden, err)
	}
	return w.cosign(q.checkpoint, note, q.old, q.proof)
}

// A request is the body of add-checkpoint.
type request struct {
	old        int64
	proof      []suite.Hash
	checkpoint tlog.Checkpoint
	text       string
	lines      []string
}

func parseRequest(body string) (*request, error) {
	head, note, ok := strings.Cut(body, "\n\n")
	if !ok {
		return nil, errors.New("no checkpoint")
	}
	lines := strings.Split(head, "\n")
	digits, ok := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || old < 0 || strconv.FormatInt(old, 10) != digits {
		return nil, errors.New("no old size")
	}
	q := &request{old: old}
	if len(lines)-1 > maxProof {
		return nil, errors.New("the proof is too long")
	}
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != len(suite.Hash{}) || base64.StdEncoding.EncodeToString(h) != line {
			return nil, errors.New("a line of the proof is not a base64 hash")
		}
		q.proof = append(q.proof, suite.Hash(h))
	}
	text, rest, ok := strings.Cut(note, "\n\n")
	if !ok || rest == "" || !strings.HasSuffix(rest, "\n") {
		return nil, errors.New("the checkpoint is not signed")
	}
	q.text = text + "\n"
	q.lines = strings.SplitAfter(rest, "\n")
	q.lines = q.lines[:len(q.lines)-1]
	q.checkpoint, err = tlog.ParseCheckpointText(q.text)
	if err != nil {
		return nil, fmt.Errorf("reading checkpoint: %w", err)
	}
	return q, nil
}

// logSigned returns a checkpoint with the log's line alone. Lines by other keys
// are passed over, as tlog-witness demands; one that claims to be the log's and
// is not makes the whole note worthless.
func logSigned(key tlog.LogKey, text string, lines []string) (string, error) {
	found := ""
	for _, line := range lines {
		if !claims(line, key) {
			continue
		}
		note := text + "\n" + line
		if _, err := tlog.OpenNote(key, []byte(note)); err != nil {
			return "", errors.New("the log's signature is not valid")
		}
		found = note
	}
	if found == "" {
		return "", errors.New("the log has not signed this")
	}
	return found, nil
}

// claims reports whether a signature line names a key by name and key id.
func claims(line string, key tlog.LogKey) bool {
	rest, ok := strings.CutPrefix(line, "— "+key.Name()+" ")
	if !ok {
		return false
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(rest, "\n"))
	// A vkey is name+id+key, the id in eight hexadecimal digits.
	id, _, _ := strings.Cut(strings.TrimPrefix(key.VKey(), key.Name()+"+"), "+")
	return err == nil && len(b) >= 4 && hex.EncodeToString(b[:4]) == id
}

func (s server) getCheckpoint(rw http.ResponseWriter, r *http.Request) {
	want := r.PathValue("origin")
	w, l, ok := s.find(func(origin string) bool {
		h := sha256.Sum256([]byte(origin))
		return hex.EncodeToString(h[:]) == want
	})
	if !ok {
		answer(rw, refuse(http.StatusNotFound, errors.New("this witness does not know the log")))
		return
	}
	last := w.store.get(l.policy.Log.Name())
	if !last.cosigned() {
		answer(rw, refuse(http.StatusNotFound, errors.New("nothing of this log was cosigned yet")))
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(rw, last.Note+last.Line) // the reader went away
}

// answer says why a checkpoint is not cosigned.
func answer(rw http.ResponseWriter, err error) {
	var no *refusal
	switch {
	case !errors.As(err, &no):
		// The disk is full or gone: nothing was signed.
		http.Error(rw, "the witness cannot write its state", http.StatusServiceUnavailable)
	case no.status == http.StatusConflict:
		rw.Header().Set("Content-Type", "text/x.tlog.size")
		rw.WriteHeader(no.status)
		_, _ = fmt.Fprintf(rw, "%d\n", no.size) // the log went away
	case errors.Is(err, ErrFork):
		http.Error(rw, ErrFork.Error(), no.status)
	default:
		http.Error(rw, no.Error(), no.status)
	}
}
