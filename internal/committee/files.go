package committee

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// ExportCeremony returns the file that a teller's program reads on a computer
// without a network: what GET /ceremony answers and, once the election is
// sealed, its manifest and first checkpoint from the public record.
func (s *Service) ExportCeremony(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	st, err := s.State(ctx, id)
	if err != nil {
		return nil, err
	}
	f := &ceremony.StateFile{State: *st}
	if st.Record != "" {
		if f.Manifest, f.Checkpoint, err = sealed(ctx, st.Record); err != nil {
			return nil, fmt.Errorf("reading the public record: %w", err)
		}
	}
	return f.Encode()
}

// sealed reads what a teller looks at before voting opens. The checkpoint is
// empty until the log has signed one.
func sealed(ctx context.Context, address string) (manifest, checkpoint []byte, err error) {
	fsys, closer, err := record.Open(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	defer closer.Close()
	if manifest, err = readFile(fsys, layout.Manifest); err != nil {
		return nil, nil, err
	}
	checkpoint, err = readFile(fsys, layout.FirstCheckpoint(layout.Ledger))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return manifest, checkpoint, err
}

func readFile(fsys fs.FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// One byte more than the limit: a file that was cut would be read as another.
	limit := layout.Limit(path)
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, layout.ErrTooLarge
	}
	return b, err
}

// Import takes a teller's message from a file, with the checks that it would
// meet over the network: the enrollment word, the session, the round's own. It
// returns whose it is and of which round, also beside an error where the file
// could be read. Importing a file again is fine.
func (s *Service) Import(ctx context.Context, id suite.ElectionID, file []byte) (*ceremony.MessageFile, error) {
	m, err := ceremony.ParseMessageFile(file)
	if err != nil {
		return nil, &RefusedError{err}
	}
	if m.Election != id {
		return m, &RefusedError{errors.New("this message is of another election")}
	}
	return m, s.Accept(ctx, id, m.Number, m.Round, &m.Post)
}

// Sentence returns what a person is told about an error of this package, as over
// the network, or "" where it is nothing that they could do something about.
func Sentence(err error) string {
	_, _, message := answer(err)
	return message
}
