package cluster

import "context"

// Choose picks from made-up releases, by their versions.
func Choose(versions []int, data string) (int, error) {
	var all []release
	for _, v := range versions {
		all = append(all, release{version: v})
	}
	r, err := choose(all, data)
	return r.version, err
}

// Reach checks a directory for an account that has nothing to do with it.
func Reach(dir string) error {
	return account{name: "stranger", uid: 1 << 30, gid: 1 << 30, drop: true}.checkReach(dir)
}

// Settle waits for servers that were left behind.
func Settle(ctx context.Context, data string) error { return settle(ctx, data) }

// Data returns the data directory and Socket that of the socket.
func (c *Cluster) Data() string   { return c.data }
func (c *Cluster) Socket() string { return c.socket }
