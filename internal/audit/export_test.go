package audit

import (
	"context"
	"fmt"
	"io/fs"
)

// VerifySparing makes the checks of [Verify] as an auditor does that leaves out
// the faults for which spare is true, as if the rules were not there. What it
// then still says of the record, result and all, is not concluded.
func VerifySparing(ctx context.Context, fsys fs.FS, o Options, spare func(check, reason string) bool) ([]Check, error) {
	a := &auditor{ctx: ctx, fsys: fsys, o: o, r: new(Report), seen: make(map[string]bool), spare: spare}
	if err := a.verify(); err != nil {
		return nil, fmt.Errorf("reading record: %w", err)
	}
	return a.r.Checks, nil
}
