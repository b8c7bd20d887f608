//go:build !linux

package main

// Elsewhere than on Linux there are no private databases, and so no service of
// bench's own to be measured: serve says so.

func cpuNow(*service) cpuTime { return cpuTime{} }

func (s *service) memory() int64 { return 0 }
