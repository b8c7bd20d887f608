//go:build !linux

package main

import "syscall"

// Elsewhere than on Linux there are no private databases, and so no service of
// bench's own to be measured: serve says so.

func childAttr() *syscall.SysProcAttr { return nil }

func cpuNow(*service) cpuTime { return cpuTime{} }

func (s *service) memory() int64 { return 0 }
