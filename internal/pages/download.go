package pages

import (
	"archive/zip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/record/layout"
)

// getTable serves the counts of the result as a table for a spreadsheet.
func (s *Site) getTable(w http.ResponseWriter, r *http.Request) error {
	v, err := s.view(r)
	if err != nil {
		return err
	}
	f, err := s.figures(r.Context(), v)
	if err != nil {
		return err
	}
	if f.result == nil {
		return ErrNotFound
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="result.csv"`)
	h.Set("Cache-Control", brief)
	h.Add("Vary", "Accept-Language")
	// Without the mark a spreadsheet takes the names of groups for another script.
	_, _ = w.Write([]byte("\ufeff"))
	out := csv.NewWriter(w)
	for row := range v.table(speaker{f, v.Words}) {
		for i := range row {
			row[i] = harmless(row[i])
		}
		_ = out.Write(row) // the reader went away
	}
	out.Flush()
	return nil
}

// table yields the rows: numbers as they are, without marks between digits. Whether
// the counts are certified stands in every row, since a table is passed on without
// its page.
func (v *view) table(say speaker) iter.Seq[[]string] {
	state := "opened, not yet certified"
	if say.certificate != nil {
		state = "certified"
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return func(yield func([]string) bool) {
		if !yield([]string{"groups", "question", "answer", "role", "votes", "yes_and_no", "in_the_box", "entitled", "state"}) {
			return
		}
		for _, b := range say.blocks() {
			name := say.names(b.groups)
			for q, question := range v.Manifest.Questions {
				yes, no := outcome.Votes(question, b.votes[q])
				for i, o := range question.Options {
					if !yield([]string{
						name, v.Of(question.Text).Text, v.Of(o.Text).Text, o.Role, number(b.votes[q][i]),
						number(yes + no), number(b.cast), number(b.entitled), state,
					}) {
						return
					}
				}
			}
		}
	}
}

// harmless returns a cell that no spreadsheet takes for a formula: the texts of an
// election are the committee's, and whoever opens the table trusts it.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// Limits of a download of the whole record.
const (
	// Each file gets so long to leave; a phone on a slow network takes its time, and
	// one that takes nothing is let go.
	fileTime = 30 * time.Second
	// downloads is how many are under way at once, and ofNetwork how many to one network.
	downloads, ofNetwork = 8, 2
	// comeBack is when one of them has likely ended.
	comeBack = time.Minute
)

// getZip streams the whole record as it is published, in the layout that `strikevote
// verify` reads. No more than one file of it is held at a time.
func (s *Site) getZip(w http.ResponseWriter, r *http.Request) error {
	v, err := s.view(r)
	if err != nil {
		return err
	}
	paths, err := s.recordFiles(r.Context(), v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="record-`+v.ID.String()+`.zip"`)
	h.Set("Cache-Control", brief)
	if r.Method == http.MethodHead {
		return nil
	}
	address := s.Address
	if address == nil {
		address = web.Remote
	}
	done, err := s.zips().Take(address(r))
	if err != nil {
		h.Del("Content-Disposition")
		return err
	}
	defer done()
	// A request's own time is too short for the whole of it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Duration(len(paths)+1)*fileTime)
	defer cancel()
	stop := context.AfterFunc(r.Context(), func() {
		if errors.Is(context.Cause(r.Context()), context.Canceled) {
			cancel()
		}
	})
	defer stop()
	if err := writeZip(ctx, w, v.record, paths); err != nil {
		if s.Log != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "record not downloaded", "err", err)
		}
		// Half an archive is out; only a broken connection tells that it is not whole.
		panic(http.ErrAbortHandler)
	}
	return nil
}

func writeZip(ctx context.Context, w http.ResponseWriter, record Record, paths []string) error {
	out := zip.NewWriter(w)
	control := http.NewResponseController(w)
	for _, path := range paths {
		// Not every writer of a test has a time; a server's has.
		_ = control.SetWriteDeadline(time.Now().Add(fileTime))
		b, err := record.Resource(ctx, path)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		// Hashes and signatures do not become smaller.
		file, err := out.CreateHeader(&zip.FileHeader{Name: path, Method: zip.Store})
		if err != nil {
			return err
		}
		if _, err := file.Write(b); err != nil {
			return err
		}
	}
	return out.Close()
}

// recordFiles lists the files of the record at the stage that is published, which is
// all that a reader can check. Before the lock there is none.
func (s *Site) recordFiles(ctx context.Context, v *view) ([]string, error) {
	e, err := s.ends(ctx, v)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, ErrNotFound
	}
	shape := layout.Shape{Manifest: v.Manifest, Stage: v.stage()}
	for _, path := range v.files {
		if strings.HasPrefix(path, "acts/") {
			shape.Acts++
		}
	}
	ledger, _, err := checkpointOf(ctx, v.record, layout.Ledger)
	if err != nil {
		return nil, err
	}
	ballots, _, err := checkpointOf(ctx, v.record, layout.Ballots)
	if err != nil {
		return nil, err
	}
	shape.LedgerSize, shape.BallotsSize = ledger.Size, ballots.Size
	paths := slices.Collect(shape.Must())
	tellers := true // their statements are those of all, or of none (SPEC 17)
	for i := range int(v.Manifest.Tellers.N) {
		tellers = tellers && v.Has(layout.StatementTeller(i+1))
	}
	for _, path := range shape.May() {
		if v.Has(path) && (tellers || !strings.HasPrefix(path, "statements/")) {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// stage returns the last stage of which every file is published. The files of one
// come one after the other, and a download in between must be a whole record.
func (v *view) stage() layout.Stage {
	switch {
	case v.Acts.Cancelled || !v.Has(layout.Result):
		return layout.Locked
	case !v.Has(layout.Certificate) || !v.Has(layout.Certification):
		return layout.Opened
	}
	return layout.Certified
}
