package main

import (
	"fmt"
	"runtime"
)

// needsLinux says so before anything is made. Everything else runs everywhere.
func needsLinux(command string) error {
	return needs(command, runtime.GOOS)
}

func needs(command, system string) error {
	if system == "linux" {
		return nil
	}
	return fmt.Errorf("%s starts two PostgreSQL servers of its own, and that needs Linux; this is %s. "+
		"The programs of members, tellers, witnesses and auditors run here: vote, teller, witness, verify, roll check", command, system)
}
