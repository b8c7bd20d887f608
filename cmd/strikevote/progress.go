package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// A progress shows how far a long work is: bars on a terminal, one line a step
// elsewhere. It is safe for concurrent use.
type progress struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	name     string
	bar      *progressbar.ProgressBar
	started  time.Time
}

func newProgress(e *env) *progress { return &progress{w: e.err, terminal: e.terminal} }

// step shows that done of total parts of the named work are done.
func (p *progress) step(name string, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if name != p.name {
		p.finish()
		p.name, p.started = name, time.Now()
		if p.terminal {
			p.bar = progressbar.NewOptions(max(total, 1),
				progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(fmt.Sprintf("%-34s", name)),
				progressbar.OptionSetWidth(24), progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish())
		}
	}
	if p.bar != nil {
		p.bar.ChangeMax(max(total, 1))
		_ = p.bar.Set(min(done, max(total, 1)))
	}
}

// done ends the step under way.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
}

func (p *progress) finish() {
	if p.name == "" {
		return
	}
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
	fmt.Fprintf(p.w, "%-34s %s\n", p.name, time.Since(p.started).Round(10*time.Millisecond))
	p.name = ""
}
