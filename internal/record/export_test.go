package record

import (
	"context"
	"io/fs"
	"time"
)

// SetWait replaces the pauses between tries of a record on the web.
func SetWait(fsys fs.FS, wait func(context.Context, time.Duration) error) { fsys.(*web).wait = wait }

// Limits under test.
const (
	WebTries = webTries
	WebSlots = webSlots
)
