package election

import (
	"slices"
	"strings"
)

// OnlyThere reports whether an address leads every computer to itself, so that nobody but
// who sits at the service's own reaches the service. It is good for trying things out.
func OnlyThere(origin string) bool {
	_, host, _ := strings.Cut(strings.ToLower(origin), "://")
	host, _, _ = strings.Cut(host, "/")
	if end := strings.LastIndexByte(host, ']'); strings.HasPrefix(host, "[") && end > 0 {
		ip := strings.TrimPrefix(host[1:end], "::ffff:")
		return slices.Contains([]string{"::1", "::", "0.0.0.0"}, ip) || within127(ip)
	}
	host, _, _ = strings.Cut(host, ":")
	host = strings.TrimSuffix(host, ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "0.0.0.0" || within127(host)
}

// within127 reports whether a host is an IPv4 address of the computer that asks, and no
// name that begins like one.
func within127(host string) bool {
	return strings.HasPrefix(host, "127.") && strings.Trim(host, "0123456789.") == ""
}
