//go:build !linux

package cluster

import (
	"context"
	"errors"
)

// A Cluster is a running server.
type Cluster struct{}

// Start says that it cannot.
func Start(context.Context, Config) (*Cluster, error) {
	return nil, errors.New("a private database is started on Linux only; " +
		"set the address of a PostgreSQL server for each side instead")
}

// URL returns "".
func (*Cluster) URL(string, string) string { return "" }

// AdminURL returns "".
func (*Cluster) AdminURL(string) string { return "" }

// PID returns 0.
func (*Cluster) PID() int { return 0 }

// Done returns a channel that is never closed.
func (*Cluster) Done() <-chan struct{} { return nil }

// Stop does nothing.
func (*Cluster) Stop(context.Context) error { return nil }

// An Attached cluster is one that another process of this program runs.
type Attached struct{}

// Attach says that it cannot.
func Attach(context.Context, Config) (*Attached, error) { return nil, ErrNotRunning }

// URL returns "".
func (*Attached) URL(string, string) string { return "" }
