package election_test

import (
	"testing"

	"strikevote/internal/protocol/election"
)

func TestOnlyThere(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]bool{
		"http://127.0.0.1:33011": true, "http://localhost:8001": true, "https://LocalHost.": true, "https://vote.localhost": true,
		"http://[::1]:80": true, "http://0.0.0.0:8001": true, "http://[::ffff:127.0.0.1]:1": true,
		"https://vote.union.example": false, "https://10.0.0.1": false, "https://mylocalhost": false, "https://127.0.0.1.union.example": false, "https://127.0.0.1": true, "https://[2001:db8::1]": false, "": false, "::": false,
	} {
		if got := election.OnlyThere(origin); got != want {
			t.Errorf("%q: got %v", origin, got)
		}
	}
}
