package web_test

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzClient writes any headers into a request: what is not a proxy's is never
// believed, and a proxy is never taken for a client that it names.
func FuzzClient(f *testing.F) {
	f.Add("192.0.2.1:1", "198.51.100.9", "")
	f.Add("10.0.0.5:1", "198.51.100.9, 192.0.2.1", "10.1.2.3")
	f.Add("10.0.0.5:1", strings.Repeat("10.0.0.5,", 2000), "::ffff:10.0.0.5")
	f.Add("[2001:db8:5::1]:1", "fe80::1%eth0", " , ,")
	f.Add("@", "\x00", "[::1]:80")
	f.Fuzz(func(t *testing.T, remote, one, two string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		r.Header["X-Forwarded-For"] = []string{one, two}
		at := proxies.Client(r)
		bare := from(remote)
		if direct := proxies.Client(bare); !proxies.Contains(direct) && at != direct {
			t.Errorf("%s is believed to be %s", remote, at)
		}
		if at.IsValid() && !proxies.Contains(at) && proxies.Contains(proxies.Client(bare)) && !strings.Contains(one+two, ".") && !strings.Contains(one+two, ":") {
			t.Errorf("%s stands in no header", at)
		}
	})
}
