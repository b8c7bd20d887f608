package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"strikevote/internal/pages"
)

// publish shows the sample of what a union writes on the public pages.
func (w *World) publish(ctx context.Context) error {
	dir := filepath.Join(w.dir, "pages")
	if err := pages.WriteSample(dir); err != nil {
		return err
	}
	f, err := pages.ReadFolder(dir, false)
	if err != nil {
		return fmt.Errorf("reading the sample: %w", err)
	}
	// The demo is today, in this machine's zone.
	c, day := &f.Content, 24*time.Hour
	now := time.Now()
	date := func(from time.Duration) string { return now.Add(from).Format(time.DateOnly) }
	c.Zone, c.RecordDate, c.Cutoff, c.ResultOn = "", date(-30*day), date(-3*day), date(2*day)
	for i := range c.Documents {
		c.Documents[i].Date = date(time.Duration(4*i-20) * day)
	}
	_, err = w.d.StoreContent(ctx, w.id, f)
	return err
}
