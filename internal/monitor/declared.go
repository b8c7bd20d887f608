package monitor

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// ErrRecord is wrapped by errors that say that what is published does not hold.
var ErrRecord = errors.New("the record does not hold")

// InForce returns the page that the committee named last, in its manifest or by an
// act, and the number of that act. It reads the published acts with get, checks that
// the witnesses of the manifest saw each in the ledger, and that enough of the
// committee signed it. It returns nil if no page was named.
//
// published lists the files of the record: acts about a roll are withheld until the
// lock (SPEC.md section 9), and whoever stopped at the first that is missing would
// never learn of a page that was named after somebody was added. It is nil where nobody
// lists them. A board may keep the newest acts back: what is returned was named, but
// something later may have been too.
func InForce(m *election.Manifest, mid suite.MID, published []string, get func(path string) ([]byte, error)) (client *election.Client, number uint32, err error) {
	policy, err := m.LedgerPolicy()
	if err != nil {
		return nil, 0, err
	}
	listed := make(map[string]bool, len(published))
	for _, path := range published {
		listed[path] = true
	}
	state := act.NewState(m, mid)
	for i := 1; i <= layout.MaxActs; i++ {
		path := layout.Act(i)
		if published != nil && !listed[path] {
			continue
		}
		b, err := get(path)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		a, err := readAct(policy, b)
		if err == nil && published != nil {
			state.Skip(uint32(i))
		}
		if err == nil {
			err = state.Apply(a)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %s: %w", ErrRecord, path, err)
		}
		if a.Kind == act.KindClientBundle {
			number = a.Sequence
		}
	}
	return state.Client, number, nil
}

// published lists the files of the record, or returns nil: a copy on another server may
// have no list, but then it is of a vote that has ended, and lacks none.
func (l *look) published(ctx context.Context) ([]string, error) {
	b, err := l.record(ctx)(pathFiles)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	list := []string{}
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	return list, err
}

// pathFiles is where a board lists the files of a record.
const pathFiles = "files"

// readAct reads the proof of an act (SPEC.md section 10).
func readAct(policy tlog.Policy, b []byte) (*act.Act, error) {
	p, err := tlog.ParseProof(b)
	if err != nil {
		return nil, err
	}
	if _, err := p.Check(policy, tlog.LeafHash(p.Extra)); err != nil {
		return nil, err
	}
	entry, err := ledger.ParseLedger(p.Extra)
	if err != nil {
		return nil, err
	}
	x, ok := entry.(ledger.Act)
	if !ok {
		return nil, errors.New("it is no act")
	}
	return x.Act, nil
}

// Paths of a booth, SPEC.md section 19.
const (
	pathPage   = "/v1/"
	pathClient = "/v1/client"
)

const maxFiles = 200

// parseListing reads the list of a booth's files: SHA-256, two spaces and a path on
// each line, by path.
func parseListing(b []byte) (map[string]suite.Hash, error) {
	files := make(map[string]suite.Hash)
	var paths []string
	for line := range strings.Lines(string(b)) {
		digits, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		sum, err := hex.DecodeString(digits)
		if !ok || err != nil || len(sum) != len(suite.Hash{}) || hex.EncodeToString(sum) != digits || !strings.HasPrefix(path, pathPage) ||
			strings.ContainsAny(path, " #%\\") || suite.CheckText(path, 100) != nil || strings.Contains(path, "..") {
			return nil, fmt.Errorf("line %d cannot be read", len(paths)+1)
		}
		files[path] = suite.Hash(sum)
		paths = append(paths, path)
	}
	if len(files) != len(paths) || !slices.IsSorted(paths) || len(paths) > maxFiles {
		return nil, errors.New("it is not in order")
	}
	if !slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p, pathPage+"?") }) {
		return nil, errors.New("it has no page")
	}
	return files, nil
}
